"""NumPy arrays and sequences of Python objects to columns."""

import datetime
import decimal
import fractions
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.data.column import Column, unusable
from ranef.data.text import text_from_objects
from ranef.errors import DataError

_NUMBERS = (int, float, np.integer, np.floating, decimal.Decimal, fractions.Fraction)
_DATES = (datetime.date, np.datetime64)
_TIMES = (*_DATES, datetime.timedelta, np.timedelta64)


def column_from_numpy(name: str, values: NDArray[Any]) -> Column:
    """Turn a one-dimensional array into a column; float64 is taken as it is, without a copy."""
    kind = values.dtype.kind
    if values.ndim != 1:
        raise DataError(f"column {name!r} is an array of shape {values.shape}; a column has one dimension.")
    if kind == "f":
        return Column(name, "numeric", values.astype(np.float64, copy=False))
    if kind in "iu":
        return Column(name, "numeric", values.astype(np.float64), exact=values)
    if kind == "b":
        return Column(name, "boolean", values)
    if kind == "O":
        return _column_from_objects(name, values)
    if kind in "Mm":
        return Column(name, "datetime", values)
    if kind == "U":
        return text_from_objects(name, values.astype(object))
    if type(values.dtype).__name__ == "StringDType":
        return _column_from_objects(name, values.astype(object))
    if kind == "c":
        raise unusable(name, "complex numbers", "Use their real part, imaginary part or modulus.")
    if kind == "S":
        raise unusable(name, "bytes", f"Decode them: numpy.char.decode(data[{name!r}]).")
    raise unusable(name, f"values of type {values.dtype}", "Convert it to numbers or text.")


def _column_from_objects(name: str, values: NDArray[np.object_]) -> Column:
    """Find out what an object array holds:
    one kind of value, besides missing ones, or else an error that says where they mix.
    """
    types = set(map(type, values))
    missing = _missing_types()
    present = types - missing
    if any(issubclass(t, str) for t in present):
        # NaN marks a missing string in pandas.
        if all(issubclass(t, str | float | np.floating) for t in present):
            for row, value in enumerate(values if len(present) > 1 else ()):
                if isinstance(value, float | np.floating) and value == value:
                    raise _mixed(name, values, row)
            return text_from_objects(name, values)
        raise _mixed(name, values)
    if not present:
        return Column(name, "numeric", np.full(len(values), np.nan))
    if all(issubclass(t, bool | np.bool_) or issubclass(t, float | np.floating) for t in present) and any(
        issubclass(t, bool | np.bool_) for t in present
    ):
        return _booleans(name, values)
    if any(issubclass(t, bool | np.bool_) for t in present):
        raise _mixed(name, values)
    if all(issubclass(t, _NUMBERS) for t in present):
        return _numbers(name, values, types, present)
    if all(issubclass(t, _TIMES) or issubclass(t, float | np.floating) for t in present):
        return _datetimes(name, values)
    if any(issubclass(t, complex | np.complexfloating) for t in present):
        raise unusable(name, "complex numbers", "Use their real part, imaginary part or modulus.")
    if any(issubclass(t, bytes) for t in present):
        raise unusable(name, "bytes", "Decode them to text.")
    if len(present) > 1:
        raise _mixed(name, values)
    raise unusable(name, f"objects of type {present.pop().__name__}", "Convert it to numbers or text.")


def _missing_types() -> set[type]:
    found: set[type] = {type(None)}
    pandas = sys.modules.get("pandas")
    if pandas is not None:
        found |= {type(pandas.NA), type(pandas.NaT)}
    return found


def _booleans(name: str, values: NDArray[np.object_]) -> Column:
    absent = np.fromiter((not isinstance(v, bool | np.bool_) for v in values), dtype=bool, count=len(values))
    for row in np.flatnonzero(absent):
        if isinstance(values[row], float | np.floating) and values[row] == values[row]:
            raise _mixed(name, values, int(row))
    filled = np.where(absent, False, values).astype(bool)
    return Column(name, "boolean", filled, absent=absent if absent.any() else None)


def _numbers(name: str, values: NDArray[np.object_], types: set[type], present: set[type]) -> Column:
    if types == present and all(issubclass(t, int | np.integer) for t in present):
        exact = np.array(values.tolist())
        if exact.dtype.kind in "iu":
            return Column(name, "numeric", exact.astype(np.float64), exact=exact)
    rows: list[Any] = values.tolist()
    if types != present:
        rows = [v if isinstance(v, _NUMBERS) else np.nan for v in rows]
    try:
        return Column(name, "numeric", np.array([float(v) for v in rows], dtype=np.float64))
    except OverflowError:
        raise unusable(
            name, "whole numbers too large for a float", "Scale them, or make it text if they are identifiers."
        ) from None


def _datetimes(name: str, values: NDArray[np.object_]) -> Column:
    import pandas as pd

    durations = {isinstance(v, datetime.timedelta | np.timedelta64) for v in values if isinstance(v, _TIMES)}
    if len(durations) > 1:
        raise _mixed(name, values)
    try:
        convert: Any = pd.to_timedelta if True in durations else pd.to_datetime
        out = np.asarray(pd.Series(convert(pd.Series(values, dtype=object))).values)
    except (ValueError, TypeError, OverflowError) as problem:
        raise unusable(name, "dates that do not go together", f"pandas says: {problem}.") from None
    if out.dtype.kind not in "Mm":
        raise unusable(name, "dates of several time zones", "Convert them to one: pandas.to_datetime(..., utc=True).")
    return Column(name, "datetime", out)


def _mixed(name: str, values: NDArray[np.object_], row: int | None = None) -> DataError:
    """Name two rows of an object column that hold different kinds of value."""
    missing = _missing_types()
    seen: dict[str, int] = {}
    for i, value in enumerate(values):
        if type(value) in missing or (isinstance(value, float | np.floating) and value != value):
            continue
        seen.setdefault(_word(value), i)
        if len(seen) > 1 and (row is None or i >= row):
            break
    (first, i), (second, j) = sorted(seen.items(), key=lambda item: item[1])[:2]
    return DataError(
        f"column {name!r} mixes {first} (row {i}: {values[i]!r}) and {second} (row {j}: {values[j]!r}). "
        f"Make it one: data[{name!r}].astype(str) for a factor, pandas.to_numeric(data[{name!r}]) for numbers."
    )


def _word(value: Any) -> str:
    if isinstance(value, str):
        return "text"
    if isinstance(value, bool | np.bool_):
        return "truth values"
    if isinstance(value, _NUMBERS):
        return "numbers"
    if isinstance(value, datetime.timedelta | np.timedelta64):
        return "durations"
    if isinstance(value, _DATES):
        return "dates"
    return f"objects of type {type(value).__name__}"
