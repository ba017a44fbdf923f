"""Fitted means and residuals of a generalized model on the rows of the fit."""

import numpy as np
from numpy.typing import NDArray

from ranef.errors import ArgumentTypeError, OptionError
from ranef.fit.glmm_record import GlmmFit

Floats = NDArray[np.float64]

RESIDUAL_TYPES = ("response", "pearson", "deviance", "working", "scaled")


def glmm_residuals(fit: GlmmFit, kind: object) -> Floats:
    """Residuals (n,) from the conditional means.

    Parameters
    ----------
    fit : GlmmFit
    kind : {"response", "pearson", "deviance", "working", "scaled"}
        ``response``: observed minus fitted, of a binomial response as proportions. ``pearson``: divided by the standard deviation that the family gives, without its
        scale. ``scaled``: the same with its scale. ``deviance``: signed root of what the row adds to the deviance. ``working``: on the scale of the linear predictor.
    """
    if not isinstance(kind, str):
        raise ArgumentTypeError(f"type must be one of {', '.join(map(repr, RESIDUAL_TYPES))}, not {kind!r}.")
    if kind not in RESIDUAL_TYPES:
        raise OptionError(f"type must be one of {', '.join(map(repr, RESIDUAL_TYPES))}, not {kind!r}.")
    y, mu, family = fit.design.y, fit.mu, fit.family
    raw = y - mu
    if kind == "response":
        return raw
    with np.errstate(divide="ignore", invalid="ignore"):
        if kind == "working":
            return np.asarray(raw / family.link_function.slope(fit.eta))
        if kind == "deviance":
            return np.asarray(np.sign(raw) * np.sqrt(fit.weights * family.unit_deviance(y, mu, fit.dispersion)))
    # A mean at the edge of what is possible has no variance, and fits its row exactly.
    variance = np.maximum(family.variance(mu, fit.dispersion), np.finfo(np.float64).tiny)
    pearson = raw * np.sqrt(fit.weights) / np.sqrt(variance)
    return pearson / fit.sigma if kind == "scaled" else pearson


def response_of(fit: GlmmFit, proportions: Floats) -> Floats:
    """Responses (n,) or (n, m) as a user gave them: numbers of successes where the formula has successes and failures."""
    if fit.response_kind != "counts":
        return proportions
    weights = fit.weights if proportions.ndim == 1 else fit.weights[:, None]
    return np.rint(proportions * weights)
