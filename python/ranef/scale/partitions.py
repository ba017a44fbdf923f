"""Rows of sources brought together by group: in memory where they are few, by temporary files, each
with the rows of some of the groups, where they are many.
"""

import math
import os
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ranef.data.batches import Batches
from ranef.data.column import Column
from ranef.data.file_set import joined_type
from ranef.data.streams import arrow_table
from ranef.data.table import Table
from ranef.errors import DataError
from ranef.scale.columns import row_hashes

#: Rows that are held in memory at once: 32 MB for a column of numbers.
MOST_ROWS = 4_000_000


def n_partitions(sources: Sequence[Batches], most: int) -> int:
    """How many parts keep each within so many rows."""
    return max(1, math.ceil(sum(s.n_rows() for s in sources) / most))


def whole(sources: Sequence[Batches], names: Sequence[str]) -> Table:
    """All rows as one table."""
    frames = [f for s in sources for f in _frames(s, names)]
    if len(frames) == 1:
        return Table.from_data(frames[0])
    import pyarrow as pa

    try:
        joined = pa.concat_tables([_arrow(f, names) for f in frames], promote_options="permissive")
    except pa.ArrowException as problem:
        raise DataError(f"the parts of the data do not go together: {problem}") from None
    return Table.from_data(joined)


def partitions(sources: Sequence[Batches], names: Sequence[str], by: Sequence[str], parts: int) -> Iterator[Table]:
    """Tables of the rows of some of the groups each; all rows of a group are in one of them.

    Raises
    ------
    DataError
        If a column holds other things in a later part, or the disk is full.
    """
    import pyarrow as pa

    with tempfile.TemporaryDirectory(prefix="ranef-") as folder:
        paths = [os.path.join(folder, f"{i:05}.arrows") for i in range(parts)]
        try:
            _write(sources, names, by, paths)
        except OSError as problem:
            raise DataError(
                f"the data are sorted into temporary files, which cannot be written: {problem}. Set TMPDIR to a folder "
                "with room."
            ) from problem
        for path in paths:
            if os.path.exists(path):
                with pa.OSFile(path) as file:
                    yield Table.from_data(pa.ipc.open_stream(file).read_all())
                os.remove(path)


def _write(sources: Sequence[Batches], names: Sequence[str], by: Sequence[str], paths: list[str]) -> None:
    import pyarrow as pa

    writers: dict[int, Any] = {}
    schema: Any = None
    try:
        for source in sources:
            for table in _arrow_tables(source, names):
                if not table.num_rows:
                    continue
                schema = _checked(schema, table.schema, source.what)
                table = table.cast(schema)
                own = row_hashes(Table.from_data(table.select(list(by))), by, table.num_rows) % np.uint64(len(paths))
                order = np.argsort(own, kind="stable")
                ends = np.searchsorted(own[order], np.arange(len(paths) + 1, dtype=np.uint64))
                table = table.take(order)
                for i, path in enumerate(paths):
                    if ends[i] == ends[i + 1]:
                        continue
                    if i not in writers:
                        writers[i] = pa.ipc.new_stream(path, schema)
                    writers[i].write_table(table.slice(ends[i], ends[i + 1] - ends[i]))
    finally:
        for writer in writers.values():
            writer.close()


def _checked(known: Any, schema: Any, what: str) -> Any:
    """The types of columns, which later batches must have; dictionaries are written out."""
    import pyarrow as pa

    def type_of(f: Any) -> Any:
        kind = f.type.value_type if pa.types.is_dictionary(f.type) else f.type
        return pa.large_string() if pa.types.is_string_view(kind) else kind

    plain = pa.schema([(f.name, type_of(f)) for f in schema])
    if known is None:
        return plain
    for f in plain:
        kind = known.field(f.name).type
        if f.type != kind and joined_type(kind, f.type) != kind:
            raise DataError(f"column {f.name!r} of {what} is {f.type} in one part and {kind} before; make it the same.")
    return known


def _frames(source: Batches, names: Sequence[str]) -> Iterator[Any]:
    """What a source gives."""
    if source.parts:
        for part in source.parts:
            yield from _frames(part, names)
        return
    yield from source.open([n for n in source.names if n in set(names)])


def _arrow_tables(source: Batches, names: Sequence[str]) -> Iterator[Any]:
    for frame in _frames(source, names):
        yield _arrow(frame, names)


def _arrow(frame: Any, names: Sequence[str]) -> Any:
    """These columns of a frame as an Arrow table."""
    if not isinstance(frame, Table):
        table = arrow_table(frame)
        return table.select([n for n in names if n in table.column_names])
    import pyarrow as pa

    return pa.table({n: _arrow_column(frame.column(n)) for n in names if n in frame})


def _arrow_column(column: Column) -> Any:
    import pyarrow as pa

    if column.codes is None:
        values = column.values if column.exact is None else column.exact
        return pa.array(values, mask=column.missing)
    codes = pa.array(column.codes, mask=column.codes < 0)
    found = pa.DictionaryArray.from_arrays(codes, pa.array(column.levels, pa.large_string()), ordered=column.ordered)
    return found if column.kind == "factor" else found.dictionary_decode()
