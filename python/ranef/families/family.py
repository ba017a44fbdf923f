"""What all families have in common."""

from typing import ClassVar, Literal

import numpy as np

from ranef.families.link import LINKS, Floats, Link

Support = Literal["proportion", "count", "positive", "real", "open_unit", "any"]


class Family:
    """A conditional distribution of the response given the random effects.

    Families are compared by their values and never change. ``dispersion`` below is the family's
    extra parameter: the size of the negative binomial distribution, the precision of the beta
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
    dispersion_name : str or None
        What its extra parameter is called; None without one.
    scaled : bool
        Whether the extra parameter is a scale, which is reported as ``sigma``.
    """

    __slots__ = ()

    link: str
    name: ClassVar[str]
    links: ClassVar[tuple[str, ...]]
    support: ClassVar[Support]
    dispersion_name: ClassVar[str | None] = None
    scaled: ClassVar[bool] = False

    @property
    def kernel(self) -> str:
        """The name that the compiled core knows the distribution by."""
        raise NotImplementedError

    @property
    def link_function(self) -> Link:
        """The link with its inverse and slope."""
        return LINKS[self.link]

    @property
    def fixed_dispersion(self) -> float | None:
        """The value at which the user holds the extra parameter,
        None where it is estimated or absent.
        """
        return None

    def mean(self, eta: Floats) -> Floats:
        """Mean of the response from the linear predictor."""
        return self.link_function.mean(eta)

    def variance(self, mu: Floats, dispersion: float) -> Floats:
        """Variance of a response of weight 1, without the scale of a ``scaled`` family."""
        raise NotImplementedError

    def observation_variance(self, mu: Floats, weights: Floats, dispersion: float) -> Floats:
        """Variance of a response:
        trials divide it, weights of other families, which multiply the likelihood, do not.
        """
        divisor = weights if self.support == "proportion" else 1.0
        return np.asarray(self.variance(mu, dispersion) * self.sigma(dispersion) ** 2 / divisor)

    def unit_deviance(self, y: Floats, mu: Floats, dispersion: float) -> Floats:
        """Twice the log-likelihood lost by the mean ``mu`` instead of ``y``,
        for weight 1 and scale 1.
        """
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

    def label(self, dispersion: float) -> str:
        """Name as R prints it."""
        return self.name


def x_log_ratio(y: Floats, mu: Floats) -> Floats:
    """``y log(y / mu)``, zero where ``y`` is."""
    from scipy.special import xlogy

    return np.asarray(xlogy(y, np.where(y > 0, y, 1.0) / mu), dtype=np.float64)
