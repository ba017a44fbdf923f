"""Positive numbers whose variance is proportional to the cube of their mean."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ranef.families.family import Extra, Family, Support
from ranef.families.link import Floats, above_zero, checked_link
from ranef.families.spelling import Spelling


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
    extras: ClassVar[tuple[Extra, ...]] = (Extra("sigma", is_scale=True),)
    spellings: ClassVar[tuple[Spelling, ...]] = (
        Spelling(
            kernel="inverse_gaussian",
            name="inverse.gaussian",
            sentence="inverse Gaussian",
            symbol="InverseGaussian",
            links=("1/mu^2", "inverse", "log", "identity"),
            julia=("InverseGaussian",),
            sas=("invgauss", "ig", "inversegaussian"),
            spss="INVERSE_GAUSS",
        ),
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "link", checked_link(self.link, self.links, self.name))

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

    def unit_of_sigma(self, mu: Floats) -> float:
        """The ``sigma`` at which responses vary by as much as their mean."""
        return 1 / float(np.sqrt(np.abs(mu).mean()))

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
