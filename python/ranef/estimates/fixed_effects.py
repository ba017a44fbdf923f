"""Covariance, standard errors, correlation and t values of the fixed effects, given the estimated covariance parameters."""

import numpy as np
from numpy.typing import NDArray

from ranef.fit.record import LmmFit

Floats = NDArray[np.float64]


def covariance(fit: LmmFit) -> Floats:
    """Covariance matrix (p × p) of the fixed effects."""
    return fit.vcov_unscaled * fit.sigma**2


def standard_errors(fit: LmmFit) -> Floats:
    """Standard errors (p,)."""
    out: Floats = np.sqrt(np.diagonal(fit.vcov_unscaled)) * fit.sigma
    return out


def correlation(fit: LmmFit) -> Floats:
    """Correlation matrix (p × p) of the estimates."""
    return correlations(fit.vcov_unscaled)


def correlations(cov: Floats) -> Floats:
    """Correlation matrix of a covariance matrix."""
    scale = np.sqrt(np.diagonal(cov))
    out: Floats = cov / np.outer(scale, scale)
    np.fill_diagonal(out, 1.0)
    return out


def t_values(fit: LmmFit) -> Floats:
    """Estimates divided by their standard errors (p,)."""
    return fit.beta / standard_errors(fit)
