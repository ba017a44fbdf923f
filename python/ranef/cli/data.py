"""The data of a command: a file, standard input, or a bundled data set."""

import atexit
import difflib
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from ranef.cli.ending import say
from ranef.errors import DataError

#: How files begin that are not text, and the ending of each.
_BEGINNINGS = (
    (b"PAR1", ".parquet"),
    (b"ARROW1", ".arrow"),
    (b"\xff\xff\xff\xff", ".arrow"),
    (b"PK\x03\x04", ".xlsx"),
    (b"\x1f\x8b", ".csv.gz"),
    (b"$FL2", ".sav"),
    (b"<stata_dta>", ".dta"),
)


def find_data(name: str) -> Any:
    """Return the path of a file, what standard input holds for ``-``, or the bundled data set of
    that name where there is no such file.

    Raises
    ------
    DataError
        When there is neither.
    """
    if name == "-":
        return _standard_input()
    from ranef.datasets import load_dataset, registry

    names = {known.lower(): known for known in registry()}
    bundled = names.get(name.lower())
    if Path(name).expanduser().is_file():
        if bundled is not None:
            say(f"reading the file {name!r}; the bundled data set {bundled!r} has the same name and is not used")
        return name
    if bundled is not None:
        return load_dataset(bundled)
    if Path(name).is_dir():
        raise DataError(f"{name!r} is a folder; give the path of one file of data.")
    if "://" in name:
        raise DataError(f"{name!r} is an address, and data are read from files; pipe it in: curl {name} | ranef ... -")
    close = [names[n] for n in difflib.get_close_matches(name.lower(), names, n=3, cutoff=0.6)]
    hint = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
    raise DataError(
        f"there is no file {name!r}, and no bundled data set has this name.{hint} Give the path of a file, - for "
        "standard input, or one of the names that 'ranef datasets' lists."
    )


def _standard_input() -> str:
    """The path of a file with what standard input holds, which the end of the process removes."""
    if sys.stdin.isatty():
        raise DataError("- is for data that are piped in, as in: cat study.csv | ranef fit 'y ~ x + (1 | g)' -")
    content = sys.stdin.buffer.read()
    if not content.strip():
        raise DataError("standard input is empty; it should hold data, such as the text of a CSV file.")
    folder = tempfile.mkdtemp(prefix="ranef-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    ending = next((e for begins, e in _BEGINNINGS if content.startswith(begins)), ".csv")
    path = Path(folder) / f"stdin{ending}"
    path.write_bytes(content)
    return str(path)


def complete_data(incomplete: str) -> list[str]:
    """Bundled data sets, folders and files of data that begin so, for the completion of a shell."""
    from ranef.data.files import ENDINGS
    from ranef.datasets import registry

    names = [n for n in registry() if n.lower().startswith(incomplete.lower())]
    folder, _, start = incomplete.rpartition("/")
    where = Path(folder or ("/" if incomplete.startswith("/") else "."))
    found = []
    if where.is_dir():
        for entry in where.iterdir():
            if entry.name.startswith(start) and (start.startswith(".") or not entry.name.startswith(".")):
                shown = incomplete[: len(incomplete) - len(start)] + entry.name
                if entry.is_dir():
                    found.append(f"{shown}/")
                elif any(s.lower() in ENDINGS for s in entry.suffixes):
                    found.append(shown)
    return sorted(found) + sorted(names, key=str.lower)
