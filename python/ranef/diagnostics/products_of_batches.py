"""Products over the rows of every level of a grouping factor, from rows read in batches."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.estimates.fixed_basis import FixedBasis
from ranef.estimates.random_columns import random_columns
from ranef.estimates.residuals import residual_values
from ranef.fit.record import MixedFit
from ranef.fit.sums.level_products import LevelProducts, levels_together

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

#: Gives the batches from the start, each a fit that stands for its rows.
Batches = Callable[[], Iterable[MixedFit]]

#: Products of columns of Z Lambda that are held at one time: 12 bytes each, some copies of which
#: are there while they are added. More levels take another reading of the rows.
HELD = 10_000_000


@dataclass(frozen=True, slots=True, eq=False)
class _Places:
    """The places of some levels that follow each other: see `LevelProducts`.

    Attributes
    ----------
    first, last : int
        The levels, without the last.
    starts, columns : arrays
        As there.
    width : int
        Columns of Z Lambda.
    """

    first: int
    last: int
    starts: Ints
    columns: Ints
    width: int

    def of(self, level: Ints, columns: Ints) -> Ints:
        """Places (n, k) of columns (n, k) of rows that are in these levels (n,), counted from the
        first.
        """
        own = np.repeat(np.arange(self.last - self.first), np.diff(self.starts))
        return np.searchsorted(own * self.width + self.columns, level[:, None] * self.width + columns)


def products_of_batches(fit: MixedFit, factor: int, basis: FixedBasis, batches: Batches) -> Iterator[LevelProducts]:
    """The products of all levels of a factor (by its number in the core's order), as many levels at
    a time as may be held; the rows are read once for each such set.

    Parameters
    ----------
    fit : MixedFit
        Made of sums, which have the pairs of levels that occur together.
    factor : int
    basis : FixedBasis
    batches : callable
    """
    for places in _sets(fit, factor):
        yield _read(fit, factor, basis, batches, places)


def _sets(fit: MixedFit, factor: int) -> Iterator[_Places]:
    """Levels whose products are held at one time, with their places."""
    together = levels_together(fit, factor)
    count, width = together.counts.size, together.width
    # columns of one factor have products with each other at one level only
    sizes = np.array([np.bincount(level, minlength=count) for level, _ in together.columns])
    own = np.array(together.sizes)[:, None]
    entries = (sizes * own).sum(axis=0) + sizes.sum(axis=0) ** 2 - (sizes**2).sum(axis=0)
    ends, level = np.cumsum(entries), np.concatenate([level for level, _ in together.columns])
    columns = np.concatenate([column for _, column in together.columns])
    order = np.lexsort((columns, level))
    columns, starts = columns[order], np.searchsorted(level[order], np.arange(count + 1))
    first = 0
    while first < count:
        last = max(first + 1, int(np.searchsorted(ends, ends[first] - entries[first] + HELD, side="right")))
        here = starts[first : last + 1]
        yield _Places(first, last, here - here[0], columns[here[0] : here[-1]], width)
        first = last


def _read(fit: MixedFit, factor: int, basis: FixedBasis, batches: Batches, places: _Places) -> LevelProducts:
    from scipy.sparse import csr_array

    m, p, t = places.last - places.first, len(fit.beta), len(places.columns)
    zz: csr_array[Any, tuple[int, int]] = csr_array((t, t))
    zx, ze = np.zeros((t, p)), np.zeros(t)
    xx, xe, ee = np.zeros((m, p, p)), np.zeros((m, p)), np.zeros(m)
    counts = np.zeros(m, dtype=np.intp)
    for part in batches():
        term = next(t for t, s in zip(part.terms, part.order.spans, strict=True) if s.factor == factor)
        level = term.codes.astype(np.intp) - places.first
        rows = np.flatnonzero((level >= 0) & (level < m))
        if not len(rows):
            continue
        level, random, weights = level[rows], random_columns(part), part.design.weights
        root = np.ones(len(rows)) if weights is None else np.sqrt(weights[rows])
        x = basis.columns(part.x[rows]) * root[:, None]
        e = residual_values(part, "response")[rows] * root
        columns = random.columns[rows]
        n, k = columns.shape
        bounds = np.arange(0, n * k + 1, k)
        entries = (random.values[rows] * root[:, None]).ravel()
        z = csr_array((entries, places.of(level, columns).ravel(), bounds), shape=(n, t)).T.tocsr()
        by_level = csr_array((np.ones(n), level, np.arange(n + 1)), shape=(n, m)).T.tocsr()
        zz = zz + z @ z.T.tocsr()
        zx += z @ x
        ze += z @ e
        for j in range(p):
            xx[:, j] += by_level @ (x * x[:, j : j + 1])
        xe += by_level @ (x * e[:, None])
        ee += by_level @ e**2
        counts += np.bincount(level, minlength=m)
    zz.sort_indices()
    return LevelProducts(counts, places.starts, places.columns, zz, zx, xx, ze, xe, ee)
