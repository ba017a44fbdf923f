"""Distribution functions of the families of several predictors: SciPy's where it has them, else the
probabilities and densities that sum or integrate to them, and what is drawn.
"""

from typing import Any

import numpy as np
import pytest
from scipy import integrate, special, stats

from ranef import (
    Beta,
    BetaBinomial,
    ConwayMaxwellPoisson,
    Gamma,
    GeneralizedPoisson,
    LogNormal,
    NegativeBinomial,
    OrderedBeta,
    Poisson,
    SkewNormal,
    StudentT,
    Truncated,
    Tweedie,
    ZeroOneInflatedBeta,
)

N = 45_000
#: Kolmogorov's statistic of so many numbers is below this but once in ten thousand times.
CLOSE = 2.2 / np.sqrt(N)
MU = np.linspace(0.3, 6.0, 9)
P = np.linspace(0.1, 0.9, 9)

FAMILIES: list[tuple[Any, np.ndarray, dict[str, float]]] = [
    (Poisson(), MU, {}),
    (NegativeBinomial(), MU, {"disp": 0.4}),
    (NegativeBinomial(type=1), MU, {"disp": 0.4}),
    (GeneralizedPoisson(), MU, {"disp": 0.5}),
    (GeneralizedPoisson(), MU, {"disp": -0.3}),
    (ConwayMaxwellPoisson(), MU, {"disp": 0.3}),
    (Truncated(NegativeBinomial()), MU, {"disp": 0.4}),
    (Truncated(Poisson()), MU, {}),
    (BetaBinomial(), P, {"disp": 1.2}),
    (Beta(), P, {"disp": 1.5}),
    (OrderedBeta(), P, {"disp": 1.0, "cut1": -1.0, "log_gap": 1.1}),
    (ZeroOneInflatedBeta(), P, {"disp": 1.0, "zoi": -1.0, "coi": 0.3}),
    (Gamma("log"), MU, {"disp": -0.4}),
    (LogNormal(), np.log(MU), {"disp": -0.4}),
    (LogNormal(scale="response"), MU, {"disp": 0.1}),
    (Tweedie(), MU, {"disp": 0.2, "psi": 0.3}),
    (StudentT(), MU, {"disp": 0.2, "log_df": 1.2}),
    (SkewNormal(), MU, {"disp": 0.2, "slant": 3.0}),
]


def name(value: Any) -> str:
    return value.name if hasattr(value, "name") else ""


@pytest.mark.parametrize(("family", "means", "at"), FAMILIES, ids=name)
def test_numbers_between_the_limits_of_draws_are_uniform(family: Any, means: Any, at: dict[str, float]) -> None:
    rng = np.random.default_rng(11)
    mu = np.repeat(means, N // len(means))
    own = {k: np.full(len(mu), v) for k, v in at.items()}
    weights = np.tile([3.0, 12.0], len(mu))[: len(mu)] if family.support == "proportion" else np.ones(len(mu))
    y = family.draw_with(rng, mu, own, weights)
    lower, upper = family.interval_with(y, mu, own, weights)
    assert (lower >= 0).all()
    assert (upper <= 1 + 1e-12).all()
    assert (lower <= upper + 1e-12).all()
    drawn = lower + (upper - lower) * rng.random(len(mu))
    assert stats.kstest(drawn, "uniform").statistic < CLOSE
    # within every mean as well, where fewer numbers vary more
    for part in np.split(drawn, len(means)):
        assert stats.kstest(part, "uniform").statistic < CLOSE * np.sqrt(len(means)) * 1.1


def at_one(family: Any, y: float, mu: float, at: dict[str, float], weight: float = 1.0) -> float:
    own = {k: np.array([v]) for k, v in at.items()}
    return float(family.cumulative_with(np.array([y]), np.array([mu]), own, np.array([weight]))[0])


def test_against_scipy() -> None:
    phi = np.exp(1.2)
    for k in range(13):
        expected = stats.betabinom(12, 0.3 * phi, 0.7 * phi).cdf(k)
        assert at_one(BetaBinomial(), k / 12, 0.3, {"disp": 1.2}, 12.0) == pytest.approx(expected, abs=1e-12)
    for y in (-1.0, 0.5, 2.0, 4.0):
        delta = 3 / np.sqrt(10)
        om = np.exp(0.2) / np.sqrt(1 - 2 * delta**2 / np.pi)
        expected = stats.skewnorm(3.0, 1.1 - om * delta * np.sqrt(2 / np.pi), om).cdf(y)
        assert at_one(SkewNormal(), y, 1.1, {"disp": 0.2, "slant": 3.0}) == pytest.approx(expected, abs=1e-12)
        expected = stats.t(np.exp(1.2), 1.1, np.exp(0.2)).cdf(y)
        assert at_one(StudentT(), y, 1.1, {"disp": 0.2, "log_df": 1.2}) == pytest.approx(expected, abs=1e-12)
    for k in range(1, 9):
        d = stats.nbinom(np.exp(0.4), np.exp(0.4) / (np.exp(0.4) + 2.0))
        expected = (d.cdf(k) - d.pmf(0)) / (1 - d.pmf(0))
        assert at_one(Truncated(NegativeBinomial()), k, 2.0, {"disp": 0.4}) == pytest.approx(expected, abs=1e-12)


def test_tweedie_integrates_its_density() -> None:
    """The density of a sum of a Poisson number of gamma variables, term by term."""
    mu, phi, p = 2.0, np.exp(0.2), 1 + special.expit(0.3)
    rate, shape, scale = mu ** (2 - p) / (phi * (2 - p)), (2 - p) / (p - 1), phi * (p - 1) * mu ** (p - 1)
    counts = np.arange(1, 80)

    def density(y: float) -> float:
        return float(np.sum(stats.poisson(rate).pmf(counts) * stats.gamma(counts * shape, scale=scale).pdf(y)))

    for y in (0.2, 1.0, 5.0):
        expected = np.exp(-rate) + integrate.quad(density, 0, y, epsabs=1e-12)[0]
        assert at_one(Tweedie(), y, mu, {"disp": 0.2, "psi": 0.3}) == pytest.approx(expected, abs=1e-9)


def test_conway_maxwell_and_generalized_poisson_sum_their_probabilities() -> None:
    nu, mu = np.exp(-0.3), 2.5
    k = np.arange(200.0)

    def probabilities(log_rate: float) -> np.ndarray:
        logs = log_rate * k - nu * special.gammaln(k + 1)
        p = np.exp(logs - logs.max())
        return p / p.sum()

    from scipy.optimize import brentq

    p = probabilities(brentq(lambda r: probabilities(r) @ k - mu, -5, 5, xtol=1e-14))
    for y in (0, 1, 3, 8):
        assert at_one(ConwayMaxwellPoisson(), y, mu, {"disp": 0.3}) == pytest.approx(p[: y + 1].sum(), abs=1e-10)
    theta, lam = mu * np.exp(-0.25), 1 - np.exp(-0.25)  # variance mu exp(0.5)
    k = np.arange(10.0)
    gp = theta * (theta + lam * k) ** (k - 1) * np.exp(-theta - lam * k - special.gammaln(k + 1))
    for y in (0, 1, 3, 8):
        expected = np.nansum(gp[: y + 1])
        assert at_one(GeneralizedPoisson(), y, mu, {"disp": 0.5}) == pytest.approx(expected, abs=1e-12)
