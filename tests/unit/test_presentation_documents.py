"""Summaries as HTML, Markdown, LaTeX and data frames: the same numbers, every text escaped."""

import pickle
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from markdown_it import MarkdownIt

from ranef.presentation.coefficients import CoefficientTable
from ranef.presentation.random_effects import VarianceBlock
from ranef.presentation.summary import Criteria, ModelCall, Summary
from ranef.presentation.titles import model_title

# lme4's fit of Reaction ~ Days + (Days | Subject) to sleepstudy; the second effect is renamed to
# need escaping.
EFFECT = r"a<b|c_d&e%f{g}\h"


@pytest.fixture
def summary():
    return Summary(
        title=model_title("linear mixed model", "REML"),
        call=ModelCall("Reaction ~ `a<b|c` + (`a<b|c` | Subject)", data="<sleep & study>"),
        criteria=Criteria(True, 1743.6283, 1755.6283, 1774.786, -871.8141, 174, 1751.9859, 1743.6283),
        residual_quantiles=np.array([-3.9536, -0.4634, 0.0231, 0.4634, 5.1793]),
        random=(
            VarianceBlock(
                "Subject",
                ("(Intercept)", EFFECT),
                np.array([24.740658, 5.9221377]),
                np.array([[1.0, 0.06555124], [0.06555124, 1.0]]),
            ),
        ),
        sigma=25.5917957,
        n_obs=180,
        groups=(("Subject", 18),),
        fixed=CoefficientTable(
            ("(Intercept)", EFFECT),
            ("Estimate", "Std. Error", "t value"),
            np.array([[251.405105, 6.824597, 36.83809], [10.467286, 1.5457896, 6.771481]]),
        ),
        correlation=np.array([[1.0, -0.13755187], [-0.13755187, 1.0]]),
        verdict="converged: the optimum was reached",
        notes=("column <x> was dropped",),
    )


class Tables(HTMLParser):
    """Collect the cells of every table, and check that tags close in order."""

    def __init__(self, source):
        super().__init__()
        self.tables, self.open, self.text = [], [], []
        self.feed(source)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("td", "th"):
            self.tables[-1][-1][-1] += data
        self.text.append(data)


EXPECTED_RANDOM = [
    ["Groups", "Name", "Variance", "Std.Dev.", "Corr"],
    ["Subject", "(Intercept)", "612.10", "24.741", ""],
    ["", EFFECT, "35.07", "5.922", "0.07"],
    ["Residual", "", "654.94", "25.592", ""],
]
EXPECTED_FIXED = [
    ["", "Estimate", "Std. Error", "t value"],
    ["(Intercept)", "251.405", "6.825", "36.838"],
    [EFFECT, "10.467", "1.546", "6.771"],
]


def test_html_has_the_tables_and_escapes_every_text(summary):
    page = Tables(summary._repr_html_())
    assert page.tables[2] == EXPECTED_RANDOM
    assert page.tables[3] == EXPECTED_FIXED
    assert page.tables[4] == [["", "(Intercept)"], [EFFECT, "-0.138"]]
    assert "<sleep & study>" in page.text
    assert "note: column <x> was dropped" in page.text
    assert "converged: the optimum was reached" in page.text


def test_markdown_parses_to_the_same_tables(summary):
    page = Tables(MarkdownIt("js-default", {"xhtmlOut": True}).render(summary.to_markdown()))
    assert page.tables[2] == EXPECTED_RANDOM
    assert page.tables[3] == EXPECTED_FIXED
    text = "".join(page.text)
    assert "Reaction ~ `a<b|c` + (`a<b|c` | Subject)" in text
    assert "note: column <x> was dropped" in text


def test_latex_escapes_and_balances(summary):
    latex = summary.to_latex()
    assert latex.count(r"\begin{table}") == latex.count(r"\end{table}") == latex.count(r"\toprule") == 5
    escaped = r"a\textless{}b\textbar{}c\_d\&e\%f\{g\}\textbackslash{}h"
    assert rf"{escaped} & 10.467 & 1.546 & 6.771 \\" in latex
    assert rf"{escaped} & $-$0.138 \\" in latex
    assert r"\begin{tabular}{lrrr}" in latex
    assert r"Reaction \textasciitilde{}" in latex
    # Outside of commands no character with a meaning is left.
    plain = re.sub(r"\\[a-zA-Z]+|\\.|\$-\$|^%.*$", "", latex, flags=re.MULTILINE)
    assert not set("#$%^_~\\<>|") & set(plain)
    assert plain.count("{") == plain.count("}")


def test_latex_row_that_starts_with_a_bracket_is_guarded(summary):
    fixed = replace(summary.fixed, names=("[x]", "*y"))
    latex = replace(summary, fixed=fixed).to_latex()
    assert "{}[x] & 251.405" in latex
    assert "{}*y & 10.467" in latex


def test_tables_are_numbers(summary):
    tables = summary.tables
    assert list(tables) == ["criteria", "residuals", "random_effects", "groups", "fixed_effects", "correlation"]
    assert tables["criteria"].loc[0, "ml_deviance"] == 1751.9859
    assert tables["criteria"].loc[0, "df_resid"] == 174
    assert list(tables["fixed_effects"].columns) == ["estimate", "std_error", "statistic"]
    assert tables["fixed_effects"].loc[EFFECT, "std_error"] == 1.5457896
    assert tables["correlation"].loc["(Intercept)", EFFECT] == -0.13755187
    assert tables["groups"].loc["Subject", "levels"] == 18
    random = tables["random_effects"]
    assert random["sd"].tolist() == [24.740658, 5.9221377, 0.06555124, 25.5917957]
    assert random.loc[2, "variance"] == pytest.approx(9.604409, rel=1e-6)
    assert random.loc[3, "group"] == "Residual"


def test_text_has_deviances_below_the_header_and_the_verdict_at_the_end(summary):
    lines = str(summary).split("\n")
    assert lines[3:5] == [
        "    AIC    BIC logLik MLdeviance REMLdeviance",
        " 1755.6 1774.8 -871.8     1752.0       1743.6",
    ]
    assert lines[6] == "REML criterion at convergence: 1743.6"
    assert lines[-3:] == ["", "note: column <x> was dropped", "converged: the optimum was reached"]
    assert repr(summary) == str(summary)


def test_digits_change_the_printed_numbers(summary):
    assert "251.40510    6.82460 36.83809" in replace(
        summary, fixed=replace(summary.fixed, names=("(Intercept)", "Days"))
    ).text(6)


def test_labels_of_correlations_are_those_of_r(summary):
    # lme4's labels for recipeB, recipeC, temperature.L, temperature^4 and phaseearly:sexM.
    ours = ("recipe[T.B]", "recipe[T.C]", "temperature[.L]", "temperature[^4]", "phase[T.early]:sex[M]")
    lines = str(replace(many_effects(summary, 5), fixed=replace(many_effects(summary, 5).fixed, names=ours))).split(
        "\n"
    )
    start = lines.index("Correlation of Fixed Effects:")
    assert lines[start + 1].split() == ["recipB", "recipC", "tmpr.L", "tmpr^4"]
    assert [line.split()[0] for line in lines[start + 2 : start + 6]] == [
        "recipeC",
        "temperatr.L",
        "temperatr^4",
        "phasrly:sxM",
    ]
    assert "recipe[T.B]" in "\n".join(lines[:start])


def test_labels_keep_brackets_that_tell_columns_apart(summary):
    alike = replace(summary, fixed=replace(summary.fixed, names=("ab", "a[b]")))
    assert "a[b]" in str(alike).split("Correlation of Fixed Effects:")[1]


def test_generalized_model_has_family_p_values_and_no_residual(summary):
    # lme4's fit of the cbpp data: its first two coefficients.
    fixed = CoefficientTable(
        ("(Intercept)", "period2"),
        ("Estimate", "Std. Error", "z value", "Pr(>|z|)"),
        np.array([[-1.3983, 0.2312, -6.048, 1.47e-9], [-0.9919, 0.3032, -3.272, 0.001068]]),
    )
    glmm = replace(
        summary,
        title=model_title("generalized linear mixed model", "maximum likelihood (Laplace Approximation)"),
        family="binomial  ( logit )",
        sigma=None,
        fixed=fixed,
        criteria=Criteria(False, 184.05, 194.05, 204.18, -92.03, 51),
    )
    text = str(glmm)
    assert "\n Family: binomial  ( logit )\nFormula:" in text
    assert "REMLdeviance" not in text
    assert "Residual" not in text
    assert "(Intercept)  -1.3983     0.2312  -6.048 1.47e-09 ***" in text
    assert "Signif. codes:  0 ‘***’ 0.001 ‘**’" in text
    assert list(glmm.tables["fixed_effects"].columns) == ["estimate", "std_error", "statistic", "p_value"]
    page = Tables(glmm.to_html())
    assert page.tables[3][1] == ["(Intercept)", "-1.3983", "0.2312", "-6.048", "1.47e-09", "***"]
    assert "binomial ( logit )" in page.text


def many_effects(summary, p):
    names = tuple(f"x{i}" for i in range(p))
    fixed = CoefficientTable(names, ("Estimate", "Std. Error", "t value"), np.ones((p, 3)))
    return replace(summary, fixed=fixed, correlation=np.eye(p))


def test_correlations_are_hidden_for_more_than_twelve_coefficients(summary):
    shown, hidden = many_effects(summary, 12), many_effects(summary, 13)
    assert "Correlation of Fixed Effects:" in str(shown)
    assert "Correlation of Fixed Effects:" not in str(hidden)
    assert "the correlations of the 13 fixed effects are not printed" in str(hidden)
    assert "Correlation of Fixed Effects:" in str(replace(hidden, show_correlation=True))
    silent = str(replace(shown, show_correlation=False))
    assert "orrelation" not in silent
    assert len(hidden.tables["correlation"]) == 13


def test_model_without_fixed_effects(summary):
    empty = replace(
        summary,
        fixed=CoefficientTable((), ("Estimate", "Std. Error", "t value"), np.empty((0, 3))),
        correlation=None,
        residual_quantiles=None,
    )
    assert "Fixed effects:" not in str(empty)
    assert "Scaled residuals" not in str(empty)
    assert empty.tables["fixed_effects"].empty
    assert len(Tables(empty.to_html()).tables) == 2


def test_summary_can_be_pickled(summary):
    assert str(pickle.loads(pickle.dumps(summary))) == str(summary)
