"""Successes among trials."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ranef.families.family import Family, Support, x_log_ratio
from ranef.families.link import Floats, checked_link, inside_unit
from ranef.families.spelling import Spelling


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
    spellings: ClassVar[tuple[Spelling, ...]] = (
        Spelling(
            kernel="binomial",
            name="binomial",
            also=("bernoulli",),
            sentence="binomial",
            symbol="Binomial",
            links=("logit", "probit", "cloglog", "cauchit", "log"),
            julia=("Bernoulli", "Binomial"),
            sas=("binomial", "binary", "bin", "b"),
            spss="BINOMIAL",
            stata=(("bernoulli", 4), ("binomial", 3)),
        ),
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "link", checked_link(self.link, self.links, self.name))

    @property
    def kernel(self) -> str:
        """The core's name of the distribution."""
        return "binomial"

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
