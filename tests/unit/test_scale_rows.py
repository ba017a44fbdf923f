"""Models made of sums: what they can do without rows, and with rows that are read again."""

import gc
import pickle

import numpy as np
import pandas as pd
import pytest

import ranef
from ranef import DataError, NewLevelError, RanefError, lmer, scale
from ranef.data import batches

N = 1200
FORMULA = "y ~ poly(x, 2) + f + (x | g) + (1 | h)"


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(1)
    g, h = rng.integers(40, size=N), rng.integers(7, size=N)
    d = pd.DataFrame({"g": g, "h": h, "x": rng.normal(size=N), "z": rng.exponential(size=N)})
    d["f"] = rng.choice(list("abc"), N)
    d["w"] = rng.uniform(0.5, 2, N)
    b = rng.normal(size=(40, 2)) * (1, 0.4)
    d["y"] = 1 + d.x + b[g, 0] + b[g, 1] * d.x + rng.normal(size=7)[h] + rng.normal(size=N)
    d.loc[rng.choice(N, 30), "y"] = np.nan
    d.loc[rng.choice(N, 30), "f"] = None
    return d


def folder_of(data, folder):
    for i, part in enumerate([data[:500], data[500:]]):
        part.to_parquet(folder / f"{i}.parquet", index=False)
    return folder


@pytest.fixture(scope="module", autouse=True)
def closed():
    """Files that were left open are found here."""
    yield
    gc.collect()


ARGUMENTS = [{}, {"weights": "w", "subset": "z < 2"}, {"na_action": "exclude"}, {"offset": "log(w)"}]


@pytest.mark.parametrize("arguments", ARGUMENTS)
@pytest.mark.parametrize("many", [10**6, 1])
def test_rows_that_are_read_again(data, tmp_path, monkeypatch, arguments, many):
    monkeypatch.setattr(batches, "MANY_ROWS", many)
    whole, m = lmer(FORMULA, data, **arguments), scale.fit(FORMULA, [data[:700], data[700:]], **arguments)
    folder = tmp_path / "d"
    folder.mkdir()
    same = {"rtol": 1e-5, "atol": 1e-6, "check_index_type": False}
    for source in (data, folder_of(data, folder), [data[:500], data[500:]], iter([data[:300], data[300:]])):
        q = m.with_data(source)
        for name in ("fittedvalues", "resid", "linear_predictor"):
            pd.testing.assert_series_equal(getattr(q, name), getattr(whole, name), **same)
        for name in ("hatvalues", "rstudent", "cooks_distance"):
            pd.testing.assert_series_equal(getattr(q, name)(), getattr(whole, name)(), **same)
        pd.testing.assert_series_equal(q.residuals("scaled"), whole.residuals("scaled"), **same)
        pd.testing.assert_series_equal(q.predict(), whole.predict(), **same)
        pd.testing.assert_frame_equal(q.predict(se=True), whole.predict(se=True), **same)
        q.augment_to(tmp_path / "rows.parquet")
        written, expected = pd.read_parquet(tmp_path / "rows.parquet"), whole.augment().reset_index(drop=True)
        assert list(written.columns) == list(expected.columns)
        for name in (".fitted", ".resid", ".hat", ".cooksd", "x"):
            np.testing.assert_allclose(written[name], expected[name], rtol=1e-5, atol=1e-6)
        if many == 1 and not isinstance(source, pd.DataFrame):
            with pytest.raises(DataError, match=r"needs the rows .*with_data"):
                q.simulate()


def test_a_model_with_its_rows_can_do_everything(data, tmp_path):
    whole = lmer(FORMULA, data)
    q = scale.fit(FORMULA, [data[:700], data[700:]]).with_data(folder_of(data, tmp_path))
    np.testing.assert_allclose(q.simulate(rng=1), whole.simulate(rng=1), rtol=1e-5)
    np.testing.assert_allclose(q.ranova(), whole.ranova(), rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(q.drop1(), whole.drop1(), rtol=1e-5, atol=1e-8)
    assert q.r2().marginal == pytest.approx(whole.r2().marginal, rel=1e-6)
    assert q.icc().adjusted == pytest.approx(whole.icc().adjusted, rel=1e-6)
    np.testing.assert_allclose(q.emmeans("f").to_frame().estimate, whole.emmeans("f").to_frame().estimate, rtol=1e-6)
    np.testing.assert_allclose(q.influence(by="h").cooks_distance, whole.influence(by="h").cooks_distance, rtol=1e-4)
    assert q.update(". ~ . - f", REML=False).aic == pytest.approx(whole.update(". ~ . - f", REML=False).aic)


def test_other_rows_are_refused(data, tmp_path, monkeypatch):
    m = scale.fit(FORMULA, [data[:700], data[700:]])
    with pytest.raises(DataError, match=r"rows that can be used, and the model was made of"):
        m.with_data(data[:900])
    with pytest.raises(NewLevelError, match="'h' has the level '99'"):
        m.with_data(data.assign(h=99))
    with pytest.raises(RanefError, match=r"no column|not .*'f'|'f'"):
        m.with_data(data.drop(columns="f"))
    monkeypatch.setattr(batches, "MANY_ROWS", 1)
    many = m.with_data(folder_of(data[:900], tmp_path))
    with pytest.raises(DataError, match=r"rows that can be used, and the model was made of"):
        _ = many.resid
    with pytest.raises(DataError, match="cannot be written"):
        m.with_data(folder_of(data, tmp_path)).augment_to(tmp_path / "no" / "folder.parquet")


def test_a_loaded_model_gets_its_data_back(data, tmp_path):
    m = lmer(FORMULA, data)
    m.save(tmp_path / "m.ranef")
    again = ranef.load(tmp_path / "m.ranef")
    with pytest.raises(DataError, match="not kept"):
        again.emmeans("f")
    np.testing.assert_allclose(
        again.with_data(data).emmeans("f").to_frame().estimate, m.emmeans("f").to_frame().estimate
    )
    with pytest.raises(RanefError, match=r"the data have 900 rows and had 1,200"):
        again.with_data(data[:900])


def test_updates_read_the_data_again(data, tmp_path, monkeypatch):
    expected = lmer("y ~ x + (1 | g)", data, REML=False)
    m = scale.fit(FORMULA, [data[:700], data[700:]])
    again = m.update(". ~ x + (1 | g)", REML=False)
    assert again.objective == pytest.approx(expected.objective, abs=1e-8)
    with pytest.raises(DataError, match="needs the rows"):
        _ = again.resid
    assert again.update(subset="z < 1").nobs == lmer("y ~ x + (1 | g)", data, subset="z < 1").nobs
    monkeypatch.setattr("ranef.scale.fitting.MANY_ROWS", 1)
    folder = folder_of(data, tmp_path)
    large = pickle.loads(pickle.dumps(lmer(FORMULA, folder)))
    assert large.update(". ~ x + (1 | g)", REML=False).objective == pytest.approx(expected.objective, abs=1e-8)
    assert len(large.update(". ~ x + (1 | g)", data=data).resid) == data.y.notna().sum()
    assert len(large.update(". ~ ave(x, g) + (1 | g)").resid) == data.y.notna().sum()
    large.save(tmp_path / "m.ranef")
    loaded = ranef.load(tmp_path / "m.ranef")
    with pytest.raises(DataError, match="give them again"):
        loaded.update(". ~ x + (1 | g)")
    np.testing.assert_allclose(loaded.with_data(folder).resid, lmer(FORMULA, data).resid, atol=1e-6)
    with pytest.raises(DataError, match="needs the rows"):
        m.refit(np.zeros(m.nobs))


@pytest.mark.parametrize("shift", [0.0, 1e7])
def test_shares_of_variance_need_no_rows(data, shift):
    d = data.assign(x=data.x + shift)
    for formula in ("y ~ x + f + (x | g) + (1 | h)", "y ~ 0 + f + (1 | g)"):
        whole, m = lmer(formula, d), scale.fit(formula, [d[:700], d[700:]])
        if "0 + f" in formula:
            with pytest.raises(DataError, match="needs the rows"):
                m.r2()
            continue
        assert m.r2().marginal == pytest.approx(whole.r2().marginal, rel=1e-6)
        assert m.r2().conditional == pytest.approx(whole.r2().conditional, rel=1e-6)
        pd.testing.assert_frame_equal(m.icc(by_group=True), whole.icc(by_group=True), rtol=1e-6)
    for formula, arguments in [("y ~ f + (x | g)", {}), ("y ~ x + (1 | g)", {"weights": "w"})]:
        with pytest.raises(DataError, match="needs the rows"):
            scale.fit(formula, d, **arguments).r2()


MEANS = [
    ("y ~ x * f + (1 | g)", "f", {}),
    ("y ~ f * k + log(z) + (1 | g)", ["f", "k"], {"weights": "proportional"}),
    ("y ~ f + factor(h) + x + (1 | g)", "f", {"weights": "cells"}),
    ("y ~ factor(h) + b + x + (1 | g)", "h", {"at": {"x": [0.5]}}),
    ("y ~ f + e + offset(w) + (1 | g)", "f", {}),
    ("y ~ x * f + (1 | g)", "f", {"cov_reduce": "range"}),
]


@pytest.mark.parametrize(("formula", "specs", "arguments"), MEANS)
@pytest.mark.filterwarnings("ignore:singular fit")
def test_marginal_means_need_no_rows(data, formula, specs, arguments):
    d = data.assign(
        k=data.x > 0.3, e=(data.g % 4).astype(float), b=pd.Categorical(np.where(data.z > 1, "u", "t"), ["u", "t"])
    )
    whole = lmer(formula, d)
    for m in (scale.fit(formula, [d[:100], d[100:700], d[700:]]), scale.fit(formula, d)):
        ours, theirs = (q.emmeans(specs, **arguments).to_frame() for q in (m, whole))
        assert list(ours.columns) == list(theirs.columns)
        pd.testing.assert_frame_equal(ours, theirs, rtol=1e-6)
        pd.testing.assert_frame_equal(m.reference_grid(), whole.reference_grid(), rtol=1e-6)
        pd.testing.assert_frame_equal(m.joint_tests(), whole.joint_tests(), rtol=1e-5)
        if "x * f" in formula:
            trends = [q.emtrends("f", "x").to_frame() for q in (m, whole)]
            pd.testing.assert_frame_equal(*trends, rtol=1e-6)
    if "log(z)" in formula:
        with pytest.raises(DataError, match="needs the rows"):
            m.emmeans(specs, cov_reduce="median")
    m = pickle.loads(pickle.dumps(m))
    assert len(m.emmeans(specs).to_frame())


def test_cells_are_counted_up_to_a_limit(data, monkeypatch):
    monkeypatch.setattr("ranef.design.summarised.MOST_CELLS", 2)
    m = scale.fit("y ~ f + (1 | g)", [data[:700], data[700:]])
    with pytest.raises(DataError, match="needs the rows"):
        m.emmeans("f")
