"""Bends of the first predictor of models with several: the score test against fits with the curve,
and the panel.
"""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from ranef import clmm, glmer
from ranef.diagnostics.bend import bend
from ranef.diagnostics.check import check

pytestmark = pytest.mark.filterwarnings("ignore::ranef.RanefWarning")


def bent(curve: float, seed: int = 5, n: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    g = rng.integers(0, 20, n)
    d = pd.DataFrame({"g": g, "x": rng.uniform(-1.5, 1.5, n), "b": np.where(rng.random(n) < 0.4, "yes", "no")})
    eta = 0.4 * d.x + curve * d.x**2 + 0.5 * (d.b == "yes") + 0.5 * rng.normal(size=20)[g]
    d["count"] = rng.poisson(np.exp(0.5 + eta)) * (rng.random(n) < 0.7)
    d["y"] = pd.Categorical(np.digitize(eta + rng.logistic(size=n), [-1.0, 0.5, 2.0]), ordered=True)
    d["s"], d["n"] = rng.binomial(10, rng.beta(*(10 * p for p in (1 / (1 + np.exp(-eta)), 1 / (1 + np.exp(eta)))))), 10
    return d


CALLS: list[tuple[Any, dict[str, Any]]] = [
    (glmer, {"formula": "count ~ x + b + (1 | g)", "family": "poisson", "zi_formula": "~ b"}),
    (glmer, {"formula": "count ~ x + b + (1 |p| g)", "family": "poisson", "zi_formula": "~ (1 |p| g)"}),
    (glmer, {"formula": "cbind(s, n - s) ~ x + b + (1 | g)", "family": "betabinomial"}),
    (clmm, {"formula": "y ~ x + b + (1 | g)"}),
    (clmm, {"formula": "y ~ x + (1 | g)", "nominal": "~ b", "scale": "~ x", "link": "probit"}),
]


@pytest.mark.parametrize(("verb", "call"), CALLS, ids=[call["formula"] for _, call in CALLS])
def test_the_score_is_that_of_a_fit_with_the_curve(verb: Any, call: dict[str, Any]) -> None:
    d = bent(0.15)
    m = verb(data=d, **call)
    added = m._fit.added_columns(m._fit.x, np.asfortranarray(d[["x"]].to_numpy() ** 2))
    wider = m.update(". ~ . + I(x^2)")
    statistic = float(added.score[0] ** 2 / added.information[0, 0])
    assert statistic == pytest.approx(m.objective - wider.objective, rel=0.15, abs=0.05)
    estimate = float(added.score[0] / added.information[0, 0])
    assert estimate == pytest.approx(wider.fixef["I(x^2)"], rel=0.15, abs=0.02)
    assert added.information[0, 0] ** -0.5 == pytest.approx(wider.bse["I(x^2)"], rel=0.1)


@pytest.mark.parametrize(("verb", "call"), CALLS, ids=[call["formula"] for _, call in CALLS])
def test_a_bend_is_seen(verb: Any, call: dict[str, Any]) -> None:
    m = verb(data=bent(0.6, n=800), **call)
    found = bend(m._fit)
    assert found is not None
    assert found.p_value < 0.01
    part = next(p for p in check(m._fit, 1) if p.kind == "residuals")
    assert part.finding.sentence.startswith("A bend: a curve")
    straight = verb(data=bent(0.0, n=800), **call)
    assert bend(straight._fit).p_value > 0.01


def test_working_residuals() -> None:
    """Along the mean: of a log link without zeros those of the model of one predictor."""
    d = bent(0.3)
    one = glmer("count ~ x + (1 | g)", d, family="nbinom2")._fit
    two = glmer("count ~ x + (1 | g)", d, family="nbinom2", disp_formula="~ 1")._fit
    for a, b in zip(one.working_residuals(), two.working_residuals(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)
