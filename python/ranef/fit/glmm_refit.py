"""Fit the same generalized model to other responses."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.errors import DataError
from ranef.fit.control import FitControl
from ranef.fit.glmm import fit_glmm, likelihood_of, refitted_design
from ranef.fit.glmm_record import GlmmFit
from ranef.fit.outcome import family_outcome
from ranef.fit.progress import Report, in_whole_numbers
from ranef.fit.refit import Refits, response_values
from ranef.status import FitStatus

Floats = NDArray[np.float64]


def refit_values(fit: GlmmFit, y: object) -> tuple[Floats, tuple[Any, ...] | None]:
    """Bring new responses to the rows and to the form of the fit, and see that the family can have them.

    Parameters
    ----------
    fit : GlmmFit
    y : array-like
        A vector or a matrix with a column for each response; for ``cbind(successes, failures)`` numbers of successes.

    Returns
    -------
    values : (n,) or (n, m) array
        Of a binomial model proportions.
    names : tuple or None
        Names of the columns of a frame.
    """
    values, names = response_values(fit, y)
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
                    f"y has {column[row]:g} successes in row {row} of the rows used, where there are {weights[row]:g} trials."
                )
            column = np.divide(column, weights, out=np.zeros(len(column)), where=weights > 0)
        out[:, j] = family_outcome(column, weights, fit.family, "y", fit.design.kept).y
    return (out[:, 0] if values.ndim == 1 else out), names


def refit_glmm(fit: GlmmFit, y: Floats, control: FitControl) -> GlmmFit:
    """Fit the model of ``fit`` to one other response (n,), starting as a first fit does."""
    design = refitted_design(fit, y)
    return fit_glmm(design, likelihood_of(fit), None, control, None, fit.n_threads, fit.order)


def refit_glmm_many(
    fit: GlmmFit, y: Floats, names: tuple[Any, ...] | None, control: FitControl, progress: Report | None = None
) -> Refits:
    """Fit the model of ``fit`` to every column of ``y`` (n, m) in one call of the core.

    Standard errors take the covariance parameters as known.
    """
    start = None if fit.singular else fit.core_theta
    out = fit.system.get(fit.n_threads).refit(
        np.asfortranarray(y),
        fit.n_quad,
        fit.curvature,
        start,
        fit.beta,
        fit.core_dispersion,
        control.max_evaluations,
        control.tolerance,
        fit.n_threads,
        in_whole_numbers(progress),
        fit.family.fixed_dispersion,
    )
    m = y.shape[1]
    dispersion = np.full(m, np.nan) if fit.family.dispersion_name is None else out.spread
    return Refits(
        objective=out.objective,
        fixef=out.beta,
        bse=out.se,
        theta=out.theta[:, fit.order.theta_of_core],
        sigma=np.array([fit.family.sigma(float(d)) for d in dispersion]) if fit.family.scaled else np.ones(m),
        dispersion=dispersion,
        converged=np.array([FitStatus(s).ok for s in out.status], dtype=bool),
        fixef_names=fit.x_names,
        theta_names=fit.theta_names,
        response_names=tuple(range(m)) if names is None else names,
    )
