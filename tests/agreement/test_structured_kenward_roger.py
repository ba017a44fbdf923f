"""Kenward and Roger's adjustment for random effects with a covariance structure, against pbkrtest
where the model is also one of random intercepts, and against n x n algebra with differences of V in
SAS's parameters.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import ranef
from ranef.errors import OptionError
from ranef.inference.kenward_roger import kenward_roger

Floats = NDArray[np.float64]


def test_common_covariance_is_pbkrtests() -> None:
    """pbkrtest 0.5.2: score ~ Machine + (1 | Worker) + (1 | Worker:Machine)."""
    data = ranef.load_dataset("machines")
    m = ranef.lmer("score ~ Machine + cs(0 + Machine | Worker, hom=True)", data, ddf="kenward-roger")
    table = m.tidy("fixed", ddf="kenward-roger")
    np.testing.assert_allclose(table["std_error"], [2.48583021828, 2.17697548222, 2.17697548222], rtol=1e-6)
    np.testing.assert_allclose(table["df"], [8.52169851613, 10, 10], rtol=1e-5)


def variances(homogeneous: bool, k: int, correlations: Callable[[Floats], Floats]) -> Callable[[Floats], Floats]:
    """Sigma of variances, then what the correlations are made of."""

    def sigma(x: Floats) -> Floats:
        n = 1 if homogeneous else k
        sd = np.sqrt(np.broadcast_to(x[:n], (k,)))
        return np.outer(sd, sd) * correlations(x[n:])

    return sigma


LAGS = np.abs(np.subtract.outer(np.arange(3), np.arange(3)))
TIMES = np.array([0.0, 1.0, 2.5, 3.0])
DISTANCES = np.abs(np.subtract.outer(TIMES, TIMES))
CASES: dict[str, tuple[str, bool, Callable[[Floats], Floats]]] = {
    "ar1": ("ar1(0 + f | g)", True, lambda r: r[0] ** LAGS),
    "ar1 het": ("ar1(0 + f | g, hom=False)", False, lambda r: r[0] ** LAGS),
    "cs": ("cs(0 + f | g)", False, lambda r: np.where(LAGS == 0, 1.0, r[0])),
    "toep": ("toep(0 + f | g)", False, lambda r: np.concatenate([[1.0], r])[LAGS]),
    "exp": ("exp(t + 0 | g)", True, lambda r: np.exp(-DISTANCES / r[0])),
    "gau": ("gau(t + 0 | g)", True, lambda r: np.exp(-((DISTANCES / r[0]) ** 2))),
}


def sample() -> dict[str, Any]:
    """25 groups with three levels and four times, unbalanced, and a random line beside them."""
    rng = np.random.default_rng(8)
    g, f = np.repeat(np.arange(25), 12), np.tile(np.repeat(np.arange(3), 4), 25)
    at = np.tile(np.arange(4), 75)
    decay = np.linalg.cholesky(np.exp(-DISTANCES / 2.0))
    x = rng.normal(size=300)
    ar = np.linalg.cholesky(np.outer([1.0, 1.5, 2.0], [1.0, 1.5, 2.0]) * 0.6**LAGS)
    y = 1 + 0.5 * x + (rng.normal(size=(25, 3)) @ ar.T)[g, f] + rng.normal(size=300)
    y += (1.2 * rng.normal(size=(25, 4)) @ decay.T)[g, at]
    h = rng.integers(0, 12, size=300)
    y += rng.normal(size=12)[h]
    keep = rng.random(300) < 0.6
    return {
        "h": h[keep],
        "y": y[keep],
        "x": x[keep],
        "g": g[keep],
        "f": f[keep].astype(str),
        "t": TIMES[at[keep]],
        "at": at[keep],
    }


@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_adjusted_covariance_is_that_of_dense_algebra(name: str, linear: bool) -> None:
    data = sample()
    term, homogeneous, correlations = CASES[name]
    m = ranef.lmer(f"y ~ x + f + (1 | h) + {term}", data)
    fit = m._fit
    found = kenward_roger(fit, linear)
    blocks = m.varcorr
    k = 4 if "t +" in term else 3
    sigma_of = variances(homogeneous, k, correlations)
    own = m.theta[[n for n in m.theta.index if n.startswith("g.")]].to_numpy()
    corr, sd = blocks["g"].corr, blocks["g"].sd
    rest = {
        "toep": lambda: corr[0, 1:],
        "exp": lambda: np.array([-DISTANCES[0, 1] / np.log(corr[0, 1])]),
        "gau": lambda: np.array([DISTANCES[0, 1] / np.sqrt(-np.log(corr[0, 1]))]),
    }.get(name, lambda: corr[0, 1:2])()
    assert len(own) == (1 if homogeneous else k) + len(rest)
    x0 = np.concatenate([sd[:1] ** 2 if homogeneous else sd**2, rest, blocks["h"].sd ** 2, [m.sigma**2]])
    column = data["at"] if k == 4 else data["f"].astype(int)
    place = np.asarray(data["g"] * k + column)
    one = np.equal.outer(data["h"], data["h"]).astype(float)

    def v_of(x: Floats) -> Floats:
        full = np.kron(np.eye(25), sigma_of(x[:-2]))
        return full[np.ix_(place, place)] + x[-2] * one + x[-1] * np.eye(len(place))

    step = 1e-4 * np.abs(x0)

    def moved(*pairs: tuple[int, float]) -> Floats:
        x = x0.copy()
        for i, s in pairs:
            x[i] += s * step[i]
        return v_of(x)

    r = len(x0)
    first = [(moved((i, 1)) - moved((i, -1))) / (2 * step[i]) for i in range(r)]
    w = np.linalg.inv(v_of(x0))
    x = np.asarray(fit.x)
    phi = np.linalg.inv(x.T @ w @ x)
    p = w - w @ x @ phi @ x.T @ w
    information = np.array([[0.5 * np.sum((p @ a) * (p @ b).T) for b in first] for a in first])
    weights = np.linalg.inv(information)
    middle = np.zeros_like(phi)
    wx = w @ x
    pk = [-wx.T @ a @ wx for a in first]
    for i in range(r):
        for j in range(r):
            part = wx.T @ first[i] @ w @ first[j] @ wx - pk[i] @ phi @ pk[j]
            if not linear:
                second = (moved((i, 1), (j, 1)) - moved((i, 1), (j, -1)) - moved((i, -1), (j, 1))) / (
                    4 * step[i] * step[j]
                ) + moved((i, -1), (j, -1)) / (4 * step[i] * step[j])
                part = part - 0.25 * wx.T @ second @ wx
            middle += weights[i, j] * part
    wanted = phi + 2 * phi @ middle @ phi
    np.testing.assert_allclose(m.bse, np.sqrt(np.diag(phi)), rtol=1e-7)
    size = np.sqrt(np.outer(np.diag(wanted), np.diag(wanted)))
    np.testing.assert_allclose(found.adjusted / size, (wanted + wanted.T) / 2 / size, atol=2e-6)


def test_a_variance_of_zero_with_its_own_parameter_is_refused() -> None:
    data = ranef.load_dataset("machines")
    with pytest.warns(ranef.RanefWarning, match="max_evaluations"):
        m = ranef.lmer(
            "score ~ Machine + cs(0 + Machine | Worker)",
            data,
            start=[0.0, 3.0, 3.0, 0.5],
            control={"max_evaluations": 1},
        )
    assert m.varcorr["Worker"].sd[0] == 0.0
    with pytest.raises(OptionError, match="which is estimated as zero"):
        m.summary(ddf="kenward-roger")


def test_parameters_are_named() -> None:
    data = ranef.load_dataset("machines")
    m = ranef.lmer("score ~ Machine + toep(0 + Machine | Worker, hom=True)", data)
    block = m.varcorr["Worker"]
    assert list(block.parameters) == ["sd", "correlation_lag1", "correlation_lag2"]
    np.testing.assert_allclose(list(block.parameters.values()), [block.sd[0], *block.corr[0, 1:]], rtol=1e-8)
    shown = m.tidy("ran_pars")["term"].tolist()
    assert shown == ["sd__common", "correlation_lag1__common", "correlation_lag2__common", "sd__Observation"]
    assert "Worker correlation_lag1 = " in str(m.summary())
