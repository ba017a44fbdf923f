"""Parts of data that can be sent to another process and read there."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ranef.data.batches import BATCH, Batches, sources_of
from ranef.data.file_set import FileSet, file_set, single_file
from ranef.errors import DataError


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A part of the data.

    Attributes
    ----------
    name : str
        Its name in the sums, where it counts once.
    what : str
        For messages.
    data : object
        What `sources_of` takes, or a `OneFile`.
    """

    name: str
    what: str
    data: Any

    def source(self) -> Batches:
        """The part, opened."""
        if isinstance(self.data, OneFile):
            return self.data.source(self.what)
        (found,) = sources_of(self.data)
        return found

    def __repr__(self) -> str:
        return f"Piece({self.name!r})"


@dataclass(frozen=True, slots=True, eq=False)
class OneFile:
    """One of several files, with the types that its columns have in all of them."""

    files: FileSet
    number: int
    types: dict[str, Any]

    def source(self, what: str) -> Batches:
        """The file in batches."""
        names = tuple(self.files.names)
        files, number, types = self.files, self.number, self.types

        def read(chosen: list[str]) -> Any:
            return files.piece(number, {n: types[n] for n in chosen}, BATCH)

        return Batches(names, read, files.files[number].count_rows, what)


def pieces_of(data: Any, used: Callable[[list[str]], list[str]]) -> list[Piece]:
    """The parts of data: those of a list, the files of a folder or pattern, the fragments of a
    dataset; anything else is one part.

    Parameters
    ----------
    data : object
    used : callable
        Gives the columns in use, of those that there are.

    Raises
    ------
    DataError
        If there are none, or one is listed twice.
    """
    if isinstance(data, list | tuple):
        found = [_listed(part, i) for i, part in enumerate(data, start=1)]
    elif isinstance(data, str | os.PathLike):
        found = _of_path(os.fspath(data), used)
    else:
        found = _of_dataset(data) or [Piece("part 1", "the data", data)]
    if not found:
        raise DataError("the data have no parts.")
    seen = set()
    for piece in found:
        if piece.name in seen:
            raise DataError(f"{piece.what} is listed twice; each part counts once.")
        seen.add(piece.name)
    return found


def _listed(part: Any, number: int) -> Piece:
    if isinstance(part, str | os.PathLike):
        path = os.fspath(part)
        there = path if "://" in path else os.path.abspath(os.path.expanduser(path))
        return Piece(there, f"the file {path!r}", there)
    return Piece(f"part {number}", f"part {number} of the data", part)


def _of_path(path: str, used: Callable[[list[str]], list[str]]) -> list[Piece]:
    full = os.path.abspath(os.path.expanduser(path)) if "://" not in path else path
    files = file_set(full) or single_file(full)
    if files is None:
        return [Piece(full, f"the file {path!r}", full)]
    types = files.types(used(files.names))
    return [
        Piece(str(f.path), f"the file {f.path.name!r}", OneFile(files, i, types)) for i, f in enumerate(files.files)
    ]


def _of_dataset(data: Any) -> list[Piece]:
    """The fragments of a dataset of files, each as a dataset of its own."""
    if type(data).__name__ != "FileSystemDataset":
        return []
    import pyarrow.dataset

    made = pyarrow.dataset.FileSystemDataset
    try:
        fragments = list(data.get_fragments())
    except ValueError:  # one with a filter, or with columns that are computed
        return []
    return [
        Piece(str(f.path), f"the file {f.path!r}", made([f], data.schema, data.format, data.filesystem))
        for f in fragments
    ]
