"""Refits of very many responses: blocks, missing values, statuses."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from ranef import RanefError, RanefWarning, glmer, lmer, load_dataset


@pytest.fixture(scope="module")
def made() -> tuple[Any, pd.DataFrame, pd.DataFrame]:
    r = np.random.default_rng(2)
    n, k = 90, 12
    data = pd.DataFrame({"g": np.arange(n) % k, "x": r.normal(size=n), "w": r.uniform(1, 2, n), "o": r.normal(size=n)})
    y = {f"r{j}": data.x * r.normal() + r.normal(size=k)[data.g] + r.normal(size=n) for j in range(30)}
    frame = pd.DataFrame(y)
    data["y"] = frame["r0"]
    return lmer("y ~ x + offset(o) + (1 | g)", data, weights="w"), data, frame


def same(a: Any, b: Any) -> None:
    for name in ("objective", "fixef", "bse", "theta", "sigma", "nobs"):
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=1e-8, atol=1e-9)
    assert a.status.tolist() == b.status.tolist()


def test_missing_values_leave_out_rows(made: Any) -> None:
    m, data, frame = made
    y = frame.copy()
    y.loc[[1, 5], ["r3", "r7"]] = np.nan
    y.loc[60:, "r4"] = np.nan
    found = m.refit(y)
    assert found.converged.all()
    assert found.nobs[[0, 3, 4, 7]].tolist() == [90, 88, 60, 88]
    for name in ("r0", "r3", "r4", "r7"):
        one = lmer("y ~ x + offset(o) + (1 | g)", data.assign(y=y[name]), weights="w")
        j = y.columns.get_loc(name)
        np.testing.assert_allclose(found.objective[j], one.objective, rtol=1e-9)
        np.testing.assert_allclose(found.fixef[j], one.fixef, rtol=1e-6)
        np.testing.assert_allclose(found.bse[j], one.bse, rtol=1e-6)
        np.testing.assert_allclose(found.sigma[j], one.sigma, rtol=1e-6)
    complete = [n for n in y if not y[n].isna().any()]
    same(m.refit(y[complete]), m.refit(frame[complete]))


def test_columns_that_cannot_be_fitted_have_a_status(made: Any) -> None:
    m, data, frame = made
    y = frame[["r1", "r2"]].assign(
        none=np.nan, infinite=np.inf, constant=1.0, exact=3 * data.x + data.o, few=np.where(data.index < 2, 1.0, np.nan)
    )
    y["one level"] = np.where(data.g == 3, frame["r5"], np.nan)
    with pytest.warns(RanefWarning, match="'none': missing in all rows") as caught:
        found = m.refit(y)
    assert len(caught) == 1
    status = found.to_frame().status.to_dict()
    assert status["r1"] == status["r2"] == "converged"
    assert status["none"] == "missing in all rows"
    assert status["infinite"].startswith("infinite")
    assert status["few"] == "as many random effects as rows"
    assert status["one level"] == "one level of a grouping factor"
    assert status["exact"] in ("exact", "no finite criterion")
    assert np.isnan(found.objective[2:5]).tolist() == [True, True, False]
    assert found.converged.sum() == 3  # a constant is one that the offset varies about


def test_blocks_of_any_kind_give_the_same(made: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pa = pytest.importorskip("pyarrow")
    pl = pytest.importorskip("polars")
    import pyarrow.parquet as pq

    m, _, frame = made
    whole = m.refit(frame)
    monkeypatch.setattr("ranef.fit.refits.blocks.NUMBERS", 700)
    monkeypatch.setattr("ranef.fit.refits.blocks.FEWEST", 4)
    table = pa.Table.from_pandas(frame)
    pq.write_table(table, tmp_path / "y.parquet")
    array = frame.to_numpy()
    stored = np.memmap(tmp_path / "y.bin", dtype=float, mode="w+", shape=array.shape)
    stored[:] = array
    blocks = [frame.iloc[:, :11], frame.iloc[:, 11:]]
    for y in (
        frame,
        table,
        table.to_reader(50),
        str(tmp_path / "y.parquet"),
        pl.from_pandas(frame).lazy(),
        iter(blocks),
        lambda: blocks,
    ):
        found = m.refit(y)
        same(found, whole)
        assert found.response_names == tuple(frame.columns)
    for y in (stored, np.asfortranarray(array), (b.to_numpy() for b in blocks)):
        found = m.refit(y)
        same(found, whole)
        assert found.response_names == tuple(range(30))
    seen: list[tuple[int, int]] = []
    assert m.refit(iter(blocks), to=tmp_path / "out.parquet", progress=lambda a, b: seen.append((a, b))) is None
    written = pd.read_parquet(tmp_path / "out.parquet")
    assert written.response.tolist() == list(frame.columns)
    np.testing.assert_allclose(written["objective"], whole.objective, rtol=1e-10)
    assert seen[-1] == (30, 30)


def test_an_interrupt_in_a_block_ends_the_call(made: Any, tmp_path: Any) -> None:
    m, _, frame = made

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        m.refit(frame, to=tmp_path / "out.parquet", progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_matrix(made: Any, tmp_path: Any) -> None:
    m, _, frame = made
    (tmp_path / "no.parquet").write_text("x")
    for call, word in [
        (lambda: m.refit(iter([])), "no column"),
        (lambda: m.refit(lambda: 3), "iterator of blocks"),
        (lambda: m.refit(tmp_path / "no.parquet"), "cannot be read"),
        (lambda: m.refit(frame["r0"], to=tmp_path / "a.parquet"), "for many responses"),
        (lambda: m.refit(iter([frame[:3]])), "3 rows"),
        (lambda: m.refit(iter([frame.astype(str)])), "numbers only"),
    ]:
        with pytest.raises(RanefError, match=word):
            call()


@pytest.mark.filterwarnings("ignore:singular")
def test_generalized_models_leave_out_rows_too() -> None:
    data = load_dataset("cbpp")
    m = glmer("cbind(incidence, size - incidence) ~ period + (1 | herd)", data, family="binomial")
    y = pd.DataFrame({"whole": data.incidence, "part": data.incidence.astype(float), "bad": data.incidence + 100.0})
    y.loc[[0, 7], "part"] = np.nan
    with pytest.warns(RanefWarning, match="'bad'"):
        found = m.refit(y)
    assert found.converged.tolist() == [True, True, False]
    one = glmer("cbind(incidence, size - incidence) ~ period + (1 | herd)", data.drop(index=[0, 7]), family="binomial")
    assert found.objective[1] == pytest.approx(one.objective, abs=1e-7)
    np.testing.assert_allclose(found.fixef[1], one.fixef, rtol=1e-5)
