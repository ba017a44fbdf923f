"""Replicates of estimates in ArviZ."""

import warnings

import numpy as np
import pandas as pd
import pytest

from ranef import ArgumentTypeError, DataError, lmer, load_dataset

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what ArviZ says of its own future when it is imported
    arviz = pytest.importorskip("arviz")

from ranef.interop.arviz import to_arviz


@pytest.fixture(scope="module")
def model():
    return lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))


@pytest.fixture(scope="module")
def refits(model):
    return model.refit(model.simulate(300, rng=1))


def test_refits_are_variables_with_their_names(model, refits):
    data = to_arviz(refits)
    assert set(data.posterior.data_vars) == {"fixef", "theta", "sigma"}
    assert data.posterior["term"].values.tolist() == ["(Intercept)", "Days"]
    assert data.posterior["parameter"].values.tolist() == list(model.theta.index)
    assert data.posterior["theta"].shape == (1, 300, 3)
    np.testing.assert_array_equal(data.posterior["fixef"].sel(term="Days").values[0], refits.fixef[:, 1])
    np.testing.assert_array_equal(data.sample_stats["objective"].values[0], refits.objective)
    assert "not draws from a posterior" in data.posterior.attrs["content"]


def test_arviz_summarises_them(refits):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = arviz.summary(to_arviz(refits), kind="stats", hdi_prob=0.9, round_to="none")
    assert table.loc["fixef[Days]", "mean"] == pytest.approx(refits.fixef[:, 1].mean())
    assert table.loc["sigma", "sd"] == pytest.approx(refits.sigma.std(ddof=1), rel=1e-2)
    draws = np.sort(refits.sigma)
    low, high = table.loc["sigma", "hdi_5%"], table.loc["sigma", "hdi_95%"]
    inside = np.count_nonzero((draws >= low) & (draws <= high))
    assert abs(inside - 270) <= 2


def test_a_frame_of_quantities(refits):
    frame = refits.to_frame()
    frame["kind"] = "parametric"
    frame.loc["sim_2", "Days"] = np.nan
    data = to_arviz(frame)
    assert "kind" not in data.posterior
    assert data.posterior.attrs["n_left_out"] == 1
    assert data.posterior["Days"].shape == (1, 299)
    np.testing.assert_array_equal(data.posterior["sigma"].values[0], np.delete(refits.sigma, 1))


def test_replicates_without_estimates_are_counted(model):
    y = model.simulate(3, rng=1)
    y["constant"] = 1.0
    with pytest.warns(UserWarning, match="constant"):
        refits = model.refit(y)
    data = to_arviz(refits)
    assert data.posterior.attrs["n_left_out"] == 1
    assert data.posterior.sizes["draw"] == 3


def test_netcdf_round_trip(refits, tmp_path):
    data = to_arviz(refits)
    data.to_netcdf(tmp_path / "replicates.nc")
    again = arviz.from_netcdf(tmp_path / "replicates.nc")
    np.testing.assert_array_equal(again.posterior["fixef"], data.posterior["fixef"])


def test_mistakes_are_named(model):
    with pytest.raises(ArgumentTypeError, match=r"model\.refit"):
        to_arviz(model)
    with pytest.raises(DataError, match="no columns of numbers"):
        to_arviz(pd.DataFrame({"a": ["x"]}))
    with pytest.raises(DataError, match="no replicate"):
        to_arviz(pd.DataFrame({"a": [np.nan]}))


def test_without_arviz_the_extra_is_named(without):
    without("arviz", "ranef.interop.arviz", "arviz")
