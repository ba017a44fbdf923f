"""Which rows are used, and the checks of what is in them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.data.column import Column
from ranef.data.sources import column_from_any
from ranef.data.table import Table
from ranef.design.evaluate import Evaluator, State
from ranef.design.values import Factor, Floats, Mask, Numeric, Vector, as_numbers, from_column, is_finite, missing_rows
from ranef.errors import ArgumentTypeError, DataError, FormulaError
from ranef.formula.deparse import deparse
from ranef.formula.parser import parse_expression
from ranef.formula.syntax import Binary, Name, Unary, names_in
from ranef.formula.vocabulary import check_calls

NA_ACTIONS = ("omit", "exclude", "error")


def row_name(table: Table, row: int) -> str:
    """How a message names a row:
    its number from 0, and its label if the frame has labels of its own.
    """
    index = table.index
    if index is None or type(index).__name__ == "RangeIndex":
        return f"row {row}"
    label = index[row]
    return f"row {row} (index {label.item() if hasattr(label, 'item') else label!r})"


def argument_names(table: Table, *arguments: Any) -> list[str]:
    """Columns that expressions given as arguments need."""
    names: list[str] = []
    for argument in arguments:
        if isinstance(argument, str) and argument in table:
            names.append(argument)
        elif isinstance(argument, str):
            names.extend(names_in(_expression(argument, "expression")))
    return names


def _expression(text: str, what: str) -> Any:
    node = parse_expression(text)
    if isinstance(node, Unary | Binary) and node.operator == "~":
        raise FormulaError(f"this {what} is a formula; write the expression without '~'.", text, *node.span)
    return node


def argument_vector(
    argument: Any, what: str, table: Table, states: dict[str, State] | None, beside: Evaluator | None = None
) -> tuple[Vector, dict[str, State], str]:
    """The value of ``weights``, ``offset`` or ``subset``:
    a column's name, an expression, or an array.

    Parameters
    ----------
    argument : str or array
    what : str
        Its name, for messages.
    table : Table
    states : dict or None
        What an expression learned from the data of the fit; None if this is the fit.
    beside : Evaluator, optional
        Knows what was learned, in place of `states`.

    Returns
    -------
    value : Vector
    states : dict
    label : str
        For messages.
    """
    if isinstance(argument, str):
        if argument in table:
            # A column's name may be one that an expression could not be read from.
            ev = Evaluator(table, argument, states) if beside is None else beside.beside(argument)
            return ev.vector(Name(argument, (0, len(argument)))), ev.states, f"the column {argument!r}"
        node = _expression(argument, what)
        check_calls(node, argument)
        ev = Evaluator(table, argument, states) if beside is None else beside.beside(argument)
        return ev.vector(node), ev.states, deparse(node)
    column = _column(argument, what, table)
    if column.kind == "datetime":
        raise DataError(f"{what} holds dates or times.")
    return from_column(column), {}, f"the {what}"


def _column(argument: Any, what: str, table: Table) -> Column:
    if isinstance(argument, bool | int | float | np.number | Mapping | bytes) or not hasattr(argument, "__len__"):
        raise ArgumentTypeError(
            f"{what} is a {type(argument).__name__}; give the name of a column, an expression in columns, or an array "
            "with one value for each row."
        )
    if getattr(argument, "ndim", 1) != 1:
        shape = tuple(argument.shape)
        if len(shape) == 2 and 1 in shape:
            argument = np.asarray(argument).reshape(-1)
        else:
            raise DataError(f"{what} has the shape {shape}; it needs one value for each row.")
    column = column_from_any(what, argument)
    if len(column) != table.n_rows:
        raise DataError(f"{what} has {len(column)} values, but the data have {table.n_rows} rows.")
    _check_index(argument, what, table)
    return column


def _check_index(argument: Any, what: str, table: Table) -> None:
    """Refuse a Series whose labels are those of the data in another order:
    by position it would be a silent mix-up.
    """
    index, own = getattr(argument, "index", None), table.index
    if (
        own is None
        or index is None
        or callable(index)
        or index is own
        or not hasattr(index, "equals")
        or index.equals(own)
    ):
        return
    if index.is_unique and own.is_unique and len(index.symmetric_difference(own)) == 0:
        raise DataError(
            f"{what} has the row labels of the data in a different order. Values are taken by position; use "
            f"{what}.reindex(data.index) to match labels."
        )


def subset_mask(subset: Any, table: Table, beside: Evaluator | None = None) -> Mask:
    """The rows that ``subset`` selects; a missing condition does not. `beside` as for
    `argument_vector`.
    """
    value, _, label = argument_vector(subset, "subset", table, None, beside)
    if isinstance(value, Factor):
        raise DataError(
            f'{label} is text or a factor; subset takes a condition such as "x > 1" or an array of True and False.'
        )
    if isinstance(value, Numeric):
        raise DataError(
            f'{label} holds numbers; subset takes a condition such as "x > 1" or an array of True and False.'
        )
    return value.values if value.absent is None else value.values & ~value.absent


def weight_values(
    weights: Any,
    table: Table,
    states: dict[str, State] | None = None,
    chosen: Mask | None = None,
    beside: Evaluator | None = None,
) -> tuple[Floats, dict[str, State], str]:
    """Prior weights for every row.

    Only missing ones in an array are refused here; a missing value in a column drops its row.
    """
    value, learned, label = argument_vector(weights, "weights", table, states, beside)
    if isinstance(value, Factor):
        raise DataError(f"{label} is text or a factor; weights are positive numbers.")
    values = as_numbers(value)
    if values.ndim != 1:
        raise DataError(f"{label} has several columns; weights have one value for each row.")
    if not isinstance(weights, str):
        absent = np.isnan(values) if chosen is None else np.isnan(values) & chosen
        if absent.any():
            row = row_name(table, int(np.flatnonzero(absent)[0]))
            raise DataError(
                f"{_are(label)} missing in {row}. Leave such rows out with subset, or drop them from the data and the "
                "weights."
            )
    return values, learned, label


def _are(label: str) -> str:
    return f"{label} {'are' if label == 'the weights' else 'is'}"


def check_weights(values: Floats, label: str, table: Table, kept: NDArray[np.int64] | None) -> None:
    """See that the weights of the rows that are used are positive and finite."""
    if not len(values):
        return
    if is_finite(values) and values.min() > 0:
        return
    bad = np.flatnonzero(~(np.isfinite(values) & (values > 0)))
    row = int(bad[0] if kept is None else kept[bad[0]])
    found = values[bad[0]]
    if found == 0:
        raise DataError(
            f"{_are(label)} zero in {row_name(table, row)}. An observation of weight 0 does not count; leave such rows "
            "out with subset."
        )
    how = "negative" if found < 0 and np.isfinite(found) else "infinite"
    raise DataError(f"{_are(label)} {how} in {row_name(table, row)}; weights are positive and finite.")


def offset_values(
    offset: Any, table: Table, states: dict[str, State] | None = None, beside: Evaluator | None = None
) -> tuple[Floats, dict[str, State], str]:
    """The offset argument for every row."""
    value, learned, label = argument_vector(offset, "offset", table, states, beside)
    if isinstance(value, Factor):
        raise DataError(f"{label} is text or a factor; an offset is a number.")
    values = as_numbers(value)
    if values.ndim != 1:
        raise DataError(f"{label} has several columns; an offset has one value for each row.")
    return values, learned, label


class RowFilter:
    """Collects the rows to leave out, variable by variable.

    Parameters
    ----------
    table : Table
    chosen : ndarray of bool or None
        The rows of the subset.
    na_action : str
    """

    def __init__(self, table: Table, chosen: Mask | None, na_action: str):
        self.table = table
        self.chosen = chosen
        self.na_action = na_action
        self.missing: Mask | None = None
        self.counts: dict[str, int] = {}

    def require(self, name: str, value: Vector) -> None:
        """A value that every used row must have."""
        self.require_mask(
            name, missing_rows(value), len(value.codes) if isinstance(value, Factor) else len(value.values)
        )

    def require_mask(self, name: str, mask: Mask | None, n: int) -> None:
        """The rows in which a variable is missing."""
        if mask is None:
            return
        here = mask if self.chosen is None else mask & self.chosen
        count = int(np.count_nonzero(here))
        rows = n if self.chosen is None else int(np.count_nonzero(self.chosen))
        if count == rows and rows:
            raise DataError(
                f"{name!r} is missing in every row{'' if self.chosen is None else ' of the subset'}, so no row is left."
            )
        if count:
            self.counts[name] = count
            self.missing = here if self.missing is None else self.missing | here

    def kept(self) -> NDArray[np.int64] | None:
        """Numbers of the rows that are used, None if all are."""
        n = self.table.n_rows
        if n == 0:
            raise DataError("the data have no rows.")
        if self.chosen is not None and not self.chosen.any():
            raise DataError("the subset has no rows.")
        if self.missing is not None:
            if self.na_action == "error":
                what = ", ".join(f"{name!r} ({count})" for name, count in self.counts.items())
                row = row_name(self.table, int(np.flatnonzero(self.missing)[0]))
                raise DataError(f"values are missing: {what}; the first in {row}. na_action='omit' drops such rows.")
            keep = ~self.missing if self.chosen is None else self.chosen & ~self.missing
            if not keep.any():
                what = ", ".join(f"{name!r} ({count})" for name, count in self.counts.items())
                raise DataError(f"every row has a missing value, so no row is left. Missing are: {what}.")
        elif self.chosen is not None:
            keep = self.chosen
        else:
            return None
        return None if keep.all() else np.flatnonzero(keep)


def check_finite(values: Floats, name: str, table: Table, kept: NDArray[np.int64] | None) -> None:
    """See that the used rows of a variable have no infinite number."""
    if is_finite(values):
        return
    bad = np.isinf(values)
    if bad.ndim == 2:
        bad = np.logical_or.reduce(bad, axis=1)
    rows = np.flatnonzero(bad)
    if not len(rows):
        return
    row = int(rows[0] if kept is None else kept[rows[0]])
    more = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
    raise DataError(
        f"{name!r} is infinite in {row_name(table, row)}{more}. Make it missing, or leave such rows out with subset."
    )


def invented_missing(
    name: str, value: Vector, sources: Mapping[str, Vector], table: Table, chosen: Mask | None
) -> str | None:
    """A note if a function gave no number in rows where its columns have one,
    as the logarithm of a negative number does.

    Raises
    ------
    DataError
        If it did so because a column is infinite.
    """
    mask = missing_rows(value)
    if mask is None:
        return None
    if chosen is not None:
        mask = mask & chosen
    for source in sources.values():
        other = missing_rows(source)
        if other is not None:
            mask = mask & ~other
    rows = np.flatnonzero(mask)
    if not len(rows):
        return None
    for column, source in sources.items():
        if isinstance(source, Numeric):
            check_finite(
                source.values if chosen is None else source.values[chosen],
                column,
                table,
                None if chosen is None else np.flatnonzero(chosen),
            )
    return (
        f"{name} is not a number in {len(rows)} row{'s, which were' if len(rows) > 1 else ', which was'} treated as "
        "missing"
    )
