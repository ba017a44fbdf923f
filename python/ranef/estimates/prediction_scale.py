"""From linear predictors to what is predicted: means or linear predictors, of a typical group or
averaged over the random effects.
"""

import numpy as np
from numpy.typing import NDArray

from ranef.design.membership import size_of
from ranef.estimates.included_effects import Mask
from ranef.estimates.normal_average import average_mean, average_predictor, average_slope
from ranef.estimates.prediction_rows import Rows
from ranef.estimates.prediction_variance import mean_variance
from ranef.fit.order import slope_of_factor
from ranef.fit.record import MixedFit

Floats = NDArray[np.float64]

#: Step of the derivative by the variance that is averaged over, relative to it, and the smallest
#: variance that it is relative to.
STEP, SMALLEST_VARIANCE = 1e-3, 1e-12


class PredictionScale:
    """From the linear predictor to what is predicted.

    Parameters
    ----------
    fit : MixedFit
    type : {"response", "link"}
    variance : (m,) array
        Of the random effects to average over.
    """

    def __init__(self, fit: MixedFit, type: str, variance: Floats):
        self.link = fit.family.link_function
        self.on_link = type == "link"
        self.sd = np.sqrt(variance)
        self.averaged = bool(variance.any())

    def value(self, eta: Floats) -> Floats:
        """The prediction (m,) of linear predictors (m,)."""
        if not self.averaged:
            return eta if self.on_link else self.link.mean(eta)
        return (average_predictor if self.on_link else average_mean)(self.link, eta, self.sd)

    def slope(self, eta: Floats) -> Floats:
        """Derivative of the value."""
        if not self.averaged:
            return np.ones_like(eta) if self.on_link else self.link.slope(eta)
        slope = average_slope(self.link, eta, self.sd)
        return slope / self.link.slope(self.value(eta)) if self.on_link else slope


def marginal_variance(
    fit: MixedFit, rows: Rows, masks: tuple[Mask, ...], scale: PredictionScale, type: str, eta: Floats
) -> Floats:
    """Variance (m,) of a mean over the random effects, divided by the square of its slope in the
    linear predictor.

    The delta method in the covariance parameters, which are estimated, too, and the fixed effects
    together. The former act through the variance that is averaged over, of which the mean is a
    smooth function.
    """
    joint = fit.joint_covariance()
    # random effects of other linear predictors are not averaged over here
    if joint is None or fit.n_quad == 0 or fit.whole_order.n_theta != len(fit.theta):
        return mean_variance(fit, rows, masks)
    m, p = len(fit.theta), len(fit.beta)
    gradient = np.zeros((len(eta), m + p))
    gradient[:, m:] = rows.x
    variance = scale.sd**2
    # At a variance of zero the derivative of the variance is zero, and that of the mean does not
    # matter.
    step = STEP * np.maximum(variance, SMALLEST_VARIANCE)
    above, below = (
        PredictionScale(fit, type, v).value(eta) for v in (variance + step, np.maximum(variance - step, 0.0))
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        response = (above - below) / (2.0 * step * scale.slope(eta))
    gradient[:, :m] = np.where(np.isfinite(response), response, 0.0)[:, None] * _variance_gradient(fit, rows)
    covariance = np.where(np.isnan(joint), 0.0, joint)[: m + p, : m + p]  # nothing of what is held at the boundary
    out: Floats = np.maximum(np.einsum("ij,jk,ik->i", gradient, covariance, gradient), 0.0)
    return out


def _variance_gradient(fit: MixedFit, rows: Rows) -> Floats:
    """Derivatives (rows, m) of the variance of all random effects by theta."""
    out = np.empty((len(rows.x), len(fit.theta)))
    for j in range(len(fit.theta)):
        unit = np.zeros_like(fit.theta)
        unit[j] = 1.0
        parts = zip(fit.order.spans, rows.codes, rows.z, fit.relative_factors, strict=True)
        out[:, j] = sum(
            size_of(places) * np.einsum("ij,ij->i", z @ factor, z @ slope_of_factor(s, fit.theta, unit))
            for s, places, z, factor in parts
        )
    return 2.0 * fit.random_scale**2 * out
