"""R's algebra of model terms: ``+ - : * / ^ %in%`` over variables, and the order of the terms.

A term is a set of variables, held as the bits of an integer: bit i is the i-th variable in order of
first appearance. That order also decides how the parts of a label are arranged (``b + a:b`` has the
terms ``b`` and ``b:a``).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ranef.formula.deparse import deparse
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
    without_parens,
)
from ranef.formula.tokens import fail
from ranef.formula.vocabulary import POSITIONED, SIGNATURES, check_calls

_MOST_PRODUCTS = 1_000_000


@dataclass(frozen=True, slots=True)
class Variable:
    """A column, or a function of columns, that terms are made of.

    Two variables with the same label are equal.

    Parameters
    ----------
    label : str
        R's text of the expression.
    expr : Expr
        The expression.
    name : str
        The label for output: a column's name stands without back-quotes.
    """

    label: str
    expr: Expr = field(compare=False, repr=False)
    name: str = field(compare=False, repr=False)

    @classmethod
    def of(cls, expr: Expr) -> "Variable":
        """Make the variable of an expression."""
        label = deparse(expr)
        return cls(label, expr, expr.name if isinstance(expr, Name) else label)


@dataclass(frozen=True, slots=True)
class Term:
    """A variable or an interaction of variables.

    Parameters
    ----------
    label : str
        For example ``Days`` or ``a:b``.
    variables : tuple of Variable
        In order of first appearance in the formula.
    """

    label: str
    variables: tuple[Variable, ...] = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Effects:
    """Terms of a formula, or of the left side of a bar, in R's order:
    by degree, then as written.
    """

    terms: tuple[Term, ...]
    intercept: bool


class Expansion:
    """The expansion of an expression into terms.

    Parameters
    ----------
    text : str
        The whole formula, for messages.
    dot : sequence of str, optional
        The columns that ``.`` stands for; None to only note that there is one.
    take_bar : callable, optional
        Receives each random-effects term, as ``(node, added)``, and returns the terms that stand
        for it (none, usually). Without it such a term is an error.
    offsets : bool
        Whether ``offset()`` may occur.
    """

    def __init__(
        self,
        text: str,
        dot: Iterable[str] | None = None,
        *,
        take_bar: "Callable[[Expansion, Expr, bool], list[int]] | None" = None,
        offsets: bool = False,
    ):
        self.text = text
        self.dot = None if dot is None else tuple(dot)
        self.take_bar = take_bar
        self.allow_offsets = offsets
        self.variables: list[Variable] = []
        self.index: dict[str, int] = {}
        self.intercept = True
        self.has_dot = False
        self.offsets: dict[str, Variable] = {}
        self.masks: list[int] = []
        self.notes: list[str] = []

    def expand(self, node: Expr) -> "Expansion":
        """Expand an expression; the result is in `masks`, `intercept` and `offsets`."""
        masks = self._sum(node, True, True)
        # Python's sort is stable: within a degree the order of writing stays.
        self.masks = sorted(masks, key=int.bit_count)
        return self

    def effects(self) -> Effects:
        """The terms found."""
        return Effects(tuple(self.term(mask) for mask in self.masks), self.intercept)

    def term(self, mask: int) -> Term:
        """The term of a set of variables."""
        members = []
        while mask:
            lowest = mask & -mask
            members.append(self.variables[lowest.bit_length() - 1])
            mask ^= lowest
        return Term(":".join(v.label for v in members), tuple(members))

    def bit(self, variable: Variable) -> int:
        """The bit of a variable, a new one for a new variable."""
        i = self.index.setdefault(variable.label, len(self.variables))
        if i == len(self.variables):
            self.variables.append(variable)
        return 1 << i

    def _sum(self, node: Expr, adding: bool, outermost: bool) -> list[int]:
        """Terms of a sum.

        The chain of + and - is walked without recursion, because a formula may add up thousands of
        columns.
        """
        chain: list[tuple[str, Binary]] = []
        while isinstance(node, Binary) and node.operator in ("+", "-"):
            chain.append((node.operator, node))
            node = node.left
        terms = dict.fromkeys(self._terms(node, adding, outermost))
        for operator, step in reversed(chain):
            if operator == "+":
                terms.update(dict.fromkeys(self._terms(step.right, adding, outermost)))
            else:
                for mask in self._terms(step.right, not adding, outermost):
                    terms.pop(mask, None)
        return list(terms)

    def _terms(self, node: Expr, adding: bool, outermost: bool) -> list[int]:
        if isinstance(node, Paren):
            inner = without_parens(node)
            if is_bar(inner):
                return self._bar(node, adding, outermost)
            return self._terms(inner, adding, outermost)
        if isinstance(node, Binary):
            return self._binary(node, adding, outermost)
        if isinstance(node, Unary):
            if node.operator == "+":
                return self._terms(node.operand, adding, outermost)
            if node.operator == "-":
                # A minus at the start takes away from nothing; only the intercept notices.
                self._terms(node.operand, not adding, outermost)
                return []
            if node.operator == "~":
                fail("a formula has one '~', between the response and the predictors.", self.text, node.span[0])
        if isinstance(node, Number):
            if node.value not in (0, 1):
                number = self.text[slice(*node.span)]
                fail(
                    f"the number {number} is not a term. Only 0 and 1 are, for the intercept; write arithmetic inside "
                    "I().",
                    self.text,
                    *node.span,
                )
            self.intercept = adding == (node.value == 1)
            return []
        if isinstance(node, String):
            fail(
                "quoted text is not a term; a column's name stands without quotes, or in back-quotes.",
                self.text,
                *node.span,
            )
        if isinstance(node, Constant):
            fail(f"{node.word} is not a term.", self.text, *node.span)
        if isinstance(node, Name) and node.name == ".":
            return self._dot()
        if isinstance(node, Call):
            bars = [a.value for a in node.arguments if is_bar(without_parens(a.value))]
            if bars and (node.function not in SIGNATURES or node.function in POSITIONED):
                return self._bar(node, adding, outermost)
            if node.function == "offset" and len(node.arguments) == 1:
                return self._offset(node, adding, outermost)
        return [self.bit(self._variable(node))]

    def _variable(self, node: Expr) -> Variable:
        check_calls(node, self.text)
        for name in names_in(node):
            if name == ".":
                fail("'.' stands for all other columns and can only be a term itself.", self.text, *node.span)
        return Variable.of(node)

    def _dot(self) -> list[int]:
        self.has_dot = True
        return [self.bit(Variable.of(Name(name))) for name in self.dot or ()]

    def _offset(self, node: Call, adding: bool, outermost: bool) -> list[int]:
        if not outermost or not self.allow_offsets:
            fail("an offset is added to the fixed effects; it cannot be part of another term.", self.text, *node.span)
        check_calls(node, self.text)
        variable = Variable.of(node)
        if adding:
            self.offsets[variable.label] = variable
        else:
            self.offsets.pop(variable.label, None)
        return []

    def _bar(self, node: Expr, adding: bool, outermost: bool) -> list[int]:
        if self.take_bar is None:
            fail(
                "bars cannot be nested: a random-effects term is (effects | group), with columns on both sides.",
                self.text,
                *node.span,
            )
        if not outermost:
            fail("a random-effects term can only be added, not multiplied or nested.", self.text, *node.span)
        return self.take_bar(self, node, adding)

    def _binary(self, node: Binary, adding: bool, outermost: bool) -> list[int]:
        operator = node.operator
        if operator in ("+", "-"):
            return self._sum(node, adding, outermost)
        if operator in ("|", "||"):
            if self.take_bar is None:
                fail(
                    "bars cannot be nested: a random-effects term is (effects | group), with columns on both sides.",
                    self.text,
                    *node.span,
                )
            fail(
                "a random-effects term needs parentheses, because a bar takes everything to its left; "
                "write for example y ~ x + (x | group).",
                self.text, *node.operator_span,
            )  # fmt: skip
        if operator == "~":
            fail("a formula has one '~', between the response and the predictors.", self.text, *node.operator_span)
        if operator == "^":
            return self._power(node, adding)
        if operator not in ("*", ":", "/", "%in%"):
            return [self.bit(self._variable(node))]
        if operator == "%in%" and isinstance(node.right, Call) and node.right.function in ("c", "seq"):
            fail(
                "between terms, %in% is an interaction, as in R; the question is written I(a %in% c(...)).",
                self.text,
                *node.span,
            )
        left = self._sum(node.left, adding, False)
        right = self._sum(node.right, adding, False)
        self._check_number(len(left) * len(right), node)
        if operator == "*":
            return _distinct([*left, *right, *(a | b for a in left for b in right)])
        if operator == ":":
            return _distinct([a | b for a in left for b in right])
        if operator == "/":
            if isinstance(without_parens(node.left), Number):
                self._note_itself(node, node.right, "'/' outside I() nests terms; the reciprocal")
            whole = _union(left)
            return _distinct([*left, *(whole | b for b in right)])
        whole = _union(right)
        return _distinct([a | whole for a in left])

    def _check_number(self, products: int, node: Binary) -> None:
        """Refuse a product whose expansion would not end in any useful time."""
        if products > _MOST_PRODUCTS:
            fail(f"this has over {_MOST_PRODUCTS:,} interactions; name those that are wanted.", self.text, *node.span)

    def _note_itself(self, node: Binary, term: Expr, why: str) -> None:
        """Note that arithmetic outside ``I()`` leaves a term as it is."""
        note = f"{deparse(node)} is {deparse(term)} itself, as in R, where {why} is I({deparse(node)})"
        if note not in self.notes:
            self.notes.append(note)

    def _power(self, node: Binary, adding: bool) -> list[int]:
        exponent = without_parens(node.right)
        if not isinstance(exponent, Number) or exponent.value < 1 or exponent.value % 1 != 0:
            fail(
                "outside I(), '^' makes all interactions up to a degree, and its exponent is a whole number from 1; "
                f"for a power of a column write I({deparse(node)}).",
                self.text, *node.right.span,
            )  # fmt: skip
        base = self._sum(node.left, adding, False)
        if exponent.value > 1 and len(base) == 1 and isinstance(without_parens(node.left), Name | Call):
            self._note_itself(node, node.left, "'^' outside I() makes interactions; the power")
        terms = base
        for _ in range(min(int(exponent.value), len(base) + 1) - 1):
            self._check_number(len(terms) * len(base), node)
            terms = _distinct([a | b for a in terms for b in base])
        return terms


def _distinct(masks: list[int]) -> list[int]:
    return list(dict.fromkeys(masks))


def _union(masks: list[int]) -> int:
    whole = 0
    for mask in masks:
        whole |= mask
    return whole
