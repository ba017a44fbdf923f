"""Models for repeated measures: what must not change them, and what is the same model."""

import numpy as np
import pandas as pd
import pytest
from tests.agreement.repeated_case import data

import ranef

FORMULA = "FEV1 ~ RACE + ARMCD * AVISIT + {}(AVISIT | USUBJID)"


@pytest.fixture(scope="module")
def fev() -> pd.DataFrame:
    return data("fev_data")


@pytest.mark.parametrize("structure", ["us", "ar1h", "csh", "toep"])
def test_order_of_rows_and_names_of_subjects_change_nothing(fev: pd.DataFrame, structure: str) -> None:
    m = ranef.mmrm(FORMULA.format(structure), fev, ddf="kenward-roger")
    rng = np.random.default_rng(1)
    moved = fev.sample(frac=1.0, random_state=2)
    names = moved["USUBJID"].astype(str).unique()
    moved = moved.assign(
        USUBJID=moved["USUBJID"].astype(str).map(dict(zip(names, rng.permutation(names), strict=True)))
    )
    same = ranef.mmrm(FORMULA.format(structure), moved, ddf="kenward-roger")
    assert same.objective == pytest.approx(m.objective, abs=1e-9)
    assert np.allclose(same.bse, m.bse, rtol=1e-9)
    assert np.allclose(same.df, m.df, rtol=1e-7)
    residuals = same.residuals("normalized").reindex(m.residuals("normalized").index)
    assert np.allclose(residuals, m.residuals("normalized"), atol=1e-7)


def test_unit_of_the_response_changes_sigma_only(fev: pd.DataFrame) -> None:
    m = ranef.mmrm(FORMULA.format("us"), fev)
    scaled = ranef.mmrm(FORMULA.format("us"), fev.assign(FEV1=1000 * fev["FEV1"]))
    assert np.allclose(scaled.structure, m.structure, rtol=1e-6)
    assert np.allclose(scaled.df, m.df, rtol=1e-6)
    assert np.allclose(scaled.residual_cov, 1e6 * m.residual_cov, rtol=1e-6)


def test_order_of_the_visits_does_not_matter_to_an_unstructured_matrix(fev: pd.DataFrame) -> None:
    m = ranef.mmrm(FORMULA.format("us"), fev, ddf="kenward-roger")
    turned = fev.assign(AVISIT=fev["AVISIT"].cat.reorder_categories(["VIS3", "VIS1", "VIS4", "VIS2"]))
    same = ranef.mmrm(FORMULA.format("us"), turned, ddf="kenward-roger")
    assert same.objective == pytest.approx(m.objective, abs=1e-9)
    visits = list(m.residual_cov.index)
    assert np.allclose(same.residual_cov.loc[visits, visits], m.residual_cov, rtol=1e-5, atol=1e-5)
    ours, theirs = (
        x.emmeans("ARMCD", by="AVISIT").contrast("pairwise", adjust="none").to_frame().set_index("AVISIT")
        for x in (m, same)
    )
    assert np.allclose(ours.loc[visits, "df"], theirs.loc[visits, "df"], rtol=1e-6)
    assert np.allclose(ours.loc[visits, "std_error"], theirs.loc[visits, "std_error"], rtol=1e-7)


@pytest.mark.parametrize(
    ("structure", "same"),
    [("us(AVISIT | USUBJID)", "us(AVISIT | USUBJID)"), ("ar1(AVISIT | USUBJID)", "ar1(AVISIT | USUBJID)")],
)
def test_pattern_moments_are_the_rows(fev: pd.DataFrame, structure: str, same: str) -> None:
    m = ranef.mmrm(f"FEV1 ~ ARMCD * AVISIT + {structure}", fev)
    rows = ranef.gls("FEV1 ~ ARMCD * AVISIT", fev, correlation=same)
    assert m.objective == pytest.approx(rows.objective, abs=1e-8)
    assert np.allclose(m.fixef, rows.fixef, rtol=1e-6)
    assert np.allclose(m.df, rows.df, rtol=1e-4)


def test_predictions_of_observed_visits_are_the_responses(fev: pd.DataFrame) -> None:
    m = ranef.mmrm(FORMULA.format("csh"), fev)
    seen = fev[fev["FEV1"].notna()].head(20)
    frame = m.predict(seen, interval="prediction")
    assert np.allclose(frame["fit"], seen["FEV1"], atol=1e-9)
    assert np.allclose(frame["upper"] - frame["lower"], 0.0, atol=1e-6)
    assert not np.allclose(m.predict(seen, re="effects"), seen["FEV1"])
    assert np.allclose(m.predict(seen, re="effects"), m.predict(seen, re="population"))


def test_conditional_prediction_is_that_of_the_joint_normal(fev: pd.DataFrame) -> None:
    m = ranef.mmrm(FORMULA.format("us"), fev)
    subject = fev[fev["USUBJID"] == "PT1"]
    means = m.predict(subject, re="population").to_numpy()
    seen = subject["FEV1"].notna().to_numpy()
    cov = m.residual_cov.to_numpy()
    by_hand = means.copy()
    lag = subject["FEV1"].to_numpy()[seen] - means[seen]
    by_hand[~seen] += cov[np.ix_(~seen, seen)] @ np.linalg.solve(cov[np.ix_(seen, seen)], lag)
    found = m.predict(subject).to_numpy()
    assert np.allclose(found[~seen], by_hand[~seen], rtol=1e-9)


def test_refits_and_bootstrap(fev: pd.DataFrame) -> None:
    m = ranef.mmrm(FORMULA.format("us"), fev)
    drawn = m.simulate(3, rng=4)
    many = m.refit(drawn.to_numpy())
    one = m.refit(drawn.iloc[:, 1].to_numpy())
    assert many.objective[1] == pytest.approx(one.objective, abs=1e-8)
    assert np.allclose(many.fixef[1], one.fixef, rtol=1e-6)
    assert np.allclose(many.bse[1], one.bse, rtol=1e-5)
    boot = m.bootstrap(6, rng=1)
    assert boot.to_frame()["value"].notna().all()


def test_saved_and_loaded(fev: pd.DataFrame, tmp_path) -> None:  # type: ignore[no-untyped-def]
    m = ranef.mmrm(FORMULA.format("ar1h"), fev, ddf="kenward-roger")
    m.save(tmp_path / "m.ranef")
    again = ranef.load(tmp_path / "m.ranef")
    assert np.array_equal(again.df, m.df)
    assert np.array_equal(again.residual_cov, m.residual_cov)
    assert again.update(data=fev, ddf="satterthwaite").objective == pytest.approx(m.objective, abs=1e-10)


def test_information_criteria_of_sas_and_mmrm(fev: pd.DataFrame) -> None:
    """FEV1 by ML: SAS prints 3439.6, R's mmrm 3417.57; SAS counts 200 subjects, 3 without a row."""
    formula = "FEV1 ~ RACE + SEX + ARMCD * AVISIT + us(AVISIT | USUBJID)"
    ml = ranef.mmrm(formula, fev, method="ML")
    assert ml.information_criteria("sas")["aic"] == pytest.approx(3439.572, abs=1e-3)
    assert ml.information_criteria("mmrm")["aic"] == pytest.approx(3417.572, abs=1e-3)
    reml = ranef.mmrm(formula, fev)
    assert reml.information_criteria("sas")["bic"] == pytest.approx(3386.44987 + 10 * np.log(200), abs=1e-4)
    assert reml.information_criteria("mmrm")["bic"] == pytest.approx(3439.281908, abs=1e-4)


def test_summary_has_the_matrix_of_the_visits(fev: pd.DataFrame) -> None:
    text = str(ranef.mmrm(FORMULA.format("us"), fev).summary())
    assert "us(AVISIT | USUBJID)" in text
    assert "Covariance: unstructured (10 parameters)" in text
    assert "subjects: 197 (USUBJID)" in text
    assert "Random effects" not in text
    assert "Covariance of the visits:" in text


def test_update_keeps_the_structure(fev: pd.DataFrame) -> None:
    m = ranef.mmrm(FORMULA.format("us"), fev)
    assert m.update(". ~ . - RACE").formula.endswith("+ us(AVISIT | USUBJID)")
    assert m.update(". ~ . + cs(AVISIT | USUBJID)").formula.endswith("+ cs(AVISIT | USUBJID)")


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        ("FEV1 ~ ARMCD", "no structure of the visits"),
        ("FEV1 ~ ARMCD + (1 | USUBJID)", "no random effects"),
        ("FEV1 ~ ARMCD + us(AVISIT | USUBJID) + cs(AVISIT | USUBJID)", "more than one structure"),
        ("FEV1 ~ ARMCD + foo(AVISIT | USUBJID)", "there is no correlation structure foo"),
        ("FEV1 ~ ARMCD + cs(AVISIT | USUBJID, hom=False)", "have no options"),
        ("FEV1 ~ . + us(AVISIT | USUBJID)", "name the effects"),
    ],
)
def test_formulas_that_are_refused(fev: pd.DataFrame, formula: str, words: str) -> None:
    with pytest.raises(ranef.FormulaError, match=words):
        ranef.mmrm(formula, fev)


def test_data_that_are_refused(fev: pd.DataFrame) -> None:
    formula = "FEV1 ~ ARMCD + us(AVISIT | USUBJID)"
    with pytest.raises(ranef.DataError, match="two rows at AVISIT"):
        ranef.mmrm(formula, pd.concat([fev, fev.head(4)]))
    apart = fev[fev["AVISIT"].isin(["VIS1", "VIS2"]) == (fev["USUBJID"].cat.codes % 2 == 0)]
    with pytest.raises(ranef.DesignError, match=r"seen at both 'VIS1' and 'VIS3'"):
        ranef.mmrm(formula, apart)
    with pytest.raises(ranef.OptionError, match="derived for REML"):
        ranef.mmrm(formula, fev, method="ML", ddf="kenward-roger")
    with pytest.raises(ranef.OptionError, match="kenward-roger-linear"):
        ranef.lmer("FEV1 ~ ARMCD + (1 | USUBJID)", fev).summary(ddf="kenward-roger-linear")


def test_levels_of_the_visit_that_do_not_occur(fev: pd.DataFrame) -> None:
    """Without VIS3 the last visit is two steps from VIS2 where levels keep their place."""
    some = fev[fev["AVISIT"] != "VIS3"]
    formula = "FEV1 ~ ARMCD + ar1(AVISIT | USUBJID)"
    near = ranef.mmrm(formula, some)
    apart = ranef.mmrm(formula, some, drop_visit_levels=False)
    assert near.residual_cov.shape == (3, 3)
    assert apart.residual_cov.shape == (4, 4)
    times = some.assign(t=some["AVISIT"].cat.codes)
    by_rows = ranef.gls("FEV1 ~ ARMCD", times, correlation="ar1(t | USUBJID)")
    assert apart.objective == pytest.approx(by_rows.objective, abs=1e-8)
    assert near.objective != pytest.approx(apart.objective, abs=1e-3)
