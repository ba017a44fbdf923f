"""How far the estimates of a fit are from those by more quadrature nodes: one Newton step."""

import numpy as np
from numpy.typing import NDArray

from ranef.fit.generalized import GlmmFit
from ranef.fit.record import MixedFit

Floats = NDArray[np.float64]


def quadrature_step(fit: MixedFit, n_quad: int) -> tuple[float, Floats]:
    """-2 log-likelihood with another number of nodes at the estimates, and one Newton step to its
    optimum.

    Parameters
    ----------
    fit : MixedFit
        A generalized one.
    n_quad : int

    Returns
    -------
    objective : float
    step : (k,) array
        In standard errors of theta (lme4's order), all coefficients as the core has them and the
        logarithm of an estimated dispersion; NaN where there is no standard error.
    """
    assert isinstance(fit, GlmmFit)
    system = fit.system.get(fit.n_threads)
    found = system.evaluate(fit.core_theta, fit.core_beta, fit.core_dispersion, n_quad, fit.curvature, fit.n_threads)
    covariance, order = fit.joint_covariance(), fit.integrated[0]
    m = order.n_theta
    count = m + len(fit.core_beta) + fit.dispersion_estimated
    if covariance is None or len(covariance) != count:
        return found.objective, np.full(count, np.nan)
    gradient = np.concatenate([found.gradient[:m][order.theta_of_core], found.gradient[m:count]])
    known = ~np.isnan(np.diagonal(covariance))
    step = np.full(count, np.nan)
    own = covariance[np.ix_(known, known)]
    step[known] = -0.5 * own @ gradient[known] / np.sqrt(np.diagonal(own))
    return found.objective, step
