"""Members that have the names of statsmodels' results are what these names mean there."""

import numpy as np
import pandas as pd
import pytest

from ranef import lmer, load_dataset
from reference.store import load_case


@pytest.fixture(scope="module")
def model():
    return lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))


@pytest.mark.parametrize("name", ["params", "bse", "tvalues", "pvalues"])
def test_one_number_for_each_fixed_effect(model, name):
    values = getattr(model, name)
    assert isinstance(values, pd.Series)
    assert values.index.tolist() == ["(Intercept)", "Days"]


def test_numbers(model):
    best = load_case("sleep_slope_reml")["best"]
    assert (model.llf, model.aic, model.bic) == pytest.approx((best["logLik"], best["AIC"], best["BIC"]), rel=1e-9)
    assert model.params.to_dict() == pytest.approx(best["beta"], rel=1e-7)
    assert model.bse.to_dict() == pytest.approx(best["se"], rel=1e-6)
    assert (model.nobs, model.df_resid) == (180, 174)


def test_frames(model):
    assert np.sqrt(np.diag(model.cov_params())) == pytest.approx(model.bse.to_numpy())
    interval = model.conf_int()
    assert interval.to_numpy().mean(axis=1) == pytest.approx(model.params.to_numpy())
    pd.testing.assert_series_equal(
        load_dataset("sleepstudy")["Reaction"] - model.fittedvalues, model.resid, check_names=False
    )
    assert "Days" in str(model.summary())
    assert model.predict().tolist() == model.fittedvalues.tolist()
