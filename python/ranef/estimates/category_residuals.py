"""Residuals of ordered categories: of the category's number, quantile and surrogate ones."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.errors import OptionError
from ranef.estimates.simulate import random_generator

Floats = NDArray[np.float64]

#: Of ordered categories; the last two are drawn.
CATEGORY_RESIDUALS = ("response", "pearson", "scaled", "quantile", "surrogate")

#: Probabilities that are drawn stay this far from 0 and 1.
EDGE = 1e-15

#: Mean of the latent variable about its location: Euler's constant for the two that are skew.
LATENT_MEANS = {"cloglog": -0.5772156649015329, "loglog": 0.5772156649015329}


def category_residuals(fit: Any, kind: str, rng: object = None) -> Floats:
    """Residuals (n,) of ordered categories.

    Parameters
    ----------
    fit : MixedFit
    kind : {"response", "pearson", "scaled", "quantile", "surrogate"}
        ``response``: number of the category minus its mean; ``pearson`` and ``scaled``: the same
        divided by its standard deviation. ``quantile``: normal quantile of a number drawn between
        the probabilities of a lower category and of one up to that observed (Dunn and Smyth 1996).
        ``surrogate``: a latent variable drawn between the thresholds of the observed category,
        minus its mean, in units of the scale (Liu and Zhang 2018). Both have the same distribution
        in all rows if the model is right.
    rng : int, Generator or None
    """
    if kind not in CATEGORY_RESIDUALS:
        raise OptionError(
            f"type must be one of {', '.join(map(repr, CATEGORY_RESIDUALS))} for ordered categories, not {kind!r}."
        )
    y: Floats = fit.design.y
    if kind == "response":
        return np.asarray(y - fit.means())
    if kind in ("pearson", "scaled"):
        return np.asarray((y - fit.means()) / np.sqrt(np.maximum(fit.observation_variance(), np.finfo(float).tiny)))
    p = fit.category_probabilities()
    below = np.pad(np.cumsum(p, axis=1)[:, :-1], ((0, 0), (1, 1)), constant_values=((0, 0), (0.0, 1.0)))
    at, rows = y.astype(int), np.arange(len(y))
    lower, upper = below[rows, at - 1], below[rows, at]
    drawn = lower + (upper - lower) * random_generator(rng).random(len(y))
    drawn = np.clip(drawn, EDGE, 1.0 - EDGE)
    if kind == "quantile":
        from scipy.special import ndtri

        return np.asarray(ndtri(drawn))
    latent = fit.family.link_function.predictor(drawn)
    return np.asarray(latent - LATENT_MEANS.get(fit.family.link, 0.0))
