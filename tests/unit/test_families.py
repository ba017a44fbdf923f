"""Family descriptors: names, links, moments against SciPy's distributions, and draws."""

import numpy as np
import pytest
from scipy import integrate, stats

import ranef
from ranef import Beta, Binomial, CustomFamily, Gamma, Gaussian, InverseGaussian, NegativeBinomial, OptionError, Poisson
from ranef.families import parse_family
from ranef.families.link import LINKS

ETA = {
    "identity": [0.4, 2.0],
    "log": [-1.0, 0.3, 2.0],
    "sqrt": [0.4, 2.0],
    "inverse": [0.3, 2.0],
    "inverse_squared": [0.3, 2.0],
}


@pytest.mark.parametrize("name", LINKS)
def test_links_are_consistent(name: str) -> None:
    link = LINKS[name]
    eta = np.array(ETA.get(name, [-2.0, -0.3, 0.0, 1.1]))
    np.testing.assert_allclose(link.predictor(link.mean(eta)), eta, rtol=1e-12, atol=1e-14)
    step = 1e-6
    np.testing.assert_allclose(link.slope(eta), (link.mean(eta + step) - link.mean(eta - step)) / (2 * step), rtol=1e-8)


@pytest.mark.parametrize("name", ["logit", "probit", "cloglog", "loglog", "cauchit"])
def test_links_of_proportions_far_out(name: str) -> None:
    mean = LINKS[name].mean(np.array([-1e4, -800.0, 800.0, 1e4]))
    assert np.isfinite(mean).all()
    assert ((mean >= 0) & (mean <= 1)).all()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("binomial", Binomial()),
        ("Bernoulli", Binomial()),
        ("binomial(probit)", Binomial("probit")),
        ('binomial(link = "cloglog")', Binomial("cloglog")),
        ("poisson", Poisson()),
        ("nbinom2", NegativeBinomial()),
        ("nbinom1", NegativeBinomial(type=1)),
        ("negative.binomial(1.7)", NegativeBinomial(size=1.7)),
        ("negative.binomial(theta = 2, link = sqrt)", NegativeBinomial("sqrt", size=2)),
        ("Gamma", Gamma()),
        ("gamma(log)", Gamma("log")),
        ("Gamma(link='log')", Gamma("log")),
        ("inverse.gaussian", InverseGaussian()),
        ("inverse_gaussian", InverseGaussian()),
        ('inverse.gaussian(link = "1/mu^2")', InverseGaussian("inverse_squared")),
        ("gaussian(log)", Gaussian("log")),
        ("beta", Beta()),
        ("beta_family(probit)", Beta("probit")),
    ],
)
def test_names(text: str, expected: object) -> None:
    assert parse_family(text) == expected
    assert parse_family(expected) is expected


@pytest.mark.parametrize("text", ["binomal", "quasipoisson", "tweedy", "", "binomial(", "binomial(probit", "1"])
def test_unknown_names_list_what_is_allowed(text: str) -> None:
    with pytest.raises(OptionError, match="'binomial', 'poisson', 'nbinom2'"):
        parse_family(text)


def test_other_mistakes_with_families() -> None:
    with pytest.raises(OptionError, match=r"no link 'log'; its links are 'logit', 'probit'"):
        Binomial(link="log")
    with pytest.raises(OptionError, match="cannot be understood"):
        parse_family("binomial(dispersion = 2)")
    with pytest.raises(OptionError, match="must be a number"):
        parse_family("negative.binomial(theta = x)")
    with pytest.raises(OptionError, match="must be 1 or 2"):
        NegativeBinomial(type=3)
    with pytest.raises(OptionError, match="positive number"):
        NegativeBinomial(size=-1)
    with pytest.raises(ranef.ArgumentTypeError, match="positive number"):
        NegativeBinomial(size="big")  # type: ignore[arg-type]
    with pytest.raises(ranef.ArgumentTypeError, match="family must be a name"):
        parse_family(3)
    with pytest.raises(ranef.ArgumentTypeError, match="function"):
        CustomFamily("poisson")  # type: ignore[arg-type]


MU, DISPERSION = 0.7, 0.6
DISTRIBUTIONS = {
    "poisson": (Poisson(), stats.poisson(MU)),
    "nbinom2": (NegativeBinomial(), stats.nbinom(DISPERSION, DISPERSION / (DISPERSION + MU))),
    "nbinom1": (NegativeBinomial(type=1), stats.nbinom(MU / DISPERSION, 1 / (1 + DISPERSION))),
    "gamma": (Gamma(), stats.gamma(1 / DISPERSION**2, scale=MU * DISPERSION**2)),
    "inverse_gaussian": (InverseGaussian(), stats.invgauss(MU * DISPERSION**2, scale=1 / DISPERSION**2)),
    "gaussian": (Gaussian("log"), stats.norm(MU, DISPERSION)),
    "beta": (Beta(), stats.beta(MU * DISPERSION, (1 - MU) * DISPERSION)),
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_moments_and_distribution_function(name: str) -> None:
    family, distribution = DISTRIBUTIONS[name]
    mu, one = np.array([MU]), np.ones(1)
    assert distribution.mean() == pytest.approx(MU)
    assert family.observation_variance(mu, one, DISPERSION)[0] == pytest.approx(distribution.var())
    y = np.array([0.0, 1.0, 3.0]) if family.support == "count" else np.array([0.2, 0.5, 0.9])
    np.testing.assert_allclose(
        family.cumulative(y, np.full(3, MU), np.ones(3), DISPERSION), distribution.cdf(y), rtol=1e-9
    )


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_draws_have_the_distribution(name: str) -> None:
    family, distribution = DISTRIBUTIONS[name]
    rng = np.random.default_rng(5)
    draws = family.draw(rng, np.full(20_000, MU), np.ones(20_000), DISPERSION)
    error = distribution.std() / np.sqrt(len(draws))
    assert abs(draws.mean() - MU) < 4 * error
    if family.support == "count":
        for k in range(3):
            p = distribution.pmf(k)
            assert abs(np.mean(draws == k) - p) < 4 * np.sqrt(p * (1 - p) / len(draws))
    else:
        assert stats.kstest(draws, distribution.cdf).pvalue > 1e-3


def test_binomial_moments() -> None:
    family, trials = Binomial(), np.full(3, 7.0)
    distribution = stats.binom(7, 0.3)
    y = np.array([0.0, 2.0, 7.0]) / 7
    np.testing.assert_allclose(
        family.cumulative(y, np.full(3, 0.3), trials, np.nan), distribution.cdf(y * 7), rtol=1e-9
    )
    variance = family.observation_variance(np.array([0.3]), np.array([7.0]), np.nan)[0]
    assert variance == pytest.approx(distribution.var() / 49)
    draws = family.draw(np.random.default_rng(1), np.full(9000, 0.3), np.full(9000, 7.0), np.nan)
    assert abs(draws.mean() - 0.3) < 4 * np.sqrt(variance / 9000)
    assert set(np.unique(np.rint(draws * 7))) <= set(range(8))


@pytest.mark.parametrize(
    ("family", "logpmf"),
    [
        (Binomial(), lambda y, m: 5 * stats.bernoulli(m).logpmf(1) * y + 5 * stats.bernoulli(m).logpmf(0) * (1 - y)),
        (Poisson(), lambda y, m: stats.poisson(m).logpmf(y)),
        (NegativeBinomial(), lambda y, m: stats.nbinom(1.5, 1.5 / (1.5 + m)).logpmf(y)),
    ],
)
def test_deviance_is_twice_the_loss_of_likelihood(family: ranef.Binomial, logpmf: object) -> None:
    for y, mu in ((0.4, 0.7), (0.6, 0.2)) if family.support == "proportion" else ((3.0, 1.2), (1.0, 2.5)):
        weight = 5.0 if family.support == "proportion" else 1.0
        found = weight * family.unit_deviance(np.array([y]), np.array([mu]), 1.5)[0]
        assert found == pytest.approx(2 * (logpmf(y, y) - logpmf(y, mu)))  # type: ignore[operator]
    assert family.unit_deviance(np.array([0.0]), np.array([0.5]), 1.5)[0] > 0


def test_custom_family_differentiates_the_density() -> None:
    family = CustomFamily(lambda y, mu: stats.poisson(mu).logpmf(y), link="log")
    y, eta = np.array([0.0, 2.0, 9.0]), np.array([-1.0, 0.5, 2.5])
    density, first, second, third = family.core_kernel(y, eta)
    np.testing.assert_allclose(density, stats.poisson(np.exp(eta)).logpmf(y))
    np.testing.assert_allclose(first, y - np.exp(eta), atol=1e-8)
    np.testing.assert_allclose(second, -np.exp(eta), rtol=1e-7)
    np.testing.assert_allclose(third, -np.exp(eta), rtol=1e-5)


def test_inverse_gaussian_distribution_function_does_not_overflow() -> None:
    family = InverseGaussian()
    mu = np.array([1e-3])
    total = integrate.quad(lambda y: stats.invgauss(mu[0] * 0.01, scale=100.0).pdf(y), 0, 1e-3)[0]
    assert family.cumulative(mu, mu, np.ones(1), 0.1)[0] == pytest.approx(total, rel=1e-6)
    assert family.cumulative(np.array([1.0]), np.array([1e-6]), np.ones(1), 1e-4)[0] == pytest.approx(1.0)
