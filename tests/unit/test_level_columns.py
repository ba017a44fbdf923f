"""A fixed factor of very many levels, kept as levels, is the model with its columns written out."""

import os
import re
import subprocess
import sys
import textwrap

import numpy as np
import pandas as pd
import pytest

import ranef
from ranef import DesignError, lmer
from ranef.design import level_columns
from ranef.design.build import build_design
from ranef.errors import MemoryLimitError


def data(n=400, levels=25, groups=9, seed=3):
    rng = np.random.default_rng(seed)
    f, g, h = rng.integers(0, levels, n), rng.integers(0, groups, n), rng.integers(0, 6, n)
    f[:levels] = rng.permutation(levels)
    x = rng.normal(3.0, 2.0, n)
    y = x * (1 + 0.4 * rng.normal(size=groups))[g] + rng.normal(size=levels)[f] + rng.normal(size=groups)[g]
    y = y + 0.5 * rng.normal(size=6)[h] + rng.normal(size=n)
    return pd.DataFrame(
        {
            "y": y,
            "x": x,
            "f": pd.Categorical([f"l{v:02d}" for v in f]),
            "g": g,
            "h": h,
            "a": np.where(rng.random(n) < 0.4, "s", "t"),
            "w": rng.uniform(0.5, 2.0, n),
            "o": rng.normal(size=n),
            "of_level": rng.normal(size=levels)[f],
        }
    )


def both(monkeypatch, formula, d, **arguments):
    """The model with levels kept and with columns written out."""
    monkeypatch.setattr(level_columns, "MANY_LEVELS", 5)
    monkeypatch.setattr("ranef.design.build.MANY_LEVELS", 5)
    kept = lmer(formula, d, **arguments)
    assert isinstance(kept._fit.design.columns, level_columns.LevelColumns)
    monkeypatch.setattr("ranef.design.build.MANY_LEVELS", 10**9)
    written = lmer(formula, d, **arguments)
    assert isinstance(written._fit.design.columns, np.ndarray)
    return kept, written


CASES = {
    "reml": ("y ~ x + f + a + (1 | g)", {}),
    "ml": ("y ~ x + f + a + (1 | g)", {"REML": False}),
    "slope": ("y ~ f + a + (x | g)", {}),
    "crossed": ("y ~ x * a + f + (1 | g) + (1 | h)", {}),
    "weights": ("y ~ x + f + (1 | g)", {"weights": "w"}),
    "offset": ("y ~ x + f + (1 | g)", {"offset": "o"}),
    "subset": ("y ~ x + f + (1 | g)", {"subset": "x > 1"}),
    "no_intercept": ("y ~ 0 + f + x + (1 | g)", {}),
    "alone": ("y ~ f + (1 | g)", {}),
    "zero": ("y ~ x + f + (1 | a)", {"REML": False}),
}


@pytest.mark.parametrize("name", list(CASES))
def test_the_same_model(monkeypatch, name):
    formula, arguments = CASES[name]
    kept, written = both(monkeypatch, formula, data(), **arguments)
    assert kept.objective == pytest.approx(written.objective, rel=1e-9)
    assert list(kept.fixef.index) == list(written.fixef.index)
    np.testing.assert_allclose(kept.fixef, written.fixef, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(kept.bse, written.bse, rtol=1e-6)
    np.testing.assert_allclose(kept.cov_params(), written.cov_params(), rtol=1e-5, atol=1e-10)
    np.testing.assert_allclose(kept.theta, written.theta, rtol=1e-5, atol=1e-6)
    for a, b in (("reml_criterion", "reml_criterion"), ("ml_deviance", "ml_deviance"), ("npar", "npar")):
        assert getattr(kept, a) == pytest.approx(getattr(written, b), rel=1e-9)
    np.testing.assert_allclose(kept.fittedvalues, written.fittedvalues, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(kept.predict(), written.predict(), rtol=1e-6, atol=1e-6)


def test_what_comes_after(monkeypatch, tmp_path):
    d = data()
    kept, written = both(monkeypatch, "y ~ x + f + (1 | g)", d)
    np.testing.assert_allclose(kept.df, written.df, rtol=1e-4)
    np.testing.assert_allclose(
        kept.anova().select_dtypes("number"), written.anova().select_dtypes("number"), rtol=1e-4, atol=1e-12
    )
    np.testing.assert_allclose(kept.predict(d[:7], se=True), written.predict(d[:7], se=True), rtol=1e-6)
    np.testing.assert_allclose(kept.predict(re="population"), written.predict(re="population"), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(kept.hatvalues(), written.hatvalues(), rtol=1e-6)
    assert kept.r2().marginal == pytest.approx(written.r2().marginal, rel=1e-9)
    path = tmp_path / "m.ranef"
    kept.save(path)
    back = ranef.load(path)
    assert isinstance(back._fit.design.columns, level_columns.LevelColumns)
    np.testing.assert_allclose(back.df, written.df, rtol=1e-4)
    y = np.random.default_rng(1).normal(size=len(d))
    np.testing.assert_allclose(kept.refit(y).fixef, written.refit(y).fixef, rtol=1e-5, atol=1e-6)


def test_a_column_that_the_levels_determine_is_dropped_as_ever(monkeypatch):
    for formula in ("y ~ f + of_level + (1 | g)", "y ~ of_level + f + x + (1 | g)"):
        with pytest.warns(ranef.RanefWarning):
            kept, written = both(monkeypatch, formula, data())
        assert list(kept.fixef.index) == list(written.fixef.index)
        assert kept.objective == pytest.approx(written.objective, rel=1e-10)
        np.testing.assert_allclose(kept.fixef, written.fixef, rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(kept.predict(), written.predict(), rtol=1e-7, atol=1e-7)


def test_a_random_effect_of_the_same_levels_is_not_identified(monkeypatch):
    with pytest.warns(ranef.RanefWarning, match="not identified"):
        kept, written = both(monkeypatch, "y ~ x + f + (1 | g) + (1 | f)", data())
    assert kept.objective == pytest.approx(written.objective, rel=1e-9)
    np.testing.assert_allclose(kept.theta, written.theta, rtol=1e-5)


@pytest.mark.parametrize("contrast", ["sum", "helmert"])
def test_other_codings_are_written_out(contrast):
    d = data(levels=120)
    assert isinstance(build_design("y ~ f + (1 | g)", d).columns, level_columns.LevelColumns)
    x = build_design("y ~ f + (1 | g)", d, contrasts={"f": contrast}).columns
    assert isinstance(x, np.ndarray)
    assert x.shape == (400, 120)
    assert isinstance(build_design("y ~ a * f + (1 | g)", d).columns, level_columns.LevelColumns)


def test_written_out_columns_are_those_of_the_formula(monkeypatch):
    d = data()
    for formula in ("y ~ x + f * a + (1 | g)", "y ~ 0 + f + x:f + (1 | g)"):
        monkeypatch.setattr("ranef.design.build.MANY_LEVELS", 10**9)
        right = build_design(formula, d).x
        monkeypatch.setattr("ranef.design.build.MANY_LEVELS", 5)
        monkeypatch.setattr(level_columns, "MANY_LEVELS", 5)
        columns = build_design(formula, d).columns
        assert isinstance(columns, level_columns.LevelColumns)
        np.testing.assert_array_equal(columns.dense(), right)
        beta = np.arange(right.shape[1], dtype=float)
        np.testing.assert_allclose(columns.times(beta), right @ beta, rtol=1e-12)
        np.testing.assert_array_equal(columns.take(np.arange(3, 50)).dense(), right[3:50])


def test_columns_that_do_not_fit_are_not_written_out(monkeypatch):
    d = data(levels=120)
    design = build_design("y ~ x + f + (1 | g)", d)
    monkeypatch.setattr(level_columns, "available_memory", lambda: 100_000)
    with pytest.raises(MemoryLimitError, match="121 columns of the fixed effects written out for 400 rows"):
        _ = design.x


LIMITED = """
    import resource, numpy as np
    import ranef
    rng = np.random.default_rng(1)
    n, levels = 6_000, 1_500
    f, g = rng.integers(0, levels, n), rng.integers(0, 40, n)
    f[:levels] = np.arange(levels)
    d = {{"y": rng.normal(size=n), "x": rng.normal(size=n), "f": [f"l{{v}}" for v in f], "g": g}}
    d["h"] = [f"k{{v % 3}}" for v in f]
    ranef.lmer("y ~ x + h + (1 | g)", d)
    ranef.glmer("I(y > 0) ~ x + (1 | g)", d, family="poisson", n_quad=0)
    with open("/proc/self/statm") as f:
        used = int(f.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + {room}, used + {room}))
    try:
        ranef.{verb}("{formula}", d{arguments})
    except ranef.RanefError as error:
        print(type(error).__name__, error)
"""


@pytest.mark.parametrize(
    ("room", "verb", "arguments"),
    [
        (60e6, "lmer", ""),
        (60e6, "lmer", ", contrasts={'f': 'sum'}"),
        (120e6, "lmer", ", contrasts={'f': 'sum'}"),
        (60e6, "glmer", ", family='poisson'"),
    ],
)
def test_no_room_is_an_error_and_not_the_end_of_the_process(room, verb, arguments):
    formula = "y ~ x + f + (1 | g)" if verb == "lmer" else "I(y > 0) ~ x + f + (1 | g)"
    if not sys.platform.startswith("linux"):  # other systems have no such limit of the address space
        return
    code = textwrap.dedent(LIMITED).format(room=int(room), verb=verb, arguments=arguments, formula=formula)
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr[-500:]
    assert re.search("GB|GiB|MiB", done.stdout)
    assert issubclass(getattr(ranef.errors, done.stdout.split()[0]), DesignError), done.stdout
