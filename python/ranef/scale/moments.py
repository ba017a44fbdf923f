"""Means and spreads that can be merged."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.errors import DesignError

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Sums over the values of some columns that are not missing, after Chan, Golub and LeVeque
    (1983).

    Attributes
    ----------
    function : str
        What they are for.
    given : tuple
        Arguments ``center`` and ``scale``: True and False, or numbers.
    n, mean, m2, low, high : (k,) arrays
        Number, mean, sum of squares about it, smallest and largest value of each column.
    """

    function: str
    given: tuple[Any, ...]
    n: Floats
    mean: Floats
    m2: Floats
    low: Floats
    high: Floats

    @classmethod
    def of(cls, columns: Floats, function: str, given: tuple[Any, ...]) -> "Moments":
        """Of the columns (n, k) of one batch."""
        rows = []
        for v in columns.T:
            x = v[~np.isnan(v)]
            if not len(x):
                rows.append((0.0, 0.0, 0.0, np.inf, -np.inf))
                continue
            mean = float(np.mean(x))
            mean += float(np.mean(x - mean))
            d = x - mean
            rows.append((float(len(x)), mean, float(d @ d), float(x.min()), float(x.max())))
        n, mean_, m2, low, high = np.array(rows, dtype=np.float64).reshape(-1, 5).T
        return cls(function, given, n, mean_, m2, low, high)

    def merged(self, other: "Moments") -> "Moments":
        """Of both parts."""
        n = self.n + other.n
        whole = np.maximum(n, 1.0)
        d = other.mean - self.mean
        mean = np.where(self.n == 0, other.mean, np.where(other.n == 0, self.mean, self.mean + d * (other.n / whole)))
        both = (self.n > 0) & (other.n > 0)
        m2 = self.m2 + other.m2 + np.where(both, d * d * (self.n * other.n / whole), 0.0)
        low, high = np.minimum(self.low, other.low), np.maximum(self.high, other.high)
        return Moments(self.function, self.given, n, mean, m2, low, high)

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
