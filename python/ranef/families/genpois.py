"""Counts whose variance is a multiple of their mean, more or less than it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ranef.families.counting import counted_draws
from ranef.families.family import Family, Support
from ranef.families.link import Floats


@dataclass(frozen=True, slots=True)
class GeneralizedPoisson(Family):
    """Consul's generalized Poisson distribution in its mean; the variance is ``mu phi``.

    For ``phi`` below 1 its probabilities do not add up to one: `ConwayMaxwellPoisson` is a
    distribution there.

    Parameters
    ----------
    link : {"log"}

    Examples
    --------
    >>> from ranef import GeneralizedPoisson
    >>> GeneralizedPoisson().link
    'log'
    """

    link: str = "log"
    name: ClassVar[str] = "genpois"
    links: ClassVar[tuple[str, ...]] = ("log", "sqrt", "identity")
    support: ClassVar[Support] = "count"
    dispersion_name: ClassVar[str | None] = "phi"
    predictors: ClassVar[tuple[str, ...]] = ("disp",)
    by_predictors: ClassVar[bool] = True

    def moments(self, mu: Floats, at: Mapping[str, Floats], weights: Floats) -> tuple[Floats, Floats]:
        """Mean and variance of a response."""
        return mu, mu * np.exp(at["disp"])

    def zero_probability(self, mu: Floats, at: Mapping[str, Floats], weights: Floats) -> Floats:
        """Probability of zero."""
        return np.asarray(np.exp(-mu * np.exp(-0.5 * at["disp"])))

    def log_probability(self, y: Floats, mu: Floats, at: Mapping[str, Floats]) -> Floats:
        """Logarithm of the probability of counts."""
        from scipy.special import gammaln

        t = np.exp(-0.5 * at["disp"])
        w = y + t * (mu - y)
        with np.errstate(divide="ignore", invalid="ignore"):
            out = np.log(mu * t) + (y - 1) * np.log(w) - w - gammaln(y + 1)
        return np.where(w > 0, out, -np.inf)

    def cumulative_with(self, y: Floats, mu: Floats, at: Mapping[str, Floats], weights: Floats) -> Floats:
        """Probability of a count up to ``y``."""
        total = np.zeros_like(mu)
        for k in range(int(y.max(initial=-1.0)) + 1):
            total += np.where(y >= k, np.exp(self.log_probability(np.full_like(mu, k), mu, at)), 0.0)
        return np.minimum(total, 1.0)

    def draw_with(self, rng: np.random.Generator, mu: Floats, at: Mapping[str, Floats], weights: Floats) -> Floats:
        """Draw counts."""
        sd = np.sqrt(mu * np.exp(at["disp"]))
        return counted_draws(rng, lambda y: self.log_probability(y, mu, at), mu, sd)
