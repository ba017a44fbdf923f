"""Linear predictors on the rows of the fit, and residuals of a linear model, whose fitted values they are."""

import numpy as np
from numpy.typing import NDArray

from ranef.errors import ArgumentTypeError, OptionError
from ranef.fit.record import MixedFit

Floats = NDArray[np.float64]

RESIDUAL_TYPES = ("response", "working", "pearson", "deviance", "scaled")


def random_part(codes: NDArray[np.int32], z: Floats, b: Floats) -> Floats:
    """Contribution of one random term to every row; a code of -1 contributes nothing.

    Parameters
    ----------
    codes : (n,) array
    z : (n, k) array
    b : (levels, k) array
    """
    out: Floats
    if b.shape[1] == 1:
        out = b[:, 0][codes] * z[:, 0]
    else:
        out = np.einsum("ij,ij->i", b[codes], z)
    if len(codes) and codes.min() < 0:
        out[codes < 0] = 0.0
    return out


def population_values(fit: MixedFit) -> Floats:
    """Fixed part with offset (n,)."""
    eta = fit.x @ fit.beta
    return eta if fit.design.offset is None else eta + fit.design.offset


def fitted_values(fit: MixedFit) -> Floats:
    """Conditional linear predictor (n,), of a linear model the fitted values: fixed part, offset and random effects."""
    eta = population_values(fit)
    for term, b in zip(fit.terms, fit.b, strict=True):
        eta = eta + random_part(term.codes, term.z, b)
    return eta


def residual_values(fit: MixedFit, kind: str, fitted: Floats | None = None) -> Floats:
    """Residuals (n,) from the conditional fitted values.

    Parameters
    ----------
    fit : MixedFit
    kind : {"response", "working", "pearson", "deviance", "scaled"}
        ``response`` and ``working``: observed minus fitted. ``pearson`` and ``deviance``: the same times the square root of the prior weights, in units of
        the response. ``scaled``: Pearson residuals divided by sigma, free of units.
    fitted : (n,) array, optional
        The fitted values when already known.
    """
    if not isinstance(kind, str):
        raise ArgumentTypeError(f"type must be one of {', '.join(map(repr, RESIDUAL_TYPES))}, not {kind!r}.")
    if kind not in RESIDUAL_TYPES:
        raise OptionError(f"type must be one of {', '.join(map(repr, RESIDUAL_TYPES))}, not {kind!r}.")
    residuals = fit.design.y - (fitted_values(fit) if fitted is None else fitted)
    if kind in ("pearson", "deviance", "scaled") and fit.design.weights is not None:
        residuals = residuals * np.sqrt(fit.design.weights)
    return residuals / fit.sigma if kind == "scaled" else residuals
