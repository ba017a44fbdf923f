"""Numbers as users state them: finite, positive, by name."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ranef.errors import ArgumentTypeError, OptionError

Floats = NDArray[np.float64]


def finite(value: object, name: str) -> float:
    """A finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise ArgumentTypeError(f"{name} must be a number, not {value!r}.")
    if not math.isfinite(value):
        raise OptionError(f"{name} must be finite, not {value!r}.")
    return float(value)


def positive(value: object, name: str) -> float:
    """A finite number above zero."""
    number = finite(value, name)
    if not number > 0:
        raise OptionError(f"{name} must be positive, not {value!r}.")
    return number


def items_of(given: object) -> dict[object, object] | None:
    """The items of a dict or of a Series; None of anything else."""
    if isinstance(given, Mapping):
        return dict(given)
    if hasattr(given, "items") and hasattr(given, "index"):
        return dict(given.items())
    return None


def values_by_name(pairs: Mapping[object, object], names: Sequence[str], own: Floats, what: str) -> Floats:
    """Values (k,) by name, with those that are given in the place of their own."""
    out = own.copy()
    for name, value in pairs.items():
        out[names.index(str(name))] = finite(value, f"{what}[{name!r}]")
    return out
