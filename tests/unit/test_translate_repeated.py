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


def test_other_programs_are_refused_in_a_sentence() -> None:
    frame = pd.DataFrame(
        {"y": [1.0, 2.5, 2.0, 4.0, 3.0, 3.5], "t": ["a", "b"] * 3, "g": ["p", "p", "q", "q", "r", "r"]}
    )
    m = ranef.mmrm("y ~ t + cs(t | g)", frame)
    for language in ("spss", "stata", "nlme", "lme4", "julia"):
        with pytest.raises(ranef.RanefError, match="covariance structure of the visits"):
            m.to_syntax(language)


def test_random_statement_beside_it() -> None:
    text = (
        "proc mixed; class id v; model y = v; random intercept / subject=id; repeated v / subject=id type=ar(1); run;"
    )
    with pytest.raises(ranef.RanefError, match="correlation="):
        ranef.translate(text, source="sas")
