"""Short labels, tables and broken formulas against R's abbreviate, print and deparse."""

from hypothesis import given
from hypothesis import strategies as st

from ranef.presentation.abbreviate import abbreviate
from ranef.presentation.formula_lines import formula_lines
from ranef.presentation.numbers import format_numbers
from ranef.presentation.text_table import filled_lines, named_lines, table_lines, text_width
from reference.formatting import numbers, reference


def test_abbreviations_agree_with_r():
    cases = reference()["abbreviate"]
    assert sum(len(c["x"]) for c in cases) > 2000
    for case in cases:
        assert abbreviate(case["x"], case["minlength"]) == case["out"], case


def test_abbreviations_of_the_tutorial():
    names = ["(Intercept)", "standLRT", "schavg", "standLRT:schavg"]
    assert abbreviate(names, 6) == ["(Intr)", "stnLRT", "schavg", "stLRT:"]
    assert abbreviate(names, 11) == ["(Intercept)", "standLRT", "schavg", "stndLRT:sch"]


@given(
    st.lists(
        st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20), max_size=8, unique=True
    )
)
def test_abbreviations_differ_where_names_differ(names):
    assert len(set(abbreviate(names, 6))) == len(names)


def test_names_that_differ_only_by_blanks_end():
    assert abbreviate(["a b", "ab"], 2) == ["a b", "ab"]
    assert abbreviate(["a b", " a b"], 1) == ["a b", "a b"]


def test_tables_agree_with_r():
    for case in reference()["matrix"]:
        for side, right in (("left", False), ("right", True)):
            assert table_lines(case["rows"], case["columns"], case["cells"], right=right) == case[side], case


def test_named_values_agree_with_r():
    for case in reference()["named"]:
        texts = format_numbers(numbers(case["x"]), case["digits"])
        assert named_lines(case["names"], texts) == case["gap1"], case
        assert named_lines(case["names"], texts, gap=2) == case["gap2"], case


def test_formulas_break_where_r_breaks_them():
    cases = reference()["formula"]
    assert any(len(c["lines"]) > 3 for c in cases)
    for case in cases:
        assert formula_lines(case["text"]) == case["lines"], case
        assert filled_lines(["Formula:", *formula_lines(case["text"])]) == case["printed"], case


def test_quoted_names_are_not_broken():
    text = f"y ~ `{'a + b ' * 15}` + x + (1 | g)"
    assert formula_lines(text) == [f"y ~ `{'a + b ' * 15}` + ", "    x + (1 | g)"]


def test_wide_and_control_characters_keep_columns_aligned():
    assert text_width("日本") == 4
    assert text_width("e\u0301") == 1
    assert table_lines(["a\nb", "c"], ["日本", "x\ty"], [["1", "2"], ["3", "4"]], right=True) == [
        "     日本 x\\ty",
        "a\\nb    1    2",
        "c       3    4",
    ]


def test_table_without_rows_has_its_headings():
    assert table_lines([], ["Estimate"], [], right=True) == [" Estimate"]
