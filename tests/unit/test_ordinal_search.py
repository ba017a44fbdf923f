"""The search for the lowest valley of models of ordered categories: random designs with few rows,
held against the best of six other starts.
"""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from ranef import RanefError, clmm

pytestmark = pytest.mark.filterwarnings("ignore")

LINKS = ("logit", "probit", "cloglog", "loglog")
STARTS = (0.05, 0.3, 1.0, 3.0, 10.0, 1.0)

QUANTILES: dict[str, Any] = {
    "logit": lambda u: np.log(u / (1 - u)),
    "probit": norm.ppf,
    "cloglog": lambda u: np.log(-np.log1p(-u)),
    "loglog": lambda u: -np.log(-np.log(u)),
}


def design(number: int) -> dict[str, Any]:
    """The arguments of a call: links, nominal effects, slopes and crossed factors."""
    rng = np.random.default_rng([1907, number])
    n, categories, link = int(rng.integers(40, 160)), int(rng.integers(2, 6)), LINKS[number % 4]
    groups, others = int(rng.integers(4, 20)), int(rng.integers(3, 9))
    data = pd.DataFrame({"g": rng.integers(0, groups, n), "h": rng.integers(0, others, n), "x": rng.normal(size=n)})
    data["b"] = np.where(rng.random(n) < rng.uniform(0.25, 0.6), "yes", "no")
    nominal, crossed, slope = rng.random() < 0.5, rng.random() < 0.4, rng.random() < 0.3
    latent = data.x * rng.normal() + (data.b == "yes") * rng.normal()
    latent += np.exp(rng.normal(0, 0.8)) * rng.normal(size=groups)[data.g]
    latent += 0.6 * crossed * rng.normal(size=others)[data.h]
    latent += 0.7 * slope * rng.normal(size=groups)[data.g] * data.x
    latent += QUANTILES[link](rng.random(n))
    cuts = np.quantile(latent, np.sort(rng.dirichlet(np.full(categories, 3.0)).cumsum()[:-1]))
    codes = np.searchsorted(cuts, latent)
    data["y"] = pd.Categorical(np.searchsorted(np.unique(codes), codes), ordered=True)
    random = ("(1 + x | g)" if slope else "(1 | g)") + (" + (1 | h)" if crossed else "")
    return {
        "formula": f"y ~ x + {random}" if nominal else f"y ~ x + b + {random}",
        "data": data,
        "link": link,
        "nominal": "~ b" if nominal else None,
    }


@pytest.mark.parametrize("number", range(16))
def test_no_other_start_ends_lower(number: int) -> None:
    arguments = design(number)
    m = clmm(**arguments)
    rng = np.random.default_rng(number)
    lowest = m.objective
    for scale in STARTS:
        start = scale * np.abs(rng.normal(size=len(m.theta))) + 0.01
        try:
            lowest = min(lowest, clmm(**arguments, start=list(start)).objective)
        except RanefError:
            continue
    assert m.objective <= lowest + 1e-5


def test_standard_deviations_that_run_far_out_are_searched_there() -> None:
    data = pd.DataFrame({"g": np.repeat(np.arange(11), 2)})
    data["x"] = [
        -5.0, 2.96, -1.54, -0.46, 0.13, 2.4, -1.73, 2.32, -1.75, -3.31, 9.01, -7.47, 5.44, 0.95, 3.99, 3.35, -3.26,
        0.99, -0.37, -3.56, -2.91, -2.57,
    ]  # fmt: skip
    data["z"] = [
        0.83, -1.6, 0.27, 1.83, -1.26, -0.82, -1.14, -0.63, 0.01, 0.28, -0.28, -0.42, 0.66, 1.21, 1.14, 0.62, 0.22,
        -0.23, 0.51, 0.08, -0.96, -0.25,
    ]  # fmt: skip
    data["y"] = [0, 4, 2, 2, 2, 2, 2, 5, 2, 0, 5, 0, 3, 5, 2, 2, 0, 2, 1, 0, 0, 2]
    data["y"] = pd.Categorical(data.y, ordered=True)
    call: dict[str, Any] = {"link": "cloglog", "threshold": "equidistant"}
    m = clmm("y ~ x * z + (z | g)", data, **call)
    assert m.convergence.ok
    assert m.theta.max() > 100
    for start in ([470.0, 300.0, 544.0], [235.0, 150.0, 272.0], [117.0, 0.0, 155.0], [30.0, 19.0, 34.0]):
        assert m.objective < clmm("y ~ x * z + (z | g)", data, start=start, **call).objective + 1e-5


@pytest.mark.parametrize(
    ("number", "formula", "shift"), [(1, "y ~ x + (1 | g)", 1000.0), (9, "y ~ x + (x | g) + (1 | h)", 100.0)]
)
def test_a_scale_may_follow_a_covariate_far_from_zero(number: int, formula: str, shift: float) -> None:
    """Thresholds, effects and standard deviations are multiplied by the scale where it is zero."""
    data = design(number)["data"]
    data["far"] = data["x"] + shift
    near, far = (clmm(formula, data, scale=scale) for scale in ("~ x", "~ far"))
    assert near.convergence.ok
    assert far.convergence.ok
    assert far.objective == pytest.approx(near.objective, abs=1e-6)
    b, theirs = (m.component("scale").fixef.to_numpy() for m in (far, near))
    assert b == pytest.approx(theirs, abs=1e-5)
    factor = float(np.exp(shift * b[0]))
    for one, other in ((far.thresholds, near.thresholds), (far.fixef, near.fixef)):
        np.testing.assert_allclose(one / factor, other, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(far.predict(type="prob"), near.predict(type="prob"), atol=1e-4)


def test_a_scale_without_digits_is_named() -> None:
    """Its optimum is met, but thresholds of 1e35 have no gradient that is zero."""
    data = design(9)["data"]
    data["far"] = data["x"] + 300.0
    near, far = (clmm("y ~ x + (1 | g)", data, scale=scale) for scale in ("~ x", "~ far"))
    assert far.objective == pytest.approx(near.objective, abs=1e-5)
    assert not far.convergence.ok
    assert any("centre far" in said for said in far._fit.messages)
