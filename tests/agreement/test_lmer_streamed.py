"""Every stored linear mixed model of lme4, fitted from rows that are shuffled and read in batches,
each from another kind of source: the sums are the same to the last bit however rows are batched,
and the fit is that of the rows in memory.
"""

import re
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset
import pyarrow.feather
import pyarrow.parquet
import pytest
from lme4_case import arguments

import ranef
from ranef import DesignError, scale
from reference.store import case_ids, load_case, load_data

#: The largest of the three models of these data, which takes seven seconds, is left out.
CASES = [case for case in case_ids("lmer") if case != "insteval_slope"]
#: Random effects of which only sums of variances have an estimate.
REFUSED = ["machines_dblbar_f", "sleep_half_doublebar"]
#: Estimates along which the criterion is so flat that rounding moves them by this.
FLAT = dict.fromkeys(
    (
        "bdf_6d",
        "chem97_gcse",
        "chem97_slope_ml",
        "egsingle_growth_nested",
        "gcsemv_bivariate",
        "igf_slope",
        "wafer_poly",
    ),
    1e-6,
)
BATCHES = (1, 17)
#: The search goes on until rounding hides what is left.
SHARP = {"tolerance": 1e-20}


def tables(d: pd.DataFrame, n: int) -> list[pa.Table]:
    whole = pa.Table.from_pandas(d, preserve_index=False)
    return [whole.slice(r[0], len(r)) for r in np.array_split(np.arange(len(d)), n) if len(r)]


@cache
def rows(identifier: str) -> pd.DataFrame:
    """The data of a model, which nothing changes."""
    return load_data(load_case(identifier)["data"])


def _files(write: Callable[[pa.Table, str], Any], ending: str) -> Callable[[pd.DataFrame, Path], Any]:
    def made(d: pd.DataFrame, folder: Path) -> Any:
        for i, part in enumerate(tables(d, 3)):
            write(part, str(folder / f"{i}.{ending}"))
        return str(folder)

    return made


def _csv(d: pd.DataFrame, folder: Path) -> Any:
    for i, rows in enumerate(np.array_split(np.arange(len(d)), 3)):
        d.iloc[rows].to_csv(folder / f"{i}.csv", index=False)
    return str(folder)


def _dataset(d: pd.DataFrame, folder: Path) -> Any:
    _files(pyarrow.parquet.write_table, "parquet")(d, folder)
    return pyarrow.dataset.dataset(folder)


def _relation(d: pd.DataFrame, folder: Path) -> Any:
    duckdb = pytest.importorskip("duckdb")
    pyarrow.parquet.write_table(pa.Table.from_pandas(d, preserve_index=False), folder / "d.parquet")
    return duckdb.sql(f"select * from '{folder / 'd.parquet'}'")


def _lazy(d: pd.DataFrame, _: Path) -> Any:
    polars = pytest.importorskip("polars")
    return polars.from_pandas(d).lazy()


SOURCES: dict[str, Callable[[pd.DataFrame, Path], Any]] = {
    "parquet": _files(pyarrow.parquet.write_table, "parquet"),
    "feather": _files(pyarrow.feather.write_feather, "feather"),
    "csv": _csv,
    "dataset": _dataset,
    "duckdb": _relation,
    "polars": _lazy,
    "frames": lambda d, _: [d.iloc[r] for r in np.array_split(np.arange(len(d)), 17)],
    "function": lambda d, _: lambda: iter(tables(d, 3)),
    "reader": lambda d, _: pa.Table.from_pandas(d, preserve_index=False).to_reader(max_chunksize=50),
    "stream": lambda d, _: pa.Table.from_pandas(d, preserve_index=False),
}


def shuffled(identifier: str) -> pd.DataFrame:
    d = rows(identifier)
    return d.iloc[np.random.default_rng(len(d)).permutation(len(d))].reset_index(drop=True)


def asked(identifier: str) -> dict[str, Any]:
    return {k: v for k, v in arguments(load_case(identifier)).items() if k != "REML"}


@cache
def kind_of(identifier: str) -> str:
    """Another for each. Text files know no factors, DuckDB and polars none that are ordered."""
    d, formula = rows(identifier), load_case(identifier)["formula"]
    fixed = set(re.findall(r"[A-Za-z.][\w.]*", re.sub(r"\([^()|]*\|[^()]*\)", "", formula)))
    factors = {c: d[c].cat for c in d if isinstance(d[c].dtype, pd.CategoricalDtype)}
    ordered = any(f.ordered for f in factors.values())
    coded = [list(f.categories) for c, f in factors.items() if c in fixed]
    sorts = [c == sorted(c) for c in coded]
    numbers = [pd.to_numeric(pd.Series(c), errors="coerce").notna().any() for c in coded]
    kinds = [k for k in SOURCES if k not in ("csv", *(("duckdb", "polars") if ordered else ()))]
    if all(sorts) and not ordered and not any(numbers):
        kinds = ["csv", *kinds]
    return kinds[CASES.index(identifier) % len(kinds)]


def products(c: scale.Statistic) -> list[np.ndarray]:
    """All sums, in the recipe's basis."""
    wtw, of_levels, of_columns, cells = c._core.all_products()
    return [np.asarray(v) for v in (wtw, *of_levels, *of_columns, *(v for *_, v in cells))]


def test_all_kinds_are_used() -> None:
    assert {kind_of(i) for i in CASES} == set(SOURCES)


@pytest.mark.parametrize("identifier", CASES)
def test_streamed_fit_is_that_of_memory(identifier: str, tmp_path: Path) -> None:
    case = load_case(identifier)
    d = shuffled(identifier)
    with ranef.options(random_contrasts="lme4"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        given = asked(identifier)
        if identifier in REFUSED:
            with pytest.raises(DesignError):
                scale.fit(case["formula"], d, **given)
            return
        recipe = scale.survey(case["formula"], d, **given).freeze()
        sums = []
        for n in BATCHES:
            c = scale.Statistic(recipe)
            for table in tables(d, n):
                c.update(table)
            sums.append(products(c))
        for other in sums[1:]:
            for one, two in zip(sums[0], other, strict=True):
                np.testing.assert_allclose(one, two, rtol=0, atol=1e-14 * max(np.abs(one).max(initial=0.0), 1.0))
        given |= {"REML": case["reml"], "control": SHARP}
        m = scale.fit(case["formula"], SOURCES[kind_of(identifier)](d, tmp_path), **given)
        whole = ranef.lmer(case["formula"], rows(identifier), **given)
    assert m.nobs == whole.nobs
    assert m.objective == pytest.approx(whole.objective, abs=1e-8 * max(1.0, abs(whole.objective)))
    np.testing.assert_allclose(m.theta, whole.theta, rtol=1e-8, atol=FLAT.get(identifier, 1e-8))
    assert list(m.fixef.index) == list(whole.fixef.index)
    np.testing.assert_allclose(m.fixef, whole.fixef, atol=1e-5 * float(np.sqrt(np.diag(whole.cov_params())).min()))
