"""Terms whose levels are not independent, or of which a row has several: ``known(1 | id, A)`` and
``(1 | mm(t1, t2, weights = [w1, w2]))``.
"""

from dataclasses import dataclass

from ranef.formula.deparse import deparse
from ranef.formula.syntax import Binary, Call, Constant, Expr, Name, String, is_bar, without_parens
from ranef.formula.terms import Variable
from ranef.formula.tokens import fail
from ranef.formula.vocabulary import check_calls

KNOWN = "known"
MEMBERSHIP = "mm"


@dataclass(frozen=True, slots=True)
class KnownExpr:
    """The matrix of a term: its name in ``known=``, and whether the inverse is what it holds."""

    name: str
    inverse: bool = False

    def call(self, bar: str) -> str:
        """How it is written around a bar term."""
        return f"{KNOWN}({bar}, {self.name}{', inverse = TRUE' if self.inverse else ''})"


@dataclass(frozen=True, slots=True)
class MembershipExpr:
    """Columns that hold the levels of a row, and their weights; equal weights where none are
    given.
    """

    columns: tuple[Variable, ...]
    weights: tuple[Variable, ...]

    @property
    def label(self) -> str:
        """What the factor is called."""
        return f"{MEMBERSHIP}({', '.join(v.label for v in self.columns)})"

    @property
    def code(self) -> str:
        """How it is written to the right of a bar."""
        weights = f", weights = [{', '.join(v.label for v in self.weights)}]" if self.weights else ""
        return f"{self.label[:-1]}{weights})"


def known_term(node: Call, text: str) -> tuple[KnownExpr, Binary]:
    """Matrix and bar of ``known(...)``."""
    usage = "it is written known(1 | id, A), with the matrix in the argument known={'A': matrix}."
    free = [a.value for a in node.arguments if a.keyword is None]
    named = {a.keyword: a.value for a in node.arguments if a.keyword is not None}
    bar = without_parens(free[0]) if free else node
    if len(free) != 2 or not is_bar(bar) or set(named) - {"inverse"}:
        fail(f"known() takes a random-effects term and the name of a matrix: {usage}", text, *node.span)
    assert isinstance(bar, Binary)
    if bar.operator == "||":
        fail("inside known() the bar is a single one; write a known() term for each effect.", text, *bar.operator_span)
    matrix = free[1]
    if not isinstance(matrix, Name | String):
        fail(f"the matrix of known() is a name: {usage}", text, *matrix.span)
    inverse = named.get("inverse")
    word = "FALSE" if inverse is None else inverse.word if isinstance(inverse, Constant) else deparse(inverse)
    if word.upper() not in ("TRUE", "FALSE"):
        assert inverse is not None
        fail("inverse is True or False, or left out.", text, *inverse.span)
    name = matrix.name if isinstance(matrix, Name) else matrix.value
    return KnownExpr(name, word.upper() == "TRUE"), bar


def membership(node: Expr, text: str) -> MembershipExpr | None:
    """What stands to the right of a bar as ``mm(...)``; None for anything else."""
    inner = without_parens(node)
    if not isinstance(inner, Call) or inner.function != MEMBERSHIP:
        return None
    free = [a.value for a in inner.arguments if a.keyword is None]
    named = {a.keyword: a.value for a in inner.arguments if a.keyword is not None}
    if not free or set(named) - {"weights"}:
        fail("mm() takes columns of levels, and their weights: mm(t1, t2, weights=[w1, w2]).", text, *inner.span)
    weights: tuple[Variable, ...] = ()
    if "weights" in named:
        given = without_parens(named["weights"])
        values = [a.value for a in given.arguments] if isinstance(given, Call) and given.function == "c" else [given]
        if len(values) != len(free):
            fail(f"mm() has {len(free)} columns and {len(values)} weights; give one for each.", text, *given.span)
        weights = tuple(_variable(v, text) for v in values)
    return MembershipExpr(tuple(_variable(v, text) for v in free), weights)


def _variable(node: Expr, text: str) -> Variable:
    check_calls(node, text)
    return Variable.of(node)
