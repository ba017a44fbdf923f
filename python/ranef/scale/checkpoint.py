"""What a fit of streamed data has done so far, in a file from which the same call goes on."""

import hashlib
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ranef.data.batches import Batches
from ranef.errors import ArgumentTypeError, DataError
from ranef.fit.archive import read_archive, write_archive
from ranef.scale.asked import Asked
from ranef.scale.columns import row_hashes
from ranef.scale.statistic import Statistic
from ranef.scale.survey import described

#: First bytes of such a file; the last one is the version.
MAGIC = b"ranef checkpoint\x01"

KIND = "Checkpoint"

#: Batches after which the sums are written, half a minute's work or so. Not by the clock: sums that
#: are written are read back, so that a fit that goes on has the bits of one that never stopped.
BATCHES = 32


class Checkpoint:
    """A file with the sums so far.

    Parameters
    ----------
    path : path
        Where it is, or will be.
    asked : Asked
        The arguments of the fit.
    sources : sequence of Batches
        The data.

    Raises
    ------
    DataError
        If there is one of another fit, a damaged one, or the place cannot be written to.
    """

    def __init__(self, path: str | os.PathLike[str], asked: Asked, sources: Sequence[Batches]):
        if not isinstance(path, str | os.PathLike):
            raise ArgumentTypeError(f"checkpoint must be the path of a file, not {type(path).__name__}.")
        self._path = Path(os.path.expanduser(os.fspath(path)))
        self._made_for = made_for(asked, sources)
        self._check_place()
        self._held = self._read()

    @property
    def sums(self) -> Statistic | None:
        """The sums so far, without rows where only the survey is done; None before."""
        return None if self._held is None else Statistic.from_bytes(self._held["sums"].tobytes())

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

    def write(self, sums: Statistic, done: tuple[int, int], n_surveyed: int | None) -> Statistic:
        """Put the file in place of the one before, and give the sums as they will be read.

        Raises
        ------
        DataError
            If it cannot be written; the one before is then as it was.
        """
        written = sums.to_bytes()
        content = io.BytesIO()
        held = {"sums": np.frombuffer(written, dtype=np.uint8), "done": list(done), "n_surveyed": n_surveyed}
        write_archive(content, KIND, {"made_for": self._made_for, **held})
        body = content.getvalue()
        temporary = self._temporary()
        try:
            with temporary.open("wb") as file:
                file.write(MAGIC + hashlib.sha256(body).digest() + body)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self._path)
        except OSError as problem:
            raise DataError(
                f"the checkpoint {str(self._path)!r} cannot be written: {problem.strerror or problem}. The one before "
                "is as it was: give more room, and the same call goes on from it."
            ) from None
        finally:
            temporary.unlink(missing_ok=True)
        self._held = held
        return Statistic.from_bytes(written)

    def _temporary(self) -> Path:
        return self._path.with_name(f"{self._path.name}.{os.getpid()}.partial")

    def _check_place(self) -> None:
        """See before hours of work that the file can be written."""
        temporary = self._temporary()
        try:
            with temporary.open("wb"):
                pass
            temporary.unlink()
        except OSError as problem:
            raise DataError(
                f"the checkpoint {str(self._path)!r} cannot be written: {problem.strerror or problem}. Give a path in "
                "a folder that can be written to."
            ) from None

    def _read(self) -> dict[str, Any] | None:
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as problem:
            raise DataError(
                f"the checkpoint {str(self._path)!r} cannot be read: {problem.strerror or problem}."
            ) from None
        size = len(MAGIC)
        head, digest, body = content[:size], content[size : size + 32], content[size + 32 :]
        again = "Remove it to begin anew."
        if head[:-1] != MAGIC[:-1]:
            raise DataError(f"{str(self._path)!r} is not a checkpoint of a fit; give another path.")
        if head != MAGIC:
            raise DataError(f"the checkpoint {str(self._path)!r} is of another version of ranef. {again}")
        if hashlib.sha256(body).digest() != digest:
            raise DataError(f"the checkpoint {str(self._path)!r} is damaged or cut. {again}")
        kind, held = read_archive(io.BytesIO(body))
        if kind != KIND:
            raise DataError(f"{str(self._path)!r} is not a checkpoint of a fit; give another path.")
        if different := _difference(held["made_for"], self._made_for):
            raise DataError(
                f"the checkpoint {str(self._path)!r} was made by another fit: {different}. Remove it to begin anew, or "
                "give another path."
            )
        return held


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


def _difference(was: dict[str, str], now: dict[str, str]) -> str:
    """The first thing that differs, in words; empty where nothing does."""
    for name, value in now.items():
        if name not in was:
            return f"{name} is new"
        if was[name] != value:
            return f"{name} was {was[name]!s:.80} and is {value!s:.80}"
    gone = [name for name in was if name not in now]
    return f"{gone[0]} is gone" if gone else ""
