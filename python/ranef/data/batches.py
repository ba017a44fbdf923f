"""Data as batches of rows: sources that can be read several times, of which only the columns of a
model are read, a part of the rows at a time.
"""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ranef.data.files import parquet_files
from ranef.data.table import Table
from ranef.errors import DataError, RanefError

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
    """

    names: tuple[str, ...]
    open: Callable[[list[str]], Iterable[Any]]
    count: Callable[[], int]
    what: str

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
        except Exception as problem:  # of whatever class the library has
            raise DataError(f"{self.what} cannot be read: {type(problem).__name__}: {problem}") from problem

    def tables(self, names: Iterable[str]) -> Iterator[Table]:
        """Read the source once; the names of other things than columns are ignored."""
        wanted = set(names)
        chosen = [n for n in self.names if n in wanted] or list(self.names[:1])
        try:
            for batch in self.open(chosen):
                yield Table.from_data(batch)
        except RanefError:
            raise
        except Exception as problem:  # of whatever class the library has
            raise DataError(f"{self.what} cannot be read: {type(problem).__name__}: {problem}") from problem


def lazy_batches(data: Any) -> Batches | None:
    """Batches of data that are not in memory: an Arrow dataset, a polars LazyFrame, a DuckDB
    relation, or the path of a folder or pattern of Parquet files. None for anything else.
    """
    if isinstance(data, str | os.PathLike):
        return _of_files(os.path.expanduser(os.fspath(data)))
    polars, dataset, duckdb = (sys.modules.get(m) for m in ("polars", "pyarrow.dataset", "duckdb"))
    if polars is not None and isinstance(data, polars.LazyFrame):
        return _of_polars(data)
    if dataset is not None and isinstance(data, dataset.Dataset):
        return _of_dataset(data, "the dataset")
    if duckdb is not None and isinstance(data, duckdb.DuckDBPyRelation):
        return _of_duckdb(data)
    return None


def batches_of(data: Any) -> Batches:
    """Batches of any data; those in memory are one."""
    found = lazy_batches(data)
    if found is not None:
        return found
    table = Table.from_data(data)
    return Batches(tuple(table.names), lambda _: [table], lambda: table.n_rows, "the data")


def sources_of(parts: Any) -> list[Batches]:
    """Sources of one kind of data, or of a list of several parts."""
    if isinstance(parts, Batches):
        return [parts]
    if isinstance(parts, list | tuple):
        if not parts:
            raise DataError("the data have no parts.")
        return [batches_of(p) for p in parts]
    return [batches_of(parts)]


def _of_files(path: str) -> Batches | None:
    found = parquet_files(path)
    return None if found is None else _of_dataset(found, f"the files {path!r}")


def _of_dataset(data: Any, what: str) -> Batches:
    def read(names: list[str]) -> Iterator[Any]:
        # One fragment after another: a scan of the whole dataset holds many files at once.
        for fragment in data.get_fragments():
            yield from fragment.to_batches(
                schema=data.schema, columns=names, batch_size=BATCH, batch_readahead=1, fragment_readahead=1
            )

    return Batches(tuple(data.schema.names), read, data.count_rows, what)


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


def _of_duckdb(relation: Any) -> Batches:
    def read(names: list[str]) -> Iterator[Any]:
        quoted = ", ".join('"' + n.replace('"', '""') + '"' for n in names)
        chosen = relation.project(quoted)
        yield from (chosen.to_arrow_reader if hasattr(chosen, "to_arrow_reader") else chosen.fetch_arrow_reader)(BATCH)

    def count() -> int:
        return int(relation.aggregate("count(*)").fetchone()[0])

    return Batches(tuple(relation.columns), read, count, "the relation")
