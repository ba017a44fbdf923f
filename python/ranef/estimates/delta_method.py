"""The delta method over all parameters and the conditional modes of several linear predictors."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.estimates.included_effects import Mask
from ranef.estimates.prediction_rows import Rows, only
from ranef.estimates.prediction_variance import between_positions, covariance_over_predictors
from ranef.fit.random_part import random_part

Floats = NDArray[np.float64]

#: Displacement of a parameter in its standard error, for the change of the modes.
STEP = 1e-3


def parameter_covariance(fit: Any) -> Floats | None:
    """Covariance (k, k) of all parameters as the core has them, zero for what is held at a boundary
    and along directions in which parameters cannot be told apart; None where it is not known.
    """
    found = fit.determined_covariance()
    return None if found is None else np.nan_to_num(found)


def predictor_changes(
    fit: Any, covariance: Floats | None, rows: Sequence[Rows], masks: Sequence[tuple[Mask, ...]]
) -> list[Floats]:
    """Derivatives (n, k) of every linear predictor in all parameters; the modes move along where
    they are part of it.

    Parameters
    ----------
    fit : SeveralPredictorsFit
    covariance : (k, k) array or None
        Of all parameters.
    rows : sequence of Rows
        Of every predictor.
    masks : sequence of tuple of Mask
        Random effects that enter, by predictor and term.
    """
    m, size = len(fit.whole_theta), len(fit.whole_theta) + len(fit.whole_beta)
    out = []
    for p, own, place in zip(fit.predictors, rows, fit.coefficient_places, strict=True):
        change = np.zeros((len(own.x), size))
        if p.held is None:
            change[:, m + place.start : m + place.stop] = own.x
        out.append(change)
    if covariance is None or not any(mask.any() for own in masks for mask in own):
        return out
    errors = np.sqrt(np.diagonal(covariance))
    for k in np.flatnonzero(errors > 0):
        up, down = (_effects(fit, int(k), h * errors[k]) for h in (STEP, -STEP))
        for c, (own, own_masks) in enumerate(zip(rows, masks, strict=True)):
            for i, mask in enumerate(own_masks):
                if mask.any():
                    moved = (up[c][i] - down[c][i]) / (2 * STEP * errors[k])
                    out[c][:, k] += random_part(own.codes[i], only(own.z[i], mask), moved)
    return out


def _effects(fit: Any, k: int, step: float) -> Any:
    """Modes of every predictor's terms with one parameter displaced."""
    theta, beta = fit.whole_theta.copy(), fit.whole_beta.copy()
    if k < len(theta):
        theta[k] += step
    else:
        beta[k - len(theta)] += step
    return fit.effects_at(theta, beta)


def variance_given_parameters(
    fit: Any, rows: Sequence[Rows], masks: Sequence[tuple[Mask, ...]], slopes: Sequence[Floats], average_unseen: bool
) -> Floats:
    """Variance (n,) of the random effects of all predictors times slopes (n,), given the data and
    the parameters, at places between the positions of the fit too; those of levels that the fit
    has not seen, unless they are averaged over.
    """
    out = np.zeros(len(slopes[0]))
    if any(mask.any() for own in masks for mask in own):
        given = [
            (own.codes, [only(z, mask) * a[:, np.newaxis] for z, mask in zip(own.z, own_masks, strict=True)])
            for own, own_masks, a in zip(rows, masks, slopes, strict=True)
        ]
        out = out + fit.variance_of_effects(given)
    for p, own, own_masks, a in zip(fit.predictors, rows, masks, slopes, strict=True):
        out = out + a**2 * between_positions(p, own, own_masks)
    if not average_unseen:
        unseen = covariance_over_predictors(fit, fit.whole_theta, rows, masks, unseen=True)
        along = np.stack(slopes, axis=1)
        out = out + np.einsum("ni,nij,nj->n", along, unseen, along)
    return np.asarray(out)


def variance_of_parameters(
    covariance: Floats | None, changes: Sequence[Floats], slopes: Sequence[Floats], direct: Floats | None = None
) -> Floats:
    """Variance (n, m) of functions of the linear predictors by that of the parameters.

    Parameters
    ----------
    covariance : (k, k) array or None
        Of all parameters.
    changes : sequence of (n, k) arrays
        Of every predictor, as `predictor_changes` gives them.
    slopes : sequence of (n, m) arrays
        Derivatives of the functions in every predictor.
    direct : (k, n, m) array, optional
        Those in the parameters where the predictors are held.
    """
    if covariance is None:
        return np.full_like(slopes[0], np.nan)
    out = np.empty_like(slopes[0])
    for j in range(out.shape[1]):
        g = sum(slope[:, j : j + 1] * change for slope, change in zip(slopes, changes, strict=True))
        if direct is not None:
            g = g + direct[:, :, j].T
        out[:, j] = np.einsum("nk,kl,nl->n", g, covariance, g)
    return np.maximum(out, 0.0)
