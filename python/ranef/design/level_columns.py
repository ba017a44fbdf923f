"""A matrix of fixed effects most of whose columns are the levels of one factor: kept as the level
of every row and the few other columns.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.design.coding import Coded, Layout, fill
from ranef.design.memory import GIGABYTE, available_memory
from ranef.design.values import Floats
from ranef.errors import MemoryLimitError

#: Levels from which on the columns of a factor are not written out.
MANY_LEVELS = 100


@dataclass(frozen=True, slots=True, eq=False)
class LevelColumns:
    """See the module.

    Attributes
    ----------
    codes : int32 ndarray of shape (n,)
        Level of every row.
    places : tuple of int
        The column of each level. Where there is a reference level, the columns of the other levels
        are differences from it, and it has the intercept.
    reference : int or None
        The reference level.
    others : tuple of int
        Places of the other columns.
    rest : ndarray of shape (n, len(others))
        The other columns, in Fortran order.
    """

    codes: NDArray[np.int32]
    places: tuple[int, ...]
    reference: int | None
    others: tuple[int, ...]
    rest: Floats

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self.codes), len(self.places) + len(self.others)

    def times(self, beta: Floats) -> Floats:
        """The products (n,) with coefficients of all columns."""
        levels = beta[list(self.places)]
        if self.reference is not None:
            levels = levels + np.where(np.arange(len(levels)) == self.reference, 0.0, beta[self.places[self.reference]])
        out: Floats = levels[self.codes] + self.rest @ beta[list(self.others)]
        return out

    def take(self, rows: NDArray[Any]) -> "LevelColumns":
        """The same of some rows, by number or by a mask."""
        return replace(self, codes=self.codes[rows], rest=np.asfortranarray(self.rest[rows]))

    def dense(self) -> Floats:
        """All columns written out.

        Raises
        ------
        MemoryLimitError
            When they do not fit into the free memory.
        """
        n, p = self.shape
        room, needed = available_memory(), 8 * n * p
        if room is not None and needed > 0.8 * room:
            raise MemoryLimitError(
                f"this needs the {p} columns of the fixed effects written out for {n} rows, which take "
                f"{needed / GIGABYTE:.2g} GB of memory, of {room / GIGABYTE:.2g} GB that are free. Ask for fewer rows, "
                "or use a random effect for the levels."
            )
        out = np.zeros((n, p), order="F")
        out[np.arange(n), np.asarray(self.places)[self.codes]] = 1.0
        if self.reference is not None:
            out[:, self.places[self.reference]] = 1.0
        out[:, list(self.others)] = self.rest
        return out


def level_columns(layout: Layout, arrays: Mapping[str, NDArray[Any]], n: int) -> LevelColumns | None:
    """The matrix of a layout in this form, where a factor among its terms has so many levels.

    Parameters
    ----------
    layout, arrays, n
        See `ranef.design.coding.fill`. The codes must not be missing.
    """
    sizes = [len(term[0].suffixes) if len(term) == 1 and term[0].basis is not None else 0 for term in layout.terms]
    largest = max(sizes, default=0)
    if largest < MANY_LEVELS:
        return None
    number = sizes.index(largest)
    coded = layout.terms[number][0]
    reference = _levels(coded, layout.intercept)
    if reference is None:
        return None
    assign = np.asarray(layout.assign)
    own = np.flatnonzero(assign == number + 1).tolist()
    others = np.flatnonzero((assign != number + 1) & (assign > 0)).tolist()
    if layout.intercept:
        own.insert(reference, 0)
    rest = Layout(
        False,
        tuple(t for i, t in enumerate(layout.terms) if i != number),
        tuple(layout.names[j] for j in others),
        tuple(layout.assign[j] for j in others),
    )
    return LevelColumns(
        codes=np.ascontiguousarray(arrays[coded.label], dtype=np.int32),
        places=tuple(own),
        reference=reference if layout.intercept else None,
        others=tuple(others),
        rest=fill(rest, arrays, n),
    )


def _levels(coded: Coded, intercept: bool) -> int | None:
    """The reference level of a factor that has, beside an intercept, an indicator of every other
    level; the number of levels where it has one of each and there is no intercept; else None.
    """
    basis = coded.basis
    if basis is None or len(basis) - basis.shape[1] != int(intercept):
        return None
    levels, columns = basis.shape
    rows, places = np.nonzero(basis)
    if len(rows) != columns or not np.array_equal(places, np.arange(columns)) or not (basis[rows, places] == 1.0).all():
        return None
    if not intercept:
        return levels if np.array_equal(rows, places) else None
    missing = np.setdiff1d(np.arange(levels), rows)
    return int(missing[0]) if len(missing) == 1 else None


def product(columns: "Floats | LevelColumns", beta: Floats) -> Floats:
    """The products (n,) of the columns of X with coefficients."""
    if isinstance(columns, LevelColumns):
        return columns.times(beta)
    out: Floats = columns @ beta
    return out


def kept_product(columns: "Floats | LevelColumns", kept: Sequence[int], beta: Floats) -> Floats:
    """The products (n,) of some of the columns of X with coefficients."""
    if isinstance(columns, LevelColumns):
        of_all = np.zeros(columns.shape[1])
        of_all[list(kept)] = beta
        return columns.times(of_all)
    out: Floats = columns[:, list(kept)] @ beta
    return out


def written_out(columns: "Floats | LevelColumns") -> Floats:
    """The columns (n, p) of X as a matrix in Fortran order."""
    return columns.dense() if isinstance(columns, LevelColumns) else columns
