"""Levels of intervals, and multipliers of normal ones."""

import numbers
from statistics import NormalDist

from ranef.errors import ArgumentTypeError, OptionError


def checked_level(level: object, default: float | None = None) -> float:
    """Check the level of an interval; None is the default, where there is one."""
    if level is None and default is not None:
        return default
    if isinstance(level, bool) or not isinstance(level, numbers.Real):
        raise ArgumentTypeError(f"level must be a number between 0 and 1, not {level!r}.")
    if not 0 < float(level) < 1:
        raise OptionError(f"level must be between 0 and 1, not {level!r}.")
    return float(level)


def normal_multiplier(level: object) -> float:
    """Half-width in standard errors of a two-sided normal interval of the given level."""
    return NormalDist().inv_cdf(0.5 + checked_level(level) / 2)
