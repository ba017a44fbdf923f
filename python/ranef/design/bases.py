"""Functions in formulas that make a basis of a curve, and scaling:
all keep what they need for new rows.
"""

import itertools
from dataclasses import dataclass

import numpy as np

from ranef.design.evaluate import Evaluator, State
from ranef.design.functions import Function, Named, Rest, flag, numbers_given, whole
from ranef.design.orthogonal import evaluate, recurrence
from ranef.design.rows import check_finite
from ranef.design.values import Factor, Floats, Logical, Numeric, Value
from ranef.errors import DesignError
from ranef.formula.deparse import deparse
from ranef.formula.syntax import Call, Expr


def _column(ev: Evaluator, node: Expr) -> Floats:
    values = ev.numbers(node).values
    if values.ndim != 1:
        ev.fail(f"{deparse(node)} has several columns, and one is needed here.", node)
    return values


def _columns(values: Floats) -> Numeric:
    """Numbered columns; one alone has no number, as in R."""
    if values.shape[1] == 1:
        return Numeric(values[:, 0])
    return Numeric(np.asfortranarray(values), tuple(str(j + 1) for j in range(values.shape[1])))


def _poly(ev: Evaluator, node: Call, named: Named, rest: Rest) -> Value:
    """Polynomials in one variable;
    in several, the products of theirs up to the degree together, as R's ``polym`` has them.
    """
    variables, degree = variables_of_poly(ev, named, rest)
    raw = flag(ev, named.get("raw"), "'raw'", False)
    if raw:
        parts = [np.column_stack([x**d for d in range(1, degree + 1)]) for x, _ in variables]
    else:

        def learn() -> State:
            found = [_recurrence(ev, node, x, source, degree) for x, source in variables]
            if len(found) == 1:
                return {"alpha": found[0][0], "norm2": found[0][1]}
            return {"alpha": np.stack([f[0] for f in found]), "norm2": np.stack([f[1] for f in found])}

        state = ev.state(node, learn)
        alpha, norm2 = np.atleast_2d(state["alpha"]), np.atleast_2d(state["norm2"])
        with np.errstate(all="ignore"):
            parts = [evaluate(x, a, s) for (x, _), a, s in zip(variables, alpha, norm2, strict=True)]
    if len(parts) == 1:
        return _columns(parts[0])
    # The degree in the first variable runs fastest.
    powers = [p[::-1] for p in itertools.product(range(degree + 1), repeat=len(parts)) if 0 < sum(p) <= degree]
    columns = [np.prod([part[:, d - 1] for part, d in zip(parts, power, strict=True) if d], axis=0) for power in powers]
    return Numeric(np.asfortranarray(np.column_stack(columns)), tuple(".".join(map(str, p)) for p in powers))


def variables_of_poly(ev: Evaluator, named: Named, rest: Rest) -> tuple[list[tuple[Floats, Expr]], int]:
    """The variables, each with the expression it came from, and the degree:
    a number beside one variable is that.
    """
    given, degree = [named["x"]], named.get("degree")
    for argument in rest:
        value = ev.value(argument.value)
        if isinstance(value, Numeric | Logical | Factor):
            given.append(argument.value)
        elif degree is None and len(rest) == 1:
            degree = argument.value
        else:
            ev.fail(f"{deparse(argument.value)} is not a variable.", argument.value)
    variables = []
    for source in given:
        values = ev.numbers(source).values
        variables += [(column, source) for column in (values.T if values.ndim == 2 else values[None, :])]
    return variables, 1 if degree is None else whole(ev, degree, "the degree of a polynomial", 1)


def _recurrence(ev: Evaluator, node: Call, x: Floats, source: Expr, degree: int) -> tuple[Floats, Floats]:
    check_finite(x, deparse(source), ev.table, None)
    known = x[~np.isnan(x)]
    if len(np.unique(known)) <= degree:
        ev.fail(
            f"a polynomial of degree {degree} needs more than {degree} different values, and {deparse(source)} has "
            "fewer.",
            node,
        )
    return recurrence(known, degree)


def _scale(ev: Evaluator, node: Call, named: Named, rest: Rest) -> Value:
    numeric = ev.numbers(named["x"])
    values = numeric.values if numeric.values.ndim == 2 else numeric.values[:, None]
    center, spread = (ev.value(named[p]) if p in named else True for p in ("center", "scale"))

    def learn() -> State:
        check_finite(values, deparse(named["x"]), ev.table, None)
        k = values.shape[1]
        with np.errstate(all="ignore"):
            if isinstance(center, bool):
                # The mean of nothing but missing values is missing.
                c = (
                    np.array([np.mean(v[~np.isnan(v)]) if not np.isnan(v).all() else np.nan for v in values.T])
                    if center
                    else np.zeros(k)
                )
            else:
                c = np.broadcast_to(numbers_given(ev, named["center"], "'center'"), (k,)).copy()
            if isinstance(spread, bool):
                s = np.ones(k)
                if spread:
                    # R divides the sum of squares, about whatever centre, by n - 1.
                    moved = [v[~np.isnan(v)] for v in (values - c).T]
                    s = np.array([np.sqrt(m @ m / max(1, len(m) - 1)) for m in moved])
            else:
                s = np.broadcast_to(numbers_given(ev, named["scale"], "'scale'"), (k,)).copy()
        if (s == 0).any():
            ev.fail(f"{deparse(named['x'])} is constant and cannot be scaled.", node)
        if np.isinf(s).any() or np.isinf(c).any():
            ev.fail(f"{deparse(named['x'])} is not finite and cannot be scaled.", node)
        return {"center": c, "scale": s}

    state = ev.state(node, learn)
    with np.errstate(all="ignore"):  # what is not finite is refused with the columns
        out = (values - state["center"]) / state["scale"]
    return Numeric(out[:, 0]) if numeric.values.ndim == 1 else Numeric(out, numeric.suffixes)


@dataclass(frozen=True, slots=True, eq=False)
class Spline:
    """What a call of ``bs`` or ``ns`` asks for.

    Attributes
    ----------
    what : str
        The variable, for messages.
    natural, intercept : bool
    degree : int
    interior : int
        Number of knots at quantiles.
    knots, boundary : array or None
        Those that are given.
    """

    what: str
    natural: bool
    intercept: bool
    degree: int
    interior: int
    knots: Floats | None
    boundary: Floats | None

    def inside(self, x: Floats) -> Floats:
        """The values that knots are placed by."""
        known = x[~np.isnan(x)]
        if self.boundary is None:
            return known
        inside: Floats = known[(known >= self.boundary[0]) & (known <= self.boundary[1])]
        return inside

    def probabilities(self) -> Floats:
        """Of the quantiles at which knots are placed, as R places them."""
        return np.linspace(0, 1, self.interior + 2)[1:-1] if self.knots is None else np.empty(0)

    def state(self, low: float, high: float, quantiles: Floats) -> State:
        """What is kept of the data: their range, and the quantiles."""
        boundary = np.array([low, high]) if self.boundary is None else self.boundary
        if boundary[0] == boundary[1]:
            raise DesignError(f"{self.what} is constant, so it has no spline.")
        state = {"knots": quantiles if self.knots is None else self.knots, "boundary": boundary}
        if not self.natural:
            return state
        curvature = _design(boundary, _all_knots(state, 3), 3, derivative=2)
        # The splines without curvature at the boundary: what is orthogonal to the two curvatures,
        # in R's choice of a basis.
        q = np.linalg.qr((curvature if self.intercept else curvature[:, 1:]).T, mode="complete")[0]
        return {**state, "rotation": q[:, 2:]}


def spline(ev: Evaluator, node: Call, named: Named) -> Spline:
    """Read the arguments of ``bs`` and ``ns``."""
    natural = node.function == "ns"
    degree = whole(ev, named["degree"], "the degree of a spline", 1) if "degree" in named and not natural else 3
    intercept = flag(ev, named.get("intercept"), "'intercept'", False)
    interior = 0
    if "df" in named and ev.value(named["df"]) is not None:
        least = 1 + intercept if natural else degree + intercept
        interior = whole(ev, named["df"], "the degrees of freedom of this spline", least) - least
    boundary = knots = None
    if "Boundary.knots" in named:
        boundary = np.sort(numbers_given(ev, named["Boundary.knots"], "the boundary knots"))
        if len(boundary) != 2:
            ev.fail("there are two boundary knots.", named["Boundary.knots"])
    if "knots" in named and ev.value(named["knots"]) is not None:
        knots = np.sort(numbers_given(ev, named["knots"], "the knots"))
    return Spline(deparse(named["x"]), natural, intercept, degree, interior, knots, boundary)


def _spline_state(ev: Evaluator, node: Call, asked: Spline, x: Floats) -> State:
    known = x[~np.isnan(x)]
    if not len(known):
        ev.fail(f"{asked.what} has only missing values.", node)
    check_finite(x, asked.what, ev.table, None)
    quantiles = np.quantile(asked.inside(x), asked.probabilities()) if len(asked.probabilities()) else np.empty(0)
    try:
        return asked.state(float(known.min()), float(known.max()), quantiles)
    except DesignError as problem:
        ev.fail(str(problem), node)


def _design(x: Floats, knots: Floats, degree: int, derivative: int = 0) -> Floats:
    """B-splines at points; beyond the boundary the outermost polynomial goes on.

    Missing points stay missing.
    """
    from scipy.interpolate import BSpline

    if not np.isfinite(knots).all():
        raise DesignError("the knots of a spline must be finite.")
    curves = BSpline(knots, np.eye(len(knots) - degree - 1), degree, extrapolate=True)
    out: Floats = curves(x, nu=derivative)
    return out


def _all_knots(state: State, degree: int) -> Floats:
    return np.sort(np.concatenate([np.repeat(state["boundary"], degree + 1), state["knots"]]))


def _bs(ev: Evaluator, node: Call, named: Named, rest: Rest) -> Value:
    x = _column(ev, named["x"])
    asked = spline(ev, node, named)
    state = ev.state(node, lambda: _spline_state(ev, node, asked, x))
    basis = _design(x, _all_knots(state, asked.degree), asked.degree)
    return _columns(basis if asked.intercept else basis[:, 1:])


def _ns(ev: Evaluator, node: Call, named: Named, rest: Rest) -> Value:
    x = _column(ev, named["x"])
    asked = spline(ev, node, named)
    state = ev.state(node, lambda: _spline_state(ev, node, asked, x))
    knots, (low, high) = _all_knots(state, 3), state["boundary"]
    with np.errstate(invalid="ignore"):
        basis = _design(np.clip(x, low, high), knots, 3)
        for end, outside in ((low, x < low), (high, x > high)):
            if outside.any():
                slope = _design(np.array([end]), knots, 3, derivative=1)
                basis[outside] += (x[outside] - end)[:, None] * slope
    return _columns((basis if asked.intercept else basis[:, 1:]) @ state["rotation"])


BASES: dict[str, Function] = {"poly": _poly, "scale": _scale, "bs": _bs, "ns": _ns}
