"""Residuals and diagnostics of models with zeros and dispersion: quantiles by hand, panels that see
what a model lacks, and the modes of other responses.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

from ranef import glmer
from ranef.diagnostics.check import check
from ranef.errors import OptionError
from ranef.fit.refits.modes import modes_of

DATA = pd.read_parquet(Path(__file__).parents[1] / "reference" / "components" / "Salamanders.parquet")

pytestmark = pytest.mark.filterwarnings("ignore::ranef.RanefWarning")


@pytest.fixture(scope="module")
def inflated() -> Any:
    return glmer("count ~ spp + mined + (1 | site)", DATA, family="nbinom2", zi_formula="~ mined")


@pytest.fixture(scope="module")
def hurdle() -> Any:
    return glmer("count ~ spp + mined + (1 | site)", DATA, family="truncated_poisson", zi_formula="~ mined")


def uniform(m: Any, at: pd.Series, lower: np.ndarray, upper: np.ndarray) -> None:
    """Residuals lie between the normal quantiles of both limits."""
    drawn = special.ndtr(m.residuals("quantile", rng=3).to_numpy())
    assert (drawn >= lower - 1e-9).all()
    assert (drawn <= upper + 1e-9).all()
    again = m.residuals("quantile", rng=3)
    assert again.equals(m.residuals("quantile", rng=3))
    assert len(at) == len(again)


def test_quantile_residuals_of_inflated_counts(inflated: Any) -> None:
    y = DATA["count"].to_numpy()
    mu = np.exp(inflated.predict(type="link").to_numpy())
    p, size = inflated.predict(type="zprob").to_numpy(), inflated.predict(type="disp").to_numpy()
    counts = stats.nbinom(size, size / (size + mu))
    upper = p + (1 - p) * counts.cdf(y)
    lower = np.where(y == 0, 0.0, p + (1 - p) * counts.cdf(y - 1))
    uniform(inflated, DATA["count"], lower, upper)


def test_quantile_residuals_of_a_hurdle(hurdle: Any) -> None:
    y = DATA["count"].to_numpy()
    mu = np.exp(hurdle.predict(type="link").to_numpy())
    p, none = hurdle.predict(type="zprob").to_numpy(), np.exp(-mu)
    counts = stats.poisson(mu)
    upper = np.where(y == 0, p, p + (1 - p) * (counts.cdf(y) - none) / (1 - none))
    lower = np.where(y == 0, 0.0, p + (1 - p) * (counts.cdf(y - 1) - none) / (1 - none))
    uniform(hurdle, DATA["count"], np.maximum(lower, 0.0), upper)


def test_quantile_residuals_of_one_predictor() -> None:
    m = glmer("count ~ mined + (1 | site)", DATA, family="nbinom2")
    y, mu = DATA["count"].to_numpy(), m.fittedvalues.to_numpy()
    counts = stats.nbinom(m.dispersion, m.dispersion / (m.dispersion + mu))
    uniform(m, DATA["count"], counts.cdf(y - 1), counts.cdf(y))


def test_quantile_residuals_are_normal_where_the_model_is_right(inflated: Any) -> None:
    y = inflated.simulate(1, rng=8)["sim_1"]
    again = inflated.refit(y)
    assert stats.kstest(again.residuals("quantile", rng=1), "norm").pvalue > 0.01


def test_the_modes_of_the_data_are_those_of_the_fit(inflated: Any) -> None:
    fit = inflated._fit
    found = modes_of(fit, fit.design.y)
    np.testing.assert_allclose(found.fitted[0], fit.eta, atol=1e-6)
    np.testing.assert_allclose(found.effects[0], fit.b[0], atol=1e-6)
    means, variance = fit.moments_with(found.fitted)
    np.testing.assert_allclose(means, fit.means(), rtol=1e-5)
    np.testing.assert_allclose(variance, fit.observation_variance(), rtol=1e-5)


def test_modes_with_random_effects_in_the_zero_part() -> None:
    m = glmer("count ~ spp + (1 |p| site)", DATA, family="poisson", zi_formula="~ mined + (1 |p| site)")
    found = modes_of(m._fit, m._fit.design.y)
    for eta, p in zip(found.fitted, m._fit.predictors, strict=True):
        np.testing.assert_allclose(eta, p.eta, atol=1e-5)


def test_check_of_a_model_that_lacks_zeros_and_of_one_that_has_them(inflated: Any) -> None:
    plain = glmer("count ~ spp + (1 | site)", DATA, family="truncated_poisson(log)", zi_formula="~ spp")
    found = {p.title: p for p in check(inflated._fit, 2)}
    titles = list(found)
    assert titles[0] == "Simulated residuals"
    assert titles[1].startswith("Residuals along")
    assert titles[2:4] == ["Spread of the responses", "Zeros"]
    assert titles[5:] == ["Accuracy of Laplace's approximation"]
    zeros = inflated.zero_inflation(rng=1)
    assert zeros.observed == int((DATA["count"] == 0).sum())
    assert zeros.p_value > 0.05
    assert inflated.overdispersion(rng=1).p_value > 0.01
    # a truncated Poisson distribution varies less than these counts
    spread = plain.overdispersion(rng=1)
    assert spread.p_value < 0.05
    assert spread.ratio > 1.2


def test_zeros_that_a_poisson_model_lacks() -> None:
    m = glmer("count ~ spp + (1 | site)", DATA, family="nbinom1", disp_formula="~ mined")
    assert m.zero_inflation(rng=1).expected == pytest.approx((DATA["count"] == 0).sum(), rel=0.15)


def test_only_zeros_have_random_effects() -> None:
    m = glmer("count ~ spp + mined", DATA, family="nbinom2", zi_formula="~ mined + (1 | site)")
    titles = [p.title for p in check(m._fit, 2)]
    assert titles[2:4] == ["Spread of the responses", "Zeros"]
    assert titles[4:] == ["Accuracy of Laplace's approximation"]


def test_deviance_is_refused(inflated: Any) -> None:
    with pytest.raises(OptionError, match="'pearson', 'scaled', 'normalized', 'quantile' for this model"):
        inflated.residuals("deviance")


def test_pictures(inflated: Any) -> None:
    assert sum(ax.get_visible() for ax in inflated.check(rng=1).flat) >= 4
