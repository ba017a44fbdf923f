"""Labels of levels that come from numbers or dates, and the natural order of levels."""

import re
from collections.abc import Iterable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

_NUMBER = re.compile(r"(\d+)")

_Level = TypeVar("_Level")


def natural_order(levels: Iterable[_Level]) -> list[_Level]:
    """Distinct levels in the order in which people read them.

    Texts that stand in alphabetical order, which puts "Week 12" before "Week 4", have their numbers
    read as numbers. Any other order was chosen, and stays.

    Parameters
    ----------
    levels : iterable
        In their present order; repeated ones count once.
    """
    found = list(dict.fromkeys(levels))
    if not all(isinstance(v, str) for v in found) or found != sorted(found):  # type: ignore[type-var]
        return found
    return sorted(found, key=lambda v: [(int(p), "") if p.isdigit() else (-1, p) for p in _NUMBER.split(str(v)) if p])


def as_objects(labels: list[str]) -> NDArray[np.object_]:
    """The labels as an array of Python strings."""
    out = np.empty(len(labels), dtype=object)
    out[:] = labels
    return out


def number_labels(values: NDArray[Any]) -> NDArray[np.object_]:
    """Label numbers as R's ``factor()`` does:
    whole numbers without a point, others with up to 15 significant digits.

    Unlike R, 100000 is not abbreviated to ``1e+05``.
    """
    if values.dtype.kind == "f":
        # Beyond 1e15 neighbouring whole numbers are told apart only by more digits than R prints.
        whole = bool(np.all((np.abs(values) < 1e15) & (values == np.rint(values)))) if len(values) else True
        if not whole:
            return as_objects([f"{v:.15g}" for v in values.tolist()])
        values = values.astype(np.int64)
    return as_objects([str(v) for v in values.tolist()])


def date_labels(values: NDArray[Any]) -> NDArray[np.object_]:
    """Label dates as ``2026-01-31``,
    times as ``2026-01-31 08:30:00`` and durations as their count and unit.
    """
    if values.dtype.kind == "m":
        return as_objects([str(v) for v in values])
    days = values.astype("datetime64[D]")
    if np.array_equal(days, values):
        return as_objects([str(v) for v in days])
    return as_objects([str(v).replace("T", " ") for v in values])


def category_labels(categories: list[Any]) -> NDArray[np.object_]:
    """Label the categories of a categorical column,
    which may be text, numbers or any other objects.
    """
    if all(type(c) is str for c in categories):
        return as_objects(categories)
    labels = [_category_label(c) for c in categories]
    if len(set(labels)) < len(labels):
        labels = [str(c) for c in categories]  # 1 and 1.0000000000000002, or 1 and "1"
    return as_objects(labels)


def _category_label(category: Any) -> str:
    if isinstance(category, float | np.floating):
        return str(number_labels(np.array([category], dtype=float))[0])
    return str(category)
