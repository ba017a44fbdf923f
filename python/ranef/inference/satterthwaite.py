"""Satterthwaite's degrees of freedom of contrasts of the fixed effects."""

import numpy as np
from numpy.typing import NDArray

from ranef.inference.information import VarianceInformation

Floats = NDArray[np.float64]

#: Eigenvalues below this share of the largest belong to combinations that earlier rows of a contrast already test.
RANK_TOLERANCE = float(np.sqrt(np.finfo(np.float64).eps))

#: Degrees of freedom of the parts of a test that differ by less are taken to be the same.
EQUAL = 1e-8


def contrast_df(info: VarianceInformation, rows: Floats) -> Floats:
    """Degrees of freedom of single contrasts.

    The variance ``v`` of a contrast is estimated; by the delta method its own variance is that of a multiple of a chi-square with ``2 v² / Var(v)``
    degrees of freedom.

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
    slopes = np.einsum("ki,mij,kj->km", inner, info.slopes, inner)
    # Sigma at given theta has variance sigma² / (2 nu), and the derivative of v by sigma is 2 v / sigma.
    spread = np.einsum("km,mn,kn->k", slopes, info.covariance, slopes) + 2.0 / info.sigma_df
    out: Floats = np.where(lengths[:, 0] > 0.0, 2.0 / spread, np.nan)
    return out


def orthogonal_parts(cov: Floats, rows: Floats) -> tuple[Floats, Floats, Floats]:
    """Combinations of contrasts whose estimates are uncorrelated.

    Parameters
    ----------
    cov : (p, p) array
    rows : (k, p) array

    Returns
    -------
    weights : (q, k) array
        As many combinations of the rows as are linearly independent.
    variances : (q,) array
        Variances of their estimates.
    rest : (k - q, k) array
        Combinations that come to nothing.
    """
    values, vectors = np.linalg.eigh(rows @ cov @ rows.T)
    kept = values > RANK_TOLERANCE * max(float(values[-1]), 0.0)
    weights: Floats = vectors[:, kept].T[::-1]
    return weights, values[kept][::-1], vectors[:, ~kept].T


def joint_df(parts: Floats) -> float:
    """Denominator degrees of freedom of an F test from those of its uncorrelated parts.

    F is a mean of squared t variables, whose expectations are ``df / (df - 2)``; its denominator is chosen to give the same expectation. Where some part
    has no expectation (two degrees of freedom or less), the answer is 2. Where all are infinite, so is the answer.
    """
    if len(parts) == 1:
        return float(parts[0])
    if np.isfinite(parts).all() and np.ptp(parts) < EQUAL:
        return float(np.mean(parts))
    if np.any(parts <= 2.0):
        return 2.0
    beyond_one = float(np.sum(2.0 / (parts - 2.0)))
    return 2.0 * (len(parts) + beyond_one) / beyond_one if beyond_one > 0.0 else float("inf")
