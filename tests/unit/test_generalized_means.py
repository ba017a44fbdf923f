"""Marginal means and robust covariances of generalized models:
forms, notes, second derivations, and what is refused.
"""

import pickle
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from scipy.stats import chi2, norm
from scipy.stats import t as t_distribution

import ranef
from ranef import ArgumentTypeError, DataError, OptionError, RanefWarning

FORMULA = "cbind(incidence, size - incidence) ~ period + (1 | herd)"


@pytest.fixture(scope="module")
def cbpp() -> Any:
    return ranef.glmer(FORMULA, ranef.load_dataset("cbpp"), family="binomial")


@pytest.fixture(scope="module")
def ticks() -> Any:
    data = ranef.load_dataset("grouseticks")
    return ranef.glmer("TICKS ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | LOCATION)", data, family="poisson")


# ---- means


def test_means_are_population_predictions(cbpp: Any) -> None:
    new = {"period": ["1", "2", "3", "4"]}
    for type in ("link", "response"):
        means = cbpp.emmeans("period", type=type).to_frame()
        p = cbpp.predict(new, re="population", type=type, interval="confidence")
        np.testing.assert_allclose(means["estimate"], p["fit"])
        np.testing.assert_allclose(means["std_error"], p["se"])
        np.testing.assert_allclose(means[["lower", "upper"]], p[["lower", "upper"]])


def test_the_average_is_taken_before_the_link_is_undone(ticks: Any) -> None:
    overall = ticks.emmeans("~ 1", type="response").to_frame()["estimate"][0]
    years = ticks.emmeans("YEAR").to_frame()["estimate"]
    assert overall == pytest.approx(np.exp(years.mean()))


def test_default_of_the_correction_for_bias(cbpp: Any, ticks: Any) -> None:
    """The variance of all random effects together; to second order it is the mean over them."""
    eta = cbpp.emmeans("period").to_frame()["estimate"]
    variance = float(cbpp.varcorr["herd"].sd[0]) ** 2
    p = expit(eta)
    corrected = cbpp.emmeans("period", type="response", bias_correct=True).to_frame()
    np.testing.assert_allclose(corrected["estimate"], p + variance / 2 * p * (1 - p) * (1 - 2 * p), rtol=1e-8)
    total = sum(float(b.sd[0]) ** 2 for b in ticks.varcorr.values())
    plain, bias = (ticks.emmeans("YEAR", type="response", bias_correct=b).to_frame() for b in (False, True))
    np.testing.assert_allclose(bias["estimate"], plain["estimate"] * (1 + total / 2), rtol=1e-7)
    np.testing.assert_allclose(bias["std_error"], plain["std_error"] * (1 + total / 2), rtol=1e-6)
    assert any("corrected for random effects" in note for note in bias.attrs["notes"])
    mild = ticks.emmeans("YEAR").response(bias_correct=True, sigma=0.2).to_frame()["estimate"]
    exact = np.exp(ticks.emmeans("YEAR").to_frame()["estimate"] + 0.02)
    np.testing.assert_allclose(mild, exact, rtol=3e-4)
    same = ticks.emmeans("YEAR", type="response", bias_correct=True, sigma=0).to_frame()
    pd.testing.assert_frame_equal(same, plain)


def test_a_transformed_response_is_corrected_with_the_residual() -> None:
    m = ranef.lmer("log(Reaction) ~ Days + (1 | Subject)", ranef.load_dataset("sleepstudy"))
    plain = m.emmeans("Days", at={"Days": [0, 5]}, type="response").to_frame()["estimate"]
    corrected = m.emmeans("Days", at={"Days": [0, 5]}).response(bias_correct=True).to_frame()["estimate"]
    variance = float(m.varcorr["Subject"].sd[0]) ** 2 + m.sigma**2
    np.testing.assert_allclose(corrected, plain * (1 + variance / 2), rtol=1e-7)


def test_what_the_estimates_are_called(cbpp: Any, ticks: Any) -> None:
    assert cbpp.emmeans("period", type="response").to_frame().attrs["quantity"] == "probability"
    assert cbpp.emmeans("period", type="response").pairs().to_frame().attrs["quantity"] == "odds ratio"
    assert ticks.emmeans("YEAR", type="response").to_frame().attrs["quantity"] == "rate"
    pairs = ticks.emmeans("pairwise ~ YEAR", type="response").contrasts
    assert pairs.to_frame()["contrast"][0] == "YEAR95 / YEAR96"
    text = str(cbpp.emmeans("pairwise ~ period", type="response"))
    for part in ("prob", "asymp.LCL", "odds.ratio", "z.ratio", "Intervals are back-transformed from the logit scale"):
        assert part in text
    probit = cbpp.update(family="binomial(probit)").emmeans("pairwise ~ period", type="response").contrasts
    assert probit.to_frame().attrs["quantity"] == "contrast"
    assert any("no counterpart" in note for note in probit.notes)


def test_joint_tests_are_chi_squares(cbpp: Any) -> None:
    pd.testing.assert_frame_equal(
        pd.DataFrame(cbpp.joint_tests()), pd.DataFrame(cbpp.anova()), check_names=False, check_flags=False
    )
    joint = cbpp.emmeans("pairwise ~ period").contrasts.test(joint=True)
    assert list(joint.columns) == ["chisq", "df", "p_value"]
    assert joint.loc[0, "chisq"] == pytest.approx(cbpp.anova().loc["period", "chisq"])
    assert joint.loc[0, "p_value"] == pytest.approx(chi2.sf(joint.loc[0, "chisq"], 3))


def test_identity_link_and_absent_data() -> None:
    data = ranef.load_dataset("sleepstudy")
    m = ranef.glmer("Reaction ~ Days + (1 | Subject)", data, family="Gamma(identity)")
    pd.testing.assert_frame_equal(m.emmeans("Days", type="response").to_frame(), m.emmeans("Days").to_frame())
    with pytest.raises(OptionError, match="on its scale already"):
        m.emmeans("Days", type="response", bias_correct=True)
    loaded = pickle.loads(pickle.dumps(m))
    with pytest.raises(DataError, match="data="):
        loaded.emmeans("Days")
    pd.testing.assert_frame_equal(loaded.emmeans("Days", data=data).to_frame(), m.emmeans("Days").to_frame())


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"type": "mean"}, OptionError, "'link' or 'response'"),
        ({"bias_correct": True}, OptionError, "type='response'"),
        ({"bias_correct": 1, "type": "response"}, ArgumentTypeError, "True or False"),
        ({"sigma": 1.0, "type": "response"}, OptionError, "bias_correct=True"),
        ({"sigma": -1.0, "bias_correct": True, "type": "response"}, OptionError, "zero or more"),
        ({"sigma": "a", "bias_correct": True, "type": "response"}, ArgumentTypeError, "a number"),
        ({"specs": "herd"}, OptionError, "grouping factor"),
        ({"cluster": "herd"}, OptionError, "cov='CR1'"),
    ],
)
def test_what_means_refuse(cbpp: Any, options: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        cbpp.emmeans(**{"specs": "period", **options})


def test_standard_errors_of_means_over_the_random_effects(ticks: Any) -> None:
    """With the log link that mean is exp(eta + s²/2),
    whose derivative in the standard deviation s is s times it.
    """
    new = {"YEAR": ["95", "96"], "cHEIGHT": [0.0, 30.0]}
    found = ticks.predict(new, re="marginal", interval="confidence")
    theta, joint = ticks.theta.to_numpy(), ticks._fit.joint_vcov
    x = np.array([[1.0, 0, 0, 0.0], [1.0, 1, 0, 30.0]])
    mean = np.exp(x @ ticks.fixef.to_numpy() + theta @ theta / 2)
    gradient = np.column_stack([np.tile(theta, (2, 1)), x])
    deviation = np.sqrt(np.einsum("ij,jk,ik->i", gradient, joint, gradient))
    np.testing.assert_allclose(found["fit"], mean, rtol=1e-8)
    np.testing.assert_allclose(found["se"], mean * deviation, rtol=1e-6)
    np.testing.assert_allclose(found["upper"], mean * np.exp(norm.ppf(0.975) * deviation), rtol=1e-6)
    assert (found["se"] > ticks.predict(new, re="population", se=True)["se"]).all()
    link = ticks.predict(new, re="marginal", type="link", se=True)
    np.testing.assert_allclose(link["se"], deviation, rtol=1e-6)


def test_one_sided_limits_of_corrected_means(ticks: Any) -> None:
    found = ticks.emmeans("YEAR", type="response", bias_correct=True).test(alternative="less")
    assert np.isfinite(found["estimate"]).all()
    assert not found[["lower", "upper"]].isna().to_numpy().any()


# ---- robust covariance


def test_robust_covariance_wherever_there_is_one(cbpp: Any) -> None:
    robust = cbpp.cov_params(cov="CR1", cluster="herd")
    se = np.sqrt(np.diagonal(robust))
    assert "robust to clusters of 'herd'" in robust.attrs["notes"][0]
    tidy = cbpp.tidy("fixed", cov="CR1", cluster="herd", conf_int=True)
    np.testing.assert_allclose(tidy["std_error"], se)
    np.testing.assert_allclose(tidy["conf_high"] - tidy["estimate"], t_distribution.ppf(0.975, 14) * se)
    test = cbpp.test("period[T.2]", cov="CR1", cluster="herd")
    assert test["std_error"].iloc[0] == pytest.approx(se[1])
    b, inner = cbpp.fixef.to_numpy()[1:], robust.to_numpy()[1:, 1:]
    for type in (2, 3):
        table = cbpp.anova(type, cov="CR1", cluster="herd")
        assert table.loc["period", "f_value"] == pytest.approx(b @ np.linalg.solve(inner, b) / 3)
        assert "robust" in table.attrs["notes"][0]
    means = cbpp.emmeans("period", cov="CR1", cluster="herd")
    assert means.to_frame()["std_error"][0] == pytest.approx(se[0])
    assert "robust to clusters" in str(cbpp.summary(cov="CR1", cluster="herd"))
    assert f"{se[0]:.4f}" in str(cbpp.summary(cov="CR1", cluster="herd"))


def test_clusters_by_array_and_coarser_ones(cbpp: Any, ticks: Any) -> None:
    data = ranef.load_dataset("cbpp")
    by_name = cbpp.cov_params(cov="CR0", cluster="herd")
    np.testing.assert_allclose(cbpp.cov_params(cov="CR0", cluster=data["herd"].to_numpy()), by_name, rtol=1e-10)
    halves = np.where(data["herd"].astype(int) <= 7, "a", "b")
    with pytest.warns(RanefWarning, match="no more clusters"):
        coarse = cbpp.cov_params(cov="CR0", cluster=halves)
    scores = cbpp._tests_with("CR0", "herd").robust.scores
    sums = np.stack([scores[[int(h) <= 7 for h in cbpp._fit.terms[0].levels]].sum(axis=0)])
    bread = cbpp._fit.joint_vcov
    # Two scores that add up to zero: each is minus the other.
    np.testing.assert_allclose(coarse, (2 * bread @ sums.T @ sums @ bread)[1:, 1:], rtol=1e-6)


def test_scores_add_up_to_the_gradient(ticks: Any) -> None:
    """At the optimum the scores of all clusters cancel, in every parameter:
    also where columns of X are constant within clusters.
    """
    scores = ticks._tests_with("CR0", "LOCATION").robust.scores
    size = np.abs(scores).sum(axis=0)
    np.testing.assert_array_less(np.abs(scores.sum(axis=0)), 1e-6 * size)


def test_quadrature_has_scores_of_its_own(cbpp: Any) -> None:
    fine = cbpp.update(n_quad=15)
    scores = fine._tests_with("CR0", "herd").robust.scores
    np.testing.assert_array_less(np.abs(scores.sum(axis=0)), 1e-6 * np.abs(scores).sum(axis=0))
    ratio = np.diagonal(fine.cov_params(cov="CR0", cluster="herd")) / np.diagonal(
        cbpp.cov_params(cov="CR0", cluster="herd")
    )
    np.testing.assert_allclose(ratio, 1.0, atol=0.05)


def test_variances_at_the_boundary_are_held_there() -> None:
    rng = np.random.default_rng(4)
    g = np.repeat(np.arange(20), 6)
    data = {"y": rng.binomial(1, 0.5, 120), "x": rng.normal(size=120), "g": g.astype(str)}
    with pytest.warns(RanefWarning):
        m = ranef.glmer("y ~ x + (1 | g)", data, family="binomial")
    assert m.is_singular
    found = m.cov_params(cov="CR0", cluster="g")
    mu = m.fittedvalues.to_numpy()
    x = np.column_stack([np.ones(120), data["x"]])
    bread = np.linalg.inv(x.T @ (x * (mu * (1 - mu))[:, None]))
    scores = np.array([(x * (data["y"] - mu)[:, None])[g == k].sum(axis=0) for k in range(20)])
    np.testing.assert_allclose(found, bread @ scores.T @ scores @ bread, rtol=1e-5)
    assert "held there" in found.attrs["notes"][1]


def test_what_robust_covariances_refuse(cbpp: Any, ticks: Any) -> None:
    data = ranef.load_dataset("cbpp")
    for options, words in (
        ({"cov": "CR2", "cluster": "herd"}, "CR2 is for linear models"),
        ({"cov": "CR1"}, "cov= needs cluster="),
        ({"cov": "HC0", "cluster": "herd"}, "must be one of"),
        ({"cov": "CR0", "cluster": data["period"].to_numpy()}, "levels of 'herd' have rows in several clusters"),
    ):
        with pytest.raises(OptionError, match=words):
            cbpp.cov_params(**options)
    with pytest.raises(OptionError, match="'LOCATION'"):
        ticks.cov_params(cov="CR0", cluster="BROOD")
    with pytest.raises(OptionError, match="n_quad=1"):
        cbpp.update(n_quad=0).cov_params(cov="CR0", cluster="herd")


# ---- influence, tests of random effects


def test_influence_of_single_observations(cbpp: Any) -> None:
    data = ranef.load_dataset("cbpp")
    found = cbpp.influence()
    assert len(found.index) == 56
    for i in (0, 36):
        part = ranef.glmer(FORMULA, data.drop(index=data.index[i]), family="binomial")
        np.testing.assert_allclose(found.change[i], part.fixef - cbpp.fixef, atol=1e-6)
        assert found.theta[i, 0] == pytest.approx(part.theta.iloc[0], rel=1e-5)
    frame = found.to_frame()
    assert {"theta:herd.(Intercept)", "dispersion", "converged"} <= set(frame.columns)
    assert "cooks_distance" in repr(found)


def test_influence_says_what_it_cannot_have() -> None:
    """Without a level a fixed effect may have no estimate, or only an infinite one."""
    rng = np.random.default_rng(8)
    g = np.repeat(list("abcdefgh"), 8)
    y = rng.binomial(1, 0.5, 64)
    data = {"y": y, "g": g, "only": (g == "c").astype(float), "x": np.where(g == "d", 1.0, 0.0) * rng.normal(size=64)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RanefWarning)
        m = ranef.glmer("y ~ only + x + (1 | g)", data, family="binomial")
        found = m.influence("g")
    lost = [str(v) for v, ok in zip(found.index, found.converged, strict=True) if not ok]
    assert {"c", "d"} <= set(lost)
    assert np.isnan(found.cooks_distance["c"])
    assert np.isfinite(found.cooks_distance["a"])
    with pytest.raises(OptionError, match="'g'"):
        m.influence("h")
    with pytest.raises(ArgumentTypeError, match="grouping factor"):
        m.influence(3)


def test_excluded_rows_have_no_influence() -> None:
    data = ranef.load_dataset("cbpp").copy()
    data.loc[data.index[3], "size"] = np.nan
    m = ranef.glmer(FORMULA, data, family="binomial", na_action="exclude")
    found = m.influence()
    assert len(found.index) == 56
    assert np.isnan(found.cooks[3])
    assert np.isfinite(np.delete(found.cooks, 3)).all()


def test_random_effects_of_crossed_models_are_tested_one_by_one(ticks: Any) -> None:
    table = ticks.ranova()
    smaller = ticks.update("TICKS ~ YEAR + cHEIGHT + (1 | LOCATION)")
    assert table.loc["(1 | BROOD)", "llf"] == pytest.approx(smaller.llf, abs=1e-6)
    assert table.loc["(1 | BROOD)", "chisq"] == pytest.approx(2 * (ticks.llf - smaller.llf), abs=1e-6)
