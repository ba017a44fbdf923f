"""Data as batches of rows: sources that can be read several times, of which only the columns of a
model are read, a part of the rows at a time.
"""

import itertools
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from ranef.data.file_set import FileSet, file_set, single_file
from ranef.data.selection import selected_columns
from ranef.data.streams import Stream, kept_stream, stream_of
from ranef.data.table import Table, is_dask_frame
from ranef.errors import DataError, RanefError

#: Rows from which a source that can be read in batches is: fewer fit into any memory, and a model
#: that has its rows can do more.
MANY_ROWS = 1_000_000

#: Rows of a batch: 4 MB for a column of numbers; fewer would have the labels of their levels made
#: more often.
BATCH = 524_288


@dataclass(frozen=True, slots=True)
class Batches:
    """A source of batches.

    Attributes
    ----------
    names : tuple of str
        All columns.
    open : callable
        Gives the batches from the start, of the columns named.
    count : callable
        Gives the number of rows.
    what : str
        What the source is, for messages.
    parts : tuple of Batches
        The files of which it is made, one after another; empty where it is not of files.
    stream : Stream or None
        What can be read once only.
    notes : tuple of str
        What the user should know of how the data are read.
    file : str or None
        Where it is, of one file.
    held : optional
        The data, where they are in memory.
    """

    names: tuple[str, ...]
    open: Callable[[list[str]], Iterable[Any]]
    count: Callable[[], int]
    what: str
    parts: tuple["Batches", ...] = ()
    stream: Stream | None = None
    notes: tuple[str, ...] = ()
    file: str | None = None
    held: Any = None

    def n_rows(self) -> int:
        """Number of rows.

        Raises
        ------
        DataError
            If the source cannot be read.
        """
        return self._guarded(self.count)

    def _guarded(self, read: Callable[[], int]) -> int:
        try:
            return read()
        except RanefError:
            raise
        except Exception as problem:  # of whatever class the library has
            raise DataError(f"{self.what} cannot be read: {type(problem).__name__}: {problem}") from problem

    def tables(self, names: Iterable[str]) -> Iterator[Table]:
        """Read the source once; the names of other things than columns are ignored."""
        wanted = set(names)
        chosen = [n for n in self.names if n in wanted] or list(self.names[:1])
        if self.parts:
            for part in self.parts:
                yield from part.tables(chosen)
            return
        try:
            for number, batch in enumerate(self.open(chosen), start=1):
                table = Table.from_data(batch)
                table.place = self.what if number == 1 else f"{self.what}, part {number}"
                yield table
        except RanefError:
            raise
        except Exception as problem:  # of whatever class the library has
            raise DataError(f"{self.what} cannot be read: {type(problem).__name__}: {problem}") from problem

    def read(self, names: Iterable[str]) -> Any:
        """These columns of all rows, as an Arrow table."""
        wanted = set(names)
        chosen = [n for n in self.names if n in wanted] or list(self.names[:1])
        parts = self.parts or (self,)
        whole = None if self.held is None else selected_columns(self.held, wanted.__contains__)
        frames = [whole] if whole is not None else itertools.chain.from_iterable(p.open(chosen) for p in parts)
        return Stream(self.names, lambda _: iter(frames), self.what).read(chosen)

    def again(self, names: Iterable[str]) -> "Batches":
        """The same rows as a source that can be read several times: what can be read once only is
        written to a temporary file, in the columns named.
        """
        if self.stream is None:
            return self
        wanted = set(names)
        kept = kept_stream(self.stream, [n for n in self.names if n in wanted] or list(self.names[:1]))
        note = f"{self.what} can be read once only; its columns in use were kept in a temporary file meanwhile"
        return replace(_of_stream(kept), notes=(note,))


def lazy_batches(data: Any) -> Batches | None:
    """Batches of data that are not in memory: an Arrow dataset, a polars LazyFrame, a DuckDB
    relation, a Dask DataFrame, a stream, or the path of a folder or pattern of files. None for
    anything else.
    """
    if isinstance(data, str | os.PathLike):
        found = file_set(os.path.expanduser(os.fspath(data)))
        return None if found is None else _of_files(found)
    polars, dataset, duckdb = (sys.modules.get(m) for m in ("polars", "pyarrow.dataset", "duckdb"))
    if polars is not None and isinstance(data, polars.LazyFrame):
        return _of_polars(data)
    if dataset is not None and isinstance(data, dataset.Dataset):
        return _of_dataset(data, "the dataset")
    if duckdb is not None and isinstance(data, duckdb.DuckDBPyRelation):
        return _of_duckdb(data)
    if is_dask_frame(data):
        return _of_dask(data)
    stream = stream_of(data)
    return None if stream is None else _of_stream(stream)


def batches_of(data: Any) -> Batches:
    """Batches of any data; those in memory are one."""
    found = lazy_batches(data)
    if found is None and isinstance(data, str | os.PathLike) and (file := single_file(os.fspath(data))) is not None:
        found = _of_files(file)
    if found is not None:
        return found
    table = Table.from_data(data)
    return Batches(tuple(table.names), lambda _: [table], lambda: table.n_rows, "the data", held=data)


def sources_of(parts: Any) -> list[Batches]:
    """Sources of one kind of data, or of a list of several parts."""
    if isinstance(parts, Batches):
        return [parts]
    if isinstance(parts, list | tuple):
        if not parts:
            raise DataError("the data have no parts.")
        if len(parts) == 1:
            return [batches_of(parts[0])]
        return [replace(batches_of(p), what=_numbered(p, i)) for i, p in enumerate(parts, start=1)]
    return [batches_of(parts)]


def _numbered(part: Any, i: int) -> str:
    return f"the file {os.fspath(part)!r}" if isinstance(part, str | os.PathLike) else f"the data in place {i}"


def _of_files(files: FileSet) -> Batches:
    names = tuple(files.names)
    parts = tuple(
        Batches(names, read, count, what, file=str(file.path))
        for (what, read, count), file in zip(files.parts(BATCH), files.files, strict=True)
    )
    return Batches(names, lambda _: iter(()), files.count_rows, files.what, parts, notes=files.notes)


def _of_stream(stream: Stream) -> Batches:
    def count() -> int:
        return sum(Table.from_data(b).n_rows for b in stream.open(stream.names[:1]))

    return Batches(stream.names, stream.open, count, stream.what, stream=stream if stream.once else None)


def _of_dataset(data: Any, what: str) -> Batches:
    names = tuple(data.schema.names)
    try:
        fragments = list(data.get_fragments())
    except ValueError:  # one with a filter, or with columns that are computed
        return Batches(names, lambda chosen: _scanned(data, chosen), data.count_rows, what)
    parts = tuple(_of_fragment(f, data.schema, names, i) for i, f in enumerate(fragments, start=1))
    return Batches(names, lambda _: iter(()), data.count_rows, what, parts)


def _scanned(data: Any, names: list[str]) -> Iterator[Any]:
    scanner = data.scanner(columns=names, batch_size=BATCH, batch_readahead=1, fragment_readahead=1)
    yield from scanner.to_batches()


def _of_fragment(fragment: Any, schema: Any, names: tuple[str, ...], number: int) -> Batches:
    """One file of a dataset; the scanner of a whole dataset holds many at once."""
    path = getattr(fragment, "path", None)
    what = f"the file {path!r}" if path else f"fragment {number} of the dataset"

    def read(chosen: list[str]) -> Iterator[Any]:
        import pyarrow as pa

        options: dict[str, Any] = {"batch_size": BATCH, "batch_readahead": 1, "fragment_readahead": 1}
        try:
            yield from fragment.to_batches(schema=schema, columns=chosen, **options)
        except pa.ArrowException as problem:
            own = fragment.physical_schema
            odd = [n for n in chosen if n in own.names and own.field(n).type != schema.field(n).type]
            found = f": column {odd[0]!r} is {own.field(odd[0]).type}, not {schema.field(odd[0]).type}" if odd else ""
            raise DataError(
                f"{what} does not go with the types of the dataset{found}: {problem}. Give the dataset a schema, or "
                "the path of its folder, whose files are all looked at for their types."
            ) from problem

    return Batches(names, read, fragment.count_rows, what, file=path)


def _of_polars(frame: Any) -> Batches:
    import polars as pl

    def read(names: list[str]) -> Iterator[Any]:
        chosen = frame.select(pl.col(names))
        if hasattr(chosen, "collect_batches"):
            yield from chosen.collect_batches(chunk_size=BATCH, maintain_order=True)
        else:  # earlier versions of polars
            yield from chosen.collect().iter_slices(BATCH)

    def count() -> int:
        return int(frame.select(pl.len()).collect().item())

    return Batches(tuple(frame.collect_schema().names()), read, count, "the lazy frame")


def _of_dask(frame: Any) -> Batches:
    names = tuple(map(str, frame.columns))

    def part(i: int) -> Batches:
        def read(chosen: list[str]) -> Iterator[Any]:
            yield frame[list(chosen)].partitions[i].compute()

        return Batches(names, read, lambda: len(frame.partitions[i]), f"partition {i} of the frame")

    parts = tuple(map(part, range(frame.npartitions)))
    return Batches(names, lambda _: iter(()), lambda: len(frame), "the Dask frame", parts)


def _of_duckdb(relation: Any) -> Batches:
    def read(names: list[str]) -> Iterator[Any]:
        quoted = ", ".join('"' + n.replace('"', '""') + '"' for n in names)
        chosen = relation.project(quoted)
        yield from (chosen.to_arrow_reader if hasattr(chosen, "to_arrow_reader") else chosen.fetch_arrow_reader)(BATCH)

    def count() -> int:
        return int(relation.aggregate("count(*)").fetchall()[0][0])

    return Batches(tuple(relation.columns), read, count, "the relation")
