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
    levels: tuple[str, ...] | None = None
    if isinstance(value, Factor):
        if model == "lmm":
            what = "text" if value.text else "a factor"
            advice = why_text(name, value.levels.tolist()) or (
                "Convert it with pandas.to_numeric if it should be numeric; for two categories use glmer with "
                "family='binomial'."
            )
            raise DataError(f"the response {name!r} is {what}, and a linear mixed model needs numbers. {advice}")
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
