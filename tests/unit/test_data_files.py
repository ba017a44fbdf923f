"""Files as spreadsheets and other programs write them."""

import sys

import numpy as np
import pandas as pd
import pytest

from ranef import DataError, RanefWarning, lmer
from ranef.data.table import Table

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
