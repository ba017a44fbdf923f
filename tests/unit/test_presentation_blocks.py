"""Parts of a printed model against what R and lme4 print for the same numbers."""

import re

import numpy as np
import pandas as pd
import pytest

from ranef import lmer, table
from ranef.presentation.coefficients import CoefficientTable, coefficient_lines, format_coefficients
from ranef.presentation.numbers import format_numbers, round_decimals, zap_small
from ranef.presentation.random_effects import STD_DEV, VarianceBlock, variance_lines
from ranef.presentation.short_text import short_text
from ranef.presentation.summary import Criteria, ModelCall, Summary
from ranef.presentation.summary_text import QUANTILE_NAMES, call_lines, criterion_lines, group_lines
from ranef.presentation.text_table import named_lines
from ranef.presentation.titles import model_title, title_lines
from ranef.presentation.verdict import verdict
from ranef.status import FitStatus
from reference.formatting import numbers, reference

# R's class at the end of a title.
R_CLASS = re.compile(r" *\[ ?'?\w+'?\]$")


def blocks(case):
    return tuple(
        VarianceBlock(
            b["group"], tuple(b["names"]), np.array(numbers(b["sd"])), np.array([numbers(r) for r in b["corr"]])
        )
        for b in case["blocks"]
    )


def test_coefficients_agree_with_r():
    cases = reference()["coefficients"]
    assert {len(c["columns"]) for c in cases} == {3, 4, 5}
    scientific = 0
    for case in cases:
        table = CoefficientTable(
            tuple(case["rows"]), tuple(case["columns"]), np.array([numbers(r) for r in case["values"]])
        )
        # Where R shows degrees of freedom as 5.403e+01, for the sake of the estimates beside them,
        # we do not.
        if "df" in table.columns and any("e" in t for t in in_scientific_notation(table, case["digits"])):
            scientific += 1
            check_notation(table, case["digits"])
            continue
        if is_long(case["rows"]):
            lines = coefficient_lines(table, case["digits"], legend=False, width=1000)
            assert lines == side_by_side(case["lines"], len(lines), max(map(len, case["rows"]))), case
            continue
        assert coefficient_lines(table, case["digits"]) == case["lines"], case
    assert 20 < scientific < 100 < len(cases)


def is_long(names):
    """Whether some name takes more than half of a line: R then has columns below each other, and we
    break the name.
    """
    return max(map(len, names), default=0) > 40


def side_by_side(lines, height, labels=0):
    """Blocks of so many lines that R printed below each other, without the labels of later ones."""
    blocks = [lines[i : i + height] for i in range(0, len(lines) // height * height, height)]
    blocks = [b for b in blocks if not any(line.startswith(("---", "Signif")) for line in b)]
    return ["".join(b[i][labels if j else 0 :] for j, b in enumerate(blocks)) for i in range(height)]


def in_scientific_notation(table, digits):
    """The numbers that R formats together where it has them in scientific notation."""
    together = np.column_stack([table.column(c) for c in table.columns if c in ("Estimate", "Std. Error", "df")])
    known = together[np.isfinite(together) & (together != 0)]
    smallest = 1 + np.floor(np.log10(np.abs(known).min()))
    texts = format_numbers([round_decimals(x, int(max(1, digits - smallest))) for x in together.ravel()], digits)
    return [t for t in texts if "e" in t]


def check_notation(table, digits):
    """Degrees of freedom are fixed; estimates and standard errors are in one notation."""
    columns = dict(zip(table.columns, zip(*format_coefficients(table, digits), strict=False), strict=False))
    assert not any("e" in text for text in columns["df"])
    np.testing.assert_allclose([float(t) for t in columns["df"]], table.column("df"), rtol=0.5 * 10.0 ** (1 - digits))
    finite = [t for c in ("Estimate", "Std. Error") for t in columns[c] if "N" not in t]
    assert len({"e" in t for t in finite}) == 1


def test_large_degrees_of_freedom_leave_estimates_as_lme4_has_them():
    # lmerTest shows 5.633e-01 and 4.050e+03 here; the estimates are as lme4 prints them.
    values = np.array([[0.002323, 0.040354, 60.1437, 0.058, 0.954], [0.563307, 0.012468, 4050.0724, 45.18, 1e-300]])
    names = ("(Intercept)", "standLRT")
    table = CoefficientTable(names, ("Estimate", "Std. Error", "df", "t value", "Pr(>|t|)"), values)
    assert coefficient_lines(table)[:3] == [
        "            Estimate Std. Error      df t value Pr(>|t|)    ",
        "(Intercept) 0.002323   0.040354   60.14   0.058    0.954    ",
        "standLRT    0.563307   0.012468 4050.07  45.180   <2e-16 ***",
    ]


def test_tables_fit_into_a_width():
    names = tuple(f"{'standardised reading score of the ' * k}pupil {k}" for k in range(1, 5))
    values = np.column_stack([np.full(4, 0.123456), np.full(4, 0.01), np.full(4, 57.1), np.full(4, 9.0), np.zeros(4)])
    table = CoefficientTable(names, ("Estimate", "Std. Error", "df", "t value", "Pr(>|t|)"), values)
    for width in (40, 60, 80, 120, 200):
        lines = coefficient_lines(table, width=width)
        assert max(map(len, lines)) <= width
        if width > 60:  # names are broken
            room = lines[0].index("Estimate") - 1
            labels = " ".join(" ".join(line[:room] for line in lines[1 : lines.index("---")]).split())
            assert labels == " ".join(names)
    assert lines[1].startswith(names[0][:30])


def test_long_names_are_broken():
    sides = "prime[S.unrelated prime (far in meaning)]", "frequency[S.common word (above 50 per million)]"
    names = ("(Intercept)", *sides, ":".join(sides))
    values = np.column_stack([[6.521, 0.0347, -0.0412, -0.0098], np.full(4, 0.01), np.full(4, 57.1), np.full(4, 9.0)])
    lines = coefficient_lines(CoefficientTable(names, ("Estimate", "Std. Error", "df", "t value"), values))
    assert [line.rstrip() for line in lines] == [
        "                                           Estimate Std. Error      df t value",
        "(Intercept)                                  6.5210     0.0100 57.1000       9",
        "prime[S.unrelated prime (far in meaning)]    0.0347     0.0100 57.1000       9",
        "frequency[S.common word (above 50 per       -0.0412     0.0100 57.1000       9",
        "  million)]",
        "prime[S.unrelated prime (far in meaning)]:  -0.0098     0.0100 57.1000       9",
        "  frequency[S.common word (above 50 per",
        "  million)]",
    ]
    corr = np.eye(4)
    lines = variance_lines([VarianceBlock("subject", names, np.full(4, 0.1), corr)], 0.2)
    assert [line.rstrip() for line in lines] == [
        " Groups   Name                                Variance Std.Dev. Corr",
        " subject  (Intercept)                         0.01     0.1",
        "          prime[S.unrelated prime (far in     0.01     0.1      0.00",
        "            meaning)]",
        "          frequency[S.common word (above 50   0.01     0.1      0.00 0.00",
        "            per million)]",
        "          prime[S.unrelated prime (far in     0.01     0.1      0.00 0.00 0.00",
        "            meaning)]:frequency[S.common word",
        "            (above 50 per million)]",
        " Residual                                     0.04     0.2",
    ]


def test_variance_components_agree_with_lme4():
    for case in reference()["varcorr"]:
        sigma = None if case["sigma"] is None else float(case["sigma"])
        if is_long([name for b in blocks(case) for name in b.names]):
            lines = variance_lines(blocks(case), sigma, case["digits"], width=1000)
            assert lines == side_by_side(case["summary"], len(lines)), case
            continue
        assert variance_lines(blocks(case), sigma, case["digits"]) == case["summary"], case
        assert variance_lines(blocks(case), sigma, case["digits"], (STD_DEV,)) == case["short"], case


def test_varcorr_on_its_own_has_five_digits():
    corr = np.array([[1.0, 0.06555124], [0.06555124, 1.0]])
    block = VarianceBlock("Subject", ("(Intercept)", "Days"), np.array([24.740658, 5.9221377]), corr)
    # lme4's print(VarCorr(fm1)) for sleepstudy.
    assert "\n".join(variance_lines([block], 25.5917957, 5, (STD_DEV,))) == (
        " Groups   Name        Std.Dev. Corr \n"
        " Subject  (Intercept) 24.7407       \n"
        "          Days         5.9221  0.066\n"
        " Residual             25.5918       "
    )


def test_terms_without_correlations_leave_the_cells_empty():
    lines = variance_lines([VarianceBlock("g", ("a", "b"), np.array([1.0, 2.0]))], 3.0)
    assert lines == [
        " Groups   Name Variance Std.Dev.",
        " g        a    1        1       ",
        "          b    4        2       ",
        " Residual      9        3       ",
    ]


def test_many_positions_are_shown_by_the_first_of_them():
    """Sd and range tell all of a field's 40 positions, which are counted and not listed."""
    at = np.arange(40.0)
    corr = np.exp(-np.abs(at[:, None] - at))
    names = tuple(f"({i},0)" for i in range(40))
    block = VarianceBlock("field", names, np.full(40, 2.0), corr, {"sd": 2.0, "range": 1.0})
    assert variance_lines([block, VarianceBlock("g", ("a",), np.array([1.0]))], 3.0) == [
        " Groups   Name        Variance Std.Dev. Corr               ",
        " field    (0,0)       4        2                           ",
        "          (1,0)       4        2        0.37               ",
        "          (2,0)       4        2        0.14 0.37          ",
        "          (3,0)       4        2        0.05 0.14 0.37     ",
        "          (4,0)       4        2        0.02 0.05 0.14 0.37",
        "          … (35 more)                                      ",
        " g        a           1        1                           ",
        " Residual             9        3                           ",
    ]
    # a parameter for every effect is not implied by others
    free = VarianceBlock("field", names, np.full(40, 2.0), None, {f"sd__{n}": 2.0 for n in names})
    assert len(variance_lines([free], None)) == 41


def test_a_field_is_printed_short_everywhere():
    rng = np.random.default_rng(1)
    at = rng.uniform(0, 4, (2, 60)).round(2)
    distance = np.hypot(*(a[:, None] - a for a in at))
    y = np.linalg.cholesky(np.exp(-distance) + 0.2 * np.eye(60)) @ rng.normal(size=60)
    d = pd.DataFrame({"east": at[0], "north": at[1], "field": "one", "y": y})
    m = lmer("y ~ 1 + exp(0 + east + north | field)", d)
    more = "… (55 more)"
    for text in (str(m.summary()), repr(m), repr(m.varcorr), m.varcorr._repr_html_(), repr(m.varcorr["field"])):
        assert more in text
        assert len(text) < 8000
    assert "range" in repr(m.varcorr)
    assert more in m.summary().to_markdown()
    # the numbers are all there
    assert len(m.summary().tables["random_effects"]) == 60 * 61 // 2 + 1
    assert len(m.varcorr.to_frame()) == 60 * 61 // 2 + 1
    lines = str(table(m)).splitlines()
    assert any(line.strip().startswith("SD, field") for line in lines)
    assert any(line.strip().startswith("Range, field") for line in lines)
    assert len(lines) < 40


def test_quantiles_agree_with_r():
    for case in reference()["quantiles"]:
        texts = format_numbers(zap_small(numbers(case["x"]), case["digits"] + 1), case["digits"])
        assert named_lines(QUANTILE_NAMES, texts) == case["lines"], case


def test_titles_agree_with_lme4():
    for case in reference()["titles"]:
        lines = title_lines(case["title"])
        # lme4 adds R's class in brackets, for which it needs another line now and then.
        assert " ".join(lines).split() == R_CLASS.sub("", " ".join(case["lines"])).split(), case
        assert len(lines) <= len(case["lines"])


def test_titles_name_model_and_method():
    assert model_title("linear mixed model", "REML") == "Linear mixed model fit by REML"
    assert model_title("linear mixed model", "maximum likelihood", "kenward-roger") == (
        "Linear mixed model fit by maximum likelihood. t-tests use Kenward-Roger's method"
    )
    long = model_title("linear mixed model", "maximum likelihood", "satterthwaite")
    assert title_lines(long, 79) == [
        "Linear mixed model fit by maximum likelihood. t-tests use Satterthwaite's",
        "  method",
    ]


def test_criteria_agree_with_lme4():
    for case in reference()["criterion"]:
        values = {k: float(case[k]) for k in ("aic", "bic", "log_lik")}
        for reml, kind in ((True, "reml"), (False, "ml")):
            criteria = Criteria(reml=reml, objective=float(case["x"]), df_resid=case["df_resid"], **values)
            assert criterion_lines(criteria, 1) == case[f"{kind}1"], case
            assert criterion_lines(criteria, 4) == case[f"{kind}4"], case


def test_groups_agree_with_lme4():
    for case in reference()["groups"]:
        lines = group_lines(case["n"], tuple(zip(case["names"], case["counts"], strict=True)))
        # lme4 lets a long line run on.
        assert [lines[0], "".join(lines[1:])] == [*case["lines"], ""][:2], case
        assert max(map(len, lines)) <= max(80, max(map(len, case["names"])) + 10)


def test_short_text_agrees_with_lme4():
    cases = reference()["short"]
    assert {c["reml"] for c in cases} == {True, False}
    for case in cases:
        summary = Summary(
            title=model_title("linear mixed model", "REML" if case["reml"] else "maximum likelihood"),
            call=ModelCall(case["formula"], data=case["data"]),
            criteria=Criteria(
                reml=case["reml"],
                objective=float(case["objective"]),
                aic=float(case["aic"]),
                bic=float(case["bic"]),
                log_lik=float(case["log_lik"]),
                df_resid=case["df_resid"],
            ),
            residual_quantiles=None,
            random=blocks(case),
            sigma=float(case["sigma"]),
            n_obs=case["n"],
            groups=tuple(zip(case["group_names"], case["group_counts"], strict=True)),
            fixed=CoefficientTable(
                tuple(case["fixef_names"]), ("Estimate",), np.array(numbers(case["fixef"])).reshape(-1, 1)
            ),
            correlation=None,
            verdict="converged",
            notes=("column x was dropped",),
        )
        theirs = [R_CLASS.sub("", case["lines"][0]), *case["lines"][1:]]
        assert short_text(summary).split("\n") == [*theirs, "note: column x was dropped", "converged"], case


def test_call_lines_in_the_order_of_lme4():
    call = ModelCall("y ~ x + (1 | g)", data="d", weights="w", offset="log(n)", subset="x > 1", control="lmerControl()")
    assert call_lines(call) == [
        "Formula: y ~ x + (1 | g)",
        "   Data: d",
        "Weights: w",
        " Offset: log(n)",
        "Control: lmerControl()",
        " Subset: x > 1",
    ]


@pytest.mark.parametrize("status", list(FitStatus))
def test_verdict_says_how_the_fit_ended(status):
    text = verdict(status, 12)
    assert text.startswith("converged" if status.ok else "not converged")
    assert "12 evaluations" in text
    assert "\n" not in text


def test_verdict_names_the_boundary_once():
    text = verdict(FitStatus.CONVERGED, 1, {"Subject": 1, "Batch": 2})
    assert text == (
        "boundary (singular) fit: no variance left in Subject (1 direction), Batch (2 directions); "
        "converged: the optimum was reached after 1 evaluation"
    )
    assert verdict(FitStatus.CONVERGED) == "converged: the optimum was reached"
