"""Positive numbers whose standard deviation is proportional to their mean."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ranef.families.family import Extra, Family, Support
from ranef.families.link import Floats, above_zero, checked_link
from ranef.families.spelling import Spelling


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
    extras: ClassVar[tuple[Extra, ...]] = (Extra("sigma", is_scale=True),)
    spellings: ClassVar[tuple[Spelling, ...]] = (
        Spelling(
            kernel="gamma",
            name="Gamma",
            sentence="Gamma",
            symbol="Gamma",
            links=("inverse", "log", "identity"),
            julia=("Gamma",),
            sas=("gamma", "gam"),
            spss="GAMMA",
            stata=(("gamma", 3),),
        ),
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "link", checked_link(self.link, self.links, self.name))

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

    def unit_of_sigma(self, mu: Floats) -> float:
        """The ``sigma`` at which responses vary by as much as their mean."""
        return 1.0

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
