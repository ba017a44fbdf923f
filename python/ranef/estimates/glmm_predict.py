"""Predictions of a generalized model, on the scale of the response or of the link, with standard errors and intervals."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.errors import OptionError
from ranef.estimates.fitted import random_part
from ranef.estimates.included_effects import Mask, conditioned_effects
from ranef.estimates.intervals import normal_multiplier
from ranef.estimates.normal_average import average_mean, average_of_step, average_predictor, average_slope
from ranef.estimates.predict import (
    Prediction,
    Rows,
    check_options,
    left_out_random,
    mean_variance,
    new_rows,
    only,
    own_rows,
    unseen_random,
)
from ranef.estimates.rows import padded, row_index
from ranef.fit.glmm_record import GlmmFit
from ranef.fit.order import relative_factor
from ranef.fit.request import warn_once

Floats = NDArray[np.float64]

MARGINAL = "marginal"
NEW_LEVELS = ("error", "population", MARGINAL)


def predict_glmm(
    fit: GlmmFit,
    newdata: Any = None,
    *,
    re: object = "conditional",
    type: object = "response",
    new_levels: object = "error",
    se: object = False,
    interval: object = None,
    level: object = 0.95,
    offset: object = None,
) -> Prediction:
    """Predict means or linear predictors.

    Parameters
    ----------
    fit : GlmmFit
    newdata : frame, optional
        New rows; the rows of the fit by default. A row with a missing value is predicted as NaN.
    re : str
        ``"conditional"``, ``"population"`` (random effects of zero), ``"marginal"`` (averaged over the distribution of the random effects), or a formula.
    type : {"response", "link"}
    new_levels : {"error", "population", "marginal"}
        ``"marginal"`` averages over the random effects of levels that are new, and adds those of the others.
    se : bool
    interval : {None, "confidence", "prediction"}
    level : float
    offset : str or array, optional

    Returns
    -------
    Prediction
        Standard errors on the scale of the response by the delta method; limits are those of the linear predictor, transformed.
    """
    check_options(type, new_levels, se, interval, NEW_LEVELS)
    multiplier = normal_multiplier(level)
    marginal = isinstance(re, str) and re == MARGINAL
    masks = conditioned_effects(fit, "population" if marginal else re)
    whole = marginal or interval == "prediction"
    if interval == "prediction" and type == "link":
        raise OptionError("a prediction interval is for a new response: it goes with type='response'.")
    if newdata is None:
        if offset is not None:
            raise OptionError("offset is for newdata only; without newdata the offset of the fit is used.")
        rows = own_rows(fit)
        index: Any = row_index(fit)
    else:
        if interval == "prediction" and fit.response_kind == "counts":
            raise OptionError(
                "prediction intervals for new rows need their numbers of trials, which cbind(successes, failures) does not give for them; fit the proportion with "
                "weights='trials' instead."
            )
        rows, index = new_rows(fit, newdata, masks, new_levels != "error", whole, offset)

    eta = rows.x @ fit.beta
    if rows.offset is not None:
        eta = eta + rows.offset
    for codes, z, b, mask in zip(rows.codes, rows.z, fit.b, masks, strict=True):
        if mask.any():
            eta = eta + random_part(codes, only(z, mask), b)
    spread = left_out_random(fit, rows, masks) if marginal else np.zeros(len(eta))
    unseen = unseen_random(fit, rows, masks) if new_levels == MARGINAL else np.zeros(len(eta))
    spread = spread + unseen
    scale = _Scale(fit, str(type), spread)
    values = scale.value(eta)
    if scale.averaged and (without := int(np.isnan(values).sum())):
        warn_once((_no_average_text(fit, without),))
    std_error = lower = upper = None
    if se or interval is not None:
        # What is averaged over is part of the mean, and no uncertainty of it.
        deviation = (
            _marginal_deviation(fit, rows, masks, scale, str(type), eta)
            if marginal
            else np.sqrt(np.maximum(mean_variance(fit, rows, masks) - unseen, 0.0))
        )
        std_error = np.abs(scale.slope(eta)) * deviation
        if interval == "confidence":
            limits = scale.value(eta - multiplier * deviation), scale.value(eta + multiplier * deviation)
            lower, upper = np.minimum(*limits), np.maximum(*limits)
        elif interval == "prediction":
            total = deviation**2 + unseen + left_out_random(fit, rows, masks)
            weights = np.ones(len(eta)) if rows.weights is None else rows.weights
            assert isinstance(level, float | int)
            lower, upper = _response_limits(fit, eta, np.sqrt(total), weights, float(level))

    def finish(a: Floats | None) -> Floats | None:
        if a is None:
            return None
        if newdata is None:
            return padded(fit, a)
        return a if rows.missing is None else np.where(rows.missing, np.nan, a)

    finished = finish(values)
    assert finished is not None
    return Prediction(finished, finish(std_error), finish(lower), finish(upper), index)


def _no_average_text(fit: GlmmFit, rows: int) -> str:
    return (
        f"{rows} {'row has' if rows == 1 else 'rows have'} no mean over the random effects (NaN): with the {fit.family.link} link the mean is infinite at a linear predictor "
        "of zero, which the random effects reach. re='population' predicts for a typical group; the log link has means for all groups."
    )


def _marginal_deviation(
    fit: GlmmFit, rows: Rows, masks: tuple[Mask, ...], scale: "_Scale", type: str, eta: Floats
) -> Floats:
    """Standard deviation of a mean over the random effects, divided by its slope in the linear predictor: their variances are estimated, too.

    The delta method in the covariance parameters and the fixed effects together. The former act through the variance that is averaged over, of which the mean is a smooth function.
    """
    joint = fit.joint_vcov
    if joint is None or fit.n_quad == 0:
        return np.sqrt(mean_variance(fit, rows, masks))
    m, p = len(fit.theta), len(fit.beta)
    gradient = np.zeros((len(eta), m + p))
    gradient[:, m:] = rows.x
    variance = scale.sd**2
    # At a variance of zero the derivative of the variance is zero, and that of the mean does not matter.
    step = 1e-3 * np.maximum(variance, 1e-12)
    above, below = (_Scale(fit, type, v).value(eta) for v in (variance + step, np.maximum(variance - step, 0.0)))
    with np.errstate(divide="ignore", invalid="ignore"):
        response = (above - below) / (2.0 * step * scale.slope(eta))
    gradient[:, :m] = np.where(np.isfinite(response), response, 0.0)[:, None] * _variance_gradient(fit, rows)
    covariance = np.where(np.isnan(joint), 0.0, joint)[: m + p, : m + p]  # nothing of what is held at the boundary
    out: Floats = np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", gradient, covariance, gradient), 0.0))
    return out


def _variance_gradient(fit: GlmmFit, rows: Rows) -> Floats:
    """Derivatives (rows, m) of the variance of all random effects by theta, in which the relative factors are linear."""
    out = np.empty((len(rows.x), len(fit.theta)))
    for j in range(len(fit.theta)):
        unit = np.zeros_like(fit.theta)
        unit[j] = 1.0
        parts = zip(fit.order.spans, rows.z, fit.relative_factors, strict=True)
        out[:, j] = sum(np.einsum("ij,ij->i", z @ factor, z @ relative_factor(s, unit)) for s, z, factor in parts)
    return 2.0 * fit.random_scale**2 * out


class _Scale:
    """From the linear predictor to what is predicted.

    Parameters
    ----------
    fit : GlmmFit
    type : {"response", "link"}
    variance : (m,) array
        Of the random effects to average over.
    """

    def __init__(self, fit: GlmmFit, type: str, variance: Floats):
        self.link = fit.family.link_function
        self.on_link = type == "link"
        self.sd = np.sqrt(variance)
        self.averaged = bool(variance.any())

    def value(self, eta: Floats) -> Floats:
        if not self.averaged:
            return eta if self.on_link else self.link.mean(eta)
        return (average_predictor if self.on_link else average_mean)(self.link, eta, self.sd)

    def slope(self, eta: Floats) -> Floats:
        """Derivative of the value."""
        if not self.averaged:
            return np.ones_like(eta) if self.on_link else self.link.slope(eta)
        slope = average_slope(self.link, eta, self.sd)
        return slope / self.link.slope(self.value(eta)) if self.on_link else slope


def _response_limits(fit: GlmmFit, eta: Floats, sd: Floats, weights: Floats, level: float) -> tuple[Floats, Floats]:
    """Quantiles of a new response whose linear predictor is normal around ``eta``."""
    family = fit.family
    monotone = family.link not in ("sqrt", "inverse", "inverse_squared")

    def below(y: Floats) -> Floats:
        return average_of_step(
            lambda b: family.cumulative(y, family.mean(eta + sd * b), weights, fit.dispersion),
            len(eta),
            monotone=monotone,
        )

    step = 1.0 / weights if family.support == "proportion" else 1.0
    discrete = family.support in ("proportion", "count")
    out = []
    for probability in ((1 - level) / 2, (1 + level) / 2):
        low, high = _bracket(below, probability, eta, fit)
        for _ in range(200):
            middle = (low + high) / 2
            enough = below(middle) >= probability
            low, high = np.where(enough, low, middle), np.where(enough, middle, high)
            if np.all(high - low <= (0.25 * step if discrete else 1e-10 * np.maximum(np.abs(high), 1e-300))):
                break
        if discrete:  # the smallest possible response whose probability is reached
            high = np.floor(high / step + 1e-9) * step
        out.append(high)
    return out[0], out[1]


def _bracket(below: Any, probability: float, eta: Floats, fit: GlmmFit) -> tuple[Floats, Floats]:
    """Values between which the quantile lies."""
    if fit.family.support in ("proportion", "open_unit"):
        return np.full_like(eta, -1e-3), np.ones_like(eta)
    size = np.maximum(np.abs(fit.family.mean(eta)), 1.0)
    low = np.full_like(eta, -1e-3) if fit.family.support != "real" else -size
    high = size.copy()
    for _ in range(1000):
        short = below(high) < probability
        if not short.any():
            break
        high = np.where(short, 2 * high, high)
    if fit.family.support == "real":
        for _ in range(1000):
            long = below(low) >= probability
            if not long.any():
                break
            low = np.where(long, 2 * low, low)
    return low, high
