"""Families of positive numbers."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ranef.families.family import Family, Support
from ranef.families.link import Floats, above_zero


@dataclass(frozen=True, slots=True)
class Gamma(Family):
    """Positive numbers whose standard deviation is proportional to their mean.

    The variance is ``sigma² mu²``; ``sigma`` is estimated by maximum likelihood, and the shape is
    ``1 / sigma²``.

    Parameters
    ----------
    link : {"inverse", "log", "identity"}

    Examples
    --------
    >>> from ranef import Gamma
    >>> Gamma(link="log")
    Gamma(link='log')
    """

    link: str = "inverse"
    name: ClassVar[str] = "Gamma"
    links: ClassVar[tuple[str, ...]] = ("inverse", "log", "identity")
    support: ClassVar[Support] = "positive"
    dispersion_name: ClassVar[str | None] = "sigma"
    predictors: ClassVar[tuple[str, ...]] = ("disp",)
    scaled: ClassVar[bool] = True

    @property
    def kernel(self) -> str:
        """The core's name of the distribution."""
        return "gamma"

    def variance(self, mu: Floats, dispersion: float) -> Floats:
        """Variance of a response of weight 1, without a scale."""
        return np.square(mu)

    def sigma(self, dispersion: float) -> float:
        """The scale as a standard deviation, which is the extra parameter itself."""
        return dispersion

    def unit_deviance(self, y: Floats, mu: Floats, dispersion: float) -> Floats:
        """Twice the log-likelihood lost by the mean ``mu`` instead of ``y``."""
        ratio = y / above_zero(mu)
        return np.maximum(2 * (ratio - 1 - np.log(ratio)), 0)

    def draw(self, rng: np.random.Generator, mu: Floats, weights: Floats, dispersion: float) -> Floats:
        """Draw responses with these means."""
        shape = 1 / dispersion**2
        return above_zero(rng.standard_gamma(shape, mu.shape) * (mu / shape))

    def cumulative(self, y: Floats, mu: Floats, weights: Floats, dispersion: float) -> Floats:
        """Probability of a response up to ``y``."""
        from scipy.special import gammainc

        shape = 1 / dispersion**2
        return np.asarray(gammainc(shape, shape * np.maximum(y, 0.0) / above_zero(mu)))


@dataclass(frozen=True, slots=True)
class InverseGaussian(Family):
    """Positive numbers whose variance is proportional to the cube of their mean.

    The variance is ``sigma² mu³``; ``sigma`` is estimated by maximum likelihood.

    Parameters
    ----------
    link : {"inverse_squared", "inverse", "log", "identity"}

    Examples
    --------
    >>> from ranef import InverseGaussian
    >>> InverseGaussian(link="log")
    InverseGaussian(link='log')
    """

    link: str = "inverse_squared"
    name: ClassVar[str] = "inverse.gaussian"
    links: ClassVar[tuple[str, ...]] = ("inverse_squared", "inverse", "log", "identity")
    support: ClassVar[Support] = "positive"
    dispersion_name: ClassVar[str | None] = "sigma"
    scaled: ClassVar[bool] = True

    @property
    def kernel(self) -> str:
        """The core's name of the distribution."""
        return "inverse_gaussian"

    def variance(self, mu: Floats, dispersion: float) -> Floats:
        """Variance of a response of weight 1, without a scale."""
        return np.asarray(mu**3)

    def sigma(self, dispersion: float) -> float:
        """The scale as a standard deviation, which is the extra parameter itself."""
        return dispersion

    def unit_deviance(self, y: Floats, mu: Floats, dispersion: float) -> Floats:
        """Twice the log-likelihood lost by the mean ``mu`` instead of ``y``."""
        return np.asarray((y - mu) ** 2 / (y * mu * mu))

    def draw(self, rng: np.random.Generator, mu: Floats, weights: Floats, dispersion: float) -> Floats:
        """Draw responses with these means."""
        return above_zero(rng.wald(above_zero(mu), 1 / dispersion**2))

    def cumulative(self, y: Floats, mu: Floats, weights: Floats, dispersion: float) -> Floats:
        """Probability of a response up to ``y``."""
        from scipy.special import log_ndtr, ndtr

        y, m = above_zero(np.maximum(y, 0.0)), above_zero(mu)
        root, ratio = 1 / (dispersion * np.sqrt(y)), y / m
        # The second factor overflows long before the product does.
        second = np.exp(2 / (dispersion**2 * m) + log_ndtr(-root * (ratio + 1)))
        out: Floats = np.clip(ndtr(root * (ratio - 1)) + second, 0.0, 1.0)
        return out
