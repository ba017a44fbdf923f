"""The data of a model: columns by name, read when they are asked for."""

import os
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ranef.data.column import Column
from ranef.data.files import source_from_path
from ranef.data.sources import ArrowSource, DeferredSource, MappingSource, Source, source_in_memory
from ranef.data.streams import stream_of
from ranef.errors import ArgumentTypeError, DataError, RanefError

_ACCEPTED = (
    "a pandas, polars or pyarrow frame, any other frame that narwhals reads (modin, DuckDB, Dask, …), "
    "a dict of arrays, or the path of a .csv, .parquet or .feather file"
)


class Table:
    """Columns by name, from any kind of data; only columns that are asked for are touched.

    Make one with :meth:`from_data`.
    """

    __slots__ = ("_columns", "_source", "place")

    def __init__(self, source: Source):
        self._source = source
        self._columns: dict[str, Column] = {}
        #: Of which file or part of the data these are the rows, for messages.
        self.place = "the data"

    @classmethod
    def from_data(cls, data: Any) -> "Table":
        """Take data as the user has them.

        Parameters
        ----------
        data : DataFrame, LazyFrame, Table, mapping, path, …
            A pandas or polars frame (eager or lazy), a pyarrow Table, RecordBatch,
            RecordBatchReader or Dataset, any other frame that narwhals reads or that offers the
            Arrow stream protocol, an iterator of frames or a function that returns one, a mapping
            from names to arrays or lists of one length, a structured NumPy array, or the path of a
            CSV (``.csv``, ``.tsv``, possibly compressed), Parquet or Feather file, of a folder of
            such files or a pattern of their names.

        Returns
        -------
        Table

        Raises
        ------
        ArgumentTypeError
            If the data are of no such type.
        DataError
            If the columns of a mapping differ in length, or a file cannot be read.
        """
        source = source_in_memory(data)
        if source is None:
            if isinstance(data, Table):
                return data
            source = _other_source(data)
        return cls(source)

    @property
    def names(self) -> list[str]:
        """Names of all columns (those that are not text, such as 0, as they are written)."""
        return self._source.names

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return self._source.n_rows

    @property
    def index(self) -> Any:
        """The index of a pandas frame, otherwise None."""
        return self._source.index

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know of how the data were read."""
        return self._source.notes

    def __contains__(self, name: object) -> bool:
        return name in self._columns or name in self._source.names

    def load(self, names: Iterable[str]) -> None:
        """Say which columns will be needed.

        A file, lazy frame or query is then read once; for data in memory nothing happens. Names
        that are not columns are ignored here.
        """
        self._source.load(names)

    def column(self, name: str) -> Column:
        """Read a column (once; later calls return the same object).

        Raises
        ------
        ColumnNotFoundError
            If there is no such column; the message lists similar names.
        DataError
            If several columns have this name, or it holds something that a model cannot use.
        """
        column = self._columns.get(name)
        if column is None:
            column = self._columns[name] = self._source.column(name)
        return column


def _other_source(data: Any) -> Source:
    """Wrap data that are not a frame in memory of one of the three common libraries."""
    if isinstance(data, str | os.PathLike):
        return source_from_path(os.fspath(data))
    if isinstance(data, Mapping):
        return MappingSource(data)
    if isinstance(data, np.ndarray):
        if data.dtype.names:
            return MappingSource({name: data[name] for name in data.dtype.names})
        raise _unaccepted(data, "Name its columns: {'x': a[:, 0], ...}.")
    if isinstance(data, list | tuple):
        advice = "pandas.DataFrame(data) makes a frame of rows." if data and isinstance(data[0], Mapping) else ""
        raise _unaccepted(data, advice)
    if isinstance(data, type):
        raise ArgumentTypeError(
            f"data should be {_ACCEPTED}; this is the class {data.__qualname__} itself, without data."
        )
    library = type(data).__module__.partition(".")[0]
    if library == "pandas":
        raise _unaccepted(data, "data.to_frame() makes a frame of a Series." if hasattr(data, "to_frame") else "")
    if library == "polars":
        return _lazy_polars(data)
    if is_dask_frame(data):
        return _of_dask(data)
    stream = stream_of(data)
    if stream is not None and stream.once:
        return ArrowSource(_guarded(lambda: stream.read(stream.names), stream.what))
    if stream is not None:
        return DeferredSource(list(stream.names), stream.read, stream.what)
    if library == "pyarrow":
        return _arrow(data)
    return _through_narwhals(data)


def _unaccepted(data: Any, advice: str = "") -> ArgumentTypeError:
    return ArgumentTypeError(
        f"data should be {_ACCEPTED}; this is a {type(data).__module__}.{type(data).__qualname__}. {advice}".replace(
            "builtins.", ""
        ).rstrip()
    )


def _lazy_polars(data: Any) -> Source:
    if not hasattr(data, "collect_schema"):
        raise _unaccepted(data, "data.to_frame() makes a frame of a Series." if hasattr(data, "to_frame") else "")
    import polars as pl

    names = _guarded(lambda: data.collect_schema().names(), "the lazy frame")
    return DeferredSource(
        names,
        lambda columns: _guarded(lambda: data.select(pl.col(columns)).collect(), "the lazy frame"),
        "the lazy frame",
    )


def is_dask_frame(data: Any) -> bool:
    """Whether it is a Dask DataFrame; until 2025 their class was in a package of its own."""
    library = type(data).__module__.partition(".")[0]
    return library in ("dask", "dask_expr") and hasattr(data, "partitions") and hasattr(data, "columns")


def _of_dask(data: Any) -> Source:
    what = "the Dask frame"
    names = list(map(str, data.columns))
    return DeferredSource(names, lambda columns: _guarded(lambda: data[list(columns)].compute(), what), what)


def _arrow(data: Any) -> Source:
    if hasattr(data, "to_table") and hasattr(data, "schema"):  # pyarrow.dataset.Dataset
        return DeferredSource(
            data.schema.names,
            lambda columns: _guarded(lambda: data.to_table(columns=columns), "the dataset"),
            "the dataset",
        )
    raise _unaccepted(data)


def _through_narwhals(data: Any) -> Source:
    import narwhals as nw

    native = nw.to_native(data, pass_through=True)
    if native is not data:  # it was a frame of narwhals' own
        return source_in_memory(native) or _other_source(native)
    try:
        frame: Any = nw.from_native(data)
    except TypeError:
        raise _unaccepted(data) from None
    what = f"the {type(data).__name__}"
    if isinstance(frame, nw.LazyFrame):
        names = _guarded(lambda: frame.collect_schema().names(), what)
        return DeferredSource(
            names,
            lambda columns: _guarded(lambda: frame.select(*columns).collect(backend="pyarrow").to_native(), what),
            what,
        )
    return DeferredSource(
        list(frame.columns), lambda columns: _guarded(lambda: frame.select(*columns).to_arrow(), what), what
    )


def _guarded(read: Any, what: str) -> Any:
    """Call a foreign library.

    Its errors, of whatever class, become one of ours that quotes them.
    """
    try:
        return read()
    except RanefError:
        raise
    except Exception as problem:
        raise DataError(f"{what} cannot be read: {type(problem).__name__}: {problem}") from problem
