"""Formulas of nonlinear models: ``response ~ curve``, with the effects of the curve's parameters in
a third part, as lme4 writes it, or in a formula for each parameter.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from ranef.errors import ArgumentTypeError, FormulaError, OptionError
from ranef.formula.deparse import deparse
from ranef.formula.formula import Formula, parse_formula
from ranef.formula.parser import parse_expression
from ranef.formula.random import random_terms
from ranef.formula.shared_levels import KNOWN
from ranef.formula.syntax import Binary, Call, Expr, Name, Number, Unary, is_bar, without_parens
from ranef.formula.terms import Variable
from ranef.formula.tokens import fail
from ranef.formula.vocabulary import STRUCTURES

#: A bar with a name, as in ``(1 |p| id)``, and what begins the names of those that a third part
#: makes.
_NAMED_BAR = re.compile(r"\|\s*([A-Za-z.][\w.]*)\s*\|(?!\|)")
_OWN = "term."


@dataclass(frozen=True, slots=True)
class NamedFormula:
    """A formula whose bars may have names: those that share a name and a grouping factor are one
    block.

    Attributes
    ----------
    formula : Formula
        Without the names.
    names : tuple of str or None
        The name of each random term.
    """

    formula: Formula
    names: tuple[str | None, ...]


def named_bars(text: str) -> NamedFormula:
    """Parse a formula with names in its bars.

    Parameters
    ----------
    text : str
        For example ``"~ trt + (1 |p| id)"``.
    """
    found: list[tuple[int, str]] = []

    def without(match: "re.Match[str]") -> str:
        found.append((match.start(), match[1]))
        return "|" + " " * (len(match[0]) - 1)

    formula = parse_formula(_NAMED_BAR.sub(without, text))
    names = [next((n for at, n in found if b.span[0] <= at < b.span[1]), None) for b in formula.random]
    for bar, name in zip(formula.random, names, strict=True):
        if name is not None and (bar.split or bar.structure != "unstructured"):
            raise FormulaError("a bar with a name has one bar and no covariance structure.", text, *bar.span)
    return NamedFormula(formula, tuple(names))


@dataclass(frozen=True, slots=True)
class NonlinearFormula:
    """A formula of a nonlinear model.

    Attributes
    ----------
    text : str
        As the user wrote it.
    response : Variable
    curve : Expr
        The mean function.
    effects : tuple of (tuple of str, str, tuple of int)
        Of each random term of a third part the parameters that vary, the grouping factor as text
        and where it stands; empty without such a part.
    code : str
        As R prints it.
    """

    text: str
    response: Variable
    curve: Expr
    effects: tuple[tuple[tuple[str, ...], str, tuple[int, int]], ...]
    code: str


def parse_nonlinear(text: object) -> NonlinearFormula:
    """Parse ``response ~ curve`` or ``response ~ curve ~ effects``; the same object for the same
    text.

    Raises
    ------
    FormulaError
        If it cannot be understood; the message shows the formula with the culprit marked.
    """
    if not isinstance(text, str):
        raise ArgumentTypeError(
            f"formula must be text such as 'height ~ SSlogis(age, Asym, xmid, scal) ~ (Asym | tree)', not a "
            f"{type(text).__name__}."
        )
    return _parse(text)


@lru_cache(maxsize=64)
def _parse(text: str) -> NonlinearFormula:
    tree = parse_expression(text)
    effects: tuple[tuple[tuple[str, ...], str, tuple[int, int]], ...] = ()
    if not (isinstance(tree, Binary) and tree.operator == "~"):
        fail("a nonlinear model is response ~ curve ~ (parameters | group), or response ~ curve with params=.", text,
             *tree.span)  # fmt: skip
    if isinstance(tree.left, Binary) and tree.left.operator == "~":
        effects = tuple(_third_part(tree.right, text))
        tree_of_curve = tree.left
    else:
        tree_of_curve = tree
        for part in _added(tree.right):
            if is_bar(without_parens(part)):
                fail(
                    "random effects of a nonlinear model are those of its parameters: a third part, "
                    "y ~ curve ~ (Asym | id), or params={'Asym': '~ 1 + (1 | id)'}.",
                    text, *part.span,
                )  # fmt: skip
    if isinstance(tree_of_curve.left, Binary) and tree_of_curve.left.operator == "~":
        fail("a formula of a nonlinear model has at most three parts.", text, *tree_of_curve.left.operator_span)
    return NonlinearFormula(text, Variable.of(tree_of_curve.left), tree_of_curve.right, effects, deparse(tree))


def _added(node: Expr) -> list[Expr]:
    """The parts of a sum."""
    if isinstance(node, Binary) and node.operator == "+":
        return [*_added(node.left), node.right]
    return [node]


def _third_part(node: Expr, text: str) -> list[tuple[tuple[str, ...], str, tuple[int, int]]]:
    """The random terms of a third part: their effects are parameters."""
    out: list[tuple[tuple[str, ...], str, tuple[int, int]]] = []
    for part in _added(node):
        structured = isinstance(part, Call) and part.function in STRUCTURES
        if isinstance(part, Call) and part.function == KNOWN:
            fail("known() is for models of one linear predictor: lmer() and glmer() fit it.", text, *part.span)
        if not structured and not is_bar(without_parens(part)):
            fail(
                "the third part of a nonlinear formula holds random terms such as (Asym + xmid | id); fixed effects on "
                "a parameter are params={'Asym': '~ trt + (1 | id)'}.",
                text, *part.span,
            )  # fmt: skip
        terms, _ = random_terms(part, text, None)
        for term in terms:
            names = tuple(t.label for t in term.effects)
            if term.structure == "diagonal":
                out += [((n,), term.group_label, term.span) for n in names]
            elif term.structure != "unstructured":
                fail("random terms of a third part are plain bars, double bars or diag().", text, *part.span)
            elif names:  # an intercept alone is what a double bar makes beside the parameters
                out.append((names, term.group_label, term.span))
            elif not term.split:
                fail(
                    "to the left of the bar stand parameters of the curve, as in (Asym | id).", text, *part.span
                )  # fmt: skip
    return out


def parameter_formulas(
    formula: NonlinearFormula, parameters: tuple[str, ...], params: Mapping[str, str] | None
) -> dict[str, NamedFormula]:
    """The formula of each parameter, one-sided, ``~ 1`` where none was given.

    Raises
    ------
    OptionError
        When both ways to give effects are used, or a name is none of the parameters.
    """
    if params is not None and formula.effects:
        raise OptionError(
            "effects of parameters are given twice: leave out either the third part of the formula or params."
        )
    out = dict.fromkeys(parameters, "~ 1")
    if params is None:
        for number, (names, group, span) in enumerate(formula.effects):
            for name in names:
                if name not in out:
                    raise FormulaError(
                        f"{name} is no parameter of the curve, which has {', '.join(parameters)}.", formula.text, *span
                    )
                bar = f"|{_OWN}{number}|" if len(names) > 1 else "|"
                out[name] += f" + (1 {bar} {group})"
    else:
        if not isinstance(params, Mapping):
            raise ArgumentTypeError(
                f"params must be a dict such as {{'Asym': '~ trt + (1 | id)'}}, not a {type(params).__name__}."
            )
        for name, own in params.items():
            if name not in out:
                raise OptionError(
                    f"params has {name!r}, which is no parameter of the curve; it has {', '.join(parameters)}."
                )
            if not isinstance(own, str):
                raise ArgumentTypeError(f"params[{name!r}] must be text such as '~ trt + (1 | id)', not {own!r}.")
            if not own.lstrip().startswith("~"):
                raise FormulaError(
                    f"the formula of the parameter {name} begins with '~' and has no response.", own, 0, 1
                )
            out[str(name)] = own
    read = {name: named_bars(text) for name, text in out.items()}
    if not any(r.formula.random for r in read.values()):
        raise FormulaError(
            "there are no random effects: add a third part such as ~ (Asym | id), or params={'Asym': '~ 1 + (1 | "
            "id)'}. Without them scipy.optimize.curve_fit fits the curve.",
            formula.text, 0, len(formula.text),
        )  # fmt: skip
    return read


def is_intercept_only(formula: Formula) -> bool:
    """Whether the fixed effects of a parameter are one number."""
    return formula.intercept and not formula.fixed and not formula.offsets


def names_of_curve(node: Expr) -> list[Name]:
    """The names in a mean function, each where it stands first."""
    out: dict[str, Name] = {}

    def walk(part: Expr) -> None:
        inner = without_parens(part)
        if isinstance(inner, Name):
            out.setdefault(inner.name, inner)
        elif isinstance(inner, Binary):
            walk(inner.left)
            walk(inner.right)
        elif isinstance(inner, Unary):
            walk(inner.operand)
        elif isinstance(inner, Call):
            for argument in inner.arguments:
                walk(argument.value)

    walk(node)
    return list(out.values())


def is_number(node: Expr) -> bool:
    """Whether an expression is a number as it stands."""
    return isinstance(without_parens(node), Number)
