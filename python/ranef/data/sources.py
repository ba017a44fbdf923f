"""Where columns come from:
one small class for each kind of data, all with the same four members.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import numpy as np

from ranef.data.arrays import column_from_numpy
from ranef.data.arrow import column_from_arrow
from ranef.data.column import Column
from ranef.data.frames import column_from_pandas, column_from_polars
from ranef.errors import ArgumentTypeError, ColumnNotFoundError, DataError


class Source(Protocol):
    """What a :class:`~ranef.data.table.Table` needs of its data."""

    @property
    def names(self) -> list[str]:
        """Names of all columns, as text."""

    @property
    def n_rows(self) -> int:
        """Number of rows."""

    @property
    def index(self) -> Any:
        """The pandas index, or None."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know of how the data were read."""

    def load(self, names: Iterable[str]) -> None:
        """Make these columns available at once
        (matters only for sources that are read from elsewhere).
        """

    def column(self, name: str) -> Column:
        """Read a column."""


class HeldSource:
    """Data whose columns are in memory already."""

    __slots__ = ()
    index: Any = None
    notes: tuple[str, ...] = ()

    def load(self, names: Iterable[str]) -> None:
        """Do nothing: everything is here."""


def find_key(name: str, keys: Iterable[Any], where: str = "the data") -> Any:
    """Find the column a name stands for:
    the name itself, or else a key that is not text (such as 0) and is written so.
    """
    keys = list(keys)
    matches = [k for k in keys if isinstance(k, str) and k == name] or [
        k for k in keys if not isinstance(k, str) and str(k) == name
    ]
    if not matches:
        raise ColumnNotFoundError(name, map(str, keys), where)
    if len(matches) > 1:
        raise duplicated(name, len(matches))
    return matches[0]


def duplicated(name: str, count: int) -> DataError:
    """The error for a name that stands for several columns."""
    return DataError(
        f"the data have {count} columns called {name!r}; rename all but one, so that it is clear which is meant."
    )


def _several_header_rows(name: str, levels: int) -> DataError:
    return DataError(
        f"the columns of the data have {levels} levels, so {name!r} is not one column; give them single names first: "
        "data.columns = ['_'.join(map(str, c)) for c in data.columns]."
    )


class PandasSource(HeldSource):
    """A pandas DataFrame."""

    __slots__ = ("_frame", "_names")

    def __init__(self, frame: Any):
        self._names: list[str] | None = None
        if frame.attrs:
            # pandas copies them, whatever they hold, with every column that is taken out
            frame = frame.copy(deep=False)
            frame.attrs = {}
        self._frame = frame

    @property
    def names(self) -> list[str]:
        if self._names is None:
            self._names = [str(c) for c in self._frame.columns]
        return self._names

    @property
    def n_rows(self) -> int:
        return len(self._frame)

    @property
    def index(self) -> Any:
        return self._frame.index

    def column(self, name: str) -> Column:
        frame = self._frame
        try:
            series = frame[name]
        except KeyError:
            where = "the data"
            if name in frame.index.names and name not in frame.columns:
                where += " (it is in the index of the frame: reset_index() makes a column of it)"
            if frame.columns.nlevels > 1:
                raise _several_header_rows(name, frame.columns.nlevels) from None
            key = find_key(name, frame.columns, where)
            series = frame[key]
        if series.ndim != 1:
            if frame.columns.nlevels > 1:
                raise _several_header_rows(name, frame.columns.nlevels)
            raise duplicated(name, series.shape[1])
        return column_from_pandas(name, series)


class PolarsSource(HeldSource):
    """A polars DataFrame."""

    __slots__ = ("_frame",)

    def __init__(self, frame: Any):
        self._frame = frame

    @property
    def names(self) -> list[str]:
        names: list[str] = self._frame.columns
        return names

    @property
    def n_rows(self) -> int:
        n: int = self._frame.height
        return n

    def column(self, name: str) -> Column:
        if name not in self._frame.columns:
            raise ColumnNotFoundError(name, self._frame.columns)
        return column_from_polars(name, self._frame.get_column(name))


class ArrowSource(HeldSource):
    """A pyarrow Table or RecordBatch."""

    __slots__ = ("_table",)

    def __init__(self, table: Any):
        self._table = table

    @property
    def names(self) -> list[str]:
        names: list[str] = self._table.schema.names
        return names

    @property
    def n_rows(self) -> int:
        n: int = self._table.num_rows
        return n

    def column(self, name: str) -> Column:
        places = [i for i, n in enumerate(self._table.schema.names) if n == name]
        if not places:
            raise ColumnNotFoundError(name, self._table.schema.names)
        if len(places) > 1:
            raise duplicated(name, len(places))
        return column_from_arrow(name, self._table.column(places[0]))


class MappingSource(HeldSource):
    """A mapping from names to arrays, lists or Series of one length."""

    __slots__ = ("_data", "_n_rows")

    def __init__(self, data: Mapping[Any, Any]):
        self._data = data
        lengths: dict[Any, int] = {}
        for key, values in data.items():
            if (
                isinstance(values, str | bytes | Mapping)
                or not hasattr(values, "__len__")
                or getattr(values, "ndim", 1) == 0
            ):
                raise DataError(
                    f"{key!r} in the data is a single {type(values).__name__}; give every column as an array or list "
                    "of all its rows."
                )
            lengths[key] = len(values)
        if len(set(lengths.values())) > 1:
            counts = Counter(lengths.values())
            usual = counts.most_common(1)[0][0]
            odd = ", ".join(f"{k!r} has {n}" for k, n in lengths.items() if n != usual)
            raise DataError(f"the columns of the data differ in length: {odd}, the others have {usual} rows.")
        self._n_rows = next(iter(lengths.values()), 0)

    @property
    def names(self) -> list[str]:
        return [str(k) for k in self._data]

    @property
    def n_rows(self) -> int:
        return self._n_rows

    def column(self, name: str) -> Column:
        try:
            values = self._data[name]
        except KeyError:
            values = self._data[find_key(name, self._data)]
        return column_from_any(name, values)


class DeferredSource:
    """Data that must be read or computed first: a file, a lazy frame, a database relation.

    Parameters
    ----------
    names : list of str
        All columns.
    collect : callable
        Given the names of columns, returns a frame in memory (pandas, polars or Arrow) that has
        them.
    what : str
        What the data are, for messages.
    notes : tuple of str
        What the user should know of how they were read.
    """

    __slots__ = ("_collect", "_columns", "_held", "_loaded", "_names", "_what", "notes")
    index: Any = None

    def __init__(self, names: list[str], collect: Callable[[list[str]], Any], what: str, notes: tuple[str, ...] = ()):
        self._names, self._collect, self._what, self.notes = names, collect, what, notes
        self._held: Source | None = None
        self._loaded: set[str] = set()
        self._columns: dict[str, Column] = {}

    @property
    def names(self) -> list[str]:
        return self._names

    @property
    def n_rows(self) -> int:
        if self._held is None:
            if not self._names:
                return 0
            self.load(self._names[:1])
        assert self._held is not None
        return self._held.n_rows

    def load(self, names: Iterable[str]) -> None:
        """Read these columns in one pass, if they are not here yet."""
        wanted = self._loaded.union(n for n in names if n in self._names)
        if len(wanted) == len(self._loaded):
            return
        for name in wanted:
            if self._names.count(name) > 1:
                raise duplicated(name, self._names.count(name))
        held = source_in_memory(self._collect([n for n in self._names if n in wanted]))
        assert held is not None
        # A query may return its rows in another order each time; columns of two passes would then
        # not belong together.
        for name, column in self._columns.items():
            if not _same(column, held.column(name)):
                raise DataError(
                    f"{self._what} gives its rows in a different order each time it is read, so its columns cannot be "
                    "put together. Collect it into a data frame first, or sort it."
                )
        self._held, self._loaded = held, wanted

    def column(self, name: str) -> Column:
        if name not in self._names:
            raise ColumnNotFoundError(name, self._names)
        self.load((name,))
        assert self._held is not None
        column = self._columns[name] = self._held.column(name)
        return column


def _same(one: Column, other: Column) -> bool:
    if len(one) != len(other):
        return False
    if one.codes is not None and other.codes is not None:
        same = np.array_equal(one.levels, other.levels)  # type: ignore[arg-type]
        return same and np.array_equal(one.codes, other.codes)
    if one.values is None or other.values is None:
        return False
    return np.array_equal(one.values, other.values, equal_nan=one.kind != "boolean")


def source_in_memory(data: Any) -> Source | None:
    """Wrap a pandas, polars or Arrow frame; None for anything else.

    Imports none of these libraries: who has a frame has imported its library.
    """
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(data, pandas.DataFrame):
        return PandasSource(data)
    polars = sys.modules.get("polars")
    if polars is not None and isinstance(data, polars.DataFrame):
        return PolarsSource(data)
    pyarrow = sys.modules.get("pyarrow")
    if pyarrow is not None and isinstance(data, pyarrow.Table | pyarrow.RecordBatch):
        return ArrowSource(data)
    return None


def column_from_any(name: str, values: Any) -> Column:
    """Turn an array, list or Series of any of the accepted libraries into a column."""
    if isinstance(values, np.ma.MaskedArray):
        values = values.tolist() if np.ma.is_masked(values) else values.data
    if type(values) is np.ndarray:
        return column_from_numpy(name, values)
    if isinstance(values, list | tuple | range):
        return column_from_numpy(name, _from_list(name, values))
    library = type(values).__module__.partition(".")[0]
    if library == "pandas":
        return column_from_pandas(name, values)
    if library == "polars":
        return column_from_polars(name, values)
    if library == "pyarrow":
        return column_from_arrow(name, values)
    if hasattr(values, "__array__"):
        return column_from_numpy(name, np.asarray(values))
    if hasattr(values, "__arrow_c_array__") or hasattr(values, "__arrow_c_stream__"):
        import pyarrow as pa

        return column_from_arrow(
            name, pa.chunked_array(values) if hasattr(values, "__arrow_c_stream__") else pa.array(values)
        )
    raise ArgumentTypeError(f"column {name!r} is a {type(values).__name__}; give an array, a list or a Series.")


def _from_list(name: str, values: list[Any] | tuple[Any, ...] | range) -> np.ndarray[Any, Any]:
    if isinstance(values, range):
        return np.arange(values.start, values.stop, values.step)
    types = set(map(type, values))
    if types <= {float} or types <= {int} or types <= {bool}:
        try:
            return np.array(values, dtype=float if not types else None)
        except OverflowError:
            pass
    out = np.empty(len(values), dtype=object)
    for i, value in enumerate(values):  # numpy.array would make a matrix of nested lists
        out[i] = value
    return out
