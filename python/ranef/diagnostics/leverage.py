"""Hat values of the conditional fit, and the residuals and distances that follow from them.

The conditional fitted values are linear in the response at a given theta: ``W^1/2 fitted = H W^1/2 y`` with
``H = W^1/2 [Z Lambda, X] A^-1 [Z Lambda, X]' W^1/2`` and A the matrix of the penalised normal equations. As ``sigma² A^-1`` is the joint covariance of the errors of
the random and the fixed effects, the diagonal of H is the prior weight times the relative variance of the fitted value, which the core computes.
"""

import numpy as np
from numpy.typing import NDArray

from ranef.estimates.residuals import residual_values
from ranef.fit.linear import LmmFit

Floats = NDArray[np.float64]

# Beyond this an observation fits itself exactly, and what is divided by one minus its hat value says nothing.
LARGEST_HAT = 1 - 1e-10


def hat_values(fit: LmmFit) -> Floats:
    """Diagonal (n,) of the hat matrix of the conditional fit."""
    factors: list[tuple[NDArray[np.int32], list[Floats]]] = []
    for f in range(len(fit.order.factors)):
        at = [i for i, s in enumerate(fit.order.spans) if s.factor == f]
        codes = np.ascontiguousarray(fit.terms[at[0]].codes, dtype=np.int32)
        factors.append((codes, [np.asfortranarray(fit.terms[i].z) for i in at]))
    theta = np.ascontiguousarray(fit.theta[fit.order.core_of_theta])
    variance = fit.system.get(fit.n_threads).prediction_variance(
        theta, np.asfortranarray(fit.x), factors, fit.n_threads
    )
    return variance if fit.design.weights is None else variance * fit.design.weights


def remaining(hat: Floats) -> Floats:
    """One minus the hat values; NaN where nothing remains."""
    return np.where(hat < LARGEST_HAT, 1.0 - hat, np.nan)


def studentized_residuals(fit: LmmFit, hat: Floats, external: bool = False) -> Floats:
    """Residuals divided by their conditional standard deviation.

    Parameters
    ----------
    fit : LmmFit
    hat : (n,) array
    external : bool
        Divide by the sigma of a fit without the observation, at the same theta, instead of that of the fit.

    Returns
    -------
    (n,) array
        NaN where the hat value is one.
    """
    residuals = residual_values(fit, "pearson")
    left = remaining(hat)
    sigma = sigma_without(fit, residuals**2 / left, 1) if external else fit.sigma
    return np.asarray(residuals / (sigma * np.sqrt(left)))


def sigma_without(fit: LmmFit, drop: Floats, rows: int | NDArray[np.intp]) -> Floats:
    """Residual standard deviation at the same theta without some rows.

    Parameters
    ----------
    fit : LmmFit
    drop : array
        By how much the penalised residual sum of squares falls.
    rows : int or array of int
        How many rows are left out.
    """
    df = np.asarray(fit.nobs - rows - (len(fit.beta) if fit.reml else 0), dtype=float)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.sqrt(np.where(df > 0, np.maximum(fit.pwrss - drop, 0.0) / df, np.nan)))


def cooks_distances(fit: LmmFit, hat: Floats) -> Floats:
    """Cook's distance (n,) of the conditional fit, as lme4 defines it: squared studentised residual times ``h / (1 - h)``, divided by p.

    NaN in a model without fixed effects.
    """
    if not len(fit.beta):
        return np.full(len(hat), np.nan)
    return np.asarray(studentized_residuals(fit, hat) ** 2 * hat / remaining(hat) / len(fit.beta))
