"""Profile intervals of generalized models against glmmTMB (limits by root finding)
and lme4 (limits by interpolation).
"""

import hashlib
import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ranef import glmer
from reference.store import load_data

REFERENCE = Path(__file__).parents[1] / "reference"


@cache
def reference(name: str) -> dict[str, Any]:
    content = (REFERENCE / f"{name}.json").read_bytes()
    assert hashlib.md5(content).hexdigest() == (REFERENCE / f"{name}.md5").read_text().strip()
    values: dict[str, Any] = json.loads(content)
    return values


CASES = [
    "cbpp",
    "cbpp_agq9",
    "cbpp_cloglog",
    "grouse",
    "grouse_crossed",
    "grouse_nb",
    "gamma_log",
    "gamma_slope",
    "slope",
]


@cache
def fitted(case: str) -> Any:
    r = reference("glmm_profiles")["cases"][case]
    family = "nbinom2" if r["family"] == "nbinom2" else f"{r['family']}({r['link']})"
    return glmer(r["formula"], load_data(r["data"]), family=family, n_quad=r["n_quad"])


def test_the_store_has_its_cases() -> None:
    assert list(reference("glmm_profiles")["cases"]) == CASES


def limits_of_tmb(case: dict[str, Any]) -> dict[str, list[list[float]]]:
    """Limits by kind, on our scales:
    logarithms of standard deviations, of sizes or shapes, and glmmTMB's parameter of a correlation.
    """
    theirs, out = case["glmmTMB"], {"beta": [], "sd": [], "cor": [], "spread": []}
    thetas = [i for i, p in enumerate(theirs["parameters"]) if p == "theta"]
    slope = "| " in case["formula"] and not case["formula"].rstrip(")").split("(")[-1].startswith("1 ")
    for i, parameter in enumerate(theirs["parameters"]):
        low, high = float(theirs["lower"][i]), float(theirs["upper"][i])
        if parameter == "beta":
            out["beta"].append([low, high])
        elif parameter == "theta" and slope and i == thetas[-1]:
            out["cor"].append([low / math.hypot(1, low), high / math.hypot(1, high)])
        elif parameter == "theta":
            out["sd"].append([math.exp(low), math.exp(high)])
        elif case["family"] == "Gamma":  # the logarithm of the shape
            out["spread"].append([math.exp(-0.5 * high), math.exp(-0.5 * low)])
        else:
            out["spread"].append([math.exp(low), math.exp(high)])
    return out


@pytest.mark.parametrize("identifier", [c for c in CASES if c != "cbpp_agq9"])
def test_limits_are_those_of_glmmtmb(identifier: str) -> None:
    m, case = fitted(identifier), reference("glmm_profiles")["cases"][identifier]
    assert m.objective == pytest.approx(case["glmmTMB"]["objective"], abs=1e-7)
    theirs = limits_of_tmb(case)
    ours = m.conf_int("profile")
    kinds = {
        "beta": [n for n in ours.index if n in m.fixef.index],
        "sd": [n for n in ours.index if n.startswith("sd_")],
        "cor": [n for n in ours.index if n.startswith("cor_")],
        "spread": [n for n in ours.index if n in ("sigma", "size")],
    }
    assert sum(map(len, kinds.values())) == len(ours) == sum(map(len, theirs.values()))
    for kind, names in kinds.items():
        assert len(names) == len(theirs[kind]), kind
        if names:
            expected = np.array(theirs[kind])
            width = np.diff(expected, axis=1)
            assert np.abs((ours.loc[names].to_numpy() - expected) / width).max() < 5e-6, kind


@pytest.mark.parametrize("identifier", ["cbpp", "cbpp_agq9", "grouse"])
def test_limits_are_near_those_of_lme4(identifier: str) -> None:
    """lme4's search has no derivatives and reads its limits off a spline:
    1e-4 of the width is what it reaches with tight tolerances.
    """
    theirs = reference("glmm_profiles")["cases"][identifier]["lme4"]
    ours = fitted(identifier).conf_int("profile")
    expected = np.column_stack([theirs["lower"], theirs["upper"]])
    assert len(ours) == len(expected)
    assert np.abs((ours.to_numpy() - expected) / np.diff(expected, axis=1)).max() < 2e-4


@pytest.mark.parametrize("identifier", ["cbpp", "grouse_crossed", "slope"])
def test_curves_give_the_same_limits(identifier: str) -> None:
    m = fitted(identifier)
    exact, read = m.conf_int("profile"), m.profile().conf_int()
    assert list(exact.index) == list(read.index)
    width = (exact.upper - exact.lower).to_numpy()
    assert np.abs((exact - read).to_numpy() / width[:, np.newaxis]).max() < 2e-4
