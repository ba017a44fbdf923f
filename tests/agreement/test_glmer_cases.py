"""Every stored generalized model of lme4 and of glmmTMB, fitted here from its R formula:
an optimum at least as good, and the same numbers.

With canonical links lme4 and we maximise the same likelihood, and the expected numbers are those of
its best fit. With other links lme4 puts the expected curvature into Laplace's determinant and we
the observed one, as glmmTMB does; the expected numbers are then those of glmmTMB. lme4's likelihood
of Gamma, inverse Gaussian and Gaussian models is not one (docs/glmm.md): those families are
compared in test_families_glmmtmb.py.
"""

import math
from typing import Any

import numpy as np
import pytest
from glmer_case import fitted, is_canonical
from lme4_case import factor_levels, new_rows, r_name
from scipy import stats

from reference.store import case_ids, load_case

ALL = case_ids("glmer")
SCALED = [i for i in ALL if load_case(i)["family"] in ("Gamma", "inverse.gaussian", "gaussian")]
QUADRATURE = [i for i in ALL if (load_case(i)["nAGQ"] or 1) > 1]
PENALISED = [i for i in ALL if load_case(i)["nAGQ"] == 0]
LAPLACE = [i for i in ALL if i not in (*SCALED, *QUADRATURE, *PENALISED)]
CANONICAL = [i for i in LAPLACE if is_canonical(load_case(i))]
OBSERVED = [i for i in LAPLACE if load_case(i)["crosscheck_glmmTMB"] is not None]
OTHER_LINKS = [i for i in OBSERVED if i not in CANONICAL]
GLMMTMB = case_ids("glmmTMB")
COMPARED = [*CANONICAL, *QUADRATURE]


def test_the_store_has_its_cases() -> None:
    assert len(ALL) == 34
    assert len(SCALED) == 4
    assert len(QUADRATURE) == 3
    assert len(CANONICAL) == 18
    assert len(OTHER_LINKS) == 7
    assert len(GLMMTMB) == 6


def assert_effects(model: Any, beta: dict[str, float], se: dict[str, float], case: dict[str, Any]) -> None:
    """Estimates within 1e-3 standard errors, standard errors within 1e-3."""
    levels = factor_levels(case)
    assert [r_name(n, levels) for n in model.fixef.index] == list(beta)
    ours, errors = model.fixef.to_numpy(), model.bse.to_numpy()
    theirs, their_errors = np.array(list(beta.values())), np.array(list(se.values()))
    np.testing.assert_array_less(np.abs(ours - theirs) / their_errors, 1e-3)
    np.testing.assert_array_less(np.abs(errors / their_errors - 1), 1e-3)


@pytest.mark.parametrize("identifier", CANONICAL)
def test_objective(identifier: str) -> None:
    case = load_case(identifier)
    # The lower of two independent optimisers of the same likelihood.
    both = [case["objective_best"], (case["crosscheck_glmmTMB"] or {"objective": math.inf})["objective"]]
    objective = fitted(identifier).objective
    assert objective <= min(both) + 1e-5
    assert objective >= max(b for b in both if math.isfinite(b)) - 2e-4


@pytest.mark.parametrize("identifier", [*LAPLACE, *QUADRATURE, *GLMMTMB])
def test_convergence_and_sizes(identifier: str) -> None:
    model, expected = fitted(identifier), load_case(identifier)["best"]
    assert model.convergence.ok
    assert model.nobs == expected["nobs"]
    # lme4 counts a size that was given among the parameters.
    assert model.npar == expected["npar"] - (model.family.fixed_dispersion is not None)
    assert model.df_resid == model.nobs - model.npar


@pytest.mark.parametrize("identifier", CANONICAL)
def test_criteria(identifier: str) -> None:
    model, expected = fitted(identifier), load_case(identifier)["best"]
    assert model.llf == pytest.approx(expected["logLik"], rel=0, abs=1e-4)
    assert model.aic == pytest.approx(expected["AIC"], rel=0, abs=2e-4)
    assert model.bic == pytest.approx(expected["BIC"], rel=0, abs=2e-4)
    assert model.ngroups == expected["ngrps"]


@pytest.mark.parametrize("identifier", COMPARED)
def test_fixed_effects(identifier: str) -> None:
    case = load_case(identifier)
    # lme4's standard errors are from differences of its criterion, and have its noise; glmmTMB's
    # are not.
    se = (case["crosscheck_glmmTMB"] or case["best"])["se"]
    assert_effects(fitted(identifier), case["best"]["beta"], se, case)


@pytest.mark.parametrize("identifier", COMPARED)
def test_variance_components(identifier: str) -> None:
    case = load_case(identifier)
    model, expected = fitted(identifier), case["best"]
    assert model.is_singular == expected["isSingular"]
    for (key, ours), (their_key, theirs) in zip(model.varcorr.items(), expected["varcorr"].items(), strict=True):
        assert key == their_key
        if not expected["isSingular"]:
            np.testing.assert_allclose(ours.sd, theirs["sd"], rtol=1e-3)
            np.testing.assert_allclose(ours.corr, np.array(theirs["corr"]["values"], dtype=float), atol=2e-3)


@pytest.mark.parametrize("identifier", OTHER_LINKS)
def test_other_links_against_glmmtmb(identifier: str) -> None:
    case = load_case(identifier)
    model, expected = fitted(identifier), case["crosscheck_glmmTMB"]
    assert model.objective <= expected["objective"] + 1e-5
    assert model.objective >= expected["objective"] - 1e-3
    assert_effects(model, expected["beta"], expected["se"], case)
    if expected["nb_theta"] is not None:
        assert model.dispersion == pytest.approx(expected["nb_theta"], rel=1e-3)
    for ours, theirs in zip(model.varcorr.values(), expected["sd"].values(), strict=True):
        np.testing.assert_allclose(ours.sd, theirs, rtol=1e-3)


@pytest.mark.parametrize("identifier", [i for i in OTHER_LINKS if load_case(i)["r_function"] == "glmer"])
def test_expected_curvature_is_lme4s(identifier: str) -> None:
    case = load_case(identifier)
    model = fitted(identifier).update(curvature="expected")
    assert model.objective <= case["objective_best"] + 1e-4
    if identifier == "arab_sqrt":
        # Some rows have more than one mode (the square of a negative predictor is a mean, too), and
        # lme4 ends 33 above the optimum.
        return
    assert model.objective >= case["objective_best"] - 1e-3
    se = np.array(list(case["best"]["se"].values()))
    np.testing.assert_array_less(
        np.abs(model.fixef.to_numpy() - np.array(list(case["best"]["beta"].values()))) / se, 1e-2
    )


def saturated(identifier: str) -> float:
    """-2 log-likelihood of a binomial model whose means are the observed proportions:
    the constant that lme4 leaves out of its quadrature.
    """
    fit = fitted(identifier)._fit
    trials = np.rint(fit.weights)
    return float(-2 * stats.binom.logpmf(np.rint(fit.design.y * trials), trials, fit.design.y).sum())


@pytest.mark.parametrize("identifier", QUADRATURE)
def test_quadrature_has_all_constants(identifier: str) -> None:
    objective = load_case(identifier)["objective_best"] + saturated(identifier)
    assert fitted(identifier).objective <= objective + 1e-5
    assert fitted(identifier).objective >= objective - 1e-3


@pytest.mark.parametrize("identifier", PENALISED)
def test_penalised_form(identifier: str) -> None:
    case = load_case(identifier)
    model, expected = fitted(identifier), case["best"]
    assert model.objective == pytest.approx(expected["objective"], abs=1e-2)
    se = np.array(list(expected["se"].values()))
    np.testing.assert_array_less(np.abs(model.fixef.to_numpy() - np.array(list(expected["beta"].values()))) / se, 5e-3)


@pytest.mark.parametrize("identifier", GLMMTMB)
def test_glmmtmb_models(identifier: str) -> None:
    case = load_case(identifier)
    model, expected = fitted(identifier), case["best"]
    assert model.objective <= expected["objective"] + 1e-5
    assert model.objective >= expected["objective"] - 1e-3
    levels = factor_levels(case)
    assert [r_name(n, levels) for n in model.fixef.index] == list(expected["beta_cond"])
    se = np.array(list(expected["se_cond"].values()))
    np.testing.assert_array_less(np.abs(model.fixef.to_numpy() - list(expected["beta_cond"].values())) / se, 1e-3)
    np.testing.assert_allclose(model.bse.to_numpy(), se, rtol=1e-3)
    for ours, theirs in zip(model.varcorr.values(), expected["varcorr"]["cond"].values(), strict=True):
        np.testing.assert_allclose(ours.sd, theirs["sd"], rtol=1e-3)
    if "sigma" in expected and model.family.dispersion_name is not None:
        assert model.dispersion == pytest.approx(expected["sigma"], rel=1e-3)


def assert_vector(ours: np.ndarray, stored: dict[str, Any], tolerance: float) -> None:
    """A stored long vector: its length, its first values, its sum and the sum of its squares."""
    assert len(ours) == stored["n"]
    scale = math.sqrt(stored["sumsq"] / stored["n"])
    np.testing.assert_allclose(ours[: len(stored["first"])], stored["first"], atol=tolerance * scale, rtol=tolerance)
    assert ours.sum() / len(ours) == pytest.approx(stored["sum"] / stored["n"], abs=tolerance * scale)
    assert np.sum(ours**2) == pytest.approx(stored["sumsq"], rel=2 * tolerance)


REGULAR = [i for i in COMPARED if not load_case(i)["best"]["isSingular"]]


@pytest.mark.parametrize("identifier", REGULAR)
def test_fitted_values_and_residuals(identifier: str) -> None:
    model, expected = fitted(identifier), load_case(identifier)["best"]
    assert_vector(model.fittedvalues.to_numpy(), expected["fitted"], 1e-3)
    assert_vector(model.linear_predictor.to_numpy(), expected["linear_predictor"], 1e-3)
    for kind in ("response", "pearson", "deviance", "working"):
        assert_vector(model.residuals(type=kind).to_numpy(), expected["residuals"][kind], 2e-3)


@pytest.mark.parametrize("identifier", REGULAR)
def test_random_effects(identifier: str) -> None:
    case = load_case(identifier)
    model, expected = fitted(identifier), case["best"]
    levels = factor_levels(case)
    with_variances = model.ranef(condvar=True) if any("condVar" in g for g in expected["ranef"].values()) else None
    for group, theirs in expected["ranef"].items():
        frame = model.ranef()[group]
        assert [r_name(c, levels) for c in frame.columns] == theirs["terms"]
        assert len(frame) == theirs["n_levels"]
        for column, term in zip(frame.columns, theirs["terms"], strict=True):
            spread = math.sqrt(theirs["sumsq"][term] / theirs["n_levels"]) + 1e-3
            first = frame[column].to_numpy()[: len(theirs["levels"])]
            np.testing.assert_allclose(first, theirs["values"][term], atol=2e-3 * spread)
        if with_variances is not None and "condVar" in theirs:
            covariance = with_variances[group][1]
            for ours, stored in zip(covariance, theirs["condVar"], strict=False):
                np.testing.assert_allclose(ours, np.array(stored["values"], dtype=float), rtol=5e-3, atol=1e-6)


# R predicted these after it had computed profiles, which leave other modes in the fitted object
# than those of its own `ranef`.
PROFILED = ("cbpp_counts", "epil_poisson")


@pytest.mark.parametrize(
    "identifier", [i for i in REGULAR if "predict" in load_case(i)["derived"] and i not in PROFILED]
)
def test_predictions_for_new_rows(identifier: str) -> None:
    model, case = fitted(identifier), load_case(identifier)
    stored, rows = case["derived"]["predict"], new_rows(case)
    offset = {} if case["offset_arg"] is None else {"offset": np.zeros(len(next(iter(rows.values()))))}
    for re, link, response in (
        ("conditional", "re_form_NULL_allow_new", "re_form_NULL_allow_new_response"),
        ("population", "re_form_NA", "re_form_NA_response"),
    ):
        ours = model.predict(rows, re=re, type="link", new_levels="population", **offset)
        np.testing.assert_allclose(ours, stored[link], atol=3e-3)
        if response in stored:
            ours = model.predict(rows, re=re, new_levels="population", **offset)
            np.testing.assert_allclose(ours, stored[response], rtol=3e-3)


@pytest.mark.parametrize("identifier", [i for i in CANONICAL if "drop1_chisq" in load_case(i)["derived"]])
def test_single_deletions(identifier: str) -> None:
    model, case = fitted(identifier), load_case(identifier)
    stored = case["derived"]["drop1_chisq"]
    table = model.drop1()
    assert [n.replace(" ", "") for n in table.index] == [n.replace(" ", "") for n in stored["rows"]]
    ours, theirs = table["chisq"].to_numpy()[1:], np.array(stored["columns"]["LRT"][1:], dtype=float)
    # lme4's smaller models stop where its default tolerances leave them.
    np.testing.assert_allclose(ours, theirs, atol=5e-3, rtol=1e-3)
    np.testing.assert_allclose(table["df"].to_numpy()[1:], stored["columns"]["npar"][1:])


@pytest.mark.parametrize("identifier", [i for i in [*COMPARED, *GLMMTMB] if "car_anova_2" in load_case(i)["derived"]])
def test_wald_tests_of_terms(identifier: str) -> None:
    model, case = fitted(identifier), load_case(identifier)
    stored = case["derived"]["car_anova_2"]
    table = model.anova(type=2)
    np.testing.assert_allclose(table["chisq"], stored["columns"]["Chisq"], rtol=5e-3, atol=2e-3)
    assert table["df"].tolist() == stored["columns"]["Df"]


def test_cbpp() -> None:
    """The published values of the best known example."""
    model = fitted("cbpp_counts")
    assert model.llf == pytest.approx(-92.0262819, abs=1e-6)
    assert model.bse["(Intercept)"] == pytest.approx(0.232472, abs=1e-6)
    assert model.theta.iloc[0] == pytest.approx(0.6422614, abs=2e-6)
    exact = fitted("cbpp_agq25")
    assert exact.llf == pytest.approx(-91.983369, abs=1e-6)
    assert exact.theta.iloc[0] == pytest.approx(0.64752, abs=1e-5)
    assert exact.fixef["(Intercept)"] == pytest.approx(-1.399224, abs=1e-5)


# performance counts an effect of every row as residual variance, and gives NA for singular fits.
NAKAGAWA = [
    i
    for i in [*COMPARED, *PENALISED]
    if load_case(i)["family"] == "binomial"
    and "icc" in load_case(i)["derived"]
    and i not in ("cbpp_olre", "socatt_binary")
]


@pytest.mark.parametrize("identifier", NAKAGAWA)
def test_shares_of_variance(identifier: str) -> None:
    model, derived = fitted(identifier), load_case(identifier)["derived"]
    assert model.icc().adjusted == pytest.approx(derived["icc"]["ICC_adjusted"], rel=2e-3)
    r2 = model.r2()
    conditional, marginal = derived["r2_nakagawa"].values()
    assert r2.conditional == pytest.approx(conditional, rel=2e-3)
    assert r2.marginal == pytest.approx(marginal, rel=2e-3)
