"""Formulas as users of patsy, formulaic, numpy and pandas write them."""

import numpy as np
import pandas as pd
import pytest

from ranef import FormulaError, lmer
from ranef.design.build import build_design

N = 60
RNG = np.random.default_rng(3)
DATA = pd.DataFrame(
    {
        "y": RNG.normal(size=N),
        "x": RNG.uniform(1, 5, N),
        "a b": RNG.normal(size=N),
        "f": np.tile(["a", "b", "c"], N // 3),
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
    ],
)
def test_what_is_understood(theirs, ours):
    one, other = (build_design(f"y ~ {term} + (1 | g)", DATA) for term in (theirs, ours))
    assert np.array_equal(one.x, other.x)
    if not any(part in theirs for part in ("()", "(3, 2)", "Treatment)", "Sum)")):
        assert one.x_names == other.x_names


def test_the_reference_level_is_the_one_that_is_named():
    means = DATA.groupby("f").y.mean()
    x = build_design("y ~ C(f, Treatment('b')) + (1 | g)", DATA).x
    beta = np.linalg.lstsq(x, DATA.y, rcond=None)[0]
    assert beta == pytest.approx([means["b"], means["a"] - means["b"], means["c"] - means["b"]])


@pytest.mark.parametrize(
    ("term", "advice"),
    [
        ("np.power(x, 2)", r"x\*\*2"),
        ("standardize(x)", r"scale\(x\)"),
        ("cr(x, df=3)", r"ns\(x"),
        ("np.where(x > 1, 1, 0)", "ifelse"),
        ("C(f, levels=['b', 'a'])", "base = 'b'"),
        ("np.nothing(x)", "no function nothing"),
    ],
)
def test_what_is_answered(term, advice):
    with pytest.raises(FormulaError, match=advice):
        lmer(f"y ~ {term} + (1 | g)", DATA)


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
