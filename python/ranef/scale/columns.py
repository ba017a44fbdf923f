"""Raw rows of columns: taken from a batch, kept, put together again."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.data.column import Column
from ranef.data.sources import HeldSource
from ranef.data.table import Table
from ranef.errors import ColumnNotFoundError

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class RawColumn:
    """Some rows of a column.

    Attributes
    ----------
    kind : str
        As of `Column`.
    values : ndarray
        Numbers, truth values, times, or the labels of text and factors.
    exact : ndarray or None
        The integers behind numbers.
    ordered : bool
        Whether the levels of a factor are ordered.
    """

    kind: str
    values: NDArray[Any]
    exact: NDArray[Any] | None = None
    ordered: bool = False


Raw = dict[str, RawColumn]


def taken(column: Column, rows: Rows) -> RawColumn:
    """Rows of a column; none of them is missing."""
    if column.codes is not None:
        assert column.levels is not None
        return RawColumn(column.kind, column.levels[column.codes[rows]], None, column.ordered)
    assert column.values is not None
    return RawColumn(column.kind, column.values[rows], None if column.exact is None else column.exact[rows])


def joined(parts: Sequence[Raw], levels: Mapping[str, Sequence[str]]) -> Table:
    """One table of several parts; factors have the levels given."""
    return Table(_RawSource({name: _joined([p[name] for p in parts], levels.get(name), name) for name in parts[0]}))


def _joined(parts: list[RawColumn], levels: Sequence[str] | None, name: str) -> Column:
    values = np.concatenate([p.values for p in parts])
    kind: Any = parts[0].kind
    if kind in ("text", "factor"):
        known = sorted(set(values.tolist())) if levels is None else list(levels)
        place = {label: i for i, label in enumerate(known)}
        codes = np.array([place[v] for v in values.tolist()], dtype=np.int32)
        return Column(name, kind, levels=np.array(known, dtype=object), codes=codes, ordered=parts[0].ordered)
    exact = (
        None if any(p.exact is None for p in parts) else np.concatenate([p.exact for p in parts if p.exact is not None])
    )
    return Column(name, kind, values, exact=exact)


class _RawSource(HeldSource):
    """Columns that are here."""

    __slots__ = ("_columns",)

    def __init__(self, columns: dict[str, Column]):
        self._columns = columns

    @property
    def names(self) -> list[str]:
        return list(self._columns)

    @property
    def n_rows(self) -> int:
        return len(next(iter(self._columns.values())))

    def column(self, name: str) -> Column:
        if name not in self._columns:
            raise ColumnNotFoundError(name, self._columns)
        return self._columns[name]


def table_of_rows(table: Table, names: Sequence[str], rows: Rows) -> Table:
    """A table of some rows of another."""
    out = {}
    for name in names:
        c = table.column(name)
        out[name] = Column(
            name,
            c.kind,
            values=None if c.values is None else c.values[rows],
            levels=c.levels,
            codes=None if c.codes is None else c.codes[rows],
            ordered=c.ordered,
            absent=None if c.absent is None else c.absent[rows],
            exact=None if c.exact is None else c.exact[rows],
        )
    return Table(_RawSource(out))


def row_hashes(table: Table, names: Sequence[str], n: int) -> NDArray[np.uint64]:
    """A number (n,) for every row that depends on its values only."""
    out = np.zeros(n, dtype=np.uint64)
    for name in sorted(names):
        column = table.column(name)
        if column.codes is not None:
            assert column.levels is not None
            marks = [zlib.crc32(label.encode("utf-8", "surrogatepass")) for label in column.levels.tolist()]
            bits = np.array([*marks, 0], dtype=np.uint64)[column.codes]
        else:
            assert column.values is not None
            bits = column.values.astype(np.float64).view(np.uint64)
        out = _mixed(out ^ bits)
    return out


def _mixed(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Steele, Lea and Flood's mixing function of 64 bits (2014)."""
    with np.errstate(over="ignore"):
        x = x + np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(x ^ (x >> np.uint64(31)), dtype=np.uint64)
