"""The response: what it may be, and its numbers."""

import numpy as np
from numpy.typing import NDArray

from ranef.data.table import Table
from ranef.design.checks import Model, why_text
from ranef.design.factors import drop_unused
from ranef.design.rows import check_finite
from ranef.design.values import Factor, Floats, Numeric, Vector, as_numbers
from ranef.errors import DataError
from ranef.formula.terms import Variable


def response_values(
    value: Vector, variable: Variable, table: Table, kept: NDArray[np.int64] | None, model: Model
) -> tuple[Floats, tuple[str, ...] | None]:
    """Numbers of the response in the rows that are used.

    Returns
    -------
    y : ndarray of shape (n,), or (n, 2) for successes and failures
        In memory of its own.
    levels : tuple of str or None
        The two levels of a factor: the first is 0, the second 1.
    """
    name = variable.name
    if model == "ordinal":
        return categories(value, name)
    levels: tuple[str, ...] | None = None
    if isinstance(value, Factor):
        if model == "lmm":
            what = "text" if value.text else "a factor"
            advice = why_text(name, value.levels.tolist()) or (
                "Convert it with pandas.to_numeric if it should be numeric; for two categories use glmer with "
                "family='binomial'."
            )
            raise DataError(f"the response {name!r} is {what}, and this model needs numbers. {advice}")
        factor = drop_unused(value)[0]
        if len(factor.levels) != 2:
            raise DataError(
                f"the response {name!r} is {'text' if value.text else 'a factor'} with {len(factor.levels)} levels "
                f"({', '.join(factor.levels[:10])}): counts and measurements must be numbers, and a binary response "
                "has two levels. "
                f'One level against the others is I({name} == "{factor.levels[0] if len(factor.levels) else ""}").'
            )
        levels = tuple(str(level) for level in factor.levels)
        return factor.codes.astype(np.float64), levels
    numbers = as_numbers(value)
    if numbers.ndim == 2 and (model == "lmm" or numbers.shape[1] != 2):
        raise DataError(
            f"the response {name!r} has {numbers.shape[1]} columns; "
            + ("a linear mixed model has one." if model == "lmm" else "successes and failures are two.")
        )
    check_finite(numbers, name, table, kept)
    y = np.array(numbers, dtype=np.float64, order="F", copy=True) if isinstance(value, Numeric) else numbers
    if y.ndim == 1 and len(y) > 1 and y.min() == y.max():
        raise DataError(
            f"the response {name!r} is constant: it is {y[0]:g} in all {len(y)} rows that are used, so there is "
            "nothing to model."
        )
    return y, levels


#: More different numbers than these are a measurement, no rating.
MOST_CATEGORIES = 20


def categories(value: Vector, name: str) -> tuple[Floats, tuple[str, ...]]:
    """Numbers 0, 1, .. of ordered categories, and their labels.

    Raises
    ------
    DataError
        Where the order is not known, or there is one category.
    """
    if isinstance(value, Factor):
        if value.text:
            shown = ", ".join(map(repr, value.levels.tolist()[:10]))
            raise DataError(
                f"the response {name!r} is text ({shown}), whose categories have no order; give it one, from low to "
                f"high: pandas.Categorical(data[{name!r}], categories=[...], ordered=True)."
            )
        factor = drop_unused(value)[0]
        codes = factor.codes.astype(np.float64)
        labels = [str(level) for level in factor.levels]
    else:
        numbers = as_numbers(value)
        if numbers.ndim != 1:
            raise DataError(f"the response {name!r} has {numbers.shape[1]} columns; ordered categories are one.")
        different, places = np.unique(numbers, return_inverse=True)
        whole = np.abs(different - np.rint(different)) <= 1e-9 * np.maximum(1.0, np.abs(different))
        if len(different) > MOST_CATEGORIES or not whole.all():
            what = f"{len(different)} different numbers" if whole.all() else "numbers that are not whole"
            raise DataError(
                f"the response {name!r} has {what}, so it is a measurement and no ordered category: use lmer, or cut "
                f"it into classes with pandas.cut(data[{name!r}], ...)."
            )
        codes, labels = places.reshape(-1).astype(np.float64), [f"{v:g}" for v in different]
    if len(labels) < 2:
        only = f" ({labels[0]!r})" if labels else ""
        raise DataError(
            f"the response {name!r} has one category only{only} in the rows that are used, so there is nothing to "
            "model."
        )
    return np.ascontiguousarray(codes), tuple(labels)


def category_notes(value: Vector, name: str) -> tuple[str, ...]:
    """What a user should know of how the categories of a response were ordered."""
    if not isinstance(value, Factor):
        return (f"the response {name!r} is numeric; its values are taken as categories in the order of the numbers",)
    notes = []
    if not value.ordered:
        order = " < ".join(map(str, value.levels.tolist()[:10]))
        notes.append(f"the response {name!r} is not an ordered factor; its levels are taken in this order: {order}")
    seen = np.unique(value.codes)
    empty = [str(level) for i, level in enumerate(value.levels) if i not in seen]
    if empty:
        which = f"level {empty[0]!r}" if len(empty) == 1 else f"levels {', '.join(map(repr, empty))}"
        notes.append(
            f"the {which} of the response {name!r} does not occur and has no threshold"
            if len(empty) == 1
            else f"the {which} of the response {name!r} do not occur and have no threshold"
        )
    return tuple(notes)
