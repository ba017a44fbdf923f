"""Responses drawn at places between the positions of a fit, and predictions of models with zeros
there: the moments are those of the Gaussian process.
"""

import numpy as np
import pandas as pd
import pytest

from ranef import glmer, lmer

pytestmark = pytest.mark.filterwarnings("ignore::ranef.RanefWarning")

DRAWS = 4000
NEW = pd.DataFrame({"g": ["g0", "g0", "g0", "g1", "new", "new"], "t": [0.3, 0.3, 5.3, 7.7, 2.2, 2.7]})


def series() -> pd.DataFrame:
    draw = np.random.default_rng(1)
    parts = []
    for g in range(30):
        t = np.sort(draw.choice(np.arange(0, 12, 0.5), 6, replace=False))
        c = np.exp(-np.abs(t[:, None] - t) / 3)
        u = 1.2 * np.linalg.cholesky(c) @ draw.normal(size=6)
        parts.append(pd.DataFrame({"g": f"g{g}", "t": t, "y": 5 + t + u + draw.normal(size=6)}))
    d = pd.concat(parts, ignore_index=True)
    d["n"] = draw.poisson(np.exp(0.1 * d["y"])) * (draw.uniform(size=len(d)) > 0.2)
    return d


def process(d: pd.DataFrame, theta: np.ndarray) -> np.ndarray:
    """Covariance of the effects of rows."""
    g, t = d["g"].to_numpy(), d["t"].to_numpy()
    c = np.exp(-np.abs(t[:, None] - t) / np.exp(theta[1]))
    return theta[0] ** 2 * np.where(g[:, None] == g, c, 0.0)


def test_new_effects_have_the_covariance_of_the_process() -> None:
    m = lmer("y ~ t + exp(0 + t | g)", series())
    drawn = m.simulate(DRAWS, newdata=NEW, rng=3).to_numpy()
    wanted = m.sigma**2 * (process(NEW, m.theta.to_numpy()) + np.eye(6))
    spread = np.sqrt((np.outer(np.diag(wanted), np.diag(wanted)) + wanted**2) / DRAWS)
    assert (np.abs(np.cov(drawn) - wanted) < 4.5 * spread).all()
    mean = m.predict(NEW, re="population")
    assert (np.abs(drawn.mean(axis=1) - mean) < 4.5 * np.sqrt(np.diag(wanted) / DRAWS)).all()


def test_given_the_modes_what_is_left_is_drawn() -> None:
    """Around the prediction between two positions, with the variance that these leave."""
    d = series()
    m = lmer("y ~ t + exp(0 + t | g)", d)
    known = NEW.head(4)
    drawn = m.simulate(DRAWS, newdata=known, rng=4, re="conditional").to_numpy()
    theta = m.theta.to_numpy()
    places = np.unique(d["t"])
    wanted = np.zeros((4, 4))
    for g in ("g0", "g1"):
        rows = np.flatnonzero(known["g"] == g)
        both = pd.DataFrame({"g": g, "t": [*places, *known["t"].iloc[rows]]})
        c, k = process(both, theta), len(places)
        left = c[k:, k:] - c[k:, :k] @ np.linalg.solve(c[:k, :k], c[:k, k:])
        wanted[np.ix_(rows, rows)] = left
    wanted = m.sigma**2 * (wanted + np.eye(4))
    spread = np.sqrt((np.outer(np.diag(wanted), np.diag(wanted)) + wanted**2) / DRAWS)
    assert (np.abs(np.cov(drawn) - wanted) < 4.5 * spread).all()
    assert (np.abs(drawn.mean(axis=1) - m.predict(known)) < 4.5 * np.sqrt(np.diag(wanted) / DRAWS)).all()


def test_models_with_zeros_predict_between_positions() -> None:
    d = series().head(42)  # seven groups
    m = glmer("n ~ t + exp(0 + t | g)", d, family="poisson", zi_formula="~ 1")
    plain = m.predict(d.head(2), type="link", se=True)
    near = m.predict(d.head(2).assign(t=d["t"].head(2) + 1e-7), type="link", se=True)
    np.testing.assert_allclose(near, plain, rtol=1e-5)
    # far outside nothing is known: the mean, and the whole variance of the effects
    far = pd.DataFrame({"g": ["g0"], "t": [500.0]})
    found = m.predict(far, type="link", se=True)
    assert found["fit"].iloc[0] == pytest.approx(float(m.predict(far, re="population", type="link").iloc[0]), rel=1e-6)
    alone = m.predict(far, re="population", type="link", se=True)["se"].iloc[0]
    assert found["se"].iloc[0] ** 2 == pytest.approx(alone**2 + float(m.theta.iloc[0]) ** 2, rel=0.05)
    limits = m.predict(NEW.head(3), interval="prediction")
    assert (limits["lower"] <= limits["fit"]).all()
    assert len(m.simulate(2, newdata=NEW, rng=1)) == 6
