"""Hat values of the conditional fit, and the residuals and distances that follow from them.

The conditional fitted values are linear in the response at a given theta:
``W^1/2 fitted = H W^1/2 y`` with ``H = W^1/2 [Z Lambda, X] A^-1 [Z Lambda, X]' W^1/2`` and A the
matrix of the penalised normal equations. As ``sigma² A^-1`` is the joint covariance of the errors
of the random and the fixed effects, the diagonal of H is the prior weight times the relative
variance of the fitted value, which the core computes.
"""

import numpy as np
from numpy.typing import NDArray

from ranef.estimates.residuals import residual_values
from ranef.fit.record import MixedFit

Floats = NDArray[np.float64]

#: Beyond this an observation fits itself exactly, and what is divided by one minus its hat value
#: says nothing.
LARGEST_HAT = 1 - 1e-10


def remaining(hat: Floats) -> Floats:
    """One minus the hat values; NaN where nothing remains."""
    return np.where(hat < LARGEST_HAT, 1.0 - hat, np.nan)


def studentized_residuals(fit: MixedFit, hat: Floats, external: bool = False) -> Floats:
    """Residuals divided by their conditional standard deviation.

    Parameters
    ----------
    fit : MixedFit
    hat : (n,) array
    external : bool
        Divide by the sigma of a fit without the observation, at the same theta, instead of that of
        the fit.

    Returns
    -------
    (n,) array
        NaN where the hat value is one.
    """
    if fit.design.residual is not None:  # of rows made independent
        residuals = residual_values(fit, "normalized") * fit.sigma
    else:
        residuals = residual_values(fit, "pearson")
    left = remaining(hat)
    sigma = fit.sigma_without(residuals**2 / left, 1) if external else fit.sigma
    return np.asarray(residuals / (sigma * np.sqrt(left)))


def cooks_distances(fit: MixedFit, hat: Floats) -> Floats:
    """Cook's distance (n,) of the conditional fit, as lme4 defines it:
    squared studentised residual times ``h / (1 - h)``, divided by p.

    NaN in a model without fixed effects.
    """
    if not len(fit.beta):
        return np.full(len(hat), np.nan)
    return np.asarray(studentized_residuals(fit, hat) ** 2 * hat / remaining(hat) / len(fit.beta))
