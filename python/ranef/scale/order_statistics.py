"""Exact quantiles of values that are seen in batches, by counting (radix selection)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bits = NDArray[np.uint64]

#: Values that are kept rather than counted: 8 MB.
KEPT = 1 << 20

#: Bits of a value that one look settles.
_STEP = 16


@dataclass(frozen=True, slots=True, eq=False)
class OrderStatistics:
    """Values, or counts of them, from which some order statistics follow.

    A look at all values counts them by their next 16 bits; the following looks count only those
    that begin like one of the order statistics wanted, until these few can be kept.

    Attributes
    ----------
    probabilities : tuple of float
        Of the quantiles wanted.
    n, low, high
        Number of values, the smallest and the largest; they are those of the first look.
    settled : int
        Bits that are known of every order statistic wanted.
    targets : tuple of (int, int, int)
        Rank among all values, the first bits, and the rank among values with these bits.
    values : array or None
        The values that begin so, while they are few.
    counts : dict
        By these bits their counts for the next 16; empty while values are kept.
    """

    probabilities: tuple[float, ...]
    n: int = 0
    low: float = np.inf
    high: float = -np.inf
    settled: int = 0
    targets: tuple[tuple[int, int, int], ...] = ()
    values: Floats | None = None
    counts: dict[int, NDArray[np.int64]] | None = None

    def added(self, x: Floats) -> "OrderStatistics":
        """With the values of a batch, of which none is missing."""
        out = self
        if not self.settled:
            if len(x):
                out = replace(
                    out,
                    n=self.n + len(x),
                    low=min(self.low, float(x.min())),
                    high=max(self.high, float(x.max())),
                )
            if not self.probabilities:
                return out
        else:
            image = _image(x)
            x = x[np.isin(image >> np.uint64(64 - self.settled), self._prefixes())]
        if out.counts is not None:
            return replace(out, counts=_summed(out.counts, self._counted(x)))
        kept = x + 0.0 if out.values is None else np.concatenate([out.values, x + 0.0])
        return replace(out, values=kept)._compact()

    def merged(self, other: "OrderStatistics") -> "OrderStatistics":
        """Of both parts, after the same looks."""
        out = self
        if not self.settled:
            out = replace(self, n=self.n + other.n, low=min(self.low, other.low), high=max(self.high, other.high))
        if self.counts is None and other.counts is None:
            some = [v for v in (self.values, other.values) if v is not None]
            return replace(out, values=np.concatenate(some))._compact() if some else out
        parts = [
            self._counted(np.empty(0) if p.values is None else p.values) if p.counts is None else p.counts
            for p in (self, other)
        ]
        return replace(out, values=None, counts=_summed(*parts))

    def _compact(self) -> "OrderStatistics":
        assert self.values is not None
        if len(self.values) <= KEPT or (self.settled and self.settled + _STEP > 64):
            return self
        return replace(self, values=None, counts=self._counted(self.values))

    def _prefixes(self) -> Bits:
        return np.array(sorted({prefix for _, prefix, _ in self.targets}), dtype=np.uint64)

    def _counted(self, x: Floats) -> dict[int, NDArray[np.int64]]:
        image = _image(x)
        following = (image >> np.uint64(64 - self.settled - _STEP)) & np.uint64((1 << _STEP) - 1)
        if not self.settled:
            return {0: np.bincount(following.astype(np.int64), minlength=1 << _STEP)}
        begin = image >> np.uint64(64 - self.settled)
        return {
            int(p): np.bincount(following[begin == p].astype(np.int64), minlength=1 << _STEP) for p in self._prefixes()
        }

    def found(self) -> dict[int, float] | None:
        """The order statistics wanted, by rank from 0; None if another look is needed."""
        ranks = self._ranks()
        if not ranks:
            return {}
        if self.counts is not None:
            if self.settled + _STEP < 64:
                return None
            return {rank: _value(prefix) for rank, prefix, _ in self._next_targets()}
        assert self.values is not None
        if not self.settled:
            ordered = np.sort(self.values)
            return {rank: float(ordered[rank]) for rank in ranks}
        begin = _image(self.values) >> np.uint64(64 - self.settled)
        return {
            rank: float(np.sort(self.values[begin == np.uint64(prefix)])[local]) for rank, prefix, local in self.targets
        }

    def following(self) -> "OrderStatistics":
        """What the next look adds to."""
        return replace(self, settled=self.settled + _STEP, targets=self._next_targets(), values=None, counts=None)

    def _next_targets(self) -> tuple[tuple[int, int, int], ...]:
        assert self.counts is not None
        before = self.targets if self.settled else tuple((rank, 0, rank) for rank in self._ranks())
        out = []
        for rank, prefix, local in before:
            upto = np.cumsum(self.counts[prefix])
            place = int(np.searchsorted(upto, local, side="right"))
            out.append((rank, (prefix << _STEP) | place, local - (int(upto[place - 1]) if place else 0)))
        return tuple(out)

    def _ranks(self) -> list[int]:
        if not self.n:
            return []
        places = [(self.n - 1) * p for p in self.probabilities]
        return sorted({r for v in places for r in (int(np.floor(v)), min(int(np.floor(v)) + 1, self.n - 1))})

    def quantiles(self) -> Floats | None:
        """The quantiles as `numpy.quantile` interpolates them (R's type 7), None if another look is
        needed.
        """
        found = self.found()
        if found is None:
            return None
        if not found:
            return np.full(len(self.probabilities), np.nan)
        return np.array([_between(found, (self.n - 1) * p, self.n) for p in self.probabilities])


def _between(found: dict[int, float], place: float, n: int) -> float:
    """Interpolated as NumPy does, so that no digit differs."""
    below = int(np.floor(place))
    a, b = found[below], found[min(below + 1, n - 1)]
    t = place - below
    return b - (b - a) * (1 - t) if t >= 0.5 else a + (b - a) * t


def _image(x: Floats) -> Bits:
    """Numbers without sign in the order of the values."""
    bits = (np.ascontiguousarray(x, dtype=np.float64) + 0.0).view(np.uint64)
    sign = np.uint64(1 << 63)
    return np.where(bits & sign, ~bits, bits | sign)


def _value(image: int) -> float:
    bits = image & ~(1 << 63) if image >> 63 else ~image & ((1 << 64) - 1)
    return float(np.array([bits], dtype=np.uint64).view(np.float64)[0])


def _summed(a: dict[int, NDArray[np.int64]], b: dict[int, NDArray[np.int64]]) -> dict[int, NDArray[np.int64]]:
    return {k: a[k] + b[k] for k in a}


def wanted(probabilities: Sequence[float]) -> OrderStatistics:
    """Nothing seen yet."""
    return OrderStatistics(tuple(map(float, probabilities)))
