"""Positive numbers with normal logarithms."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ranef.errors import OptionError
from ranef.families.family import Family, Support
from ranef.families.link import Floats, checked_link


@dataclass(frozen=True, slots=True)
class LogNormal(Family):
    """Positive numbers whose logarithms are normal.

    Parameters
    ----------
    scale : {"log", "response"}
        What the predictors describe: mean and log standard deviation of ``log y`` (brms,
        GLMMadaptive); or mean and log standard deviation of ``y`` itself, the mean through the log
        link (glmmTMB's ``lognormal``).
    link : str, optional
        ``"identity"`` for the first, ``"log"`` for the second.

    Examples
    --------
    >>> from ranef import LogNormal
    >>> LogNormal(scale="response").link
    'log'
    """

    scale: str = "log"
    link: str | None = None  # type: ignore[assignment]
    name: ClassVar[str] = "lognormal"
    links: ClassVar[tuple[str, ...]] = ("identity", "log")
    support: ClassVar[Support] = "positive"
    dispersion_name: ClassVar[str | None] = "sd"
    predictors: ClassVar[tuple[str, ...]] = ("disp",)
    by_predictors: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.scale not in ("log", "response"):
            raise OptionError(f"scale of LogNormal must be 'log' or 'response', not {self.scale!r}.")
        own = "identity" if self.scale == "log" else "log"
        object.__setattr__(self, "link", checked_link(self.link or own, (own,), self.name))

    @property
    def kernel(self) -> str:
        """The core's name of the distribution."""
        return "lognormal" if self.scale == "log" else "lognormal_response"

    def moments(self, mu: Floats, at: Mapping[str, Floats], weights: Floats) -> tuple[Floats, Floats]:
        """Mean and variance of a response."""
        if self.scale == "response":
            return mu, np.exp(2 * at["disp"])
        v = np.exp(2 * at["disp"])
        mean = np.exp(mu + v / 2)
        return mean, mean**2 * np.expm1(v)

    def variance_of_predictor(self, eta: Floats, mean: float, variance: float) -> float:
        """That of the logarithm, on either scale."""
        return float(np.log1p(variance / mean**2))

    def zero_probability(self, mu: Floats, at: Mapping[str, Floats], weights: Floats) -> Floats:
        """There are no zeros."""
        return np.zeros_like(mu)

    def cumulative_with(self, y: Floats, mu: Floats, at: Mapping[str, Floats], weights: Floats) -> Floats:
        """Probability of a response up to ``y``."""
        from scipy.special import ndtr

        if self.scale == "log":
            centre, sd = mu, np.exp(at["disp"])
        else:
            v = np.log1p((np.exp(at["disp"]) / mu) ** 2)
            centre, sd = np.log(mu) - v / 2, np.sqrt(v)
        with np.errstate(divide="ignore"):
            return np.asarray(ndtr((np.log(y) - centre) / sd))

    def draw_with(self, rng: np.random.Generator, mu: Floats, at: Mapping[str, Floats], weights: Floats) -> Floats:
        """Draw exponentials of normal numbers."""
        if self.scale == "log":
            return np.asarray(np.exp(mu + np.exp(at["disp"]) * rng.standard_normal(len(mu))))
        v = np.log1p((np.exp(at["disp"]) / mu) ** 2)
        return np.asarray(mu * np.exp(-v / 2 + np.sqrt(v) * rng.standard_normal(len(mu))))
