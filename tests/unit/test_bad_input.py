"""Every mistake in data and formulas has an answer of ours:
an error that says what to do, or an outcome stated here.
"""

import datetime
import re
import time
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest

from ranef import (
    ColumnNotFoundError,
    DataError,
    DesignError,
    FormulaError,
    RanefError,
    RanefWarning,
    lmer,
    load_dataset,
)
from unit.refusals import INTERCEPT, SLOPE, refused, sleep

# ---- names


@pytest.mark.parametrize(
    ("formula", "wrong", "near"),
    [
        ("Reaction ~ Dayz + (1 | Subject)", "Dayz", "Days"),
        ("Reactions ~ Days + (1 | Subject)", "Reactions", "Reaction"),
        ("Reaction ~ Days + (1 | subject)", "subject", "Subject"),
        ("Reaction ~ Days + (Dys | Subject)", "Dys", "Days"),
        ("Reaction ~ log(Dayss) + (1 | Subject)", "Dayss", "Days"),
        ("Reaction ~ Days + (1 | Subject:Dayz)", "Dayz", "Days"),
    ],
)
def test_missing_column_lists_near_names(formula: str, wrong: str, near: str) -> None:
    text = refused(lambda: lmer(formula, sleep()), KeyError, repr(wrong), "[Dd]id you mean")
    assert f"'{near}'" in text
    with pytest.raises(ColumnNotFoundError):
        lmer(formula, sleep())


@pytest.mark.parametrize("argument", ["weights", "offset"])
def test_missing_column_in_an_argument(argument: str) -> None:
    refused(lambda: lmer(INTERCEPT, sleep(), **{argument: "Dayz"}), KeyError, "'Dayz'", "'Days'")


def test_unknown_function_is_marked() -> None:
    text = refused(lambda: lmer("Reaction ~ frobnicate(Days) + (1 | Subject)", sleep()), FormulaError, "frobnicate")
    formula, marks = text.splitlines()[1:3]
    assert formula.index("frobnicate") == marks.index("^")


@pytest.mark.parametrize(
    "formula",
    [
        "Reaction ~ Days + (1 | Subject",
        "Reaction ~ Days + 1 | Subject)",
        "Reaction ~ (Days + (1 | Subject)",
        "Reaction ~ log(Days + (1 | Subject)",
        "Reaction ~ Days + (1 | Subject))",
        "Reaction ~ Days + (1 | )",
        "Reaction ~ Days + ( | Subject)",
        "Reaction ~ Days +",
        "Reaction ~ Days + (1 | Subject) +",
        "Reaction ~ Days + + * (1 | Subject)",
        "Reaction ~ `Days + (1 | Subject)",
        "Reaction ~ Days ~ (1 | Subject)",
        "Reaction Days + (1 | Subject)",
        "~ Days + (1 | Subject)",
        "Reaction ~",
        "",
        "   ",
        "Reaction ~ Days $ 2 + (1 | Subject)",
        "Reaction ~ Days + (1 | Subject | Days)",
    ],
)
def test_formula_that_cannot_be_read(formula: str) -> None:
    text = refused(lambda: lmer(formula, sleep()), FormulaError)
    assert isinstance(FormulaError(text), ValueError)
    if formula.strip():
        assert formula in text
        assert "^" in text.splitlines()[-1], "the culprit is marked"


def test_no_random_term_points_to_regression() -> None:
    text = refused(lambda: lmer("Reaction ~ Days", sleep()), FormulaError, "random", "statsmodels", r"\(1 \| ")
    assert "OLS" in text or "ols" in text


# ---- grouping factors


def test_one_level() -> None:
    refused(lambda: lmer("Reaction ~ Days + (1 | g)", sleep(g="a")), DesignError, "'?g'?", "one level|only one|1 level")


@pytest.mark.parametrize("formula", ["Reaction ~ Days + (1 | row)", "Reaction ~ Days + (1 | Subject) + (1 | row)"])
def test_as_many_levels_as_rows(formula: str) -> None:
    """A random intercept for each row cannot be told from the residual."""
    refused(lambda: lmer(formula, sleep(row=np.arange(180))), DesignError, "row", "180")


def test_row_identifier_as_text() -> None:
    refused(lambda: lmer("Reaction ~ Days + (1 | row)", sleep(row=[f"r{i}" for i in range(180)])), DesignError, "row")


@pytest.mark.parametrize("kind", ["int64", "int8", "float64", "Int64", "string", "object", "category"])
def test_numeric_grouping_is_a_factor(kind: str) -> None:
    """The same fit whatever the grouping column's type."""
    d = sleep()
    number = d["Subject"].astype(str).astype("int64")
    g = {"int8": (number - 300), "string": d["Subject"].astype(str), "object": d["Subject"].astype(str)}.get(
        kind, number
    )
    m = lmer("Reaction ~ Days + (Days | g)", d.assign(g=g.astype(kind)))
    assert m.ngroups == {"g": 18}
    assert m.objective == pytest.approx(1743.62827195849, abs=1e-6)


def test_more_random_effects_than_rows() -> None:
    d = pd.DataFrame({"y": [1.0, 3.0, 2.0, 5.0, 4.0, 7.0], "x": [0.0, 1.0, 0.5, 2.0, 1.0, 2.5], "g": list("aabbcc")})
    refused(lambda: lmer("y ~ x + (x | g)", d), DesignError, "6", r"\(?x \| g")


def test_level_labels_with_odd_characters() -> None:
    d = sleep()
    odd = {s: f"{s}:ä {i}|\n" for i, s in enumerate(d["Subject"].cat.categories)}
    m = lmer("Reaction ~ Days + (Days | g)", d.assign(g=d["Subject"].astype(str).map(odd)))
    assert m.objective == pytest.approx(1743.62827195849, abs=1e-6)
    assert set(m.ranef()["g"].index) == set(odd.values())


def test_half_a_million_levels_of_text() -> None:
    """A million rows in half a million groups named by strings: read and fitted in seconds."""
    n = 1_000_000
    rng = np.random.default_rng(5)
    codes = np.arange(n) % (n // 2)
    frame = pl.DataFrame({"x": rng.normal(size=n), "g": pl.Series(codes).cast(pl.String)})
    y = 1 + 0.5 * frame["x"].to_numpy() + rng.normal(size=n // 2)[codes] + rng.normal(size=n)
    start = time.perf_counter()
    m = lmer("y ~ x + (1 | g)", frame.with_columns(y=pl.Series(y)))
    assert time.perf_counter() - start < 60
    assert m.ngroups == {"g": n // 2}
    assert m.fixef["x"] == pytest.approx(0.5, abs=5 * m.bse["x"])
    assert m.varcorr["g"].sd[0] == pytest.approx(1.0, abs=0.01)


# ---- the response


def test_constant_response() -> None:
    refused(lambda: lmer(INTERCEPT, sleep(Reaction=5.0)), DataError, "response", "same value|constant")


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinite_response_names_the_row(value: float) -> None:
    d = sleep()
    d.loc[7, "Reaction"] = value
    refused(lambda: lmer(INTERCEPT, d), DataError, "Reaction", "inf", r"\b[78]\b")


def test_infinite_predictor_names_the_row() -> None:
    d = sleep()
    d.loc[7, "Days"] = np.inf
    refused(lambda: lmer(INTERCEPT, d), DataError, "Days", "inf", r"\b[78]\b")


def test_missing_response_drops_the_row() -> None:
    d = sleep()
    d.loc[6, "Reaction"] = np.nan
    m = lmer(INTERCEPT, d)
    assert m.nobs == 179
    assert m.objective == pytest.approx(1776.80625470902, abs=1e-6)
    refused(lambda: lmer(INTERCEPT, d, na_action="error"), DataError, "missing", "Reaction")


@pytest.mark.parametrize("values", [["a", "b", "c"] * 60, list("ab") * 90])
def test_text_response(values: list[str]) -> None:
    refused(lambda: lmer(INTERCEPT, sleep(Reaction=values)), DataError, "Reaction", "number|numeric")


def test_factor_response() -> None:
    refused(lambda: lmer("Subject ~ Days + (1 | Reaction)", sleep()), DataError, "Subject", "number|numeric")


def test_two_column_response() -> None:
    refused(lambda: lmer("cbind(Reaction, Days) ~ 1 + (1 | Subject)", sleep()), RanefError, "cbind|response|columns")


# ---- rows


@pytest.mark.parametrize("column", ["Reaction", "Days"])
def test_column_that_is_all_missing(column: str) -> None:
    refused(lambda: lmer(INTERCEPT, sleep(**{column: np.nan})), DataError, column, "missing")


def test_group_that_is_all_missing() -> None:
    d = sleep()
    refused(
        lambda: lmer(INTERCEPT, d.assign(Subject=pd.Series([None] * 180, dtype=object))),
        DataError,
        "Subject",
        "missing",
    )


def test_no_rows() -> None:
    refused(lambda: lmer(INTERCEPT, sleep().iloc[:0]), DataError, "no rows|0 rows")


def test_one_row() -> None:
    refused(lambda: lmer(INTERCEPT, sleep().iloc[:1]), RanefError, "row|level|observation")


def test_subset_without_rows() -> None:
    refused(lambda: lmer(INTERCEPT, sleep(), subset="Days > 100"), DataError, "subset|no rows|0 rows")


def test_fewer_rows_than_coefficients() -> None:
    d = sleep().iloc[[0, 1, 2, 13, 14]]
    refused(
        lambda: lmer("Reaction ~ Days + I(Days^2) + I(Days^3) + I(Days^4) + (1 | Subject)", d), RanefError, "5|rows"
    )


# ---- columns


def test_duplicate_names_matter_only_when_used() -> None:
    d = sleep()
    twice = pd.concat([d, d[["Days"]]], axis=1)
    refused(lambda: lmer(INTERCEPT, twice), DataError, "Days", "(two|2|several|more than one|duplicate)")
    spare = pd.concat([d, pd.DataFrame({"z": [1] * 180}), pd.DataFrame({"z": [2] * 180})], axis=1)
    assert lmer(INTERCEPT, spare).nobs == 180


@pytest.mark.parametrize("kind", ["bool", "boolean"])
def test_boolean_predictor_is_a_factor_of_two_levels(kind: str) -> None:
    """As R codes logicals: one column, for true."""
    d = sleep()
    late = (d["Days"] > 4).astype(kind)
    m = lmer("Reaction ~ late + (1 | Subject)", d.assign(late=late))
    as_number = lmer("Reaction ~ late + (1 | Subject)", d.assign(late=(d["Days"] > 4).astype(float)))
    assert len(m.fixef) == 2
    assert "True" in m.fixef.index[1]
    np.testing.assert_allclose(m.fixef, as_number.fixef, rtol=1e-8)


def test_boolean_grouping() -> None:
    d = sleep()
    m = lmer("Reaction ~ 1 + (1 | late) + (1 | Subject)", d.assign(late=d["Days"] > 4))
    assert m.ngroups["late"] == 2


def test_boolean_response_is_a_number() -> None:
    """As R: FALSE and TRUE are 0 and 1 in a linear model."""
    d = sleep()
    m = lmer("late ~ Days + (1 | Subject)", d.assign(late=d["Reaction"] > 300))
    as_number = lmer("late ~ Days + (1 | Subject)", d.assign(late=(d["Reaction"] > 300).astype(float)))
    np.testing.assert_allclose(m.fixef, as_number.fixef, rtol=1e-8)


def test_datetime_predictor() -> None:
    """A time has no unit of its own:
    it is refused, and the message says how to make it a number.
    """
    when = pd.Timestamp("2020-01-01") + pd.to_timedelta(sleep()["Days"], unit="D")
    refused(
        lambda: lmer("Reaction ~ when + (1 | Subject)", sleep(when=when)),
        DataError,
        "when",
        "dates?|times?",
        "numbers?",
    )


def test_datetime_grouping() -> None:
    """Dates are levels like any other."""
    when = pd.Timestamp("2020-01-01") + pd.to_timedelta(sleep()["Days"], unit="D")
    m = lmer("Reaction ~ 1 + (1 | Subject) + (1 | when)", sleep(when=when))
    assert m.ngroups["when"] == 10


def test_column_of_objects() -> None:
    mixed = [datetime.date(2020, 1, 1), {}, [1], None, 2.5, object()] * 30
    refused(
        lambda: lmer("Reaction ~ mixed + (1 | Subject)", sleep(mixed=pd.Series(mixed, dtype=object))),
        RanefError,
        "mixed",
    )


def test_complex_numbers() -> None:
    refused(
        lambda: lmer("Reaction ~ z + (1 | Subject)", sleep(z=np.arange(180) * 1j)), RanefError, "z", "complex|number"
    )


def test_predictor_with_one_level() -> None:
    refused(lambda: lmer("Reaction ~ f + (1 | Subject)", sleep(f="a")), RanefError, "f", "level")


# ---- weights


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (-1.0, ("negative|positive", r"\b[34]\b")),
        (0.0, ("zero|positive", r"\b[34]\b")),
        (np.inf, ("inf|finite", r"\b[34]\b")),
    ],
    ids=["negative", "zero", "infinite"],
)
def test_unusable_weight_names_the_row(change: float, words: tuple[str, ...]) -> None:
    w = np.ones(180)
    w[3] = change
    refused(lambda: lmer(INTERCEPT, sleep(), weights=w), DataError, "weight", *words)
    refused(lambda: lmer(INTERCEPT, sleep(w=w), weights="w"), DataError, "weight", *words)


def test_missing_weight() -> None:
    """In a column, a row with a missing value that is dropped, as in R;
    in an array, an error that names the row.
    """
    w = np.ones(180)
    w[6] = np.nan
    m = lmer(INTERCEPT, sleep(w=w), weights="w")
    without = lmer(INTERCEPT, sleep().drop(index=6))
    assert m.nobs == 179
    assert m.objective == pytest.approx(without.objective, abs=1e-8)
    refused(lambda: lmer(INTERCEPT, sleep(), weights=w), DataError, "weight", "missing", r"\b[67]\b")


def test_weights_of_another_length() -> None:
    refused(lambda: lmer(INTERCEPT, sleep(), weights=np.ones(7)), RanefError, "weights", "7", "180")
    refused(lambda: lmer(INTERCEPT, sleep(), offset=np.ones(7)), RanefError, "offset", "7", "180")
    refused(lambda: lmer(INTERCEPT, sleep(), subset=np.ones(7, dtype=bool)), RanefError, "subset", "7", "180")


def test_weights_of_text() -> None:
    refused(lambda: lmer(INTERCEPT, sleep(), weights=["a"] * 180), RanefError, "weights")
    refused(lambda: lmer(INTERCEPT, sleep(), weights="Subject"), RanefError, "weights|Subject")


# ---- linear dependence


def test_later_of_two_dependent_columns_goes() -> None:
    with pytest.warns(RanefWarning, match="d2") as caught:
        m = lmer("Reaction ~ Days + d2 + (1 | Subject)", sleep(d2=2 * sleep()["Days"]))
    assert len(caught) == 1
    assert list(m.fixef.index) == ["(Intercept)", "Days"]
    assert "dropped" in str(caught[0].message)
    assert m.objective == pytest.approx(1786.46508539492, abs=1e-6)


def test_only_one_warning_for_a_fit() -> None:
    """Dependent columns and a singular fit are told together."""
    d = load_dataset("dyestuff2")
    with pytest.warns(RanefWarning) as caught:
        lmer("Yield ~ one + (1 | Batch)", d.assign(one=3.0))
    assert len(caught) == 1
    assert re.search("one", str(caught[0].message))
    assert re.search("singular|variance", str(caught[0].message))


def test_singular_fit() -> None:
    """Dyestuff2: the variance of the batches is exactly zero, and a message says so."""
    with pytest.warns(RanefWarning, match="singular|variance") as caught:
        m = lmer("Yield ~ 1 + (1 | Batch)", load_dataset("dyestuff2"))
    assert len(caught) == 1
    assert m.is_singular
    assert m.convergence.ok
    assert m.varcorr["Batch"].sd[0] == 0.0
    assert m.objective == pytest.approx(161.828277812288, abs=1e-8)
    assert m.sigma == pytest.approx(3.71568427447568, rel=1e-9)
    assert (m.ranef()["Batch"].to_numpy() == 0).all()


# ---- scale


@pytest.mark.parametrize("formula", ["Reaction ~ x + (1 | Subject)", "Reaction ~ x + (Days | Subject)"])
@pytest.mark.parametrize("shift", [1e4, 1e6, 1e8, -1e8])
def test_shifted_predictor_keeps_its_slope(formula: str, shift: float) -> None:
    """Eight of nine packages lose the slope of x + 1e8, lme4 among them."""
    d = sleep()
    plain = lmer(formula.replace("x", "Days", 1), d)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        m = lmer(formula, d.assign(x=d["Days"] + shift))
    assert m.fixef["x"] == pytest.approx(plain.fixef["Days"], rel=1e-6)
    assert m.bse["x"] == pytest.approx(plain.bse["Days"], rel=1e-6)
    assert m.objective == pytest.approx(plain.objective, abs=1e-6)


@pytest.mark.parametrize("shift", [1e4, 1e6, 1e8])
def test_shifted_predictor_with_random_slope(shift: float) -> None:
    """The same model with its intercept far away:
    the same slope, its standard error and its variance.
    """
    d = sleep()
    m = lmer("Reaction ~ x + (x | Subject)", d.assign(x=d["Days"] + shift))
    assert m.fixef["x"] == pytest.approx(10.4672859595964, rel=1e-6)
    assert m.objective == pytest.approx(1743.62827195849, abs=1e-5)


@pytest.mark.parametrize("scale", [1e-8, 1e-4, 1e4, 1e8])
def test_scaled_response(scale: float) -> None:
    d = sleep()
    m = lmer(SLOPE, d.assign(Reaction=d["Reaction"] * scale))
    assert m.fixef["Days"] == pytest.approx(10.4672859595964 * scale, rel=1e-6)
    assert m.bse["Days"] == pytest.approx(1.54578889288849 * scale, rel=1e-5)
    assert m.sigma == pytest.approx(25.5918157386296 * scale, rel=1e-5)


def test_shifted_response() -> None:
    d = sleep()
    m = lmer(SLOPE, d.assign(Reaction=d["Reaction"] + 1e8))
    assert m.fixef["Days"] == pytest.approx(10.4672859595964, rel=1e-6)
    assert m.objective == pytest.approx(1743.62827195849, abs=1e-5)


@pytest.mark.parametrize("scale", [1e-12, 1e-8, 1e8, 1e12])
def test_scaled_predictor(scale: float) -> None:
    d = sleep()
    m = lmer("Reaction ~ x + (x | Subject)", d.assign(x=d["Days"] * scale))
    assert m.fixef["x"] * scale == pytest.approx(10.4672859595964, rel=1e-6)
    assert m.varcorr["Subject"].sd[1] * scale == pytest.approx(5.92213771, rel=1e-4)
    # The REML criterion contains log|X'V^-1 X|, and so the scale of x.
    assert m.objective == pytest.approx(1743.62827195849 + 2 * np.log(scale), abs=1e-5)
    assert m.ml_deviance == pytest.approx(lmer(SLOPE, d).ml_deviance, abs=1e-5)


def test_huge_predictor_beside_a_small_one() -> None:
    """|x| about 1e12 with its own spread, next to Days: neither is dropped."""
    d = sleep()
    big = 1e12 * (1 + 0.1 * np.random.default_rng(2).normal(size=180))
    m = lmer("Reaction ~ Days + big + (1 | Subject)", d.assign(big=big))
    small = lmer("Reaction ~ Days + big + (1 | Subject)", d.assign(big=big / 1e12))
    assert list(m.fixef.index) == ["(Intercept)", "Days", "big"]
    np.testing.assert_allclose(m.tvalues, small.tvalues, rtol=1e-6)
