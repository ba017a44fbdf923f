"""What an expression in columns can be worth: numbers, truth values, a factor, or a constant."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.data.column import Column
from ranef.design.contrasts import Contrast
from ranef.errors import DataError

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Numeric:
    """Numbers, one for each row, or several columns of them.

    Parameters
    ----------
    values : ndarray of shape (n,) or (n, k)
        NaN where missing. The memory may be the caller's.
    suffixes : tuple of str, optional
        What is appended to the variable's name for each of the k columns.
    column : Column, optional
        The column of the data that this is.
    """

    values: Floats
    suffixes: tuple[str, ...] | None = None
    column: Column | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Logical:
    """Truth values, one for each row; `absent` marks the missing ones."""

    values: Mask
    absent: Mask | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Factor:
    """Levels and codes, -1 where missing.

    Parameters
    ----------
    codes : int32 ndarray of shape (n,)
    levels : ndarray of str objects
    ordered : bool
    contrast : Contrast, optional
        Its coding, where ``C()`` gives one.
    text : bool
        Whether it is text, whose levels are just the strings that occur.
    """

    codes: NDArray[np.int32]
    levels: NDArray[np.object_]
    ordered: bool = False
    contrast: Contrast | None = None
    text: bool = False


Vector = Numeric | Logical | Factor
"""A value with one entry for each row."""

Scalar = float | bool | str | None
"""A constant; None is NULL."""

Value = Vector | Scalar | list[Any]
"""Anything an expression can be worth; a list is the value of ``c(...)``."""

#: A sequence stands for breaks and knots; what is longer was not meant.
MOST_NUMBERS = 100_000

TRUTH_LEVELS = np.array(["False", "True"], dtype=object)


def from_column(column: Column) -> Vector:
    """The value of a column, which is not one of dates."""
    if column.codes is not None:
        assert column.levels is not None
        return Factor(column.codes, column.levels, column.ordered, None, column.kind == "text")
    assert column.values is not None
    if column.kind == "boolean":
        return Logical(column.values, column.absent)
    return Numeric(column.values, None, column)


def as_numbers(value: Numeric | Logical) -> Floats:
    """Truth values as 0 and 1."""
    if isinstance(value, Numeric):
        return value.values
    out = value.values.astype(np.float64)
    if value.absent is not None:
        out[value.absent] = np.nan
    return out


def as_factor(value: Vector, name: str) -> Factor:
    """Code a value as a factor, as R's ``factor()`` does.

    The levels of truth values are always ``False`` and ``True``.

    Raises
    ------
    DataError
        A matrix.
    """
    if isinstance(value, Factor):
        return value
    if isinstance(value, Logical):
        codes = value.values.astype(np.int32)
        if value.absent is not None:
            codes[value.absent] = -1
        return Factor(codes, TRUTH_LEVELS)
    if value.values.ndim == 2:
        raise DataError(f"{name} has {value.values.shape[1]} columns; the levels of a factor come from one.")
    column = value.column if value.column is not None else Column(name, "numeric", value.values)
    made = column.as_factor()
    assert made.codes is not None
    assert made.levels is not None
    return Factor(made.codes, made.levels)


def is_finite(values: Floats) -> bool:
    """Whether all numbers are finite.

    The sum of any that are not is not finite either, and costs one pass without memory.
    """
    with np.errstate(all="ignore"):
        total = values.sum()
    if math.isfinite(total):
        return True
    return bool(np.isfinite(values).all())


def missing_rows(value: Vector) -> Mask | None:
    """Mask of the rows without a value, None if every row has one."""
    if isinstance(value, Factor):
        codes = value.codes
        if not len(codes) or codes.min() >= 0:
            return None
        return codes < 0
    if isinstance(value, Logical):
        return value.absent if value.absent is not None and value.absent.any() else None
    if is_finite(value.values):
        return None
    mask: Mask = np.isnan(value.values)
    if mask.ndim == 2:
        mask = np.logical_or.reduce(mask, axis=1)
    return mask if mask.any() else None


def take_rows(value: Vector, rows: NDArray[np.int64]) -> Vector:
    """The value in some of its rows."""
    if isinstance(value, Factor):
        return replace(value, codes=value.codes[rows])
    if isinstance(value, Logical):
        return Logical(value.values[rows], None if value.absent is None else value.absent[rows])
    taken = value.values[rows]
    return Numeric(np.asfortranarray(taken) if taken.ndim == 2 else taken, value.suffixes)


def map_levels(factor: Factor, known: NDArray[np.object_]) -> Factor:
    """Give a factor the levels that are known, with those it has besides appended."""
    levels = factor.levels
    if levels is known or (len(levels) == len(known) and bool((levels == known).all())):
        return replace(factor, levels=known)
    place = {label: i for i, label in enumerate(known.tolist())}
    extra = [label for label in levels.tolist() if label not in place]
    for label in extra:
        place[label] = len(place)
    position = np.array([*(place[label] for label in levels.tolist()), -1], dtype=np.int32)
    joined = known
    if extra:
        joined = np.empty(len(place), dtype=object)
        joined[: len(known)] = known
        joined[len(known) :] = extra
    return replace(factor, codes=position[factor.codes], levels=joined)
