"""Every formula that cannot be understood is refused with its culprit marked."""

import numpy as np
import pandas as pd
import pytest

import ranef
from ranef.design.build import build_design
from ranef.errors import ArgumentTypeError, FormulaError, RanefError
from ranef.formula import parse_formula, require_random, require_response, update_formula
from ranef.formula.parser import parse_expression

# Formula, what is marked under it, words of the message.
REFUSED = [
    ("y ~ x +", "+", "missing after '\\+'"),
    ("y ~ x + (1 | g) +", "+", "missing after"),
    ("y ~ x + * w", "*", "missing before"),
    ("y ~ (x + w", "(", "never closed"),
    ("y ~ log(x", "(", "never closed"),
    ("y ~ x + (1 | g", "(", "never closed"),
    ("y ~ x) + w", ")", "closes nothing"),
    ("y ~ ()", "()", "nothing between"),
    ("y ~", "~", "nothing to the right"),
    ("y ~ (x + )", "+", "missing after"),
    ("y x", "x", "operator is missing between 'y' and 'x'"),
    ("y ~ x w", "w", "operator is missing between 'x' and 'w'"),
    ("y = x", "=", "write '~'"),
    ("y", "y", "no '~'"),
    ("(1 | g)", "(1 | g)", "no '~'"),
    ("y ~ x ~ w", "~", "nlmer"),
    ("y ~ x + ~w", "~", "one '~'"),
    ("y ~ d$x", "$", "name alone"),
    ("y ~ x[1]", "[", "no indexing"),
    ("y ~ x <- 1", "<-", "no assignment"),
    ("y ~ 2x", "2x", "back-quotes"),
    ("y ~ 'x'", "'x'", "back-quotes"),
    ("y ~ 'x", "'", "not closed"),
    ("y ~ `x", "`", "back-quote is not closed"),
    ("y ~ ``", "``", "no name between"),
    ("y ~ § + x", "§", "no meaning"),
    ("y ~ a %of% b", "%of%", "%in%"),
    ("y ~ a % b", "%", "second '%'"),
    ("y ~ f(x,)", ",", "missing after this comma"),
    ("y ~ f(,x)", ",", "missing before this comma"),
    ("y ~ x, w", ",", "arguments of a function"),
    ("y ~ f(a b)", "b", "operator is missing"),
    ("y ~ I(a < b < c)", "<", "chained"),
    ("y ~ 2*x", "2", "inside I\\(\\)"),
    ("y ~ x + TRUE", "TRUE", "not a term"),
    ("y ~ x^w", "w", "whole number"),
    ("y ~ x^0", "0", "whole number"),
    ("y ~ x^1.5", "1.5", "I\\(x\\^1.5\\)"),
    ("y ~ log(.)", "log(.)", "all other columns"),
    ("y ~ foo(x)", "foo", "no function foo\\(\\)"),
    ("y ~ lgo(x)", "lgo", "mean log|log\\(\\)"),
    ("y ~ pol(x, 2)", "pol", "poly\\(\\)"),
    ("y ~ log()", "log()", "'x'"),
    ("y ~ log(x, 2, 3)", "3", "no further argument"),
    ("y ~ poly(x, deg = 2, degree = 2)", "2", "twice"),
    ("y ~ poly(x, 2, power = 3)", "3", "no argument 'power'"),
    ("y ~ poly(x, z, 2, FALSE, 1)", "2", "by name"),
    ("y ~ poly(x, 2, degree = 3)", "2", "by name"),
    ("y ~ poly(x, z, degre2 = 2)", "2", "it has: x, degree, raw, simple"),
    ("y ~ poly(degree = 2)", "poly(degree = 2)", "'x'"),
    ("y ~ x %in% c(1, 2)", "x %in% c(1, 2)", "is an interaction"),
    ("y ~ mean(x, z)", "z", "no further argument"),
    ("y ~ max(x, na.rm = TRUE, na.rm = TRUE)", "TRUE", "twice"),
    ("y ~ sd(x, z, 3)", "3", "no further argument"),
    ("y ~ scale(x, TRUE, center = FALSE, scale = FALSE)", "TRUE", "no further argument"),
    ("y ~ pmin(x, z, narm = TRUE)", "TRUE", "it has: na.rm"),
    ("1 ~ x", "1", "column"),
    (". ~ x", ".", "response"),
    ("(1 | g) ~ x", "1 | g", "right of '~'"),
    ("y ~ x + 1 | g", "|", "needs parentheses"),
    ("y ~ x + (1 | )", "|", "grouping factor is missing"),
    ("y ~ x + (1 |)", "|", "grouping factor is missing"),
    ("y ~ x + (| g)", "|", "effects are missing"),
    ("y ~ (1 | 1)", "1", "grouping factor is missing"),
    ("y ~ (0 | g)", "0", "no effects"),
    ("y ~ (x - x - 1 | g)", "x - x - 1", "no effects"),
    ("y ~ (1 | g | h)", "|", "nested"),
    ("y ~ ((1 | g) | h)", "|", "nested"),
    ("y ~ (1 | (g | h))", "|", "nested"),
    ("y ~ x*(1 | g)", "(1 | g)", "only be added"),
    ("y ~ x:(1 | g)", "(1 | g)", "only be added"),
    ("y ~ (x + (1 | g))^2", "(1 | g)", "only be added"),
    ("y ~ (x + offset(w) | g)", "offset(w)", "fixed effects"),
    ("y ~ x:offset(w)", "offset(w)", "fixed effects"),
    ("y ~ (1 | g - h)", "-", "no meaning between grouping"),
    ("y ~ (1 | -h)", "-h", "no meaning before"),
    ("y ~ (1 | .)", ".", "cannot be a grouping"),
    ("y ~ (1 | foo(g))", "foo", "no function"),
    ("y ~ (1 | TRUE)", "TRUE", "not a grouping factor"),
    ("y ~ gar(1 | g)", "gar", "us\\(\\), diag\\(\\), cs\\(\\), ar1\\(\\), toep\\(\\)"),
    ("y ~ diag(x || g)", "||", "single"),
    ("y ~ us(x | g, 2)", "2", "nothing else"),
    ("y ~ cs(x | g, 2)", "2", "and hom=True"),
    ("y ~ x (1 | g)", "x", "operator is missing"),
    ("y ~ splines::x", "::", "package"),
    ("y ~ a !b", "!", "operator is missing"),
    ("y ~ x; z", ";", "one expression"),
]


@pytest.mark.parametrize(("text", "culprit", "words"), REFUSED, ids=[r[0] for r in REFUSED])
def test_the_culprit_is_marked(text: str, culprit: str, words: str) -> None:
    with pytest.raises(FormulaError, match=words) as caught:
        parse_formula(text)
    error = caught.value
    assert error.start is not None
    assert error.stop is not None
    assert text[error.start : error.stop] == culprit
    shown, marks = str(error).splitlines()[1:3]
    assert shown.strip() == text
    assert shown[marks.index("^") : marks.rindex("^") + 1] == culprit


@pytest.mark.parametrize("text", ["", "   ", "\n", "# nothing"])
def test_empty(text: str) -> None:
    with pytest.raises(FormulaError, match="empty"):
        parse_formula(text)


def test_several_lines_are_shown_on_one_so_that_the_mark_is_right() -> None:
    with pytest.raises(FormulaError) as caught:
        parse_formula("y ~ x +\n  foo(w)\n  + (1 | g)")
    shown, marks = str(caught.value).splitlines()[1:3]
    assert shown[marks.index("^") :].startswith("foo(w)")


@pytest.mark.parametrize("formula", [None, 3, ["y ~ x"], {"y": 1}])
def test_not_text(formula: object) -> None:
    with pytest.raises(ArgumentTypeError, match="text"):
        parse_formula(formula)  # type: ignore[arg-type]


def test_no_random_term_points_to_ordinary_regression() -> None:
    with pytest.raises(FormulaError, match=r"statsmodels.*ols") as caught:
        require_random(parse_formula("y ~ x + w"))
    assert caught.value.start == 4
    require_random(parse_formula("y ~ x + (1 | g)"))


def test_no_response() -> None:
    with pytest.raises(FormulaError, match="response is missing"):
        require_response(parse_formula("~ x + (1 | g)"))


def test_update_of_a_one_sided_formula_has_no_old_response() -> None:
    with pytest.raises(FormulaError, match="no"):
        update_formula("~ x", ". ~ .")


@pytest.mark.parametrize("depth", [10, 100])
def test_deep_parentheses(depth: int) -> None:
    assert parse_formula("y ~ " + "(" * depth + "x" + ")" * depth).fixed[0].label == "x"


def test_nested_too_deeply() -> None:
    with pytest.raises(FormulaError, match="too deeply"):
        parse_formula("y ~ " + "(" * 5000 + "x" + ")" * 5000)


def test_more_interactions_than_anybody_wants() -> None:
    with pytest.raises(FormulaError, match="interactions"):
        parse_formula("y ~ " + "*".join(f"x{i}" for i in range(40)))
    with pytest.raises(FormulaError, match="interactions"):
        parse_formula("y ~ (" + "+".join(f"x{i}" for i in range(100)) + ")^5")


def test_more_grouping_factors_than_anybody_wants() -> None:
    with pytest.raises(FormulaError, match="over 1,000 grouping factors"):
        parse_formula("y ~ x + (1 | " + " * ".join(f"g{i}" for i in range(40)) + ")")
    with pytest.raises(FormulaError, match="over 1,000 grouping factors"):
        parse_formula("y ~ x + (1 | g" + " * h" * 40 + ")")
    parsed = parse_formula("y ~ x + (1 | " + " * ".join(f"g{i}" for i in range(8)) + ")")
    assert len(parsed.random) == 2**8 - 1


def test_infinity_is_no_degree() -> None:
    with pytest.raises(FormulaError, match="whole number from 1"):
        parse_formula("y ~ (a + b)^1e999")


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        ("y ~ round(x, NaN)", "number of digits must lie between"),
        ("y ~ signif(x, Inf)", "must be a whole number from 1"),
        ("y ~ cut(x, quantile(x, c(0, 2)))", "probabilities must lie between 0 and 1"),
        ("y ~ cut(x, 0:1e30)", "over 100,000 numbers"),
        ("y ~ (x > poly(x, 2))", "one column on each side"),
        ("y ~ C(g, base = 1e999)", "reference level is a level, or its number"),
        ("y ~ scale(x * 1e308)", "infinite in row 2"),
        ("y ~ bs(x, knots = Inf)", "must be finite|knots"),
    ],
)
def test_numbers_beyond_reason_are_refused(formula: str, words: str) -> None:
    data = pd.DataFrame({"y": np.arange(40.0), "x": np.arange(40.0), "g": list("abcd") * 10})
    with pytest.raises(RanefError, match=words):
        build_design(f"{formula} + (1 | g)", data)


def test_thousands_of_terms() -> None:
    formula = parse_formula("y ~ " + " + ".join(f"x{i}" for i in range(3000)) + " + (1 | g)")
    assert len(formula.fixed) == 3000
    assert formula.code.endswith("+ x2999 + (1 | g)")


def test_an_expression_alone() -> None:
    with pytest.raises(FormulaError, match="closes nothing"):
        parse_expression("x > 1)")


def test_a_column_with_brackets_in_its_name() -> None:
    data = ranef.load_dataset("sleepstudy").rename(columns={"Days": "Days (n)"})
    with pytest.raises(ranef.FormulaError, match=r"A column of the name 'Days \(n\)' is written `Days \(n\)`"):
        ranef.lmer("Reaction ~ Days (n) + (1 | Subject)", data)
    m = ranef.lmer("Reaction ~ `Days (n)` + (1 | Subject)", data)
    with pytest.raises(ranef.ColumnNotFoundError, match="re='population' predicts without it"):
        m.predict({"Days (n)": [1]})
