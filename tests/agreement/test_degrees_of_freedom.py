"""Tests of fixed effects against lmerTest and pbkrtest:
degrees of freedom, F, p-values and the adjusted covariance matrix of every stored model.
"""

import dataclasses
import warnings
from typing import Any

import numpy as np
import pytest

import ranef
from agreement.lme4_case import fitted
from ranef.inference.kenward_roger import kenward_roger
from ranef.inference.term_contrasts import term_contrasts
from reference.store import case_ids, load_case, load_data


def having(key: str) -> list[str]:
    return [i for i in case_ids() if load_case(i)["derived"].get(key)]


# lmerTest's numerical Hessian in these singular or nearly singular models; two of them are at the
# boundary in several directions.
LOOSE_DF = {"oxboys_poly4": 5e-4, "wafer_poly": 1e-4}
# lme4 stops short of the optimum here: F moves with the estimates.
LOOSE_F = {"wafer_poly": 3e-5}
# What lmerTest tests is another hypothesis: see docs/findings.md, and test_polynomials_are_numeric,
# test_terms_without_intercept.
OTHER_HYPOTHESIS = {("dialyzer_poly4", 2): {"QB"}, ("gcsemv_bivariate", 2): {"part"}, ("gcsemv_bivariate", 3): {"part"}}

DDF = {"satterthwaite": "satterthwaite", "kenward-roger": "kenward_roger"}


def coefficient_tests(identifier: str, ddf: str) -> tuple[np.ndarray, Any]:
    table = load_case(identifier)["derived"][f"summary_{DDF[ddf]}"]
    return np.array(table["values"], dtype=float), fitted(identifier).summary(ddf)


@pytest.mark.parametrize(
    ("ddf", "identifier"), [(ddf, i) for ddf, key in DDF.items() for i in having(f"summary_{key}")]
)
def test_coefficients(identifier: str, ddf: str) -> None:
    theirs, summary = coefficient_tests(identifier, ddf)
    assert summary.fixed.columns == ("Estimate", "Std. Error", "df", "t value", "Pr(>|t|)")
    ours = summary.fixed.values
    np.testing.assert_allclose(ours[:, 2], theirs[:, 2], rtol=LOOSE_DF.get(identifier, 1e-4))
    np.testing.assert_allclose(ours[:, 3], theirs[:, 3], rtol=1e-5, atol=2e-5)
    np.testing.assert_allclose(ours[:, 4], theirs[:, 4], rtol=2e-4, atol=1e-5)


@pytest.mark.parametrize("kind", [1, 2, 3])
@pytest.mark.parametrize(
    ("ddf", "identifier"), [(ddf, i) for ddf, key in DDF.items() for i in having(f"anova_{key}_3")]
)
def test_terms(identifier: str, kind: int, ddf: str) -> None:
    table = load_case(identifier)["derived"][f"anova_{DDF[ddf]}_{kind}"]
    ours = fitted(identifier).anova(kind, ddf)
    assert list(ours) == ["sum_sq", "mean_sq", "num_df", "den_df", "f_value", "p_value"]
    names = [name.replace(" ", "") for name in ours.index]
    columns = {name: np.array(values, dtype=float) for name, values in table["columns"].items()}
    tested = [i for i, row in enumerate(table["rows"]) if not np.isnan(columns["F value"][i])]
    assert len(tested) == len(ours)
    for i in tested:
        row = table["rows"][i]
        if row in OTHER_HYPOTHESIS.get((identifier, kind), ()):
            continue
        mine = ours.iloc[names.index(row.replace(" ", ""))]
        tolerance = LOOSE_F.get(identifier, 1e-5)
        assert mine["num_df"] == columns["NumDF"][i]
        assert mine["den_df"] == pytest.approx(columns["DenDF"][i], rel=LOOSE_DF.get(identifier, 1e-4))
        assert mine["f_value"] == pytest.approx(columns["F value"][i], rel=tolerance, abs=1e-9)
        assert mine["p_value"] == pytest.approx(columns["Pr(>F)"][i], rel=1e-4, abs=tolerance)
        assert mine["sum_sq"] == pytest.approx(columns["Sum Sq"][i], rel=3 * tolerance, abs=1e-9)
        assert mine["mean_sq"] == pytest.approx(columns["Mean Sq"][i], rel=3 * tolerance, abs=1e-9)


@pytest.mark.parametrize("identifier", having("vcov_beta_kr"))
def test_adjusted_covariance_at_the_parameters_of_lme4(identifier: str) -> None:
    """lme4 ends a little off the optimum, which is seen at this tolerance.

    So the matrix is compared where lme4 ended.
    """
    case, fit = load_case(identifier), fitted(identifier)._fit
    theta = np.array(list(case["best"]["theta"].values()), dtype=float)
    found = fit.system.get().solution(theta[fit.order.core_of_theta], True)
    there = dataclasses.replace(fit, theta=theta, beta=found.beta, vcov_unscaled=found.vcov_unscaled, sigma=found.sigma)
    theirs = np.array(case["derived"]["vcov_beta_kr"]["values"], dtype=float)
    np.testing.assert_allclose(kenward_roger(there).adjusted, theirs, rtol=1e-7, atol=1e-7 * np.abs(theirs).max())
    ours = fitted(identifier).cov_params(ddf="kenward-roger").to_numpy()
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=5e-6 * np.abs(theirs).max())


def test_machines() -> None:
    """Numbers that are often printed for (Machine | Worker)."""
    m = fitted("machines_full")
    satterthwaite, kr = m.anova().loc["Machine"], m.anova(ddf="kenward-roger").loc["Machine"]
    assert (round(satterthwaite["f_value"], 3), round(satterthwaite["den_df"], 4)) == (41.004, 5.0)
    assert (round(kr["f_value"], 3), round(kr["den_df"], 4)) == (32.803, 4.0)


def test_polynomials_are_numeric() -> None:
    """lmerTest takes ``QB`` to be contained in ``poly(pressure, 4):QB``,
    though not in ``pressure:QB``.
    """
    m = fitted("dialyzer_poly4")
    rows = dict(term_contrasts(m._fit, 2))["QB"]
    assert [m.fixef.index[j] for j in np.flatnonzero(rows.any(axis=0))] == ["QB[T.300]"]
    theirs = load_case("dialyzer_poly4")["derived"]["anova_satterthwaite_2"]
    assert theirs["columns"]["F value"][theirs["rows"].index("QB")] != pytest.approx(
        m.tvalues["QB[T.300]"] ** 2, rel=1e-4
    )


def test_terms_without_intercept() -> None:
    """The type III test of ``part`` in ``0 + part + part:gender`` is of means over genders,
    whichever level comes first.
    """
    case = load_case("gcsemv_bivariate")
    data = load_data(case["data"])
    found = []
    for order in (1, -1):
        frame = data.copy()
        frame["gender"] = frame["gender"].cat.reorder_categories(list(frame["gender"].cat.categories)[::order])
        found.append(ranef.lmer(case["formula"], frame).anova().loc["part", "f_value"])
    # lmerTest's hypothesis of one gender has an F that is 1 % away; the fits themselves stop a few
    # millionths apart.
    assert found[0] == pytest.approx(found[1], rel=1e-4)


@pytest.mark.parametrize("coding", ["sum", "helmert", "treatment"])
def test_type_3_does_not_depend_on_the_coding(coding: str) -> None:
    case = load_case("cake_inter")
    plain = fitted("cake_inter").anova(3)
    other = ranef.lmer(
        case["formula"], load_data(case["data"]), REML=False, contrasts={"recipe": coding, "temperature": coding}
    )
    np.testing.assert_allclose(other.anova(3).to_numpy(), plain.to_numpy(), rtol=1e-6)


def test_type_3_with_empty_cells() -> None:
    """R: lmerTest::anova(lmer(Yield ~ Variety * Date + (1 | Block), d)) is defined
    by the cells there are: order of levels must not matter.
    """
    data = load_data("Alfalfa")
    data = data[
        ~((data["Variety"] == data["Variety"].cat.categories[0]) & (data["Date"] == data["Date"].cat.categories[1]))
    ]
    found = []
    for order in (1, -1):
        frame = data.copy()
        frame["Date"] = frame["Date"].cat.reorder_categories(list(frame["Date"].cat.categories)[::order], ordered=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ranef.errors.RanefWarning)
            found.append(ranef.lmer("Yield ~ Variety * Date + (1 | Block)", frame).anova(3)["f_value"].to_numpy())
    np.testing.assert_allclose(found[0], found[1], rtol=1e-6)
