"""The normal family, for links other than the identity."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ranef.families.family import Family, Support
from ranef.families.link import Floats


@dataclass(frozen=True, slots=True)
class Gaussian(Family):
    """Normally distributed responses around a mean that is linear on the scale of the link.

    With the identity link this is the linear mixed model of ``lmer``.

    Parameters
    ----------
    link : {"identity", "log", "inverse", "logit", "probit", "cloglog", "cauchit"}
        The last four keep the mean between 0 and 1, as in growth and dose curves; responses may lie
        outside.

    Examples
    --------
    >>> from ranef import Gaussian
    >>> Gaussian(link="log")
    Gaussian(link='log')
    """

    link: str = "identity"
    name: ClassVar[str] = "gaussian"
    links: ClassVar[tuple[str, ...]] = ("identity", "log", "inverse", "logit", "probit", "cloglog", "cauchit")
    support: ClassVar[Support] = "real"
    dispersion_name: ClassVar[str | None] = "sigma"
    predictors: ClassVar[tuple[str, ...]] = ("disp",)
    scaled: ClassVar[bool] = True

    def variance(self, mu: Floats, dispersion: float) -> Floats:
        """Variance of a response of weight 1, without a scale."""
        return np.ones_like(mu)

    def sigma(self, dispersion: float) -> float:
        """The scale as a standard deviation, which is the extra parameter itself."""
        return dispersion

    def unit_deviance(self, y: Floats, mu: Floats, dispersion: float) -> Floats:
        """Twice the log-likelihood lost by the mean ``mu`` instead of ``y``."""
        return np.square(y - mu)

    def draw(self, rng: np.random.Generator, mu: Floats, weights: Floats, dispersion: float) -> Floats:
        """Draw responses with these means."""
        return np.asarray(mu + dispersion * rng.standard_normal(mu.shape))

    def cumulative(self, y: Floats, mu: Floats, weights: Floats, dispersion: float) -> Floats:
        """Probability of a response up to ``y``."""
        from scipy.special import ndtr

        return np.asarray(ndtr((y - mu) / dispersion))
