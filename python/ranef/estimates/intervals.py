"""Multipliers of normal intervals."""

import numbers
from statistics import NormalDist

from ranef.errors import ArgumentTypeError, OptionError


def normal_multiplier(level: object) -> float:
    """Half-width in standard errors of a two-sided normal interval of the given level."""
    if isinstance(level, bool) or not isinstance(level, numbers.Real):
        raise ArgumentTypeError(f"level must be a number between 0 and 1, not {level!r}.")
    if not 0 < float(level) < 1:
        raise OptionError(f"level must be between 0 and 1, not {level!r}.")
    return NormalDist().inv_cdf(0.5 + float(level) / 2)
