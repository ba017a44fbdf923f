"""Ordered categories: cumulative models."""

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import numpy as np

from ranef.errors import ArgumentTypeError, OptionError
from ranef.families.family import Family, Support
from ranef.families.link import Floats, checked_link

#: What relates the thresholds to each other.
THRESHOLDS = ("flexible", "equidistant", "symmetric", "symmetric2")

#: Variance of the latent variable given its location; none where it is infinite.
LATENT_VARIANCE = {"logit": np.pi**2 / 3, "probit": 1.0, "cloglog": np.pi**2 / 6, "loglog": np.pi**2 / 6}


@dataclass(frozen=True, slots=True)
class Cumulative(Family):
    """Ordered categories by the intervals that a latent variable falls into.

    ``P(Y <= k) = F((threshold_k - eta) / scale)``, F the inverse of the link.

    Parameters
    ----------
    link : {"logit", "probit", "cloglog", "loglog", "cauchit"}
        F is logistic, normal, ``1 - exp(-exp(t))``, ``exp(-exp(-t))`` or Cauchy's.
    threshold : {"flexible", "equidistant", "symmetric", "symmetric2"}
    """

    link: str = "logit"
    threshold: str = "flexible"
    name: ClassVar[str] = "cumulative"
    links: ClassVar[tuple[str, ...]] = ("logit", "probit", "cloglog", "loglog", "cauchit")
    support: ClassVar[Support] = "any"

    def __post_init__(self) -> None:
        object.__setattr__(self, "link", checked_link(self.link, self.links, "cumulative"))
        if not isinstance(self.threshold, str):
            raise ArgumentTypeError(
                f"threshold must be one of {', '.join(map(repr, THRESHOLDS))}, not {self.threshold!r}."
            )
        if self.threshold not in THRESHOLDS:
            raise OptionError(f"threshold must be one of {', '.join(map(repr, THRESHOLDS))}, not {self.threshold!r}.")

    @property
    def kernel(self) -> str:
        """The core's name of the distribution."""
        return "ordinal"

    @property
    def call_arguments(self) -> dict[str, str]:
        """Those of ``clmm`` that are not its defaults."""
        given = {"link": (self.link, "logit"), "threshold": (self.threshold, "flexible")}
        return {name: value for name, (value, usual) in given.items() if value != usual}

    def label(self, dispersion: float) -> str:
        """With the structure of the thresholds."""
        return f"cumulative, {self.threshold} thresholds"

    def variance(self, mu: Floats, dispersion: float) -> Floats:
        """Refused: the variance of a category's number depends on all probabilities."""
        raise OptionError("the variance of an ordinal response does not follow from its mean.")


@dataclass(frozen=True, slots=True, eq=False)
class ThresholdMap:
    """How thresholds are made of parameters.

    Attributes
    ----------
    matrix : (thresholds, parameters) array
    names : tuple of str
        Of the parameters.
    thresholds : tuple of str
        Of the thresholds, such as ``1|2``.
    """

    matrix: Floats
    names: tuple[str, ...]
    thresholds: tuple[str, ...]


def threshold_map(structure: str, categories: tuple[str, ...]) -> ThresholdMap:
    """The thresholds between categories.

    Parameters
    ----------
    structure : {"flexible", "equidistant", "symmetric", "symmetric2"}
        ``equidistant``: the first and the distance of neighbours. ``symmetric``: distances from a
        centre, on both sides the same: the middle threshold, or the two in the middle (their
        middle and half their distance would do as well). ``symmetric2``: the same with the centre
        at zero.
    categories : tuple of str
    """
    n = len(categories) - 1
    named = tuple(f"{a}|{b}" for a, b in pairwise(categories))
    if structure == "flexible" or (n == 1 and structure == "equidistant"):
        return ThresholdMap(np.eye(n), named, named)
    if structure == "equidistant":
        return ThresholdMap(np.column_stack([np.ones(n), np.arange(n, dtype=float)]), ("threshold.1", "spacing"), named)
    if n < 2:
        raise OptionError(
            f"threshold={structure!r} is for three categories or more; the response has {len(categories)}."
        )
    half = n // 2
    # distances of the thresholds above the centre, and the same below it
    above = np.zeros((n, half))
    for j in range(half):
        above[n - half + j, j], above[half - 1 - j, j] = 1.0, -1.0
    spacing = [f"spacing.{j + 1}" for j in range(half)]
    if structure == "symmetric2":
        return ThresholdMap(above, tuple(spacing), named)
    if n % 2:
        return ThresholdMap(np.column_stack([np.ones(n), above]), ("central", *spacing), named)
    upper = np.arange(n) >= half
    centres = np.column_stack([~upper, upper]).astype(float)
    # the two middle ones are parameters themselves; distances are from them
    rest = above[:, 1:]
    return ThresholdMap(np.column_stack([centres, rest]), ("central.1", "central.2", *spacing[: half - 1]), named)
