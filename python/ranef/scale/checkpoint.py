"""What a fit of streamed data has done so far, in a file from which the same call goes on."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from ranef.data.batches import Batches
from ranef.fit.checkpoint_file import CheckpointFile, checkpoint_path
from ranef.scale.asked import Asked
from ranef.scale.columns import row_hashes
from ranef.scale.statistic import Statistic
from ranef.scale.survey import described

#: Batches after which the sums are written, half a minute's work or so. Not by the clock: sums that
#: are written are read back, so that a fit that goes on has the bits of one that never stopped.
BATCHES = 32


class Checkpoint:
    """A file with the sums so far, or with the survey where the rows themselves are kept, and with
    where the search of the iterative solver stands.

    Parameters
    ----------
    path : path
        Where it is, or will be.
    asked : Asked
        The arguments of the fit.
    sources : sequence of Batches
        The data.

    Attributes
    ----------
    file : CheckpointFile

    Raises
    ------
    DataError
        If there is one of another fit, a damaged one, or the place cannot be written to.
    """

    def __init__(self, path: str | os.PathLike[str], asked: Asked, sources: Sequence[Batches]):
        checkpoint_path(path)
        self.file = CheckpointFile(path, made_for(asked, sources))

    @property
    def _held(self) -> dict[str, Any] | None:
        return self.file.held

    @property
    def sums(self) -> Statistic | None:
        """The sums so far, without rows where only the survey is done; None before."""
        return None if self._held is None else Statistic.from_bytes(self._held["sums"].tobytes())

    @property
    def rows(self) -> str | None:
        """The kind of sums that keep the rows themselves, which are read again; None of others."""
        return None if self._held is None else self._held["rows"]

    @property
    def done(self) -> tuple[int, int]:
        """Sources, files apart, that are in the sums, and batches of the next one."""
        if self._held is None:
            return 0, 0
        units, batches = self._held["done"]
        return units, batches

    @property
    def n_surveyed(self) -> int | None:
        """Rows that the survey saw; None where there was none."""
        return None if self._held is None else self._held["n_surveyed"]

    def write(
        self, sums: Statistic, done: tuple[int, int], n_surveyed: int | None, rows: str | None = None
    ) -> Statistic:
        """Put the file in place of the one before, and give the sums as they will be read.

        Raises
        ------
        DataError
            If it cannot be written; the one before is then as it was.
        """
        written = sums.to_bytes()
        held = {"sums": np.frombuffer(written, dtype=np.uint8), "done": list(done), "n_surveyed": n_surveyed}
        self.file.write(**held, rows=rows)
        return Statistic.from_bytes(written)


def made_for(asked: Asked, sources: Sequence[Batches]) -> dict[str, str]:
    """What a fit is of, by names for messages."""
    out = {"the formula": str(asked.formula), "the arguments": described(asked)}
    for i, source in enumerate(sources, start=1):
        what = source.what if len(sources) == 1 else f"source {i}"
        out[f"the columns of {what}"] = ", ".join(source.names)
        units = source.parts or (source,)
        files = [u.file for u in units if u.file is not None]
        if len(files) == len(units):
            for file in files:
                out[f"the file {file!r}"] = _state(file)
        else:
            out[f"the rows of {what}"] = _rows(source, asked)
    return out


def _state(file: str) -> str:
    try:
        found = os.stat(file)
    except OSError:  # not of this machine
        return "unknown"
    return f"{found.st_size:,} bytes, changed {found.st_mtime_ns}"


def _rows(source: Batches, asked: Asked) -> str:
    """What can be said of rows that are not in files: how many, and where they are in memory a
    checksum.
    """
    if source.held is None:
        return f"{source.n_rows():,}"
    total = np.uint64(0)
    names = asked.column_names(source.names)
    for table in source.tables(names):
        with np.errstate(over="ignore"):
            total += row_hashes(table, names, table.n_rows).sum(dtype=np.uint64)
    return f"{source.n_rows():,}, checksum {int(total)}"
