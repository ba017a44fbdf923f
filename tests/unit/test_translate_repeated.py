"""PROC MIXED with REPEATED, both ways."""

import pandas as pd
import pytest
from tests.agreement.repeated_case import data

import ranef

PROGRAM = """
proc mixed data=fev_data method=reml {empirical};
  class RACE SEX ARMCD(ref='PBO') AVISIT USUBJID;
  model FEV1 = RACE SEX ARMCD AVISIT ARMCD*AVISIT / solution ddfm={ddfm};
  repeated AVISIT / subject=USUBJID type={type} {group} r rcorr;
run;
"""


@pytest.mark.parametrize(
    ("written", "term"),
    [
        ("un", "us(AVISIT | USUBJID)"),
        ("csh", "csh(AVISIT | USUBJID)"),
        ("ar(1)", "ar1(AVISIT | USUBJID)"),
        ("arh(1)", "ar1h(AVISIT | USUBJID)"),
        ("ante(1)", "adh(AVISIT | USUBJID)"),
        ("toeph", "toeph(AVISIT | USUBJID)"),
        ("sp(exp)(VISITN VISITN2)", "sp_exp(VISITN, VISITN2 | USUBJID)"),
    ],
)
def test_types(written: str, term: str) -> None:
    found = ranef.translate(PROGRAM.format(empirical="", ddfm="kr", type=written, group=""), source="sas")
    assert found.call.startswith("mmrm(")
    assert found.formula.endswith(f"+ {term}")
    assert 'ddf="kenward-roger"' in found.call


def test_groups_linear_form_and_empirical_covariance() -> None:
    text = PROGRAM.format(empirical="empirical", ddfm="kr(linear)", type="un", group="group=ARMCD")
    found = ranef.translate(text, source="sas")
    assert found.formula.endswith("+ us(AVISIT | ARMCD/USUBJID)")
    assert 'ddf="kenward-roger-linear"' in found.call
    assert 'vcov="CR0"' in found.call


def test_the_translated_call_is_the_model() -> None:
    found = ranef.translate(PROGRAM.format(empirical="", ddfm="sat", type="un", group=""), source="sas")
    m = ranef.mmrm(found.formula, data("fev_data"))
    assert m.objective == pytest.approx(3386.44987116, abs=1e-7)


def test_there_and_back() -> None:
    m = ranef.mmrm("FEV1 ~ RACE + ARMCD * AVISIT + csh(AVISIT | ARMCD/USUBJID)", data("fev_data"), ddf="kenward-roger")
    text = m.to_syntax("sas", notes=False)
    assert "repeated AVISIT / subject=USUBJID type=csh group=ARMCD;" in text
    assert "ddfm=kr" in text
    again = ranef.translate(text, source="sas")
    assert again.formula.endswith("csh(AVISIT | ARMCD/USUBJID)")


def test_languages_without_structures_of_rows_refuse_in_a_sentence() -> None:
    frame = pd.DataFrame(
        {"y": [1.0, 2.5, 2.0, 4.0, 3.0, 3.5], "t": ["a", "b"] * 3, "g": ["p", "p", "q", "q", "r", "r"]}
    )
    m = ranef.mmrm("y ~ t + cs(t | g)", frame)
    with pytest.raises(ranef.RanefError, match="covariance structure of the visits"):
        m.to_syntax("julia")


def test_random_statement_beside_it() -> None:
    text = (
        "proc mixed; class id v; model y = v; random intercept / subject=id; repeated v / subject=id type=arh(1); run;"
    )
    found = ranef.translate(text, source="sas")
    assert found.call.startswith('lmer("y ~ factor(v) + (1 | id)"')
    assert 'correlation="ar1(v | id, hom=False)"' in found.call


def test_variances_of_groups() -> None:
    text = "proc mixed; class g; model y = x; repeated / group=g; run;"
    assert 'gls("y ~ x", data, variance="by_group(g)")' in ranef.translate(text, source="sas").call


ORTHODONT = ranef.load_dataset("orthodont")
MACHINES = ranef.load_dataset("machines")

#: A model, and what the statements of SAS, SPSS, Stata and R have of its structure.
WRITTEN = [
    (
        ranef.gls("distance ~ Sex * age", ORTHODONT, correlation="us(factor(age) | Subject)"),
        "repeated age_visit / subject=Subject type=un;",
        "/REPEATED=age_visit | SUBJECT(Subject) COVTYPE(UN)",
        "|| Subject:, noconstant residuals(unstructured, t(age)) reml",
        "corSymm(form = ~ as.integer(factor(age)) | Subject), weights = varIdent(form = ~ 1 | factor(age))",
    ),
    (
        ranef.lmer("distance ~ Sex * age + (1 | Subject)", ORTHODONT, correlation="ar1(age | Subject)"),
        "repeated age_visit / subject=Subject type=ar(1);",
        "/REPEATED=age_visit | SUBJECT(Subject) COVTYPE(AR1)",
        "|| Subject: , residuals(ar 1, t(age)) reml",
        "random = ~ 1 | Subject, correlation = corAR1(form = ~ age | Subject)",
    ),
    (
        ranef.gls("distance ~ Sex * age", ORTHODONT, variance="by_group(Sex)"),
        "repeated / type=vc group=Sex;",
        None,
        "residuals(independent, by(Sex))",
        "weights = varIdent(form = ~ 1 | Sex)",
    ),
    (
        ranef.lmer("score ~ Machine + cs(0 + Machine | Worker, hom=True)", MACHINES),
        "random Machine / subject=Worker type=cs;",
        "/RANDOM=Machine | SUBJECT(Worker) COVTYPE(CS)",
        None,
        "cs(0 + Machine | Worker, hom = TRUE)",
    ),
    (
        ranef.lmer("score ~ Machine + ar1(0 + Machine | Worker)", MACHINES),
        "random Machine / subject=Worker type=ar(1);",
        "/RANDOM=Machine | SUBJECT(Worker) COVTYPE(AR1)",
        None,
        "ar1(0 + Machine | Worker)",
    ),
]


@pytest.mark.parametrize("case", WRITTEN, ids=range(len(WRITTEN)))
def test_structures_are_written(case) -> None:
    m, *expected = case
    for language, text in zip(("sas", "spss", "stata", "r"), expected, strict=True):
        if text is None:
            with pytest.raises(ranef.RanefError):
                m.to_syntax(language)
        else:
            assert text.replace(": ,", ":,") in m.to_syntax(language, notes=False).replace(": ,", ":,"), language


def test_structures_of_effects_come_back() -> None:
    for formula in ("cs(0 + factor(f) | g, hom=True)", "toep(0 + factor(f) | g)", "ar1(0 + factor(f) | g, hom=False)"):
        kind = {"cs": "cs", "to": "toeph", "ar": "arh(1)"}[formula[:2]]
        text = f"proc mixed; class f g; model y = f; random f / subject=g type={kind}; run;"
        assert ranef.translate(text, source="sas").formula.endswith(formula)
    text = "lme(y ~ f, d, random = list(g = pdCompSymm(~ 0 + f)))"
    assert ranef.translate(text).formula.endswith("cs(0 + f | g, hom=True)")
    m = ranef.lmer("score ~ Machine + cs(0 + Machine | Worker, hom=True)", MACHINES)
    assert "random = list(Worker = pdCompSymm(~ 0 + Machine))" in m.to_syntax("nlme")


def test_what_depends_on_a_covariate_is_refused_where_it_has_no_words() -> None:
    m = ranef.gls("distance ~ Sex * age", ORTHODONT, variance="power(age)")
    for language in ("sas", "spss", "stata"):
        with pytest.raises(ranef.RanefError, match=r"power\(age\).*groups only"):
            m.to_syntax(language)


def test_mmrm_of_r_both_ways() -> None:
    found = ranef.translate(
        "fit <- mmrm::mmrm(FEV1 ~ RACE + ARMCD * AVISIT + us(AVISIT | USUBJID), data = fev_data, "
        'method = "Kenward-Roger")'
    )
    assert found.call == ('mmrm("FEV1 ~ RACE + ARMCD * AVISIT + us(AVISIT | USUBJID)", fev_data, ddf="kenward-roger")')
    text = 'mmrm(y ~ a + ar1h(v | a/id), d, reml=FALSE, control=mmrm_control(vcov="Empirical-Jackknife"))'
    assert ranef.translate(text).call == 'mmrm("y ~ a + ar1h(v | a/id)", d, vcov="CR3", REML=False)'
    m = ranef.mmrm("FEV1 ~ ARMCD * AVISIT + csh(AVISIT | ARMCD/USUBJID)", data("fev_data"), ddf="kenward-roger")
    written = m.to_syntax("r", notes=False)
    assert "mmrm(FEV1 ~ ARMCD * AVISIT + csh(AVISIT | ARMCD/USUBJID)" in written
    assert 'method = "Kenward-Roger"' in written
    assert ranef.translate(written).formula == "FEV1 ~ ARMCD * AVISIT + csh(AVISIT | ARMCD/USUBJID)"
    with pytest.raises(ranef.RanefError, match="one covariance structure"):
        ranef.translate("mmrm(y ~ a, d)")
