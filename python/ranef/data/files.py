"""Data in files."""

import pathlib
import warnings
from collections.abc import Callable
from typing import Any

from ranef.data.file_set import file_set
from ranef.data.sources import ArrowSource, DeferredSource, PandasSource, Source, source_in_memory
from ranef.data.text_layout import MISSING_TEXT, text_layout, usual_layout
from ranef.data.value_labels import (
    partly_labelled,
    with_labels,
    without_partial_labels,
)
from ranef.errors import DataError

_COMPRESSED = (".gz", ".bz2", ".zst")


def source_from_path(path: str | pathlib.Path) -> Source:
    """Open a file of data, by the ending of its name.

    Parquet, Feather (Arrow) and text files are read column by column when they are needed. Text
    files are separated by commas, semicolons, tabs or bars, with decimal points or commas, in
    UTF-8, UTF-16 or Latin-1, whatever they turn out to be; an empty field and ``NA`` are missing,
    and so are ``NaN`` and ``nan`` in a column of numbers. Everything else, such as ``None``, is a
    value. Files of Excel, SPSS, Stata, SAS and R are read whole, by pandas, pyreadstat and pyreadr.
    Value labels of SPSS and Stata make a factor of a column if all its values have one.

    Raises
    ------
    DataError
        When there is no such file, its kind is not known, or it cannot be read.
    """
    if "://" in str(path):
        raise DataError(
            f"{str(path)!r} is an address, and data are read from files; give a frame that another library has read, "
            "such as polars.scan_parquet(address)."
        )
    files = file_set(path)
    if files is not None:
        return DeferredSource(files.names, files.read, files.what, files.notes)
    path = pathlib.Path(path).expanduser()
    endings = [s.lower() for s in path.suffixes]
    if endings and endings[-1] in _COMPRESSED:
        endings.pop()
    ending = endings[-1] if endings else ""
    if path.is_dir():
        raise DataError(f"{str(path)!r} is a folder without Parquet, Arrow (Feather) or CSV files.")
    if ending not in _OPENERS:
        raise DataError(
            f"cannot tell what kind of file {str(path)!r} is; its name should end in {', '.join(_OPENERS)}."
            + ("" if path.exists() or ending else f" If a bundled data set is meant, give load_dataset({str(path)!r}).")
        )
    if not path.is_file():
        raise DataError(f"there is no file {str(path)!r} (looked for in {pathlib.Path.cwd()}).")
    import pyarrow as pa

    try:
        return _OPENERS[ending](path, ending)
    except UnicodeError:
        raise DataError(f"the file {str(path)!r} cannot be read: its content is not text.") from None
    except (pa.ArrowException, OSError) as problem:
        raise _unreadable(path, problem) from None


def _parquet(path: pathlib.Path, ending: str) -> Source:
    import pyarrow.parquet as pq

    names = pq.read_schema(path).names
    return DeferredSource(
        names, lambda columns: _read(path, lambda: pq.read_table(path, columns=columns)), f"the file {path.name!r}"
    )


def _feather(path: pathlib.Path, ending: str) -> Source:
    import pyarrow as pa
    from pyarrow import feather

    with path.open("rb") as file:
        beginning = file.read(6)
    if beginning[:4] == b"FEA1":  # the first version of Feather, which is read whole
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return ArrowSource(feather.read_table(path))
    if beginning != b"ARROW1":
        with pa.memory_map(str(path)) as mapped, pa.ipc.open_stream(mapped) as stream:
            return ArrowSource(stream.read_all())
    with pa.memory_map(str(path)) as mapped:
        names = pa.ipc.open_file(mapped).schema.names
    return DeferredSource(
        names, lambda columns: _read(path, lambda: feather.read_table(path, columns=columns)), f"the file {path.name!r}"
    )


def _text(path: pathlib.Path, ending: str) -> Source:
    import pyarrow as pa
    from pyarrow import csv

    usual = usual_layout(path.suffixes)
    with pa.input_stream(str(path)) as stream:
        layout = text_layout(stream, usual)
    parse = csv.ParseOptions(delimiter=layout.separator, newlines_in_values=True)

    def read_options() -> Any:
        return csv.ReadOptions(encoding=layout.encoding, skip_rows=layout.skip)

    def convert(columns: list[str] | None) -> Any:
        return csv.ConvertOptions(
            include_columns=columns, null_values=MISSING_TEXT, strings_can_be_null=True, decimal_point=layout.decimal
        )

    with csv.open_csv(path, read_options=read_options(), parse_options=parse) as reader:
        names = reader.schema.names

    def collect(columns: list[str]) -> Any:
        return _read(
            path,
            lambda: csv.read_csv(
                path, read_options=read_options(), parse_options=parse, convert_options=convert(columns)
            ),
        )

    differs = layout.differences(usual)
    notes = (f"the file {path.name!r} was read with {differs}",) if differs else ()
    return DeferredSource(names, collect, f"the file {path.name!r}", notes)


def _excel(path: pathlib.Path, ending: str) -> Source:
    import pandas as pd

    needed = {".xls": "xlrd", ".ods": "odfpy", ".xlsb": "pyxlsb"}.get(ending, "openpyxl")

    def read() -> Source:
        with pd.ExcelFile(path) as book:
            names, frame = [str(n) for n in book.sheet_names], pd.read_excel(book)
        many = f"the file {path.name!r} has {len(names)} sheets; the first, {names[0]!r}, was read"
        notes = (many,) if len(names) > 1 else ()
        return DeferredSource(list(map(str, frame.columns)), lambda _: frame, f"the file {path.name!r}", notes)

    return _whole(path, read, f"{needed} (or python-calamine)", needed)


def _stata(path: pathlib.Path, ending: str) -> Source:
    import pandas as pd

    def read() -> Source:
        # Value labels have an order in every file; ordered categories would get polynomial
        # contrasts.
        frame = pd.read_stata(path, order_categoricals=False)
        partly = partly_labelled(frame)
        codes = pd.read_stata(path, columns=partly, convert_categoricals=False) if partly else None
        return without_partial_labels(frame, codes)

    return _whole(path, read)


def _spss(path: pathlib.Path, ending: str) -> Source:
    def read() -> Source:
        import pyreadstat

        opened = pyreadstat.read_por if ending == ".por" else pyreadstat.read_sav
        frame, about = opened(str(path))
        return with_labels(frame, about.variable_value_labels)

    return _whole(path, read, "pyreadstat", "pyreadstat")


def _sas(path: pathlib.Path, ending: str) -> Source:
    import pandas as pd

    encoding = "utf-8" if ending == ".xpt" else "infer"
    return _whole(path, lambda: pd.read_sas(path, encoding=encoding))


def _r(path: pathlib.Path, ending: str) -> Source:
    def read() -> Any:
        import pandas as pd
        import pyreadr

        frames = {name: f for name, f in pyreadr.read_r(str(path)).items() if isinstance(f, pd.DataFrame)}
        if len(frames) != 1:
            held = ", ".join(map(str, frames)) or "none"
            raise DataError(f"the file {str(path)!r} should hold one data frame; it holds {held}.")
        return next(iter(frames.values()))

    return _whole(path, read, "pyreadr", "pyreadr")


def _whole(path: pathlib.Path, read: Callable[[], Any], library: str = "", install: str = "") -> Source:
    """Read a file with another library, which is asked for where it is missing."""
    try:
        made = read()
        source = made if isinstance(made, DeferredSource | PandasSource) else source_in_memory(made)
    except ImportError as problem:
        if not install:
            raise
        raise DataError(
            f"files such as {path.name!r} are read with {library}, which is not installed: pip install {install}. "
            "Or read it yourself and give the data frame."
        ) from problem
    except DataError:
        raise
    except Exception as problem:  # of whatever class the library has
        raise _unreadable(path, problem) from problem
    assert source is not None
    return source


def _read(path: pathlib.Path, read: Any) -> Any:
    import pyarrow as pa

    try:
        return read()
    except (pa.ArrowException, OSError, UnicodeError) as problem:
        raise _unreadable(path, problem) from None


def _unreadable(path: pathlib.Path, problem: Exception) -> DataError:
    return DataError(f"the file {str(path)!r} cannot be read: {problem}")


_OPENERS: dict[str, Callable[[pathlib.Path, str], Source]] = {
    ".parquet": _parquet,
    ".pq": _parquet,
    ".feather": _feather,
    ".arrow": _feather,
    ".arrows": _feather,
    ".ipc": _feather,
    ".csv": _text,
    ".tsv": _text,
    ".tab": _text,
    ".txt": _text,
    ".xlsx": _excel,
    ".xlsm": _excel,
    ".xls": _excel,
    ".xlsb": _excel,
    ".ods": _excel,
    ".dta": _stata,
    ".sav": _spss,
    ".zsav": _spss,
    ".por": _spss,
    ".sas7bdat": _sas,
    ".xpt": _sas,
    ".rds": _r,
    ".rdata": _r,
    ".rda": _r,
}

#: Endings of the names of files that can be read.
ENDINGS = tuple(_OPENERS)
