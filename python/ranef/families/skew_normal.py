"""Numbers around a mean whose tails differ."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ranef.families.family import Family, Support
from ranef.families.link import Floats


@dataclass(frozen=True, slots=True)
class SkewNormal(Family):
    """The skew normal distribution by its mean, standard deviation and slant.

    Parameters
    ----------
    link : {"identity", "log"}

    Examples
    --------
    >>> from ranef import SkewNormal
    >>> SkewNormal().name
    'skewnormal'
    """

    link: str = "identity"
    name: ClassVar[str] = "skewnormal"
    links: ClassVar[tuple[str, ...]] = ("identity", "log")
    support: ClassVar[Support] = "real"
    dispersion_name: ClassVar[str | None] = "sd"
    predictors: ClassVar[tuple[str, ...]] = ("disp", "slant")
    by_predictors: ClassVar[bool] = True

    def natural(self, shapes: Mapping[str, float]) -> dict[str, float]:
        """The slant."""
        return {"slant": shapes["slant"]}

    def moments(self, mu: Floats, at: Mapping[str, Floats], weights: Floats) -> tuple[Floats, Floats]:
        """Mean and variance of a response."""
        return mu, np.exp(2 * at["disp"])

    def zero_probability(self, mu: Floats, at: Mapping[str, Floats], weights: Floats) -> Floats:
        """Zero is a number like others."""
        return np.zeros_like(mu)

    def cumulative_with(self, y: Floats, mu: Floats, at: Mapping[str, Floats], weights: Floats) -> Floats:
        """Probability of a response up to ``y``, by Owen's T."""
        from scipy.special import ndtr, owens_t

        k = at["slant"] / np.sqrt(1 + at["slant"] ** 2)
        om = np.exp(at["disp"]) / np.sqrt(1 - 2 * k**2 / math.pi)
        z = (y - mu) / om + k * math.sqrt(2 / math.pi)
        return np.clip(ndtr(z) - 2 * owens_t(z, at["slant"]), 0.0, 1.0)

    def draw_with(self, rng: np.random.Generator, mu: Floats, at: Mapping[str, Floats], weights: Floats) -> Floats:
        """Draw a half normal and a normal part."""
        k = at["slant"] / np.sqrt(1 + at["slant"] ** 2)
        om = np.exp(at["disp"]) / np.sqrt(1 - 2 * k**2 / math.pi)
        half, rest = np.abs(rng.standard_normal(len(mu))), rng.standard_normal(len(mu))
        return np.asarray(mu + om * (k * (half - math.sqrt(2 / math.pi)) + np.sqrt(1 - k**2) * rest))
