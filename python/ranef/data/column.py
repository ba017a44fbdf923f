"""One column of the data in the form the rest of the package works with."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ranef.data.labels import date_labels, number_labels
from ranef.errors import DataError

Kind = Literal["numeric", "boolean", "factor", "text", "datetime"]
"""What a column holds."""

# A counting table is used instead of a sort when the integers span at most this many times their
# number.
_DENSE_SPAN = 4


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """A column's values, or its levels and codes.

    Parameters
    ----------
    name : str
        Name as written in formulas.
    kind : {"numeric", "boolean", "factor", "text", "datetime"}
        ``"text"`` is coded like ``"factor"``, but its levels are the distinct strings in code-point
        order, while those of a factor have the order of the source.
    values : ndarray of shape (n,), optional
        float64 for ``"numeric"`` (NaN where missing), bool for ``"boolean"`` (False where missing),
        datetime64 or timedelta64 for ``"datetime"`` (NaT where missing); None for factors and text.
        The memory may be the caller's: never write into it.
    levels : ndarray of str objects, optional
        Labels of a factor in order, unused ones included; None unless ``kind`` is ``"factor"`` or
        ``"text"``.
    codes : int32 ndarray of shape (n,), optional
        Position in ``levels`` of every row, -1 where missing.
    ordered : bool
        Whether the levels are declared to be ordered.
    absent : bool ndarray of shape (n,), optional
        The missing rows of a boolean column, None when there are none.
    exact : integer ndarray of shape (n,), optional
        The integers behind a numeric column, which may be too large for a float64 to tell apart
        (identifiers).
    """

    name: str
    kind: Kind
    values: NDArray[Any] | None = None
    levels: NDArray[np.object_] | None = None
    codes: NDArray[np.int32] | None = None
    ordered: bool = False
    absent: NDArray[np.bool_] | None = None
    exact: NDArray[np.integer[Any]] | None = None

    def __len__(self) -> int:
        data = self.codes if self.values is None else self.values
        return 0 if data is None else len(data)

    @property
    def is_factor(self) -> bool:
        """Whether the column has levels and codes (a factor or text)."""
        return self.codes is not None

    @property
    def missing(self) -> NDArray[np.bool_] | None:
        """Mask of the missing rows, or None when no row is missing; computed at each access."""
        mask: NDArray[np.bool_]
        if self.codes is not None:
            if not len(self.codes) or self.codes.min() >= 0:
                return None
            return self.codes < 0
        if self.values is None or self.kind == "boolean":
            return self.absent
        mask = np.isnat(self.values) if self.kind == "datetime" else np.isnan(self.values)
        return mask if mask.any() else None

    def as_factor(self) -> "Column":
        """Code the column as a factor, as R's ``factor()`` does.

        Returns
        -------
        Column
            The column itself when it is a factor or text. Numbers become levels sorted by value and
            labelled as R labels them (``1``, not ``1.0``; 15 significant digits, so values that
            differ by rounding error only are one level); truth values become ``False``, ``True``;
            dates are sorted by time. Only values that occur become levels.
        """
        if self.codes is not None:
            return self
        assert self.values is not None
        missing = self.missing
        if self.exact is not None:
            codes, found = _code_sorted(self.exact, missing)
            labels = number_labels(found)
        elif self.kind == "boolean":
            codes, found = _code_sorted(self.values.view(np.uint8), missing)
            labels = np.array(["False", "True"], dtype=object)[found]
        elif self.kind == "datetime":
            codes, found = _code_sorted(self.values, missing)
            labels = date_labels(found)
        else:
            codes, found = _code_sorted(self.values, missing)
            labels = number_labels(found)
            codes, labels = _merge_equal(codes, labels)
        return Column(self.name, "factor", levels=labels, codes=codes)


def _code_sorted(values: NDArray[Any], missing: NDArray[np.bool_] | None) -> tuple[NDArray[np.int32], NDArray[Any]]:
    """Codes (-1 where missing) and the sorted distinct values of the other rows."""
    present = values if missing is None else values[~missing]
    codes, found = _code_complete(present)
    if missing is None:
        return codes, found
    all_codes = np.full(len(values), -1, dtype=np.int32)
    all_codes[~missing] = codes
    return all_codes, found


def _code_complete(values: NDArray[Any]) -> tuple[NDArray[np.int32], NDArray[Any]]:
    n = len(values)
    if n == 0:
        return np.empty(0, dtype=np.int32), values
    if values.dtype.kind in "iu":
        low = values.min()
        span = int(values.max()) - int(low) + 1
        if span <= _DENSE_SPAN * n + 1000:
            shifted = values.astype(np.int64) - int(low) if values.dtype.itemsize < 8 else values - low
            position = np.zeros(span, dtype=np.int32)
            position[shifted] = 1
            used = np.flatnonzero(position)
            position[used] = np.arange(len(used), dtype=np.int32)
            return position[shifted], used.astype(values.dtype) + low
    if n > 20_000:
        # Hashing is several times faster than the sort of all rows inside numpy.unique.
        import pandas as pd

        codes, unique = pd.factorize(values)
        order = np.argsort(unique, kind="stable")
        rank = np.empty(len(order), dtype=np.int32)
        rank[order] = np.arange(len(order), dtype=np.int32)
        return rank[codes], np.asarray(unique)[order]
    found, inverse = np.unique(values, return_inverse=True)
    return inverse.astype(np.int32).reshape(n), found


def _merge_equal(
    codes: NDArray[np.int32], labels: NDArray[np.object_]
) -> tuple[NDArray[np.int32], NDArray[np.object_]]:
    """Make one level of neighbours with the same label."""
    if len(labels) < 2:
        return codes, labels
    new = np.ones(len(labels), dtype=bool)
    new[1:] = labels[1:] != labels[:-1]
    if new.all():
        return codes, labels
    position = (np.cumsum(new) - 1).astype(np.int32)
    merged = position[codes]
    merged[codes < 0] = -1
    return merged, labels[new]


def unusable(name: str, what: str, advice: str) -> DataError:
    """The error for a column whose contents cannot enter a model."""
    return DataError(f"column {name!r} holds {what}, which a model cannot use. {advice}")
