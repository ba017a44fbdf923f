"""Very many responses, a block of columns at a time: what is in memory, in a file, or comes one
block after another.
"""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ranef.errors import ArgumentTypeError, DataError, MissingExtraError

#: Numbers of a block, and fewest and most columns.
NUMBERS, FEWEST, MOST = 8_000_000, 64, 1 << 16


@dataclass(frozen=True, slots=True, eq=False)
class ResponseBlocks:
    """Blocks of responses.

    Attributes
    ----------
    blocks : iterator
        Matrices or frames with a column for each response.
    count : int or None
        Number of all responses, where it is known.
    """

    blocks: Iterator[Any]
    count: int | None


def response_blocks(y: Any, n_rows: int) -> ResponseBlocks | None:
    """The blocks of what holds many responses; None for a vector, or a matrix that is one block.

    Parameters
    ----------
    y : object
    n_rows : int
        Rows of the model, which decide how many columns a block has.
    """
    width = min(max(NUMBERS // max(n_rows, 1), FEWEST), MOST)
    if isinstance(y, np.ndarray):
        if y.ndim != 2 or y.shape[1] <= width:
            return None
        return _sliced(y.shape[1], width, lambda a, b: y[:, a:b])
    if isinstance(y, str | os.PathLike):
        path = os.path.expanduser(os.fspath(y))
        return _of_parquet(path, width) if isinstance(path, str) and path.endswith((".parquet", ".pq")) else None
    polars, arrow, dataset = (sys.modules.get(m) for m in ("polars", "pyarrow", "pyarrow.dataset"))
    if polars is not None and isinstance(y, polars.LazyFrame):
        return _by_names(y.collect_schema().names(), width, lambda names: y.select(names).collect())
    if dataset is not None and isinstance(y, dataset.Dataset):
        return _by_names(y.schema.names, width, lambda names: y.to_table(columns=names))
    if arrow is not None and isinstance(y, arrow.RecordBatchReader):
        y = y.read_all()
    if arrow is not None and isinstance(y, arrow.Table):
        return _by_names(y.column_names, width, y.select)
    if isinstance(y, Iterator):
        return ResponseBlocks(y, None)
    if callable(y) and not hasattr(y, "__array__") and not hasattr(y, "columns"):
        return ResponseBlocks(iter(_called(y)), None)
    library = type(y).__module__.partition(".")[0]
    if hasattr(y, "__arrow_c_stream__") and library not in ("pandas", "polars"):
        pa = _pyarrow("an Arrow stream is read")
        return response_blocks(pa.table(y), n_rows)
    if library == "pandas" and getattr(y, "ndim", 1) == 2 and y.shape[1] > width:
        return _sliced(y.shape[1], width, lambda a, b: y.iloc[:, a:b])
    return None


def _sliced(count: int, width: int, take: Callable[[int, int], Any]) -> ResponseBlocks:
    return ResponseBlocks((take(a, min(a + width, count)) for a in range(0, count, width)), count)


def _by_names(names: list[str], width: int, read: Callable[[list[str]], Any]) -> ResponseBlocks:
    if not names:
        raise DataError("y has no column.")
    return _sliced(len(names), width, lambda a, b: read(list(names[a:b])))


def _of_parquet(path: str, width: int) -> ResponseBlocks:
    _pyarrow("a Parquet file is read")
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
    except Exception as problem:  # of whatever class the library has
        raise DataError(f"the file {path!r} cannot be read: {problem}") from problem
    return _by_names(file.schema_arrow.names, width, lambda names: file.read(columns=names))


def _called(make: Callable[[], Any]) -> Iterable[Any]:
    made = make()
    if isinstance(made, Iterable) and not hasattr(made, "__array__"):
        return made
    raise ArgumentTypeError(
        f"a function given as y returns an iterator of blocks of responses; this one returns a {type(made).__name__}."
    )


def _pyarrow(what: str) -> Any:
    try:
        import pyarrow
    except ImportError:
        raise MissingExtraError(f"{what} by pyarrow: pip install pyarrow.") from None
    return pyarrow
