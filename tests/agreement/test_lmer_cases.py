"""Every stored linear mixed model of lme4, fitted here from its R formula:
an optimum at least as good, and the same numbers.

Expected are the `best` numbers of each case: the lowest of several of R's optimisers, run to tight
tolerances.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from lme4_case import factor_levels, fitted, new_rows, r_name, warnings_of

from reference.store import case_ids, load_case

CASES = case_ids("lmer")
# Random effects of `(f || g)` are an intercept and an effect of every level of f: a constant can be
# moved from the variance of the one to all covariances of the others without any change of the
# model. Only their sum has an estimate.
REDUNDANT = ["machines_dblbar_f", "sleep_half_doublebar"]
IDENTIFIED = [i for i in CASES if i not in REDUNDANT]
REGULAR = [i for i in IDENTIFIED if not load_case(i)["best"]["isSingular"]]
SINGULAR = [i for i in CASES if load_case(i)["best"]["isSingular"]]
PREDICTED = [i for i in CASES if "predict" in load_case(i)["derived"]]

TOLERANCE = 2e-5
"""Allowed differences, as parts of a standard error, of a standard deviation or of sigma.

The objective is flat at its optimum, so that two optimisers which agree in it to 1e-9 differ by up
to about 1e-5 in the parameters.
"""


def best(identifier: str) -> dict[str, Any]:
    block: dict[str, Any] = load_case(identifier)["best"]
    return block


def matrix(stored: Mapping[str, Any]) -> np.ndarray:
    return np.array(stored["values"], dtype=float)


def assert_near(ours: Any, theirs: Any, scale: Any, tolerance: float = TOLERANCE) -> None:
    """Differences are at most ``tolerance`` times ``scale``; both may be arrays."""
    ours, theirs = np.asarray(ours, dtype=float), np.asarray(theirs, dtype=float)
    assert ours.shape == theirs.shape
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs))
    excess = np.abs(ours - theirs) / scale
    worst = np.nanmax(excess, initial=0.0)
    assert worst <= tolerance, f"{worst:.3g} of the scale, allowed {tolerance:g}\n{ours}\n{theirs}"


def test_the_store_has_its_cases() -> None:
    assert len(CASES) == 91
    assert len(SINGULAR) == 13
    assert len(PREDICTED) == 87


@pytest.mark.parametrize("identifier", CASES)
def test_objective(identifier: str) -> None:
    objective, expected = fitted(identifier).objective, load_case(identifier)["objective_best"]
    assert objective <= expected + 1e-6
    assert objective >= expected - 1e-5  # lower would be a better optimum than any of R's, or another criterion


@pytest.mark.parametrize("identifier", CASES)
def test_convergence(identifier: str) -> None:
    model, case = fitted(identifier), load_case(identifier)
    assert model.convergence.ok
    assert model.is_singular == case["best"]["isSingular"]
    # One warning at most: a singular fit, dropped columns, a factor to the left of a double bar, or
    # an ordered factor.
    deserved = model.is_singular or "dropped_columns" in case["best"] or identifier in {*REDUNDANT, "star_crossed"}
    assert len(warnings_of(identifier)) == int(deserved)


@pytest.mark.parametrize("identifier", CASES)
def test_sizes(identifier: str) -> None:
    model, expected = fitted(identifier), best(identifier)
    assert model.nobs == expected["nobs"]
    assert model.npar == expected["npar"]
    assert model.df_resid == expected["df_residual"]
    assert list(model.ngroups.items()) == list(expected["ngrps"].items())


@pytest.mark.parametrize("identifier", CASES)
def test_criteria(identifier: str) -> None:
    model, expected = fitted(identifier), best(identifier)
    for ours, theirs in (("objective", "objective"), ("aic", "AIC"), ("bic", "BIC")):
        assert getattr(model, ours) == pytest.approx(expected[theirs], rel=0, abs=2e-5)
    assert model.llf == pytest.approx(expected["logLik"], rel=0, abs=1e-5)
    # The criterion that was not minimised is not flat at the estimates: it feels their differences.
    for ours, theirs in (("ml_deviance", "MLdeviance"), ("reml_criterion", "REMLdeviance")):
        tolerance = 2e-5 if expected[theirs] == expected["objective"] else 2e-4
        assert getattr(model, ours) == pytest.approx(expected[theirs], rel=0, abs=tolerance)


@pytest.mark.parametrize("identifier", CASES)
def test_names_of_fixed_effects(identifier: str) -> None:
    levels = factor_levels(load_case(identifier))
    assert [r_name(name, levels) for name in fitted(identifier).fixef.index] == list(best(identifier)["beta"])


@pytest.mark.parametrize("identifier", CASES)
def test_fixed_effects(identifier: str) -> None:
    model, expected = fitted(identifier), best(identifier)
    se = np.array(list(expected["se"].values()))
    assert_near(model.fixef, list(expected["beta"].values()), se)
    assert_near(model.bse, se, se)
    assert_near(model.tvalues, list(expected["t"].values()), 1 + np.abs(list(expected["t"].values())), 2 * TOLERANCE)


@pytest.mark.parametrize("identifier", CASES)
def test_covariance_of_fixed_effects(identifier: str) -> None:
    model, expected = fitted(identifier), best(identifier)
    se = np.array(list(expected["se"].values()))
    assert_near(model.cov_params(), matrix(expected["vcov_beta"]), np.outer(se, se), 3 * TOLERANCE)
    assert_near(model.corr_params(), matrix(expected["corr_beta"]), 1.0, 3 * TOLERANCE)


@pytest.mark.parametrize("identifier", CASES)
def test_sigma(identifier: str) -> None:
    expected = best(identifier)["sigma"]
    assert_near(fitted(identifier).sigma, expected, expected)


@pytest.mark.parametrize("identifier", REGULAR)
def test_theta(identifier: str) -> None:
    theirs = np.array(list(best(identifier)["theta"].values()))
    assert_near(fitted(identifier).theta, theirs, np.maximum(np.abs(theirs), 0.1 * np.abs(theirs).max()), 3 * TOLERANCE)


@pytest.mark.parametrize("identifier", CASES)
def test_names_of_random_effects(identifier: str) -> None:
    levels = factor_levels(load_case(identifier))
    ours = [(key, [r_name(n, levels) for n in term.names]) for key, term in fitted(identifier).varcorr.items()]
    assert ours == [(key, term["names"]) for key, term in best(identifier)["varcorr"].items()]


@pytest.mark.parametrize("identifier", REGULAR)
def test_variance_components(identifier: str) -> None:
    model, expected = fitted(identifier), best(identifier)
    for ours, theirs in zip(model.varcorr.values(), expected["varcorr"].values(), strict=True):
        sd = np.array(theirs["sd"])
        assert_near(ours.sd, sd, sd)
        assert_near(ours.cov, matrix(theirs["cov"]), np.outer(sd, sd), 3 * TOLERANCE)
        assert_near(ours.corr, matrix(theirs["corr"]), 1.0, 3 * TOLERANCE)


@pytest.mark.parametrize("identifier", SINGULAR)
def test_variance_components_of_singular_fits(identifier: str) -> None:
    """Correlations with a vanished effect mean nothing.

    Covariances on the scale of the residuals do.
    """
    model, expected = fitted(identifier), best(identifier)
    for ours, theirs in zip(model.varcorr.values(), expected["varcorr"].values(), strict=True):
        scale = np.maximum(theirs["sd"], 0.01 * expected["sigma"])
        assert_near(ours.sd, theirs["sd"], scale, 10 * TOLERANCE)
        assert_near(ours.cov, matrix(theirs["cov"]), np.outer(scale, scale), 20 * TOLERANCE)


@pytest.mark.parametrize("identifier", REDUNDANT)
def test_what_redundant_random_effects_add_up_to(identifier: str) -> None:
    model, expected = fitted(identifier), best(identifier)
    (intercept, by_level), (r_intercept, r_by_level) = model.varcorr.values(), expected["varcorr"].values()
    theirs = matrix(r_intercept["cov"]) + matrix(r_by_level["cov"])
    sd = np.sqrt(np.diag(theirs))
    assert_near(intercept.cov + by_level.cov, theirs, np.outer(sd, sd), 3 * TOLERANCE)
    (group,) = expected["ranef"]
    effects, stored = model.ranef()[group].to_numpy(), np.array(list(expected["ranef"][group]["values"].values())).T
    assert effects.shape == stored.shape  # all levels are stored
    ours, theirs = effects[:, :1] + effects[:, 1:], stored[:, :1] + stored[:, 1:]
    assert_near(ours, theirs, theirs.std(), 10 * TOLERANCE)


@pytest.mark.parametrize("identifier", IDENTIFIED)
def test_random_effects(identifier: str) -> None:
    model, expected = fitted(identifier), best(identifier)
    levels = factor_levels(load_case(identifier))
    ours = model.ranef()
    assert list(ours) == list(expected["ranef"])
    for group, theirs in expected["ranef"].items():
        frame = ours[group]
        assert [r_name(c, levels) for c in frame.columns] == theirs["terms"]
        assert len(frame) == theirs["n_levels"]
        assert [str(level) for level in frame.index[: len(theirs["levels"])]] == theirs["levels"]
        for column, term in zip(frame.columns, theirs["terms"], strict=True):
            values = frame[column].to_numpy()
            spread = np.sqrt(theirs["sumsq"][term] / theirs["n_levels"]) + 1e-3 * expected["sigma"]
            assert_near(values[: len(theirs["levels"])], theirs["values"][term], spread, 10 * TOLERANCE)
            assert_near(values.sum(), theirs["sum"][term], spread * np.sqrt(len(values)), 10 * TOLERANCE)
            assert_near(
                np.sqrt(np.mean(values**2)), np.sqrt(theirs["sumsq"][term] / len(values)), spread, 10 * TOLERANCE
            )


@pytest.mark.parametrize("identifier", IDENTIFIED)
def test_coefficients_by_group(identifier: str) -> None:
    model, expected = fitted(identifier), best(identifier)
    levels = factor_levels(load_case(identifier))
    ours = model.coef()
    assert list(ours) == list(expected["coef_first"])
    for group, theirs in expected["coef_first"].items():
        frame = ours[group].head(3)
        assert [str(level) for level in frame.index] == theirs["rows"]
        assert [r_name(c, levels) for c in frame.columns] == list(theirs["columns"])
        for column, (name, values) in zip(frame.columns, theirs["columns"].items(), strict=True):
            scale = expected["se"].get(name, 0.0) + expected["sigma"] * 1e-2 + np.abs(values).max()
            assert_near(frame[column], values, scale, 3 * TOLERANCE)


def assert_vector(ours: np.ndarray, stored: Mapping[str, Any], scale: float) -> None:
    """A stored long vector: its length, its first values, its sum and the sum of its squares."""
    assert len(ours) == stored["n"]
    assert np.isnan(ours).sum() == stored["n_na"]
    n = stored["n"] - stored["n_na"]
    first = np.array([np.nan if v is None else v for v in stored["first"]], dtype=float)
    assert_near(ours[: len(first)], first, scale, 10 * TOLERANCE)
    assert_near(np.nansum(ours) / n, stored["sum"] / n, scale)
    assert_near(np.sqrt(np.nansum(ours**2) / n), np.sqrt(stored["sumsq"] / n), scale)


@pytest.mark.parametrize("identifier", CASES)
def test_fitted_values_and_residuals(identifier: str) -> None:
    model, expected = fitted(identifier), best(identifier)
    assert_vector(model.fittedvalues.to_numpy(), expected["fitted"], expected["sigma"])
    for ours, theirs in (("response", "response"), ("pearson", "pearson"), ("scaled", "scaled_pearson")):
        scale = 1.0 if ours == "scaled" else expected["sigma"]
        assert_vector(model.residuals(type=ours).to_numpy(), expected["residuals"][theirs], scale)


@pytest.mark.parametrize("identifier", PREDICTED)
def test_predictions_for_new_rows(identifier: str) -> None:
    model, case = fitted(identifier), load_case(identifier)
    stored, rows, sigma = case["derived"]["predict"], new_rows(case), case["best"]["sigma"]
    conditional = model.predict(rows, new_levels="population")
    assert_near(conditional, stored["re_form_NULL_allow_new"], sigma, 10 * TOLERANCE)
    assert_near(model.predict(rows, re="population"), stored["re_form_NA"], sigma, 10 * TOLERANCE)
