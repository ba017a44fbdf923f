"""Models for repeated measures against R's mmrm 0.3.18."""

from collections.abc import Iterable

import numpy as np
import pytest
from tests.agreement.repeated_case import CASES, SMALL, call_of, coefficients, fitted, matched

import ranef

METHODS = {
    "satterthwaite": "satterthwaite",
    "kenward_roger_linear": "kenward-roger-linear",
    "between_within": "between-within",
    "residual": "residual",
}
#: R's mmrm leaves weights out of residuals, and of the covariance of observed and missing visits.
PLAIN = [n for n in SMALL if "weighted" not in n]
ROBUST = {"cr0": "CR0", "cr2": "CR2", "cr3": "CR3"}


def pairs(methods: Iterable[str], part: str = "coefficients") -> list[tuple[str, str]]:
    """Cases and methods for which R has numbers."""
    return [(n, m) for n in CASES for m in methods if part in CASES[n]["methods"].get(m, {})]


def excess(name: str) -> float:
    """How far R's numbers may be from ours: by the root of what its objective lacks."""
    lacks = CASES[name]["best"]["objective"] - fitted(name).objective
    return max(1e-6, 3 * float(np.sqrt(max(lacks, 0.0))))


@pytest.mark.parametrize("name", CASES)
def test_optimum(name: str) -> None:
    m, best = fitted(name), CASES[name]["best"]
    assert m.objective <= best["objective"] + 1e-8
    assert m.objective == pytest.approx(best["objective"], abs=2e-5)
    assert m.nobs == best["nobs"]
    assert m.convergence.ok
    tolerance = excess(name)
    se = matched(m.bse.index, best["se"])
    assert np.allclose(m.fixef, matched(m.fixef.index, best["beta"]), atol=float(tolerance * se.max()), rtol=0)
    assert np.allclose(m.bse, se, rtol=tolerance)
    assert np.allclose(m.df, matched(m.df.index, best["df"]), rtol=10 * tolerance)


@pytest.mark.parametrize("name", [n for n in CASES if "sp_" not in n])
def test_residual_covariance(name: str) -> None:
    m, theirs = fitted(name), CASES[name]["best"]["residual_cov"]
    pairs = [(m.residual_cov, theirs)] if "cov" in theirs else [(m.residual_cov[g], theirs[g]) for g in theirs]
    for mine, other in pairs:
        expected = np.array(other["cov"]["values"], dtype=float)
        sd = np.sqrt(np.diag(expected))
        assert list(mine.index) == other["cov"]["rownames"]
        assert np.abs(np.asarray(mine) - expected).max() <= 10 * excess(name) * sd.max() ** 2


@pytest.mark.parametrize(("name", "method"), pairs(METHODS))
def test_degrees_of_freedom(name: str, method: str) -> None:
    m = fitted(name)
    expected = coefficients(CASES[name]["methods"][method], m.fixef.index)
    found = m.summary(ddf=METHODS[method]).fixed
    values = dict(zip(found.columns, found.values.T, strict=True))
    tolerance = excess(name)
    assert np.allclose(values["Std. Error"], expected[:, 1], rtol=tolerance)
    assert np.allclose(values["df"], expected[:, 2], rtol=10 * tolerance)
    assert np.allclose(values["Pr(>|t|)"], expected[:, 4], rtol=1e-2, atol=1e-5)


@pytest.mark.parametrize(("name", "cov"), pairs(ROBUST))
def test_robust_covariance(name: str, cov: str) -> None:
    m = fitted(name)
    robust = m.update(vcov=ROBUST[cov])
    expected = coefficients(CASES[name]["methods"][cov], m.fixef.index)
    tolerance = excess(name)
    assert np.allclose(robust.bse, expected[:, 1], rtol=tolerance)
    assert np.allclose(robust.df, expected[:, 2], rtol=10 * tolerance)


@pytest.mark.parametrize(("name", "method"), pairs(METHODS, "terms"))
def test_terms(name: str, method: str) -> None:
    """All coefficients of a term together, by treatment coding, as the reference has them."""
    m = fitted(name)
    design = m._fit.design
    for label, found in CASES[name]["methods"][method]["terms"].items():
        term = design.fixed_terms.index(label) + 1
        rows = np.eye(len(m.fixef))[[j for j, t in enumerate(design.x_assign) if t == term]]
        test = m.test(rows, ddf=METHODS[method], joint=True).iloc[0]
        tolerance = 10 * excess(name)
        assert test["num_df"] == found["num_df"]
        assert test["f_value"] == pytest.approx(found["f"], rel=tolerance), label
        assert test["den_df"] == pytest.approx(found["den_df"], rel=2 * tolerance), label


@pytest.mark.parametrize("name", [n for n in SMALL if "emmeans" in CASES[n]["methods"]["satterthwaite"]])
def test_means_by_visit(name: str) -> None:
    m = fitted(name)
    (specs, found), *_ = CASES[name]["methods"]["satterthwaite"]["emmeans"].items()
    left, _, by = (part.strip() for part in specs.lstrip("~ ").partition("|"))
    table = found["pairs"]["columns"]
    contrasts = m.emmeans(left, by=by or None).contrast("pairwise", adjust="none").to_frame()
    tolerance = 10 * excess(name)
    # the reference has the second level less the first
    contrasts["estimate"] *= -1
    for ours, theirs in (("estimate", "estimate"), ("std_error", "SE"), ("df", "df"), ("p_value", "p.value")):
        assert np.allclose(contrasts[ours], np.array(table[theirs], dtype=float), rtol=tolerance, atol=1e-6), ours
    assert {"lower", "upper"} <= set(contrasts.columns)


@pytest.mark.parametrize("name", [n for n in PLAIN if "predict_conditional_first" in CASES[n]])
def test_conditional_predictions_of_missing_visits(name: str) -> None:
    m, expected = fitted(name), CASES[name]["predict_conditional_first"]
    _, frame, _ = call_of(CASES[name])
    found = m.predict(frame.iloc[: len(expected)], re="conditional")
    assert np.allclose(found, expected, rtol=10 * excess(name))


@pytest.mark.parametrize("kind", ["pearson", "normalized"])
@pytest.mark.parametrize("name", PLAIN)
def test_residuals(name: str, kind: str) -> None:
    m, expected = fitted(name), CASES[name]["residuals"][kind]
    found = m.residuals(type=kind)
    assert np.sum(np.square(found)) == pytest.approx(expected["sumsq"], rel=10 * excess(name))
    first = expected["first"]
    assert np.allclose(np.asarray(found)[: len(first)], first, atol=50 * excess(name))


def test_squares_of_normalized_residuals_add_up_to_the_degrees_of_freedom() -> None:
    m = fitted("mmrm_fev_us_reml")
    assert np.sum(np.square(m.residuals(type="normalized"))) == pytest.approx(m.nobs - len(m.fixef), abs=1e-8)


def test_it_is_the_model_of_gls() -> None:
    _, frame, _ = call_of(CASES["mmrm_fev_us_reml"])
    m = fitted("mmrm_fev_us_reml")
    same = ranef.gls("FEV1 ~ RACE + SEX + ARMCD * AVISIT", frame, correlation="us(AVISIT | USUBJID)")
    assert m.objective == pytest.approx(same.objective, abs=1e-8)
    assert np.allclose(m.fixef, same.fixef, rtol=1e-6)
