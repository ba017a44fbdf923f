"""Statistics of a bootstrap that fit another model to each replicate."""

import numpy as np
import pandas as pd
import pytest

import ranef


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(1)
    d = pd.DataFrame({"x": rng.normal(size=120), "g": np.repeat(np.arange(12), 10)})
    d["y"] = 0.3 * d.x + rng.normal(size=12)[d.g] + rng.normal(size=120)
    d["k"] = rng.poisson(np.exp(0.3 * d.x + 0.5 * rng.normal(size=12)[d.g]))
    d.loc[[3, 50], "x"] = np.nan
    return d


def ratio(model):
    return 2 * (model.llf - model.update(". ~ . - x").llf)


@pytest.mark.parametrize("type", ["parametric", "residual"])
def test_an_update_takes_the_drawn_response(data, type):
    m = ranef.lmer("y ~ x + (1|g)", data.dropna(), REML=False)
    b = m.bootstrap(20, statistic=ratio, type=type, rng=1)
    assert b.n_failed == 0
    assert b.first_error is None
    assert b.values.min() > -1e-8
    kept = []
    m.bootstrap(1, statistic=lambda f: kept.append(f) or 0.0, type=type, rng=1)
    again = ranef.lmer("y ~ 1 + (1|g)", data.dropna().assign(y=kept[1]._fit.design.y), REML=False)
    assert kept[1].update(". ~ . - x").llf == pytest.approx(again.llf, abs=1e-7)


def test_a_generalized_model_is_updated_too(data):
    m = ranef.glmer("k ~ x + (1|g)", data.dropna(), family="poisson")
    b = m.bootstrap(5, statistic=ratio, rng=1)
    assert b.n_failed == 0
    assert b.values.min() > -1e-6


def test_rows_that_were_missing_stay_out(data):
    m = ranef.lmer("y ~ x + (1|g)", data, REML=False)
    b = m.bootstrap(3, statistic=lambda f: f.update(". ~ . + I(x**2)").nobs, rng=1)
    assert b.values.ravel().tolist() == [118.0] * 3


def test_the_warning_quotes_the_first_error(data):
    m = ranef.lmer("y ~ x + (1|g)", data.dropna(), REML=False)
    with pytest.warns(ranef.RanefWarning, match="4 had a statistic that raised an error.*DataError.*drawn groups"):
        b = m.bootstrap(4, statistic=lambda f: ratio(f) if f is not m else 0.0, type="cases", rng=1)
    assert b.n_failed == 4
    assert b.first_error.startswith("DataError: the data are not kept in a replicate of drawn groups")
