"""Sources that are read in batches: each kind gives the fit of the same rows in memory."""

import gc
import itertools
import os
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset
import pyarrow.feather
import pyarrow.parquet
import pytest

from ranef import DataError, RanefError, RanefWarning, glmer, lmer, scale
from ranef.data import text_batches
from ranef.scale import fitting

N = 1500
FORMULA = "y ~ x + f + (1 | g)"


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(5)
    g = rng.integers(30, size=N)
    d = pd.DataFrame({"g": g, "x": rng.normal(size=N), "f": rng.choice(list("abc"), N), "unused": "text"})
    d["y"] = 1 + d.x + rng.normal(size=30)[g] + rng.normal(size=N)
    d.loc[[3, 800], "y"] = np.nan
    return d


@pytest.fixture(scope="module")
def whole(data):
    return lmer(FORMULA, data)


@pytest.fixture
def no_rows_kept(monkeypatch):
    monkeypatch.setattr(fitting, "MANY_ROWS", 1)


def parts(data, n=4):
    return [data.iloc[r] for r in np.array_split(np.arange(len(data)), n)]


def write(data, folder, kind):
    """A folder of files of one kind."""
    folder.mkdir()
    if kind == "hive":
        for level, part in data.groupby("f"):
            (folder / f"f={level}").mkdir()
            part.drop(columns="f").to_parquet(folder / f"f={level}" / "p.parquet", index=False)
        return folder
    for i, part in enumerate(parts(data)):
        path = folder / f"p{i}.{kind}"
        if kind.startswith("csv"):
            part.to_csv(path, index=False)
        elif kind == "tsv":
            part.to_csv(path, index=False, sep="\t")
        elif kind == "feather":
            pyarrow.feather.write_feather(pa.Table.from_pandas(part, preserve_index=False), path)
        elif kind == "arrows":
            table = pa.Table.from_pandas(part, preserve_index=False)
            with pa.ipc.new_stream(path, table.schema) as file:
                file.write_table(table, max_chunksize=100)
        else:
            part.to_parquet(path, index=False)
    return folder


KINDS = ["parquet", "feather", "arrows", "csv", "csv.gz", "tsv", "hive"]


@pytest.mark.parametrize("kind", KINDS)
def test_folders_and_patterns(data, whole, tmp_path, monkeypatch, kind):
    folder = write(data, tmp_path / "d", kind)
    given = [folder, str(folder), folder / "**" / "*.parquet" if kind == "hive" else str(folder / f"*.{kind}")]
    for source, limit in itertools.product(given[: 2 if kind == "hive" else 3], (1, 10**9)):
        monkeypatch.setattr(fitting, "MANY_ROWS", limit)
        m = lmer(FORMULA, source)
        assert m.objective == pytest.approx(whole.objective, abs=1e-8)
        assert (m.nobs, m.ngroups, list(m.fixef.index)) == (whole.nobs, whole.ngroups, list(whole.fixef.index))
    if kind not in ("hive",):
        one = scale.fit("y ~ x + (1 | g)", folder / f"p0.{kind}")
        assert one.objective == pytest.approx(lmer("y ~ x + (1 | g)", parts(data)[0]).objective, abs=1e-8)


@pytest.mark.parametrize("kind", ["parquet", "feather", "csv"])
def test_arrow_datasets(data, whole, tmp_path, no_rows_kept, kind):
    folder = write(data, tmp_path / "d", kind)
    dataset = pyarrow.dataset.dataset(folder, format=kind)
    chosen = dataset.filter(pyarrow.dataset.field("x") > 0)
    assert lmer(FORMULA, dataset).objective == pytest.approx(whole.objective, abs=1e-8)
    assert lmer(FORMULA, chosen).objective == pytest.approx(lmer(FORMULA, data[data.x > 0]).objective, abs=1e-8)


def test_partition_columns_of_a_dataset(data, whole, tmp_path, no_rows_kept):
    folder = write(data, tmp_path / "d", "hive")
    m = lmer(FORMULA, pyarrow.dataset.dataset(folder, partitioning="hive"))
    assert m.objective == pytest.approx(whole.objective, abs=1e-8)
    (folder / "f=c" / "more").mkdir()
    (folder / "f=c" / "p.parquet").rename(folder / "f=c" / "more" / "p.parquet")
    assert lmer(FORMULA, folder).objective == pytest.approx(whole.objective, abs=1e-8)
    (folder / "f=c").rename(folder / "g=7")
    with pytest.raises(DataError, match=r"name the columns g, and those of .* f"):
        lmer(FORMULA, folder)


def test_numbers_of_folders_are_numbers(data, tmp_path):
    for level, part in data.groupby("g"):
        (tmp_path / f"g={level}").mkdir()
        part.drop(columns="g").to_csv(tmp_path / f"g={level}" / "p.csv", index=False)
    m = scale.fit("y ~ x + g + (1 | g:f)", tmp_path)
    assert m.objective == pytest.approx(lmer("y ~ x + g + (1 | g:f)", data).objective, abs=1e-8)


def test_relations_of_duckdb(data, whole, monkeypatch):
    duckdb = pytest.importorskip("duckdb")
    con = duckdb.connect()
    con.register("frame", data)
    relation = con.sql('select *, 1 as "a b" from frame')
    for limit in (1, 10**9):
        monkeypatch.setattr(fitting, "MANY_ROWS", limit)
        assert lmer(FORMULA, relation).objective == pytest.approx(whole.objective, abs=1e-8)
    m = scale.fit("y ~ x + (1 | g)", con.sql("select * from frame where f <> 'a'"))
    assert m.objective == pytest.approx(lmer("y ~ x + (1 | g)", data[data.f != "a"]).objective, abs=1e-8)
    with pytest.raises(RanefError, match="nothere"):
        scale.fit("y ~ nothere + (1 | g)", relation)


class Producer:
    """Some library's table."""

    def __init__(self, table):
        self.table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self.table.__arrow_c_stream__(requested_schema)


def streams(data):
    table = pa.Table.from_pandas(data, preserve_index=False)
    yield Producer(table)
    yield lambda: table.to_reader(max_chunksize=200)
    yield lambda: iter(parts(data))
    yield lambda: data


def one_shot(data):
    polars = pytest.importorskip("polars")
    table = pa.Table.from_pandas(data, preserve_index=False)
    yield lambda: table.to_reader(max_chunksize=200)
    yield lambda: iter(parts(data))
    yield lambda: (polars.from_pandas(p) for p in parts(data))
    yield lambda: ({c: p[c].to_numpy() for c in p} for p in parts(data))
    yield lambda: iter(table.to_batches(max_chunksize=300))


def test_streams_that_can_be_opened_again(data, whole, monkeypatch):
    less = lmer("y ~ x + (1 | g)", data, REML=False)
    for stream in streams(data):
        assert scale.fit(FORMULA, stream).objective == pytest.approx(whole.objective, abs=1e-8)
        for limit in (1, 10**9):
            monkeypatch.setattr(fitting, "MANY_ROWS", limit)
            m = lmer(FORMULA, stream)
            assert m.objective == pytest.approx(whole.objective, abs=1e-8)
            assert m.update(". ~ . - f", REML=False).objective == pytest.approx(less.objective, abs=1e-8)


def test_streams_that_can_be_read_once(data, whole, monkeypatch):
    before = set(Path(tempfile.gettempdir()).glob("ranef-*"))
    recipe = scale.survey(FORMULA, data).freeze()
    for make in one_shot(data):
        for limit in (1, 10**9):
            monkeypatch.setattr(fitting, "MANY_ROWS", limit)
            if limit == 1:
                with pytest.warns(
                    RanefWarning, match="read once only; its columns in use were kept in a temporary"
                ) as said:
                    m = lmer(FORMULA, make())
                assert len(said) == 1
                with pytest.raises(DataError, match="a stream that can be read once only"):
                    m.update(". ~ . - f")
            else:
                m = lmer(FORMULA, make())
                assert len(m.resid) == whole.nobs
            assert m.objective == pytest.approx(whole.objective, abs=1e-8)
        m = scale.fit(FORMULA, make(), recipe=recipe)  # nothing is kept, and nothing said
        assert m.objective == pytest.approx(whole.objective, abs=1e-8)
    gc.collect()
    assert set(Path(tempfile.gettempdir()).glob("ranef-*")) == before
    with pytest.raises(DataError, match="another formula"):
        scale.fit("y ~ f + (1 | g)", data, recipe=recipe)
    g = glmer("I(y > 1) ~ x + (1 | g)", iter(parts(data)), family="binomial")
    assert g.objective == pytest.approx(glmer("I(y > 1) ~ x + (1 | g)", data, family="binomial").objective, abs=1e-6)


def test_a_producer_that_is_empty_at_the_second_look(data):
    class Once:
        def __init__(self):
            self.left = 2

        def __arrow_c_stream__(self, requested_schema=None):
            self.left -= 1
            table = pa.Table.from_pandas(data, preserve_index=False)
            return (table if self.left >= 0 else table[:0]).__arrow_c_stream__()

    with pytest.raises(DataError, match=r"1,500 rows when they were surveyed and 0 when .* a function"):
        scale.fit(FORMULA, Once())


def test_a_function_is_checked():
    with pytest.raises(RanefError, match="called without arguments"):
        scale.fit(FORMULA, lambda a: a)
    with pytest.raises(RanefError, match="it is a int"):
        scale.fit(FORMULA, lambda: 3)
    with pytest.raises(RanefError, match="should give frames"):
        scale.fit(FORMULA, iter([1, 2]))
    with pytest.raises(RanefError, match="gives no rows"):
        scale.fit(FORMULA, iter([]))


def test_a_full_disk_is_said(data, monkeypatch, tmp_path):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pa.ipc, "new_stream", full)
    with pytest.raises(DataError, match=r"cannot be written: .*No space left"):
        scale.fit(FORMULA, iter(parts(data)))


# ---- types of text files


@pytest.fixture(scope="module")
def long_text():
    """More than two blocks of 1 MiB."""
    n = 50_000
    rng = np.random.default_rng(2)
    d = pd.DataFrame({"id": rng.integers(100, size=n), "k": rng.integers(5, size=n), "pad": "p" * 40})
    d["y"] = rng.normal(size=n) + 0.1 * d.k + rng.normal(size=100)[d.id]
    return d


@pytest.mark.parametrize("late", ["id text", "k decimals", "k missing", "y none until late", "flag"])
def test_types_that_show_late_in_a_text_file(long_text, tmp_path, monkeypatch, late):
    monkeypatch.setattr(text_batches, "_BLOCK", 1 << 20)
    d = long_text.astype({"id": str, "k": str, "y": str})
    last = d.index[-5:]
    if late == "id text":
        d.loc[last, "id"] = "x17"
    elif late == "k decimals":
        d.loc[last, "k"] = ["1.5", "2.5", "1e1", "3", "nan"]
    elif late == "k missing":
        d.loc[last, "k"] = ["NA", "", "NA", "3", "NA"]
    elif late == "flag":
        d["k"] = np.where(d.k == "1", "1", "0")
        d.loc[last, "k"] = ["true", "false", "true", "1", "0"]
    else:
        d.loc[: len(d) - 25_000, "k"] = ""
    d.to_csv(tmp_path / "d.csv", index=False)
    assert (tmp_path / "d.csv").stat().st_size > 2.5 * 2**20
    formula = "y ~ k + (1 | id)"
    whole, streamed = lmer(formula, tmp_path / "d.csv"), scale.fit(formula, tmp_path / "d.csv")
    assert streamed.nobs == whole.nobs
    assert streamed.ngroups == whole.ngroups
    assert list(streamed.fixef.index) == list(whole.fixef.index)
    assert streamed.objective == pytest.approx(whole.objective, abs=1e-6)


def test_text_files_are_typed_together(data, tmp_path):
    d = data.assign(g=data.g.map("{:03}".format))
    first, second = parts(d, 2)
    second = second.assign(g="x" + second.g)
    first.to_csv(tmp_path / "a.csv", index=False)
    second.to_csv(tmp_path / "b.csv", index=False)
    m = scale.fit(FORMULA, tmp_path)
    assert m.ngroups["g"] == 60
    assert {"007", "x007"} <= set(m.ranef()["g"].index)


def test_layouts_of_text_files(data, whole, tmp_path):
    for i, part in enumerate(parts(data)):
        if i == 1:
            part.to_csv(tmp_path / "p1.csv", index=False, sep=";", decimal=",")
        else:
            part.to_csv(tmp_path / f"p{i}.csv", index=False)
    with pytest.warns(RanefWarning, match="'p1.csv' was read with columns separated by semicolons"):
        m = scale.fit(FORMULA, tmp_path)
    assert m.objective == pytest.approx(whole.objective, abs=1e-8)


# ---- types of other files


def two_files(data, folder, change):
    folder.mkdir()
    a, b = parts(data, 2)
    a.to_parquet(folder / "a.parquet", index=False)
    change(b).to_parquet(folder / "b.parquet", index=False)
    return folder


def test_types_that_change_between_files(data, whole, tmp_path):
    same = [
        lambda b: b.astype({"g": "int8"}),
        lambda b: b.astype({"g": "float64"}),
        lambda b: b.astype({"x": "float64", "f": "string"}),
    ]
    for i, change in enumerate(same):
        m = scale.fit(FORMULA, two_files(data, tmp_path / str(i), change))
        assert m.objective == pytest.approx(whole.objective, abs=1e-8), i
    folder = two_files(data, tmp_path / "text", lambda b: b.astype({"g": str}))
    for fit in (scale.fit, lmer):
        with pytest.raises(
            DataError, match=r"column 'g' is (large_)?string in the file '.*b.parquet' and int64 in '.*a.p"
        ):
            fit(FORMULA, folder)
    folder = two_files(data, tmp_path / "none", lambda b: b.drop(columns="f"))
    with pytest.raises(DataError, match=r"'.*b.parquet' has no column 'f'"):
        scale.fit(FORMULA, folder)
    with pytest.raises(DataError, match=r"'f' holds text in the data in place 1 and numbers in the data in place 2"):
        scale.fit(FORMULA, [data, data.assign(f=1.5)])
    folder = two_files(data, tmp_path / "dataset", lambda b: b.astype({"g": str}).assign(g="x"))
    with pytest.raises(DataError, match=r"b.parquet'.*'g' is (large_)?string, not int64"):
        scale.fit(FORMULA, pyarrow.dataset.dataset(folder))


def test_categoricals_with_other_dictionaries(data, whole, tmp_path):
    a, b = parts(data, 2)
    for i, orders in enumerate([("abc", "cab"), ("abc", "abcz"), ("cab", "bca")]):
        folder = tmp_path / str(i)
        folder.mkdir()
        frames = [p.assign(f=pd.Categorical(p.f, list(o))) for p, o in zip((a, b), orders, strict=True)]
        for name, frame in zip("ab", frames, strict=True):
            frame.to_parquet(folder / f"{name}.parquet", index=False)
        for source in (folder, frames, lambda frames=frames: iter(frames)):
            m = scale.fit(FORMULA, source)
            assert m.objective == pytest.approx(whole.objective, abs=1e-8)
            assert list(m.fixef.index) == list(whole.fixef.index)


def test_identifiers_above_2_to_the_53(data, tmp_path):
    ids = 2**53 + data.g.to_numpy() // 2 * 2 + np.arange(N) % 2  # neighbours are one number as doubles
    d = data.assign(g=ids)
    whole = lmer(FORMULA, d)
    assert whole.ngroups["g"] > 16
    folder = write(d, tmp_path / "p", "parquet")
    text = write(d, tmp_path / "c", "csv")
    for source in (folder, text, parts(d), lambda: iter(parts(d))):
        m = scale.fit(FORMULA, source)
        assert m.ngroups == whole.ngroups
        assert set(m.ranef()["g"].index) == set(map(str, ids))
    last = pd.read_parquet(folder / "p3.parquet")
    last.assign(g=last.g.astype(float)).to_parquet(folder / "p3.parquet")
    with pytest.raises(DataError, match=r"'g' of the file '.*p\d.parquet' is int64 and does not go into double"):
        scale.fit(FORMULA, folder)


def test_files_without_rows_and_without_complete_rows(data, whole, tmp_path):
    folder = write(data, tmp_path / "d", "parquet")
    data[:0].to_parquet(folder / "p00.parquet", index=False)
    data[:40].assign(y=np.nan, g=99).to_parquet(folder / "p01.parquet", index=False)
    (folder / "notes.txt").write_text("not data")
    (folder / "_SUCCESS").write_text("")
    m = scale.fit(FORMULA, folder)
    assert m.objective == pytest.approx(whole.objective, abs=1e-8)
    assert m.ngroups == whole.ngroups
    assert m._fit.design.n_input == N + 40


def test_what_cannot_be_read_is_named(data, tmp_path):
    folder = write(data, tmp_path / "d", "parquet")
    (folder / "p1.parquet").write_bytes(b"PAR1 damaged")
    with pytest.raises(DataError, match=r"p1.parquet' cannot be read"):
        scale.fit(FORMULA, folder)
    (folder / "x.csv").write_text("a\n1\n")
    with pytest.raises(DataError, match="should all be Parquet, all Arrow"):
        scale.fit(FORMULA, str(folder / "*"))
    os.remove(folder / "x.csv")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DataError, match="a folder without Parquet, Arrow"):
        scale.fit(FORMULA, empty)
