"""Formulas as users of patsy, formulaic, numpy and pandas write them."""

import numpy as np
import pandas as pd
import pytest

from ranef import DesignError, FormulaError, RanefWarning, lmer
from ranef.design.build import build_design

N = 60
RNG = np.random.default_rng(3)
DATA = pd.DataFrame(
    {
        "y": RNG.normal(size=N),
        "x": RNG.uniform(1, 5, N),
        "a b": RNG.normal(size=N),
        "f": np.tile(["a", "b", "c"], N // 3),
        "k": np.tile([10, 20, 30], N // 3),
        "g": np.repeat(np.arange(10), N // 10),
    }
)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("np.log(x)", "log(x)"),
        ("numpy.sqrt(x)", "sqrt(x)"),
        ("np.arcsin(x / 10)", "asin(x / 10)"),
        ("np.log10(x) + np.abs(x)", "log10(x) + abs(x)"),
        ("Q('a b')", "`a b`"),
        ("x:Q('a b')", "x:`a b`"),
        ("center(x)", "scale(x, scale = FALSE)"),
        ("C(f, Treatment('b'))", "C(f, contr.treatment(base = 'b'))"),
        ("C(f, Treatment(reference='b'))", "C(f, contr.treatment(base = 'b'))"),
        ("C(f, Treatment)", "C(f, contr.treatment)"),
        ("C(f, contr.treatment('b'))", "C(f, contr.treatment(base = 'b'))"),
        ("C(f, contr.treatment(3, 2))", "C(f, contr.treatment(base = 2))"),
        ("C(f, Sum)", "C(f, contr.sum)"),
        ("C(f, Sum())", "C(f, contr.sum)"),
        ("C(f, Diff())", "C(f, contr.sdif)"),
        ("C(f, ref='b')", "C(f, contr.treatment(base = 'b'))"),
        ("C(f, base=2)", "C(f, contr.treatment(base = 2))"),
        ("C(k, Treatment(20))", "relevel(factor(k), ref = '20')"),
        ("C(k, Treatment(reference=30))", "relevel(factor(k), ref = '30')"),
        ("C(f, levels=['b', 'a', 'c'])", "factor(f, levels = c('b', 'a', 'c'))"),
        ("C(f, Sum, levels=['b', 'a', 'c'])", "C(factor(f, levels = c('b', 'a', 'c')), contr.sum)"),
        ("C(f, [[1, 0], [0, 1], [-1, -1]])", "C(f, cbind(c(1, 0, -1), c(0, 1, -1)))"),
        ("C(f, np.array([[1, 0], [0, 1], [-1, -1]]))", "C(f, cbind(c(1, 0, -1), c(0, 1, -1)))"),
        ("C(f, [1, 0, -1])", "C(f, c(1, 0, -1))"),
        ("bs(x, knots=[2, 3])", "bs(x, knots = c(2, 3))"),
        ("bs(x, df=5, include_intercept=True)", "bs(x, df = 5, intercept = TRUE)"),
        ("I(f %in% ['a', 'b'])", "I(f %in% c('a', 'b'))"),
        ("np.maximum(x, 2)", "pmax(x, 2)"),
        ("math.log(x)", "log(x)"),
    ],
)
def test_what_is_understood(theirs, ours):
    one, other = (build_design(f"y ~ {term} + (1 | g)", DATA) for term in (theirs, ours))
    assert np.array_equal(one.x, other.x)
    if not any(part in theirs for part in ("()", "(3, 2)", "(k", "Treatment)", "Sum)")):
        assert one.x_names == other.x_names


def test_the_reference_level_is_the_one_that_is_named():
    means = DATA.groupby("f").y.mean()
    x = build_design("y ~ C(f, Treatment('b')) + (1 | g)", DATA).x
    beta = np.linalg.lstsq(x, DATA.y, rcond=None)[0]
    assert beta == pytest.approx([means["b"], means["a"] - means["b"], means["c"] - means["b"]])


@pytest.mark.parametrize(
    ("term", "advice"),
    [
        ("np.power(x, 2)", r"I\(x\*\*2\)"),
        ("np.std(x)", "divides by n"),
        ("np.clip(x, 1, 3)", r"pmin\(pmax\(x, low\), high\)"),
        ("scipy.special.expit(x)", r"plogis\(x\)"),
        ("stats.zscore(x)", r"scale\(x\)"),
        ("ln(x)", r"log\(x\)"),
        ("x - x.mean()", r"Write mean\(x\)"),
        ("f.astype('category')", r"factor\(x\)"),
        ("pd.qcut(x, 4)", "quantile"),
        ("float(k)", r"as.numeric\(x\)"),
        ("rcs(x, 3)", r"ns\(x"),
        ("C(f, Sum(omit='b'))", "leave out is the last"),
        ("C(f, contr.sum('b'))", "leave out is the last"),
        ("C(f, Treatment(1))", "'1' is not among the levels of 'f': a, b, c"),
        ("factor(f, ref='b')", r"relevel\(f, ref = 'b'\)"),
        ("bs(x, knots=(2, 3))", r"c\(2, 3\)"),
        ("C(f, [])", "nothing between these brackets"),
        ("C(f, [1, 2", "bracket is never closed"),
        ("{x * f}", r"I\(x \* z\)"),
        ("x % 2", r"I\(x %% 2\)"),
        ("x // 2", r"I\(x %/% 2\)"),
        ("f#x", "a comment"),
        ("x > 2", r"parentheses, as in \(a > b\)"),
        ("f == 'a'", r"parentheses, as in \(a == b\)"),
        ("x if x > 2 else 3", "ifelse"),
        ("standardize(x)", r"scale\(x\)"),
        ("cr(x, df=3)", r"ns\(x"),
        ("np.where(x > 1, 1, 0)", "ifelse"),
        ("np.nothing(x)", "no function nothing"),
    ],
)
def test_what_is_answered(term, advice):
    with pytest.raises((FormulaError, DesignError), match=advice):
        lmer(f"y ~ {term} + (1 | g)", DATA)


@pytest.mark.parametrize(
    ("term", "note"),
    [
        ("x**2", r"x\^2 is x itself.*the power is I\(x\^2\)"),
        ("log(x)^2", r"log\(x\)\^2 is log\(x\) itself"),
        ("1/x", r"1/x is x itself.*the reciprocal is I\(1/x\)"),
    ],
)
def test_arithmetic_that_does_nothing_is_noted(term, note):
    with pytest.warns(RanefWarning, match=note):
        lmer(f"y ~ {term} + (1 | g)", DATA)


@pytest.mark.parametrize("term", ["(x + k)**2", "I(x**2)", "f/x", "x^1"])
def test_arithmetic_that_means_something_is_not(term):
    assert not build_design(f"y ~ {term} + (1 | g)", DATA).notes


@pytest.mark.parametrize(
    ("subset", "advice"),
    [
        ("x > 1 and f == 'a'", "written &"),
        ("x > 1 or f == 'a'", r"written \|"),
        ("f in ['a', 'b']", "%in%"),
        ("not x > 1", "written !"),
    ],
)
def test_conditions_in_words(subset, advice):
    with pytest.raises(FormulaError, match=advice):
        lmer("y ~ x + (1 | g)", DATA, subset=subset)
