"""Averages over normal random effects against closed forms and SciPy's adaptive quadrature."""

import math
import warnings
from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import expit
from scipy.stats import norm, poisson

import ranef
from ranef.estimates.normal_average import average_mean, average_of_step, average_predictor, average_slope
from ranef.families.link import LINKS

SDS = (1e-3, 0.7, 3.9, 4.1, 20.0, 60.0)
ETAS = (-30.0, -5.0, -0.2, 0.0, 2.0, 45.0)


def integral(function, eta: float, sd: float, low: float = -9.0) -> float:
    """The average of a function of the linear predictor, in pieces that end where a step may be."""
    places = (np.array([-40, -20, -10, -5, -2, 0, 2, 5, 10, 20, 40]) - eta) / sd
    ends = np.unique(np.clip(np.concatenate([places, np.linspace(-9, 9, 10)]), low, 9))
    return sum(
        quad(lambda b: float(function(np.float64(eta + sd * b))) * density(b), a, c, epsabs=1e-14, limit=200)[0]
        for a, c in pairwise(ends)
    )


def density(b: float) -> float:
    """Of the standard normal distribution (SciPy's takes ten times as long for one number)."""
    return math.exp(-0.5 * b * b) / math.sqrt(2 * math.pi)


@pytest.mark.parametrize("name", ["identity", "sqrt", "logit", "probit", "cloglog", "loglog", "cauchit"])
def test_means_and_slopes_are_those_of_adaptive_quadrature(name) -> None:
    link = LINKS[name]
    for sd in SDS:
        mean, slope = (
            average_mean(link, np.array(ETAS), np.array(sd)),
            average_slope(link, np.array(ETAS), np.array(sd)),
        )
        for i, eta in enumerate(ETAS):
            assert mean[i] == pytest.approx(integral(link.mean, eta, sd), rel=1e-11, abs=1e-11)
            assert slope[i] == pytest.approx(integral(link.slope, eta, sd), rel=1e-11, abs=1e-11)


def test_log_and_probit_are_in_closed_form() -> None:
    eta, sd = np.array([-2.0, 0.0, 1.0]), np.array([0.0, 3.0, 20.0])
    np.testing.assert_allclose(average_mean(LINKS["log"], eta, sd), np.exp(eta + sd**2 / 2), rtol=1e-15)
    np.testing.assert_allclose(average_mean(LINKS["probit"], eta, sd), norm.cdf(eta / np.sqrt(1 + sd**2)), rtol=1e-15)


def test_inverse_links_have_a_mean_only_away_from_zero() -> None:
    for name in ("inverse", "inverse_squared"):
        link = LINKS[name]
        for eta, sd in ((1.0, 0.01), (9.0, 1.0), (30.0, 3.0)):
            mean, slope = (f(link, np.array([eta]), np.array([sd]))[0] for f in (average_mean, average_slope))
            assert mean == pytest.approx(integral(link.mean, eta, sd, -8.5), rel=1e-10)
            h = 1e-4 * sd
            ends = [average_mean(link, np.array([eta + d]), np.array([sd]))[0] for d in (-h, h)]
            assert slope == pytest.approx((ends[1] - ends[0]) / (2 * h), rel=1e-6)
        assert average_mean(link, np.array([2.0]), np.array([0.0]))[0] == link.mean(np.array([2.0]))[0]
        assert np.isnan(average_mean(link, np.array([1.0, 0.1]), np.array([0.5, 1.0]))).all()


def test_steep_distribution_functions() -> None:
    # A normal variable in units of a thousandth: the average is again a normal distribution
    # function.
    at = np.array([-3.0, -1.96, 0.0, 1.0])
    for width in (1e-6, 1e-3, 0.1, 1.0, 5.0):
        right = norm.cdf(at / np.sqrt(1 + width**2))
        found = average_of_step(lambda b, w=width: norm.cdf((at - b) / w), 4, monotone=True)
        np.testing.assert_allclose(found, right, atol=2e-6 if width < 0.01 else 1e-9)
        rising = average_of_step(lambda b, w=width: norm.cdf((at + b) / w), 4, monotone=True)
        np.testing.assert_allclose(rising, right, atol=2e-6 if width < 0.01 else 1e-9)


@pytest.mark.parametrize("link", ["probit", "logit", "cloglog"])
def test_marginal_probabilities_with_large_random_effects(link) -> None:
    f = {"probit": norm.cdf, "logit": expit, "cloglog": lambda t: -np.expm1(-np.exp(np.minimum(t, 30)))}[link]
    rng = np.random.default_rng(1)
    g, h, x = np.repeat(np.arange(40), 25), np.tile(np.arange(20), 50), rng.normal(size=1000)
    effects = 8 * rng.normal(size=40)[g] + 3 * rng.normal(size=40)[g] * x + rng.normal(size=20)[h]
    y = (rng.random(1000) < f(0.5 * x + effects)).astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ranef.RanefWarning)
        m = ranef.glmer("y ~ x + (x | g) + (1 | h)", {"y": y, "x": x, "g": g, "h": h}, family=f"binomial({link})")
    eta = m.predict(re="population", type="link").to_numpy()[:12]
    z = np.column_stack([np.ones(12), x[:12]])
    # Correlated effects and crossed factors make one normal linear predictor.
    sd = np.sqrt(np.einsum("ij,jk,ik->i", z, m.varcorr["g"].cov, z) + m.varcorr["h"].sd[0] ** 2)
    assert sd.max() > 6
    right = np.array([integral(f, *pair) for pair in zip(eta, sd, strict=True)])
    if link == "probit":
        np.testing.assert_allclose(right, norm.cdf(eta / np.sqrt(1 + sd**2)), atol=1e-12)
    np.testing.assert_allclose(m.predict(re="marginal")[:12], right, atol=1e-11)


def test_prediction_limits_of_large_counts() -> None:
    # The distribution function of a count of 10^5 is a step of a hundredth of a standard deviation
    # of the random effects.
    rng = np.random.default_rng(2)
    g = np.repeat(np.arange(60), 5)
    y = rng.poisson(np.exp(12 + 0.8 * rng.normal(size=60)[g]))
    m = ranef.glmer("y ~ 1 + (1 | g)", {"y": y, "g": g}, family="poisson")
    row = m.predict({"g": ["new"]}, re="population", interval="prediction").iloc[0]
    link = m.predict({"g": ["new"]}, re="population", type="link", se=True).iloc[0]
    sd = np.hypot(link["se"], m.varcorr["g"].sd[0])
    for limit, probability in ((row["lower"], 0.025), (row["upper"], 0.975)):
        cut = (np.log(limit) - link["fit"]) / sd
        below = norm.cdf(cut - 0.1) + quad(
            lambda b, limit=limit: poisson.cdf(limit, np.exp(link["fit"] + sd * b)) * norm.pdf(b),
            cut - 0.1, cut + 0.1, points=[cut], limit=200,
        )[0]  # fmt: skip
        assert below == pytest.approx(probability, abs=1e-5)


def test_no_marginal_mean_is_said() -> None:
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(30), 10)
    y = rng.gamma(20, 1 / (20 * np.clip(1 + 0.5 * rng.normal(size=30), 0.3, None)[g]))
    m = ranef.glmer("y ~ 1 + (1 | g)", {"y": y, "g": g}, family="Gamma(inverse)")
    assert m.fixef.iloc[0] < 3 * m.varcorr["g"].sd[0]
    with pytest.warns(ranef.RanefWarning, match="no mean over the random effects"):
        assert np.isnan(m.predict({"g": ["new"]}, re="marginal")).all()


@pytest.mark.parametrize("name", ["logit", "probit", "cloglog", "loglog", "cauchit", "log"])
def test_predictors_of_means_keep_their_digits_near_one(name) -> None:
    link = LINKS[name]
    for sd in (0.5, 3.0, 6.0):
        eta = np.array([-1.0, 0.5, 2.0, 4.0])
        right = link.predictor(average_mean(link, eta, np.array(sd)))
        np.testing.assert_allclose(average_predictor(link, eta, np.array(sd)), right, rtol=1e-7, atol=1e-9)
    # Far out the logistic function is an exponential one, whose mean is in closed form; 1 - 1e-22
    # is 1 in floating point.
    if name == "logit":
        for sd in (1.0, 3.0, 5.0):
            found = average_predictor(link, np.array([-90.0, 90.0]), np.array(sd))
            np.testing.assert_allclose(found, [-90 + sd**2 / 2, 90 - sd**2 / 2], rtol=1e-9)
