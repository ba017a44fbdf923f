"""Averages inside nests, transformed responses and follow-ups of means against emmeans
(tests/reference/emmeans_followups.json).
"""

import functools
import hashlib
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import ranef

FILE = Path(__file__).parents[1] / "reference" / "emmeans_followups.json"
REFERENCE: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
NAMES = {
    "estimate": ("emmean", "estimate", "response", "ratio", "odds.ratio", "effect.size", "x.trend"),
    "std_error": ("SE",),
    "df": ("df",),
    "statistic": ("t.ratio", "z.ratio"),
    "p_value": ("p.value",),
    "lower": ("lower.CL", "asymp.LCL"),
    "upper": ("upper.CL", "asymp.UCL"),
}
NESTED = [
    (model, weights, specs)
    for model, by_weights in REFERENCE["nested"]["means"].items()
    for weights, found in by_weights.items()
    for specs in found
]


def test_the_reference_is_what_was_made() -> None:
    assert hashlib.md5(FILE.read_bytes()).hexdigest() == FILE.with_suffix(".md5").read_text().strip()


@functools.cache
def fitted(formula: str, data: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ranef.RanefWarning)  # of columns dropped for nested factors
        return ranef.lmer(formula, pd.DataFrame(REFERENCE["data"][data]))


def compare(
    frame: pd.DataFrame, expected: dict[str, Any], labels: tuple[str, ...] = (), rtol: float = 1e-5, leave: str = ""
) -> None:
    r = {k: v if isinstance(v, list) else [v] for k, v in expected.items()}
    ours = list(map(tuple, frame[list(labels)].astype(str).to_numpy()))
    theirs = list(zip(*(map(str, r[n]) for n in labels), strict=True))
    order = [ours.index(label) for label in theirs] if labels else list(range(len(frame)))
    assert len(order) == len(frame)
    compared = 0
    for name, candidates in NAMES.items():
        column = next((c for c in candidates if c in r), None)
        if column is None or name in leave.split() or name not in frame:
            continue
        values = frame[name].to_numpy(dtype=float)[order]
        right = np.array([np.inf if v == "Inf" else v for v in r[column]], dtype=float)
        np.testing.assert_allclose(values, right, rtol=rtol, atol=rtol * 0.1, err_msg=name)
        compared += 1
    assert compared > 1


@pytest.mark.parametrize(("model", "weights", "specs"), NESTED)
def test_averages_are_made_inside_nests_first(model: str, weights: Any, specs: str) -> None:
    m = fitted(REFERENCE["nested"]["formulas"][model], "fields")
    means = m.emmeans(f"~ {specs}", weights=weights).to_frame()
    expected = REFERENCE["nested"]["means"][model][weights][specs]
    labels = [n for n in specs.split(":") if n != "1"]
    compare(means, expected, tuple(labels))


@pytest.mark.parametrize("response", REFERENCE["response"])
def test_responses_are_undone(response: str) -> None:
    expected = REFERENCE["response"][response]
    means = fitted(f"{response} ~ g + (1 | s)", "responses").emmeans("g")
    compare(means.response().to_frame(), expected["means"], ("g",), leave="statistic p_value")
    if "pairs" in expected:
        compare(means.pairs().response().to_frame(), expected["pairs"], ("contrast",), rtol=1e-4)
