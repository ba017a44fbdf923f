"""Numbers as text against R's format, round, zapsmall, format.pval and symnum."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranef.presentation.numbers import (
    format_fixed,
    format_number,
    format_numbers,
    format_p_values,
    round_decimals,
    stars,
    zap_small,
)
from reference.formatting import numbers, reference, same_numbers


def test_format_numbers_agrees_with_r():
    cases = reference()["format"]
    assert len(cases) >= 1000
    for case in cases:
        assert format_numbers(numbers(case["x"]), case["digits"], case["nsmall"]) == case["out"], case


def test_round_decimals_agrees_with_r():
    for case in reference()["round"]:
        ours = [round_decimals(x, case["digits"]) for x in numbers(case["x"])]
        assert same_numbers(ours, numbers(case["out"])), case


def test_zap_small_agrees_with_r():
    for case in reference()["zapsmall"]:
        assert same_numbers(zap_small(numbers(case["x"]), case["digits"]), numbers(case["out"])), case


def test_p_values_agree_with_r():
    for case in reference()["format_pval"]:
        assert format_p_values(numbers(case["p"]), case["digits"], float(case["eps"])) == case["out"], case


def test_stars_agree_with_r():
    for case in reference()["stars"]:
        assert stars(float(case["p"])) == case["out"], case


@pytest.mark.parametrize(
    ("values", "digits", "texts"),
    [
        # The element in need of most decimals decides for all.
        ([251.4051, 1.5458], 4, ["251.405", "  1.546"]),
        # Scientific only where fixed would be wider.
        ([1e5], 7, ["1e+05"]),
        ([123456.0], 7, ["123456"]),
        ([1e-5, 1.0], 4, ["1e-05", "1e+00"]),
        # Trailing zeros are not needed.
        ([0.5, 2.0], 4, ["0.5", "2.0"]),
        ([math.nan, math.inf, -1.5], 3, [" NaN", " Inf", "-1.5"]),
        ([], 4, []),
        ([-0.0], 4, ["0"]),
    ],
)
def test_format_numbers_rules(values, digits, texts):
    assert format_numbers(values, digits) == texts


def test_fixed_keeps_trailing_zeros():
    assert format_fixed([1.0, -0.138, math.nan], 3) == [" 1.000", "-0.138", "   NaN"]


@given(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=6), st.integers(1, 15))
def test_every_text_reads_back_to_the_number_it_rounds(values, digits):
    texts = format_numbers(values, digits)
    assert len({len(t) for t in texts}) == 1
    # The largest number is shown with at least `digits` significant digits.
    largest = max(values, key=abs)
    shown = float(texts[values.index(largest)])
    assert shown == pytest.approx(largest, rel=0.5001 * 10.0 ** (1 - digits), abs=5e-324)


def test_one_number_is_not_padded():
    assert format_number(99.95, 3) == "100"
    assert format_number(-0.25, 7) == "-0.25"


def test_special_values():
    assert round_decimals(math.inf, 2) == math.inf
    assert math.isnan(round_decimals(math.nan, 2))
    assert round_decimals(123.0, -400) == 0.0
    assert round_decimals(1e-300, 310) == 1e-300
    assert zap_small([math.nan, 1.0, 1e-12])[1:] == [1.0, 0.0]
    assert zap_small([math.inf, 0.4]) == [math.inf, 0.0]
    assert zap_small([0.0, 0.0]) == [0.0, 0.0]
    assert stars(math.nan) == ""
    assert stars(2.0) == "?"
    assert format_p_values([math.nan, 0.5]) == ["NA", "0.5"]
