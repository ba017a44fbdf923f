"""Variance functions of covariates far from one: the search, and the rounds of fitted values."""

import numpy as np
import pandas as pd
import pytest

from ranef import gls, lmer, load_dataset
from ranef.fit.correlated import record as correlated
from ranef.fit.correlated.fixed_point import FixedPoint

SLEEP = load_dataset("sleepstudy")
FORMULA = "Reaction ~ Days + (Days | Subject)"


@pytest.fixture(scope="module")
def data():
    return SLEEP.assign(w=lmer(FORMULA, SLEEP).fittedvalues, year=SLEEP["Days"] + 2000)


@pytest.mark.parametrize(
    ("variance", "objective", "exponent", "sigma"),
    [
        # lme(random = ~ Days | Subject, weights = varPower(2.6, ~ w)) and varExp, tight
        ("power(w)", 1709.64328132, 2.6564824, 6.2277907e-06),
        ("exponential(w)", 1711.46585924, 0.0089945126, 1.5496145),
    ],
)
def test_covariates_of_some_hundreds(data, variance, objective, exponent, sigma):
    m = lmer(FORMULA, data, variance=variance)
    assert m.convergence.ok
    assert m.convergence.evaluations < 30
    assert m.objective == pytest.approx(objective, abs=1e-7)
    assert m.structure.iloc[0] == pytest.approx(exponent, rel=3e-5)
    assert m.sigma == pytest.approx(sigma, rel=1e-3)


def test_the_origin_of_an_exponential_is_that_of_sigma(data):
    late, early = (lmer(FORMULA, data, variance=f"exponential({x})") for x in ("year", "Days"))
    assert late.objective == pytest.approx(early.objective, abs=1e-9)
    assert late.structure.iloc[0] == pytest.approx(early.structure.iloc[0], rel=1e-7)
    assert np.log(early.sigma / late.sigma) == pytest.approx(2000 * early.structure.iloc[0], rel=1e-6)
    for mine, theirs in ((late.df, early.df), (late.bse, early.bse)):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5)


@pytest.mark.parametrize("function", ["power", "const_power"])
def test_the_unit_of_a_power_is_that_of_sigma(function):
    far = SLEEP.assign(t=1e4 * (SLEEP["Days"] + 1.0), s=SLEEP["Days"] + 1.0)
    m, same = (
        gls("Reaction ~ Days", far, correlation="ar1(Days | Subject)", variance=f"{function}({x})") for x in "ts"
    )
    assert m.objective == pytest.approx(same.objective, abs=1e-8)
    power, there = m.structure["power(t)"], same.structure["power(s)"]
    assert power == pytest.approx(there, rel=1e-4)
    if function == "const_power":
        assert m.structure["constant(t)"] == pytest.approx(1e4**there * same.structure["constant(s)"], rel=1e-2)
    np.testing.assert_allclose(m.residuals("normalized"), same.residuals("normalized"), atol=1e-4)


def test_power_of_fitted_values_settles(data):
    """R has this value with our fitted values as a column, and gives them back."""
    m = lmer(FORMULA, SLEEP, variance="power(fitted)")
    assert m.convergence.ok
    assert m.convergence.evaluations < 200
    assert m.objective == pytest.approx(1705.64616034, abs=1e-6)
    assert m.structure.iloc[0] == pytest.approx(2.60201, rel=1e-5)
    np.testing.assert_allclose(m.fixef, [251.5325, 10.09796], rtol=1e-6)
    np.testing.assert_allclose(m.bse, [6.67692, 1.57537], rtol=1e-5)


def test_rounds_that_do_not_settle_say_so(monkeypatch):
    monkeypatch.setattr(correlated, "ROUNDS", 2)
    with pytest.warns(Warning, match="the fitted values on which the variance depends did not settle"):
        m = lmer(FORMULA, SLEEP, variance="power(fitted)")
    assert not m.convergence.ok


def test_start_of_the_random_effects(data):
    m = lmer(FORMULA, data, variance="power(w)")
    assert lmer(FORMULA, data, variance="power(w)", start=m.theta).objective == pytest.approx(m.objective, abs=1e-8)


def test_fixed_point_of_a_slow_map():
    rng = np.random.default_rng(1)
    q, _ = np.linalg.qr(rng.normal(size=(30, 30)))
    slow = q @ np.diag([0.97, -0.9, 0.6, *np.zeros(27)]) @ q.T
    there, x, way = rng.normal(size=30), np.zeros(30), FixedPoint()
    rounds = 0
    while rounds < 100:
        rounds += 1
        value = there + slow @ (x - there)
        if np.max(np.abs(value - x)) < 1e-10:
            break
        x = way.next(x, value)
    assert rounds < 15  # plain rounds need 700
    np.testing.assert_allclose(x, there, atol=1e-8)


#: Heights of 12 plants at 2, 5, 8, 12, 16, 20, 26, 33 and 40 days, simulated logistic curves.
HEIGHTS = """
1.3 2.6 4.1 7.5 12.5 17 19.7 20.8 22.1 1.3 2 4.2 8.7 13.6 18.4 22.5 24.4 24.3 0.9 1.5 4.4 7.4 11.9 16.5 20.6 22.7 23
1.1 1.7 3.1 6 8.8 13.3 17.8 20.4 20.6 1.5 1.5 4.5 7.4 10.9 14.5 19.4 21.3 21.8 1.6 4.2 6.1 10.3 15.5 19.3 23.7 25.1
25.5 1.6 2.2 3.6 7.1 11.2 14.9 18.2 19.7 20.6 1.3 2.4 4.3 7.1 10.8 14.8 18.7 20.5 19.5 1.1 2.4 3.2 6.2 10 13.2 17.2 19
17.9 2.5 3.4 6.1 9.9 15.8 20.9 25 26.9 28.4 1.7 2 4.8 6.5 11.5 15.6 20.3 20.9 20.1 1.7 4 6.4 11 14.9 21.1 25.5 26.7
26.8
"""


def test_the_lower_of_two_minima_of_correlation_and_power():
    """gls(weights = varPower(-.3, ~ t), correlation = corAR1(.97)): series that wander.

    A weaker correlation with a growing variance, 0.82 and 0.26, is a minimum of its own at 402.143,
    where gls ends from its own start.
    """
    days = np.tile([2.0, 5, 8, 12, 16, 20, 26, 33, 40], 12)
    plants = pd.DataFrame({"t": days, "id": np.repeat(np.arange(12), 9), "y": np.array(HEIGHTS.split(), float)})
    m = gls("y ~ t + I(t^2)", plants, correlation="ar1(1 | id)", variance="power(t)")
    assert m.objective == pytest.approx(391.61957340, abs=1e-6)
    np.testing.assert_allclose(m.structure, [0.99263444, -0.30426151], rtol=1e-5)
    assert m.sigma == pytest.approx(19.951112, rel=1e-4)
