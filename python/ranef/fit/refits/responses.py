"""Responses that are given to a fitted model: brought to its rows and to the form of its family."""

import numbers
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.errors import ArgumentTypeError, DataError
from ranef.fit.outcome import family_outcome
from ranef.fit.record import MixedFit

Floats = NDArray[np.float64]

#: In place of a response that the family cannot have, among others that it can.
REFUSED = np.inf


def responses_for(fit: MixedFit, y: object) -> tuple[Floats, tuple[Any, ...] | None]:
    """Bring new responses to the rows and to the form of the fit, and see that its family can have
    them.

    Parameters
    ----------
    fit : MixedFit
    y : array-like
        A vector or a matrix with a column for each response, as many rows as were used or as the
        input had; for ``cbind(successes, failures)`` numbers of successes.

    Returns
    -------
    values : (n,) or (n, m) array
        Of a binomial model proportions. Columns of a matrix may have missing values, as NaN; one
        that the family cannot have is infinite.
    names : tuple or None
        Names of the columns of a frame.
    """
    values, names = _values_of_rows(fit, y)
    if fit.normal_responses:
        return values, names
    if values.ndim == 1:
        return _of_family(fit, values, fit.design.trials), names
    out = np.full(values.shape, np.nan, order="F")
    for j in range(values.shape[1]):
        present = ~np.isnan(values[:, j])
        weights = None if fit.design.trials is None else fit.design.trials[present]
        try:
            out[present, j] = _of_family(fit, values[present, j], weights)
        except DataError:
            out[:, j] = REFUSED
    return out, names


def _of_family(fit: MixedFit, column: Floats, weights: Floats | None) -> Floats:
    if fit.response_kind == "counts":
        assert weights is not None
        if np.any(column > weights):
            row = int(np.flatnonzero(column > weights)[0])
            raise DataError(
                f"y has {column[row]:g} successes in row {row} of the rows used, where there are "
                f"{weights[row]:g} trials."
            )
        column = np.divide(column, weights, out=np.zeros(len(column)), where=weights > 0)
    return family_outcome(column, weights, fit.family, "y", fit.design.kept).y


def _values_of_rows(fit: MixedFit, y: object) -> tuple[Floats, tuple[Any, ...] | None]:
    """New responses (n,) or (n, m) in the rows that the fit has used, and the names of their
    columns.
    """
    d = fit.design
    if type(y).__module__.startswith("pyarrow") and hasattr(y, "column_names"):
        return _values_of_rows(fit, _FromArrow(y))
    names = tuple(columns) if (columns := getattr(y, "columns", None)) is not None else None
    if y is None or isinstance(y, str | bytes | numbers.Number):
        raise ArgumentTypeError(f"y must be a vector or a matrix of responses, not {y!r}.")
    to_numpy = getattr(y, "to_numpy", None)
    try:
        values = np.asarray(to_numpy() if to_numpy is not None else y)
        if values.dtype.kind not in "fiub":
            values = values.astype(object)
            if any(isinstance(v, str | bytes) for v in values.ravel()[:100]):
                raise TypeError
        values = values.astype(np.float64)
    except (TypeError, ValueError):
        raise ArgumentTypeError("y must hold numbers only.") from None
    if values.ndim not in (1, 2):
        raise DataError(f"y must be a vector or a matrix, not an array with {values.ndim} axes.")
    n = fit.nobs
    _check_order(y, d.row_index if d.row_index is None or len(values) != n or d.kept is None else d.row_index[d.kept])
    if len(values) != n and len(values) == d.n_input and d.kept is not None:
        values = values[d.kept]
    if len(values) != n:
        also = f" or the {d.n_input} rows of the input" if d.n_input != n else ""
        raise DataError(f"y has {len(values)} rows; it needs one for each of the {n} rows used{also}.")
    if values.ndim == 2 and values.shape[1] == 0:
        raise DataError("y has no column.")
    if values.ndim == 1 and not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values))[0])
        raise DataError(
            f"y has a missing or infinite value in row {row} of the rows used; as a column of a matrix it is fitted to "
            "its other rows."
        )
    return values, names


class _FromArrow:
    """An Arrow table as a frame with names and numbers."""

    def __init__(self, table: Any):
        self.columns = table.column_names
        self._table = table

    def to_numpy(self) -> Any:
        """The numbers (n, m); NaN where they are missing."""
        return np.column_stack([np.asarray(c.to_numpy()) for c in self._table.columns])


def _check_order(y: object, index: Any) -> None:
    """Refuse responses whose labels are those of the data in another order: by position it would be
    a silent mix-up.
    """
    own = getattr(y, "index", None)
    if (
        index is None
        or own is None
        or callable(own)
        or not hasattr(own, "equals")
        or len(own) != len(index)
        or own.equals(index)
    ):
        return
    if own.is_unique and index.is_unique and len(own.symmetric_difference(index)) == 0:
        raise DataError(
            "y has the row labels of the data in a different order. Values are taken by position; use y.reindex(...) "
            "to match labels."
        )


def response_of_input(fit: MixedFit, y: Floats) -> Floats:
    """Values of the rows used (n,), put at their place among the input rows; NaN elsewhere."""
    d = fit.design
    if d.kept is None:
        return y
    full = np.full(d.n_input, np.nan)
    full[d.kept] = y
    return full
