"""Models for repeated measures as R's mmrm and SAS fitted them."""

import ast
import functools
import hashlib
import json
import pathlib
import re
from typing import Any

import numpy as np
import pandas as pd

import ranef
from ranef.results.linear import LinearMixedModel

REFERENCE = pathlib.Path(__file__).resolve().parents[1] / "reference"
FILE = REFERENCE / "repeated.json"


@functools.cache
def content() -> Any:
    text = FILE.read_bytes()
    assert hashlib.md5(text).hexdigest() == FILE.with_suffix(".md5").read_text().strip()
    return json.loads(text)


@functools.cache
def data(name: str) -> pd.DataFrame:
    return pd.read_parquet(REFERENCE / "repeated" / f"{name}.parquet")


CASES = content()["cases"]
SMALL = [name for name in CASES if "bcva" not in name]


def call_of(case: dict[str, Any]) -> tuple[str, pd.DataFrame, dict[str, Any]]:
    """Formula, data and other arguments."""
    node = ast.parse(case["ranef_call"], mode="eval").body
    assert isinstance(node, ast.Call)
    formula, frame = node.args
    assert isinstance(formula, ast.Constant)
    assert isinstance(frame, ast.Name)
    options = {str(k.arg): ast.literal_eval(k.value) for k in node.keywords}
    return str(formula.value), data(frame.id), options


@functools.cache
def fitted(name: str) -> LinearMixedModel:
    formula, frame, options = call_of(CASES[name])
    return ranef.mmrm(formula, frame, **options)


def plain(name: str) -> str:
    """A coefficient's name without the marks of either program."""
    return re.sub(r"\[(?:[A-Z]\.)?([^\[\]]*)\]", r"\1", name)


def matched(names: Any, values: dict[str, float]) -> np.ndarray:
    return np.array([values[plain(str(n))] for n in names])


def coefficients(method: dict[str, Any], names: Any) -> np.ndarray:
    """Estimate, standard error, df, t and p of R in our order."""
    table = method["coefficients"]
    by_name = dict(zip(table["rows"], table["values"], strict=True))
    return np.array([by_name[plain(str(n))] for n in names], dtype=float)
