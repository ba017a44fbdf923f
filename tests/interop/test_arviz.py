"""Replicates of estimates in ArviZ."""

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ranef import ArgumentTypeError, DataError, lmer, load_bootstrap, load_dataset

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


@pytest.fixture(scope="module")
def bootstrap(model):
    return model.bootstrap(300, rng=2)


def test_a_bootstrap_has_its_variables_with_labels(bootstrap):
    data = bootstrap.to_arviz()
    wide = bootstrap.to_frame("wide")
    assert set(data.posterior.data_vars) == {"fixef", "sd", "cor", "sigma"}
    assert data.posterior["term"].values.tolist() == ["(Intercept)", "Days"]
    assert data.posterior["effect"].values.tolist() == ["(Intercept)|Subject", "Days|Subject"]
    assert data.posterior["pair"].values.tolist() == ["Days.(Intercept)|Subject"]
    np.testing.assert_array_equal(data.posterior["sd"].sel(effect="Days|Subject").values[0], wide["sd_Days|Subject"])
    np.testing.assert_array_equal(data.posterior["cor"].values[0, :, 0], wide["cor_Days.(Intercept)|Subject"])
    np.testing.assert_array_equal(data.posterior["sigma"].values[0], wide["sigma"])
    np.testing.assert_array_equal(data.sample_stats["objective"].values[0], wide["objective"])
    attributes = data.posterior.attrs
    assert "not draws from a posterior" in attributes["content"]
    assert (attributes["bootstrap"], attributes["seed"], attributes["n_asked"]) == ("parametric", "2", 300)
    assert to_arviz(bootstrap).posterior.equals(data.posterior)


def test_arviz_summarises_and_draws_a_bootstrap(bootstrap):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    data = bootstrap.to_arviz()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = arviz.summary(data, kind="stats", round_to="none", hdi_prob=0.95)
        axes = arviz.plot_forest(data, var_names=["fixef", "sd"], combined=True)
    assert table.index.tolist() == [
        "fixef[(Intercept)]", "fixef[Days]", "sd[(Intercept)|Subject]", "sd[Days|Subject]",
        "cor[Days.(Intercept)|Subject]", "sigma",
    ]  # fmt: skip
    by_kind = [0, 1, 2, 4, 3, 5]  # correlations stand between standard deviations in the bootstrap
    assert table["mean"].to_numpy() == pytest.approx(bootstrap.values.mean(axis=0)[by_kind])
    shortest = bootstrap.conf_int("shortest").iloc[by_kind]
    assert table["hdi_2.5%"].to_numpy() == pytest.approx(shortest["lower"].to_numpy(), rel=0.03)
    labels = [t.get_text() for t in axes[0].get_yticklabels()]
    assert len(labels) == 4
    assert any("Days|Subject" in t for t in labels)
    matplotlib.pyplot.close("all")


def test_failed_replicates_of_a_bootstrap_are_left_out_and_counted(bootstrap):
    status = bootstrap.status.astype(object)
    status[[3, 7]] = "no_progress"
    values = bootstrap.values.copy()
    values[[3, 7]] = np.nan
    data = replace(bootstrap, status=status, values=values).to_arviz()
    assert data.posterior.attrs["n_left_out"] == 2
    assert data.posterior.sizes["draw"] == 298
    assert data.sample_stats["replicate"].values[0, :5].tolist() == [0, 1, 2, 4, 5]
    assert np.isfinite(data.posterior["fixef"]).all()


def test_a_bootstrap_of_a_statistic_and_one_from_a_file(model, bootstrap, tmp_path):
    slope = model.bootstrap(20, statistic=lambda m: {"slope": m.fixef["Days"], "ratio": m.sigma / m.bse["Days"]}, rng=1)
    data = slope.to_arviz()
    assert data.posterior["quantity"].values.tolist() == ["slope", "ratio"]
    np.testing.assert_array_equal(data.posterior["statistic"].values[0], slope.values)
    bootstrap.to_parquet(tmp_path / "replicates.parquet")
    again = load_bootstrap(tmp_path / "replicates.parquet").to_arviz()
    np.testing.assert_array_equal(again.posterior["fixef"], bootstrap.to_arviz().posterior["fixef"])
    again.to_netcdf(tmp_path / "replicates.nc")
    assert arviz.from_netcdf(tmp_path / "replicates.nc").posterior.attrs["seed"] == "2"


def test_mistakes_are_named(model):
    with pytest.raises(ArgumentTypeError, match=r"model\.refit"):
        to_arviz(model)
    with pytest.raises(DataError, match="no columns of numbers"):
        to_arviz(pd.DataFrame({"a": ["x"]}))
    with pytest.raises(DataError, match="no replicate"):
        to_arviz(pd.DataFrame({"a": [np.nan]}))


def test_without_arviz_the_extra_is_named(without):
    without("arviz", "ranef.interop.arviz", "arviz")
