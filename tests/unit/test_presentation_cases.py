"""Every line of lme4's printed summaries, from the numbers of the stored fits."""

import re

import numpy as np
import pytest

from ranef.formula import parse_formula
from ranef.presentation.coefficients import CoefficientTable
from ranef.presentation.random_effects import VarianceBlock
from ranef.presentation.summary import Criteria, ModelCall, Summary
from ranef.presentation.summary_text import summary_blocks
from ranef.presentation.titles import model_title
from reference.store import case_ids, load_case

# What lme4 says of its optimiser and of warnings, below the summary itself.
R_ENDING = re.compile(r"\n(?:optimizer \(|fit warnings:\n)[\s\S]*\Z")

# R's class at the end of the title, with the blanks before it.
R_CLASS = re.compile(r" +\['lmerMod'\]$", flags=re.MULTILINE)

# lme4's table of criteria of a fit by maximum likelihood: all but its last number is in our line of
# both criteria, and nothing is printed twice.
R_CRITERIA = re.compile(r"^ +AIC +BIC +logLik .*\n.*\n\n", flags=re.MULTILINE)

# Parts of ours that lme4 does not print.
OURS = {"deviances", "verdict"}


def floats(values):
    return np.array([np.nan if v is None else v for v in values], dtype=float)


def matrix(table):
    return np.array([floats(row) for row in table["values"]])


def printed(text, label):
    """The text after a label of the header."""
    found = re.search(rf"^ *{label}: (.*)$", text, flags=re.MULTILINE)
    return found and found.group(1)


def residual_quantiles(text):
    """As printed: the store does not have them otherwise.

    Four decimals or more are kept, so the layout is still ours.
    """
    lines = text.split("\n")
    return np.array([float(v) for v in lines[lines.index("Scaled residuals: ") + 2].split()])


def formula(case):
    """The formula on one line; lme4 1.1 prints a double bar as the terms that it stands for."""
    if "||" not in case["formula"]:
        return str(parse_formula(case["formula"]))
    shown = re.search(r"^Formula: ([\s\S]*?)\n +Data:", case["results"]["summary_print"], flags=re.MULTILINE)
    return " ".join(shown.group(1).split())


def summary(case):
    r, text = case["results"], case["results"]["summary_print"]
    return Summary(
        title=model_title("linear mixed model", "REML" if case["reml"] else "maximum likelihood"),
        call=ModelCall(
            formula(case),
            data=printed(text, "Data"),
            weights=case["weights_arg"],
            offset=case["offset_arg"],
            subset=case["subset_arg"],
            control=printed(text, "Control"),
        ),
        criteria=Criteria(
            reml=case["reml"],
            objective=r["objective"],
            aic=r["AIC"],
            bic=r["BIC"],
            log_lik=r["logLik"],
            df_resid=r["df_residual"],
            ml_deviance=case["best"]["MLdeviance"],
            reml_deviance=case["best"]["REMLdeviance"],
        ),
        residual_quantiles=residual_quantiles(text),
        random=tuple(
            VarianceBlock(group, tuple(v["names"]), floats(v["sd"]), matrix(v["corr"]) if len(v["names"]) > 1 else None)
            for group, v in r["varcorr"].items()
        ),
        sigma=r["sigma"],
        n_obs=r["nobs"],
        groups=tuple(r["ngrps"].items()),
        fixed=CoefficientTable(
            tuple(r["beta"]),
            ("Estimate", "Std. Error", "t value"),
            np.column_stack([floats(r[k].values()) for k in ("beta", "se", "t")]),
        ),
        correlation=matrix(r["corr_beta"]),
        verdict="converged",
    )


def theirs(case):
    """What lme4 prints, without its optimiser and without R's class."""
    text = R_ENDING.sub("", case["results"]["summary_print"]).rstrip("\n")
    return R_CLASS.sub("", R_CRITERIA.sub("", text, count=1), count=1)


@pytest.mark.parametrize("identifier", case_ids("lmer"))
def test_printed_as_by_lme4(identifier):
    case = load_case(identifier)
    ours = "\n".join(line for name, lines in summary_blocks(summary(case), 4) if name not in OURS for line in lines)
    # lme4 lets the numbers of levels run on beyond the width.
    assert ours.replace("; \n", "; ") == theirs(case)


@pytest.mark.parametrize("identifier", case_ids("lmer"))
def test_criteria_are_printed_once(identifier):
    lines = str(summary(load_case(identifier))).split("\n")
    assert sum("AIC" in line for line in lines) == 1
    assert sum("deviance" in line for line in lines) == 1


@pytest.mark.parametrize("identifier", case_ids("lmer"))
def test_lines_of_lme4_stay_in_order_between_ours(identifier):
    case = load_case(identifier)
    ours = iter(str(summary(case)).replace("; \n", "; ").split("\n"))
    assert all(line in ours for line in theirs(case).split("\n"))


def test_all_kinds_of_header_are_among_the_cases():
    texts = [load_case(i)["results"]["summary_print"] for i in case_ids("lmer")]
    assert len(texts) > 80
    for label in ("REML criterion", "df.resid", "Weights: ", " Offset: ", " Subset: ", "Control: ", "Formula: \n"):
        assert any(label in t for t in texts), label
