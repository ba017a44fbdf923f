"""Covariance, standard errors, correlation and t values of the fixed effects.

In a linear model they take the covariance parameters as known; in a generalised one they account
for their estimation.
"""

import numpy as np
from numpy.typing import NDArray

from ranef.fit.record import MixedFit

Floats = NDArray[np.float64]


def covariance(fit: MixedFit) -> Floats:
    """Covariance matrix (p × p) of the fixed effects."""
    return fit.vcov


def standard_errors(fit: MixedFit) -> Floats:
    """Standard errors (p,)."""
    out: Floats = np.sqrt(np.diagonal(fit.vcov))
    return out


def correlation(fit: MixedFit) -> Floats:
    """Correlation matrix (p × p) of the estimates."""
    return correlations(fit.vcov)


def correlations(cov: Floats) -> Floats:
    """Correlation matrix of a covariance matrix."""
    scale = np.sqrt(np.diagonal(cov))
    out: Floats = cov / np.outer(scale, scale)
    np.fill_diagonal(out, 1.0)
    return out


def t_values(fit: MixedFit) -> Floats:
    """Estimates divided by their standard errors (p,)."""
    return fit.beta / standard_errors(fit)
