"""What all families have in common."""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from ranef.families.link import LINKS, Floats, Link
from ranef.families.spelling import Spelling

Support = Literal["proportion", "count", "positive", "real", "open_unit", "any"]


@dataclass(frozen=True, slots=True)
class Extra:
    """An extra parameter: one number for all rows that is estimated with the fixed effects.

    Attributes
    ----------
    name : str
    is_scale : bool
        Whether it is a standard deviation, which is reported as ``sigma``.
    """

    name: str
    is_scale: bool = False


class Family:
    """A conditional distribution of the response given the random effects.

    Families are compared by their values and never change. ``dispersion`` below is the family's
    first extra parameter: the size of the negative binomial distribution, the precision of the beta
    distribution, ``sigma`` of the others that have one; NaN for families without one.

    Attributes
    ----------
    link : str
    name : str
        As in R.
    links : tuple of str
        The links it can have; the first is the default.
    support : str
        What the response may be.
    extras : tuple of Extra
        The extra parameters, in the order of the core.
    spellings : tuple of Spelling
        Names of the distributions of the core that the descriptor stands for.
    """

    __slots__ = ()

    link: str
    name: ClassVar[str]
    links: ClassVar[tuple[str, ...]]
    support: ClassVar[Support]
    extras: ClassVar[tuple[Extra, ...]] = ()
    spellings: ClassVar[tuple[Spelling, ...]] = ()

    @property
    def kernel(self) -> str:
        """The name that the compiled core knows the distribution by."""
        raise NotImplementedError

    @property
    def dispersion_name(self) -> str | None:
        """What the first extra parameter is called; None without one."""
        return self.extras[0].name if self.extras else None

    @property
    def scaled(self) -> bool:
        """Whether the first extra parameter is a scale, which is reported as ``sigma``."""
        return bool(self.extras) and self.extras[0].is_scale

    @property
    def spelling(self) -> Spelling | None:
        """The names of the distribution; None for one that is the user's own."""
        return next((s for s in self.spellings if s.kernel == self.kernel), None)

    @property
    def sentence(self) -> str:
        """Name in a sentence, before "family" or "distribution"."""
        return self.name if self.spelling is None else self.spelling.sentence

    @property
    def link_function(self) -> Link:
        """The link with its inverse and slope."""
        return LINKS[self.link]

    @property
    def fixed_dispersion(self) -> float | None:
        """The first extra parameter where the user holds it; None where it is estimated."""
        return None

    @property
    def weights_divide(self) -> bool:
        """Whether weights divide the variance: trials do. Others multiply the likelihood."""
        return self.support == "proportion"

    def mean(self, eta: Floats) -> Floats:
        """Mean of the response from the linear predictor."""
        return self.link_function.mean(eta)

    def variance(self, mu: Floats, dispersion: float) -> Floats:
        """Variance of a response of weight 1, without the scale of a ``scaled`` family."""
        raise NotImplementedError

    def observation_variance(self, mu: Floats, weights: Floats, dispersion: float) -> Floats:
        """Variance of a response with its scale, divided by its weight where weights divide."""
        divisor = weights if self.weights_divide else 1.0
        return np.asarray(self.variance(mu, dispersion) * self.sigma(dispersion) ** 2 / divisor)

    def unit_deviance(self, y: Floats, mu: Floats, dispersion: float) -> Floats:
        """Twice the log-likelihood lost by ``mu`` instead of ``y``, for weight 1 and scale 1."""
        raise NotImplementedError

    def draw(self, rng: np.random.Generator, mu: Floats, weights: Floats, dispersion: float) -> Floats:
        """Draw responses with these means."""
        raise NotImplementedError

    def cumulative(self, y: Floats, mu: Floats, weights: Floats, dispersion: float) -> Floats:
        """Probability of a response up to ``y``."""
        raise NotImplementedError

    def sigma(self, dispersion: float) -> float:
        """The scale parameter as a standard deviation; 1 for families without one."""
        return 1.0

    def unit_of_sigma(self, mu: Floats) -> float:
        """The ``sigma`` at which responses vary by as much as their mean; NaN without one."""
        return math.nan

    def label(self, dispersion: float) -> str:
        """Name as R prints it."""
        return self.name


def x_log_ratio(y: Floats, mu: Floats) -> Floats:
    """``y log(y / mu)``, zero where ``y`` is."""
    from scipy.special import xlogy

    return np.asarray(xlogy(y, np.where(y > 0, y, 1.0) / mu), dtype=np.float64)
