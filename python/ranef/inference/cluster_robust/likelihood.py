"""Covariance of the estimates of a generalized model that stays right
where the model is wrong within clusters: the sandwich of the marginal likelihood.

Where no random effect is shared by two clusters, the log-likelihood is a sum over them, and with
s_c the gradient of the part of cluster c in all parameters (covariance parameters, fixed effects,
logarithm of the dispersion) and H the second derivatives of the whole, both at the estimates, the
sandwich is ``H⁻¹ (Σ s_c s_c') H⁻¹`` (White 1982; Liang and Zeger 1986). The gradients are exact,
from the likelihood that was maximised: Laplace's approximation or quadrature of the rows of one
cluster.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ranef.fit.record import MixedFit
from ranef.fit.scores import row_score
from ranef.inference.cluster_robust.clusters import Clusters, Correction, sample_factor

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LikelihoodSandwich:
    """The sandwich estimator of one generalized fit.

    Attributes
    ----------
    fit : MixedFit
    correction : {"CR0", "CR1", "CR1p", "CR1S"}
    clusters : Clusters
        Independent of each other in the model.
    """

    fit: MixedFit
    correction: Correction
    clusters: Clusters

    @cached_property
    def scores(self) -> Floats:
        """Gradient of the log-likelihood of every cluster, (clusters, k),
        in theta (lme4's order), the fixed effects and the logarithm of an estimated dispersion.
        """
        order = np.argsort(self.clusters.codes, kind="stable")
        parts = np.split(order, np.cumsum(np.bincount(self.clusters.codes))[:-1])
        return np.array([row_score(self.fit, rows) for rows in parts])

    @cached_property
    def joint(self) -> Floats:
        """Covariance of all parameters, (k, k).

        NaN for thetas at the boundary, which are held there.
        """
        bread = self.fit.joint_covariance()
        assert bread is not None
        free = ~np.isnan(np.diagonal(bread))
        inside = bread[np.ix_(free, free)]
        scores = self.scores[:, free]
        factor = sample_factor(self.correction, self.clusters.count, self.fit.nobs, len(self.fit.beta))
        middle = scores.T @ scores
        out = np.full_like(bread, np.nan)
        found = factor * inside @ middle @ inside
        out[np.ix_(free, free)] = 0.5 * (found + found.T)
        return out

    @cached_property
    def covariance(self) -> Floats:
        """Covariance matrix of the fixed effects, (p, p)."""
        m, p = self.fit.whole_order.n_theta, len(self.fit.beta)
        return self.joint[m : m + p, m : m + p]
