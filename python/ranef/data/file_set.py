"""Several files as one source of batches: the Parquet, Arrow or text files of a folder, or those
whose names have a pattern.
"""

import glob
import pathlib
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ranef.data.file_batches import ArrowFile, DataFile, ParquetFile
from ranef.data.text_batches import TextFile, text_types
from ranef.errors import DataError

#: Kinds of files by ending, in the order in which a folder is searched for them.
_KINDS: tuple[tuple[type[DataFile], tuple[str, ...]], ...] = (
    (ParquetFile, (".parquet", ".pq")),
    (ArrowFile, (".feather", ".arrow", ".arrows", ".ipc")),
    (TextFile, (".csv", ".tsv", ".tab", ".txt")),
)

_COMPRESSED = (".gz", ".bz2", ".zst")

#: Directory names with the value of a column, as Hive writes them; this is a missing value.
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


def kind_of_file(path: pathlib.Path) -> type[DataFile] | None:
    """How a file is read in batches, by its ending; None for one that is not."""
    endings = [s.lower() for s in path.suffixes]
    if len(endings) > 1 and endings[-1] in _COMPRESSED:
        endings.pop()
    ending = endings[-1] if endings else ""
    return next((kind for kind, known in _KINDS if ending in known), None)


@dataclass(frozen=True, slots=True, eq=False)
class FileSet:
    """Files with the same columns.

    Attributes
    ----------
    files : tuple of DataFile
        Sorted by name.
    what : str
        For messages.
    partitions : tuple of dict
        For each file the values of columns that its folders are named after.
    """

    files: tuple[DataFile, ...]
    what: str
    partitions: tuple[dict[str, str | None], ...]

    @property
    def names(self) -> list[str]:
        """All columns: those of the first file, and those of the folders."""
        first = self.files[0].schema.names
        return [*first, *(n for n in self.partitions[0] if n not in first)]

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know of how the files are read."""
        found = [(f.path.name, f.differences) for f in self.files if isinstance(f, TextFile) and f.differences]
        more = f" and {len(found) - 1} others" if len(found) > 1 else ""
        return (f"the file {found[0][0]!r}{more} was read with {found[0][1]}",) if found else ()

    def count_rows(self) -> int:
        """Number of rows."""
        return sum(f.count_rows() for f in self.files)

    def parts(self, size: int) -> "list[tuple[str, Callable[[Sequence[str]], Iterator[Any]], Callable[[], int]]]":
        """What each file is called, its batches of some columns, and its number of rows."""
        known: dict[tuple[str, ...], dict[str, Any]] = {}

        def types(names: Sequence[str]) -> dict[str, Any]:
            key = tuple(names)
            if key not in known:
                known[key] = self.types(names)
            return known[key]

        def reader(i: int) -> Callable[[Sequence[str]], Iterator[Any]]:
            return lambda names: self._read(i, names, types(names), size)

        return [(f"the file {f.path.name!r}", reader(i), f.count_rows) for i, f in enumerate(self.files)]

    def piece(self, i: int, types: dict[str, Any], size: int) -> Iterator[Any]:
        """Batches of one file, of the columns whose types are given."""
        return self._read(i, list(types), types, size)

    def read(self, names: Sequence[str]) -> Any:
        """These columns of all rows, as an Arrow table."""
        import pyarrow as pa

        types = self.types(names)
        schema = pa.schema([(n, types[n]) for n in names])
        return pa.Table.from_batches(
            [b for i in range(len(self.files)) for b in self._read(i, names, types, 1 << 20)], schema
        )

    def types(self, names: Sequence[str]) -> dict[str, Any]:
        """One type for each column, which holds what all files have there.

        Raises
        ------
        DataError
            If a column is missing in a file, or holds other things than in the files before.
        """
        inside = [n for n in names if n not in self.partitions[0]]
        if isinstance(self.files[0], TextFile):
            for file in self.files:
                _present(file, inside)
            found = text_types([f for f in self.files if isinstance(f, TextFile)], inside)
        else:
            found = {n: self._common_type(n) for n in inside}
        for name in names:
            if name not in found:
                found[name] = _type_of_texts([p.get(name) for p in self.partitions])
        return found

    def _common_type(self, name: str) -> Any:
        kind: Any = None
        first: DataFile | None = None
        for file in self.files:
            _present(file, [name])
            here = file.schema.field(name).type
            joined = here if kind is None else joined_type(kind, here)
            if joined is None:
                assert first is not None
                raise DataError(
                    f"column {name!r} is {here} in the file {str(file.path)!r} and {kind} in "
                    f"{str(first.path)!r}; make it the same in all files."
                )
            if joined != kind:
                kind, first = joined, file
        return kind

    def _read(self, i: int, names: Sequence[str], types: dict[str, Any], size: int) -> Iterator[Any]:
        import pyarrow as pa

        file, own = self.files[i], self.partitions[i]
        inside = [n for n in names if n not in own]
        schema = pa.schema([(n, types[n]) for n in names])
        for batch in file.batches(inside, types, size):
            n = batch.num_rows
            columns = []
            for name in names:
                if name in own:
                    columns.append(pa.repeat(pa.scalar(own[name], pa.string()).cast(types[name]), n))
                    continue
                column = batch.column(name)
                try:
                    columns.append(column if column.type == types[name] else column.cast(types[name]))
                except pa.ArrowException as problem:
                    raise DataError(
                        f"column {name!r} of the file {str(file.path)!r} is {column.type} and does not go "
                        f"into {types[name]}, which other files have there: {problem}"
                    ) from None
            yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _present(file: DataFile, names: Iterable[str]) -> None:
    have = file.schema.names
    for name in names:
        if name not in have:
            raise DataError(
                f"the file {str(file.path)!r} has no column {name!r}, which other files have; it has "
                f"{', '.join(map(repr, have[:20]))}."
            )
        if have.count(name) > 1:
            raise DataError(f"the file {str(file.path)!r} has {have.count(name)} columns called {name!r}.")


def joined_type(a: Any, b: Any) -> Any:
    """A type that holds both; None where there is none without making text of numbers."""
    import pyarrow as pa

    t = pa.types
    if a == b or t.is_null(b):
        return a
    if t.is_null(a):
        return b

    def plain(x: Any) -> Any:
        return x.value_type if t.is_dictionary(x) else x

    def textual(x: Any) -> bool:
        return bool(t.is_string(x) or t.is_large_string(x) or t.is_string_view(x))

    def number(x: Any) -> bool:
        return bool(t.is_integer(x) or t.is_floating(x) or t.is_decimal(x))

    if t.is_dictionary(a) or t.is_dictionary(b):
        same = textual(plain(a)) and textual(plain(b))
        if t.is_dictionary(a) and t.is_dictionary(b) and same and a.ordered == b.ordered:
            return pa.dictionary(pa.int32(), pa.large_string(), a.ordered)
        return pa.large_string() if same else None
    if textual(a) and textual(b):
        return pa.large_string()
    if number(a) and number(b):
        return pa.int64() if t.is_signed_integer(a) and t.is_signed_integer(b) else _number_type(a, b)
    if (t.is_timestamp(a) or t.is_date(a)) and (t.is_timestamp(b) or t.is_date(b)):
        return pa.timestamp("ns")
    return None


def _number_type(a: Any, b: Any) -> Any:
    import pyarrow as pa

    t = pa.types
    if t.is_integer(a) and t.is_integer(b):
        both_small = all(x.bit_width < 64 or t.is_signed_integer(x) for x in (a, b))
        return (
            pa.uint64()
            if t.is_unsigned_integer(a) and t.is_unsigned_integer(b)
            else (pa.int64() if both_small else pa.float64())
        )
    return pa.float64()


def _type_of_texts(values: list[str | None]) -> Any:
    """Of values that folders are named after."""
    import pyarrow as pa

    known = [v for v in values if v is not None]

    def whole(v: str) -> bool:
        digits = v.removeprefix("-")
        return digits.isascii() and digits.isdigit() and (digits == "0" or not digits.startswith("0")) and len(v) < 19

    return pa.int64() if known and all(map(whole, known)) else pa.string()


def _partition(path: pathlib.Path, base: pathlib.Path) -> dict[str, str | None]:
    out: dict[str, str | None] = {}
    for folder in path.relative_to(base).parts[:-1]:
        name, equals, value = folder.partition("=")
        if equals and name:
            out[name] = None if value == _NO_VALUE else urllib.parse.unquote(value)
    return out


def file_set(path: str | pathlib.Path) -> FileSet | None:
    """The files of a folder, or those with names of a pattern such as ``"big/*.parquet"``; None for
    another path.

    Raises
    ------
    DataError
        If no file has such a name, or files of several kinds have.
    """
    if "://" in str(path):
        return None
    path = pathlib.Path(path).expanduser()
    if path.is_dir():
        return _of_folder(path)
    if path.exists() or not any(c in str(path) for c in "*?["):
        return None
    found = sorted(f for f in map(pathlib.Path, glob.glob(str(path), recursive=True)) if f.is_file())
    if not found:
        raise DataError(f"no file has a name like {str(path)!r} (looked for in {pathlib.Path.cwd()}).")
    kinds = {kind_of_file(f) for f in found}
    if len(kinds) > 1 or None in kinds:
        odd = next((f for f in found if kind_of_file(f) is None), found[-1])
        raise DataError(
            f"files with names like {str(path)!r} should all be Parquet, all Arrow (Feather) or all text files; "
            f"{found[0].name!r} and {odd.name!r} are not."
        )
    (kind,) = kinds
    assert kind is not None
    fixed = path
    while any(c in str(fixed) for c in "*?["):
        fixed = fixed.parent
    return _made(kind, found, fixed, f"the files {str(path)!r}")


def _of_folder(path: pathlib.Path) -> FileSet | None:
    files = [
        f
        for f in path.rglob("*")
        # .txt is as often a note on the data
        if f.is_file()
        and ".txt" not in f.suffixes
        and not any(p[0] in "._" and "=" not in p for p in f.relative_to(path).parts)
    ]
    for kind, _ in _KINDS:
        found = sorted(f for f in files if kind_of_file(f) is kind)
        if found:
            return _made(kind, found, path, f"the folder {str(path)!r}")
    return None


def single_file(path: str | pathlib.Path) -> FileSet | None:
    """One file that can be read in batches; None for another path."""
    path = pathlib.Path(path).expanduser()
    kind = kind_of_file(path)
    if kind is None or not path.is_file():
        return None
    return _made(kind, [path], path.parent, f"the file {path.name!r}")


def _made(kind: type[DataFile], files: list[pathlib.Path], base: pathlib.Path, what: str) -> FileSet:
    partitions = tuple(_partition(f, base) for f in files)
    for file, own in zip(files, partitions, strict=True):
        if own.keys() != partitions[0].keys():
            raise DataError(
                f"the folders of {str(file)!r} name the columns {', '.join(own) or 'none'}, and those of "
                f"{str(files[0])!r} {', '.join(partitions[0]) or 'none'}; all files should lie equally deep."
            )
    return FileSet(tuple(map(kind, files)), what, partitions)
