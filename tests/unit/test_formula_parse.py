"""What formulas mean: names, numbers, precedence, bars, dots."""

import pickle

import pytest

from ranef.formula import deparse, expand_dot, formula_text, parse_expression, parse_formula, update_formula
from ranef.formula.syntax import Binary, Call, Name, Number


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("a+b*c", "a + (b * c)"),
        ("a:b*c", "(a:b) * c"),
        ("a*b:c", "a * (b:c)"),
        ("a %in% b*c", "(a %in% b) * c"),
        ("a:b %in% c", "(a:b) %in% c"),
        ("a/b:c", "a/(b:c)"),
        ("-a^2", "-(a^2)"),
        ("-a:b", "(-a):b"),
        ("a^b^c", "a^(b^c)"),
        ("a^-b", "a^(-b)"),
        ("2^-1:3", "(2^(-1)):3"),
        ("a-b-c", "(a - b) - c"),
        ("a < b + c", "a < (b + c)"),
        ("!a == b", "!(a == b)"),
        ("!a & b", "(!a) & b"),
        ("a | b & c", "a | (b & c)"),
        ("a + b | c", "(a + b) | c"),
        ("y ~ a | b", "y ~ (a | b)"),
        ("y ~ a + b", "y ~ (a + b)"),
        ("a ~ b ~ c", "(a ~ b) ~ c"),
        ("x ** 2", "x^2"),
        ("a %% b * c", "(a %% b) * c"),
    ],
)
def test_precedence_is_that_of_r(text: str, same: str) -> None:
    """Written with all parentheses, a formula has the same tree, parentheses aside."""
    assert bare(parse_expression(text)) == bare(parse_expression(same))


def bare(node: object) -> object:
    from ranef.formula.syntax import Paren, Unary

    if isinstance(node, Paren):
        return bare(node.inner)
    if isinstance(node, Binary):
        return (node.operator, bare(node.left), bare(node.right))
    if isinstance(node, Unary):
        return (node.operator, bare(node.operand))
    return node


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("y~x+(1|g)", "y ~ x + (1 | g)"),
        ("y~x+(x||g)", "y ~ x + (x || g)"),
        ("~(1|a/b)", "~(1 | a/b)"),
        ("I( x**2 )", "I(x^2)"),
        ("f(a=1,b='c')", 'f(a = 1, b = "c")'),
        ("c(1,2.50,1e5,100000,0.0001,1e-5,123456,1e15,3L)", "c(1, 2.5, 1e+05, 1e+05, 1e-04, 1e-05, 123456, 1e+15, 3L)"),
        ("poly(x,2,raw=True)", "poly(x, 2, raw = TRUE)"),
        ("`my var`+x.1+.y+größe+名前", "`my var` + x.1 + .y + größe + 名前"),
        ("`if`", "if"),
        ("a%in%b", "a %in% b"),
        ("a%%b", "a%%b"),
        ("splines::ns(x,3)", "splines::ns(x, 3)"),
        ("x  # a comment\n + w", "x + w"),
        ("y\n~\nx", "y ~ x"),
        ("x − 1", "x - 1"),  # a typographic minus, as web pages have it
        ("C(f, “sum”)", 'C(f, "sum")'),
        ("f('a\\'b')", 'f("a\'b")'),
        ("0x10", "16"),
        (".5", "0.5"),
        ("T & NA", "T & NA"),
    ],
)
def test_printing(text: str, printed: str) -> None:
    assert deparse(parse_expression(text)) == printed


def test_positions() -> None:
    tree = parse_expression("y ~ log(`a b`, base = 2) + w")
    assert isinstance(tree, Binary)
    assert isinstance(tree.right, Binary)
    call = tree.right.left
    assert isinstance(call, Call)
    assert call.span == (4, 24)
    assert call.function_span == (4, 7)
    assert call.arguments[0].value == Name("a b")
    assert call.arguments[0].value.span == (8, 13)
    assert (call.arguments[1].keyword, call.arguments[1].value) == ("base", Number(2.0))


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("(1 | g)", ["1 | g"]),
        ("(x | g)", ["x | g"]),
        ("(x || g)", ["1 | g", "0 + x | g"]),
        ("(0 + x || g)", ["0 + x | g"]),
        ("(x*f || g)", ["1 | g", "0 + x | g", "0 + f | g", "0 + x:f | g"]),
        ("(1 | a/b)", ["1 | b:a", "1 | a"]),
        ("(1 | a/b/c)", ["1 | c:(b:a)", "1 | b:a", "1 | a"]),
        ("(x | a:b)", ["x | a:b"]),
        ("(1 | a*b)", ["1 | a", "1 | b", "1 | a:b"]),
        ("(1 | a + b)", ["1 | a", "1 | b"]),
        ("(1 | b %in% a)", ["1 | b:a"]),
        ("(x || a/b)", ["1 | b:a", "1 | a", "0 + x | b:a", "0 + x | a"]),
        ("((x | g))", ["x | g"]),
        ("us(x | g)", ["x | g"]),
        ("us((x | g))", ["x | g"]),
        ("(1 | factor(g))", ["1 | factor(g)"]),
        ("(1 | g) + (0 + x | g) - (1 | g)", ["0 + x | g"]),
        ("(I(a | b) | g)", ["I(a | b) | g"]),
    ],
)
def test_bars(text: str, terms: list[str]) -> None:
    assert [t.text for t in parse_formula(f"y ~ {text}").random] == terms


def test_structures() -> None:
    terms = parse_formula("y ~ us(x | g) + diag(x | g) + cs(0 + f | g) + ar1(0 + t | g) + (x || g)").random
    assert [t.structure for t in terms] == [
        "unstructured",
        "diagonal",
        "compound_symmetry",
        "ar1",
        "unstructured",
        "unstructured",
    ]
    assert [t.split for t in terms] == [False] * 4 + [True] * 2


def test_groups_of_an_interaction() -> None:
    term = parse_formula("y ~ (x | a:b:c)").random[0]
    assert term.group == ("a", "b", "c")
    assert term.group_label == "a:b:c"
    assert parse_formula("y ~ (1 | a:a)").random[0].group == ("a",)


def test_offsets_are_collected_and_can_be_removed() -> None:
    formula = parse_formula("y ~ x + offset(log(n)) + (1 | g)")
    assert [o.label for o in formula.offsets] == ["offset(log(n))"]
    assert [t.label for t in formula.fixed] == ["x"]
    assert parse_formula(update_formula("y ~ x + offset(n) + (1 | g)", ". ~ . - offset(n)")).offsets == ()


def test_response_among_the_predictors_is_dropped_with_a_note() -> None:
    formula = parse_formula("y ~ y + x + (1 | g)")
    assert [t.label for t in formula.fixed] == ["x"]
    assert "dropped" in formula.notes[0]


def test_dot_is_every_column_that_is_neither_in_the_response_nor_a_grouping_factor() -> None:
    formula = parse_formula("log(y) ~ . - w + (1 | g)")
    assert formula.has_dot
    expanded = expand_dot(formula, ["y", "x", "w", "my var", "g"])
    assert [t.label for t in expanded.fixed] == ["x", "`my var`"]
    assert "but the grouping factors g" in expanded.notes[0]
    assert [t.label for t in expand_dot(parse_formula("y ~ .^2 + (1 | g)"), ["y", "a", "b"]).fixed] == ["a", "b", "a:b"]
    assert expand_dot(parse_formula("y ~ . + (1 | g:h)"), ["y", "a", "g", "h"]).dot == ("a",)
    # a grouping factor that is written out beside the dot stays
    assert [t.label for t in expand_dot(parse_formula("y ~ . + g + (1 | g)"), ["y", "a", "g"]).fixed] == ["a", "g"]
    assert [t.label for t in expand_dot(parse_formula("y ~ x + (. | g)"), ["y", "x"]).random[0].effects] == ["x"]
    plain = parse_formula("y ~ x + (1 | g)")
    assert expand_dot(plain, ["y"]) is plain


def test_the_same_text_is_parsed_once() -> None:
    assert parse_formula("y ~ x + (1 | g)") is parse_formula("y ~ x + (1 | g)")
    assert parse_formula("y ~ x + (1 | g)") == parse_formula("y~x+(1|g)")
    assert hash(parse_formula("y ~ x + (1 | g)")) == hash(parse_formula("y~x+(1|g)"))


def test_pickle() -> None:
    formula = expand_dot(parse_formula("y ~ . + (1 | g)"), ["y", "a", "g"])
    back = pickle.loads(pickle.dumps(formula))
    assert back == formula
    assert [t.label for t in back.fixed] == ["a"]


def test_names() -> None:
    formula = parse_formula("log(y) ~ x*w - w:x + offset(z) + (poly(a, 2) | b/c) + I(d > pi)")
    assert formula.names == ("y", "x", "w", "d", "pi", "z", "a", "c", "b")


@pytest.mark.parametrize(
    ("old", "change", "new"),
    [
        ("y ~ x + (1 | g)", ". ~ . - offset(q)", "y ~ x + (1 | g)"),
        ("y ~ x + us(1 | g)", ". ~ . + w", "y ~ x + us(1 | g) + w"),
        ("y ~ x + (1 | g)", ". ~ . + (x > 3)", "y ~ x + (1 | g) + (x > 3)"),
        # Random-effects terms stay as they are when the rest is multiplied.
        ("y ~ x*w + (x | g)", ". ~ .^2", "y ~ x + w + (x | g) + x:w"),
        ("y ~ x + (1 | g)", ". ~ .:w", "y ~ (1 | g) + x:w"),
        ("y ~ 1 + (1 | g)", ". ~ . - 1", "y ~ (1 | g) - 1"),
        ("y ~ x", ". ~ . - x - 1", "y ~ 0"),
        ("y ~ x + ((x | g))", ". ~ . - (x | g)", "y ~ x"),
        # What a dot stands for is not known without the data.
        ("y ~ . + (1 | g)", ". ~ . - x", "y ~ . + (1 | g) - x"),
        ("y ~ .^2 + (1 | g)", "log(.) ~ . + z", "log(y) ~ .^2 + (1 | g) + z"),
        ("y ~ . + (1 | g)", "z ~ .", "z ~ . + (1 | g)"),
    ],
)
def test_update_where_we_differ_from_r_on_purpose(old: str, change: str, new: str) -> None:
    assert update_formula(old, change) == new


def test_formula_text() -> None:
    assert formula_text("y", ["x", "(1 | g)"]) == "y ~ x + (1 | g)"
    assert formula_text("y", ["x"], intercept=False) == "y ~ x - 1"
    assert formula_text(None, []) == "~1"
    assert formula_text("y", [], intercept=False) == "y ~ 0"
