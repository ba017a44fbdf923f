"""Means and spreads that can be merged, in an arithmetic in which no order of merging shows."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.errors import DesignError

Floats = NDArray[np.float64]

#: Splits a number into two halves of its digits, after Dekker.
SPLIT = 134217729.0


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Sums over the values of some columns that are not missing.

    Sums are kept as two numbers, of which the second is what rounding took from the first.

    Attributes
    ----------
    function : str
        What they are for.
    given : tuple
        Arguments ``center`` and ``scale``: True and False, or numbers.
    n, low, high : (k,) arrays
        Number, smallest and largest value of each column.
    total, squares : (2, k) arrays
        Sums of the values and of their squares.
    """

    function: str
    given: tuple[Any, ...]
    n: Floats
    low: Floats
    high: Floats
    total: Floats
    squares: Floats

    @classmethod
    def of(cls, columns: Floats, function: str, given: tuple[Any, ...]) -> "Moments":
        """Of the columns (n, k) of one batch."""
        rows = []
        for v in columns.T:
            x = v[~np.isnan(v)]
            if not len(x):
                rows.append((0.0, np.inf, -np.inf, 0.0, 0.0, 0.0, 0.0))
                continue
            square, error = _squared(x)
            high, low = _sum(square)
            rows.append((float(len(x)), float(x.min()), float(x.max()), *_sum(x), high, low + float(error.sum())))
        found = np.array(rows, dtype=np.float64).reshape(-1, 7).T
        return cls(function, given, found[0], found[1], found[2], found[3:5], found[5:7])

    def merged(self, other: "Moments") -> "Moments":
        """Of both parts."""
        low, high = np.minimum(self.low, other.low), np.maximum(self.high, other.high)
        n, total, squares = self.n + other.n, _added(self.total, other.total), _added(self.squares, other.squares)
        return Moments(self.function, self.given, n, low, high, total, squares)

    @property
    def mean(self) -> Floats:
        """Means; 0 of columns without values."""
        return np.array([_rounded(t) / max(n, 1.0) for t, n in zip(self.total.T, self.n, strict=True)])

    @property
    def m2(self) -> Floats:
        """Sums of squares about the means."""
        return np.array([_about_mean(t, s, n) for t, s, n in zip(self.total.T, self.squares.T, self.n, strict=True)])

    def state(self) -> dict[str, Any]:
        """What the function learned."""
        if self.function == "scale":
            return self._scaling()
        n, mean, m2 = float(self.n[0]), float(self.mean[0]), float(self.m2[0])
        if not n:
            return {"value": float("nan")}
        variance = m2 / (n - 1) if n > 1 else float("nan")
        value = {
            "mean": mean,
            "sum": mean * n,
            "var": variance,
            "sd": float(np.sqrt(variance)),
            "min": float(self.low[0]),
            "max": float(self.high[0]),
        }
        return {"value": value[self.function]}

    def _scaling(self) -> dict[str, Any]:
        center, spread = self.given
        k = len(self.mean)
        c = self.mean if center is True else np.zeros(k) if center is False else np.broadcast_to(center, (k,)).copy()
        if spread is True:
            # R divides the sum of squares, about whatever centre, by n - 1.
            s = np.sqrt((self.m2 + self.n * (self.mean - c) ** 2) / np.maximum(self.n - 1, 1.0))
            if (s == 0).any():
                raise DesignError("a column in scale() is constant and cannot be scaled.")
        else:
            s = np.ones(k) if spread is False else np.broadcast_to(spread, (k,)).copy()
        return {"center": np.asarray(c, dtype=np.float64), "scale": np.asarray(s, dtype=np.float64)}


def _two_sum(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """Sums and their rounding errors, after Knuth."""
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


def _sum(x: Floats) -> tuple[float, float]:
    """The sum of numbers in two parts."""
    low = 0.0
    while len(x) > 1:
        half = len(x) // 2
        s, error = _two_sum(x[:half], x[half : 2 * half])
        low += float(error.sum())
        x = s if len(x) % 2 == 0 else np.append(s, x[-1])
    return float(x[0]), low


def _squared(x: Floats) -> tuple[Floats, Floats]:
    """Squares and their rounding errors, after Dekker."""
    with np.errstate(over="ignore", invalid="ignore"):
        c = SPLIT * x
        high = c - (c - x)
        low = x - high
        square = x * x
        return square, ((high * high - square) + 2 * high * low) + low * low


def _added(a: Floats, b: Floats) -> Floats:
    high, error = _two_sum(a[0], b[0])
    return np.stack(_two_sum(high, error + (a[1] + b[1])))


def _rounded(pair: Floats) -> float:
    return float(pair[0] + pair[1])


def _about_mean(total: Floats, squares: Floats, n: float) -> float:
    if not n:
        return 0.0
    if not np.isfinite([*total, *squares]).all():
        return float("inf")
    s, q = (Fraction(float(v[0])) + Fraction(float(v[1])) for v in (total, squares))
    return max(float(q - s * s / Fraction(n)), 0.0)
