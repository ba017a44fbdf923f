"""Columns of the fixed effects in which their covariance matrix has no digits to lose.

A covariate far from zero, or powers of one, make the estimates nearly collinear: their covariance matrix is right entry by entry, and sums over it (the variance of a mean, a
determinant, an inverse) cancel by the square of the distance from zero in units of the spread. Where that is so, one changes to orthonormal columns ``X R^-1``, whose
coefficients are ``R beta``, and asks the core, which centres and scales, for their covariance.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranef.fit.record import LmmFit, MixedFit

Floats = NDArray[np.float64]

#: Smallest eigenvalue of the correlation matrix of the estimates for which sums over the covariance matrix keep ten digits.
COLLINEAR = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class FixedBasis:
    """A basis of the fixed effects.

    Attributes
    ----------
    root : (p, p) array or None
        Upper triangular R; None where the columns as given will do.
    vcov_unscaled : (p, p) array
        Covariance of ``R beta``, without the residual variance.
    scale : float
        That variance; 1 in a generalized model.
    """

    root: Floats | None
    vcov_unscaled: Floats
    scale: float

    @property
    def vcov(self) -> Floats:
        """Covariance (p, p) of ``R beta``."""
        return self.vcov_unscaled * self.scale

    def columns(self, rows: Floats) -> Floats:
        """Rows (m, p) of X, or contrasts, in this basis."""
        return rows if self.root is None else _solved(self.root, rows.T, transposed=True).T

    def given(self, coefficients: Floats) -> Floats:
        """Coefficients (m, p) of this basis as those of the columns as given."""
        return coefficients if self.root is None else _solved(self.root, coefficients.T).T

    def covariance_of(self, rows: Floats) -> Floats:
        """Covariance (m, m) of contrasts (m, p) of the fixed effects."""
        own = self.columns(rows)
        out: Floats = own @ self.vcov @ own.T
        return out

    def variance_of(self, rows: Floats) -> Floats:
        """Variances (m,) of contrasts (m, p) of the fixed effects."""
        own = self.columns(rows)
        out: Floats = np.einsum("ij,jk,ik->i", own, self.vcov, own)
        return out


def fixed_basis(fit: MixedFit) -> FixedBasis:
    """The basis in which to compute with the covariance of the fixed effects.

    Parameters
    ----------
    fit : MixedFit

    Returns
    -------
    FixedBasis
        Of a generalized model the columns as given.
    """
    if not isinstance(fit, LmmFit):
        return FixedBasis(None, fit.vcov, 1.0)
    unscaled, scale = fit.vcov_unscaled, fit.sigma**2
    if len(unscaled) < 2 or not _collinear(unscaled):
        return FixedBasis(None, unscaled, scale)
    x = fit.x if fit.design.weights is None else fit.x * np.sqrt(fit.design.weights)[:, None]
    root = np.asarray(np.linalg.qr(x, mode="r"), dtype=np.float64)
    return FixedBasis(root, _covariance(fit, root), scale)


def _collinear(vcov: Floats) -> bool:
    sizes = np.sqrt(np.diagonal(vcov))
    return bool(np.linalg.eigvalsh(vcov / np.outer(sizes, sizes))[0] < COLLINEAR)


def _covariance(fit: LmmFit, rows: Floats) -> Floats:
    """Covariance of contrasts (m, p), without the residual variance, from the variances of each and of the sums of two of them, which the core gives."""
    m = len(rows)
    first, second = np.tril_indices(m)
    # In units of their own standard errors, so that no variance drowns in another.
    sizes = np.sqrt(_variances(fit, rows))
    scaled = rows / sizes[:, None]
    sums, differences = (_variances(fit, scaled[first] + s * scaled[second]) for s in (1.0, -1.0))
    out = np.empty((m, m))
    out[first, second] = out[second, first] = 0.25 * (sums - differences)
    out *= np.outer(sizes, sizes)
    return out


def _variances(fit: LmmFit, rows: Floats) -> Floats:
    """Variances of contrasts without random effects, without the residual variance."""
    factors: list[tuple[NDArray[np.int32], list[Floats]]] = []
    for f in range(len(fit.order.factors)):
        sizes = [s.size for s in fit.order.spans if s.factor == f]
        factors.append((np.full(len(rows), -1, dtype=np.int32), [np.zeros((len(rows), k), order="F") for k in sizes]))
    out: Floats = fit.prediction_variance(np.asfortranarray(rows), factors) / fit.sigma**2
    return out


def _solved(root: Floats, right: Floats, *, transposed: bool = False) -> Floats:
    """``root^-1 right`` or ``root'^-1 right``; columns with a NaN stay NaN."""
    from scipy.linalg import solve_triangular

    broken = np.isnan(right).any(axis=0)
    out: Floats = solve_triangular(root, np.where(broken, 0.0, right), trans="T" if transposed else "N")
    return np.where(broken, np.nan, out)
