"""Binary files of columns, read in batches."""

import os
import pathlib
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

from ranef.errors import DataError


def reserve_little() -> None:
    """Where the address space is limited, let Arrow allocate as C does: its usual allocator
    reserves a GiB of addresses at once, whatever it needs. It is chosen when pyarrow is imported.
    """
    if "pyarrow" in sys.modules:
        return
    try:
        import resource
    except ImportError:  # there are no such limits
        return
    if resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY:
        os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")


class DataFile(ABC):
    """A file with columns.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: pathlib.Path):
        reserve_little()
        self.path = path

    @cached_property
    def schema(self) -> Any:
        """Names and types of its columns."""
        return self.guarded(self._read_schema)

    def batches(self, names: Sequence[str], types: dict[str, Any], size: int) -> Iterator[Any]:
        """Record batches of some columns, of at most ``size`` rows."""
        source = self._batches(names, types, size)
        while True:
            batch = self.guarded(lambda: next(source, None))
            if batch is None:
                return
            for start in range(0, batch.num_rows, size):
                yield batch.slice(start, size)

    def count_rows(self) -> int:
        """Number of rows."""
        found: int = self.guarded(self._count)
        return found

    def guarded(self, read: Any) -> Any:
        """Call a reader; its errors become one that names the file."""
        import pyarrow as pa

        try:
            return read()
        except (pa.ArrowException, OSError, UnicodeError) as problem:
            raise DataError(f"the file {str(self.path)!r} cannot be read: {problem}") from None

    @abstractmethod
    def _read_schema(self) -> Any: ...

    @abstractmethod
    def _batches(self, names: Sequence[str], types: dict[str, Any], size: int) -> Iterator[Any]: ...

    @abstractmethod
    def _count(self) -> int: ...


class ParquetFile(DataFile):
    """A Parquet file."""

    def _read_schema(self) -> Any:
        import pyarrow.parquet as pq

        return pq.read_schema(self.path)

    def _batches(self, names: Sequence[str], types: dict[str, Any], size: int) -> Iterator[Any]:
        import pyarrow.parquet as pq

        # A dataset's scanner holds more and more of a Parquet file; this gives each batch back.
        with pq.ParquetFile(self.path, pre_buffer=False) as file:
            if names:
                yield from file.iter_batches(size, columns=list(names))
            else:
                yield from _rows_alone(file.metadata.num_rows, size)

    def _count(self) -> int:
        import pyarrow.parquet as pq

        with pq.ParquetFile(self.path) as file:
            rows: int = file.metadata.num_rows
        return rows


class ArrowFile(DataFile):
    """A file of Arrow's own format, with or without a table of contents (Feather)."""

    def _read_schema(self) -> Any:
        with self._opened([]) as opened:
            return opened.schema

    def _opened(self, fields: list[int]) -> Any:
        import pyarrow as pa

        options = pa.ipc.IpcReadOptions(included_fields=fields)
        file = pa.OSFile(str(self.path))  # a memory map of it would count as memory
        beginning = file.read(6)
        file.seek(0)
        if beginning[:4] == b"FEA1":
            raise DataError(
                f"the file {str(self.path)!r} has the first version of Feather, which is not read in batches; write it "
                "again by pyarrow.feather.write_feather."
            )
        return (pa.ipc.open_file if beginning == b"ARROW1" else pa.ipc.open_stream)(file, options=options)

    def _batches(self, names: Sequence[str], types: dict[str, Any], size: int) -> Iterator[Any]:
        places = [self.schema.names.index(n) for n in names]
        with self._opened(places) as opened:
            if not names:
                yield from _rows_alone(self._count(), size)
            elif hasattr(opened, "num_record_batches"):
                yield from (opened.get_batch(i) for i in range(opened.num_record_batches))
            else:
                yield from opened

    def _count(self) -> int:
        with self._opened([0]) as opened:
            if hasattr(opened, "num_record_batches"):
                return sum(opened.get_batch(i).num_rows for i in range(opened.num_record_batches))
            return sum(b.num_rows for b in opened)


def _rows_alone(n: int, size: int) -> Iterator[Any]:
    """Batches for a file of which only the number of rows is needed."""
    import pyarrow as pa

    for start in range(0, n, size):
        yield pa.RecordBatch.from_arrays([pa.nulls(min(size, n - start))], ["rows"])
