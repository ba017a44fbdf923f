"""The stored reference: fitted models of other programs, and the data they were fitted to."""

import functools
import json
import pathlib
from typing import Any

import pandas as pd

from ranef.datasets import dataset_path

FOLDER = pathlib.Path(__file__).resolve().parent


@functools.cache
def _read(path: pathlib.Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def load_case(identifier: str) -> dict[str, Any]:
    """One fitted model; see README.md for its fields. The object is shared: do not change it."""
    case: dict[str, Any] = _read(FOLDER / "cases" / f"{identifier}.json")
    return case


@functools.cache
def case_ids(klass: str = "lmer") -> list[str]:
    """Identifiers of all cases of a class, such as ``"lmer"``."""
    names = sorted(path.stem for path in (FOLDER / "cases").glob("*.json"))
    return [name for name in names if load_case(name)["class"] == klass]


def load_data(name: str) -> pd.DataFrame:
    """The data of a case as a fresh pandas frame,
    factors as categoricals with their levels in R's order.
    """
    path = FOLDER / "data" / f"{name}.parquet"
    return pd.read_parquet(path if path.is_file() else dataset_path(name))
