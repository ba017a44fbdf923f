"""The gradient of the criterion of a linear model, which is a function of theta alone."""

import numpy as np
from numpy.typing import NDArray

from ranef.fit.linear import LmmFit
from ranef.fit.record import MixedFit

Floats = NDArray[np.float64]


def criterion_gradient(fit: MixedFit, theta: Floats) -> Floats:
    """The derivatives (m,) at any theta, in lme4's order.

    Parameters
    ----------
    fit : MixedFit
        A linear one.
    theta : (m,) array
    """
    assert isinstance(fit, LmmFit)
    at = np.ascontiguousarray(theta[fit.order.core_of_theta])
    gradient = fit.system.get(fit.n_threads).evaluate(at, fit.reml, fit.n_threads).gradient
    out: Floats = gradient[fit.order.theta_of_core]
    return out
