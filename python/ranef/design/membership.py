"""Rows with any number of levels of a grouping factor, each with a weight."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.int32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Membership:
    """The members of n rows, a sparse matrix by rows.

    Attributes
    ----------
    start : int64 ndarray of shape (n + 1,)
        Where the members of each row begin, and where the last ones end.
    level : int32 ndarray of shape (m,)
        Column of every member, each once at most in a row.
    weight : ndarray of shape (m,)
    n_levels : int
        Number of columns.
    unseen : ndarray of shape (n,) or None
        Sum of the squared weights of a row's members that have no column; None if all have one.
    missing : bool ndarray of shape (n,) or None
        Rows whose level is missing.
    """

    start: NDArray[np.int64]
    level: Codes
    weight: Floats
    n_levels: int
    unseen: Floats | None = None
    missing: Mask | None = None

    @classmethod
    def of_rows(cls, matrix: Any, codes: Codes, absent: Mask | None = None) -> "Membership":
        """The rows of a sparse matrix with these numbers; -1 is a row without members, of a level
        that is new or (where marked) missing.
        """
        there = codes >= 0
        taken = matrix[np.where(there, codes, 0)]
        counts = np.where(there, np.diff(taken.indptr), 0)
        keep = np.repeat(there, np.diff(taken.indptr))
        start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        all_there = bool(there.all())
        missing = None if all_there or absent is None or not absent.any() else absent
        unseen = None if all_there else (~there if missing is None else ~there & ~missing).astype(np.float64)
        return cls(
            start, taken.indices[keep].astype(np.int32), taken.data[keep].astype(np.float64), matrix.shape[1],
            unseen, missing,
        )  # fmt: skip

    @classmethod
    def of_columns(cls, codes: Sequence[Codes], weights: Sequence[Floats], n_levels: int) -> "Membership":
        """From columns of levels (-1 for none) with their weights; levels from ``n_levels`` on are
        unseen. Members of weight zero are left out.
        """
        n = len(codes[0])
        rows = np.concatenate([np.arange(n)] * len(codes))
        level, weight = np.concatenate(codes), np.concatenate(weights)
        new = (level >= n_levels) & (weight != 0)
        unseen = np.asarray(np.bincount(rows[new], weight[new] ** 2, n), np.float64) if new.any() else None
        keep = (level >= 0) & (level < n_levels) & (weight != 0)
        from scipy.sparse import coo_array

        made = coo_array((weight[keep], (rows[keep], level[keep])), shape=(n, n_levels)).tocsr()
        made.sum_duplicates()
        return cls(made.indptr.astype(np.int64), made.indices.astype(np.int32), made.data, n_levels, unseen)

    def matrix(self) -> Any:
        """The sparse matrix (n, n_levels)."""
        from scipy.sparse import csr_array

        return csr_array((self.weight, self.level, self.start), shape=(len(self.start) - 1, self.n_levels))

    def sums(self, values: Floats) -> Floats:
        """Weighted sums (n, k) of the rows of an array (levels, k) over the members of each row."""
        return np.asarray(self.matrix() @ values[: self.n_levels], dtype=np.float64)

    def take(self, rows: Any) -> "Membership":
        """Some rows, by number or mask."""
        part = self.matrix()[rows]
        return Membership(
            part.indptr.astype(np.int64),
            part.indices.astype(np.int32),
            part.data,
            self.n_levels,
            None if self.unseen is None else self.unseen[rows],
            None if self.missing is None else self.missing[rows],
        )

    def padded(self) -> tuple[NDArray[np.intp], Floats]:
        """Columns and weights (n, most members), zeros where a row has fewer."""
        counts = np.diff(self.start)
        width = max(int(counts.max(initial=0)), 1)
        there = np.arange(width) < counts[:, None]
        columns, weights = np.zeros(there.shape, np.intp), np.zeros(there.shape)
        columns[there], weights[there] = self.level, self.weight
        return columns, weights


#: Where the rows stand in a grouping factor: one level each, or members.
Places = Codes | Membership


def size_of(places: Places) -> Floats:
    """Sum (n,) of the squared weights of the members of each row; 1 where rows have one level."""
    if not isinstance(places, Membership):
        return np.ones(len(places))
    n = len(places.start) - 1
    rows = np.repeat(np.arange(n), np.diff(places.start))
    known = np.asarray(np.bincount(rows, places.weight**2, n), np.float64)
    return known if places.unseen is None else known + places.unseen


def unseen_of(places: Places) -> Floats:
    """The same of the members that have no level in the fit."""
    if not isinstance(places, Membership):
        return (places < 0).astype(np.float64)
    return np.zeros(len(places.start) - 1) if places.unseen is None else places.unseen


def without_level(places: Places) -> Mask:
    """Rows (n,) whose level is missing or not known."""
    if not isinstance(places, Membership):
        return places < 0
    none = np.zeros(len(places.start) - 1, bool)
    return none if places.missing is None else places.missing


def take(places: Places, rows: Any) -> Places:
    """Some rows."""
    return places.take(rows) if isinstance(places, Membership) else places[rows]


def level_count(places: Places) -> int:
    """One more than the highest level."""
    if isinstance(places, Membership):
        return places.n_levels
    return int(places.max(initial=-1)) + 1


def one_level(places: Places) -> Codes:
    """The level of each row, of terms whose rows have one."""
    assert not isinstance(places, Membership)
    return places


def for_core(places: Places) -> Any:
    """As the core takes them: an array, or start, levels and weights of the members."""
    if isinstance(places, Membership):
        return places.start, places.level, np.ascontiguousarray(places.weight)
    return np.ascontiguousarray(places, dtype=np.int32)
