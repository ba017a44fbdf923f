"""Data in files."""

import pathlib
from typing import Any

from ranef.data.sources import DeferredSource
from ranef.errors import DataError

# Read as missing in a CSV file, quoted or not, in columns of every kind: what R writes, and an empty field. The other words that some programs take for
# missing (None, null, N/A) are as often names of levels, whose rows would be lost without a word; NaN and nan are numbers in a column of numbers.
_MISSING = ["", "NA"]


def source_from_path(path: str | pathlib.Path) -> DeferredSource:
    """Open a Parquet, Feather (Arrow) or CSV file, by the ending of its name; its columns are read when they are needed.

    In a CSV file an empty field and ``NA`` are missing; so are ``NaN`` and ``nan`` in a column of numbers. Everything else, such as ``None``, is a value.
    """
    path = pathlib.Path(path).expanduser()
    endings = [s.lower() for s in path.suffixes]
    if endings and endings[-1] in (".gz", ".bz2", ".zst"):
        endings.pop()
    ending = endings[-1] if endings else ""
    openers = {
        ".parquet": _parquet,
        ".pq": _parquet,
        ".feather": _feather,
        ".arrow": _feather,
        ".csv": _csv,
        ".tsv": _csv,
    }
    if ending not in openers:
        raise DataError(f"cannot tell what kind of file {str(path)!r} is; its name should end in {', '.join(openers)}.")
    if not path.is_file():
        raise DataError(f"there is no file {str(path)!r} (looked for in {pathlib.Path.cwd()}).")
    import pyarrow as pa

    try:
        return openers[ending](path)
    except (pa.ArrowException, OSError) as problem:
        raise DataError(f"the file {str(path)!r} cannot be read: {problem}") from None


def _parquet(path: pathlib.Path) -> DeferredSource:
    import pyarrow.parquet as pq

    names = pq.read_schema(path).names
    return DeferredSource(
        names, lambda columns: _read(path, lambda: pq.read_table(path, columns=columns)), f"the file {path.name!r}"
    )


def _feather(path: pathlib.Path) -> DeferredSource:
    import pyarrow as pa
    from pyarrow import feather

    with pa.memory_map(str(path)) as mapped:
        names = pa.ipc.open_file(mapped).schema.names
    return DeferredSource(
        names, lambda columns: _read(path, lambda: feather.read_table(path, columns=columns)), f"the file {path.name!r}"
    )


def _csv(path: pathlib.Path) -> DeferredSource:
    from pyarrow import csv

    parse = csv.ParseOptions(delimiter="\t" if ".tsv" in path.suffixes else ",", newlines_in_values=True)

    def convert(columns: list[str] | None) -> Any:
        return csv.ConvertOptions(include_columns=columns, null_values=_MISSING, strings_can_be_null=True)

    with csv.open_csv(path, parse_options=parse) as reader:
        names = reader.schema.names
    return DeferredSource(
        names,
        lambda columns: _read(path, lambda: csv.read_csv(path, parse_options=parse, convert_options=convert(columns))),
        f"the file {path.name!r}",
    )


def _read(path: pathlib.Path, read: Any) -> Any:
    import pyarrow as pa

    try:
        return read()
    except (pa.ArrowException, OSError) as problem:
        raise DataError(f"the file {str(path)!r} cannot be read: {problem}") from None
