"""What a column becomes:
its kind, values, levels, codes and missing rows, for every type of array that data come in.
"""

import datetime
import decimal
import fractions

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranef.data import Column, Table
from ranef.errors import DataError


def column(values: object) -> Column:
    return Table.from_data({"x": values}).column("x")


def labels(col: Column) -> list[str]:
    assert col.levels is not None
    return col.levels.tolist()


def codes(col: Column) -> list[int]:
    assert col.codes is not None
    assert col.codes.dtype == np.int32
    return col.codes.tolist()


def in_every_library(values: list, arrow_type: pa.DataType) -> list:
    """The same values as a list, NumPy object array,
    pandas (object, own and Arrow types), polars and Arrow.
    """
    arrow = pa.array(values, type=arrow_type)
    return [
        pytest.param(values, id="list"),
        pytest.param(np.array([*values, None], dtype=object)[:-1], id="object"),
        pytest.param(pd.Series(values, dtype=object), id="pandas-object"),
        pytest.param(pd.Series(arrow.to_pandas(), dtype=pd.ArrowDtype(arrow_type)), id="pandas-arrow"),
        pytest.param(pl.Series(arrow), id="polars"),
        pytest.param(arrow, id="arrow"),
        pytest.param(pa.chunked_array([arrow[:2], arrow[2:]]), id="arrow-chunks"),
    ]


# --- numbers


@pytest.mark.parametrize("values", in_every_library([3.5, -1.0, None, 2.0], pa.float64()))
def test_floats_with_a_missing_value(values):
    col = column(values)
    assert col.kind == "numeric"
    assert col.values.dtype == np.float64
    np.testing.assert_array_equal(col.values, [3.5, -1.0, np.nan, 2.0])
    assert col.missing.tolist() == [False, False, True, False]


@pytest.mark.parametrize(
    "values", [*in_every_library([3, -1, None, 2], pa.int64()), pd.Series([3, -1, None, 2], dtype="Int64")]
)
def test_integers_with_a_missing_value(values):
    col = column(values)
    assert col.kind == "numeric"
    assert col.values.dtype == np.float64
    np.testing.assert_array_equal(col.values, [3, -1, np.nan, 2])
    assert labels(col.as_factor()) == ["-1", "2", "3"]
    assert codes(col.as_factor()) == [2, 0, -1, 1]


@pytest.mark.parametrize(
    "dtype",
    [
        "int8",
        "int16",
        "int32",
        "int64",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
        "float16",
        "float32",
        "float64",
        "longdouble",
    ],
)
def test_every_width_of_number(dtype):
    col = column(np.array([100, 7, 100, 0], dtype=dtype))
    assert col.values.dtype == np.float64
    assert col.values.tolist() == [100.0, 7.0, 100.0, 0.0]
    assert col.missing is None
    factor = col.as_factor()
    assert (labels(factor), codes(factor)) == (["0", "7", "100"], [2, 1, 2, 0])


def test_the_whole_range_of_a_small_integer():
    values = np.arange(-128, 128).astype(np.int8)[::-1]
    factor = column(values).as_factor()
    assert labels(factor) == [str(i) for i in range(-128, 128)]
    assert codes(factor) == list(range(256))[::-1]


def test_big_endian_numbers():
    assert column(np.array([1, 2], dtype=">f8")).values.dtype == np.dtype(np.float64)
    assert codes(column(np.array([5, 2, 5], dtype=">i4")).as_factor()) == [1, 0, 1]


@pytest.mark.parametrize(
    "values",
    [
        pd.Series([1, 2], dtype="Float64"),
        pd.Series([1, 2], dtype="UInt8"),
        pd.Series([1, 2], dtype=pd.SparseDtype("int")),
        [decimal.Decimal("1.0"), fractions.Fraction(2)],
        pa.array([decimal.Decimal("1.0"), decimal.Decimal("2.0")]),
        pl.Series([decimal.Decimal("1.0"), decimal.Decimal("2.0")]),
        np.ma.masked_array([1.0, 2.0], mask=[False, False]),
        range(1, 3),
        pd.Index([1, 2]),
        (1, 2.0),
    ],
)
def test_less_common_numbers(values):
    col = column(values)
    assert (col.kind, col.values.dtype, col.values.tolist()) == ("numeric", np.float64, [1.0, 2.0])


def test_masked_values_are_missing():
    col = column(np.ma.masked_array([1.0, 2.0, 3.0], mask=[False, True, False]))
    np.testing.assert_array_equal(col.values, [1.0, np.nan, 3.0])
    assert column(np.ma.masked_array([1, 2], mask=[True, False])).missing.tolist() == [True, False]


def test_float_columns_are_not_copied():
    x = np.arange(5.0)
    assert np.shares_memory(Table.from_data({"x": x}).column("x").values, x)
    frame = pd.DataFrame({"x": x, "g": list("aabbc")})
    assert np.shares_memory(Table.from_data(frame).column("x").values, frame["x"].values)
    arrow = pa.table({"x": x})
    assert np.shares_memory(Table.from_data(arrow).column("x").values, arrow["x"].chunk(0).to_numpy())
    series = pl.Series("x", x)
    assert np.shares_memory(Table.from_data(pl.DataFrame([series])).column("x").values, series.to_numpy())


def test_infinite_numbers_are_not_missing():
    col = column([np.inf, -np.inf, 1e308])
    assert col.missing is None
    assert column([np.inf, np.nan]).missing.tolist() == [False, True]


def test_identifiers_beyond_the_precision_of_a_float_stay_distinct():
    ids = np.array([2**60 + 1, 2**60, 2**60 + 1, 2**60 + 2])
    for values in (ids, ids.tolist(), pa.array(ids), pl.Series(ids), pd.Series(ids, dtype="Int64")):
        factor = column(values).as_factor()
        assert labels(factor) == [str(2**60), str(2**60 + 1), str(2**60 + 2)]
        assert codes(factor) == [1, 0, 1, 2]
    top = np.array([2**64 - 1, 2**64 - 2], dtype=np.uint64)
    assert labels(column(top).as_factor()) == [str(2**64 - 2), str(2**64 - 1)]


def test_number_levels_are_labelled_as_in_r():
    # R 4.2.2: levels(factor(c(10, 2.5, 0.1+0.2, 0.3, 1, -1, 123456.789, 1/3, NA))) and as.integer()
    # of it
    col = column([10, 2.5, 0.1 + 0.2, 0.3, 1, -1, 123456.789, 1 / 3, np.nan]).as_factor()
    assert labels(col) == ["-1", "0.3", "0.333333333333333", "1", "2.5", "10", "123456.789"]
    assert codes(col) == [5, 4, 1, 1, 3, 0, 6, 2, -1]
    assert labels(column([100000.0, 1.0]).as_factor()) == ["1", "100000"]


def test_negative_zero_is_zero():
    assert labels(column([0.0, -0.0, 1.0]).as_factor()) == ["0", "1"]


@pytest.mark.parametrize("n", [10, 50_000])
@pytest.mark.parametrize("scale", [1, 10**12, 0.25, 1e-3])
def test_number_factors_agree_with_numpy(n, scale):
    rng = np.random.default_rng(1)
    values = rng.integers(-20, 20, n) * scale
    found, inverse = np.unique(values, return_inverse=True)
    factor = column(values).as_factor()
    assert codes(factor) == inverse.tolist()
    np.testing.assert_allclose([float(v) for v in labels(factor)], found, rtol=1e-14)


# --- truth values


@pytest.mark.parametrize(
    "values",
    [*in_every_library([True, False, None, True], pa.bool_()), pd.Series([True, False, None, True], dtype="boolean")],
)
def test_truth_values_with_a_missing_one(values):
    col = column(values)
    assert col.kind == "boolean"
    assert col.values.dtype == bool
    assert col.values[[0, 1, 3]].tolist() == [True, False, True]
    assert col.missing.tolist() == [False, False, True, False]
    factor = col.as_factor()
    assert (labels(factor), codes(factor)) == (["False", "True"], [1, 0, -1, 1])


def test_truth_values_without_missing_ones():
    x = np.array([True, True])
    col = column(x)
    assert np.shares_memory(col.values, x)
    assert col.missing is None
    assert labels(col.as_factor()) == ["True"]
    assert column([True, False]).kind == "boolean"


# --- text


@pytest.mark.parametrize(
    "values",
    [
        *in_every_library(["b", "a", None, "b"], pa.string()),
        pd.Series(["b", "a", None, "b"]),
        pd.Series(["b", "a", None, "b"], dtype="string[python]"),
        pd.Series(["b", "a", None, "b"], dtype="string[pyarrow]"),
        pd.Series(["b", "a", np.nan, "b"], dtype=object),
        pd.Series(["b", "a", pd.NA, "b"], dtype=object),
        pa.array(["b", "a", None, "b"], type=pa.large_string()),
        pa.array(["b", "a", None, "b"], type=pa.string_view()),
    ],
)
def test_text_with_a_missing_value(values):
    col = column(values)
    assert (col.kind, col.ordered) == ("text", False)
    assert (labels(col), codes(col)) == (["a", "b"], [1, 0, -1, 1])
    assert col.missing.tolist() == [False, False, True, False]
    assert col.as_factor() is col


@pytest.mark.parametrize("repeats", [1, 1000], ids=["few-rows", "many-rows"])
def test_text_levels_are_in_code_point_order(repeats):
    # R: sort(c("b", "B", "a", "_", "Z", "é", "10", "9"), method = "radix"); the last needs four
    # bytes in UTF-8
    values = ["b", "B", "a", "_", "Z", "é", "10", "9", "\U0001f600", "\ufb01", ""] * repeats
    expected = ["", "10", "9", "B", "Z", "_", "a", "b", "é", "\ufb01", "\U0001f600"]
    for data in (
        values,
        pd.Series(values),
        pd.Series(values, dtype=object),
        pl.Series(values),
        pa.array(values),
        np.array(values),
    ):
        col = column(data)
        assert labels(col) == expected
        assert codes(col)[:11] == [7, 3, 6, 5, 4, 8, 1, 2, 10, 9, 0]
        assert all(type(level) is str for level in col.levels)


@given(st.lists(st.one_of(st.none(), st.text()), max_size=10), st.sampled_from([1, 900]))
def test_text_codes_give_the_text_back(values, repeats):
    values = values * repeats  # the longer ones go through Arrow
    col = column(np.array([*values, None], dtype=object)[:-1])
    if not any(v is not None for v in values):
        assert col.kind == "numeric"
        assert np.isnan(col.values).all()
        return
    assert labels(col) == sorted({v for v in values if v is not None})
    assert [labels(col)[c] if c >= 0 else None for c in codes(col)] == values


def test_a_large_text_column_in_chunks():
    chunks = pa.chunked_array([["b", None, "c"], [], ["a", "b"]])
    col = column(chunks)
    assert (labels(col), codes(col)) == (["a", "b", "c"], [1, -1, 2, 0, 1])


# --- factors


@pytest.mark.parametrize("ordered", [False, True])
def test_categories_keep_their_order_and_unused_levels(ordered):
    values = pd.Categorical(["low", "high", None, "low"], categories=["low", "mid", "high"], ordered=ordered)
    arrow = pa.DictionaryArray.from_arrays(
        pa.array([0, 2, None, 0], pa.int8()), ["low", "mid", "high"], ordered=ordered
    )
    chunked = pa.chunked_array([arrow[:1], arrow[1:]])
    for data in (values, pd.Series(values), arrow, chunked):
        col = column(data)
        assert (col.kind, col.ordered) == ("factor", ordered)
        assert (labels(col), codes(col)) == (["low", "mid", "high"], [0, 2, -1, 0])
        assert col.missing.tolist() == [False, False, True, False]
        assert col.as_factor() is col


@pytest.mark.parametrize("kind", [k for k in ("Int128", "UInt128") if hasattr(pl, k)])
def test_polars_integers_that_arrow_does_not_have(kind):
    series = pl.Series([3, 1, 2], dtype=pl.Int64).cast(getattr(pl, kind))
    found = Table.from_data(pl.DataFrame({"x": series})).column("x")
    assert found.kind == "numeric"
    assert found.values.tolist() == [3.0, 1.0, 2.0]
    assert found.as_factor().levels.tolist() == ["1", "2", "3"]


def test_polars_enum_keeps_its_order_and_categorical_is_sorted():
    pl.Series(["zebra", "b", "a"], dtype=pl.Categorical)  # what else has been read must not matter
    enum = column(pl.Series(["low", "high", None], dtype=pl.Enum(["low", "mid", "high"])))
    assert (enum.kind, labels(enum), codes(enum), enum.ordered) == ("factor", ["low", "mid", "high"], [0, 2, -1], False)
    categorical = column(pl.Series(["b", "a", None, "b"], dtype=pl.Categorical))
    assert (categorical.kind, labels(categorical), codes(categorical)) == ("factor", ["a", "b"], [1, 0, -1, 1])


def test_categories_that_are_not_text():
    assert labels(column(pd.Categorical([10.0, 2.5, 1.0]))) == ["1", "2.5", "10"]
    assert labels(column(pd.Categorical([3, 1], categories=[3, 2, 1]))) == ["3", "2", "1"]
    assert labels(column(pd.Categorical([True, False]))) == ["False", "True"]
    assert labels(column(pd.cut(pd.Series([1, 5, 9]), [0, 4, 10]))) == ["(0, 4]", "(4, 10]"]
    assert labels(column(pa.array([7, 5, 7]).dictionary_encode())) == ["7", "5"]


def test_categories_with_the_same_label_stay_apart():
    assert len(set(labels(column(pd.Categorical([0.3, 0.1 + 0.2]))))) == 2


def test_arrow_dictionaries_with_repeated_or_missing_entries():
    array = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, 3, None]), pa.array(["b", None, "a", "b"]))
    col = column(array)
    assert (labels(col), codes(col)) == (["b", "a"], [0, -1, 1, 0, -1])


def test_arrow_chunks_with_different_dictionaries():
    col = column(pa.chunked_array([pa.array(["b", "c"]).dictionary_encode(), pa.array(["a", "b"]).dictionary_encode()]))
    assert (labels(col), codes(col)) == (["b", "c", "a"], [0, 1, 2, 0])


def test_run_end_encoded_columns():
    col = column(pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array([1.5, 2.0])))
    assert col.values.tolist() == [1.5, 1.5, 2.0]


# --- dates

DAY, LATER = datetime.date(2026, 1, 31), datetime.date(2026, 2, 1)


@pytest.mark.parametrize(
    "values",
    [*in_every_library([LATER, DAY, None, DAY], pa.date32()), pd.Series(pd.to_datetime([LATER, DAY, None, DAY]))],
)
def test_dates(values):
    col = column(values)
    assert col.kind == "datetime"
    assert col.values.dtype.kind == "M"
    assert col.missing.tolist() == [False, False, True, False]
    factor = col.as_factor()
    assert (labels(factor), codes(factor)) == (["2026-01-31", "2026-02-01"], [1, 0, -1, 0])


def test_times_and_durations():
    times = column(pd.Series(pd.to_datetime(["2026-01-31 08:30", "2026-01-31 07:00"])))
    assert [t[:19] for t in labels(times.as_factor())] == ["2026-01-31 07:00:00", "2026-01-31 08:30:00"]
    aware = column(pd.Series(pd.to_datetime(["2026-01-31 08:30", None]).tz_localize("Europe/Paris")))
    assert (aware.kind, aware.values[0]) == ("datetime", np.datetime64("2026-01-31T07:30"))
    spans = column([datetime.timedelta(days=1), None])
    assert (spans.kind, spans.values.dtype.kind, spans.missing.tolist()) == ("datetime", "m", [False, True])


# --- nothing and the unusable


@pytest.mark.parametrize(
    "values", [[None, None], [np.nan, None], [pd.NA, pd.NaT], pa.nulls(2), pl.Series([None, None])]
)
def test_columns_with_nothing_but_missing_values_are_numeric(values):
    col = column(values)
    assert col.kind == "numeric"
    assert np.isnan(col.values).all()
    assert labels(col.as_factor()) == []
    assert codes(col.as_factor()) == [-1, -1]


@pytest.mark.parametrize(
    "values",
    [
        [],
        np.empty(0),
        pd.Series([], dtype=float),
        pd.Series([], dtype=str),
        pd.Categorical([]),
        pl.Series([], dtype=pl.String),
        pl.Series([], dtype=pl.Enum(["a"])),
        pa.chunked_array([], type=pa.string()),
        pa.chunked_array([], type=pa.float64()),
        pa.array([], pa.dictionary(pa.int8(), pa.string())),
    ],
)
def test_empty_columns(values):
    col = column(values)
    assert len(col) == 0
    assert col.missing is None
    assert len(col.as_factor()) == 0


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (["a", 1, None], ["text (row 0: 'a')", "numbers (row 1: 1)"]),
        ([None, np.nan, "a", "b", 2.5], ["text (row 2: 'a')", "numbers (row 4: 2.5)"]),
        ([True, 1], ["truth values (row 0: True)", "numbers (row 1: 1)"]),
        ([True, 0.5], ["truth values", "numbers (row 1: 0.5)"]),
        ([True, "yes"], ["truth values", "text"]),
        ([datetime.date(2026, 1, 1), 3], ["dates", "numbers"]),
        ([datetime.date(2026, 1, 1), datetime.timedelta(1)], ["dates", "durations"]),
        ([1, [2]], ["numbers", "list"]),
        (np.array([1 + 2j]), ["complex numbers"]),
        ([1 + 2j], ["complex numbers"]),
        (np.array([b"a"]), ["bytes"]),
        ([b"a", b"b"], ["bytes"]),
        (pa.array([b"a"]), ["bytes"]),
        ([[1, 2], [3]], ["objects of type list"]),
        (pa.array([[1, 2], [3]]), ["list<"]),
        (pl.Series([{"a": 1}]), ["struct<"]),
        (np.eye(2), ["shape (2, 2)"]),
        ([10**400, 1], ["too large"]),
        (pd.Series(pd.period_range("2026", periods=2, freq="M")), ["periods", "to_timestamp"]),
        (pd.Series(pd.interval_range(0, 2)), ["intervals", "astype"]),
        (np.zeros(2, dtype=[("a", float)]), ["type"]),
        ([object(), object()], ["objects of type object"]),
    ],
)
def test_unusable_columns_are_named(values, words):
    with pytest.raises(DataError) as caught:
        column(values)
    assert "'x'" in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def test_strings_that_utf8_cannot_hold():
    values = ["a", "\ud800"] * 1500
    assert labels(column(np.array(values, dtype=object))) == ["a", "\ud800"]
