"""Members of a fitted generalized model."""

import copy
import pickle
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import ranef
from ranef import DataError, NewLevelError, OptionError, RanefError, anova, glmer, glmer_nb, lmer, load_dataset

CBPP = load_dataset("cbpp")
FORMULA = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
TICKS = load_dataset("grouseticks")


@pytest.fixture(scope="module")
def cbpp() -> ranef.results.generalized.GeneralizedLinearMixedModel:  # type: ignore[name-defined]
    return glmer(FORMULA, CBPP, family="binomial")


@pytest.fixture(scope="module")
def ticks() -> ranef.results.generalized.GeneralizedLinearMixedModel:  # type: ignore[name-defined]
    return glmer("TICKS ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | LOCATION)", TICKS, family="poisson")


def test_forms_of_the_response_give_the_same_fit(cbpp) -> None:
    frame = CBPP.assign(p=CBPP["incidence"] / CBPP["size"])
    proportion = glmer("p ~ period + (1 | herd)", frame, family="binomial", weights="size")
    assert proportion.objective == cbpp.objective
    np.testing.assert_array_equal(proportion.fixef, cbpp.fixef)


def test_counts_and_criteria(cbpp) -> None:
    assert cbpp.npar == 5
    assert cbpp.nobs == 56
    assert cbpp.df_resid == 51
    assert cbpp.sigma == 1.0
    assert np.isnan(cbpp.dispersion)
    assert cbpp.llf == -cbpp.objective / 2
    assert cbpp.aic == pytest.approx(cbpp.objective + 10)
    assert cbpp.bic == pytest.approx(cbpp.objective + 5 * np.log(56))
    assert "Residual" not in cbpp.varcorr.to_frame()["group"].tolist()


def test_z_tests(cbpp) -> None:
    z = cbpp.fixef / cbpp.bse
    np.testing.assert_allclose(cbpp.zvalues, z)
    np.testing.assert_allclose(cbpp.pvalues, 2 * stats.norm.sf(np.abs(z)))
    limits = cbpp.conf_int()
    np.testing.assert_allclose(limits["upper"] - limits["lower"], 2 * stats.norm.ppf(0.975) * cbpp.bse)
    joint = cbpp.test(["period[T.2]", "period[T.3]", "period[T.4]"])
    terms = cbpp.anova()
    assert joint["chisq"].iloc[0] == pytest.approx(terms.loc["period", "chisq"])
    assert joint["df"].iloc[0] == terms.loc["period", "df"] == 3
    single = cbpp.test("period[T.2] = -1")
    assert single["statistic"].iloc[0] == pytest.approx((cbpp.fixef["period[T.2]"] + 1) / cbpp.bse["period[T.2]"])


def test_summary_is_laid_out_as_lme4s(cbpp) -> None:
    text = str(cbpp.summary())
    lines = text.splitlines()
    assert lines[:5] == [
        "Generalized linear mixed model fit by maximum likelihood (Laplace Approximation)",
        " Family: binomial  ( logit )",
        f"Formula: {FORMULA}",
        "   Data: cbpp",
        "",
    ]
    assert lines[5].split() == ["AIC", "BIC", "logLik", "deviance", "df.resid"]
    assert lines[6].split() == ["194.1", "204.2", "-92.0", "184.1", "51"]
    assert "Number of obs: 56, groups:  herd, 15" in lines
    assert next(line for line in lines if line.startswith("(Intercept)")).split()[1:5] == [
        "-1.3985",
        "0.2325",
        "-6.016",
        "1.79e-09",
    ]
    assert any(line.startswith("Signif. codes") for line in lines)
    assert "Estimate Std. Error z value Pr(>|z|)" in text
    for form in (cbpp.summary().to_markdown(), cbpp.summary().to_latex(), cbpp.summary()._repr_html_()):
        assert "binomial" in form
    assert "Adaptive Gauss-Hermite Quadrature, nAGQ = 9" in " ".join(str(cbpp.update(n_quad=9).summary()).split())


def test_short_text(cbpp) -> None:
    text = repr(cbpp)
    assert "Family: binomial  ( logit )" in text
    assert "Fixed Effects:" in text


def test_residuals(cbpp) -> None:
    y, n, mu = CBPP["incidence"] / CBPP["size"], CBPP["size"], cbpp.fittedvalues
    np.testing.assert_allclose(cbpp.residuals("response"), y - mu)
    np.testing.assert_allclose(cbpp.residuals("pearson"), (y - mu) / np.sqrt(mu * (1 - mu) / n))
    np.testing.assert_allclose(cbpp.residuals("working"), (y - mu) / (mu * (1 - mu)))
    deviance = 2 * (stats.binom.logpmf(CBPP["incidence"], n, y) - stats.binom.logpmf(CBPP["incidence"], n, mu))
    np.testing.assert_allclose(cbpp.resid**2, deviance, atol=1e-10)
    with pytest.raises(OptionError, match="'deviance'"):
        cbpp.residuals("student")


def test_predictions_in_the_sample(cbpp) -> None:
    np.testing.assert_allclose(cbpp.predict(), cbpp.fittedvalues, rtol=1e-10)
    np.testing.assert_allclose(cbpp.predict(type="link"), cbpp.linear_predictor, rtol=1e-10)
    np.testing.assert_allclose(cbpp.predict(CBPP), cbpp.fittedvalues, rtol=1e-10)
    with_se = cbpp.predict(se=True)
    link = cbpp.predict(se=True, type="link")
    mu = with_se["fit"]
    np.testing.assert_allclose(with_se["se"], link["se"] * mu * (1 - mu))
    limits = cbpp.predict(interval="confidence")
    inverse = 1 / (1 + np.exp(-(link["fit"] + stats.norm.ppf(0.975) * link["se"])))
    np.testing.assert_allclose(limits["upper"], inverse)


def test_population_standard_errors_are_those_of_the_fixed_effects(cbpp) -> None:
    row = cbpp.predict({"period": ["1"]}, re="population", type="link", se=True)
    assert row["se"].iloc[0] == pytest.approx(cbpp.bse["(Intercept)"])


def test_marginal_predictions_average_over_the_random_effects(cbpp) -> None:
    found = cbpp.predict({"period": ["1", "4"]}, re="marginal")
    rng = np.random.default_rng(3)
    u = rng.normal(scale=cbpp.varcorr["herd"].sd[0], size=400_000)
    eta = np.array([cbpp.fixef["(Intercept)"], cbpp.fixef["(Intercept)"] + cbpp.fixef["period[T.4]"]])
    simulated = (1 / (1 + np.exp(-(eta[:, None] + u)))).mean(axis=1)
    np.testing.assert_allclose(found, simulated, atol=1e-3)
    limits = cbpp.predict({"period": ["1"]}, re="marginal", interval="confidence")
    assert limits["lower"].iloc[0] < found.iloc[0] < limits["upper"].iloc[0]
    link = cbpp.predict({"period": ["1"]}, re="marginal", type="link", se=True)
    assert 1 / (1 + np.exp(-link["fit"].iloc[0])) == pytest.approx(found.iloc[0])


def test_marginal_predictions_of_counts_are_lognormal_means(ticks) -> None:
    new = {"YEAR": ["95", "96"], "cHEIGHT": [0.0, 10.0]}
    eta = ticks.predict(new, re="population", type="link")
    total = sum(float(b.cov[0, 0]) for b in ticks.varcorr.values())
    np.testing.assert_allclose(ticks.predict(new, re="marginal"), np.exp(eta + total / 2), rtol=1e-8)


def test_prediction_intervals_cover_new_responses(ticks) -> None:
    limits = ticks.predict(re="population", interval="prediction", level=0.9)
    draws = ticks.simulate(200, rng=4).to_numpy()
    inside = (draws >= limits["lower"].to_numpy()[:, None]) & (draws <= limits["upper"].to_numpy()[:, None])
    assert 0.9 <= inside.mean() < 0.97  # counts are discrete, and the limits allow for the estimation
    assert (limits["lower"] == np.floor(limits["lower"])).all()
    with pytest.raises(OptionError, match="type='response'"):
        ticks.predict(interval="prediction", type="link")


def test_prediction_intervals_of_other_responses() -> None:
    sleep = load_dataset("sleepstudy")
    m = glmer("Reaction ~ Days + (1 | Subject)", sleep, family="Gamma(log)")
    limits = m.predict({"Days": [3.0]}, re="population", interval="prediction")
    draws = m.simulate(400, rng=1)[sleep["Days"] == 3].to_numpy().ravel()
    inside = np.mean((draws > limits["lower"].iloc[0]) & (draws < limits["upper"].iloc[0]))
    assert abs(inside - 0.95) < 0.03
    counts = glmer(FORMULA, CBPP, family="binomial")
    own = counts.predict(interval="prediction")
    assert ((own["lower"] >= 0) & (own["upper"] <= 1) & (own["lower"] <= own["upper"])).all()
    steps = own["upper"].to_numpy() * CBPP["size"].to_numpy()
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-6)
    with pytest.raises(OptionError, match="numbers of trials"):
        counts.predict(CBPP, interval="prediction")


def test_new_levels(cbpp) -> None:
    new = {"period": ["1"], "herd": ["unheard"]}
    with pytest.raises(NewLevelError, match="unheard"):
        cbpp.predict(new)
    row = cbpp.predict(new, new_levels="population", type="link", se=True)
    sd = cbpp.varcorr["herd"].sd[0]
    assert row["se"].iloc[0] == pytest.approx(np.hypot(cbpp.bse["(Intercept)"], sd))


def test_offsets_are_used_for_new_rows() -> None:
    m = glmer("incidence ~ period + (1 | herd)", CBPP, family="poisson", offset="log(size)")
    inside = glmer("incidence ~ period + offset(log(size)) + (1 | herd)", CBPP, family="poisson")
    assert m.objective == pytest.approx(inside.objective)
    np.testing.assert_allclose(m.predict(CBPP.head(3)), inside.fittedvalues.head(3), rtol=1e-6)


def test_simulation(cbpp) -> None:
    draws = cbpp.simulate(300, rng=1)
    assert draws.shape == (56, 300)
    values = draws.to_numpy()
    assert (values == np.rint(values)).all()
    assert (values <= CBPP["size"].to_numpy()[:, None]).all()
    marginal = cbpp.predict(re="marginal") * CBPP["size"]
    assert abs(values.mean(axis=1) - marginal).max() < 1.0
    np.testing.assert_array_equal(draws["sim_1"], cbpp.simulate(1, rng=1)["sim_1"])
    conditional = cbpp.simulate(500, re="conditional", rng=2).to_numpy().mean(axis=1)
    assert abs(conditional - cbpp.fittedvalues * CBPP["size"]).max() < 0.7


def conditional_errors(m) -> np.ndarray:
    """Standard errors with the covariance parameters taken as known, by dense algebra:
    from the curvature of the joint density in fixed and random effects.
    """
    x = np.column_stack([np.ones(56), *(CBPP["period"] == p for p in "234")]).astype(float)
    z = m.theta.iloc[0] * np.asarray(CBPP["herd"].cat.codes.to_numpy()[:, None] == np.arange(15), float)
    mu = m.fittedvalues.to_numpy()
    both = np.column_stack([x, z])
    curvature = both.T @ ((CBPP["size"].to_numpy() * mu * (1 - mu))[:, None] * both)
    curvature[4:, 4:] += np.eye(15)
    return np.sqrt(np.diag(np.linalg.inv(curvature))[:4])


def test_refit(cbpp) -> None:
    draws = cbpp.simulate(3, rng=5)
    many = cbpp.refit(draws)
    for j in range(3):
        one = cbpp.refit(draws.iloc[:, j])
        assert one.objective == pytest.approx(many.objective[j], abs=1e-6)
        np.testing.assert_allclose(one.fixef, many.fixef[j], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(conditional_errors(one), many.bse[j], rtol=1e-3)
    same = cbpp.refit(CBPP["incidence"])
    assert same.objective == pytest.approx(cbpp.objective)
    assert list(many.to_frame().columns[:2]) == ["objective", "(Intercept)"]
    with pytest.raises(DataError, match="successes in row 0"):
        cbpp.refit(CBPP["incidence"] + 100)
    with pytest.raises(DataError, match="whole number"):
        glmer("TICKS ~ YEAR + (1 | BROOD)", TICKS, family="poisson").refit(TICKS["TICKS"] + 0.5)


def test_update(cbpp) -> None:
    assert cbpp.update(". ~ . - period").npar == 2
    assert cbpp.update(family="binomial(probit)").family == ranef.Binomial("probit")
    assert cbpp.update(nAGQ=5).n_quad == 5
    with pytest.raises(OptionError, match="glmer has no argument 'REML'"):
        cbpp.update(REML=False)
    refitted = cbpp.refit(cbpp.simulate(1, rng=8)["sim_1"])
    assert refitted.update(control={"tolerance": 1e-10}).objective == pytest.approx(refitted.objective)


def test_save_load_and_pickle(cbpp, tmp_path: Path) -> None:
    file = tmp_path / "m.ranef"
    cbpp.save(file)
    for other in (ranef.load(file), pickle.loads(pickle.dumps(cbpp)), copy.deepcopy(cbpp)):
        assert type(other) is type(cbpp)
        assert other.objective == cbpp.objective
        assert str(other.summary()) == str(cbpp.summary())
        np.testing.assert_array_equal(other.predict(se=True), cbpp.predict(se=True))
        _frame, covariance = other.ranef(condvar=True)["herd"]
        np.testing.assert_array_equal(covariance, cbpp.ranef(condvar=True)["herd"][1])
        assert other.refit(CBPP["incidence"]).objective == pytest.approx(cbpp.objective)
    nb = glmer_nb("TICKS ~ YEAR + (1 | BROOD)", TICKS)
    nb.save(file)
    assert ranef.load(file).family == nb.family


def test_custom_families_are_not_saved(tmp_path: Path) -> None:
    family = ranef.CustomFamily(lambda y, mu: stats.poisson.logpmf(y, mu), link="log")
    m = glmer("TICKS ~ YEAR + (1 | LOCATION)", TICKS, family=family)
    with pytest.raises(DataError, match="holds no code"):
        m.save(tmp_path / "m.ranef")
    with pytest.raises(OptionError, match="sampler"):
        m.simulate()
    with pytest.raises(OptionError, match="variance_of_mean"):
        m.residuals("pearson")
    poisson = glmer("TICKS ~ YEAR + (1 | LOCATION)", TICKS, family="poisson")
    np.testing.assert_allclose(m.residuals("response"), poisson.residuals("response"), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(m.residuals("response"), TICKS["TICKS"] - m.fittedvalues)


def test_comparison_of_models(cbpp) -> None:
    table = anova(cbpp, cbpp.update(". ~ . - period"))
    assert table["chisq"].iloc[1] == pytest.approx(cbpp.drop1().loc["period", "chisq"], abs=1e-6)
    poisson = glmer("TICKS ~ YEAR + (1 | BROOD)", TICKS, family="poisson")
    nb = glmer_nb("TICKS ~ YEAR + (1 | BROOD)", TICKS)
    mixed = anova(poisson, nb)
    assert any("families" in n for n in mixed.attrs["notes"])
    assert mixed["aic"].iloc[1] < mixed["aic"].iloc[0]
    linear = lmer("Reaction ~ Days + (1 | Subject)", load_dataset("sleepstudy"))
    with pytest.raises(DataError, match="cannot be compared"):
        anova(cbpp, linear)


def test_frames(cbpp) -> None:
    tidy = cbpp.tidy()
    assert tidy.columns.tolist() == ["effect", "group", "term", "estimate", "std_error", "statistic", "p_value"]
    assert tidy["effect"].tolist() == ["fixed"] * 4 + ["ran_pars"]
    glance = cbpp.glance().iloc[0]
    assert glance["llf"] == cbpp.llf
    augmented = cbpp.augment()
    assert {".fitted", ".resid", ".pearson", "period", "herd"} <= set(augmented.columns)
    np.testing.assert_array_equal(augmented[".fitted"], cbpp.fittedvalues)
    assert "conf_low" in cbpp.tidy("fixed", conf_int=True).columns


def test_missing_rows_are_excluded_and_padded() -> None:
    frame = CBPP.copy()
    frame["period"] = frame["period"].where(frame.index != 3)
    m = glmer(FORMULA, frame, family="binomial", na_action="exclude")
    assert m.nobs == 55
    assert len(m.fittedvalues) == 56
    assert np.isnan(m.fittedvalues.iloc[3])
    assert np.isnan(m.simulate(1, rng=1).iloc[3, 0])
    assert m.predict().isna().sum() == 1


def test_nakagawa() -> None:
    m = glmer(FORMULA, CBPP, family="binomial")
    random, fixed = m.varcorr["herd"].cov[0, 0], np.var(m.predict(re="population", type="link"), ddof=1)
    residual = np.pi**2 / 3
    assert m.icc().adjusted == pytest.approx(random / (random + residual))
    r2 = m.r2()
    assert r2.conditional == pytest.approx((random + fixed) / (random + fixed + residual))
    assert r2.marginal == pytest.approx(fixed / (random + fixed + residual))


def test_dispersion_tests(ticks) -> None:
    over = ticks.update("TICKS ~ YEAR + (1 | LOCATION)").overdispersion(rng=1)
    assert over.ratio > 2
    assert over.p_value < 0.02
    assert over.ratio == over.chisq / over.df
    fine = glmer("y ~ 1 + (1 | g)", _poisson(), family="poisson")
    assert fine.overdispersion(rng=1).p_value > 0.01
    assert fine.zero_inflation(rng=1).p_value > 0.01
    inflated = _poisson()
    inflated.loc[inflated.index % 3 == 0, "y"] = 0
    zero = glmer("y ~ 1 + (1 | g)", inflated, family="poisson").zero_inflation(rng=1)
    assert zero.ratio > 1.2
    assert zero.p_value < 0.02
    with pytest.raises(OptionError, match="0 and 1"):
        glmer("use ~ age + (1 | district)", load_dataset("Contraception"), family="binomial").overdispersion()


def _poisson() -> pd.DataFrame:
    rng = np.random.default_rng(11)
    g = np.repeat(np.arange(30), 10)
    return pd.DataFrame({"y": rng.poisson(np.exp(0.7 + rng.normal(scale=0.4, size=30)[g])), "g": g})


def test_simulated_residuals() -> None:
    m = glmer("y ~ 1 + (1 | g)", _poisson(), family="poisson")
    found = m.simulated_residuals(rng=3)
    assert ((found.values > 0) & (found.values < 1)).all()
    conditional = m.simulated_residuals(re="conditional", rng=3)
    assert conditional.uniformity.p_value > 0.01
    with pytest.raises(OptionError, match="at least 20"):
        m.simulated_residuals(5)


def test_results_do_not_depend_on_threads() -> None:
    one, two = (
        glmer("TICKS ~ YEAR + (1 | BROOD) + (1 | LOCATION)", TICKS, family="poisson", n_threads=k) for k in (1, 2)
    )
    assert one.objective == two.objective
    np.testing.assert_array_equal(one.fixef, two.fixef)


def test_progress() -> None:
    seen: list[tuple[int, float]] = []
    glmer(FORMULA, CBPP, family="binomial", progress=lambda n, f: seen.append((n, f)))
    assert seen
    assert seen[-1][1] == pytest.approx(184.05256, abs=1e-3)


def test_negative_binomial() -> None:
    m = glmer_nb("TICKS ~ YEAR + (1 | BROOD)", TICKS)
    assert f"Negative Binomial({m.dispersion:.5g})  ( log )" in str(m.summary())
    held = glmer("TICKS ~ YEAR + (1 | BROOD)", TICKS, family=ranef.NegativeBinomial(size=m.dispersion))
    assert held.objective == pytest.approx(m.objective, abs=1e-6)
    assert held.npar == m.npar - 1
    draws = held.simulate(2, rng=1)
    many = held.refit(draws)
    assert many.objective[1] == pytest.approx(held.refit(draws["sim_2"]).objective, abs=1e-8)
    with pytest.raises(OptionError, match="use glmer"):
        glmer_nb("TICKS ~ YEAR + (1 | BROOD)", TICKS, family="poisson")


def test_start_values() -> None:
    m = glmer(FORMULA, CBPP, family="binomial")
    for start in (
        [0.5],
        {"theta": [0.5], "fixef": m.fixef.to_dict()},
        {"herd.(Intercept)": 2.0},
        {"fixef": [0, 0, 0, 0]},
    ):
        again = glmer(FORMULA, CBPP, family="binomial", start=start)
        assert again.objective == pytest.approx(m.objective, abs=1e-7)


def test_at_most_one_warning_and_no_output(capsys: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        glmer("incidence ~ period + (1 | herd) + (1 | size)", CBPP, family="poisson")
    assert len(caught) <= 1
    assert capsys.readouterr() == ("", "")


def test_every_error_is_the_packages_own() -> None:
    for call in (
        lambda: glmer("incidence ~ nothing + (1 | herd)", CBPP, family="poisson"),
        lambda: glmer("incidence ~ period", CBPP, family="poisson"),
        lambda: glmer(FORMULA, None, family="poisson"),
        lambda: glmer(3, CBPP, family="poisson"),  # type: ignore[arg-type]
    ):
        with pytest.raises(RanefError):
            call()


def test_nakagawa_of_counts_is_that_of_the_lognormal_approximation(ticks) -> None:
    null = glmer("TICKS ~ 1 + (1 | BROOD) + (1 | LOCATION)", TICKS, family="poisson")
    spread = sum(float(b.cov[0, 0]) for b in null.varcorr.values())
    mean = np.exp(null.fixef.iloc[0] + spread / 2)
    own = sum(float(b.cov[0, 0]) for b in ticks.varcorr.values())
    assert ticks.icc().adjusted == pytest.approx(own / (own + np.log1p(1 / mean)), rel=1e-5)
    by_group = ticks.icc(by_group=True)
    assert by_group["adjusted"].sum() == pytest.approx(ticks.icc().adjusted)


def test_the_error_of_laplace(cbpp, ticks) -> None:
    exact = cbpp.update(n_quad=25, start={"theta": cbpp.theta.tolist(), "fixef": cbpp.fixef.tolist()})
    assert exact.objective - cbpp.objective == pytest.approx(cbpp.laplace_error(25), abs=2e-3)
    assert cbpp.laplace_error() == pytest.approx(cbpp.laplace_error(25), abs=1e-3)
    with pytest.raises(OptionError, match="at least 5"):
        cbpp.laplace_error(3)
    assert 0 < abs(ticks.laplace_error()) < 1


def test_normal_errors_around_a_logistic_curve() -> None:
    """Against R's glmmTMB 1.1.5; responses lie outside (0, 1)."""
    rng = np.random.default_rng(7)
    g = np.repeat(np.arange(8), 10)
    x = np.tile(np.linspace(-2, 2, 10), 8)
    eta = 0.3 + 1.5 * x + 0.4 * rng.normal(size=8)[g]
    y = np.round(1 / (1 + np.exp(-eta)) + 0.05 * rng.normal(size=80), 4)
    assert y.min() < 0
    assert y.max() > 1
    data = {"y": y, "x": np.round(x, 6), "g": g}
    m = ranef.glmer("y ~ x + (1 | g)", data, family="gaussian(logit)")
    assert m.llf == pytest.approx(127.554884, abs=1e-5)
    assert m.fixef["x"] == pytest.approx(1.550587, abs=1e-5)
    for link in ("probit", "cloglog", "cauchit"):
        other = m.update(family=f"gaussian({link})")
        assert 0 < other.fittedvalues.min() < other.fittedvalues.max() < 1
