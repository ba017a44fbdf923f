"""REPEATED of SPSS and residuals() of Stata: what they become, and back."""

import pytest

from ranef import gls, lmer, load_dataset, mmrm, translate
from ranef.errors import TranslationError

SPSS = """MIXED y BY arm visit WITH base
  /FIXED=base arm visit arm*visit | SSTYPE(3)
  /METHOD=REML
  /REPEATED=visit | SUBJECT(id) COVTYPE({})
  /PRINT=SOLUTION."""


@pytest.mark.parametrize(
    ("covtype", "ours"),
    [
        ("UN", "us"), ("UNR", "us"), ("CS", "cs"), ("CSH", "csh"), ("AR1", "ar1"), ("ARH1", "ar1h"), ("AD1", "adh"),
        ("TP", "toep"), ("TPH", "toeph"),
    ],
)  # fmt: skip
def test_repeated_of_spss_is_mmrm(covtype: str, ours: str) -> None:
    found = translate(SPSS.format(covtype))
    assert found.call.startswith("mmrm(")
    assert found.formula.endswith(f"+ {ours}(visit | id)")


def test_repeated_of_spss_with_unequal_variances_or_arma() -> None:
    # DIAG is what SPSS takes where no type is named
    for text in (SPSS.format("DIAG"), SPSS.replace(" COVTYPE({})", "")):
        found = translate(text)
        assert found.call.startswith("gls(")
        assert 'variance="by_group(visit)"' in found.call
    assert 'correlation="arma(visit | id, p=1, q=1)"' in translate(SPSS.format("ARMA11")).call
    with pytest.raises(TranslationError, match=r"COVTYPE\(SP_EXP\)"):
        translate(SPSS.format("SP_EXP"))
    with pytest.raises(TranslationError, match="name the visit and the subject"):
        translate(SPSS.replace("REPEATED=visit | SUBJECT(id) COVTYPE({})", "REPEATED=visit | COVTYPE(UN)"))


def test_repeated_of_spss_beside_random_effects() -> None:
    text = SPSS.format("AR1").replace("  /METHOD", "  /RANDOM=INTERCEPT | SUBJECT(id) COVTYPE(VC)\n  /METHOD")
    found = translate(text)
    assert found.call.startswith("lmer(")
    assert found.formula.endswith("(1 | id)")
    assert 'correlation="ar1(visit | id)"' in found.call


@pytest.mark.parametrize(
    ("written", "call"),
    [
        ("unstructured, t(visit)", "us(visit | id)"),
        ("exchangeable", "cs(1 | id)"),
        ("ar 1, t(visit)", "ar1(visit | id)"),
        ("ar, t(visit)", "ar1(visit | id)"),
        ("exponential, t(day)", "sp_exp(day | id)"),
        ("toeplitz 3, t(visit)", "toep(visit | id)"),
        ("un, t(visit) by(arm)", "us(visit | arm/id)"),
    ],
)
def test_residuals_of_stata_is_mmrm(written: str, call: str) -> None:
    found = translate(f"mixed y base i.arm##i.visit || id:, noconstant residuals({written}) reml")
    assert found.call.startswith("mmrm(")
    assert found.formula.endswith(f"+ {call}")


def test_residuals_of_stata_beside_random_effects() -> None:
    found = translate("mixed y t || school: || pupil: t, residuals(ar 1, t(t)) mle dfmethod(repeated)")
    assert found.call.startswith("lmer(")
    assert 'correlation="ar1(t | school:pupil)"' in found.call
    assert 'ddf="between-within"' in found.call
    found = translate("mixed y t || id:, residuals(ar 2, t(t))")
    assert 'correlation="arma(t | id, p=2, q=0)"' in found.call
    found = translate("mixed y t || id:, residuals(ma 1, t(t))")
    assert 'correlation="arma(t | id, p=0, q=1)"' in found.call
    found = translate("mixed y t || id:, residuals(independent, by(sex))")
    assert 'variance="by_group(sex)"' in found.call
    with pytest.raises(TranslationError, match="structures here are"):
        translate("mixed y t || id:, residuals(banded 1, t(t))")
    with pytest.raises(TranslationError, match=r"name the column of the position"):
        translate("mixed y t || id:, residuals(unstructured)")


@pytest.mark.parametrize("language", ["spss", "stata"])
def test_there_and_back(language: str) -> None:
    data = load_dataset("orthodont")
    data["visit"] = data["age"].astype(int).astype(str).astype("category")
    for structure in ("us", "cs", "ar1", "toep"):
        m = mmrm(f"distance ~ Sex + visit + {structure}(visit | Subject)", data)
        assert (
            f"{structure}({'1' if structure == 'cs' and language == 'stata' else 'visit'} | Subject)"
            in translate(m.to_syntax(language)).formula
        )
    g = gls("distance ~ Sex + age", data, correlation="ar1(visit | Subject)")
    assert "ar1(visit | Subject)" in translate(g.to_syntax(language)).formula
    m = lmer("distance ~ Sex + age + (1 | Subject)", data, correlation="ar1(visit | Subject)")
    assert 'correlation="ar1(visit | Subject)"' in translate(m.to_syntax(language)).call
