"""Linear mixed models of sums over batches: held against fits of all rows and dense algebra."""

import pickle

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet
import pytest

import ranef
from ranef import DataError, DesignError, NewLevelError, RanefError, lmer, scale
from ranef.scale import fitting

N = 2400


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(11)
    g, h = rng.integers(40, size=N), rng.integers(25, size=N)
    x = rng.normal(size=N)
    d = pd.DataFrame(
        {
            "x": 1e6 + x,
            "z": rng.exponential(size=N),
            "f": rng.choice(list("cab"), N),
            "g": g * 7 - 20,
            "h": np.array([f"h{i}" for i in h], dtype=object),
            "w": rng.uniform(0.5, 2, N),
            "o": rng.normal(size=N),
        }
    )
    b = rng.normal(size=(40, 2)) * (0.9, 0.5)
    d["y"] = 1 + 0.5 * x + 0.3 * (d.f == "b") + b[g, 0] + b[g, 1] * x + rng.normal(size=25)[h] + rng.normal(size=N)
    d.loc[rng.choice(N, 50), "y"] = np.nan
    d.loc[rng.choice(N, 40), "f"] = None
    d.loc[N - 4 :, "f"] = "d"  # a level in the last rows only
    d.loc[N - 4 :, "y"] = [2.0, 1.0, 0.5, 1.5]
    return d


CASES = [
    ("y ~ scale(x) * f + (scale(x) | g) + (1 | h)", {}),
    ("y ~ x + f + log(z) + (scale(x) || g) + (1 | h/f)", {"weights": "w", "offset": "o"}),
    ("y ~ z + I(x > 1e6) + (1 | g:h)", {"subset": "z < 2", "REML": False}),
    ("y ~ f + x + (0 + f | h)", {"contrasts": {"f": "sum"}, "subset": "f != 'd'"}),
    ("y ~ x + cs(0 + f | g)", {"subset": "f != 'd'"}),
    ("y ~ 0 + f + factor(g) + (1 | h)", {}),
    ("y ~ I(x - mean(x)) + offset(o) + (1 | g) + (0 + z | g)", {"weights": "sqrt(w)"}),
]


def parts_of(data, chunks, seed=None):
    rows = np.arange(len(data)) if seed is None else np.random.default_rng(seed).permutation(len(data))
    return [data.iloc[r] for r in np.array_split(rows, chunks)]


@pytest.mark.parametrize(("formula", "arguments"), CASES)
@pytest.mark.parametrize(("chunks", "seed"), [(1, None), (3, 5), (17, 6)])
@pytest.mark.filterwarnings("ignore:singular fit")
def test_sums_give_the_fit_of_all_rows(data, formula, arguments, chunks, seed):
    whole = lmer(formula, data, **arguments)
    summed = scale.fit(formula, parts_of(data, chunks, seed), **arguments)
    assert summed.objective == pytest.approx(whole.objective, abs=1e-8)
    assert list(summed.fixef.index) == list(whole.fixef.index)
    np.testing.assert_allclose(summed.theta, whole.theta, atol=1e-6)
    np.testing.assert_allclose(summed.fixef, whole.fixef, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(summed.bse, whole.bse, rtol=1e-6)
    np.testing.assert_allclose(summed.df, whole.df, rtol=1e-5)
    assert (summed.nobs, summed.ngroups) == (whole.nobs, whole.ngroups)
    used = [[line for line in str(m.summary()).splitlines() if "rows used" in line] for m in (whole, summed)]
    assert used[0]
    assert used[0] == used[1]
    for group, frame in whole.ranef().items():
        pd.testing.assert_frame_equal(summed.ranef()[group], frame, atol=1e-5, rtol=1e-5)


def test_what_needs_no_rows_is_that_of_all_rows(data, tmp_path):
    formula = "y ~ scale(x) + f + (scale(x) | g)"
    whole, summed = lmer(formula, data), scale.fit(formula, parts_of(data, 4, 2))
    new = data.dropna().head(7)
    np.testing.assert_allclose(summed.predict(new, se=True), whole.predict(new, se=True), rtol=1e-6)
    for kind in (1, 2, 3):
        ours, theirs = (m.anova(type=kind, ddf="kenward-roger") for m in (summed, whole))
        np.testing.assert_allclose(ours.f_value, theirs.f_value, rtol=1e-6)
        np.testing.assert_allclose(ours.den_df, theirs.den_df, rtol=1e-6)
    np.testing.assert_allclose(summed.conf_int(), whole.conf_int(), rtol=1e-6)
    profiles = [m.conf_int(method="profile", parm=["f[T.b]"]) for m in (summed, whole)]
    np.testing.assert_allclose(*profiles, rtol=1e-5)
    less = [m("y ~ scale(x) + (scale(x) | g)", data[data.f.notna()]) for m in (scale.fit, lmer)]
    more = [m(formula, data[data.f.notna()]) for m in (scale.fit, lmer)]
    tables = [ranef.anova(*pair) for pair in zip(less, more, strict=True)]
    assert tables[0].chisq.iloc[1] == pytest.approx(tables[1].chisq.iloc[1], abs=1e-6)
    summed.save(tmp_path / "m.ranef")
    for again in (ranef.load(tmp_path / "m.ranef"), pickle.loads(pickle.dumps(summed))):
        np.testing.assert_allclose(again.df, summed.df)
        assert str(again.summary()) == str(summed.summary())


@pytest.mark.parametrize("question", ["fittedvalues", "resid", "hatvalues", "simulate", "influence", "refit"])
def test_what_needs_rows_says_so(data, question):
    m = scale.fit("y ~ f + (1 | g)", data)

    def asked():
        found = getattr(m, question)
        return found(*([np.zeros(m.nobs)] if question == "refit" else [])) if callable(found) else found

    with pytest.raises(DataError, match="needs the rows"):
        asked()


def test_sums_are_those_of_dense_algebra(data):
    d = data.dropna()
    recipe = scale.survey("y ~ z + (1 | g)", d).freeze()
    c = scale.Statistic(recipe)
    for part in parts_of(d, 5, 1):
        c.update(part)
    held = recipe.design.sums
    x = np.column_stack([np.ones(len(d)), d.z, d.y])
    shift, size = np.array([*held.x.shift, held.y[0]]), np.array([*held.x.scale, held.y[1]])
    w = (x - shift) / size
    np.testing.assert_allclose(np.array(c._core.products()).reshape(3, 3), w.T @ w, rtol=3e-15, atol=1e-12)


def test_no_order_of_parts_shows(data):
    formula = "y ~ scale(x) + f + (scale(x) | g) + (1 | g:h)"
    recipes = []
    for chunks, seed in [(1, None), (4, 3), (9, 8)]:
        surveys = [scale.survey(formula, part) for part in parts_of(data, chunks, seed)]
        order = np.random.default_rng(chunks).permutation(chunks)
        first = surveys[order[0]]
        for i in order[1:]:
            first.merge(surveys[i])
        recipes.append(pickle.loads(pickle.dumps(first)).freeze())
    assert len({r.fingerprint for r in recipes}) == 1
    assert [list(t.levels) for t in recipes[0].design.random] == [list(t.levels) for t in recipes[2].design.random]
    other = scale.survey(formula, data[data.g > 0]).freeze()
    assert other.fingerprint != recipes[0].fingerprint
    one, two = scale.Statistic(recipes[0]), scale.Statistic(other)
    with pytest.raises(DataError, match="levels of"):
        one.merge(two)


def test_parts_count_once_and_bytes_are_checked(data):
    recipe = scale.survey("y ~ f + (1 | g)", data).freeze()
    c, other = scale.Statistic(recipe), scale.Statistic(recipe)
    c.update(data[:1000], part="a")
    with pytest.raises(DataError, match="'a' is in the sums already"):
        c.update(data[:1000], part="a")
    other.update(data[:1000], part="a")
    with pytest.raises(DataError, match="'a' is in both"):
        c.merge(other)
    other = scale.Statistic(pickle.loads(pickle.dumps(recipe)))
    other.update(data[1000:], part="b")
    content = other.to_bytes()
    c.merge(scale.Statistic.from_bytes(content))
    assert c.parts == ("a", "b")
    assert c.fit().objective == pytest.approx(lmer("y ~ f + (1 | g)", data).objective, abs=1e-8)
    for cut in (0, 5, 30, len(content) // 2, len(content) - 1):
        with pytest.raises(DataError):
            scale.Statistic.from_bytes(content[:cut])
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 1
    with pytest.raises(DataError, match="damaged"):
        scale.Statistic.from_bytes(bytes(flipped))
    with pytest.raises(DataError, match="version"):
        scale.Statistic.from_bytes(content[:15] + b"\x09" + content[16:])


def test_a_bad_batch_changes_nothing(data):
    c = scale.Statistic(scale.survey("y ~ f + (1 | g)", data).freeze())
    c.update(data[:500], part="a")
    before = c._core.to_bytes()
    for bad, error in [
        (data[500:600].assign(g=99999), NewLevelError),
        (data[500:600].assign(f="new"), NewLevelError),
        (data[500:600].assign(y="text"), RanefError),
        (data[500:600].drop(columns="g"), RanefError),
    ]:
        with pytest.raises(error):
            c.update(bad)
    assert c._core.to_bytes() == before


def test_batches_may_be_empty_or_have_no_complete_row(data):
    nothing = data[:20].assign(y=np.nan, f="only here", g=5)
    m = scale.fit("y ~ f + (1 | g)", [data[:0], nothing, data, data[:0]])
    whole = lmer("y ~ f + (1 | g)", pd.concat([nothing, data]))
    assert list(m.fixef.index) == list(whole.fixef.index)
    assert m.objective == pytest.approx(whole.objective, abs=1e-8)
    with pytest.raises(DataError, match="no row"):
        scale.fit("y ~ f + (1 | g)", nothing)
    with pytest.raises(DataError, match="text in the data in place 1 and numbers in the data in place 2"):
        scale.fit("y ~ f + (1 | g)", [data, data.assign(f=1.5)])


def test_what_needs_all_rows_at_once_is_refused(data):
    for term in ("ave(z, f)", "I(z / length(z))"):
        with pytest.raises(DesignError, match="all rows at once"):
            scale.fit(f"y ~ {term} + (1 | g)", data)
    for arguments in ({"weights": "ave(w, f)"}, {"subset": "z > length(z)"}):
        with pytest.raises(DesignError, match="all rows at once"):
            scale.fit("y ~ z + (1 | g)", data, **arguments)
    with pytest.raises(DesignError, match="same effects"):
        scale.fit("y ~ z + (1 | g) + (z | g)", data)
    with pytest.raises(DesignError, match="REML says nothing"):
        scale.fit("y ~ f + (1 | f)", data[data.f != "d"])


def sources(data, folder):
    polars = pytest.importorskip("polars")
    for i, part in enumerate(parts_of(data, 3)):
        part.to_parquet(folder / f"part{i}.parquet", index=False)
    yield str(folder)
    yield folder / "part*.parquet"
    yield pyarrow.dataset.dataset(folder)
    yield polars.scan_parquet(folder / "*.parquet")
    yield pa.Table.from_pandas(data)
    try:
        import duckdb
    except ImportError:
        return
    yield duckdb.sql(f"select * from '{folder}/*.parquet'")


def test_every_kind_of_source(data, tmp_path, monkeypatch):
    whole = lmer("y ~ f + x + (1 | g)", data)
    for limit in (1, 10**9):
        monkeypatch.setattr(fitting, "MANY_ROWS", limit)
        for source in sources(data, tmp_path):
            m = lmer("y ~ f + x + (1 | g)", source)
            assert m.objective == pytest.approx(whole.objective, abs=1e-8), source
            assert m.nobs == whole.nobs
            if limit == 1 and not isinstance(source, pa.Table):
                with pytest.raises(DataError, match="needs the rows"):
                    _ = m.resid
            else:
                assert len(m.resid) == whole.nobs
    monkeypatch.setattr(fitting, "MANY_ROWS", 1)
    folder = str(tmp_path)
    assert len(lmer("y ~ ave(z, g) + (1 | g)", folder).resid) == data.y.notna().sum()
    with pytest.raises(DataError, match="no file has a name like"):
        lmer("y ~ f + (1 | g)", str(tmp_path / "nothing*.parquet"))


def test_dependent_columns_are_left_out(data):
    d = data.assign(twice=2 * data.z + 1)
    with pytest.warns(ranef.RanefWarning, match="twice"):
        m = scale.fit("y ~ z + twice + (1 | g)", parts_of(d, 3))
    with pytest.warns(ranef.RanefWarning, match="twice"):
        whole = lmer("y ~ z + twice + (1 | g)", d)
    assert list(m.fixef.index) == list(whole.fixef.index)
    assert m.objective == pytest.approx(whole.objective, abs=1e-8)


@pytest.mark.parametrize(("distance", "shared"), [(1e-3, 1e-8), (1e-5, 1e-7), (1e-6, 1e-4), (2e-8, 1e-8)])
@pytest.mark.filterwarnings("ignore:.*depend")
def test_columns_that_nearly_depend_on_each_other(distance, shared):
    """Whether a column is left out is decided as with the rows: at 1e-7 of its length."""
    rng = np.random.default_rng(7)
    n = 3_000
    g, h = rng.integers(40, size=n), rng.integers(30, size=n)
    d = pd.DataFrame({"g": g, "h": h, "x": 5 + 3 * rng.normal(size=n), "w": rng.normal(size=n)})
    d["v"] = 2 * d.x + 0.5 * d.w + 6 * distance * rng.normal(size=n)
    d["y"] = 1 + d.x + rng.normal(size=40)[g] + rng.normal(size=30)[h] + rng.normal(size=n)
    formula = "y ~ x + w + v + (1 | g) + (1 | h)"
    whole = lmer(formula, d)
    assert ("v" in whole.fixef.index) is (distance > 1e-7)
    for m in (scale.fit(formula, parts_of(d, 3)), scale.fit(formula, d)):
        assert list(m.fixef.index) == list(whole.fixef.index)
        assert m.objective == pytest.approx(whole.objective, abs=100 * shared)
        np.testing.assert_allclose(m.fixef / whole.bse, whole.fixef / whole.bse, atol=100 * shared, rtol=shared)
        np.testing.assert_allclose(m.bse, whole.bse, rtol=shared)
        np.testing.assert_allclose(m.theta, whole.theta, atol=1e-6)
        # from the sums that the model keeps
        ml = m.update(REML=False)
        assert ml.objective == pytest.approx(lmer(formula, d, REML=False).objective, abs=100 * shared)
