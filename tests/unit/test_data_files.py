"""Files as spreadsheets and other programs write them."""

import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import feather

from ranef import DataError, RanefWarning, lmer, load_dataset
from ranef.data.table import Table
from ranef.data.value_labels import with_labels

FRAME = pd.DataFrame(
    {
        "id": ["Jörg", "Zoë", "Åsa", "Jörg"],
        "größe": [1.5, -2.25, 1e3, np.nan],
        "n": [1, 2, 3, 4],
        "text": ["a, b", "c; d", 'say "e"', "f"],
    }
)


def same(table):
    assert table.names == list(FRAME.columns)
    np.testing.assert_array_equal(table.column("größe").values, FRAME["größe"])
    np.testing.assert_array_equal(table.column("n").values, FRAME["n"])
    for name in ("id", "text"):
        column = table.column(name)
        assert [column.levels[c] for c in column.codes] == FRAME[name].tolist()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("ending", [".csv", ".tsv", ".txt", ".csv.gz"])
def test_text_in_every_layout(tmp_path, encoding, separator, ending):
    path = tmp_path / f"d{ending}"
    decimal = "," if separator == ";" else "."
    FRAME.to_csv(path, index=False, sep=separator, decimal=decimal, encoding=encoding)
    table = Table.from_data(path)
    same(table)
    told = " ".join(table.notes)
    usual = "," if "csv" in ending else "\t"
    word = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}[separator]
    assert (f"separated by {word}" in told) == (separator != usual)
    assert ("decimal commas" in told) == (separator == ";")
    assert ("Latin-1" in told) == (encoding == "cp1252")
    assert ("UTF-16" in told) == (encoding == "utf-16")


def test_latin_1_is_seen_at_the_end_of_a_long_file(tmp_path):
    path = tmp_path / "d.csv"
    path.write_bytes(b"x,g\n" + b"1,plain\n" * 200_000 + "2,Jörg\n".encode("latin-1"))
    assert Table.from_data(path).column("g").levels.tolist() == ["Jörg", "plain"]


def test_a_character_on_the_edge_of_the_sample_is_not_latin_1(tmp_path):
    path = tmp_path / "d.csv"
    path.write_bytes(b"x,g\n" + b"1,a" + b"a" * ((1 << 18) - 8) + "é\n".encode() + b"2,b\n")
    assert Table.from_data(path).notes == ()


@pytest.mark.parametrize(
    ("content", "column", "expected"),
    [
        # thousands are not decimals: a column with points as well stays what it is
        ("a;b\n1,5;1.5\n2,5;2.5\n", "b", [1.5, 2.5]),
        # a comma within the only column that has one
        ("a\n1\n2\n", "a", [1, 2]),
        ("a,b;c\n1,2\n3,4\n", "a", [1, 3]),
        ("a;b\n1;2\n", "b", [2]),
    ],
)
def test_layouts_that_are_in_doubt(tmp_path, content, column, expected):
    path = tmp_path / "d.csv"
    path.write_text(content)
    assert Table.from_data(path).column(column).values.tolist() == expected


def test_the_separator_may_be_stated(tmp_path):
    path = tmp_path / "d.csv"
    path.write_text("sep=;\n" + FRAME.to_csv(index=False, sep=";", decimal=","))
    same(Table.from_data(path))


def test_what_is_not_text_is_refused(tmp_path):
    path = tmp_path / "d.csv"
    path.write_bytes(bytes(range(256)) * 20)
    with pytest.raises(DataError, match=r"d\.csv' cannot be read"):
        Table.from_data(path).column("x")


def test_a_fit_says_how_the_file_was_read(tmp_path):
    path = tmp_path / "europe.csv"
    rows = [(f"s{s}", t, 10 + s + t / 2 + (s * t % 3) / 4) for s in range(8) for t in range(5)]
    pd.DataFrame(rows, columns=["subject", "time", "y"]).to_csv(path, sep=";", decimal=",", index=False)
    with pytest.warns(
        RanefWarning, match="'europe.csv' was read with columns separated by semicolons and decimal commas"
    ):
        m = lmer("y ~ time + (1 | subject)", path)
    assert m.nobs == 40


def test_stata_files(tmp_path):
    path = tmp_path / "d.dta"
    d = FRAME.rename(columns={"größe": "size"}).assign(grade=pd.Categorical(["low", "high", "low", "mid"]))
    d.to_stata(path, write_index=False, version=118)
    table = Table.from_data(path)
    np.testing.assert_array_equal(table.column("size").values, FRAME["größe"])
    assert not table.column("grade").ordered


@pytest.mark.parametrize(
    ("name", "module", "package"), [("d.sav", "pyreadstat", "pyreadstat"), ("d.rds", "pyreadr", "pyreadr")]
)
def test_a_reader_that_is_missing_is_named(tmp_path, monkeypatch, name, module, package):
    path = tmp_path / name
    path.write_bytes(b"x")
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(DataError, match=f"pip install {package}"):
        Table.from_data(path)


# ---- other programs' files


def sleep():
    return load_dataset("sleepstudy").assign(Subject=lambda d: d.Subject.astype(str))


def coded():
    """Codes whose labels are not in alphabetical order, and a code for no answer among numbers."""
    d = sleep().assign(Subject=lambda d: d.Subject.astype(float), size=lambda d: d.Days // 4 + 1.0)
    d.loc[3, "Days"] = 999.0
    d.loc[4, "size"] = np.nan
    return d


LABELS = {"size": {1.0: "low", 2.0: "high", 3.0: "higher"}, "Days": {999.0: "no answer"}}


def labels_are_read(source):
    table = Table.from_data(source) if isinstance(source, Path) else Table(source)
    table.load(["size", "Days", "Reaction"])
    size = table.column("size")
    assert size.kind == "factor"
    assert not size.ordered
    assert size.levels.tolist() == ["low", "high", "higher"]
    codes = coded()["size"].fillna(0).astype(int) - 1
    assert size.codes.tolist() == codes.tolist()
    np.testing.assert_array_equal(table.column("Days").values, coded()["Days"])
    assert len(table.notes) == 1
    assert "the column Days has labels for some of its values only (999 = 'no answer')" in table.notes[0]


def test_labels_of_codes():
    labels_are_read(with_labels(coded(), LABELS))
    quiet = Table(with_labels(coded(), LABELS))
    quiet.load(["Reaction", "size"])
    assert quiet.notes == ()  # of columns that are not in use


def test_labels_that_are_not_different_are_left():
    table = Table(with_labels(coded(), {"size": {1.0: "a", 2.0: "a", 3.0: "b"}}))
    assert table.column("size").kind == "numeric"


@pytest.mark.parametrize("ending", [".sav", ".zsav"])
def test_spss_files(tmp_path, ending):
    pyreadstat = pytest.importorskip("pyreadstat")
    path = tmp_path / f"d{ending}"
    pyreadstat.write_sav(coded(), str(path), variable_value_labels=LABELS, compress=ending == ".zsav")
    labels_are_read(path)


def test_portable_spss_files(tmp_path):
    pyreadstat = pytest.importorskip("pyreadstat")
    path = tmp_path / "d.por"
    pyreadstat.write_por(coded(), str(path))
    np.testing.assert_allclose(Table.from_data(path).column("REACTION").values, coded()["Reaction"])


def test_labels_of_stata_files(tmp_path):
    path = tmp_path / "d.dta"
    labels = {k: {int(c): t for c, t in v.items()} for k, v in LABELS.items()}
    coded().to_stata(path, write_index=False, value_labels=labels)
    labels_are_read(path)


def test_r_files(tmp_path):
    pyreadr = pytest.importorskip("pyreadr")
    pyreadr.write_rds(str(tmp_path / "d.rds"), sleep())
    pyreadr.write_rdata(str(tmp_path / "d.RData"), sleep(), df_name="d")
    for name in ("d.rds", "d.RData"):
        np.testing.assert_array_equal(Table.from_data(tmp_path / name).column("Reaction").values, sleep()["Reaction"])


def test_excel_files(tmp_path):
    pytest.importorskip("openpyxl")
    path = tmp_path / "d.xlsx"
    with pd.ExcelWriter(path) as book:
        sleep().to_excel(book, sheet_name="trial", index=False)
        coded().to_excel(book, sheet_name="other", index=False)
    table = Table.from_data(path)
    np.testing.assert_allclose(table.column("Reaction").values, sleep()["Reaction"], rtol=1e-14)
    assert table.notes == ("the file 'd.xlsx' has 2 sheets; the first, 'trial', was read",)


@pytest.mark.parametrize("how", ["feather", "file", "stream", "first"])
def test_arrow_files(tmp_path, how):
    path = tmp_path / ("d.feather" if how in ("feather", "first") else "d.arrow")
    table = pa.Table.from_pandas(sleep())
    if how == "feather":
        feather.write_feather(table, path)
    elif how == "first":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            feather.write_feather(table, path, version=1)
    else:
        made = pa.ipc.new_file if how == "file" else pa.ipc.new_stream
        with made(str(path), table.schema) as out:
            out.write_table(table)
    read = Table.from_data(path)
    np.testing.assert_array_equal(read.column("Reaction").values, sleep()["Reaction"])
    assert len(read.column("Subject").levels) == 18


def test_sas_transport_files(tmp_path):
    pyreadstat = pytest.importorskip("pyreadstat")
    path = tmp_path / "d.xpt"
    pyreadstat.write_xport(coded(), str(path), file_format_version=5)
    np.testing.assert_allclose(Table.from_data(path).column("Reaction").values, coded()["Reaction"], rtol=1e-12)
