"""Self-starting curves, with R's parametrisations and orders of arguments: a formula, and values of
the parameters near any data.

The parameters in which a curve is not linear are tried on a grid, the others follow by least
squares; what fits best is the start.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ranef.formula.parser import parse_expression
from ranef.formula.syntax import Argument, Binary, Call, Expr, Name, Paren, Unary

Floats = NDArray[np.float64]

#: Rows that a grid is tried on, at most.
ENOUGH_ROWS = 400

#: Points of a grid with one and with two dimensions.
LINE, SIDE = 60, 24

#: Scales of logistic curves, as shares of the range.
SCALES = 1.0 / np.geomspace(2, 60, 16)

#: Least squares of two columns that are nearly the same are no start.
INDEPENDENT = 1e-10


@dataclass(frozen=True, slots=True)
class Trial:
    """Points of a grid.

    Attributes
    ----------
    columns : (points, rows, m) array
        What the response is a combination of.
    values : callable
        The parameters of the curve from the coefficients (m,) and the number of the point.
    """

    columns: Floats
    values: Callable[[Floats, int], tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class SelfStart:
    """A curve that finds its own starting values.

    Attributes
    ----------
    name : str
    inputs, parameters : tuple of str
        Its arguments in their order.
    formula : str
    trial : callable
        The grid for inputs (rows, k).
    """

    name: str
    inputs: tuple[str, ...]
    parameters: tuple[str, ...]
    formula: str
    trial: Callable[[Floats], Trial]

    def expanded(self, arguments: tuple[Expr, ...]) -> Expr:
        """The formula with expressions in the place of the arguments."""
        given = dict(zip((*self.inputs, *self.parameters), arguments, strict=True))
        return substituted(_formula(self.formula), given)

    def start(self, inputs: Floats, y: Floats) -> tuple[float, ...] | None:
        """Values of the parameters near data; None where there are none.

        Parameters
        ----------
        inputs : (n, k) array
        y : (n,) array
        """
        keep = np.isfinite(y) & np.isfinite(inputs).all(axis=1)
        inputs, y = inputs[keep], y[keep]
        if len(y) > ENOUGH_ROWS:
            chosen = np.linspace(0, len(y) - 1, ENOUGH_ROWS).astype(np.intp)
            inputs, y = inputs[chosen], y[chosen]
        if len(y) == 0:
            return None
        with np.errstate(all="ignore"):
            trial = self.trial(inputs)
            coefficients, lost = _least_squares(trial.columns, y)
            for point in np.argsort(lost):
                if not np.isfinite(lost[point]):
                    return None
                values = trial.values(coefficients[point], int(point))
                if np.isfinite(values).all():
                    return tuple(float(v) for v in values)
        return None


@cache
def _formula(text: str) -> Expr:
    """The formula of one of the curves here, parsed once."""
    return parse_expression(text)


def substituted(node: Expr, given: dict[str, Expr]) -> Expr:
    """An expression with others in the place of its names."""
    if isinstance(node, Name):
        return given.get(node.name, node)
    if isinstance(node, Paren):
        return Paren(substituted(node.inner, given), node.span)
    if isinstance(node, Unary):
        return Unary(node.operator, substituted(node.operand, given), node.span)
    if isinstance(node, Binary):
        return Binary(node.operator, substituted(node.left, given), substituted(node.right, given), node.span)
    if isinstance(node, Call):
        arguments = tuple(Argument(substituted(a.value, given), a.keyword) for a in node.arguments)
        return Call(node.function, arguments, node.package, node.span, node.function_span)
    return node


def _least_squares(columns: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Coefficients (points, m) of one or two columns, and the sums of squares they leave."""
    bad: NDArray[np.bool_] = np.logical_not(np.isfinite(columns).all(axis=(1, 2)))
    if bad.any():
        columns = np.where(bad[:, None, None], 0.0, columns)
    transposed = columns.transpose(0, 2, 1)
    products, right = transposed @ columns, transposed @ y
    if columns.shape[2] == 1:
        coefficients = right / products[:, :, 0]
    else:
        determinant = products[:, 0, 0] * products[:, 1, 1] - products[:, 0, 1] ** 2
        bad |= determinant <= INDEPENDENT * products[:, 0, 0] * products[:, 1, 1]
        first = products[:, 1, 1] * right[:, 0] - products[:, 0, 1] * right[:, 1]
        second = products[:, 0, 0] * right[:, 1] - products[:, 0, 1] * right[:, 0]
        coefficients = np.stack([first, second], axis=1) / determinant[:, None]
    lost = y @ y - np.sum(coefficients * right, axis=1)
    return coefficients, np.where(bad | ~np.isfinite(lost), np.inf, lost)


def _spread(x: Floats) -> tuple[float, float, float]:
    """Smallest and largest value, and their distance (1 where there is none)."""
    low, high = float(x.min()), float(x.max())
    return low, high, high - low if high > low else 1.0


def _rates(x: Floats, points: int) -> Floats:
    """Rates at which something decays within the range of x, or hardly."""
    length = max(_spread(x)[2], abs(float(x.max())))
    # a geometric series, as geomspace gives it in a fifth of the time
    return 0.1 * 2000.0 ** np.linspace(0.0, 1.0, points) / (length if length > 0 else 1.0)


def _pairs(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """All pairs of two sets."""
    first, second = np.meshgrid(a, b, indexing="ij")
    return first.ravel(), second.ravel()


def _logistic(x: Floats) -> tuple[Floats, Floats, Floats]:
    """Middles, scales and values (points, rows) of logistic curves over the range of x."""
    low, high, length = _spread(x)
    middle, scale = _pairs(np.linspace(low - 0.2 * length, high + 0.2 * length, SIDE), length * SCALES)
    return middle, scale, 1.0 / (1.0 + np.exp(-(x - middle[:, None]) / scale[:, None]))


def _slogis(inputs: Floats) -> Trial:
    middle, scale, s = _logistic(inputs[:, 0])
    return Trial(s[:, :, None], lambda c, i: (c[0], middle[i], scale[i]))


def _fpl(inputs: Floats) -> Trial:
    middle, scale, s = _logistic(inputs[:, 0])
    return Trial(np.stack([1.0 - s, s], axis=2), lambda c, i: (c[0], c[1], middle[i], scale[i]))


def _decay(inputs: Floats, points: int = LINE) -> tuple[Floats, Floats]:
    """Rates, and the exponentials (points, rows) that decay with them."""
    rates = _rates(inputs[:, 0], points)
    return rates, np.exp(-rates[:, None] * inputs[:, 0])


def _asymp(inputs: Floats) -> Trial:
    rates, e = _decay(inputs)
    return Trial(np.stack([1.0 - e, e], axis=2), lambda c, i: (c[0], c[1], np.log(rates[i])))


def _asymp_off(inputs: Floats) -> Trial:
    rates, e = _decay(inputs)

    def values(c: Floats, i: int) -> tuple[float, ...]:
        return c[0], np.log(rates[i]), np.log(-c[1] / c[0]) / rates[i]

    return Trial(np.stack([np.ones_like(e), e], axis=2), values)


def _asymp_orig(inputs: Floats) -> Trial:
    rates, e = _decay(inputs)
    return Trial((1.0 - e)[:, :, None], lambda c, i: (c[0], np.log(rates[i])))


def _two_decays(inputs: Floats) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
    """Of all pairs of a slow and a fast rate these and their exponentials (points, rows)."""
    rates, e = _decay(inputs, SIDE)
    slow, fast = np.triu_indices(SIDE, 1)
    return (rates[slow], e[slow]), (rates[fast], e[fast])


def _biexp(inputs: Floats) -> Trial:
    (slow, of_slow), (fast, of_fast) = _two_decays(inputs)
    columns = np.stack([of_fast, of_slow], axis=2)
    return Trial(columns, lambda c, i: (c[0], np.log(fast[i]), c[1], np.log(slow[i])))


def _fol(inputs: Floats) -> Trial:
    (slow, of_slow), (fast, of_fast) = _two_decays(inputs[:, 1:])
    columns = (inputs[:, 0] * (slow * fast / (fast - slow))[:, None] * (of_slow - of_fast))[:, :, None]
    return Trial(columns, lambda c, i: (np.log(slow[i]), np.log(fast[i]), -np.log(c[0])))


def _gompertz(inputs: Floats) -> Trial:
    x = inputs[:, 0]
    displacement, rates = _pairs(np.geomspace(0.05, 50.0, SIDE), _rates(x, SIDE))
    columns = np.exp(-displacement[:, None] * np.exp(-rates[:, None] * x))[:, :, None]
    return Trial(columns, lambda c, i: (c[0], displacement[i], np.exp(-rates[i])))


def _micmen(inputs: Floats) -> Trial:
    x = inputs[:, 0]
    size = float(np.abs(x).max()) or 1.0
    half = size * np.geomspace(1e-3, 20.0, LINE)
    return Trial((x / (half[:, None] + x))[:, :, None], lambda c, i: (c[0], half[i]))


def _weibull(inputs: Floats) -> Trial:
    x = inputs[:, 0]
    _, high, _ = _spread(x)
    scale, power = _pairs(abs(high or 1.0) * np.geomspace(0.02, 3.0, SIDE), np.geomspace(0.4, 8.0, 16))
    e = np.exp(-((x / scale[:, None]) ** power[:, None]))
    columns = np.stack([np.ones_like(e), -e], axis=2)
    return Trial(columns, lambda c, i: (c[0], c[1], -power[i] * np.log(scale[i]), power[i]))


#: R's selfStart models by name.
SELF_STARTS = {
    s.name: s
    for s in (
        SelfStart("SSasymp", ("input",), ("Asym", "R0", "lrc"), "Asym + (R0 - Asym) * exp(-exp(lrc) * input)", _asymp),
        SelfStart(
            "SSasympOff", ("input",), ("Asym", "lrc", "c0"), "-Asym * expm1(-exp(lrc) * (input - c0))", _asymp_off
        ),
        SelfStart("SSasympOrig", ("input",), ("Asym", "lrc"), "-Asym * expm1(-exp(lrc) * input)", _asymp_orig),
        SelfStart(
            "SSbiexp",
            ("input",),
            ("A1", "lrc1", "A2", "lrc2"),
            "A1 * exp(-exp(lrc1) * input) + A2 * exp(-exp(lrc2) * input)",
            _biexp,
        ),
        SelfStart(
            "SSfol",
            ("Dose", "input"),
            ("lKe", "lKa", "lCl"),
            # exprel is (exp(x) - 1) / x, so that equal rates divide no zero by zero
            "Dose * exp(lKe + lKa - lCl) * input * exp(-exp(lKe) * input) * exprel((exp(lKe) - exp(lKa)) * input)",
            _fol,
        ),
        SelfStart("SSfpl", ("input",), ("A", "B", "xmid", "scal"), "A + (B - A) * plogis((input - xmid) / scal)", _fpl),
        SelfStart("SSgompertz", ("x",), ("Asym", "b2", "b3"), "Asym * exp(-b2 * b3^x)", _gompertz),
        SelfStart("SSlogis", ("input",), ("Asym", "xmid", "scal"), "Asym * plogis((input - xmid) / scal)", _slogis),
        SelfStart("SSmicmen", ("input",), ("Vm", "K"), "Vm * input / (K + input)", _micmen),
        SelfStart(
            "SSweibull", ("x",), ("Asym", "Drop", "lrc", "pwr"), "Asym - Drop * exp(-exp(lrc) * x^pwr)", _weibull
        ),
    )
}
