"""Rows that nobody observed, for pictures of predictions:
one variable varies, the others stay at typical values.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.data.column import Column
from ranef.data.table import Table
from ranef.design.encoder import ARRAY
from ranef.design.record import Design
from ranef.errors import ColumnNotFoundError, DataError, OptionError
from ranef.fit.sums.absent_data import AbsentData
from ranef.formula.parser import parse_expression
from ranef.formula.syntax import Call, Name, names_in, walk

Floats = NDArray[np.float64]

#: Functions whose arguments take only the values that were observed.
_CATEGORICAL = frozenset(("factor", "as.factor", "ordered", "C", "interaction"))

#: Points along a numeric variable.
POINTS = 80


@dataclass(frozen=True, slots=True, eq=False)
class Variable:
    """A variable of the model on the rows of the fit.

    Attributes
    ----------
    name : str
    numeric : bool
        Whether it takes any value in its range; otherwise only those in ``levels``.
    values : (n,) array
        Numbers, or codes into ``levels`` (-1 where missing).
    levels : tuple
        The values that occur, in order.
    """

    name: str
    numeric: bool
    values: NDArray[Any]
    levels: tuple[Any, ...]

    def typical(self, rows: "NDArray[np.intp] | None" = None) -> Any:
        """The mean of a numeric variable,
        the most frequent level of another (the first of several).
        """
        values = self.values if rows is None else self.values[rows]
        if self.numeric:
            known = values[~np.isnan(values)]
            return float(known.mean()) if len(known) else float(np.nanmean(self.values))
        counts = np.bincount(values[values >= 0], minlength=len(self.levels))
        return self.levels[int(np.argmax(counts))]

    def grid(self, rows: "NDArray[np.intp] | None" = None, points: int = POINTS) -> list[Any]:
        """Even steps over the range of a numeric variable, all levels of another."""
        if not self.numeric:
            return list(self.levels)
        values = self.values if rows is None else self.values[rows]
        low, high = float(np.nanmin(values)), float(np.nanmax(values))
        return [low] if low == high else [float(v) for v in np.linspace(low, high, points)]

    def labels(self) -> list[Any]:
        """Value of every row."""
        if self.numeric:
            return [float(v) for v in self.values]
        return [self.levels[c] if c >= 0 else None for c in self.values.tolist()]


class ModelVariables:
    """The variables of a design, read from the data of the fit.

    Parameters
    ----------
    design : Design
    data : frame or AbsentData
        The data of the fit.
    """

    def __init__(self, design: Design, data: Any):
        if isinstance(data, AbsentData):
            raise DataError(f"{data.reason}, and this picture needs them: refit with update(data=...).")
        self._table = Table.from_data(data)
        if self._table.n_rows != design.n_input:
            raise OptionError(
                f"the data have {self._table.n_rows} rows now and had {design.n_input} when the model was fitted."
            )
        self._read: dict[str, Variable] = {}
        self._rows: Any = slice(None) if design.kept is None else design.kept
        self._design = design
        formula = design.formula
        fixed = [*design.covariates, *(v.expr for t in formula.fixed for v in t.variables)]
        fixed += [v.expr for v in formula.offsets]
        random = [v.expr for bar in formula.random for t in bar.effects for v in t.variables]
        extra = [
            parse_expression(text)
            for text in (design.encoder.offset, design.encoder.weights)
            if text is not None and text != ARRAY
        ]
        expressions = [*fixed, *random, *extra]
        self._categorical = {
            n.name
            for e in expressions
            for call in walk(e)
            if isinstance(call, Call) and call.function in _CATEGORICAL
            for n in walk(call)
            if isinstance(n, Name)
        }
        self.fixed = tuple(n for n in dict.fromkeys(n for e in fixed for n in names_in(e)) if n in self._table)
        self.random = tuple(n for n in dict.fromkeys(n for e in random for n in names_in(e)) if n in self._table)
        self.covariates = tuple(
            n for n in dict.fromkeys(n for e in expressions for n in names_in(e)) if n in self._table
        )

    def variable(self, name: object, role: str) -> Variable:
        """Read a variable of the model.

        Parameters
        ----------
        name : str
        role : str
            The argument it was given as, for messages.
        """
        if not isinstance(name, str):
            raise OptionError(f"{role} must be the name of a variable of the model, not {name!r}.")
        if name not in self.covariates:
            raise ColumnNotFoundError(name, self.covariates, "the model's effects")
        return self._variable(name)

    def _variable(self, name: str) -> Variable:
        if name not in self._read:
            self._read[name] = self._columns(name)
        return self._read[name]

    def _columns(self, name: str) -> Variable:
        column = self._table.column(name)
        if column.kind == "datetime":
            raise DataError(f"column {name!r} holds times, along which no picture can be drawn; use a number instead.")
        if column.kind == "numeric" and name not in self._categorical:
            assert column.values is not None
            return Variable(name, True, np.asarray(column.values[self._rows], dtype=float), ())
        return _categories(column, self._rows, name)

    def labels(self, names: Iterable[str]) -> dict[str, list[Any]]:
        """Read columns of grouping factors: the values on the rows of the fit."""
        found = {n: _categories(self._table.column(n), self._rows, n) for n in dict.fromkeys(names) if n in self._table}
        return {n: v.labels() for n, v in found.items()}

    def rows(
        self,
        vary: Mapping[str, Sequence[Any]],
        at: Mapping[str, Any] | None = None,
        among: "NDArray[np.intp] | None" = None,
    ) -> dict[str, list[Any]]:
        """Make rows.

        Parameters
        ----------
        vary : mapping
            Variables that vary, all with the same number of values.
        at : mapping, optional
            Values of others.
        among : array of int, optional
            The rows of the fit whose typical values the remaining variables take; all by default.
        """
        n = len(next(iter(vary.values())))
        out: dict[str, list[Any]] = {name: list(values) for name, values in vary.items()}
        for name in self.covariates:
            if name not in out:
                value = at[name] if at is not None and name in at else self._variable(name).typical(among)
                out[name] = [value] * n
        return out

    def offset(self, n: int, among: "NDArray[np.intp] | None" = None) -> Floats | None:
        """The mean offset, where new rows cannot compute theirs; None where they can."""
        if self._design.encoder.offset != ARRAY or self._design.offset is None:
            return None
        offset = self._design.offset if among is None else self._design.offset[among]
        return np.full(n, offset.mean())


def _categories(column: Column, rows: Any, name: str) -> Variable:
    factor = column.as_factor()
    assert factor.codes is not None
    assert factor.levels is not None
    codes = factor.codes[rows]
    used = np.unique(codes[codes >= 0])
    position = np.full(len(factor.levels) + 1, -1)
    position[used] = np.arange(len(used))
    values: list[Any] = [factor.levels[c] for c in used.tolist()]
    if column.values is not None:  # numbers and truth values stay what they are
        exact = column.values if column.exact is None else column.exact
        own = exact[rows]
        values = [own[int(np.argmax(codes == c))].item() for c in used.tolist()]
    return Variable(name, False, position[codes], tuple(values))
