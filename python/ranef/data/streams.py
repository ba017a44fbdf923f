"""Streams of frames: functions that open one, objects that offer Arrow's stream protocol, and
iterators, which can be read once only and are kept in a temporary file if they must be read again.
"""

import itertools
import os
import shutil
import sys
import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ranef.data.file_set import file_set, joined_type
from ranef.data.selection import selected_columns
from ranef.errors import ArgumentTypeError, DataError


@dataclass(frozen=True, slots=True, eq=False)
class Stream:
    """Frames one after another.

    Attributes
    ----------
    names : tuple of str
        Columns.
    open : callable
        Gives the frames, in memory, with the columns named.
    what : str
        For messages.
    once : bool
        Whether it can be opened once only.
    """

    names: tuple[str, ...]
    open: Callable[[Sequence[str]], Iterator[Any]]
    what: str
    once: bool = False

    def read(self, names: Sequence[str]) -> Any:
        """These columns of all rows, as an Arrow table."""
        import pyarrow as pa

        tables = list(map(arrow_table, self.open(names)))
        if not tables:
            return pa.table({n: pa.nulls(0) for n in names})
        try:
            return pa.concat_tables(tables, promote_options="permissive")
        except pa.ArrowException as problem:
            raise DataError(f"the parts of {self.what} do not go together: {problem}") from None


def stream_of(data: Any) -> Stream | None:
    """A stream of what gives frames in pieces; None for anything else."""
    pyarrow = sys.modules.get("pyarrow")
    if pyarrow is not None and isinstance(data, pyarrow.RecordBatchReader):
        return _once(iter(data), tuple(data.schema.names), "the record batch reader")
    if isinstance(data, type | str | bytes | os.PathLike):
        return None
    if isinstance(data, Iterator) and not hasattr(data, "read"):
        return _of_iterator(data)
    if callable(data) and not hasattr(data, "columns"):
        return _of_function(data)
    library = type(data).__module__.partition(".")[0]
    if hasattr(data, "__arrow_c_stream__") and library not in ("pandas", "polars", "pyarrow", "duckdb"):
        return _of_producer(data)
    return None


def _of_iterator(data: Iterator[Any]) -> Stream:
    first = next(data, None)
    if first is None:
        raise DataError("the iterator gives no rows.")
    return _once(itertools.chain([first], data), _names(first, "the iterator"), "the iterator")


def _once(frames: Iterator[Any], names: tuple[str, ...], what: str) -> Stream:
    started: list[bool] = []

    def read(chosen: Sequence[str]) -> Iterator[Any]:
        if started:
            raise DataError(
                f"{what} can be read once only, and was read already; give a function that returns a new one."
            )
        started.append(True)
        for frame in frames:
            yield _selected(frame, chosen)

    return Stream(names, read, what, once=True)


def _of_function(make: Callable[[], Any]) -> Stream:
    what = f"what {getattr(make, '__name__', 'the function')}() returns"

    def frames() -> Iterator[Any]:
        try:
            made = make()
        except TypeError as problem:
            raise ArgumentTypeError(
                f"a function given as data is called without arguments and returns a reader or an iterator of frames; "
                f"this one fails: {problem}"
            ) from problem
        if isinstance(made, Iterator):
            return made
        if isinstance(made, list | tuple):
            return iter(made)
        if hasattr(made, "__arrow_c_stream__"):
            return _batches(made)
        if isinstance(made, Mapping) or hasattr(made, "columns"):
            return iter([made])
        raise ArgumentTypeError(
            f"{what} should be a reader, an iterator of frames or a frame; it is a {type(made).__name__}."
        )

    # What the first call gave is used by whoever reads first.
    ready = [frames()]
    first = next(ready[0], None)
    if first is None:
        raise DataError(f"{what} has no rows.")
    ready[0] = itertools.chain([first], ready[0])

    def read(chosen: Sequence[str]) -> Iterator[Any]:
        for frame in ready.pop() if ready else frames():
            yield _selected(frame, chosen)

    return Stream(_names(first, what), read, what)


def _of_producer(data: Any) -> Stream | None:
    import narwhals as nw

    if nw.from_native(data, pass_through=True) is not data or isinstance(data, nw.DataFrame | nw.LazyFrame):
        return None  # a frame that narwhals reads
    import pyarrow as pa

    what = f"the {type(data).__name__}"
    names = tuple(pa.RecordBatchReader.from_stream(data).schema.names)

    def read(chosen: Sequence[str]) -> Iterator[Any]:
        for batch in _batches(data):
            yield _selected(batch, chosen)

    return Stream(names, read, what)


def _batches(data: Any) -> Iterator[Any]:
    import pyarrow as pa

    return iter(pa.RecordBatchReader.from_stream(data))


def _names(frame: Any, what: str) -> tuple[str, ...]:
    if isinstance(frame, Mapping):
        return tuple(map(str, frame))
    pyarrow = sys.modules.get("pyarrow")
    if pyarrow is not None and isinstance(frame, pyarrow.Table | pyarrow.RecordBatch):
        return tuple(frame.schema.names)
    names = getattr(frame, "columns", None)
    if names is None or callable(names):
        raise ArgumentTypeError(
            f"{what} should give frames (pandas, polars, Arrow) or dicts of arrays; it gives a {type(frame).__name__}."
        )
    return tuple(map(str, names))


def _selected(frame: Any, names: Sequence[str]) -> Any:
    """Some columns of a frame; those that it does not have are missed where they are used."""
    found = selected_columns(frame, set(names).__contains__)
    return frame if found is None else found


def arrow_table(frame: Any) -> Any:
    """A frame as an Arrow table."""
    import pyarrow as pa

    if isinstance(frame, pa.Table):
        return frame
    if isinstance(frame, pa.RecordBatch):
        return pa.Table.from_batches([frame])
    if isinstance(frame, Mapping):
        return pa.table({str(k): v for k, v in frame.items()})
    if type(frame).__module__.partition(".")[0] == "pandas":
        return pa.Table.from_pandas(frame, preserve_index=False)
    return pa.table(frame)


def kept_stream(stream: Stream, names: Sequence[str]) -> Stream:
    """The same rows in temporary files, which go when nothing refers to the stream any more.

    Raises
    ------
    DataError
        If a column holds other things in a later part, or the disk is full.
    """
    folder = tempfile.mkdtemp(prefix="ranef-")
    try:
        _keep(stream, names, folder)
        found = file_set(folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise

    def read(chosen: Sequence[str]) -> Iterator[Any]:
        if found is not None:
            for _, part, _ in found.parts(1 << 19):
                yield from part(chosen)

    weakref.finalize(read, shutil.rmtree, folder, True)
    return Stream(tuple(names), read, stream.what)


def _keep(stream: Stream, names: Sequence[str], folder: str) -> None:
    """Write a stream to files of a folder, a new one where the types of columns change."""
    import pyarrow as pa

    known: dict[str, Any] = {}
    writer: Any = None
    try:
        for number, frame in enumerate(stream.open(names), start=1):
            table = arrow_table(frame)
            for name, kind in zip(table.schema.names, table.schema.types, strict=True):
                joined = joined_type(known.get(name, kind), kind)
                if joined is None:
                    raise DataError(
                        f"column {name!r} of {stream.what} is {kind} in part {number} and {known[name]} before; make "
                        "it the same in all."
                    )
                known[name] = joined
            table = table.replace_schema_metadata(None)
            if writer is None or writer[0] != table.schema:
                if writer is not None:
                    writer[1].close()
                # The form without a table of contents may change dictionaries on the way.
                path = os.path.join(folder, f"part {number:09}.arrows")
                writer = (table.schema, pa.ipc.new_stream(path, table.schema))
            writer[1].write_table(table)
        if writer is not None:
            writer[1].close()
    except OSError as problem:
        raise DataError(
            f"{stream.what} can be read once only and is kept in a temporary file, which cannot be written: {problem}. "
            "Give a function that returns a new one instead, or set TMPDIR to a folder with room."
        ) from problem
