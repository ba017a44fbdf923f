"""The bundled data sets hold what R's packages hold, bit for bit, in every kind of frame."""

import hashlib
import json
import pathlib
import re

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from ranef.data import Table
from ranef.datasets import dataset_path, list_datasets, load_dataset, registry
from ranef.errors import ArgumentTypeError, DataError, OptionError

REFERENCE = json.loads((pathlib.Path(__file__).parents[1] / "reference" / "datasets.json").read_text(encoding="utf-8"))[
    "datasets"
]
NAMES = sorted(REFERENCE)
ABOUT = {"name", "title", "description", "source", "origin", "licence"}


def md5(values: np.ndarray | bytes) -> str:
    return hashlib.md5(values if isinstance(values, bytes) else values.tobytes()).hexdigest()


def test_the_reference_covers_every_data_set():
    assert sorted(registry()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_pandas_frames_have_rs_values(name):
    expected, frame = REFERENCE[name], load_dataset(name)
    assert isinstance(frame, pd.DataFrame)
    assert list(frame.columns) == list(expected["columns"])
    assert isinstance(frame.index, pd.RangeIndex)
    assert len(frame) == expected["rows"]
    for column, values in expected["columns"].items():
        series = frame[column]
        if values["type"] == "factor":
            assert isinstance(series.dtype, pd.CategoricalDtype)
            assert series.cat.ordered == values["ordered"]
            assert len(series.cat.categories) == values["n_levels"]
            assert md5("\n".join(series.cat.categories).encode()) == values["levels"]
            assert md5(series.cat.codes.to_numpy().astype("<i4") + 1) == values["values"]
        else:
            assert series.dtype == (np.int64 if values["type"] == "integer" else np.float64)
            assert md5(series.to_numpy().astype("<f8")) == values["values"]


@pytest.mark.parametrize("frame", ["polars", "pyarrow"])
@pytest.mark.parametrize("name", NAMES)
def test_other_frames_have_the_same_columns(name, frame):
    data = load_dataset(name, frame=frame)
    assert isinstance(data, pl.DataFrame if frame == "polars" else pa.Table)
    ours, theirs = Table.from_data(data), Table.from_data(load_dataset(name))
    assert ours.names == theirs.names
    assert ours.n_rows == theirs.n_rows
    for column in ours.names:
        one, other = ours.column(column), theirs.column(column)
        assert one.kind == other.kind
        if one.is_factor:
            assert one.levels.tolist() == other.levels.tolist()
            np.testing.assert_array_equal(one.codes, other.codes)
            assert one.ordered == (other.ordered and frame == "pyarrow")  # an Enum cannot say that it is ordered
        else:
            np.testing.assert_array_equal(one.values, other.values)


def test_polars_factors_are_enums():
    data = load_dataset("cake", frame="polars")
    assert data.schema["temperature"] == pl.Enum(["175", "185", "195", "205", "215", "225"])
    assert data.schema["angle"] == pl.Int64


@pytest.mark.parametrize("name", NAMES)
def test_files_have_the_registered_checksum_and_shape(name):
    entry = registry()[name]
    assert hashlib.sha256(dataset_path(name).read_bytes()).hexdigest() == entry["sha256"]
    assert entry["rows"] == REFERENCE[name]["rows"]
    assert entry["columns"] == list(REFERENCE[name]["columns"])


@pytest.mark.parametrize("name", NAMES)
def test_every_column_is_described(name):
    entry = registry()[name]
    for key in ("title", "description", "source", "origin", "licence"):
        assert entry[key]
        assert "\n" not in entry[key]
    for column in entry["columns"]:
        assert re.search(rf"(?<![\w.]){re.escape(column)}(?![\w.]*\w)", entry["description"]), column


def test_the_files_stay_small():
    assert sum(dataset_path(name).stat().st_size for name in NAMES) < 1_000_000
    assert sorted(p.stem for p in dataset_path("x").parent.iterdir()) == NAMES


@pytest.mark.parametrize("name", ["exam", "EXAM", "Exam", " exam "])
def test_names_in_any_case(name):
    assert load_dataset(name).attrs["name"] == "Exam"


def test_a_fresh_copy_every_time():
    first = load_dataset("sleepstudy")
    first.loc[0, "Reaction"] = 0.0
    first.attrs["title"] = "changed"
    assert load_dataset("sleepstudy").loc[0, "Reaction"] == 249.56
    assert load_dataset("sleepstudy").attrs["title"] == "Reaction times of sleep-deprived people"


def test_what_is_known_travels_with_the_frame():
    assert set(load_dataset("cbpp").attrs) == ABOUT
    assert {k.decode() for k in load_dataset("cbpp", frame="pyarrow").schema.metadata} == ABOUT


def test_the_list():
    listed = list_datasets()
    assert list(listed.columns) == ["name", "rows", "columns", "title", "source"]
    assert sorted(listed["name"]) == NAMES
    row = listed.set_index("name").loc["Exam"]
    assert (row["rows"], row["columns"]) == (4059, 10)
    assert "Oxford Review of Education" in row["source"]


def test_unknown_names():
    with pytest.raises(DataError, match=r"there is no data set 'exams'\. Did you mean 'Exam'"):
        load_dataset("exams")
    with pytest.raises(DataError, match="There are: Arabidopsis, cake, cbpp"):
        load_dataset("zzz")
    with pytest.raises(ArgumentTypeError, match="name of a data set"):
        load_dataset(3)
    with pytest.raises(OptionError, match="'pandas', 'polars', 'pyarrow'"):
        load_dataset("exam", frame="modin")
