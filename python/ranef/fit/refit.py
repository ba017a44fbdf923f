"""Fit the same model to other responses."""

import numbers
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ranef.errors import ArgumentTypeError, DataError
from ranef.fit.control import FitControl
from ranef.fit.lmm import NOT_FINITE, fit_lmm, has_conventions
from ranef.fit.progress import Report, in_whole_numbers
from ranef.fit.record import LmmFit, MixedFit
from ranef.fit.request import warn_once
from ranef.status import FitStatus

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]


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
        The extra parameter of the family, which is sigma in a linear model; NaN for families without one.
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
        return f"Fits of one model to {len(self)} responses, {np.count_nonzero(self.converged)} converged:\n{self.to_frame()!r}"

    def to_frame(self) -> "pd.DataFrame":
        """Return one row for each response.

        Returns
        -------
        DataFrame
            Columns ``objective``, the fixed effects, their standard errors (``se(name)``), theta (``theta(name)``), ``sigma``, of a generalized model ``dispersion``, then ``converged``.
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


def response_values(fit: MixedFit, y: object) -> tuple[Floats, tuple[Any, ...] | None]:
    """Bring new responses to the rows of the fit.

    Parameters
    ----------
    fit : MixedFit
    y : array-like
        A vector or a matrix with a column for each response; as many rows as were used, or as the input had.

    Returns
    -------
    values : (n,) or (n, m) array
    names : tuple or None
        Names of the columns of a frame.
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
            f"y has a missing or infinite value in row {int(place[0])}{column} of the rows used; responses that are missing in different rows are fitted one by "
            "one, by update(data=...)."
        )
    return values, names


def _check_order(y: object, index: Any) -> None:
    """Refuse responses whose labels are those of the data in another order: by position it would be a silent mix-up."""
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
            "y has the row labels of the data in a different order. Values are taken by position; use y.reindex(...) to match labels."
        )


def refit_one(fit: LmmFit, y: Floats, control: FitControl) -> LmmFit:
    """Fit the model of ``fit`` to one other response (n,), starting as a first fit does."""
    return fit_lmm(
        fit.design.with_rows(y=np.ascontiguousarray(y)), fit.reml, None, control, None, fit.n_threads, fit.order
    )


def refit_many(
    fit: LmmFit, y: Floats, names: tuple[Any, ...] | None, control: FitControl, progress: Report | None = None
) -> Refits:
    """Fit the model of ``fit`` to every column of ``y`` (n, m) in one call of the core, or one by one where variances are given by convention.

    What would be an error for a single response is NaN in its row here.
    """
    labels = tuple(range(y.shape[1])) if names is None else names
    if has_conventions(fit):
        return _refit_each(fit, y, labels, control, progress)
    if fit.design.offset is not None:
        y = y - fit.design.offset[:, None]
    start = np.ascontiguousarray(fit.theta[fit.order.core_of_theta]) if not fit.singular else None
    out = fit.system.get(fit.n_threads).refit(
        np.asfortranarray(y),
        fit.reml,
        start,
        control.max_evaluations,
        control.tolerance,
        fit.n_threads,
        in_whole_numbers(progress),
    )
    warn_once(_trouble([FitStatus(s) for s in out.status], out.objective, labels))
    return Refits(
        objective=out.objective,
        fixef=out.beta,
        bse=out.se,
        theta=out.theta[:, fit.order.theta_of_core],
        sigma=out.spread,
        dispersion=out.spread,
        converged=np.array([FitStatus(s).ok for s in out.status], dtype=bool),
        fixef_names=fit.x_names,
        theta_names=fit.theta_names,
        response_names=labels,
    )


def _refit_each(
    fit: LmmFit, y: Floats, labels: tuple[Any, ...], control: FitControl, progress: Report | None
) -> Refits:
    m, report = y.shape[1], in_whole_numbers(progress)
    beta, se = np.full((m, len(fit.beta)), np.nan), np.full((m, len(fit.beta)), np.nan)
    theta, sigma, objective = np.full((m, len(fit.theta)), np.nan), np.full(m, np.nan), np.full(m, np.nan)
    statuses = [FitStatus.NON_FINITE] * m
    for i in range(m):
        try:
            new = refit_one(fit, y[:, i], control)
        except DataError:
            continue
        beta[i], se[i], theta[i] = new.beta, np.sqrt(np.diagonal(new.vcov)), new.theta
        sigma[i], objective[i], statuses[i] = new.sigma, new.objective, new.convergence.status
        if report is not None:
            report(i + 1, m)
    warn_once(_trouble(statuses, objective, labels))
    converged = np.array([s.ok for s in statuses], dtype=bool)
    return Refits(objective, beta, se, theta, sigma, sigma, converged, fit.x_names, fit.theta_names, labels)


def _trouble(statuses: list[FitStatus], objective: Floats, names: tuple[Any, ...]) -> tuple[str, ...]:
    """Say which responses have no estimates, and which have estimates that are not those of the optimum."""
    without = [not np.isfinite(value) for value in objective]
    messages = []
    if any(without):
        named = _listed([name for name, absent in zip(names, without, strict=True) if absent])
        messages.append(f"no estimates, NaN is given, for response {named}: {NOT_FINITE}")
    for status in FitStatus:
        if not status.ok:
            found = [n for n, s, absent in zip(names, statuses, without, strict=True) if s is status and not absent]
            if found:
                messages.append(
                    f"the fit did not converge ({status.value}) for response {_listed(found)}. {status.explanation}"
                )
    return tuple(messages)


def _listed(names: list[Any]) -> str:
    shown = ", ".join(map(repr, names[:10]))
    return shown if len(names) <= 10 else f"{shown} and {len(names) - 10} more"


def response_of_input(fit: MixedFit, y: Floats) -> Floats:
    """Values of the rows used (n,), put at their place among the input rows; NaN elsewhere."""
    d = fit.design
    if d.kept is None:
        return y
    full = np.full(d.n_input, np.nan)
    full[d.kept] = y
    return full
