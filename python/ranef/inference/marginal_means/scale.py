"""From the scale of the model back to that of the measurements:
the link of a generalized model, or a transformation of the response, undone.

A mean on the scale of the model is that of a typical group. Its counterpart on the scale of the
response is not the mean over groups, because the inverse h of the link is curved: with random
effects of variance s² that mean is ``h(eta) + s² h''(eta) / 2`` to second order.
"""

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.fit.record import MixedFit
from ranef.formula.deparse import deparse
from ranef.formula.syntax import Binary, Call, Expr, Name, Number, Unary, without_parens

Floats = NDArray[np.float64]
Map = Callable[[Floats], Floats]


@dataclass(frozen=True, slots=True, eq=False)
class ResponseScale:
    """How an estimate on the scale of the model becomes one on the scale of the response.

    Attributes
    ----------
    name : str
        Of the transformation, as ``log``.
    inverse, slope : callable
        The response of a value on the scale of the model, and its derivative.
    quantity : {"response", "probability", "rate", "ratio", "odds ratio"}
        What the result is.
    correction : float or None
        Standard deviation of the random effects over which means are corrected for bias.
    base : float or None
        Of a logarithm.
    """

    name: str
    inverse: Map
    slope: Map
    quantity: str = "response"
    correction: float | None = None
    base: float | None = None

    def corrected(self, sigma: float) -> "ResponseScale":
        """The scale of means over random effects of standard deviation ``sigma``,
        by the second-order expansion of the inverse.
        """
        half = 0.5 * sigma**2
        return replace(
            self,
            inverse=lambda v: self.inverse(v) + half * np.where(np.isfinite(v), _derivative(self.slope, v), 0.0),
            slope=lambda v: self.slope(v) + half * _second_derivative(self.slope, v),
            correction=sigma,
        )

    def of_contrasts(self) -> "ResponseScale | None":
        """The scale of differences:
        ratios after a logarithm, odds ratios after a logit, none otherwise.
        """
        if self.name in _BASES or self.base is not None:
            return ResponseScale(self.name, self.inverse, self.slope, "ratio")
        if self.name == "logit":
            return ResponseScale(self.name, np.exp, np.exp, "odds ratio")
        return None


#: Steps of first and second differences of functions that vary on a scale of one.
STEP, SECOND_STEP = 2e-3, 1e-2


def _derivative(f: Map, v: Floats) -> Floats:
    """By central differences of fourth order; the functions here vary on a scale of one."""
    h = STEP
    return (8.0 * (f(v + h) - f(v - h)) - (f(v + 2.0 * h) - f(v - 2.0 * h))) / (12.0 * h)


def _second_derivative(f: Map, v: Floats) -> Floats:
    h = SECOND_STEP
    near, far = f(v + h) + f(v - h), f(v + 2.0 * h) + f(v - 2.0 * h)
    return (16.0 * near - far - 30.0 * f(v)) / (12.0 * h**2)


#: Operators between numbers.
_ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "^": np.float_power,
}

_BASES = {"log": math.e, "log2": 2.0, "log10": 10.0}


def _power_of(base: float) -> tuple[Map, Map]:
    scale = np.log(base)
    return lambda v: np.exp(scale * v), lambda v: scale * np.exp(scale * v)


def _logistic(v: Floats) -> Floats:
    from scipy.special import expit

    out: Floats = expit(v)
    return out


def _logistic_slope(v: Floats) -> Floats:
    p = _logistic(v)
    return p * (1.0 - p)


def _normal(v: Floats) -> Floats:
    from scipy.special import ndtr

    out: Floats = ndtr(v)
    return out


#: Inverses and their slopes of the functions that have one.
_INVERSES: dict[str, tuple[Map, Map]] = {
    **{name: _power_of(base) for name, base in _BASES.items()},
    "log1p": (np.expm1, np.exp),
    # Limits below zero are those of the smallest response: their squares would turn back.
    "sqrt": (lambda v: np.square(np.maximum(v, 0.0)), lambda v: 2.0 * np.maximum(v, 0.0)),
    "exp": (np.log, np.reciprocal),
    "qlogis": (_logistic, _logistic_slope),
    "qnorm": (_normal, lambda v: np.exp(-0.5 * v * v) / np.sqrt(2.0 * np.pi)),
    "asinh": (np.sinh, np.cosh),
    "expm1": (np.log1p, lambda v: 1.0 / (1.0 + v)),
    "asin": (lambda v: np.sin(np.clip(v, -np.pi / 2, np.pi / 2)), lambda v: np.cos(np.clip(v, -np.pi / 2, np.pi / 2))),
    "acos": (lambda v: np.cos(np.clip(v, 0.0, np.pi)), lambda v: -np.sin(np.clip(v, 0.0, np.pi))),
    "atan": (np.tan, lambda v: 1.0 / np.cos(v) ** 2),
    "sinh": (np.arcsinh, lambda v: 1.0 / np.sqrt(1.0 + v * v)),
    "tanh": (np.arctanh, lambda v: 1.0 / (1.0 - v * v)),
}

_NAMES = {"qlogis": "logit", "qnorm": "probit"}


def fit_scale(fit: MixedFit) -> ResponseScale | None:
    """How means of a fit become responses:
    by the inverse of its link, and else by undoing the transformation on the left of its formula.

    Returns
    -------
    ResponseScale or None
        None where the means are on the scale of the response already.
    """
    if not fit.identity_scale:
        link = fit.family.link_function
        quantity = {"proportion": "probability", "count": "rate"}.get(fit.family.support, "response")
        return ResponseScale(link.name, link.mean, link.slope, quantity)
    response = fit.design.formula.response
    return response_scale(None if response is None else response.expr, fit.design.encoder.states)


def transformed_response(fit: MixedFit) -> str | None:
    """The left side of the formula where it is more than a column, as text."""
    response = fit.design.formula.response
    if not fit.identity_scale or response is None or isinstance(_bare(response.expr), Name):
        return None
    return deparse(response.expr)


def response_scale(expr: Expr | None, states: Mapping[str, Any] | None = None) -> ResponseScale | None:
    """Find how to undo the transformation on the left of a formula.

    Parameters
    ----------
    expr : expression or None
        The response, such as ``log(y)``, ``sqrt(y + 1)`` or ``-1 / y``.
    states : mapping, optional
        What functions learned from the data, such as the centre and spread of ``scale(y)``.

    Returns
    -------
    ResponseScale or None
        None where there is no transformation, or none that can be undone.
    """
    if expr is None or isinstance(_bare(expr), Name):
        return None
    found = _undone(expr, states or {})
    if found is None:
        return None
    node = _bare(expr)
    name, base = deparse(expr), None
    if isinstance(node, Call) and isinstance(_bare(node.arguments[0].value), Name):
        base = _log_base(node)
        if base is not None:
            name = next((n for n, b in _BASES.items() if b == base), name)
        elif len(node.arguments) == 1:
            name = _NAMES.get(node.function, node.function)
    elif isinstance(node, Call) and _log_base(node) == math.e and _odds(_bare(node.arguments[0].value)) == 1.0:
        name = "logit"
    return ResponseScale(name, *found, base=base)


def _bare(expr: Expr) -> Expr:
    """What is inside parentheses and ``I()``."""
    node = without_parens(expr)
    while isinstance(node, Call) and node.function == "I" and len(node.arguments) == 1:
        node = without_parens(node.arguments[0].value)
    return node


def _undone(expr: Expr, states: Mapping[str, Any]) -> tuple[Map, Map] | None:
    """The inverse of an expression in one column, with its slope."""
    node = _bare(expr)
    if isinstance(node, Name):
        return (lambda v: v), np.ones_like
    total = _odds(node)
    if total is not None:
        return (lambda v: total * v / (1.0 + v)), (lambda v: total / (1.0 + v) ** 2)
    step = _step(node, states)
    if step is None:
        return None
    inner, (inverse, slope) = step
    rest = _undone(inner, states)
    if rest is None:
        return None
    deeper, deeper_slope = rest
    return (lambda v: deeper(inverse(v))), (lambda v: deeper_slope(inverse(v)) * slope(v))


def _odds(node: Expr) -> float | None:
    """The total of ``p / (total - p)``, and None for anything else."""
    if not (isinstance(node, Binary) and node.operator == "/"):
        return None
    part, other = _bare(node.left), _bare(node.right)
    if not (isinstance(part, Name) and isinstance(other, Binary) and other.operator == "-"):
        return None
    return _constant(other.left) if _bare(other.right) == part else None


def _log_base(node: Call) -> float | None:
    """The base of a logarithm of its first argument."""
    if node.function in _BASES and len(node.arguments) == 1:
        return _BASES[node.function]
    if node.function != "log" or len(node.arguments) != 2 or node.arguments[0].keyword not in (None, "x"):
        return None
    base = _constant(node.arguments[1].value)
    return base if node.arguments[1].keyword in (None, "base") and base is not None and base > 0.0 else None


def _step(node: Expr, states: Mapping[str, Any]) -> tuple[Expr, tuple[Map, Map]] | None:
    """The outermost operation undone: what it was applied to, its inverse and the slope of that."""
    if isinstance(node, Call):
        return _call_undone(node, states)
    if isinstance(node, Unary) and node.operator == "-":
        return node.operand, (np.negative, lambda v: np.full_like(v, -1.0))
    if not isinstance(node, Binary):
        return None
    left, right = _constant(node.left), _constant(node.right)
    if (left is None) == (right is None):
        return None
    if right is not None:
        return _right_constant(node, right)
    assert left is not None
    return _left_constant(node, left)


def _call_undone(node: Call, states: Mapping[str, Any]) -> tuple[Expr, tuple[Map, Map]] | None:
    if not node.arguments or node.arguments[0].keyword not in (None, "x"):
        return None
    inner = node.arguments[0].value
    if node.function == "scale" and deparse(node) in states:
        state = states[deparse(node)]
        center, spread = (np.asarray(state[name], dtype=np.float64) for name in ("center", "scale"))
        if center.size != 1 or spread.size != 1:
            return None
        c, s = center.item(), spread.item()
        return inner, (lambda v: c + s * v, lambda v: np.full_like(v, s))
    base = _log_base(node)
    if base is not None:
        return inner, _power_of(base)
    if len(node.arguments) == 1 and node.function in _INVERSES:
        return inner, _INVERSES[node.function]
    return None


def _right_constant(node: Binary, c: float) -> tuple[Expr, tuple[Map, Map]] | None:
    operations: dict[str, tuple[Map, Map]] = {
        "+": (lambda v: v - c, np.ones_like),
        "-": (lambda v: v + c, np.ones_like),
    }
    if c != 0.0:
        operations["*"] = (lambda v: v / c, lambda v: np.full_like(v, 1.0 / c))
        operations["/"] = (lambda v: v * c, lambda v: np.full_like(v, c))
        operations["^"] = (lambda v: v ** (1.0 / c), lambda v: v ** (1.0 / c - 1.0) / c)
    return (node.left, operations[node.operator]) if node.operator in operations else None


def _left_constant(node: Binary, c: float) -> tuple[Expr, tuple[Map, Map]] | None:
    operations: dict[str, tuple[Map, Map]] = {
        "+": (lambda v: v - c, np.ones_like),
        "-": (lambda v: c - v, lambda v: np.full_like(v, -1.0)),
    }
    if c != 0.0:
        operations["*"] = (lambda v: v / c, lambda v: np.full_like(v, 1.0 / c))
        operations["/"] = (lambda v: c / v, lambda v: -c / v**2)
    return (node.right, operations[node.operator]) if node.operator in operations else None


def _constant(expr: Expr) -> float | None:
    """The value of arithmetic with numbers only."""
    node = _bare(expr)
    if isinstance(node, Number):
        return float(node.value)
    if isinstance(node, Unary) and node.operator in ("-", "+"):
        inner = _constant(node.operand)
        return None if inner is None else -inner if node.operator == "-" else inner
    if isinstance(node, Binary) and node.operator in _ARITHMETIC:
        left, right = _constant(node.left), _constant(node.right)
        if left is None or right is None or (node.operator == "/" and right == 0.0):
            return None
        return float(_ARITHMETIC[node.operator](left, right))
    return None
