"""Random effects at positions with a nugget, and with other distances than Euclidean ones."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import ranef
from ranef import gls, lmer

pytestmark = pytest.mark.filterwarnings("ignore::ranef.RanefWarning")

Floats = Any


def field(seed: int = 3) -> pd.DataFrame:
    """Two rows at each of six places of a grid in each of 30 groups."""
    rng = np.random.default_rng(seed)
    grid = np.array([[i, j] for i in range(3) for j in range(3)], float)
    parts = []
    for g in range(30):
        at = grid[rng.choice(9, 6, replace=False)]
        c = 0.7 * np.exp(-distances(at, "manhattan") / 2.5) + 0.3 * np.eye(6)
        u = 1.3 * np.linalg.cholesky(c) @ rng.standard_normal(6)
        y = 2 + np.repeat(u, 2) + 0.6 * rng.standard_normal(12)
        parts.append(
            pd.DataFrame({"g": f"g{g}", "east": at.repeat(2, 0)[:, 0], "north": at.repeat(2, 0)[:, 1], "y": y})
        )
    return pd.concat(parts, ignore_index=True)


def distances(at: Floats, metric: str) -> Floats:
    apart = np.abs(at[:, None] - at)
    return {
        "euclidean": np.sqrt((apart**2).sum(-1)),
        "manhattan": apart.sum(-1),
        "maximum": apart.max(-1),
    }[metric]


def dense(d: pd.DataFrame, correlation: Any, theta: Floats) -> float:
    """The REML criterion of one mean by n x n algebra."""
    at, g, n = d[["east", "north"]].to_numpy(), d["g"].to_numpy(), len(d)
    v = np.eye(n) + theta[0] ** 2 * np.where(g[:, None] == g, correlation(at), 0.0)
    root = np.linalg.cholesky(v)
    x, y = np.linalg.solve(root, np.ones(n)), np.linalg.solve(root, d["y"].to_numpy())
    r = y - x * (x @ y) / (x @ x)
    dets = 2 * np.log(np.diag(root)).sum() + np.log(x @ x)
    return float(dets + (n - 1) * (1 + np.log(2 * np.pi * (r @ r) / (n - 1))))


@pytest.mark.parametrize("nugget", [False, True])
@pytest.mark.parametrize(
    ("name", "metric"), [("exp", "euclidean"), ("exp", "manhattan"), ("exp", "maximum"), ("gau", "euclidean")]
)
def test_the_criterion_is_that_of_dense_algebra(name: str, metric: str, nugget: bool) -> None:
    d = field()
    m = lmer(f"y ~ 1 + {name}(east + north + 0 | g, metric='{metric}', nugget={nugget})", d)
    theta = m.theta.to_numpy()

    def correlation(at: Floats, z: Floats = theta[1:]) -> Floats:
        h = distances(at, metric)
        u = h / np.exp(z[0])
        c = np.exp(-u if name == "exp" else -(u**2))
        return np.where(h == 0, 1.0, c / (1 + np.exp(z[1]))) if nugget else c

    assert m.convergence.ok
    assert m.objective == pytest.approx(dense(d, correlation, theta), abs=1e-7)
    for k in range(len(theta)):
        for step in (-0.01, 0.01):
            other = theta.copy()
            other[k] += step
            moved = dense(d, lambda at, z=other[1:]: correlation(at, z), other)
            assert moved > m.objective - 1e-6


def test_a_nugget_is_an_independent_effect_of_each_place() -> None:
    d = field()
    one = lmer("y ~ 1 + exp(east + north + 0 | g, nugget=True)", d)
    two = lmer("y ~ 1 + exp(east + north + 0 | g) + (1 | g:east:north)", d)
    assert one.objective == pytest.approx(two.objective, abs=1e-5)
    share = 1 / (1 + np.exp(-one.theta.iloc[2]))
    assert share * one.theta.iloc[0] ** 2 == pytest.approx(two.theta.iloc[0] ** 2, rel=1e-2)


def test_what_follows_a_fit(tmp_path: Path) -> None:
    d = field()
    m = lmer("y ~ 1 + exp(east + north + 0 | g, metric='manhattan', nugget=True)", d)
    assert "metric='manhattan', nugget=True" in m.formula
    assert "nugget" in str(m.summary())
    m.save(tmp_path / "m.ranef")
    assert ranef.load(tmp_path / "m.ranef").objective == m.objective
    assert m.refit(d["y"]).objective == pytest.approx(m.objective, abs=1e-8)
    assert m.update("~ . ").objective == pytest.approx(m.objective, abs=1e-8)
    # between two places of a group the mean given all effects, by the covariance of the model
    new = pd.DataFrame({"g": ["g0"], "east": [0.5], "north": [1.5]})
    sd, log_range, logit = m.theta
    own = d[d["g"] == "g0"]
    at = np.vstack([own[["east", "north"]].to_numpy(), new[["east", "north"]].to_numpy()])
    h = distances(at, "manhattan")
    c = sd**2 * np.where(h == 0, 1.0, np.exp(-h / np.exp(log_range)) / (1 + np.exp(logit)))
    v = c[:-1, :-1] + np.eye(len(own))
    mean = float(m.fixef.iloc[0])
    wanted = mean + c[-1, :-1] @ np.linalg.solve(v, own["y"].to_numpy() - mean)
    assert float(m.predict(new).iloc[0]) == pytest.approx(wanted, rel=1e-5)


def test_the_nugget_of_a_matern_correlation_of_rows() -> None:
    """At smoothness one half it is the exponential one with a nugget, and it is lower elsewhere."""
    d = field().groupby(["g", "east", "north"], as_index=False).first()
    exponential = gls("y ~ 1", d, correlation="exp(east + north | g, nugget=True)")
    matern = gls("y ~ 1", d, correlation="mat(east + north | g, nugget=True)")
    assert list(matern.structure.index) == ["range", "smoothness", "nugget"]
    assert matern.objective <= exponential.objective + 1e-7
    plain = gls("y ~ 1", d, correlation="mat(east + north | g)")
    assert matern.objective <= plain.objective + 1e-7
    system = matern._fit.system.get(1)
    z = exponential._fit.z
    half = np.array([z[0], np.log(0.5), z[1]])
    assert system.evaluate(np.empty(0), half, True).objective == pytest.approx(exponential.objective, abs=1e-8)


@pytest.mark.parametrize(
    ("term", "message"),
    [
        ("exp(east + north + 0 | g, nugget=1)", "nugget is True or False"),
        ("exp(east + north + 0 | g, metric='crow')", "metric is one of 'euclidean'"),
        ("exp(east + north + 0 | g, other=2)", "one random-effects term, metric= and nugget="),
        ("gau(east + north + 0 | g, metric='manhattan')", "takes Euclidean distances"),
        ("cs(0 + east | g, metric='manhattan')", "takes one random-effects term"),
    ],
)
def test_options_that_are_refused(term: str, message: str) -> None:
    with pytest.raises(ranef.FormulaError, match=message):
        lmer(f"y ~ 1 + {term}", field())


def test_a_nugget_beside_one_row_a_place_is_refused() -> None:
    d = field().groupby(["g", "east", "north"], as_index=False).first()
    with pytest.raises(ranef.DesignError, match="cannot be told apart from the residual"):
        lmer("y ~ 1 + exp(east + north + 0 | g, nugget=True)", d)
