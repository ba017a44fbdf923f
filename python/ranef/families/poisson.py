"""Counts whose variance is their mean."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ranef.families.family import Family, Support, x_log_ratio
from ranef.families.link import Floats, above_zero, checked_link
from ranef.families.spelling import Spelling


@dataclass(frozen=True, slots=True)
class Poisson(Family):
    """Counts whose variance is their mean.

    Parameters
    ----------
    link : {"log", "sqrt", "identity"}

    Examples
    --------
    >>> from ranef import Poisson
    >>> Poisson(link="sqrt")
    Poisson(link='sqrt')
    """

    link: str = "log"
    name: ClassVar[str] = "poisson"
    links: ClassVar[tuple[str, ...]] = ("log", "sqrt", "identity")
    support: ClassVar[Support] = "count"
    spellings: ClassVar[tuple[Spelling, ...]] = (
        Spelling(
            kernel="poisson",
            name="poisson",
            sentence="Poisson",
            symbol="Poisson",
            links=("log", "identity", "sqrt"),
            julia=("Poisson",),
            sas=("poisson", "poi", "p"),
            spss="POISSON",
            stata=(("poisson", 1),),
        ),
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "link", checked_link(self.link, self.links, self.name))

    @property
    def kernel(self) -> str:
        """The core's name of the distribution."""
        return "poisson"

    def variance(self, mu: Floats, dispersion: float) -> Floats:
        """Variance of a response of weight 1, without a scale."""
        return mu

    def unit_deviance(self, y: Floats, mu: Floats, dispersion: float) -> Floats:
        """Twice the log-likelihood lost by the mean ``mu`` instead of ``y``."""
        return np.asarray(2 * (x_log_ratio(y, above_zero(mu)) - (y - mu)))

    def draw(self, rng: np.random.Generator, mu: Floats, weights: Floats, dispersion: float) -> Floats:
        """Draw responses with these means."""
        return rng.poisson(mu).astype(np.float64)

    def cumulative(self, y: Floats, mu: Floats, weights: Floats, dispersion: float) -> Floats:
        """Probability of a response up to ``y``."""
        from scipy.special import pdtr

        return np.where(y < 0, 0.0, pdtr(np.maximum(np.floor(y), 0.0), mu))
