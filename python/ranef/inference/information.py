"""What the data say of the covariance parameters:
their asymptotic covariance, and how the covariance of the fixed effects moves with them.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from ranef.fit.record import MixedFit

if TYPE_CHECKING:
    from ranef import _core
    from ranef.fit.iterative.sampled import SampledTests

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class VarianceInformation:
    """Covariance parameters as far as degrees of freedom need them.

    The parameters are free coordinates of the relative factors, with sigma at its optimum for each
    value of them, and sigma itself. Directions without variance are held on the boundary and have
    no coordinate, so that the others are in the interior of what is left. Variances are in units of
    sigma², and fixed effects in the coordinates in which their covariance matrix is the identity:
    those of a contrast ``l`` of the columns as given are ``l @ root``.

    Attributes
    ----------
    root : (p, p) array
        ``sigma**2 * root @ root.T`` is the covariance matrix of the fixed effects.
    covariance : (m, m) array
        Asymptotic covariance of the free coordinates: twice the inverse of the curvature of the
        criterion with sigma profiled out.
    slopes : (m, p, p) array
        Derivatives of the covariance matrix of the fixed effects along the coordinates, sigma
        following.
    sigma_df : float
        Residual degrees of freedom of the criterion: n - p by REML, n by maximum likelihood.
    fixed : dict
        For every random term on the boundary, the number of directions held there.
    flat : int
        Number of coordinates about which the criterion says nothing.
    """

    root: Floats
    covariance: Floats
    slopes: Floats
    sigma_df: float
    fixed: dict[str, int]
    flat: int

    @classmethod
    def of_core(cls, found: "_core.Satterthwaite | SampledTests", fit: MixedFit) -> Self:
        """What the core gives for a fit."""
        nu = fit.nobs - len(fit.beta) if fit.reml else fit.nobs
        boundary = dict(fit.convergence.boundary)
        return cls(found.root, found.covariance, found.slopes, float(nu), boundary, found.flat)


def variance_information(fit: MixedFit) -> VarianceInformation:
    """Curvature of the criterion and slopes of the covariance of the fixed effects.

    Parameters
    ----------
    fit : MixedFit

    Returns
    -------
    VarianceInformation
    """
    return VarianceInformation.of_core(fit.satterthwaite(), fit)
