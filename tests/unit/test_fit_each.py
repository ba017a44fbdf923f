"""One model for every group: values of lmerTest, and of one fit at a time."""

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ranef import RanefError, lmer, load_dataset, scale

FORMULA = "y ~ x + t + (x | g) + (1 | h)"

#: lmer(yield ~ nitro + (1 | Block)) of lmerTest 3.1-3 for each variety of nlme's Oats: estimates,
#: standard errors, degrees of freedom, p-values, standard deviations, restricted log-likelihood.
#: fmt: off
OATS = {
    "Golden Rain": [
        81.9,
        75.3333333333,
        8.20744519646,
        13.694615143,
        8.61899793384,
        17.0,
        5.02496743447e-06,
        3.89623685101e-05,
        15.7046888995,
        15.0016992603,
        -96.6848572485,
    ],
    "Marvellous": [
        90.4166666667,
        64.5833333333,
        7.53613572909,
        10.1219080575,
        7.04821607737,
        17.0,
        6.03159992301e-06,
        6.84037894081e-06,
        15.9593079823,
        11.0879947362,
        -91.397281271,
    ],
    "Victory": [
        73.3,
        81.0833333333,
        9.80908317852,
        11.4838797206,
        6.46848160791,
        17.0,
        0.000207083185723,
        1.91366209508e-06,
        21.5993032835,
        12.5799599412,
        -94.9751622888,
    ],
}
#: fmt: on


def close(a: Any, b: Any, rtol: float = 1e-8) -> None:
    np.testing.assert_allclose(np.asarray(a, dtype=float), np.asarray(b, dtype=float), rtol=rtol, atol=1e-8)


def columns(of: str, names: list[str]) -> list[str]:
    return [f"{of}({n})" for n in names]


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    r = np.random.default_rng(3)
    parts = []
    for i in range(12):
        n, k = int(r.integers(60, 120)), int(r.integers(6, 12))
        g, h, x = r.integers(0, k, n), r.integers(0, 5, n), r.normal(size=n)
        y = 1 + x * (i % 3) + (1.0 + 0.5 * x) * r.normal(size=k)[g] + r.normal(size=5)[h] + r.normal(size=n)
        t = r.choice(["a", "b", "c"], n)
        parts.append(
            pd.DataFrame({"gene": f"g{i:02}", "y": y, "x": x, "t": t, "g": g, "h": h, "w": r.uniform(1, 3, n)})
        )
    out = pd.concat(parts).sample(frac=1, random_state=1).reset_index(drop=True)
    out.loc[[3, 40], "y"] = np.nan
    return out


def test_values_of_lmertest() -> None:
    found = scale.fit_each("yield ~ nitro + (1 | Block)", load_dataset("oats"), by="Variety")
    names = ["(Intercept)", "nitro"]
    wanted = [*names, *columns("se", names), *columns("df", names), *columns("p", names)]
    wanted += ["sd_(Intercept)|Block", "sigma", "llf"]
    assert found.Variety.tolist() == list(OATS)
    close(found[wanted], list(OATS.values()), rtol=2e-6)
    assert found.nobs.tolist() == [24, 24, 24]
    assert (found.status == "converged").all()


@pytest.mark.parametrize("arguments", [{}, {"REML": False}, {"weights": "w", "offset": "x / 2"}, {"ddf": "residual"}])
def test_each_fit_is_that_of_its_rows(data: pd.DataFrame, arguments: dict[str, Any]) -> None:
    found = scale.fit_each(FORMULA, data, "gene", **arguments)
    assert found.gene.tolist() == sorted(set(data.gene))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for row in found.to_dict("records"):
            m = lmer(FORMULA, data[data.gene == row["gene"]], **arguments)
            names = m.fixef.index.tolist()
            close([row[n] for n in names], m.fixef, rtol=1e-6)
            close([row[n] for n in columns("se", names)], m.bse, rtol=1e-6)
            close([row[n] for n in columns("df", names)], m.df, rtol=1e-4)
            close([row[n] for n in columns("p", names)], m.pvalues, rtol=1e-4)
            close([row["llf"], row["nobs"]], [m.llf, m.nobs])
            close(row["sigma"], m.sigma, rtol=1e-6)
            assert row["singular"] == m.is_singular
            assert row["status"] == m.convergence.status.value


@pytest.mark.filterwarnings("ignore:singular")
def test_groups_without_a_fit_keep_a_row() -> None:
    r = np.random.default_rng(5)

    def rows(gene: str, n: int, levels: int, **changed: Any) -> pd.DataFrame:
        own = {"y": r.normal(size=n), "x": r.normal(size=n), "g": np.arange(n) % levels}
        return pd.DataFrame({"gene": gene, **own, **changed})

    x = r.normal(size=20)
    g = np.arange(20) % 4
    parts = [
        rows("fits", 20, 4),
        rows("constant", 20, 4, y=3.0),
        rows("dependent", 20, 4, x=1.0),
        rows("exact", 20, 4, x=x, y=2 * x + 1),
        rows("exact by groups", 20, 4, y=1.0 * g),
        rows("few", 2, 2),
        rows("missing", 20, 4, y=np.nan),
        rows("one level", 20, 1),
    ]
    data = pd.concat(parts)
    found = scale.fit_each("y ~ x + (1 | g)", data, "gene").set_index("gene")
    assert found.status.to_dict() == {
        "constant": "constant response",
        "dependent": "dependent fixed effects",
        "exact": "no finite criterion",
        "exact by groups": "exact",
        "few": "as many random effects as rows",
        "fits": "converged",
        "missing": "no rows",
        "one level": "one level of a grouping factor",
    }
    without = found[~found.status.isin(["converged", "exact"])]
    assert without.drop(columns=["nobs", "singular", "status"]).isna().all(axis=None)
    assert found.nobs["missing"] == 0
    assert found.nobs["few"] == 2
    close(found.loc["fits", "x"], lmer("y ~ x + (1 | g)", data[data.gene == "fits"]).fixef["x"])


@pytest.mark.filterwarnings("ignore::ranef.RanefWarning")
def test_variances_by_convention_are_those_of_one_fit() -> None:
    r = np.random.default_rng(6)
    n = 40
    data = pd.DataFrame(
        {"gene": np.repeat(["a", "b"], n), "y": r.normal(size=2 * n), "g": np.tile(np.arange(n) % 4, 2)}
    )
    data["x"] = np.where(data.gene == "a", data.g % 2, r.normal(size=2 * n))
    data["t"] = np.where(data.g < 2, "u", "v")
    formula = "y ~ t * x + (1 | g)"  # the fixed effects are a mean for each level in the first group
    found = scale.fit_each(formula, data, "gene").set_index("gene")
    m = lmer(formula, data[data.gene == "a"])
    names = m.fixef.index.tolist()
    close(found.loc["a", names], m.fixef, rtol=1e-7)
    close(found.loc["a", columns("se", names)], m.bse, rtol=1e-7)
    close(found.loc["a", columns("df", names)], m.df, rtol=1e-6)
    assert found.loc["a", "theta(g.(Intercept))"] == pytest.approx(m.theta.iloc[0])


def test_sources_and_threads_do_not_matter(data: pd.DataFrame, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pa = pytest.importorskip("pyarrow")
    pl = pytest.importorskip("polars")
    import pyarrow.parquet as pq

    whole = scale.fit_each(FORMULA, data, "gene", n_threads=1)
    pd.testing.assert_frame_equal(scale.fit_each(FORMULA, data, "gene", n_threads=3), whole, check_exact=True)
    folder = tmp_path / "parts"
    folder.mkdir()
    table = pa.Table.from_pandas(data)
    for i in range(3):
        pq.write_table(table.slice(i * 400, 400), folder / f"{i}.parquet")
    monkeypatch.setattr("ranef.scale.each.MOST_ROWS", 300)
    sources = [str(folder), pl.from_pandas(data).lazy(), table.to_reader(100), [data[:300], data[300:]], data]
    for source in sources:
        found = scale.fit_each(FORMULA, source, "gene")
        pd.testing.assert_frame_equal(found, whole, rtol=1e-6, check_dtype=False)
    scale.fit_each(FORMULA, str(folder), "gene", to=tmp_path / "out.parquet")
    written = pd.read_parquet(tmp_path / "out.parquet").sort_values("gene", ignore_index=True)
    pd.testing.assert_frame_equal(written, whole, rtol=1e-6, check_dtype=False)
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["out.parquet"]


def test_several_columns_make_groups_and_missing_ones_do_not() -> None:
    r = np.random.default_rng(8)
    n = 240
    day = np.repeat(pd.to_datetime(["2024-01-02", "2024-01-01"]), n // 2)
    data = pd.DataFrame({"site": np.tile([2, 1], n // 2), "day": day, "g": r.integers(0, 6, n), "y": r.normal(size=n)})
    data["site"] = data["site"].astype("Int64")
    data.loc[5, "site"] = pd.NA
    found = scale.fit_each("y ~ 1 + (1 | g)", data, ["site", "day"])
    assert found.site.tolist() == [1, 1, 2, 2]
    assert found.day.dt.day.tolist() == [1, 2, 1, 2]
    assert found.nobs.sum() == n - 1
    with pytest.raises(RanefError, match=r"values are missing: 'site' \(1\)"):
        scale.fit_each("y ~ 1 + (1 | g)", data, ["site", "day"], na_action="error")
    some = scale.fit_each("y ~ 1 + (1 | g)", data, "site", subset="site > 1")
    assert some.site.tolist() == [2]


def test_input_that_fits_no_group(data: pd.DataFrame, tmp_path: Any) -> None:
    for arguments, word in [
        ({"by": 3}, "by must be the name"),
        ({"by": "jean"}, "gene"),
        ({"by": "gene", "ddf": "kenward-roger"}, "ddf is 'kenward-roger'"),
        ({"by": "gene", "na_action": "exclude"}, "na_action"),
        ({"by": "gene", "weights": data["w"]}, "weights must be the name"),
        ({"by": "gene", "formula": "y ~ x"}, "no random-effects term"),
        ({"by": "gene", "formula": "y ~ x + (1 | g) + (1 | g)"}, "same effects of the same groups|twice|repeated"),
        ({"by": "gene", "to": 3}, "path of a Parquet file"),
        ({"by": "gene", "to": tmp_path / "no" / "file.parquet"}, "cannot be written"),
    ]:
        given = {"formula": FORMULA, "data": data, **arguments}
        with pytest.raises(RanefError, match=word):
            scale.fit_each(given.pop("formula"), given.pop("data"), given.pop("by"), **given)


def test_a_dot_is_all_columns_but_those_of_the_groups(data: pd.DataFrame) -> None:
    some = data[["gene", "y", "x", "t", "g"]]
    found = scale.fit_each("y ~ . + (1 | g)", some, "gene")
    pd.testing.assert_frame_equal(found, scale.fit_each("y ~ x + t + (1 | g)", some, "gene"))


def test_values_that_are_no_numbers_are_refused_in_files_too(
    data: pd.DataFrame, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pyarrow")
    for changed, word in [({"y": np.inf}, "'y' is infinite"), ({"w": -1.0}, "'w' is negative")]:
        bad = data.copy()
        bad.loc[7, list(changed)] = list(changed.values())
        bad.to_parquet(tmp_path / "bad.parquet")
        for source in (bad, str(tmp_path / "bad.parquet")):
            with pytest.raises(RanefError, match=word):
                scale.fit_each(FORMULA, source, "gene", weights="w")
            monkeypatch.setattr("ranef.scale.each.MOST_ROWS", 300)
