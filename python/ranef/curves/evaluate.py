"""Values and derivatives of a mean function that calls functions of the user's."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.curves.expression import CONSTANTS, Curve
from ranef.curves.jets import JetArray, n_parts, pair
from ranef.errors import DataError
from ranef.formula.deparse import deparse
from ranef.formula.syntax import Binary, Call, Expr, Name, Number, Unary, without_parens

Floats = NDArray[np.float64]

#: Step along the imaginary axis, which loses no digits, and relative step of differences.
IMAGINARY, RELATIVE = 1e-30, 1e-5

_FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    name: getattr(np, name) for name in ("exp", "log", "log2", "log10", "log1p", "expm1", "sqrt", "sin", "cos", "tan")
} | {
    "tanh": np.tanh,
    "atan": np.arctan,
    "plogis": lambda x: 1.0 / (1.0 + np.exp(-x)),
    "exprel": lambda x: np.expm1(x) / x,
    "I": lambda x: x,
}


def values_of(curve: Curve, covariates: Sequence[Floats], parameters: Sequence[Any]) -> Any:
    """The curve at parameters that are arrays of numbers, of complex numbers or jets."""
    places = {deparse(c): v for c, v in zip(curve.covariates, covariates, strict=True)}
    given = dict(zip(curve.parameters, parameters, strict=True))

    def go(node: Expr) -> Any:
        inner = without_parens(node)
        if isinstance(inner, Number):
            return inner.value
        label = deparse(inner)
        if label in places:
            return places[label]
        if isinstance(inner, Name):
            return given[inner.name] if inner.name in given else CONSTANTS[inner.name]
        if isinstance(inner, Unary):
            value = go(inner.operand)
            return -value if inner.operator == "-" else value
        if isinstance(inner, Binary):
            a, b = go(inner.left), go(inner.right)
            return {"+": lambda: a + b, "-": lambda: a - b, "*": lambda: a * b, "/": lambda: a / b, "^": lambda: a**b}[
                inner.operator
            ]()
        assert isinstance(inner, Call)
        arguments = [go(a.value) for a in inner.arguments]
        own = curve.functions.get(inner.function)
        return _FUNCTIONS[inner.function](*arguments) if own is None else own(*arguments)

    with np.errstate(all="ignore"):
        return go(curve.tree)


def takes_jets(curve: Curve, covariates: Sequence[Floats], parameters: Floats) -> bool:
    """Whether the functions of a curve pass on derivatives."""
    try:
        found = derivatives_of(curve, covariates, parameters, 3)
    except Exception:  # whatever a function of the user's raises when it meets an unknown array
        return False
    with np.errstate(all="ignore"):
        plain = np.broadcast_to(np.asarray(values_of(curve, covariates, list(parameters))), found[0].shape)
    return bool(np.array_equal(found[0], plain, equal_nan=True) or np.allclose(found[0], plain, equal_nan=True))


def derivatives_of(curve: Curve, covariates: Sequence[Floats], parameters: Floats, order: int) -> Floats:
    """Values and derivatives (parts, n), by jets."""
    p = len(parameters)
    jets = [JetArray.variable(v, i, p, order) for i, v in enumerate(parameters)]
    found = values_of(curve, covariates, jets)
    if not isinstance(found, JetArray):
        raise TypeError("a function of the curve does not pass on derivatives")
    return found.parts


def differences_of(curve: Curve, covariates: Sequence[Floats], parameters: Floats, order: int) -> Floats:
    """Values, first and second derivatives (parts, n), of functions that take numbers alone."""
    p, n = parameters.shape
    out = np.zeros((n_parts(p, order), n))
    out[0] = real_values(curve, covariates, parameters)
    if order < 1:
        return out
    out[1 : 1 + p] = _slopes(curve, covariates, parameters)
    if order < 2:
        return out
    for i in range(p):
        step = RELATIVE * np.maximum(np.abs(parameters[i]), 1e-3)
        up, down = parameters.copy(), parameters.copy()
        up[i] += step
        down[i] -= step
        change = (_slopes(curve, covariates, up) - _slopes(curve, covariates, down)) / (2.0 * step)
        for j in range(p):
            # both orders of a pair, averaged
            out[1 + p + pair(i, j)] += change[j] * (1.0 if i == j else 0.5)
    return out


def real_values(curve: Curve, covariates: Sequence[Floats], parameters: Floats) -> Floats:
    """Values (n,) of the curve, checked for their shape."""
    n = parameters.shape[1]
    found = np.asarray(values_of(curve, covariates, list(parameters)))
    if found.shape != (n,) and found.ndim != 0:
        raise DataError(
            f"the curve gives an array of shape {found.shape} for {n} rows; its function must give one number for each "
            "row."
        )
    if found.dtype.kind not in "fiub":
        raise DataError(f"the curve gives values of type {found.dtype}, and numbers are needed.")
    return np.array(np.broadcast_to(found, (n,)), dtype=np.float64)


def _slopes(curve: Curve, covariates: Sequence[Floats], parameters: Floats) -> Floats:
    """First derivatives (p, n): by a complex step, or by differences where that fails."""
    out = np.empty_like(parameters)
    for i in range(len(parameters)):
        given: list[Any] = list(parameters)
        given[i] = parameters[i] + 1j * IMAGINARY
        try:
            with warnings.catch_warnings():
                # a part that is lost is no derivative
                warnings.simplefilter("error", np.exceptions.ComplexWarning)
                found = np.asarray(values_of(curve, covariates, given))
        except Exception:  # a function that takes no complex numbers
            found = np.zeros(0)
        if found.dtype.kind == "c" and np.isfinite(found).all():
            out[i] = found.imag / IMAGINARY
            continue
        step = RELATIVE * np.maximum(np.abs(parameters[i]), 1e-3)
        up, down = parameters.copy(), parameters.copy()
        up[i] += step
        down[i] -= step
        out[i] = (real_values(curve, covariates, up) - real_values(curve, covariates, down)) / (2.0 * step)
    return out
