"""Means over the groups (``re="marginal"``) of models with zeros: against quadrature of another
kind and derivatives by differences.
"""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.polynomial.hermite_e import hermegauss
from scipy.special import expit

from ranef import ArgumentTypeError, OptionError, glmer

RNG = np.random.default_rng(20)
N = 30
G = np.repeat(np.arange(N), 12)
U = RNG.multivariate_normal([0, 0], [[0.36, 0.3], [0.3, 1.0]], N)
X = RNG.normal(size=N * 12)
ZERO = RNG.random(N * 12) < expit(-1 + U[G, 1])
DATA = pd.DataFrame({"x": X, "g": [f"g{i}" for i in G]})
DATA["y"] = np.where(ZERO, 0, RNG.negative_binomial(5, 5 / (5 + np.exp(2 + 0.3 * X + U[G, 0]))))
NEW = pd.DataFrame({"x": [-1.0, 0.0, 2.0]})


@pytest.fixture(scope="module")
def joint() -> Any:
    return glmer("y ~ x + (1 |p| g)", DATA, family="nbinom2", zi_formula="~ x + (1 |p| g)")


def by_hermite(params: pd.Series, x: float, what: str = "response") -> float:
    """The mean of a new group by a product of Gauss-Hermite rules, from all parameters."""
    cond, zi, theta = (params[key].to_numpy() for key in ("cond", "zi", "theta"))
    root = np.array([[theta[0], 0.0], [theta[1], theta[2]]])
    nodes, weights = hermegauss(60)
    weights = np.outer(weights, weights).ravel() / weights.sum() ** 2
    b = np.stack(np.meshgrid(nodes, nodes, indexing="ij"), axis=-1).reshape(-1, 2) @ root.T
    p = expit(zi[0] + zi[1] * x + b[:, 1])
    mean = np.exp(cond[0] + cond[1] * x + b[:, 0])
    return float(weights @ {"response": (1 - p) * mean, "zprob": p, "conditional": mean}[what])


@pytest.mark.parametrize("what", ["response", "zprob", "conditional"])
def test_means_and_their_standard_errors(joint: Any, what: Any) -> None:
    found = joint.predict(NEW, re="marginal", type=what, se=True)
    params, covariance = joint.params, joint.cov_params().to_numpy()
    for i, x in enumerate(NEW["x"]):
        assert found["fit"].iloc[i] == pytest.approx(by_hermite(params, x, what), rel=1e-8)
        slopes = []
        for j in range(len(params)):
            ends = []
            for step in (1e-5, -1e-5):
                moved = params.copy()
                moved.iloc[j] += step
                ends.append(by_hermite(moved, x, what))
            slopes.append((ends[0] - ends[1]) / 2e-5)
        assert found["se"].iloc[i] == pytest.approx(np.sqrt(np.array(slopes) @ covariance @ slopes), rel=1e-4)


def test_log_link_in_closed_form() -> None:
    m = glmer("y ~ x + (x | g)", DATA, family="poisson", zi_formula="~ 1")
    covariance = np.outer(m.varcorr["g"].sd, m.varcorr["g"].sd) * m.varcorr["g"].corr
    z = np.column_stack([np.ones(3), NEW["x"]])
    spread = np.einsum("ij,jk,ik->i", z, covariance, z)
    expected = m.predict(NEW, re="population") * np.exp(spread / 2)
    assert m.predict(NEW, re="marginal").to_numpy() == pytest.approx(expected.to_numpy(), rel=1e-9)


def test_levels_that_were_not_there(joint: Any) -> None:
    """The mean of a new level is that of all levels; levels that were there keep their effects."""
    rows = pd.concat([NEW.assign(g="new"), NEW.assign(g="g3")], ignore_index=True)
    found = joint.predict(rows, new_levels="marginal", se=True)
    averaged = joint.predict(NEW, re="marginal", se=True)
    assert found.iloc[:3].to_numpy() == pytest.approx(averaged.to_numpy(), rel=1e-6)
    assert found["fit"].iloc[3:].to_numpy() == pytest.approx(joint.predict(NEW.assign(g="g3")).to_numpy(), rel=1e-12)
    interval = joint.predict(NEW, re="marginal", interval="confidence")
    assert (interval["lower"] < averaged["fit"]).all()
    with pytest.raises(ArgumentTypeError, match="se must be True or False"):
        joint.predict(NEW, re="marginal", se="yes")
    for wrong in ({"re": "marginal", "type": "zlink"}, {"re": "all"}, {"new_levels": "zero"}):
        with pytest.raises(OptionError, match="marginal"):
            joint.predict(NEW.assign(g="g3"), **wrong)
