"""Residuals from the conditional means."""

import numpy as np
from numpy.typing import NDArray

from ranef.errors import ArgumentTypeError, OptionError
from ranef.estimates.category_residuals import category_residuals
from ranef.fit.record import MixedFit

Floats = NDArray[np.float64]

RESIDUAL_TYPES = ("response", "pearson", "deviance", "working", "scaled", "normalized")

#: The smallest variance of a response: a mean at the edge of what is possible has none, and fits
#: its row exactly.
SMALLEST_VARIANCE = float(np.finfo(np.float64).tiny)


def correlated_residuals(fit: MixedFit, raw: Floats, kind: str) -> Floats:
    """Residuals of rows with a covariance structure, divided by their standard deviations, or made
    uncorrelated in the order of the positions.
    """
    if kind != "normalized":
        return raw / np.sqrt(fit.observation_variance())
    weighted = raw if fit.design.weights is None else raw * np.sqrt(fit.design.weights)
    return fit.whitened(weighted) / fit.sigma


def residual_values(fit: MixedFit, kind: object, means: Floats | None = None, rng: object = None) -> Floats:
    """Residuals (n,) from the conditional means.

    Parameters
    ----------
    fit : MixedFit
    kind : {"response", "pearson", "deviance", "working", "scaled", "normalized"}
        ``response``: observed minus fitted, of a binomial response as proportions. ``pearson``:
        divided by the standard deviation that the family gives (1 in a linear model) and times the
        root of the prior weight, without the scale. ``scaled``: the same divided by sigma.
        ``deviance``: signed root of what the row adds to the deviance, in a linear model the
        Pearson residual. ``working``: on the scale of the linear predictor. ``normalized``: scaled,
        and uncorrelated within subjects. Where rows have a covariance structure ``pearson`` and
        ``deviance`` too are divided by the whole standard deviation.
    means : (n,) array, optional
        The means when already known.
    rng : int, Generator or None
        For residuals of ordered categories that are drawn.
    """
    if not isinstance(kind, str):
        raise ArgumentTypeError(f"type must be one of {', '.join(map(repr, RESIDUAL_TYPES))}, not {kind!r}.")
    if fit.categories:
        return category_residuals(fit, kind, rng)
    if kind not in RESIDUAL_TYPES:
        raise OptionError(f"type must be one of {', '.join(map(repr, RESIDUAL_TYPES))}, not {kind!r}.")
    y, family = fit.design.y, fit.family
    mu = fit.means() if means is None else means
    raw = y - mu
    if kind == "response":
        return raw
    if fit.design.residual is not None and kind != "working":
        return correlated_residuals(fit, raw, kind)
    kind = "scaled" if kind == "normalized" else kind
    if fit.has_predictors and kind in ("working", "deviance"):
        raise OptionError(
            f"residuals of type {kind!r} are for models of one linear predictor; with a zero part or a dispersion "
            "model there are 'response' and 'pearson'."
        )
    with np.errstate(divide="ignore", invalid="ignore"):
        if kind == "working":
            return np.asarray(raw / family.link_function.slope(fit.linear_predictor()))
        if kind == "deviance" and not fit.normal_responses:
            return np.asarray(np.sign(raw) * np.sqrt(fit.weights * family.unit_deviance(y, mu, fit.spread)))
    if fit.has_predictors:
        return np.asarray(raw / np.sqrt(np.maximum(fit.observation_variance(), SMALLEST_VARIANCE)))
    variance = np.maximum(family.variance(mu, fit.spread), SMALLEST_VARIANCE)
    pearson = raw * np.sqrt(fit.weights) / np.sqrt(variance)
    return pearson / fit.sigma if kind == "scaled" else pearson
