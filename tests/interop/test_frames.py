"""Results are pandas.

They go to polars, Arrow and Parquet by these libraries' own means, with nothing lost.
"""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ranef import anova, lmer, load_dataset

pl = pytest.importorskip("polars")

FRAMES = {
    "tidy": lambda m, _: m.tidy(["fixed", "ran_pars", "ran_vals"]),
    "glance": lambda m, _: m.glance(),
    "augment": lambda m, _: m.augment(),
    "conf_int": lambda m, _: m.conf_int(),
    "cov_params": lambda m, _: m.cov_params(),
    "varcorr": lambda m, _: m.varcorr.to_frame(),
    "ranef": lambda m, _: m.ranef()["Subject"],
    "coef": lambda m, _: m.coef()["Subject"],
    "anova": lambda m, _: m.anova(),
    "comparison": lambda m, smaller: anova(smaller, m),
    "ranova": lambda m, _: m.ranova(),
    "drop1": lambda m, _: m.drop1(),
    "test": lambda m, _: m.test("Days"),
    "predict": lambda m, _: m.predict(interval="prediction"),
    "simulate": lambda m, _: m.simulate(2, rng=1),
    "influence": lambda m, _: m.influence().to_frame(),
    "refits": lambda m, _: m.refit(m.simulate(2, rng=1)).to_frame(),
    **{
        f"summary {name}": (lambda m, _, name=name: m.summary().tables[name])
        for name in ("criteria", "residuals", "random_effects", "groups", "fixed_effects", "correlation")
    },
}


@pytest.fixture(scope="module")
def models():
    study = load_dataset("sleepstudy")
    return lmer("Reaction ~ Days + (Days | Subject)", study), lmer("Reaction ~ Days + (1 | Subject)", study)


@pytest.fixture(params=FRAMES)
def frame(request, models):
    return FRAMES[request.param](*models)


def as_columns(frame):
    """Labels of rows as a column, which neither polars nor Arrow has otherwise."""
    named = not isinstance(frame.index, pd.RangeIndex)
    return frame.reset_index(names=frame.index.name or "term") if named else pd.DataFrame(frame)


def assert_same(found, expected):
    assert list(found.columns) == list(expected.columns)
    for name in expected.columns:
        a, b = found[name], expected[name]
        if pd.api.types.is_numeric_dtype(b):
            np.testing.assert_array_equal(a.to_numpy(dtype=float), b.to_numpy(dtype=float))
        else:
            assert a.astype(object).where(a.notna(), None).tolist() == b.astype(object).where(b.notna(), None).tolist()


def test_polars_and_back(frame):
    expected = as_columns(frame)
    assert_same(pl.from_pandas(expected).to_pandas(), expected)


def test_arrow_and_back(frame):
    back = pa.Table.from_pandas(frame).to_pandas()
    assert back.index.equals(frame.index)
    assert_same(back, frame)


def test_parquet_and_back(frame, tmp_path):
    frame.to_parquet(tmp_path / "frame.parquet")
    back = pd.read_parquet(tmp_path / "frame.parquet")
    assert_same(back, frame)
    assert {k: list(v) if isinstance(v, tuple) else v for k, v in frame.attrs.items()} == back.attrs


def test_series_go_too(models):
    m = models[0]
    assert pl.from_pandas(m.fixef.reset_index(name="estimate"))["estimate"].to_list() == m.fixef.to_list()
    assert pl.Series(m.fittedvalues).to_list() == m.fittedvalues.to_list()


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_data_of_each_library_give_the_same_results(library, models):
    m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy", frame=library))
    assert m.objective == models[0].objective
    new = pl.DataFrame({"Days": [0.0, 10.0], "Subject": ["308", "309"]})
    new = {"pandas": new.to_pandas(), "polars": new, "pyarrow": new.to_arrow()}[library]
    assert m.predict(new).to_list() == pytest.approx(models[0].predict(pl.DataFrame(new)).to_list())
