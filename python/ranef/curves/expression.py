"""A mean function as written, and as steps that the core computes."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ranef.curves.self_starts import SELF_STARTS, SelfStart
from ranef.errors import ArgumentTypeError, FormulaError, OptionError
from ranef.formula.deparse import deparse
from ranef.formula.syntax import Binary, Call, Constant, Expr, Name, Number, Paren, String, Unary, walk, without_parens
from ranef.formula.tokens import fail

Step = tuple[str, float]
"""What is done next: its name, and a number for columns, parameters and numbers."""

Function = Callable[..., Any]
"""A function of the user's."""

#: Functions that parameters may stand in, as the core knows them.
FUNCTIONS = (
    "exp", "log", "log2", "log10", "log1p", "expm1", "sqrt", "sin", "cos", "tan", "tanh", "atan", "plogis", "exprel",
)  # fmt: skip

#: Operators that parameters may stand beside.
OPERATORS = "+-*/^"

#: Names that are numbers.
CONSTANTS = {"pi": 3.141592653589793}


@dataclass(frozen=True, slots=True)
class Curve:
    """A mean function.

    Attributes
    ----------
    text : str
        As R writes it.
    parameters : tuple of str
        In the order of the function.
    tree : Expr
        Without self-starting functions: columns, parameters, operators, functions.
    covariates : tuple of Expr
        What is computed from columns alone.
    steps : tuple of (str, float) or None
        None where it calls functions of the user's.
    functions : dict
        These by name; empty in a model that was read from a file.
    """

    text: str
    parameters: tuple[str, ...]
    tree: Expr
    covariates: tuple[Expr, ...]
    steps: tuple[Step, ...] | None
    functions: Mapping[str, Function]

    @property
    def calls_python(self) -> bool:
        """Whether a function of the user's is part of it."""
        return self.steps is None


def self_start_of(node: Expr) -> tuple[SelfStart, Call] | None:
    """The self-starting function that a mean function consists of; None for any other."""
    inner = without_parens(node)
    if isinstance(inner, Call) and inner.function in SELF_STARTS:
        return SELF_STARTS[inner.function], inner
    return None


def parameters_of(
    node: Expr, text: str, columns: Collection[str], given: Iterable[str], functions: Mapping[str, Function]
) -> tuple[str, ...]:
    """The parameters of a mean function: what stands at their place in a self-starting function,
    and names that are no columns.
    """
    stated, out = set(given), dict[str, None]()

    def take(part: Expr) -> None:
        if isinstance(part, Name):
            if part.name in stated or (part.name not in columns and part.name not in CONSTANTS):
                out[part.name] = None
        elif isinstance(part, Call):
            known = SELF_STARTS.get(part.function)
            if known is None:
                _check_function(part, text, functions)
            else:
                _check_arguments(known, part, text)
            for i, argument in enumerate(part.arguments):
                inner = without_parens(argument.value)
                if known is not None and i >= len(known.inputs) and isinstance(inner, Name):
                    out[inner.name] = None
                else:
                    take(argument.value)
        elif isinstance(part, Binary):
            take(part.left)
            take(part.right)
        elif isinstance(part, Unary):
            take(part.operand)
        elif isinstance(part, Paren):
            take(part.inner)

    take(node)
    if not out:
        fail("the curve has no parameters: every name in it is a column of the data.", text, *node.span)
    return tuple(out)


def curve_of(node: Expr, text: str, parameters: tuple[str, ...], functions: Mapping[str, Function]) -> Curve:
    """The mean function of an expression with these parameters."""
    if not functions:
        return _known_curve(node, text, parameters)
    return _curve(node, text, parameters, functions)


@lru_cache(maxsize=64)
def _known_curve(node: Expr, text: str, parameters: tuple[str, ...]) -> Curve:
    return _curve(node, text, parameters, {})


def _curve(node: Expr, text: str, parameters: tuple[str, ...], functions: Mapping[str, Function]) -> Curve:
    tree = _expanded(node)
    covariates: list[Expr] = []
    steps: list[Step] | None = []
    if any(isinstance(p, Call) and p.function in functions for p in walk(tree)):
        steps = None
    _compile(tree, text, parameters, covariates, steps, functions)
    return Curve(
        deparse(node), parameters, tree, tuple(covariates), None if steps is None else tuple(steps), dict(functions)
    )


def _check_function(call: Call, text: str, functions: Mapping[str, Function]) -> None:
    if call.function.startswith("SS") and call.function not in functions:
        fail(
            f"there is no self-starting function {call.function}; there are {', '.join(SELF_STARTS)}.",
            text,
            *call.function_span,
        )


def _check_count(call: Call, text: str, function: Function) -> None:
    """See that a function of the user's takes as many arguments as it is given."""
    from inspect import signature

    try:
        own = signature(function)
    except (TypeError, ValueError):  # as of NumPy's functions
        return
    try:
        own.bind(*call.arguments)
    except TypeError:
        fail(
            f"{call.function}() is given {len(call.arguments)} arguments, and the function takes {own}.",
            text,
            *call.function_span,
        )


def _check_arguments(known: SelfStart, call: Call, text: str) -> None:
    wanted = (*known.inputs, *known.parameters)
    if len(call.arguments) != len(wanted) or any(a.keyword is not None for a in call.arguments):
        fail(
            f"{known.name} takes {len(wanted)} arguments in this order: {', '.join(wanted)}.", text, *call.function_span
        )


def _expanded(node: Expr) -> Expr:
    """An expression with the formulas of self-starting functions."""
    if isinstance(node, Call) and node.function in SELF_STARTS:
        return Paren(SELF_STARTS[node.function].expanded(tuple(_expanded(a.value) for a in node.arguments)), node.span)
    if isinstance(node, Paren):
        return Paren(_expanded(node.inner), node.span)
    if isinstance(node, Unary):
        return Unary(node.operator, _expanded(node.operand), node.span)
    if isinstance(node, Binary):
        return Binary(node.operator, _expanded(node.left), _expanded(node.right), node.span, node.operator_span)
    return node


def _compile(
    node: Expr,
    text: str,
    parameters: tuple[str, ...],
    covariates: list[Expr],
    steps: list[Step] | None,
    functions: Mapping[str, Function],
) -> None:
    """Check an expression and write down its steps, and the covariates it needs."""

    def put(name: str, value: float = 0.0) -> None:
        if steps is not None:
            steps.append((name, value))

    def go(part: Expr) -> None:
        inner = without_parens(part)
        if isinstance(inner, Number):
            put("number", inner.value)
        elif not _has_parameter(inner, parameters) and not _calls(inner, functions):
            if isinstance(inner, Name) and inner.name in CONSTANTS:
                put("number", CONSTANTS[inner.name])
                return
            if isinstance(inner, String | Constant):
                fail("the curve is computed from numbers.", text, *inner.span)
            label = deparse(inner)
            places = [deparse(c) for c in covariates]
            if label not in places:
                covariates.append(inner)
                places.append(label)
            put("column", float(places.index(label)))
        elif isinstance(inner, Name):
            put("parameter", float(parameters.index(inner.name)))
        elif isinstance(inner, Unary) and inner.operator in "+-":
            go(inner.operand)
            if inner.operator == "-":
                put("negate")
        elif isinstance(inner, Binary) and inner.operator in OPERATORS:
            go(inner.left)
            go(inner.right)
            put(inner.operator)
        elif isinstance(inner, Call) and inner.function in functions:
            for argument in inner.arguments:
                if argument.keyword is not None:
                    fail("functions of the curve take their arguments by position.", text, *inner.span)
                go(argument.value)
            _check_count(inner, text, functions[inner.function])
        elif isinstance(inner, Call) and (inner.function in FUNCTIONS or inner.function == "I"):
            if len(inner.arguments) != 1 or inner.arguments[0].keyword is not None:
                fail(f"{inner.function}() takes one argument beside parameters.", text, *inner.span)
            go(inner.arguments[0].value)
            if inner.function != "I":
                put(inner.function)
        elif isinstance(inner, Call):
            fail(
                f"the function {inner.function}() is not known beside parameters of the curve; there are "
                f"{', '.join(FUNCTIONS)}, the self-starting ones, and those of functions={{'{inner.function}': ...}}.",
                text, *inner.function_span,
            )  # fmt: skip
        else:
            what = inner.operator if isinstance(inner, Unary | Binary) else deparse(inner)
            fail(f"{what!r} has no meaning beside parameters of the curve.", text, *inner.span)

    go(node)


def _has_parameter(node: Expr, parameters: tuple[str, ...]) -> bool:
    return any(isinstance(p, Name) and p.name in parameters for p in walk(node))


def _calls(node: Expr, functions: Mapping[str, Function]) -> bool:
    return any(isinstance(p, Call) and p.function in functions for p in walk(node))


def checked_functions(functions: object) -> dict[str, Function]:
    """Check the argument ``functions``."""
    if functions is None:
        return {}
    if not isinstance(functions, Mapping):
        raise ArgumentTypeError(
            f"functions must be a dict such as {{'f': f}}, not a {type(functions).__name__}: names of the formula with "
            "what they call."
        )
    for name, function in functions.items():
        if not callable(function):
            raise ArgumentTypeError(f"functions[{name!r}] must be a function, not {function!r}.")
        if name in SELF_STARTS or name in FUNCTIONS:
            raise OptionError(f"functions has {name!r}, which is known already; give it another name.")
    return {str(k): f for k, f in functions.items()}


def unknown_name(name: str, text: str) -> FormulaError:
    """The error for a name without a starting value."""
    at = text.find(name)
    return FormulaError(
        f"{name} is no column of the data, so that it is a parameter of the curve, and has no starting value: "
        f"give start={{{name!r}: ...}}.",
        text, max(at, 0), max(at, 0) + len(name),
    )  # fmt: skip
