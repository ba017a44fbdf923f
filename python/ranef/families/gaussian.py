"""The normal family; with the identity link, that of linear models."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ranef.families.family import Extra, Family, Support
from ranef.families.link import Floats, checked_link
from ranef.families.spelling import Spelling


@dataclass(frozen=True, slots=True)
class Gaussian(Family):
    """Normally distributed responses around a mean that is linear on the scale of the link.

    With the identity link this is the linear mixed model of ``lmer``, where weights divide the
    residual variance; with another link they multiply the likelihood.

    Parameters
    ----------
    link : {"identity", "log", "inverse"}

    Examples
    --------
    >>> from ranef import Gaussian
    >>> Gaussian(link="log")
    Gaussian(link='log')
    """

    link: str = "identity"
    name: ClassVar[str] = "gaussian"
    links: ClassVar[tuple[str, ...]] = ("identity", "log", "inverse")
    support: ClassVar[Support] = "real"
    extras: ClassVar[tuple[Extra, ...]] = (Extra("sigma", is_scale=True),)
    spellings: ClassVar[tuple[Spelling, ...]] = (
        Spelling(
            kernel="gaussian",
            name="gaussian",
            also=("normal",),
            sentence="normal",
            symbol="Normal",
            links=("identity", "log", "inverse"),
            julia=("Normal",),
            sas=("normal", "gaussian", "g", "n"),
            spss="NORMAL",
            stata=(("gaussian", 3),),
        ),
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "link", checked_link(self.link, self.links, self.name))

    @property
    def kernel(self) -> str:
        """The core's name of the distribution."""
        return "gaussian"

    @property
    def weights_divide(self) -> bool:
        """Whether weights divide the variance, as those of a linear model do."""
        return self.link == "identity"

    def variance(self, mu: Floats, dispersion: float) -> Floats:
        """Variance of a response of weight 1, without a scale."""
        return np.ones_like(mu)

    def sigma(self, dispersion: float) -> float:
        """The scale as a standard deviation, which is the extra parameter itself."""
        return dispersion

    def unit_of_sigma(self, mu: Floats) -> float:
        """The ``sigma`` at which responses vary by as much as their mean."""
        return float(np.abs(mu).mean())

    def unit_deviance(self, y: Floats, mu: Floats, dispersion: float) -> Floats:
        """Twice the log-likelihood lost by the mean ``mu`` instead of ``y``."""
        return np.square(y - mu)

    def draw(self, rng: np.random.Generator, mu: Floats, weights: Floats, dispersion: float) -> Floats:
        """Draw responses with these means."""
        return np.asarray(mu + self._sd(weights, dispersion) * rng.standard_normal(mu.shape))

    def cumulative(self, y: Floats, mu: Floats, weights: Floats, dispersion: float) -> Floats:
        """Probability of a response up to ``y``."""
        from scipy.special import ndtr

        return np.asarray(ndtr((y - mu) / self._sd(weights, dispersion)))

    def _sd(self, weights: Floats, dispersion: float) -> Floats | float:
        return dispersion / np.sqrt(weights) if self.weights_divide else dispersion
