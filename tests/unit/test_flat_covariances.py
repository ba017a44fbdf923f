"""Standard errors where two variances cannot be told apart: those of the same model without the
second, as the estimates that others see are determined.
"""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ranef import clmm, glmer
from ranef.fit.parameter_covariance import determined_covariance

pytestmark = pytest.mark.filterwarnings("ignore::ranef.RanefWarning")


def data() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    g, f, x = np.repeat(np.arange(40), 12), np.tile(["a", "b"], 240), rng.normal(size=480)
    u = rng.normal(size=(40, 2)) * [0.6, 0.5]
    eta = 0.8 + 0.4 * x + u[g, (f == "b").astype(int)]
    y = np.where(rng.random(480) < 0.2, 0, rng.poisson(np.exp(eta)))
    c = pd.Categorical(np.digitize(eta + u[g, 0] + rng.logistic(size=480), [0, 1, 2]), ordered=True)
    return pd.DataFrame({"g": g.astype(str), "f": f, "x": x, "y": y, "c": c})


@pytest.mark.parametrize(
    ("fitted", "call", "other"),
    [
        (glmer, {"formula": "y ~ x + f", "family": "poisson", "zi_formula": "~ 1"}, "zi"),
        (glmer, {"formula": "y ~ x + f", "family": "nbinom2", "disp_formula": "~ f"}, "disp"),
        (clmm, {"formula": "c ~ x + f", "scale": "~ x"}, "scale"),
    ],
    ids=["zeros", "dispersion", "scale"],
)
def test_a_variance_beside_those_that_contain_it(fitted: Any, call: dict[str, Any], other: str) -> None:
    """``(f || g)`` has an intercept beside an effect of every level, as lme4 has it."""
    d = data()
    flat = fitted(**{**call, "formula": call["formula"] + " + (f || g)"}, data=d)
    plain = fitted(**{**call, "formula": call["formula"] + " + (0 + f | g)"}, data=d)
    assert flat.llf == pytest.approx(plain.llf, abs=1e-7)
    np.testing.assert_allclose(flat.bse, plain.bse, rtol=1e-4)
    np.testing.assert_allclose(flat.component(other).bse, plain.component(other).bse, rtol=1e-4)


@pytest.mark.parametrize("zeros", [{"zi_formula": "~ 1"}, {}], ids=["zeros", "one predictor"])
def test_predictions_have_the_errors_of_what_is_determined(zeros: dict[str, Any]) -> None:
    flat, plain = (
        glmer(f"y ~ x + f + ({term})", data(), family="poisson", **zeros) for term in ("f || g", "0 + f | g")
    )
    np.testing.assert_allclose(flat.bse, plain.bse, rtol=1e-4)
    for how in ({}, {"type": "response"}, {"re": "population"}):
        one, two = (m.predict(se=True, **how) for m in (flat, plain))
        np.testing.assert_allclose(one.fit, two.fit, rtol=1e-5)
        np.testing.assert_allclose(one.se, two.se, rtol=1e-4)


def test_classes_have_the_errors_of_what_is_determined() -> None:
    """Also where probabilities are averaged over random effects."""
    flat, plain = (clmm(f"c ~ x + f + ({term})", data(), scale="~ x") for term in ("f || g", "0 + f | g"))
    for re in ("conditional", "marginal"):
        one, two = (m.predict(type="prob", re=re, se=True) for m in (flat, plain))
        np.testing.assert_allclose(one.se, two.se, rtol=1e-3)


@pytest.mark.parametrize("rest", [1e-7, -1e-7])
def test_a_flat_direction_is_one_whatever_the_sign_of_its_rounding(rest: float) -> None:
    """Two variances of three parameters of which only the sum has a curvature; the core then has
    numbers for their variances, or no covariance at all.
    """
    along = np.array([1.0, -1.0, 0.0]) / np.sqrt(2)
    sum_of_both = np.array([1.0, 1.0, 0.4])
    h = 50.0 * np.outer(sum_of_both, sum_of_both) + np.diag([0.0, 0.0, 30.0]) + rest * np.outer(along, along)
    found: Any = SimpleNamespace(hessian=h, solution=SimpleNamespace(theta=np.ones(2)), covariance=None)
    if rest > 0:
        found.covariance = 2 * np.linalg.inv(h)
    covariance, moved = determined_covariance(found)
    assert covariance is not None
    assert moved.tolist() == [0, 1]
    # with one of the two held at its estimate the other is determined
    held = 2 * np.linalg.inv(h[1:, 1:])
    assert covariance[2, 2] == pytest.approx(held[1, 1], rel=1e-6)
    assert covariance[2, 0] + covariance[2, 1] == pytest.approx(held[1, 0], rel=1e-5)


def test_where_nothing_is_flat_the_covariance_is_that_of_the_core() -> None:
    rng = np.random.default_rng(5)
    root = rng.normal(size=(6, 4)) * [1.0, 1e3, 1e-4, 30.0]
    found: Any = SimpleNamespace(hessian=root.T @ root, solution=SimpleNamespace(theta=np.ones(2)))
    found.covariance = 2 * np.linalg.inv(found.hessian)
    covariance, moved = determined_covariance(found)
    assert covariance is found.covariance
    assert not len(moved)
