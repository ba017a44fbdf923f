"""Zeros and positive numbers as sums of a Poisson number of gamma variables."""

import math
import numbers
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ranef.errors import ArgumentTypeError, OptionError
from ranef.families.family import Family, Support
from ranef.families.link import Floats

#: So many standard deviations above its mean, and so many beside, a Poisson count has no chance.
FAR = 12.0


@dataclass(frozen=True, slots=True)
class Tweedie(Family):
    """Numbers that are zero or positive; the variance is ``phi mu**power`` with a power between 1
    and 2.

    Parameters
    ----------
    link : {"log"}
    power : float, optional
        Estimated by default.

    Examples
    --------
    >>> from ranef import Tweedie
    >>> Tweedie(power=1.5).power
    1.5
    """

    link: str = "log"
    power: float | None = None
    name: ClassVar[str] = "tweedie"
    links: ClassVar[tuple[str, ...]] = ("log", "identity")
    support: ClassVar[Support] = "nonnegative"
    dispersion_name: ClassVar[str | None] = "phi"
    predictors: ClassVar[tuple[str, ...]] = ("disp", "psi")
    by_predictors: ClassVar[bool] = True

    def __post_init__(self) -> None:
        Family.__post_init__(self)
        if self.power is None:
            return
        if isinstance(self.power, bool) or not isinstance(self.power, numbers.Real):
            raise ArgumentTypeError(f"power must be a number between 1 and 2, or None, not {self.power!r}.")
        if not 1 < float(self.power) < 2:
            raise OptionError(f"power must lie between 1 and 2, or be None to have it estimated, not {self.power!r}.")
        object.__setattr__(self, "power", float(self.power))

    @property
    def held(self) -> dict[str, float]:
        """The power where it is given, as its predictor."""
        return {} if self.power is None else {"psi": math.log((self.power - 1) / (2 - self.power))}

    def natural(self, shapes: Mapping[str, float]) -> dict[str, float]:
        """The power."""
        return {"power": 1 + 1 / (1 + math.exp(-shapes["psi"]))}

    def moments(self, mu: Floats, at: Mapping[str, Floats], weights: Floats) -> tuple[Floats, Floats]:
        """Mean and variance of a response."""
        return mu, np.exp(at["disp"]) * mu ** (1 + 1 / (1 + np.exp(-at["psi"])))

    def zero_probability(self, mu: Floats, at: Mapping[str, Floats], weights: Floats) -> Floats:
        """Probability of zero."""
        u = 1 / (1 + np.exp(at["psi"]))
        return np.asarray(np.exp(-(mu**u) / (np.exp(at["disp"]) * u)))

    def cumulative_with(self, y: Floats, mu: Floats, at: Mapping[str, Floats], weights: Floats) -> Floats:
        """Probability of a response up to ``y``: sums of so many gamma variables, by the chance of
        each number of them.
        """
        from scipy.special import gammainc, gammaln

        s, phi = 1 / (1 + np.exp(-at["psi"])), np.exp(at["disp"])
        u = 1 - s
        rate, scaled = mu**u / (phi * u), y / (phi * s * mu**s)
        total, last = np.exp(-rate), float(np.max(rate + FAR * np.sqrt(rate) + FAR, initial=0.0))
        for k in range(1, int(last) + 1):
            chance = np.exp(k * np.log(rate) - rate - gammaln(k + 1))
            total = total + chance * gammainc(k * u / s, scaled)
        return np.minimum(total, 1.0)

    def draw_with(self, rng: np.random.Generator, mu: Floats, at: Mapping[str, Floats], weights: Floats) -> Floats:
        """Draw a number of gamma variables, and their sum."""
        s, phi = 1 / (1 + np.exp(-at["psi"])), np.exp(at["disp"])
        u = 1 - s
        count = rng.poisson(mu**u / (phi * u))
        return np.asarray(rng.standard_gamma(np.where(count > 0, count * u / s, 1.0)) * phi * s * mu**s * (count > 0))
