"""Satterthwaite's degrees of freedom of contrasts of the fixed effects."""

import numpy as np
from numpy.typing import NDArray

from ranef.inference.information import VarianceInformation

Floats = NDArray[np.float64]

#: Values of dependent contrasts agree with their combinations up to this share.
AGREES = 1e-8

#: Eigenvalues below this share of the largest belong to combinations that earlier rows of a
#: contrast already test.
RANK_TOLERANCE = float(np.sqrt(np.finfo(np.float64).eps))

#: Contrasts from which on their products are those of a matrix library.
MANY_CONTRASTS = 100

#: Degrees of freedom of the parts of a test that differ by less are taken to be the same.
EQUAL = 1e-8


def contrast_df(info: VarianceInformation, rows: Floats) -> Floats:
    """Degrees of freedom of single contrasts.

    The variance ``v`` of a contrast is estimated; by the delta method its own variance is that of a
    multiple of a chi-square with ``2 v² / Var(v)`` degrees of freedom.

    Parameters
    ----------
    info : VarianceInformation
    rows : (k, p) array
        Contrasts.

    Returns
    -------
    (k,) array
    """
    inner = rows @ info.root
    # of unit variance: the unit of a contrast does not matter
    lengths = np.sqrt(np.sum(inner**2, axis=1, keepdims=True))
    inner = inner / np.where(lengths > 0.0, lengths, 1.0)
    if len(inner) < MANY_CONTRASTS:
        slopes = np.einsum("ki,mij,kj->km", inner, info.slopes, inner)
    else:  # products of whole matrices
        slopes = np.stack([np.einsum("ki,ki->k", inner @ slope, inner) for slope in info.slopes], axis=1)
    # Sigma at given theta has variance sigma² / (2 nu), and the derivative of v by sigma is 2 v /
    # sigma.
    spread = np.einsum("km,mn,kn->k", slopes, info.covariance, slopes) + 2.0 / info.sigma_df
    out: Floats = np.where(lengths[:, 0] > 0.0, 2.0 / spread, np.nan)
    return out


def parts_of_gram(gram: Floats) -> tuple[Floats, Floats, Floats]:
    """Combinations of contrasts whose estimates are uncorrelated.

    Contrasts that look dependent in their own units only because these differ by many orders of
    magnitude are taken in units of their standard errors.

    Parameters
    ----------
    gram : (k, k) array
        Covariance of the estimates of the contrasts, up to a factor.

    Returns
    -------
    weights : (q, k) array
        As many combinations of the contrasts as are linearly independent.
    variances : (q,) array
        Variances of their estimates.
    rest : (k - q, k) array
        Combinations that come to nothing.
    """
    values, vectors = np.linalg.eigh(gram)
    kept = values > RANK_TOLERANCE * max(float(values[-1]), 0.0)
    if not kept.all():
        scale = np.sqrt(np.diagonal(gram))
        scale = np.where(scale > 0.0, scale, 1.0)
        own_values, own_vectors = np.linalg.eigh(gram / np.outer(scale, scale))
        own_kept = own_values > RANK_TOLERANCE * max(float(own_values[-1]), 0.0)
        if own_kept.sum() > kept.sum():
            values, vectors, kept = own_values, own_vectors / scale[:, np.newaxis], own_kept
    weights: Floats = vectors[:, kept].T[::-1]
    return weights, values[kept][::-1], vectors[:, ~kept].T


def contradict(rest: Floats, target: Floats) -> bool:
    """Whether the values of contrasts disagree with their combinations that come to nothing."""
    bound = AGREES * float(np.abs(target).max(initial=0.0)) * np.abs(rest).max(axis=1, initial=0.0)
    return bool(np.any(np.abs(rest @ target) > bound))


def joint_df(parts: Floats) -> float:
    """Denominator degrees of freedom of an F test from those of its uncorrelated parts.

    F is a mean of squared t variables, whose expectations are ``df / (df - 2)``; its denominator is
    chosen to give the same expectation. Where some part has no expectation (two degrees of freedom
    or less), the answer is 2. Where all are infinite, so is the answer.
    """
    if len(parts) == 1:
        return float(parts[0])
    if np.isfinite(parts).all() and np.ptp(parts) < EQUAL:
        return float(np.mean(parts))
    if np.any(parts <= 2.0):
        return 2.0
    beyond_one = float(np.sum(2.0 / (parts - 2.0)))
    return 2.0 * (len(parts) + beyond_one) / beyond_one if beyond_one > 0.0 else float("inf")
