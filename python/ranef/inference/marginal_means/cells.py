"""Cells of a grid and averages of them, inside of nests first.

Where a factor nested in another is averaged over, containers with many levels inside would count
for more than others if all cells were averaged at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

WEIGHTS = ("equal", "proportional", "outer", "cells", "flat")


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Cells of a grid.

    Attributes
    ----------
    names : tuple of str
        Variables.
    index : (cells, variables) array
        Number of the value of each variable.
    values : (cells, columns) array
        What is averaged; NaN where nothing is known.
    frequency : (cells,) array
        Rows of the data in each.
    """

    names: tuple[str, ...]
    index: Ints
    values: Floats
    frequency: Floats

    def columns(self, names: tuple[str, ...]) -> Ints:
        """Numbers of the values of some variables, (cells, names)."""
        return self.index[:, [self.names.index(n) for n in names]]

    def take(self, which: NDArray[np.bool_] | Ints) -> "Cells":
        """Some of the cells."""
        return Cells(self.names, self.index[which], self.values[which], self.frequency[which])


def averaged_over_nests(
    cells: Cells, keep: tuple[str, ...], weights: str, nesting: Mapping[str, tuple[str, ...]]
) -> Cells:
    """Average cells over all variables but some.

    A nested factor is averaged first, within each combination of the levels of its containers and
    over the levels that occur there; that with most containers before the others.

    Parameters
    ----------
    cells : Cells
        Those whose nested factors have levels that occur in their containers.
    keep : tuple of str
        The variables whose combinations remain, the first varying fastest.
    weights : {"equal", "proportional", "outer", "cells", "flat"}
        How what is averaged counts, at each step.
    nesting : mapping
        By factor, the factors in which it is nested.
    """
    inner = [n for n in cells.names if n in nesting and n not in keep]
    while inner:
        factor = max(inner, key=lambda n: len(nesting[n]))
        inner.remove(factor)
        nest = tuple(n for n in cells.names if n in nesting[factor] or n in inner)
        staying = tuple(n for n in cells.names if n in keep or n in nest)
        parts = []
        place, count = _combinations(cells.columns(nest))
        for i in range(count):
            part = cells.take(place == i)
            levels = part.columns((factor,))[:, 0]
            occurs = (np.bincount(levels, part.frequency) > 0.0)[levels]
            # Combinations of nested factors without data are not averages of anything.
            if occurs.any():
                parts.append(_averaged(part.take(occurs), staying, weights))
        if parts:
            cells = Cells(
                staying,
                np.concatenate([p.index for p in parts]),
                np.concatenate([p.values for p in parts]),
                np.concatenate([p.frequency for p in parts]),
            )
    return _averaged(cells, keep, weights)


def _averaged(cells: Cells, keep: tuple[str, ...], weights: str) -> Cells:
    """Average at once over all variables but some; NaN where no cell has weight."""
    place, count = _combinations(cells.columns(keep))
    row_weights = _row_weights(cells, tuple(n for n in cells.names if n not in keep), weights)
    order = np.argsort(place, kind="stable")
    starts = np.searchsorted(place[order], np.arange(count))
    # of cells without weight, nothing takes part
    used = np.where(row_weights[:, np.newaxis] > 0.0, row_weights[:, np.newaxis] * cells.values, 0.0)
    total = np.add.reduceat(row_weights[order], starts)[:, np.newaxis]
    sums = np.add.reduceat(used[order], starts, axis=0)
    values = np.divide(sums, total, out=np.full(sums.shape, np.nan), where=total > 0.0)
    first = order[starts]
    frequency = np.bincount(place, cells.frequency, minlength=count).astype(np.float64)
    return Cells(keep, cells.columns(keep)[first], values, frequency)


def _combinations(codes: Ints) -> tuple[Ints, int]:
    """A number for each combination of codes that occurs, the first varying fastest, and how many
    there are.
    """
    if not codes.shape[1]:
        return np.zeros(len(codes), dtype=np.intp), 1
    sizes = codes.max(axis=0, initial=0) + 1
    if np.prod(sizes, dtype=np.float64) < 2.0**62:
        found, place = np.unique(codes @ np.cumprod([1, *sizes[:-1]]), return_inverse=True)
    else:
        found, place = np.unique(codes[:, ::-1], axis=0, return_inverse=True)
    return place.reshape(-1).astype(np.intp), len(found)


def _row_weights(cells: Cells, rest: tuple[str, ...], weights: str) -> Floats:
    """Weights of cells, as far as the variables that are averaged over decide."""
    frequency = cells.frequency
    if weights == "equal":
        return np.ones(len(frequency))
    if weights == "flat":
        return (frequency > 0.0).astype(np.float64)
    if weights == "cells":
        return frequency
    if weights == "proportional":
        place, count = _combinations(cells.columns(rest))
        return np.asarray(np.bincount(place, frequency, minlength=count)[place], dtype=np.float64)
    out = np.ones(len(frequency))
    for name in rest:
        codes = cells.columns((name,))[:, 0]
        out *= np.bincount(codes, frequency)[codes]
    return out
