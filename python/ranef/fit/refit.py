"""Fit the same model to other responses."""

import numbers
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ranef.errors import ArgumentTypeError, DataError
from ranef.fit.again import fit_again
from ranef.fit.control import FitControl
from ranef.fit.core import core_options, core_start, core_threads
from ranef.fit.linear import has_conventions
from ranef.fit.messages import not_converged_refits
from ranef.fit.outcome import family_outcome
from ranef.fit.progress import Report
from ranef.fit.record import MixedFit
from ranef.fit.request import warn_once
from ranef.status import FitStatus

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]


#: Rows and columns of the printed table.
_ROWS, _WIDTH = 10, 100


@dataclass(frozen=True, slots=True, eq=False)
class Refits:
    """Fits of one model to m responses.

    Attributes
    ----------
    objective : (m,) array
    fixef, bse : (m, p) array
        Fixed effects and their standard errors.
    theta : (m, q) array
        Covariance parameters in lme4's order.
    sigma : (m,) array
        Residual standard deviations; 1 for families without one.
    dispersion : (m,) array
        The extra parameter of the family, which is sigma in a linear model; NaN for families
        without one.
    converged : (m,) bool array
    fixef_names, theta_names, response_names : tuple of str
    """

    objective: Floats
    fixef: Floats
    bse: Floats
    theta: Floats
    sigma: Floats
    dispersion: Floats
    converged: NDArray[np.bool_]
    fixef_names: tuple[str, ...]
    theta_names: tuple[str, ...]
    response_names: tuple[Any, ...]

    def __len__(self) -> int:
        return len(self.objective)

    def __repr__(self) -> str:
        frame = self.to_frame()
        shown = frame[[c for c in frame.columns if not c.startswith(("se(", "theta("))]]
        return (
            f"Fits of one model to {len(self)} responses, {np.count_nonzero(self.converged)} "
            f"converged (standard errors and theta are in to_frame()):\n"
            f"{shown.to_string(max_rows=_ROWS, line_width=_WIDTH)}"
        )

    def to_frame(self) -> "pd.DataFrame":
        """Return one row for each response.

        Returns
        -------
        DataFrame
            Columns ``objective``, the fixed effects, their standard errors (``se(name)``), theta
            (``theta(name)``), ``sigma``, of a generalized model ``dispersion``, then ``converged``.
        """
        import pandas as pd

        columns: dict[str, Any] = {"objective": self.objective}
        columns.update(zip(self.fixef_names, self.fixef.T, strict=True))
        columns.update((f"se({n})", c) for n, c in zip(self.fixef_names, self.bse.T, strict=True))
        columns.update((f"theta({n})", c) for n, c in zip(self.theta_names, self.theta.T, strict=True))
        columns["sigma"] = self.sigma
        if self.dispersion is not self.sigma:
            columns["dispersion"] = self.dispersion
        columns["converged"] = self.converged
        return pd.DataFrame(columns, index=pd.Index(self.response_names))


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
        Of a binomial model proportions.
    names : tuple or None
        Names of the columns of a frame.
    """
    values, names = _values_of_rows(fit, y)
    if fit.normal_responses:
        return values, names
    columns = values[:, None] if values.ndim == 1 else values
    out = np.empty(columns.shape, order="F")
    weights = fit.design.weights
    for j in range(columns.shape[1]):
        column = columns[:, j]
        if fit.response_kind == "counts":
            assert weights is not None
            if np.any(column > weights):
                row = int(np.flatnonzero(column > weights)[0])
                raise DataError(
                    f"y has {column[row]:g} successes in row {row} of the rows used, where there are "
                    f"{weights[row]:g} trials."
                )
            column = np.divide(column, weights, out=np.zeros(len(column)), where=weights > 0)
        out[:, j] = family_outcome(column, weights, fit.family, "y", fit.design.kept).y
    return (out[:, 0] if values.ndim == 1 else out), names


def _values_of_rows(fit: MixedFit, y: object) -> tuple[Floats, tuple[Any, ...] | None]:
    """New responses (n,) or (n, m) in the rows that the fit has used, and the names of their
    columns.
    """
    d = fit.design
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
    bad = ~np.isfinite(values)
    if bad.any():
        place = np.argwhere(bad)[0]
        column = "" if values.ndim == 1 else f" of column {names[place[1]] if names is not None else int(place[1])!r}"
        raise DataError(
            f"y has a missing or infinite value in row {int(place[0])}{column} of the rows used; responses that are "
            "missing in different rows are fitted one by one, by update(data=...)."
        )
    return values, names


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


def fit_to_response(fit: MixedFit, y: Floats, control: FitControl) -> MixedFit:
    """Fit the model of ``fit`` to one other response (n,), starting as a first fit does."""
    return fit_again(fit, fit.design.with_rows(y=np.ascontiguousarray(y)), control=control, order=fit.order)


def fit_to_responses(
    fit: MixedFit, y: Floats, names: tuple[Any, ...] | None, control: FitControl, progress: Report | None = None
) -> Refits:
    """Fit the model of ``fit`` to every column of ``y`` (n, m) in one call of the core, or one by
    one where variances are given by convention.

    What would be an error for a single response is NaN in its row here. Standard errors take the
    covariance parameters as known.
    """
    from ranef import _core

    labels = tuple(range(y.shape[1])) if names is None else names
    if has_conventions(fit):
        return _one_by_one(fit, y, labels, control, progress)
    if fit.normal_responses and fit.design.offset is not None:  # the core has responses without it
        y = y - fit.design.offset[:, None]
    out = _core.refit(
        fit.core_model(),
        np.asfortranarray(y),
        core_start(fit),
        core_options(fit, control),
        core_threads(fit, fit.n_threads),
        progress,
    )
    statuses = [FitStatus(s) for s in out.status]
    warn_once(not_converged_refits(statuses, (~np.isfinite(out.objective)).tolist(), labels))
    family, m = fit.family, y.shape[1]
    dispersion = np.full(m, np.nan) if family.dispersion_name is None else out.spread
    sigma = dispersion
    if fit.family_shown:
        sigma = np.array([family.sigma(float(d)) for d in dispersion]) if family.scaled else np.ones(m)
    return Refits(
        objective=out.objective,
        fixef=out.beta,
        bse=out.se,
        theta=out.theta[:, fit.order.theta_of_core],
        sigma=sigma,
        dispersion=dispersion,
        converged=np.array([s.ok for s in statuses], dtype=bool),
        fixef_names=fit.x_names,
        theta_names=fit.theta_names,
        response_names=labels,
    )


def _one_by_one(
    fit: MixedFit, y: Floats, labels: tuple[Any, ...], control: FitControl, progress: Report | None
) -> Refits:
    m, report = y.shape[1], progress
    beta, se = np.full((m, len(fit.beta)), np.nan), np.full((m, len(fit.beta)), np.nan)
    theta, sigma, objective = np.full((m, len(fit.theta)), np.nan), np.full(m, np.nan), np.full(m, np.nan)
    statuses = [FitStatus.NON_FINITE] * m
    for i in range(m):
        try:
            new = fit_to_response(fit, y[:, i], control)
        except DataError:
            continue
        beta[i], se[i], theta[i] = new.beta, np.sqrt(np.diagonal(new.vcov)), new.theta
        sigma[i], objective[i], statuses[i] = new.sigma, new.objective, new.convergence.status
        if report is not None:
            report(i + 1, m)
    warn_once(not_converged_refits(statuses, (~np.isfinite(objective)).tolist(), labels))
    converged = np.array([s.ok for s in statuses], dtype=bool)
    return Refits(objective, beta, se, theta, sigma, sigma, converged, fit.x_names, fit.theta_names, labels)


def response_of_input(fit: MixedFit, y: Floats) -> Floats:
    """Values of the rows used (n,), put at their place among the input rows; NaN elsewhere."""
    d = fit.design
    if d.kept is None:
        return y
    full = np.full(d.n_input, np.nan)
    full[d.kept] = y
    return full
