"""Ranges of a correlation that the data do not determine: where the search ends, what can be used,
and what is said; residual variances that vanish beside a structured term.
"""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize_scalar

from ranef import RanefWarning, gls, lmer


def along(seed: int = 9) -> pd.DataFrame:
    """A random walk of one block with noise, along which four treatments were laid."""
    draw = np.random.default_rng(seed)
    t = np.sort(draw.uniform(0, 40, 80))
    walk = np.cumsum(draw.standard_normal(80) * np.sqrt(np.diff(t, prepend=0.0)))
    data = pd.DataFrame({"t": t, "f": np.resize(list("abcd"), 80)})
    return data.assign(y=10 + walk + 0.7 * draw.standard_normal(80))


def limit_of_linear_variogram(data: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, float]:
    """Differences from treatment a with their standard errors and ratio of nugget to slope, of rows
    whose differences have the variance 2 nugget + 2 slope * distance, by dense algebra on contrasts
    of the rows that cancel the level.
    """
    y, t = data["y"].to_numpy(), data["t"].to_numpy()
    x = np.stack([data["f"] == f for f in "bcd"], axis=1).astype(float)
    a = np.diff(np.eye(len(y)), axis=0)
    distance = np.abs(t[:, None] - t)

    def at(log_ratio: float) -> tuple[float, np.ndarray, np.ndarray]:
        v = a @ (np.exp(log_ratio) * np.eye(len(y)) - distance) @ a.T
        w = np.linalg.inv(v)
        phi = np.linalg.inv((a @ x).T @ w @ a @ x)
        beta = phi @ (a @ x).T @ w @ a @ y
        e = a @ y - a @ x @ beta
        nu = len(e) - 3
        s2 = e @ w @ e / nu
        deviance = np.linalg.slogdet(v)[1] - np.linalg.slogdet(phi)[1] + nu * np.log(s2)
        return deviance, beta, np.sqrt(s2 * np.diagonal(phi))

    found = minimize_scalar(lambda r: at(r)[0], bounds=(-6, 4), method="bounded", options={"xatol": 1e-10})
    _, beta, se = at(found.x)
    return beta, se, float(np.exp(found.x))


def test_comparisons_are_those_of_the_limit() -> None:
    data = along()
    with pytest.warns(RanefWarning, match=r"range of the correlation is not determined.*Comparisons .* can be used"):
        m = gls("y ~ f", data, correlation="exp(t, nugget=True)")
    beta, se, ratio = limit_of_linear_variogram(data)
    assert m.convergence.ok
    assert m.fixef.to_numpy()[1:] == pytest.approx(beta, abs=1e-4 * se.min())
    assert m.bse.to_numpy()[1:] == pytest.approx(se, rel=1e-4)
    # nugget sigma^2 beside the slope of the variogram, sigma^2 (1 - nugget) / range
    largest = float(np.ptp(data["t"]))
    assert m.structure["range"] == pytest.approx(1e5 * largest, rel=1e-6)
    nugget = m.structure["nugget"]
    assert nugget / (1 - nugget) * m.structure["range"] == pytest.approx(ratio, rel=1e-3)
    # the level has no standard error to speak of, the range and sigma no interval
    assert m.bse["(Intercept)"] > 50 * m.bse["f[T.b]"]
    assert m.conf_int("wald", parm=["range", "sigma"]).isna().all(axis=None)
    # degrees of freedom take the range as known
    assert 40 < m.df["f[T.b]"] < 77
    with pytest.warns(RanefWarning):
        same = gls("y ~ f", data, correlation="exp(t, nugget=True)", ddf="kenward-roger")
    assert same.df["f[T.b]"] == pytest.approx(m.df["f[T.b]"], rel=0.05)


def test_the_unit_of_distance_and_the_order_of_rows_change_nothing() -> None:
    data = along(10)
    with pytest.warns(RanefWarning):
        m = gls("y ~ f", data, correlation="exp(t, nugget=True)")
    with pytest.warns(RanefWarning):
        other = gls(
            "y ~ f", data.assign(t=data["t"] * 365.25).sample(frac=1, random_state=1), correlation="exp(t, nugget=True)"
        )
    assert other.objective == pytest.approx(m.objective, abs=1e-6)
    assert other.structure["range"] == pytest.approx(365.25 * m.structure["range"], rel=1e-6)
    assert other.bse.to_numpy()[1:] == pytest.approx(m.bse.to_numpy()[1:], rel=1e-5)


def blocks(seed: int = 5) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    n, k = 40, 6
    data = pd.DataFrame({"id": np.repeat(np.arange(n), k).astype(str), "t": np.tile(np.arange(float(k)), n)})
    noise = draw.standard_normal(n * k)
    return data.assign(noise=noise, level=noise + 2 * np.repeat(draw.standard_normal(n), k))


def test_rows_that_are_alike_at_all_distances() -> None:
    """The limit is a random intercept: the criterion, the fixed effects and all their errors."""
    data = blocks(11)
    with pytest.warns(RanefWarning, match="correlated alike whatever their distance"):
        m = gls("level ~ t", data, correlation="exp(t | id, nugget=True)")
    plain = lmer("level ~ t + (1 | id)", data)
    assert m.objective == pytest.approx(plain.objective, abs=1e-3)
    assert m.bse.to_numpy() == pytest.approx(plain.bse.to_numpy(), rel=1e-4)
    assert m.df.to_numpy() == pytest.approx(plain.df.to_numpy(), rel=1e-3)


def test_rows_that_are_not_correlated() -> None:
    data = blocks(2)
    with pytest.warns(RanefWarning, match="hardly correlated even at the smallest distance"):
        m = gls("noise ~ t", data, correlation="exp(t | id)")
    plain = gls("noise ~ t", data)
    assert m.objective == pytest.approx(plain.objective, abs=1e-5)


def test_a_range_within_the_distances_has_no_message() -> None:
    draw = np.random.default_rng(3)
    n, k, rho = 60, 8, np.exp(-1 / 2)
    e = np.zeros((n, k))
    e[:, 0] = draw.standard_normal(n)
    for j in range(1, k):
        e[:, j] = rho * e[:, j - 1] + np.sqrt(1 - rho**2) * draw.standard_normal(n)
    data = pd.DataFrame({"id": np.repeat(np.arange(n), k).astype(str), "t": np.tile(range(k), n), "y": e.ravel()})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        m = gls("y ~ t", data, correlation="exp(t | id)")
    low, high = m.conf_int("wald", parm="range").to_numpy()[0]
    assert low < 2 < high


def test_effects_at_positions_that_are_alike() -> None:
    data = blocks(11)
    with pytest.warns(RanefWarning, match=r"the range of exp\(0 \+ t \| id\) is not determined.*\(1 \| id\)"):
        m = lmer("level ~ t + exp(0 + t | id)", data)
    assert m.objective == pytest.approx(lmer("level ~ t + (1 | id)", data).objective, abs=0.05)


def test_a_residual_that_vanishes() -> None:
    """Rows of an Ornstein-Uhlenbeck process without noise: the same model without a residual has
    the criterion in the limit, and the message names it.
    """
    draw = np.random.default_rng(8)
    n, k, rho = 50, 6, 0.6
    e = np.zeros((n, k))
    e[:, 0] = draw.standard_normal(n)
    for j in range(1, k):
        e[:, j] = rho * e[:, j - 1] + np.sqrt(1 - rho**2) * draw.standard_normal(n)
    data = pd.DataFrame({"id": np.repeat(np.arange(n), k).astype(str), "t": np.tile(range(k), n), "y": e.ravel()})
    data["visit"] = data["t"].astype(str)
    limit = gls("y ~ t", data, correlation="ar1(t | id)")
    for term in ("exp(0 + t | id)", "ar1(0 + visit | id)"):
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            m = lmer(f"y ~ t + {term}", data)
        said = [str(w.message) for w in seen if "residual variance goes to zero" in str(w.message)]
        if m.sigma > 0.01:  # rather a residual of some size
            assert m.objective < limit.objective
            continue
        assert said
        assert m.objective == pytest.approx(limit.objective, abs=1e-3)
        assert m.bse.to_numpy() == pytest.approx(limit.bse.to_numpy(), rel=1e-3)
