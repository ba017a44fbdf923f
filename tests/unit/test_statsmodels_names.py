"""Members that have the names of statsmodels' results are what these names mean there,
for linear and for generalized models.
"""

import numpy as np
import pandas as pd
import pytest

from ranef import glmer, lmer, load_dataset
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


# ---- every name, for both classes

NAMES = ["params", "bse", "pvalues", "llf", "aic", "bic", "nobs", "df_resid", "resid", "fittedvalues"]
METHODS = ["conf_int", "cov_params", "summary", "predict"]
LIBRARIES = ["pandas", "polars", "pyarrow"]


@pytest.fixture(scope="module", params=["linear", "generalized"])
def either(request):
    if request.param == "linear":
        return lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
    return glmer("TICKS ~ YEAR + cHEIGHT + (1 | BROOD)", load_dataset("grouseticks"), family="poisson")


def test_every_name_is_there(either):
    p = len(either.fixef)
    kinds = {n: type(getattr(either, n)) for n in NAMES}
    assert {kinds[n] for n in ("params", "bse", "pvalues", "resid", "fittedvalues")} == {pd.Series}
    assert {kinds[n] for n in ("llf", "aic", "bic")} == {float}
    assert {kinds[n] for n in ("nobs", "df_resid")} == {int}
    for name in METHODS:
        assert callable(getattr(either, name))
    # The statistic is t for a linear model and z for a generalized one, and called so.
    statistic = either.tvalues if hasattr(either, "tvalues") else either.zvalues
    np.testing.assert_allclose(statistic, either.params / either.bse)
    assert hasattr(either, "tvalues") != hasattr(either, "zvalues")
    assert list(either.params.index) == list(either.cov_params().columns) == list(either.conf_int().index)
    assert either.cov_params().shape == (p, p)
    assert list(either.conf_int().columns) == ["lower", "upper"]
    np.testing.assert_allclose(np.sqrt(np.diag(either.cov_params())), either.bse)
    assert either.df_resid == either.nobs - either.npar
    assert either.aic == pytest.approx(-2 * either.llf + 2 * either.npar)
    assert either.bic == pytest.approx(-2 * either.llf + np.log(either.nobs) * either.npar)
    assert len(either.resid) == len(either.fittedvalues) == len(either.predict()) == either.nobs
    assert either.params.index[0] in str(either.summary())


@pytest.mark.parametrize("library", LIBRARIES)
def test_results_are_pandas_whatever_the_data_were(library):
    """api.md: labelled output is pandas; its rows are those of the data, in their order."""
    study = load_dataset("sleepstudy", frame=library)
    m = lmer("Reaction ~ Days + (Days | Subject)", study)
    assert type(study).__module__.split(".")[0] == library
    new = study[:3] if library != "pyarrow" else study.slice(0, 3)
    assert isinstance(m.predict(new), pd.Series)
    assert isinstance(m.predict(new, se=True), pd.DataFrame)
    frames = [m.augment(), m.tidy(), m.glance(), m.simulate(2, rng=1), m.conf_int(), m.anova()]
    assert all(isinstance(f, pd.DataFrame) for f in frames)
    np.testing.assert_allclose(m.predict(new), m.fittedvalues[:3])
    assert m.augment()["Days"].tolist() == [float(i % 10) for i in range(180)]


def test_results_have_the_rows_of_a_pandas_index():
    study = load_dataset("sleepstudy")
    study.index = [f"row {i}" for i in range(len(study))]
    m = lmer("Reaction ~ Days + (Days | Subject)", study)
    for rows in (m.fittedvalues, m.resid, m.augment(), m.simulate(1, rng=1), m.predict(), m.predict(study[:2])):
        assert list(rows.index) == list(study.index[: len(rows)])
