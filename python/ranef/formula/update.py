"""Changing a formula: ``. ~ . + x`` and building one from its parts."""

from collections.abc import Iterable, Sequence

from ranef.formula.deparse import deparse
from ranef.formula.formula import Formula, parse_formula, sides
from ranef.formula.parser import parse_expression
from ranef.formula.syntax import Argument, Binary, Call, Expr, Name, Paren, Unary, is_bar, walk, without_parens
from ranef.formula.terms import Expansion, Variable
from ranef.formula.tokens import fail
from ranef.formula.vocabulary import SIGNATURES

# Operators that bind less than '+': as terms of a sum they need parentheses.
_LOOSE = frozenset(("==", "!=", "<", ">", "<=", ">=", "&", "&&"))


def update_formula(old: "str | Formula", new: str) -> str:
    """Change a formula as R's ``update`` does.

    Parameters
    ----------
    old : str or Formula
        The formula to change.
    new : str
        The change, in which ``.`` stands for the same side of `old`: ``". ~ . + x - (1 | g)"``,
        ``"log(.) ~ ."``. A one-sided change keeps the response.

    Returns
    -------
    str
        The new formula, its terms written out and in R's order.
    """
    formula = parse_formula(old)
    change = parse_expression(new)
    old_left, old_right = sides(formula.tree, formula.text)
    new_left, new_right = sides(change, new)
    left = old_left if new_left is None else _substitute(new_left, old_left, new)
    # Positions inside the substituted tree would be those of two texts; the errors refer to the
    # change written out.
    written = deparse(_substitute(new_right, Paren(old_right), new))
    if formula.has_dot and formula.dot is None:
        # The columns are not known here, so nothing can be simplified.
        text = deparse(_open_sums(parse_expression(written)))
        return f"~{text}" if left is None else f"{deparse(left)} ~ {text}"
    bars: dict[int, str] = {}

    def take_bar(expansion: Expansion, node: Expr, adding: bool) -> list[int]:
        label = _random_text(node)
        bit = expansion.bit(Variable(label, node if isinstance(node, Call) else Paren(without_parens(node)), label))
        bars[bit] = label
        return [bit]

    expansion = _Update(written, formula.dot, take_bar=take_bar, offsets=True).expand(parse_expression(written))
    labels = [bars[m] if m in bars else _as_summand(expansion, m) for m in expansion.masks]
    labels += [v.label for v in expansion.offsets.values()]
    return parse_formula(
        formula_text(None if left is None else deparse(left), labels, intercept=expansion.intercept)
    ).text


def formula_text(response: str | None, terms: Sequence[str] | Iterable[str], *, intercept: bool = True) -> str:
    """Put a formula together from the texts of its parts.

    Parameters
    ----------
    response : str or None
        Left side.
    terms : sequence of str
        Fixed terms, offsets, and random-effects terms with their parentheses.
    intercept : bool
        Whether the fixed effects have one.

    Returns
    -------
    str
    """
    parts = list(terms)
    right = " + ".join(parts) or ("1" if intercept else "0")
    if parts and not intercept:
        right += " - 1"
    return f"~{right}" if response is None else f"{response} ~ {right}"


class _Update(Expansion):
    """An expansion in which random-effects terms are summands that products leave as they are:
    ``.^2`` adds interactions of the others.
    """

    def _bar(self, node: Expr, adding: bool, outermost: bool) -> list[int]:
        assert self.take_bar is not None
        return self.take_bar(self, node, adding)

    def _binary(self, node: Binary, adding: bool, outermost: bool) -> list[int]:
        masks = super()._binary(node, adding, outermost)
        if node.operator in ("+", "-"):
            return masks
        bars = sum(1 << i for i, v in enumerate(self.variables) if _is_random(v.expr))
        kept = [m for m in masks if not m & bars]
        kept += [self.index_bit(part) for part in walk(node) if _is_random(part)]
        return list(dict.fromkeys(kept))

    def index_bit(self, node: Expr) -> int:
        """The bit of a random-effects term that was met before."""
        return 1 << self.index[_random_text(node)]


def _is_random(node: Expr) -> bool:
    if isinstance(node, Paren):
        return is_bar(node.inner)
    return isinstance(node, Call) and node.function not in SIGNATURES


def _random_text(node: Expr) -> str:
    return deparse(node if isinstance(node, Call) else Paren(without_parens(node)))


def _open_sums(node: Expr) -> Expr:
    """Take the parentheses from a sum that stands first in a sum."""
    if isinstance(node, Binary) and node.operator in ("+", "-"):
        left = _open_sums(node.left)
        if isinstance(left, Paren) and not is_bar(left.inner):
            left = left.inner
        return Binary(node.operator, left, node.right)
    if isinstance(node, Paren) and isinstance(node.inner, Binary) and node.inner.operator in ("+", "-"):
        return node.inner
    return node


def _as_summand(expansion: Expansion, mask: int) -> str:
    term = expansion.term(mask)
    return ":".join(
        f"({v.label})" if isinstance(v.expr, Binary) and v.expr.operator in _LOOSE else v.label for v in term.variables
    )


def _substitute(node: Expr, replacement: Expr | None, text: str) -> Expr:
    """Put an expression in place of every dot."""
    if isinstance(node, Name):
        if node.name != ".":
            return node
        if replacement is None:
            fail("'.' stands for the old response here, and the old formula has none.", text, *node.span)
        return replacement
    if isinstance(node, Binary):
        return Binary(
            node.operator,
            _substitute(node.left, replacement, text),
            _substitute(node.right, replacement, text),
            node.span,
            node.operator_span,
        )
    if isinstance(node, Unary):
        return Unary(node.operator, _substitute(node.operand, replacement, text), node.span)
    if isinstance(node, Paren):
        return Paren(_substitute(node.inner, replacement, text), node.span)
    if isinstance(node, Call):
        arguments = tuple(Argument(_substitute(a.value, replacement, text), a.keyword) for a in node.arguments)
        return Call(node.function, arguments, node.package, node.span, node.function_span)
    return node
