"""Quadrature of two nested factors for models of several linear predictors: the integral by NumPy,
and the gradient against differences.
"""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from ranef import clmm, glmer

pytestmark = pytest.mark.filterwarnings("ignore::ranef.RanefWarning")


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    c = np.repeat(np.arange(24), 5)
    d = pd.DataFrame({"h": c // 3, "c": c, "x": rng.normal(size=len(c))})
    latent = 0.7 * d.x + rng.normal(size=8)[d.h] + 0.8 * rng.normal(size=24)[c] + rng.logistic(size=len(c))
    d["y"] = pd.Categorical(np.digitize(latent, [-1.0, 1.0]), ordered=True)
    d["count"] = rng.poisson(np.exp(0.5 + 0.5 * rng.normal(size=8)[d.h])) * (rng.random(len(c)) < 0.7)
    return d


def integral(d: pd.DataFrame, cuts: np.ndarray, slope: float, inner: float, outer: float) -> float:
    """-2 log-likelihood of y ~ x + (1 | h / c) by a fixed rule of 61 nodes in both."""
    z, w = np.polynomial.hermite_e.hermegauss(61)
    w = w / np.sqrt(2 * np.pi)
    limits = np.concatenate([[-np.inf], cuts, [np.inf]])
    y = d.y.cat.codes.to_numpy()
    # rows, outer nodes, inner nodes
    eta = (slope * d.x).to_numpy()[:, None, None] + outer * z[:, None] + inner * z
    log = np.log(expit(limits[y + 1][:, None, None] - eta) - expit(limits[y][:, None, None] - eta))
    total = 0.0
    for _, top in d.groupby("h"):
        within = sum(np.log(np.exp(log[rows.index].sum(axis=0)) @ w) for _, rows in top.groupby("c"))
        total += np.log(np.exp(within) @ w)
    return -2 * total


def test_it_is_the_integral(data: pd.DataFrame) -> None:
    m = clmm("y ~ x + (1 | h/c)", data, n_quad=25)
    sds = {group: own.sd[0] for group, own in m.varcorr.items()}
    inner = next(sd for group, sd in sds.items() if group != "h")
    at = m.thresholds.to_numpy(), m.fixef["x"], inner, sds["h"]
    assert m.objective == pytest.approx(integral(data, *at), abs=1e-8)
    laplace = clmm("y ~ x + (1 | h/c)", data)
    assert abs(laplace.objective - m.objective) > 0.05
    # the optimum
    base = integral(data, *at)
    for name in range(3):
        for step in (-0.01, 0.01):
            moved = list(at)
            moved[name + 1] = moved[name + 1] + step
            assert integral(data, *moved) > base


CALLS: list[dict[str, Any]] = [
    {"formula": "y ~ x + (1 | h/c)"},
    {"formula": "y ~ x + (1 | h/c)", "scale": "~ x", "link": "probit"},
    {"formula": "y ~ x + (1 | c)", "scale": "~ (1 | h)"},
    {"formula": "count ~ x + (1 | h/c)", "family": "poisson", "zi_formula": "~ 1"},
    {"formula": "count ~ x + (1 | c)", "family": "nbinom2", "zi_formula": "~ (1 | h)"},
]


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_the_gradient(data: pd.DataFrame, call: dict[str, Any]) -> None:
    fit = (glmer if "family" in call else clmm)(data=data, n_quad=5, **call)._fit
    system, q = fit.system.get(1), len(fit.whole_theta)
    x = np.concatenate([fit.whole_theta * 1.1 + 0.1, fit.whole_beta * 1.05 + 0.02])

    def at(x: np.ndarray) -> Any:
        return system.evaluate(x[:q].copy(), x[q:].copy(), None, 5, "observed", 1)

    h = 1e-4
    for j, got in enumerate(at(x).gradient):
        d = np.eye(len(x))[j] * h
        values = [at(x + s * d).objective for s in (1, -1, 2, -2)]
        assert got == pytest.approx((8 * (values[0] - values[1]) - (values[2] - values[3])) / (12 * h), abs=2e-6)


def test_the_check_compares_with_more_nodes(data: pd.DataFrame) -> None:
    """One Newton step from Laplace's estimates leads to those by quadrature."""
    from ranef.fit.quadrature_step import quadrature_step

    for call in (CALLS[0], CALLS[3]):
        verb = glmer if "family" in call else clmm
        m, best = verb(data=data, **call), verb(data=data, n_quad=15, **call)
        objective, step = quadrature_step(m._fit, 15)
        assert best.objective <= objective + 1e-9
        order = m._fit.whole.order
        move = np.concatenate(
            [
                (best._fit.whole_theta - m._fit.whole_theta)[order.theta_of_core],
                best._fit.whole_beta - m._fit.whole_beta,
            ]
        )
        errors = np.sqrt(np.diagonal(m._fit.joint_covariance()))
        np.testing.assert_allclose(step * errors, move, atol=0.15 * np.abs(move).max() + 0.01)
