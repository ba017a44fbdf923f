"""What R made of formulas, and the data it had: the stored output of `generate/design.R`."""

import functools
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

FOLDER = Path(__file__).parents[1] / "reference"


@functools.cache
def reference() -> dict[str, Any]:
    """The stored file, once its checksum is seen to be right."""
    content = (FOLDER / "design.json").read_bytes()
    assert hashlib.md5(content).hexdigest() == (FOLDER / "design.md5").read_text().strip()
    loaded: dict[str, Any] = json.loads(content)
    return loaded


def frame(name: str) -> pd.DataFrame:
    """The data of a design as a pandas frame."""
    stored = reference()["new"] if name == "new" else reference()["frames"][name]
    return pd.DataFrame({key: _column(column) for key, column in stored.items()})


def _column(column: dict[str, Any]) -> Any:
    if column["kind"] == "factor":
        return pd.Categorical.from_codes(column["codes"], column["levels"], ordered=column["ordered"])
    if column["kind"] == "numeric":
        return np.array([np.nan if v is None else v for v in column["values"]], dtype=float)
    return np.array(column["values"], dtype=object if column["kind"] == "text" else None)


def r_names(names: tuple[str, ...]) -> list[str]:
    """Our column names as R writes them: the level behind the factor without a mark."""
    out = []
    for name in names:
        name = re.sub(r"\[(?:T\.)?([^\]\[]*)\]", r"\1", name)
        out.append(re.sub(r"(True|False)(?=:|$)", lambda m: m[1].upper(), name))
    return out


def matrix(columns: list[list[float]], n: int) -> np.ndarray[Any, Any]:
    """A matrix stored by columns."""
    return np.array(columns, dtype=float).T if columns else np.empty((n, 0))
