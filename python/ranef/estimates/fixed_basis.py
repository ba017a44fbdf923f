"""Coordinates of the fixed effects of a linear model in
which their covariance matrix has no digits to lose.

A covariate far from zero, or powers of one, make the estimates nearly collinear: their covariance
matrix is right entry by entry, and sums over it (the variance of a mean, a determinant, an inverse)
cancel by the square of the distance from zero in units of the spread. The core, which centres and
scales, gives a root K of that matrix instead, ``sigma**2 * K @ K.T``: a contrast ``l`` of the
columns as given has the coordinates ``l @ K``, the columns of X become ``X @ K``, and the
covariance matrix is the identity times ``sigma**2``. Whatever needs the covariance of the fixed
effects is computed there.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranef.fit.record import MixedFit

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class FixedBasis:
    """The coordinates.

    Attributes
    ----------
    root : (p, p) array
        K. Estimates beta are ``K @ c`` for those of the coordinates.
    """

    root: Floats

    def columns(self, rows: Floats) -> Floats:
        """Rows (m, p) of X, or contrasts, in the coordinates."""
        return rows @ self.root

    def given(self, coefficients: Floats) -> Floats:
        """Coefficients (m, p) of the coordinates as those of the columns as given."""
        return coefficients @ self.root.T

    def covariance_of(self, rows: Floats) -> Floats:
        """Covariance (m, m) of contrasts (m, p) of the fixed effects, divided by sigma²."""
        own = self.columns(rows)
        return own @ own.T

    def variance_of(self, rows: Floats) -> Floats:
        """Variances (m,) of contrasts (m, p) of the fixed effects, divided by sigma²."""
        out: Floats = np.sum(self.columns(rows) ** 2, axis=1)
        return out


def fixed_basis(fit: MixedFit) -> FixedBasis | None:
    """The coordinates in which to compute with the covariance of the fixed effects.

    Parameters
    ----------
    fit : MixedFit

    Returns
    -------
    FixedBasis or None
        None where the covariance is no function of least squares, as in a generalized model.
    """
    root = fit.fixed_root()
    return None if root is None else FixedBasis(root)
