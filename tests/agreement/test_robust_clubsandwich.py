"""Cluster-robust covariances, degrees of freedom and tests against clubSandwich."""

import functools
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import ranef

FILE = Path(__file__).parents[1] / "reference" / "cluster_robust.json"
STORED: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))

MODELS = {
    "sleepstudy": ("Reaction ~ Days + (Days | Subject)", "sleepstudy", "Subject", [1]),
    "gap": ("Reaction ~ Days + I(Days^2) + (Days | Subject)", "gap", "Subject", [1, 2]),
    "cake": ("angle ~ recipe * temp + (1 | batch)", "cake", "batch", [1, 2, 3, 4, 5]),
    "cake_coarse": ("angle ~ recipe * temp + (1 | batch)", "cake", "replicate", [3, 4, 5]),
    "machines": ("score ~ Machine + (1 | Worker) + (1 | Worker:Machine)", "machines", "Worker", [1, 2]),
    "oxide": ("Thickness ~ Source + (1 | Lot / Wafer)", "oxide", "Lot", [1]),
}
CASES = [(model, kind) for model in MODELS for kind in ("CR0", "CR1", "CR1p", "CR1S", "CR2")]


def test_the_file_is_the_one_its_script_wrote() -> None:
    assert hashlib.md5(FILE.read_bytes()).hexdigest() == FILE.with_suffix(".md5").read_text().strip()


@functools.cache
def fitted(model: str) -> Any:
    formula, data, _, _ = MODELS[model]
    frame = ranef.load_dataset("sleepstudy") if data == "sleepstudy" else pd.DataFrame(STORED["data"][data])
    return ranef.lmer(formula, frame)


def close(ours: Any, theirs: Any, tolerance: float) -> None:
    np.testing.assert_allclose(np.asarray(ours, dtype=float), np.array(theirs, dtype=float), rtol=tolerance)


@pytest.mark.parametrize(("model", "kind"), CASES)
def test_covariance_tests_and_intervals(model: str, kind: str) -> None:
    m, (_, _, cluster, joint), r = fitted(model), MODELS[model], STORED["results"][model][kind]
    # Variances that R's optimiser stops short of show in CR2, whose adjustment depends on them;
    # covariances close to zero are compared on the scale of the others.
    v, theirs = m.cov_params(cov=kind, cluster=cluster).to_numpy(), np.array(r["vcov"])
    scale = np.sqrt(np.outer(np.diagonal(theirs), np.diagonal(theirs)))
    np.testing.assert_allclose(v / scale, theirs / scale, atol=2e-6)
    table = m.tidy("fixed", cov=kind, cluster=cluster)
    close(table["std_error"], r["se"], 1e-6)
    close(table["df"], r["df"], 1e-5)
    close(table["p_value"], r["p"], 1e-4)
    ci = m.conf_int(cov=kind, cluster=cluster)
    np.testing.assert_allclose(ci["lower"], r["lower"], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(ci["upper"], r["upper"], rtol=1e-5, atol=1e-5)
    names = list(m.fixef.index)
    found = m.test([names[j] for j in joint], cov=kind, cluster=cluster, joint=True).iloc[0]
    htz = r["htz"]
    assert found["num_df"] == htz["df_num"]
    close(found[["f_value", "den_df", "p_value"]], [htz["F"], htz["df_denom"], htz["p"]], 1e-4)
