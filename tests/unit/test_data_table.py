"""Where columns come from:
every kind of data that is accepted, and what is said about the others.
"""

import pathlib

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset
import pyarrow.feather
import pyarrow.parquet
import pytest

from ranef.data import Table
from ranef.data.table import _through_narwhals
from ranef.errors import ArgumentTypeError, ColumnNotFoundError, DataError

FRAME = pd.DataFrame(
    {
        "y": [1.5, 2.0, np.nan, 4.0],
        "n": [3, 1, 2, 3],
        "g": pd.Categorical(["u", "v", None, "u"], categories=["v", "u", "w"]),
        "s": ["b", "a", "b", None],
        "flag": [True, False, True, True],
    },
    index=[10, 20, 30, 40],
)
COLUMNS = {
    "y": FRAME["y"].to_numpy(),
    "n": [3, 1, 2, 3],
    "g": FRAME["g"],
    "s": ["b", "a", "b", None],
    "flag": FRAME["flag"].tolist(),
}


class Narwhal:
    """A frame of a library that offers nothing but the Arrow stream protocol."""

    def __init__(self, table):
        self._table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self._table.__arrow_c_stream__(requested_schema)


def sources(folder: pathlib.Path) -> dict:
    arrow = pa.Table.from_pandas(FRAME, preserve_index=False)
    polars = pl.DataFrame(
        {**COLUMNS, "g": pl.Series(["u", "v", None, "u"], dtype=pl.Enum(["v", "u", "w"]))}, nan_to_null=True
    )
    FRAME.to_parquet(folder / "plain.parquet", index=False)
    FRAME.to_parquet(folder / "indexed.parquet")
    pyarrow.feather.write_feather(arrow, folder / "a.feather")
    return {
        "pandas": FRAME,
        "polars": polars,
        "lazy": polars.lazy(),
        "arrow": arrow,
        "chunks": pa.concat_tables([arrow[:1], arrow[1:]]),
        "batch": arrow.to_batches()[0],
        "reader": arrow.to_reader(),
        "dataset": pyarrow.dataset.dataset(folder / "plain.parquet"),
        "dict": COLUMNS,
        "parquet": str(folder / "plain.parquet"),
        "parquet with index": folder / "indexed.parquet",
        "feather": folder / "a.feather",
        "stream": Narwhal(arrow),
        "narwhals": nw.from_native(arrow),
        "narwhals lazy": nw.from_native(polars.lazy()),
    }


@pytest.mark.parametrize(
    "kind",
    [
        "pandas",
        "polars",
        "lazy",
        "arrow",
        "chunks",
        "batch",
        "reader",
        "dataset",
        "dict",
        "parquet",
        "parquet with index",
        "feather",
        "stream",
        "narwhals",
        "narwhals lazy",
    ],
)
def test_every_source_gives_the_same_columns(kind, tmp_path):
    table = Table.from_data(sources(tmp_path)[kind])
    assert table.names[:5] == ["y", "n", "g", "s", "flag"]
    assert table.n_rows == 4
    assert "y" in table
    assert "z" not in table
    np.testing.assert_array_equal(table.column("y").values, [1.5, 2.0, np.nan, 4.0])
    np.testing.assert_array_equal(table.column("n").values, [3.0, 1.0, 2.0, 3.0])
    g = table.column("g")
    assert (g.kind, g.levels.tolist(), g.codes.tolist(), g.ordered) == ("factor", ["v", "u", "w"], [1, 0, -1, 1], False)
    s = table.column("s")
    assert (s.kind, s.levels.tolist(), s.codes.tolist()) == ("text", ["a", "b"], [1, 0, 1, -1])
    assert table.column("flag").values.tolist() == [True, False, True, True]
    assert table.column("y") is table.column("y")
    with pytest.raises(ColumnNotFoundError, match=r"there is no column 'flags' in the data\. Did you mean 'flag'\?"):
        table.column("flags")


def test_only_pandas_has_an_index(tmp_path):
    for kind, data in sources(tmp_path).items():
        index = Table.from_data(data).index
        if kind == "pandas":
            assert index is FRAME.index
        else:
            assert index is None


def test_a_table_is_taken_as_it_is():
    table = Table.from_data(FRAME)
    assert Table.from_data(table) is table


def test_structured_arrays():
    array = np.array([(1, 2.5), (3, 4.5)], dtype=[("a", int), ("b", float)])
    table = Table.from_data(array)
    assert table.names == ["a", "b"]
    assert table.column("b").values.tolist() == [2.5, 4.5]


# --- CSV

CSV = 'y,g,when,s\n1.5,u,2026-01-31,"b, c"\nNA,v,2026-02-01,\n3,u,2026-02-02,"two\nlines"\n'


def test_csv(tmp_path):
    path = tmp_path / "d.csv"
    path.write_text(CSV)
    table = Table.from_data(path)
    assert table.names == ["y", "g", "when", "s"]
    np.testing.assert_array_equal(table.column("y").values, [1.5, np.nan, 3.0])
    assert table.column("g").levels.tolist() == ["u", "v"]
    assert table.column("when").kind == "datetime"
    assert table.column("s").levels.tolist() == ["b, c", "two\nlines"]
    assert table.column("s").codes.tolist() == [0, -1, 1]
    assert table.n_rows == 3


def test_csv_agrees_with_pandas(tmp_path):
    path = tmp_path / "d.csv"
    path.write_text("id,x,t,b,m\n001,1e3,NA,True,1\n002,,n/a,False,x\n010,-inf,z,True,\n")
    theirs = Table.from_data(pd.read_csv(path, keep_default_na=False, na_values=["", "NA"]))
    ours = Table.from_data(path)
    for name in ours.names:
        one, other = ours.column(name), theirs.column(name)
        assert one.kind == other.kind
        if one.is_factor:
            assert (one.levels.tolist(), one.codes.tolist()) == (other.levels.tolist(), other.codes.tolist())
        else:
            np.testing.assert_array_equal(one.values, other.values)


def test_only_na_and_empty_fields_are_missing_in_a_csv(tmp_path):
    # As R's read.csv reads it, but that an empty text is missing here.
    path = tmp_path / "d.csv"
    path.write_text(
        'a,b,c,d,e,f\n1,"NA",x,NA,"",NaN\n2,3,"NA",y,z,nan\n"",4,,None,N/A,Inf\n4,"5",NULL,null,w,-inf\n',
        encoding="utf-8",
    )
    table = Table.from_data(path)
    np.testing.assert_array_equal(table.column("a").values, [1, 2, np.nan, 4])
    np.testing.assert_array_equal(table.column("b").values, [np.nan, 3, 4, 5])
    np.testing.assert_array_equal(table.column("f").values, [np.nan, np.nan, np.inf, -np.inf])
    texts = {"c": ["x", None, None, "NULL"], "d": [None, "y", "None", "null"], "e": [None, "z", "N/A", "w"]}
    for name, expected in texts.items():
        column = table.column(name)
        assert [None if code < 0 else column.levels[code] for code in column.codes] == expected


def test_compressed_csv_and_tab_separated_files(tmp_path):
    FRAME.to_csv(tmp_path / "d.csv.gz", index=False)
    assert Table.from_data(tmp_path / "d.csv.gz").column("n").values.tolist() == [3.0, 1.0, 2.0, 3.0]
    FRAME.to_csv(tmp_path / "d.tsv", index=False, sep="\t")
    assert Table.from_data(tmp_path / "d.tsv").names == ["y", "n", "g", "s", "flag"]


def test_a_type_that_changes_late_in_a_csv(tmp_path):
    path = tmp_path / "d.csv"
    path.write_text("x\n" + "1\n" * 400_000 + "2.5\n")
    assert Table.from_data(path).column("x").values[-1] == 2.5


def test_csv_with_a_repeated_name(tmp_path):
    path = tmp_path / "d.csv"
    path.write_text("x,x,y\n1,2,3\n")
    table = Table.from_data(path)
    assert table.column("y").values.tolist() == [3.0]
    with pytest.raises(DataError, match="2 columns called 'x'"):
        table.column("x")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("none.csv", None, "there is no file"),
        ("d.xlsx", b"no sheet", "cannot be read"),
        ("d.dta", b"no Stata", "cannot be read"),
        ("d.sas7bdat", b"no SAS", "cannot be read"),
        ("d.doc", b"", r"name should end in \.parquet"),
        ("d", b"", r"name should end in \.parquet"),
        ("d.parquet", b"no parquet", "cannot be read"),
        ("d.feather", b"no feather", "cannot be read"),
        ("d.csv", b"", "cannot be read"),
        ("d.csv", b"a,b\n1\n", "cannot be read"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, name, content, words):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=words):
        Table.from_data(path).column("a")


# --- reading no more than is needed


def test_columns_that_are_not_asked_for_are_not_touched(tmp_path):
    unusable = [1 + 2j, 3j]
    for data in (
        pd.DataFrame({"x": [1.0, 2.0], "bad": unusable}),
        {"x": [1.0, 2.0], "bad": unusable},
        pl.LazyFrame({"x": [1.0, 2.0], "bad": ["a", "b"]}).with_columns(bad=pl.col("bad").cast(pl.Float64)),
    ):
        table = Table.from_data(data)
        table.load(["x", "not a column"])
        assert table.column("x").values.tolist() == [1.0, 2.0]
        with pytest.raises(DataError):
            table.column("bad")


def test_lazy_frames_are_collected_once_for_the_columns_announced():
    calls = []

    def count(frame):
        calls.append(frame.columns)
        return frame

    lazy = pl.LazyFrame({"a": [1.0, 2.0], "b": [3.0, 4.0], "c": [5.0, 6.0]}).map_batches(count)
    table = Table.from_data(lazy)
    table.load(["a", "c"])
    assert table.column("a").values.tolist() == [1.0, 2.0]
    assert table.column("c").values.tolist() == [5.0, 6.0]
    assert table.n_rows == 2
    assert len(calls) == 1
    assert table.column("b").values.tolist() == [3.0, 4.0]
    assert len(calls) == 2


def test_lazy_frames_whose_rows_change_places_are_refused():
    draws = iter([[1.0, 2.0], [2.0, 1.0]])
    lazy = pl.LazyFrame({"a": [0.0, 0.0], "b": [1.0, 2.0]}).map_batches(
        lambda frame: frame.with_columns(a=pl.Series(next(draws)))
    )
    table = Table.from_data(lazy)
    table.column("a")
    with pytest.raises(DataError, match="different order each time"):
        table.column("b")


# --- names


def test_repeated_names_matter_only_when_they_are_used():
    frame = pd.DataFrame([[1.0, 2.0, 3.0]], columns=["x", "y", "x"])
    arrow = pa.table([[1.0], [2.0], [3.0]], names=["x", "y", "x"])
    for table in (Table.from_data(frame), Table.from_data(arrow)):
        assert table.column("y").values.tolist() == [2.0]
        with pytest.raises(DataError, match="2 columns called 'x'; rename"):
            table.column("x")


def test_names_that_are_not_text():
    frame = pd.DataFrame({0: [1.0], 1: [2.0], "x": [3.0], ("a", "b"): [4.0]})
    table = Table.from_data(frame)
    assert table.names == ["0", "1", "x", "('a', 'b')"]
    assert table.column("1").values.tolist() == [2.0]
    assert Table.from_data({0: [1.0], "0": [2.0]}).column("0").values.tolist() == [2.0]
    assert Table.from_data({7: [1.0]}).column("7").values.tolist() == [1.0]
    with pytest.raises(DataError, match="2 columns called '1'"):
        Table.from_data(pd.DataFrame([[1.0, 2.0]], columns=[1, 1])).column("1")


def test_columns_of_several_levels():
    frame = pd.DataFrame([[1.0, 2.0]], columns=pd.MultiIndex.from_tuples([("a", "x"), ("a", "y")]))
    with pytest.raises(DataError, match="2 levels"):
        Table.from_data(frame).column("a")


def test_a_name_that_is_in_the_index_is_pointed_out():
    frame = pd.DataFrame({"y": [1.0]}, index=pd.Index(["s1"], name="Subject"))
    with pytest.raises(ColumnNotFoundError, match="reset_index"):
        Table.from_data(frame).column("Subject")


def test_missing_columns_are_key_errors():
    with pytest.raises(KeyError, match="Its columns are: y, n, g, s, flag"):
        Table.from_data(FRAME).column("Days")


# --- shape


def test_columns_of_different_length_are_named():
    with pytest.raises(DataError, match="differ in length: 'c' has 2, the others have 3 rows"):
        Table.from_data({"a": [1, 2, 3], "b": [1, 2, 3], "c": [1, 2]})


@pytest.mark.parametrize("value", ["text", 3.0, None, {"a": 1}, np.array(1.0), iter([1, 2])])
def test_single_values_are_not_columns(value):
    with pytest.raises(DataError, match="'b' in the data is a single"):
        Table.from_data({"a": [1, 2], "b": value})


@pytest.mark.parametrize(
    "data",
    [
        FRAME.iloc[:0],
        {"y": [], "g": []},
        pl.DataFrame({"y": [], "g": []}),
        pl.LazyFrame({"y": [], "g": []}),
        pa.table({"y": [], "g": []}),
    ],
)
def test_data_without_rows(data):
    table = Table.from_data(data)
    assert table.n_rows == 0
    assert len(table.column("y")) == 0


@pytest.mark.parametrize("data", [{}, pd.DataFrame(), pl.DataFrame(), pl.LazyFrame(), pa.table({})])
def test_data_without_columns(data):
    table = Table.from_data(data)
    assert (table.names, table.n_rows) == ([], 0)
    with pytest.raises(ColumnNotFoundError):
        table.column("y")


# --- what is not accepted


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (None, "NoneType"),
        (3, "int"),
        ([{"a": 1}], r"pandas\.DataFrame\(data\)"),
        ([[1, 2]], "list"),
        (np.eye(2), "Name its columns"),
        (FRAME["y"], r"to_frame\(\)"),
        (pl.Series([1]), r"to_frame\(\)"),
        (pa.array([1]), "pyarrow"),
        (object(), "object"),
        (pd, "module"),
    ],
)
def test_other_data_are_refused(data, words):
    with pytest.raises(ArgumentTypeError, match="a pandas, polars or pyarrow frame") as caught:
        Table.from_data(data)
    assert caught.match(words)


def test_columns_of_unknown_type_are_refused():
    class Odd:
        def __len__(self):
            return 2

    with pytest.raises(ArgumentTypeError, match="column 'a' is a Odd"):
        Table.from_data({"a": Odd()}).column("a")


@pytest.mark.parametrize(
    "native", [FRAME.reset_index(drop=True), pl.LazyFrame({**COLUMNS, "g": ["u", "v", None, "u"]})]
)
def test_frames_of_other_libraries_are_read_through_narwhals(native):
    """As modin or DuckDB frames are, here with the libraries that are installed."""
    source = _through_narwhals(native)
    source.load(["y", "s"])
    assert source.names == ["y", "n", "g", "s", "flag"]
    assert source.n_rows == 4
    np.testing.assert_array_equal(source.column("y").values, [1.5, 2.0, np.nan, 4.0])
    assert source.column("s").codes.tolist() == [1, 0, 1, -1]
    assert source.column("g").missing.tolist() == [False, False, True, False]
    with pytest.raises(ColumnNotFoundError):
        source.column("z")
