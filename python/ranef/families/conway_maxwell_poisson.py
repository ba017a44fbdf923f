"""Counts that vary less or more than Poisson counts, by one more parameter."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ranef.families.counting import MOST
from ranef.families.family import Family, Support
from ranef.families.link import Floats

#: Steps for the rate of a mean.
STEPS = 60

#: Smallest nu, at which the distribution is the geometric one for all purposes; and how many times
#: the mean counts of that one reach.
LEAST, FAR = 1e-6, 45.0


@dataclass(frozen=True, slots=True)
class ConwayMaxwellPoisson(Family):
    """The Conway-Maxwell-Poisson distribution in its mean, as glmmTMB's ``compois``.

    Probabilities are proportional to ``rate**y / (y!)**nu`` with ``nu = 1 / phi``; ``phi`` is the
    exponential of the dispersion predictor: 1 is the Poisson distribution, less is underdispersed.

    Parameters
    ----------
    link : {"log"}

    Examples
    --------
    >>> from ranef import ConwayMaxwellPoisson
    >>> ConwayMaxwellPoisson().name
    'compois'
    """

    link: str = "log"
    name: ClassVar[str] = "compois"
    links: ClassVar[tuple[str, ...]] = ("log", "sqrt", "identity")
    support: ClassVar[Support] = "count"
    dispersion_name: ClassVar[str | None] = "phi"
    predictors: ClassVar[tuple[str, ...]] = ("disp",)
    by_predictors: ClassVar[bool] = True

    def _terms(self, mu: Floats, at: Mapping[str, Floats]) -> tuple[Floats, Floats]:
        """Counts (m,) and probabilities (n, m)."""
        from scipy.special import gammaln

        nu = np.maximum(np.exp(-at["disp"]), LEAST)
        reach = np.minimum(mu + 12 * np.sqrt(mu / nu), FAR * (mu + 1)) + 30
        most = int(min(MOST, np.ceil(float(reach.max())))) if len(mu) else 1
        y = np.arange(most + 1.0)
        fact = nu[:, None] * gammaln(y + 1)
        rate = nu * np.log(np.maximum(mu + (nu - 1) / (2 * nu), 0.1 * mu))
        # counts vary more than Poisson's: between the geometric distribution and it
        rate = np.where(nu < 1, np.log(mu) - (1 - nu) * np.log1p(mu), rate)
        p = np.empty((len(mu), len(y)))
        for _ in range(STEPS):
            logs = rate[:, None] * y - fact
            p = np.exp(logs - logs.max(axis=1, keepdims=True))
            p /= p.sum(axis=1, keepdims=True)
            mean = p @ y
            step = np.log(mu / mean) * mean / np.maximum(p @ y**2 - mean**2, 1e-300)
            rate = rate + np.clip(step, -2.0, 2.0)
            if np.abs(step).max(initial=0.0) < 1e-12:
                break
        return y, p

    def moments(self, mu: Floats, at: Mapping[str, Floats], weights: Floats) -> tuple[Floats, Floats]:
        """Mean and variance of a response."""
        y, p = self._terms(mu, at)
        return mu, np.asarray(p @ y**2 - mu**2)

    def zero_probability(self, mu: Floats, at: Mapping[str, Floats], weights: Floats) -> Floats:
        """Probability of zero."""
        return np.asarray(self._terms(mu, at)[1][:, 0])

    def cumulative_with(self, y: Floats, mu: Floats, at: Mapping[str, Floats], weights: Floats) -> Floats:
        """Probability of a count up to ``y``."""
        counts, p = self._terms(mu, at)
        below = np.minimum(np.cumsum(p, axis=1), 1.0)
        return np.asarray(below[np.arange(len(mu)), np.minimum(y, counts[-1]).astype(np.intp)])

    def draw_with(self, rng: np.random.Generator, mu: Floats, at: Mapping[str, Floats], weights: Floats) -> Floats:
        """Draw counts."""
        _, p = self._terms(mu, at)
        below = np.cumsum(p, axis=1)
        return np.asarray((rng.random(len(mu))[:, None] > below).sum(axis=1), dtype=np.float64)
