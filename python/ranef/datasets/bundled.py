"""The data sets that come with the package."""

import difflib
import functools
import pathlib
import tomllib
from typing import TYPE_CHECKING, Any

from ranef.errors import ArgumentTypeError, DataError, OptionError
from ranef.known_arguments import known_arguments

if TYPE_CHECKING:
    import pandas as pd

_FOLDER = pathlib.Path(__file__).parent
_FRAMES = ("pandas", "polars", "pyarrow")


@functools.cache
def registry() -> dict[str, dict[str, Any]]:
    """What is known of each data set:
    title, description, source, origin, licence, rows, columns and the SHA-256 of its file.
    """
    with (_FOLDER / "registry.toml").open("rb") as file:
        entries = tomllib.load(file)
    for entry in entries.values():
        entry["description"] = " ".join(entry["description"].split())
    return entries


def dataset_path(name: str) -> pathlib.Path:
    """The Parquet file of a data set, its name spelled as in the registry."""
    return _FOLDER / "files" / f"{name}.parquet"


@known_arguments
def load_dataset(name: str, frame: str = "pandas") -> Any:
    """Load one of the data sets that come with the package; no network is needed.

    Parameters
    ----------
    name : str
        Name in any case, such as ``"exam"`` or ``"sleepstudy"``; :func:`list_datasets` shows all.
    frame : {"pandas", "polars", "pyarrow"}
        Kind of frame to return.

    Returns
    -------
    pandas.DataFrame, polars.DataFrame or pyarrow.Table
        A fresh copy. Factors are categoricals with their levels in order (in polars Enums, which
        cannot record whether the order is meant). ``attrs`` of a pandas frame, and the schema
        metadata of an Arrow table, hold ``name``, ``title``, ``description``, ``source``,
        ``origin`` and ``licence``.

    Raises
    ------
    DataError
        If there is no such data set; the message lists similar names.

    Examples
    --------
    >>> from ranef import load_dataset
    >>> load_dataset("sleepstudy").head(2)
       Reaction  Days Subject
    0  249.5600   0.0     308
    1  258.7047   1.0     308
    """
    if not isinstance(name, str):
        raise ArgumentTypeError(
            f"name should be the name of a data set, such as 'sleepstudy'; this is a {type(name).__name__}."
        )
    if frame not in _FRAMES:
        raise OptionError(f"frame should be one of {', '.join(map(repr, _FRAMES))}, not {frame!r}.")
    import pyarrow.parquet as pq

    name = _spelled(name)
    about = {"name": name} | {k: registry()[name][k] for k in ("title", "description", "source", "origin", "licence")}
    table = pq.read_table(dataset_path(name))
    if frame == "pyarrow":
        return table.replace_schema_metadata(about)
    if frame == "polars":
        return _polars(table)
    data = table.to_pandas()
    data.attrs.update(about)
    return data


def list_datasets() -> "pd.DataFrame":
    """List the data sets that come with the package.

    Returns
    -------
    pandas.DataFrame
        One row for each, with the columns ``name``, ``rows``, ``columns`` (their number), ``title``
        and ``source``.

    Examples
    --------
    >>> from ranef import list_datasets
    >>> list_datasets().set_index("name")["title"]["sleepstudy"]
    'Reaction times of sleep-deprived people'
    """
    import pandas as pd

    rows = [
        {"name": name, "rows": e["rows"], "columns": len(e["columns"]), "title": e["title"], "source": e["source"]}
        for name, e in sorted(registry().items(), key=lambda item: item[0].lower())
    ]
    return pd.DataFrame(rows)


def _spelled(name: str) -> str:
    """The registry's spelling of a name."""
    names = {n.lower(): n for n in registry()}
    try:
        return names[name.strip().lower()]
    except KeyError:
        close = difflib.get_close_matches(name.lower(), names, n=3, cutoff=0.5)
        hint = f" Did you mean {' or '.join(repr(names[c]) for c in close)}?" if close else ""
        raise DataError(
            f"there is no data set {name!r}.{hint} There are: {', '.join(sorted(names.values(), key=str.lower))}."
        ) from None


def _polars(table: Any) -> Any:
    try:
        import polars as pl
    except ImportError:
        raise OptionError("frame='polars' needs polars, which is not installed: pip install polars.") from None
    import pyarrow as pa

    columns = []
    for field in table.schema:
        values = table.column(field.name)
        if pa.types.is_dictionary(field.type):
            chunk = values.unify_dictionaries().combine_chunks()
            if isinstance(chunk, pa.ChunkedArray):
                chunk = chunk.chunk(0)
            levels = pl.Enum(chunk.dictionary.to_pylist())
            columns.append(pl.Series(field.name, chunk.dictionary_decode()).cast(levels))
        else:
            columns.append(pl.Series(field.name, values))
    return pl.DataFrame(columns)
