"""Residuals from the conditional means, and residuals that are drawn."""

import numpy as np
from numpy.typing import NDArray

from ranef.errors import ArgumentTypeError, OptionError
from ranef.estimates.simulate import random_generator
from ranef.fit.part_questions import RESIDUAL_TYPES
from ranef.fit.record import MixedFit

Floats = NDArray[np.float64]

#: Probabilities that are drawn stay this far from 0 and 1.
EDGE = 1e-15


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
    kind : str
        One of ``fit.residual_types``. ``response``: observed minus fitted, of a binomial response
        as proportions. ``pearson``: divided by the standard deviation that the family gives (1 in a
        linear model) and times the root of the prior weight, without the scale; the whole standard
        deviation where there are several linear predictors or categories. ``scaled``: the same
        divided by sigma. ``deviance``: signed root of what the row adds to the deviance, in a
        linear model the Pearson residual. ``working``: on the scale of the linear predictor.
        ``normalized``: scaled, and uncorrelated within subjects. Where rows have a covariance
        structure ``pearson`` and ``deviance`` too are divided by the whole standard deviation.
        ``quantile``: normal quantile of a number drawn between the probabilities of a smaller
        response and of one up to that observed (Dunn and Smyth 1996). ``surrogate``: a latent
        variable drawn between the thresholds of the observed category, minus its mean, in units of
        the scale (Liu and Zhang 2018). Both have the same distribution in all rows if the model is
        right.
    means : (n,) array, optional
        The means when already known.
    rng : int, Generator or None
        For residuals that are drawn.
    """
    types = fit.residual_types
    if not isinstance(kind, str):
        raise ArgumentTypeError(f"type must be one of {', '.join(map(repr, types))}, not {kind!r}.")
    if kind not in types:
        where = " for this model" if kind in RESIDUAL_TYPES else ""
        raise OptionError(f"type must be one of {', '.join(map(repr, types))}{where}, not {kind!r}.")
    if kind in ("quantile", "surrogate"):
        return _drawn(fit, kind, rng)
    y, family = fit.design.y, fit.family
    mu = fit.means() if means is None else means
    raw = y - mu
    if kind == "response":
        return raw
    if fit.design.residual is not None and kind != "working":
        return correlated_residuals(fit, raw, kind)
    with np.errstate(divide="ignore", invalid="ignore"):
        if kind == "working":
            return np.asarray(raw / family.link_function.slope(fit.linear_predictor()))
        if kind == "deviance" and not fit.normal_responses:
            return np.asarray(np.sign(raw) * np.sqrt(fit.weights * family.unit_deviance(y, mu, fit.spread)))
    return fit.pearson(raw, mu, kind in ("scaled", "normalized"))


def _drawn(fit: MixedFit, kind: str, rng: object) -> Floats:
    try:
        lower, upper = fit.response_interval()
    except NotImplementedError:
        raise OptionError(
            f"the {fit.family.name} family has no distribution function, which quantile residuals need; "
            "simulated_residuals() draws responses instead."
        ) from None
    drawn = lower + (upper - lower) * random_generator(rng).random(len(lower))
    drawn = np.clip(drawn, EDGE, 1.0 - EDGE)
    if kind == "surrogate":
        return fit.latent_residuals(drawn)
    from scipy.special import ndtri

    return np.asarray(ndtri(drawn))
