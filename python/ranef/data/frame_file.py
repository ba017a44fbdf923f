"""Frames one after another, put together in memory or written to a Parquet file."""

import os
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ranef.errors import ArgumentTypeError, DataError, MissingExtraError

if TYPE_CHECKING:
    import pandas as pd


class FrameFile:
    """Where results go: `frame`, or the file, which is there under its name once all is written.

    Parameters
    ----------
    path : path or None
        Of a Parquet file.
    by : sequence of str
        Columns by which the rows of several frames are put in order in memory.
    """

    def __init__(self, path: "str | os.PathLike[str] | None", by: Sequence[str] = ()):
        if path is not None and not isinstance(path, str | os.PathLike):
            raise ArgumentTypeError(f"to must be the path of a Parquet file, not {type(path).__name__}.")
        self._path = None if path is None else os.path.expanduser(os.fspath(path))
        self._by = list(by)
        self._frames: list[pd.DataFrame] = []
        self._writer: Any = None
        if self._path is not None:
            _require_pyarrow()

    @property
    def frame(self) -> "pd.DataFrame | None":
        """The frames as one; None where they are in the file."""
        if self._path is not None:
            return None
        import pandas as pd

        if len(self._frames) == 1:
            return self._frames[0]
        together = pd.concat(self._frames, ignore_index=True)
        return together.sort_values(self._by, ignore_index=True) if self._by else together

    def add(self, frame: "pd.DataFrame") -> None:
        """Add rows."""
        if self._path is None:
            self._frames.append(frame)
            return
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
        try:
            if self._writer is None:
                self._writer = pq.ParquetWriter(self._path + ".part", table.schema)
            self._writer.write_table(table.cast(self._writer.schema))
        except OSError as problem:
            raise DataError(f"the file {self._path!r} cannot be written: {problem}") from problem

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is None or self._path is None:
            return
        self._writer.close()
        if kind is None:
            os.replace(self._path + ".part", self._path)
        else:
            os.remove(self._path + ".part")


def _require_pyarrow() -> None:
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        raise MissingExtraError("a Parquet file is written by pyarrow: pip install pyarrow.") from None
