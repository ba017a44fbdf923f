"""Families of proportions."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ranef.families.family import Family, Support, x_log_ratio
from ranef.families.link import Floats, inside_unit


@dataclass(frozen=True, slots=True)
class Binomial(Family):
    """Successes in a known number of trials, of which there may be one.

    Parameters
    ----------
    link : {"logit", "probit", "cloglog", "loglog", "cauchit"}

    Examples
    --------
    >>> from ranef import Binomial
    >>> Binomial(link="probit")
    Binomial(link='probit')
    """

    link: str = "logit"
    name: ClassVar[str] = "binomial"
    links: ClassVar[tuple[str, ...]] = ("logit", "probit", "cloglog", "loglog", "cauchit")
    support: ClassVar[Support] = "proportion"

    def variance(self, mu: Floats, dispersion: float) -> Floats:
        """Variance of a response of weight 1, without a scale."""
        return np.asarray(mu * (1 - mu))

    def unit_deviance(self, y: Floats, mu: Floats, dispersion: float) -> Floats:
        """Twice the log-likelihood lost by the mean ``mu`` instead of ``y``."""
        m = inside_unit(mu)
        return np.asarray(2 * (x_log_ratio(y, m) + x_log_ratio(1 - y, 1 - m)))

    def draw(self, rng: np.random.Generator, mu: Floats, weights: Floats, dispersion: float) -> Floats:
        """Draw responses with these means."""
        trials = np.rint(weights).astype(np.int64)
        return np.asarray(rng.binomial(trials, mu) / np.maximum(trials, 1))

    def cumulative(self, y: Floats, mu: Floats, weights: Floats, dispersion: float) -> Floats:
        """Probability of a response up to ``y``."""
        from scipy.special import betainc

        successes = np.floor(y * weights + 1e-9)
        # Through the beta distribution, which also takes trials that are no whole numbers.
        inside = 1.0 - betainc(np.maximum(successes + 1, 1.0), np.maximum(weights - successes, 1e-300), mu)
        return np.where(successes < 0, 0.0, np.where(successes >= weights, 1.0, inside))


@dataclass(frozen=True, slots=True)
class Beta(Family):
    """Proportions that are not counts of anything, between 0 and 1 and neither of the two.

    The variance is ``mu (1 - mu) / (1 + precision)``; the precision is estimated.

    Parameters
    ----------
    link : {"logit", "probit", "cloglog", "loglog", "cauchit"}

    Examples
    --------
    >>> from ranef import Beta
    >>> Beta().link
    'logit'
    """

    link: str = "logit"
    name: ClassVar[str] = "beta"
    links: ClassVar[tuple[str, ...]] = ("logit", "probit", "cloglog", "loglog", "cauchit")
    support: ClassVar[Support] = "open_unit"
    dispersion_name: ClassVar[str | None] = "precision"
    predictors: ClassVar[tuple[str, ...]] = ("disp",)

    def variance(self, mu: Floats, dispersion: float) -> Floats:
        """Variance of a response of weight 1, without a scale."""
        return np.asarray(mu * (1 - mu) / (1 + dispersion))

    def unit_deviance(self, y: Floats, mu: Floats, dispersion: float) -> Floats:
        """Twice the log-likelihood lost by the mean ``mu`` instead of ``y``."""
        # Not an exponential family in y: the mean that fits best is close to y, not equal to it.
        own, other = self._log_density(y, inside_unit(y), dispersion), self._log_density(y, inside_unit(mu), dispersion)
        return np.maximum(2 * (own - other), 0)

    def _log_density(self, y: Floats, mu: Floats, dispersion: float) -> Floats:
        from scipy.special import betaln

        a, b = mu * dispersion, (1 - mu) * dispersion
        out: Floats = (a - 1) * np.log(y) + (b - 1) * np.log1p(-y) - betaln(a, b)
        return out

    def draw(self, rng: np.random.Generator, mu: Floats, weights: Floats, dispersion: float) -> Floats:
        """Draw responses with these means."""
        m = inside_unit(mu)
        return inside_unit(rng.beta(m * dispersion, (1 - m) * dispersion))

    def cumulative(self, y: Floats, mu: Floats, weights: Floats, dispersion: float) -> Floats:
        """Probability of a response up to ``y``."""
        from scipy.special import betainc

        m = inside_unit(mu)
        return np.asarray(betainc(m * dispersion, (1 - m) * dispersion, np.clip(y, 0.0, 1.0)))

    def label(self, dispersion: float) -> str:
        """Name as R prints it; without a precision where that is not one number."""
        return "beta" if dispersion != dispersion else f"beta({dispersion:.5g})"
