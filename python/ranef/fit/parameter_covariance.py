"""Covariance of all parameters of a generalized fit, from second derivatives of its criterion."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ranef import _core

Floats = NDArray[np.float64]

#: Eigenvalues of second derivatives in their own units below this are zero where theta alone is
#: concerned: differences of gradients leave some millionths of them.
FLAT = 3e-5

#: Squares of components of unit vectors that are none.
NOTHING = 1e-6


def joint_covariance_of(found: "_core.GeneralizedFit") -> Floats | None:
    """Covariance of all parameters, theta first.

    Directions of theta alone along which the criterion is flat are left out, and parameters that
    they move are NaN; where the second derivatives are not positive definite beside them, theta is
    taken as known. None where those in the coefficients are not positive definite either.
    """
    covariance, moved = determined_covariance(found)
    if covariance is not None:
        covariance[moved] = covariance[:, moved] = np.nan
    return covariance


def determined_covariance(found: "_core.GeneralizedFit") -> tuple[Floats | None, NDArray[np.intp]]:
    """The same with variances of parameters that flat directions move, as if the estimates could
    not move along these: right for whatever does not change along them. Numbers of the parameters
    follow.
    """
    own, h = found.covariance, found.hessian
    if h is None or found.solution is None or (own is not None and _is_nowhere_flat(own, h)):
        return own, np.zeros(0, dtype=np.intp)
    m = len(found.solution.theta)
    held = np.zeros(len(h), bool) if own is None else np.isnan(np.diagonal(own))
    covariance, moved = _inverse(h, m, held)
    return (covariance, moved) if covariance is not None else _inverse(h, m, np.arange(len(h)) < m)


def _is_nowhere_flat(covariance: Floats, h: Floats) -> bool:
    """Whether all variances are numbers and none is so much larger than with the other parameters
    known as a flat direction makes that of one of them.
    """
    with np.errstate(invalid="ignore"):
        inflation = 0.5 * np.diagonal(covariance) * np.diagonal(h)
    return bool(np.all(inflation * len(h) < 1.0 / FLAT))


def _inverse(h: Floats, m: int, held: NDArray[np.bool_]) -> tuple[Floats | None, NDArray[np.intp]]:
    """Twice the inverse of second derivatives without what is held and without flat directions of
    the first m, and what these move; None where they are not finite, or not positive definite in
    the rest.
    """
    used = np.flatnonzero(~held)
    if not np.all(np.isfinite(h[np.ix_(used, used)])):
        return None, np.zeros(0, dtype=np.intp)
    size = np.sqrt(np.abs(np.diagonal(h)[used]))
    size[size == 0.0] = 1.0
    values, vectors = np.linalg.eigh(h[np.ix_(used, used)] / np.outer(size, size))
    outside = np.sum(vectors[used >= m] ** 2, axis=0)
    flat = (np.abs(values) < FLAT) & (outside < NOTHING)
    if np.any(values[~flat] <= 0.0):
        return None, np.zeros(0, dtype=np.intp)
    out = np.full_like(h, np.nan)
    root = vectors[:, ~flat] / np.sqrt(values[~flat]) / size[:, np.newaxis]
    # the criterion is twice minus the log-likelihood
    out[np.ix_(used, used)] = 2.0 * root @ root.T
    return out, used[np.any(vectors[:, flat] ** 2 > NOTHING, axis=1)]
