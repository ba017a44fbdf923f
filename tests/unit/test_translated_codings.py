"""Codings of factors in R's words: set on the column, as they are those of random effects too."""

import json
from pathlib import Path

import pandas as pd
import pytest

import ranef
from ranef import lmer, translate
from ranef.errors import TranslationError

REFERENCE = Path(__file__).parents[1] / "reference" / "random_coding.json"

LEVELS = 'data$a <- factor(data$a, levels = c("p", "q", "r"))'


@pytest.fixture(scope="module")
def data():
    d = pd.DataFrame(json.loads(REFERENCE.read_text())["data"])
    return d.assign(t=d.b == "v", o=pd.Categorical(d.a, ordered=True))


# R 4.2.2 with lme4 1.1-31 and nlme 3.1-162 makes the same fit from these lines: criterion within
# 1e-3, fixed effects within 2e-4.
@pytest.mark.filterwarnings("ignore::ranef.RanefWarning")
@pytest.mark.parametrize(
    ("formula", "contrasts", "settings", "lines"),
    [
        (
            "y ~ a + (a | subject)",
            {"a": "sum"},
            {},
            [LEVELS, 'contrasts(data$a) <- "contr.sum"', "lmer(y ~ a + (a | subject), data = data)"],
        ),
        (
            "y ~ a + (a | subject)",
            {"a": "sum"},
            {"random_contrasts": "lme4"},
            [
                LEVELS,
                'contrasts(data$a) <- "contr.treatment"',
                'lmer(y ~ a + (a | subject), data = data, contrasts = list(a = "contr.sum"))',
            ],
        ),
        (
            "y ~ a + (1 | subject)",
            {"a": "Treatment('r')"},
            {},
            [
                LEVELS,
                "contrasts(data$a) <- contr.treatment(3, base = 3)",
                "lmer(y ~ a + (1 | subject), data = data)",
            ],
        ),
        (
            "y ~ a + (1 | subject)",
            {"a": [[1], [0], [-1]]},
            {},
            [
                LEVELS,
                "contrasts(data$a, 1) <- matrix(c(1, 0, -1), nrow = 3)",
                "lmer(y ~ a + (1 | subject), data = data)",
            ],
        ),
        (
            "y ~ t + (1 | subject)",
            None,
            {"contrasts": "helmert"},
            [
                'data$t <- factor(data$t, levels = c("FALSE", "TRUE"))',
                'contrasts(data$t) <- "contr.helmert"',
                "lmer(y ~ t + (1 | subject), data = data)",
            ],
        ),
        (
            "y ~ o + (1 | subject)",
            None,
            {},
            [
                LEVELS.replace("$a", "$o"),
                'contrasts(data$o) <- "contr.poly"',
                "lmer(y ~ o + (1 | subject), data = data)",
            ],
        ),
        (
            "y ~ C(a, Sum) + C(b, Treatment('v')) + (1 | subject)",
            None,
            {},
            ['lmer(y ~ C(factor(a), contr.sum) + relevel(factor(b), ref = "v") + (1 | subject), data = data)'],
        ),
        (
            "y ~ C(a, contr.treatment(base = 2)) + C(b, Diff) + (1 | subject)",
            None,
            {},
            [
                "lmer(y ~ C(factor(a), contr.treatment, base = 2) + C(factor(b), MASS::contr.sdif) + (1 | subject), "
                "data = data)"
            ],
        ),
    ],
)
def test_lme4(data, formula, contrasts, settings, lines):
    with ranef.options(**settings):
        m = lmer(formula, data, contrasts=contrasts)
    assert m.to_syntax("lme4", notes=False).splitlines() == lines


def test_nlme(data):
    m = lmer("y ~ a + (a | subject)", data, contrasts={"a": "sum"})
    assert m.to_syntax("nlme", notes=False).splitlines() == [
        LEVELS, 'contrasts(data$a) <- "contr.sum"',
        'lme(y ~ a, data = data, random = ~ a | subject, method = "REML")',
    ]  # fmt: skip
    with ranef.options(random_contrasts="lme4"):
        m = lmer("y ~ a + (a | subject)", data, contrasts={"a": "sum"})
    with pytest.raises(TranslationError, match="contrasts of a"):
        m.to_syntax("nlme")


@pytest.mark.parametrize(
    ("language", "written"),
    [("sas", "a(ref='r')"), ("julia", 'DummyCoding(base="r")'), ("stata", "ib3.a"), ("spss", "as r for a")],
)
def test_another_reference_level(data, language, written):
    m = lmer("y ~ a + (1 | subject)", data, contrasts={"a": "Treatment('r')"})
    assert written in m.to_syntax(language)
    with ranef.options(contrasts="SAS"):
        m = lmer("y ~ a + (1 | subject)", data)
    assert written in m.to_syntax(language)


@pytest.mark.parametrize("settings", [{"contrasts": "sum"}, {"contrasts": "sdif"}])
def test_programs_without_contrasts_refuse_them(data, settings):
    with ranef.options(**settings):
        m = lmer("y ~ a + (1 | subject)", data)
    for language in ("spss", "sas", "stata", "julia"):
        with pytest.raises(TranslationError, match="contrasts of a"):
            m.to_syntax(language)


def test_what_refuses_them_says_whether_the_model_depends_on_them(data):
    m = lmer("y ~ a + (a | subject)", data, contrasts={"a": "sum"})
    with pytest.raises(TranslationError, match="the default coding gives the same fit"):
        m.to_syntax("julia")
    m = lmer("y ~ a + diag(a | subject)", data, contrasts={"a": "sum"})
    with pytest.raises(TranslationError, match="independent random effects of a are others with each coding"):
        m.to_syntax("julia")
    assert "# diag() is in lme4 from version 2.0 on." in m.to_syntax("lme4").splitlines()


def test_contrasts_are_read_back():
    text = """
    contrasts(d$a) <- contr.sum(3)
    contrasts(d[["b"]]) = "contr.helmert"
    m <- lmer(y ~ a * b + (a | g), d)
    """
    assert translate(text, "lme4").call == (
        """lmer("y ~ a * b + (a | g)", d, contrasts={'a': 'sum', 'b': 'helmert'})"""
    )
    with pytest.raises(TranslationError, match="contrasts of a"):
        translate("contrasts(d$a) <- mine\nlmer(y ~ a + (1 | g), d)", "lme4")
    session = translate("options(contrasts = c('contr.sum', 'contr.poly'))\nlmer(y ~ a + (1 | g), d)", "lme4")
    assert session.notes == ("the contrasts of the session are ranef.options(contrasts='sum') here.",)
    plain = translate("options(contrasts = c('contr.treatment', 'contr.poly'))\nlmer(y ~ a + (1 | g), d)", "lme4")
    assert not plain.notes


def test_lme4s_argument_is_told_from_ours_where_it_matters():
    call = 'lmer(y ~ a + {}, d, contrasts = list(a = "contr.sum"))'
    assert not translate(call.format("(a | g)"), "lme4").notes
    assert 'random_contrasts="lme4"' in translate(call.format("diag(a | g)"), "lme4").notes[0]
