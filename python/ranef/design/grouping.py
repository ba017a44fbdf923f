"""Grouping factors of random-effects terms: their codes and levels, and those of new rows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranef.data.column import Column
from ranef.data.labels import as_objects
from ranef.design.evaluate import Evaluator
from ranef.design.factors import combine_codes, drop_unused
from ranef.design.values import Factor, as_factor, map_levels
from ranef.errors import DataError
from ranef.formula.syntax import Name
from ranef.formula.terms import Variable


@dataclass(frozen=True, slots=True, eq=False)
class Grouping:
    """The levels of a grouping factor.

    Attributes
    ----------
    variables : tuple of Variable
    levels : ndarray of str objects
        The levels that occur.
    parts : tuple of ndarray of str objects
        The levels of each variable.
    present : int64 ndarray or None
        For an interaction, the numbers of the combinations that occur among all, increasing.
    """

    variables: tuple[Variable, ...]
    levels: NDArray[np.object_]
    parts: tuple[NDArray[np.object_], ...]
    present: NDArray[np.int64] | None = None


def group_variable(ev: Evaluator, variable: Variable) -> Factor:
    """The value of one variable of a grouping factor.

    Numbers, truth values and dates become levels.
    """
    if isinstance(variable.expr, Name):
        # Read as a factor at once: identifiers may be integers that a float cannot tell apart.
        name = variable.expr.name
        column = ev.table.column(name)
        if ev.learning:
            if column.kind == "boolean":
                ev.states[f"kind {name}"] = {"kind": "boolean"}
        elif ev.states.get(f"kind {name}", {}).get("kind") == "boolean":
            column = _truth_values(column)
        column = column.as_factor()
        assert column.codes is not None
        assert column.levels is not None
        return Factor(column.codes, column.levels)
    factor = as_factor(ev.vector(variable.expr), variable.name)
    return ev.known_levels(factor, variable.expr)


def _truth_values(column: Column) -> Column:
    """New data of a grouping column that held truth values in the fit:
    these, 0 and 1, or their words.
    """
    values = column.values
    if column.kind == "numeric" and values is not None and np.isin(values[~np.isnan(values)], (0.0, 1.0)).all():
        absent = np.isnan(values)
        return Column(column.name, "boolean", values == 1.0, absent=absent if absent.any() else None)
    if column.kind != "boolean" and not (
        column.levels is not None and set(column.levels.tolist()) <= {"False", "True"}
    ):
        raise DataError(
            f"column {column.name!r} held truth values in the data of the fit, and holds something else than these, or "
            "0 and 1, in the new data."
        )
    return column


def group_rows(variables: tuple[Variable, ...], factors: Sequence[Factor]) -> tuple[NDArray[np.int32], Grouping]:
    """Code the rows of the fit.

    Parameters
    ----------
    factors : sequence of Factor
        The value of each variable in the rows that are used, without missing ones.

    Returns
    -------
    codes : int32 ndarray of shape (n,)
    grouping : Grouping
    """
    used = [drop_unused(f)[0] for f in factors]
    parts = tuple(f.levels for f in used)
    if len(used) == 1:
        return np.ascontiguousarray(used[0].codes, dtype=np.int32), Grouping(variables, parts[0], parts)
    codes, present = combine_codes([f.codes for f in used], [len(p) for p in parts])
    return codes, Grouping(variables, as_objects(_joined(present, parts)), parts, present)


def _joined(cells: NDArray[np.int64], parts: Sequence[NDArray[np.object_]]) -> list[str]:
    """Labels of combinations."""
    columns: list[list[str]] = []
    rest = cells
    for levels in reversed(parts):
        columns.append(levels[rest % len(levels)].tolist())
        rest = rest // len(levels)
    return [":".join(labels) for labels in zip(*reversed(columns), strict=True)]


def group_new_rows(
    grouping: Grouping, factors: Sequence[Factor]
) -> tuple[NDArray[np.int32], NDArray[np.int32], tuple[str, ...], int]:
    """Code new rows by the levels of the fit.

    Returns
    -------
    codes : int32 ndarray of shape (m,)
        -1 where the level is new or missing.
    extended : int32 ndarray of shape (m,)
        The same with new levels numbered on from those of the fit.
    unseen : tuple of str
        Labels of the new levels, in the order of the first rows that have them.
    n_missing : int
        Number of rows without a level.
    """
    mapped = [map_levels(f, levels) for f, levels in zip(factors, grouping.parts, strict=True)]
    missing = np.zeros(len(mapped[0].codes), dtype=bool)
    known = np.ones(len(missing), dtype=bool)
    for factor, levels in zip(mapped, grouping.parts, strict=True):
        missing |= factor.codes < 0
        known &= factor.codes < len(levels)
    known &= ~missing
    if not len(grouping.levels):
        known[:] = False
        codes = np.full(len(known), -1, dtype=np.int32)
    elif grouping.present is None:
        codes = np.where(known, mapped[0].codes, -1).astype(np.int32)
    else:
        cell = np.zeros(len(missing), dtype=np.int64)
        for factor, levels in zip(mapped, grouping.parts, strict=True):
            cell = cell * len(levels) + np.where(known, factor.codes, 0)
        place = np.minimum(np.searchsorted(grouping.present, cell), len(grouping.present) - 1)
        known &= grouping.present[place] == cell
        codes = np.where(known, place, -1).astype(np.int32)
    new = np.flatnonzero(~known & ~missing)
    unseen: tuple[str, ...] = ()
    extended = codes
    if len(new):
        rows = list(zip(*(f.levels[f.codes[new]].tolist() for f in mapped), strict=True))
        number = {labels: len(grouping.levels) + i for i, labels in enumerate(dict.fromkeys(rows))}
        unseen = tuple(dict.fromkeys(":".join(labels) for labels in number))
        extended = codes.copy()
        extended[new] = [number[labels] for labels in rows]
    return codes, extended, unseen, int(missing.sum())
