"""What marginal means need of rows that are not kept: how often levels occur together, and means
and ranges of numbers.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.data.table import Table
from ranef.design.values import Factor, Logical, from_column
from ranef.formula.syntax import Call, Expr, Name, walk

#: Numbers with so many different values, or fewer, are counted like levels; those of which the
#: formula makes factors may have more.
FEW, MANY = 10, 1000

#: Functions that make a factor of a column of numbers.
_MAKING = ("factor", "as.factor", "ordered", "as.ordered", "C", "interaction", "as.character")

#: Combinations that are counted.
MOST_CELLS = 100_000


@dataclass(frozen=True, slots=True, eq=False)
class ColumnSummary:
    """A column in the rows used.

    Attributes
    ----------
    name : str
    kind : {"factor", "logical", "numeric"}
    n, mean, low, high : float
        Number, mean and range of numbers.
    counted : bool
        Whether its values are among the cells.
    levels : tuple of str
        The order of the levels of a factor that has one.
    most : int
        Different values that numbers may have to be counted.
    """

    name: str
    kind: str
    n: float = 0.0
    mean: float = 0.0
    low: float = np.inf
    high: float = -np.inf
    counted: bool = True
    levels: tuple[str, ...] = ()
    most: int = FEW

    def merged(self, other: "ColumnSummary") -> "ColumnSummary":
        """Of both parts."""
        n = self.n + other.n
        mean = self.mean + (other.mean - self.mean) * (other.n / n) if n else 0.0
        return ColumnSummary(
            self.name,
            self.kind,
            n,
            mean,
            min(self.low, other.low),
            max(self.high, other.high),
            self.counted and other.counted,
            max(self.levels, other.levels, key=len),
            self.most,
        )


@dataclass(frozen=True, slots=True, eq=False)
class RowSummary:
    """Columns in the rows used, and how often their values occur together.

    Attributes
    ----------
    columns : tuple of ColumnSummary
    cells : tuple of tuple
        Combinations of the values of the columns that are counted, in their order.
    counts : tuple of int
        Rows with each; empty where there are too many cells.
    """

    columns: tuple[ColumnSummary, ...]
    cells: tuple[tuple[Any, ...], ...] = ()
    counts: tuple[int, ...] = ()

    def merged(self, other: "RowSummary") -> "RowSummary":
        """Of both parts."""
        columns = tuple(a.merged(b) for a, b in zip(self.columns, other.columns, strict=True))
        found: dict[tuple[Any, ...], int] = {}
        for part in (self, other):
            if not part.counts and part.n:
                return RowSummary(columns)
            inside = [c.name for c in part.columns if c.counted]
            places = [inside.index(c.name) for c in columns if c.counted]
            for cell, count in zip(part.cells, part.counts, strict=True):
                key = tuple(cell[i] for i in places)
                found[key] = found.get(key, 0) + count
        if len(found) > MOST_CELLS:
            return RowSummary(columns)
        return RowSummary(columns, tuple(found), tuple(found.values()))._without_many()

    def _without_many(self) -> "RowSummary":
        """Without cells of numbers that have turned out to have many values."""
        inside = [c for c in self.columns if c.counted]
        many = [
            i for i, c in enumerate(inside) if c.kind == "numeric" and len({cell[i] for cell in self.cells}) > c.most
        ]
        if not many:
            return self
        gone = {inside[i].name for i in many}
        found: dict[tuple[Any, ...], int] = {}
        for cell, count in zip(self.cells, self.counts, strict=True):
            key = tuple(v for i, v in enumerate(cell) if i not in many)
            found[key] = found.get(key, 0) + count
        columns = tuple(replace(c, counted=False) if c.name in gone else c for c in self.columns)
        return RowSummary(columns, tuple(found), tuple(found.values()))

    @property
    def n(self) -> float:
        """Number of rows."""
        return self.columns[0].n if self.columns else 0.0

    @classmethod
    def of(
        cls,
        table: Table,
        names: tuple[str, ...],
        coded: frozenset[str],
        rows: NDArray[np.int64],
        known: "RowSummary | None",
    ) -> "RowSummary":
        """Of some rows of a batch.

        Parameters
        ----------
        table : Table
        names : tuple of str
        coded : frozenset of str
            Columns of which the formula makes factors.
        rows : array
        known : RowSummary or None
            What it will be merged with: columns that are not counted there need not be here.
        """
        columns, codes, values = [], [], []
        for j, name in enumerate(names):
            counted = known is None or known.columns[j].counted
            value = from_column(table.column(name))
            own: list[Any] = []
            code = np.empty(0, dtype=np.int64)
            if isinstance(value, Factor):
                code, own = value.codes[rows].astype(np.int64), value.levels.tolist()
                levels = () if value.text else tuple(own)
                columns.append(ColumnSummary(name, "factor", float(len(rows)), counted=counted, levels=levels))
                code, own = np.where(code < 0, len(own), code), [*own, None]
            elif isinstance(value, Logical):
                code, own = value.values[rows].astype(np.int64), [False, True]
                columns.append(ColumnSummary(name, "logical", float(len(rows)), counted=counted))
            else:
                numbers = np.asarray(value.values[rows], dtype=np.float64)
                most = MANY if name in coded else FEW
                if counted:
                    found, code = np.unique(numbers, return_inverse=True)
                    counted = len(found) <= most and not np.isnan(numbers).any()
                    own = found.tolist()
                present = numbers[~np.isnan(numbers)]
                if not len(present):
                    columns.append(ColumnSummary(name, "numeric", counted=False, most=most))
                    continue
                low, high = float(present.min()), float(present.max())
                size, mean = float(len(present)), float(present.mean())
                columns.append(ColumnSummary(name, "numeric", size, mean, low, high, counted, (), most))
            if counted:
                codes.append(code)
                values.append(own)
        if known is not None and not known.counts and known.n:
            return cls(tuple(columns))
        if not codes:
            return cls(tuple(columns), ((),), (len(rows),))
        flat = np.ravel_multi_index(codes, [len(v) for v in values])
        which, counts = np.unique(flat, return_counts=True)
        if len(which) > MOST_CELLS:
            return cls(tuple(columns))
        places = np.unravel_index(which, [len(v) for v in values])
        cells = [
            tuple(v[i] for v, i in zip(values, place, strict=True))
            for place in zip(*map(np.ndarray.tolist, places), strict=True)
        ]
        return cls(tuple(columns), tuple(cells), tuple(counts.tolist()))


def made_factors(expr: Expr) -> list[str]:
    """Columns of which an expression makes factors."""
    found = []
    for node in walk(expr):
        if isinstance(node, Call) and node.function in _MAKING:
            found += [a.value.name for a in node.arguments if isinstance(a.value, Name)]
    return found
