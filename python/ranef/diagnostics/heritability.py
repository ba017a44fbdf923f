"""Heritability: the share of effects of related levels in the variance of an observation."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.errors import DesignError
from ranef.fit.criterion_gradient import criterion_gradient
from ranef.fit.record import MixedFit

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

#: Step of central differences of the gradient, in units of theta (a standard deviation per residual
#: one); below `SMALLEST` of theta.
STEP = 1e-4
SMALLEST = 1e-2


def heritability(fit: MixedFit) -> "pd.DataFrame":
    """Variance of every term with a known matrix, divided by the sum of all variances; of a
    generalized model on the scale of the latent variable of its link.

    Standard errors by the delta method, from the curvature of the criterion in theta.
    """
    import pandas as pd

    related = [i for i, t in enumerate(fit.terms) if t.relation is not None]
    if not related:
        raise DesignError("heritability is of effects with a known matrix, as in known(1 | id, A); the model has none.")
    slopes = next((t for t in fit.terms if t.names != ("(Intercept)",)), None)
    if slopes is not None:
        raise DesignError(
            f"heritability is of models with random intercepts only: with ({slopes.text}) the variances depend on the "
            "covariate. m.varcorr has them."
        )
    around = fit.variance_around_predictor
    if around is None:
        raise DesignError(
            f"heritability is a share of variance on one scale: responses of the {fit.family.label(fit.spread)} family "
            "have no variance of their own on that of the random effects, as a proportion has by its link. m.icc() "
            "approximates it."
        )
    theta = fit.theta
    variances, total = theta**2, float((theta**2).sum()) + around / fit.random_scale**2
    joint = fit.joint_covariance()
    covariance = theta_covariance(fit) if joint is None else np.nan_to_num(joint[: len(theta), : len(theta)])
    shares, errors = [], []
    for i in related:
        at = fit.order.spans[i].theta_start
        share = variances[at] / total
        slope = -share * 2.0 * theta / total
        slope[at] += 2.0 * theta[at] / total
        shares.append(share)
        errors.append(float(np.sqrt(slope @ covariance @ slope)) if theta[at] != 0 else np.nan)
    index = pd.Index([fit.term_keys[i] for i in related], name="group")
    return pd.DataFrame({"estimate": shares, "std_error": errors}, index=index)


def theta_covariance(fit: MixedFit) -> Floats:
    """Covariance (m, m) of theta: twice the inverse of the second derivatives of the criterion;
    zeros for standard deviations of zero, which are held there.
    """
    free = np.flatnonzero(fit.theta != 0)
    curvature = np.empty((len(free), len(free)))
    for row, j in enumerate(free):
        step = STEP * max(abs(float(fit.theta[j])), SMALLEST)
        above, below = (criterion_gradient(fit, _moved(fit.theta, int(j), d)) for d in (step, -step))
        curvature[row] = (above - below)[free] / (2.0 * step)
    out = np.zeros((len(fit.theta), len(fit.theta)))
    out[np.ix_(free, free)] = 2.0 * np.linalg.pinv(0.5 * (curvature + curvature.T))
    return out


def _moved(theta: Floats, j: int, distance: float) -> Floats:
    out = theta.copy()
    out[j] += distance
    return out
