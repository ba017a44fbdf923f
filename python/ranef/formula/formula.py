"""A model formula, taken apart."""

from dataclasses import dataclass, replace
from functools import lru_cache

from ranef.errors import ArgumentTypeError, FormulaError
from ranef.formula.deparse import deparse
from ranef.formula.parser import parse_expression
from ranef.formula.random import RandomExpr, random_terms
from ranef.formula.syntax import (
    Binary,
    Call,
    Constant,
    Expr,
    Name,
    Number,
    Paren,
    String,
    Unary,
    is_bar,
    names_in,
    walk,
    without_parens,
)
from ranef.formula.terms import Expansion, Term, Variable
from ranef.formula.tokens import fail
from ranef.formula.vocabulary import check_calls


@dataclass(frozen=True, slots=True, eq=False)
class Formula:
    """A parsed formula; make one with `parse_formula`.

    Two are equal when R would print them alike and their dots stand for the same.

    Parameters
    ----------
    text : str
        As the user wrote it.
    code : str
        As R prints it.
    response : Variable or None
        The left side; None for a one-sided formula.
    fixed : tuple of Term
        Fixed-effects terms in R's order, without the intercept.
    intercept : bool
        Whether the fixed effects include one.
    offsets : tuple of Variable
        The ``offset()`` terms.
    random : tuple of RandomExpr
        Random-effects terms in the order of the formula, written out (nesting, double bars).
    has_dot : bool
        Whether ``.`` occurs.
    dot : tuple of str or None
        The columns it stands for, None as long as the data are not known (see `expand_dot`).
    names : tuple of str
        Names in the formula: its columns, and constants such as ``pi``.
    notes : tuple of str
        What the user should know about the reading of the formula.
    """

    text: str
    code: str
    response: Variable | None
    fixed: tuple[Term, ...]
    intercept: bool
    offsets: tuple[Variable, ...]
    random: tuple[RandomExpr, ...]
    has_dot: bool = False
    dot: tuple[str, ...] | None = None
    names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def tree(self) -> Expr:
        """The syntax tree."""
        return _tree(self.text)

    def __str__(self) -> str:
        return self.code

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Formula) and self.code == other.code and self.dot == other.dot

    def __hash__(self) -> int:
        return hash(self.code)

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        # The text says it all.
        return (with_dot, (self.text, self.dot))


def parse_formula(text: "str | Formula") -> Formula:
    """Parse a formula written as in R.

    Parameters
    ----------
    text : str or Formula
        For example ``"y ~ x + (x | g)"`` or the one-sided ``"~ (1 | g)"``. A `Formula` is returned
        as it is.

    Returns
    -------
    Formula
        The same object for the same text.

    Raises
    ------
    FormulaError
        If it cannot be understood; the message shows the formula with the culprit marked.
    """
    if isinstance(text, Formula):
        return text
    if not isinstance(text, str):
        raise ArgumentTypeError(
            f"a formula is text, such as 'y ~ x + (1 | group)'; this is a {type(text).__name__}. The formula comes "
            "first, then the data."
        )
    return _parse(text, None)


def expand_dot(formula: Formula, columns: "tuple[str, ...] | list[str]") -> Formula:
    """Let ``.`` stand for all columns but those in the response and the grouping factors.

    R keeps grouping factors, and so has a fixed effect for every level of the groups whose effects
    are random; a note says which were left out.

    Parameters
    ----------
    formula : Formula
    columns : sequence of str
        All columns of the data, in their order.

    Returns
    -------
    Formula
        The formula itself if it has no dot.
    """
    if not formula.has_dot:
        return formula
    taken = set() if formula.response is None else set(names_in(formula.response.expr))
    groups = {name for bar in formula.random for v in bar.grouping for name in names_in(v.expr)}
    expanded = with_dot(formula.text, tuple(c for c in columns if c not in taken | groups))
    left_out = [c for c in columns if c in groups - taken]
    if not left_out:
        return expanded
    note = f"'.' stands for all other columns but the grouping factors {', '.join(left_out)}"
    return replace(expanded, notes=(*expanded.notes, note))


def with_dot(text: str, dot: tuple[str, ...] | None) -> Formula:
    """A formula whose ``.`` stands for these columns."""
    return _parse(text, dot)


def one_sided(formula: Formula) -> Formula:
    """The formula without its response."""
    tree = formula.tree
    if formula.response is None or not isinstance(tree, Binary):
        return formula
    return with_dot(formula.text[tree.operator_span[0] :], formula.dot)


def require_response(formula: Formula) -> Variable:
    """The response of a formula, or an error if it is one-sided."""
    if formula.response is None:
        fail("the response is missing to the left of '~'.", formula.text, 0)
    return formula.response


def require_random(formula: Formula) -> None:
    """See that a formula has a random-effects term."""
    if formula.random:
        return
    right = formula.tree.right if isinstance(formula.tree, Binary) else formula.tree
    comment = " What stands after '#' is a comment; interactions are a:b and a*b." if "#" in formula.text else ""
    raise FormulaError(
        f"there is no random-effects term such as (1 | group).{comment} A model without one is linear regression: "
        "statsmodels.formula.api.ols(formula, data).fit().",
        formula.text, *right.span,
    )  # fmt: skip


@lru_cache(maxsize=64)
def _tree(text: str) -> Expr:
    return parse_expression(text)


@lru_cache(maxsize=512)
def _parse(text: str, dot: tuple[str, ...] | None) -> Formula:
    tree = _tree(text)
    left, right = sides(tree, text)
    _check_conditions(right, text)
    notes: list[str] = []
    random: list[RandomExpr] = []
    dots = False

    def take_bar(expansion: Expansion, node: Expr, adding: bool) -> list[int]:
        nonlocal dots
        terms, has_dot = random_terms(node, text, dot)
        dots = dots or has_dot
        for term in terms:
            if adding:
                random.append(term)
            elif term in random:
                random.remove(term)
        return []

    expansion = Expansion(text, dot, take_bar=take_bar, offsets=True)
    response = None
    response_bit = 0
    if left is not None:
        response = _response(left, text)
        response_bit = expansion.bit(response)
    expansion.expand(right)
    if response_bit in expansion.masks:
        expansion.masks.remove(response_bit)
        notes.append(f"the response {response.name if response else ''} is also a predictor; it was dropped there")
    notes.extend(expansion.notes)
    effects = expansion.effects()
    return Formula(
        text=text,
        code=deparse(tree),
        response=response,
        fixed=effects.terms,
        intercept=effects.intercept,
        offsets=tuple(expansion.offsets.values()),
        random=tuple(random),
        has_dot=expansion.has_dot or dots,
        dot=dot,
        names=_names(response, effects.terms, expansion, random),
        notes=tuple(notes),
    )


def _check_conditions(node: Expr, text: str) -> None:
    """Refuse ``!a + (1 | g)`` and ``x > 2 + (1 | g)``: as in R, ``!`` and comparisons take
    everything that is added.
    """
    for part in walk(node):
        if isinstance(part, Unary) and part.operator == "!" and _adds_bar(part.operand):
            fail(
                "as in R, '!' takes everything that is added after it, here random effects too; put it in "
                "parentheses, as in (!a) + (1 | group).",
                text,
                *part.span,
            )
        if (
            isinstance(part, Binary)
            and part.operator in _CONDITIONS
            and (_adds_bar(part.left) or _adds_bar(part.right))
        ):
            fail(
                f"as in R, {part.operator!r} takes everything that is added before and after it, here random effects "
                f"too; put it in parentheses, as in (a {part.operator} b) + (1 | group).",
                text,
                *part.operator_span,
            )


_CONDITIONS = ("==", "!=", "<", ">", "<=", ">=", "&", "&&")


def _adds_bar(node: Expr) -> bool:
    """Whether a random-effects term is among those of a sum."""
    while isinstance(node, Binary) and node.operator in "+-":
        if isinstance(node.right, Paren) and is_bar(without_parens(node.right)):
            return True
        node = node.left
    return isinstance(node, Paren) and is_bar(without_parens(node))


def _names(
    response: Variable | None, fixed: tuple[Term, ...], expansion: Expansion, random: list[RandomExpr]
) -> tuple[str, ...]:
    variables: list[Variable] = [] if response is None else [response]
    variables += [v for term in fixed for v in term.variables]
    variables += expansion.offsets.values()
    for bar in random:
        variables += bar.variables
    return tuple(dict.fromkeys(name for v in dict.fromkeys(variables) for name in names_in(v.expr)))


def sides(tree: Expr, text: str) -> tuple[Expr | None, Expr]:
    """The two sides of a formula; the left one is None if it is one-sided."""
    if isinstance(tree, Unary) and tree.operator == "~":
        return None, tree.operand
    if isinstance(tree, Binary) and tree.operator == "~":
        if isinstance(tree.left, Binary) and tree.left.operator == "~":
            fail(
                "a formula in three parts, response ~ mean function ~ effects, is one of nlmer().",
                text,
                *tree.operator_span,
            )
        return tree.left, tree.right
    if isinstance(tree, Call) and tree.function in ("lmer", "glmer", "lme", "lm", "glm", "mixedlm", "formula"):
        fail(
            "give the formula alone, as text, and the data as the next argument: lmer('y ~ x + (1 | group)', data).",
            text,
            *tree.function_span,
        )
    fail("there is no '~' between the response and the predictors: write 'y ~ x + (1 | group)'.", text, *tree.span)


def _response(left: Expr, text: str) -> Variable:
    inner = without_parens(left)
    for part in walk(left):
        if is_bar(part) and part is inner:
            fail("a random-effects term stands to the right of '~'.", text, *part.span)
        if isinstance(part, Unary | Binary) and part.operator == "~":
            fail("a formula has one '~', between the response and the predictors.", text, *part.span)
        if isinstance(part, Name) and part.name == ".":
            fail("'.' cannot be the response; it has a meaning there in update() only.", text, *part.span)
    if isinstance(inner, Number | String | Constant):
        fail("the response is a column or a function of columns.", text, *left.span)
    check_calls(inner, text)
    return Variable.of(inner)
