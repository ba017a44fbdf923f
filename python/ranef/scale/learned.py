"""Functions in formulas that depend on all rows, such as means, knots and orthogonal polynomials:
what is added up for them batch by batch, and what follows from it.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self, TypeGuard

import numpy as np
from numpy.typing import NDArray

from ranef.data.table import Table
from ranef.design.bases import Spline, spline, variables_of_poly
from ranef.design.evaluate import Evaluator, State
from ranef.design.factors import even_breaks
from ranef.design.functions import numbers_given, whole
from ranef.design.values import Numeric, Value
from ranef.errors import DataError, DesignError
from ranef.formula.deparse import deparse
from ranef.formula.syntax import Binary, Call, Expr, Paren, Unary, children, names_in, walk
from ranef.formula.vocabulary import match_arguments
from ranef.scale.moments import Moments
from ranef.scale.order_statistics import OrderStatistics, wanted
from ranef.scale.power_sums import PowerSums

Floats = NDArray[np.float64]

#: Functions whose numbers are found from sums over batches.
SUMMED = ("scale", "mean", "sd", "var", "min", "max", "sum")

#: Functions of which rows of one batch give the values that are missing, whatever is learned.
PLAIN = (*SUMMED, "median", "poly", "bs", "ns")

LEARNED = (*PLAIN, "quantile", "cut")

#: For expressions of constants.
_NOTHING = Table.from_data({})

#: Functions through which only sums and products of their arguments pass.
_LINEAR = ("I", "c", "as.vector", "offset")


@dataclass(frozen=True, slots=True, eq=False)
class LearnedCall:
    """A call of such a function in a formula.

    Attributes
    ----------
    node : Call
    key : str
        Its text.
    inner : frozenset of str
        Such calls among its arguments, which must be known first.
    decides : bool
        Whether what is learned decides which rows are used or which levels there are.
    text : str
        What it is a part of.
    """

    node: Call
    key: str
    inner: frozenset[str]
    decides: bool
    text: str


def learned_calls(expressions: "list[tuple[Expr, bool, str]]") -> list[LearnedCall]:
    """The calls in some expressions, each of which comes with whether it is one of numbers in the
    model, as a grouping factor is not, and with the text that it is a part of.
    """
    found: dict[str, LearnedCall] = {}
    for expression, plain, text in expressions:
        for node, decides in _calls(expression, not plain):
            key = deparse(node)
            inner = frozenset(deparse(n) for c in children(node) for n in walk(c) if _is_learned(n))
            before = found.get(key)
            found[key] = LearnedCall(node, key, inner, decides or (before is not None and before.decides), text)
    return list(found.values())


def _is_learned(node: Expr) -> TypeGuard[Call]:
    if not isinstance(node, Call) or node.function not in LEARNED:
        return False
    named, _ = match_arguments(node, "")
    if node.function == "poly":
        return "raw" not in named or not Evaluator(_NOTHING, "").value(named["raw"])
    if node.function == "cut":
        breaks = named["breaks"]
        if names_in(breaks):
            return False  # they are quantiles, or the like
        given = Evaluator(_NOTHING, "").value(breaks)
        return not isinstance(given, list) or len(given) == 1
    return True


def _calls(node: Expr, decides: bool) -> "list[tuple[Call, bool]]":
    out: list[tuple[Call, bool]] = []
    if isinstance(node, Call):
        learned = _is_learned(node)
        below = decides or node.function not in (PLAIN if learned else _LINEAR)
        if learned:
            out.append((node, below))
    else:
        linear = isinstance(node, Paren | Unary) or (isinstance(node, Binary) and node.operator in "+-*/")
        below = decides or not linear
    for child in children(node):
        out += _calls(child, below)
    return out


class Learner(Protocol):
    """What is added up for one call in one look at the data."""

    def merged(self, other: Self, /) -> Self:
        """Of both parts."""

    def state(self) -> State | None:
        """What was learned; None if another look is needed."""

    def following(self) -> Self:
        """What the next look adds to."""


@dataclass(frozen=True, slots=True, eq=False)
class Polynomials:
    """Of the variables of one ``poly``."""

    sums: tuple[PowerSums, ...]

    def merged(self, other: "Polynomials") -> "Polynomials":
        """Of both parts."""
        return Polynomials(tuple(a.merged(b) for a, b in zip(self.sums, other.sums, strict=True)))

    def state(self) -> State:
        """What was learned; None if another look is needed."""
        found = [s.recurrence() for s in self.sums]
        if len(found) == 1:
            return {"alpha": found[0][0], "norm2": found[0][1]}
        return {"alpha": np.stack([f[0] for f in found]), "norm2": np.stack([f[1] for f in found])}

    def following(self) -> "Polynomials":
        """What the next look adds to."""
        return self


@dataclass(frozen=True, slots=True, eq=False)
class Ordered:
    """Of a function of order statistics.

    Attributes
    ----------
    statistics : OrderStatistics
    range : OrderStatistics
        Of all values, where only some of them matter for the quantiles.
    kind : {"quantile", "median", "cut"} or Spline
    intervals : int
        Of ``cut``.
    """

    statistics: OrderStatistics
    range: OrderStatistics
    kind: str | Spline
    intervals: int = 0

    def added(self, x: Floats) -> "Ordered":
        """With the values of a batch, of which none is missing."""
        inside = self.kind.inside(x) if isinstance(self.kind, Spline) else x
        return replace(self, statistics=self.statistics.added(inside), range=self.range.added(x))

    def merged(self, other: "Ordered") -> "Ordered":
        """Of both parts."""
        return replace(self, statistics=self.statistics.merged(other.statistics), range=self.range.merged(other.range))

    def state(self) -> State | None:
        """What was learned; None if another look is needed."""
        quantiles = self.statistics.quantiles()
        if quantiles is None:
            return None
        low, high = self.range.low, self.range.high
        if isinstance(self.kind, Spline):
            if not self.range.n:
                raise DesignError(f"{self.kind.what} has only missing values.")
            return self.kind.state(low, high, quantiles)
        if self.kind == "cut":
            return {"breaks": even_breaks(low, high, self.intervals)}
        if self.kind == "quantile":
            return {"values": quantiles}
        found = self.statistics.found()
        n = self.statistics.n
        if not found:
            return {"value": float("nan")}
        return {"value": found[n // 2] if n % 2 else (found[n // 2 - 1] + found[n // 2]) / 2}

    def following(self) -> "Ordered":
        """What the next look adds to."""
        return replace(self, statistics=self.statistics.following())


def add_batch(ev: Evaluator, call: LearnedCall, before: Any) -> Any:
    """Add the rows of a batch to what was seen of a call."""
    node = call.node
    named, rest = match_arguments(node, ev.text)
    if node.function == "poly":
        variables, degree = variables_of_poly(ev, named, rest)
        sums = []
        for i, (x, source) in enumerate(variables):
            known = _known(x, deparse(source))
            sums.append(PowerSums.of(known, degree, deparse(source), None if before is None else before.sums[i]))
        found = Polynomials(tuple(sums))
        return found if before is None else before.merged(found)
    if node.function in SUMMED:
        moments = _moments(ev, node, named, rest)
        return moments if before is None else before.merged(moments)
    if node.function == "median":
        parts = [named["x"]] if "x" in named else [a.value for a in rest]
        x = np.concatenate([ev.numbers(part).values.ravel() for part in parts])
        # Of two middle ranks or one: the neighbours of the middle are looked for.
        start = before or Ordered(wanted((0.5,)), wanted(()), "median")
        return start.added(_known(x, deparse(parts[0])))
    values = ev.numbers(named["x"]).values
    x = _known(values.ravel(), deparse(named["x"]))
    return (before or _ordered(ev, node, named)).added(x)


def _ordered(ev: Evaluator, node: Call, named: Mapping[str, Expr]) -> Ordered:
    if node.function == "quantile":
        given = numbers_given(ev, named["probs"], "the probabilities") if "probs" in named else np.linspace(0, 1, 5)
        return Ordered(wanted(given.tolist()), wanted(()), "quantile")
    if node.function == "cut":
        return Ordered(wanted(()), wanted(()), "cut", whole(ev, named["breaks"], "the number of intervals", 2))
    asked = spline(ev, node, dict(named))
    return Ordered(wanted(asked.probabilities().tolist()), wanted(()), asked)


def _known(x: Floats, what: str) -> Floats:
    known = x[~np.isnan(x)]
    if np.isinf(known).any():
        raise DataError(f"{what} is infinite in some row. Make it missing, or leave such rows out.")
    return known


def _moments(ev: Evaluator, node: Call, named: Mapping[str, Expr], rest: Any) -> Moments:
    parts = [named["x"]] if "x" in named else [a.value for a in rest]
    values = [ev.numbers(part).values for part in parts]
    if node.function != "scale":
        values = [np.concatenate([v.ravel() for v in values])]
    columns = values[0] if values[0].ndim == 2 else values[0][:, None]
    _known(columns.ravel(), deparse(parts[0]))
    given = tuple(_constant(ev, named.get(p)) for p in ("center", "scale"))
    return Moments.of(columns, node.function, given)


def _constant(ev: Evaluator, node: Expr | None) -> bool | tuple[float, ...]:
    if node is None:
        return True
    value = ev.value(node)
    if isinstance(value, bool):
        return value
    given: list[Any] = value if isinstance(value, list) else [value]
    if not all(isinstance(v, float | int) and math.isfinite(v) for v in given):
        ev.fail(f"{deparse(node)} must be TRUE, FALSE or numbers.", node)
    return tuple(float(v) for v in given)


class SurveyEvaluator(Evaluator):
    """Evaluates a batch while some functions have not learned what they need.

    Stand-ins are used for these, by which the same rows are missing.

    Parameters
    ----------
    table : Table
    text : str
    known : dict
        What was learned in earlier looks.
    """

    __slots__ = ("_known",)

    def __init__(self, table: Table, text: str, known: Mapping[str, State]):
        super().__init__(table, text)
        self._known = known

    def beside(self, text: str) -> "SurveyEvaluator":
        """The evaluator of another expression, which knows what this one knows."""
        return SurveyEvaluator(self.table, text, self._known)

    def value(self, node: Expr) -> Value:
        """The value, or a stand-in."""
        if not _is_learned(node) or deparse(node) in self._known:
            return super().value(node)
        named, rest = match_arguments(node, self.text)
        if node.function in ("scale", "bs", "ns"):
            return self.numbers(named["x"])
        if node.function == "poly":
            variables, _ = variables_of_poly(self, named, rest)
            return Numeric(np.asarray(sum(x * 0.0 for x, _ in variables)))
        return 1.0

    def state(self, node: Expr, learn: Callable[[], State]) -> State:
        """What is known, or what this batch says where batches do not matter."""
        known = self._known.get(deparse(node))
        return learn() if known is None else known
