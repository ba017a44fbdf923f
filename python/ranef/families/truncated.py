"""Counts without zeros."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ranef.errors import ArgumentTypeError, OptionError
from ranef.families.family import Family, Support
from ranef.families.link import Floats


@dataclass(frozen=True, slots=True)
class Truncated(Family):
    """A family of counts given that they are not zero; with ``zi_formula`` a hurdle model.

    Parameters
    ----------
    family : Family
        Such as ``Poisson()``, ``NegativeBinomial()``, ``GeneralizedPoisson()`` or
        ``ConwayMaxwellPoisson()``; the mean of the model is that of this family, before truncation.

    Examples
    --------
    >>> from ranef import NegativeBinomial, Truncated
    >>> Truncated(NegativeBinomial()).name
    'truncated Negative Binomial'
    """

    family: Family
    support: ClassVar[Support] = "count"
    by_predictors: ClassVar[bool] = True
    truncated: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not isinstance(self.family, Family):
            raise ArgumentTypeError(
                f"Truncated takes a family of counts such as Truncated(Poisson()), not {self.family!r}."
            )
        if self.family.support != "count" or self.family.truncated:
            raise OptionError(f"Truncated takes a family of counts; {self.family.name} is none.")

    @property
    def link(self) -> str:  # type: ignore[override]
        """That of the family."""
        return self.family.link

    @property
    def has_usual_link(self) -> bool:
        """As the family has it."""
        return self.family.has_usual_link

    @property
    def name(self) -> str:  # type: ignore[override]
        """That of the family, marked."""
        return f"truncated {self.family.name}"

    def label(self, dispersion: float) -> str:
        """With the type of a negative binomial."""
        return f"truncated {self.family.label(math.nan)}"

    @property
    def argument(self) -> str:
        """glmmTMB's name."""
        return f"truncated_{self.family.argument}"

    @property
    def predictors(self) -> tuple[str, ...]:  # type: ignore[override]
        """Those of the family."""
        return self.family.predictors

    @property
    def dispersion_name(self) -> str | None:  # type: ignore[override]
        """What the family calls its extra parameter."""
        return self.family.dispersion_name

    @property
    def fixed_dispersion(self) -> float | None:
        """Where the family holds it."""
        return self.family.fixed_dispersion

    @property
    def kernel(self) -> str:
        """The core's name of the distribution."""
        return self.family.kernel

    def moments(self, mu: Floats, at: Mapping[str, Floats], weights: Floats) -> tuple[Floats, Floats]:
        """Mean and variance of a response that is not zero."""
        m, v = self.family.moments(mu, at, weights)
        some = -np.expm1(np.log(self.family.zero_probability(mu, at, weights)))
        mean = m / some
        return mean, (v + m**2) / some - mean**2

    def zero_probability(self, mu: Floats, at: Mapping[str, Floats], weights: Floats) -> Floats:
        """There are no zeros."""
        return np.zeros_like(mu)

    def cumulative_with(self, y: Floats, mu: Floats, at: Mapping[str, Floats], weights: Floats) -> Floats:
        """Probability of a count up to ``y`` among those that are not zero."""
        none = self.family.zero_probability(mu, at, weights)
        return np.asarray((self.family.cumulative_with(y, mu, at, weights) - none) / -np.expm1(np.log(none)))

    def draw_with(self, rng: np.random.Generator, mu: Floats, at: Mapping[str, Floats], weights: Floats) -> Floats:
        """Draw until a count is not zero."""
        out = np.zeros_like(mu)
        left = np.arange(len(mu))
        for _ in range(10_000):
            if not len(left):
                break
            own = {k: v[left] for k, v in at.items()}
            out[left] = self.family.draw_with(rng, mu[left], own, weights[left])
            left = left[out[left] == 0]
        out[left] = 1.0  # a mean so small that what is not zero is one
        return out
