"""What a fit has done so far, in a file from which the same call goes on: how it is written and
read, and where the search of the iterative solver stands in it.
"""

import hashlib
import io
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.design.record import Design
from ranef.errors import ArgumentTypeError, DataError
from ranef.fit.archive import read_archive, write_archive
from ranef.fit.control import FitControl

Floats = NDArray[np.float64]

#: First bytes of such a file; the last one is the version.
MAGIC = b"ranef checkpoint\x02"

KIND = "Checkpoint"

_AGAIN = "Remove it to begin anew."


class CheckpointFile:
    """A file of named arrays, numbers and texts, that is of one fit.

    Parameters
    ----------
    path : path
        Where it is, or will be.
    made_for : mapping
        What the fit is of, by names for messages.

    Attributes
    ----------
    held : dict or None
        What the file has; None where there is none yet.

    Raises
    ------
    DataError
        If there is one of another fit, a damaged one, or the place cannot be written to.
    """

    def __init__(self, path: str | os.PathLike[str], made_for: Mapping[str, str]):
        self._path = checkpoint_path(path)
        self._made_for = dict(made_for)
        self._check_place()
        self.held = self._read()

    def write(self, **held: Any) -> None:
        """Put the file in place of the one before, with what is given beside what it has.

        Raises
        ------
        DataError
            If it cannot be written; the one before is then as it was.
        """
        held = {**(self.held or {}), **held}
        content = io.BytesIO()
        write_archive(content, KIND, {**held, "made_for": self._made_for})
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
        self.held = held

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
        if head[:-1] != MAGIC[:-1]:
            raise DataError(f"{str(self._path)!r} is not a checkpoint of a fit; give another path.")
        if head != MAGIC:
            raise DataError(f"the checkpoint {str(self._path)!r} is of another version of ranef. {_AGAIN}")
        if hashlib.sha256(body).digest() != digest:
            raise DataError(f"the checkpoint {str(self._path)!r} is damaged or cut. {_AGAIN}")
        kind, held = read_archive(io.BytesIO(body))
        if kind != KIND:
            raise DataError(f"{str(self._path)!r} is not a checkpoint of a fit; give another path.")
        if different := _difference(held.pop("made_for"), self._made_for):
            raise DataError(
                f"the checkpoint {str(self._path)!r} was made by another fit: {different}. Remove it to begin anew, or "
                "give another path."
            )
        return dict(held)


def checkpoint_path(path: object) -> Path:
    """The argument ``checkpoint``, checked."""
    if not isinstance(path, str | os.PathLike):
        raise ArgumentTypeError(f"checkpoint must be the path of a file, not {type(path).__name__}.")
    return Path(os.path.expanduser(os.fspath(path)))


def _difference(was: Mapping[str, str], now: Mapping[str, str]) -> str:
    """The first thing that differs, in words; empty where nothing does."""
    for name, value in now.items():
        if name not in was:
            return f"{name} is new"
        if was[name] != value:
            return f"{name} was {was[name]!s:.80} and is {value!s:.80}"
    gone = [name for name in was if name not in now]
    return f"{gone[0]} is gone" if gone else ""


def kept_search(
    design: Design, how: Mapping[str, object], control: FitControl
) -> tuple[Floats | None, Callable[[Floats], None] | None]:
    """Where an earlier search of the same model stood, and what is called with where one stands;
    None where nothing is kept.

    Parameters
    ----------
    design : Design
    how : mapping
        What else the search depends on; one that was made otherwise is not gone on with.
    control : FitControl
        It says where.
    """
    place = control.checkpoint
    if place is None:
        return None, None
    if isinstance(place, Path):
        place = CheckpointFile(place, {"the formula": str(design.formula), "the rows": _checksum(design)})
    file = place
    how = {**how, **{name: getattr(control, name) for name in ("tolerance", "probes", "seed")}}
    texts = {name: v.tolist() if isinstance(v, np.ndarray) else v for name, v in how.items()}
    made = ", ".join(f"{name} {value}" for name, value in texts.items())
    held = file.held or {}
    stood = np.asarray(held["search"], dtype=np.float64) if held.get("search_by") == made else None

    def keep(numbers: Floats) -> None:
        file.write(search=numbers, search_by=made)

    return stood, keep


def _checksum(design: Design) -> str:
    """Of all numbers that the fit depends on."""
    found = hashlib.sha256()
    arrays: list[NDArray[Any]] = [design.x, design.y]
    arrays += [a for a in (design.weights, design.offset) if a is not None]
    for term in design.random:
        found.update(term.text.encode())
        arrays += [term.codes, term.z]
    for array in arrays:
        found.update(np.ascontiguousarray(array).data)
    return f"{len(design.y):,}, checksum {found.hexdigest()[:16]}"
