"""Robust covariance of the fixed effects of a model whose rows are correlated within clusters and
which has no random effects, as in R's mmrm.

With R_i = L_i L_i' of a cluster, whitened rows x_i = L_i^-1 X_i and residuals e_i, the estimator is
``M (sum x_i' A_i e_i e_i' A_i x_i) M`` with ``B_i = I - x_i M x_i'`` and A_i the identity (CR0),
``B_i^(-1/2)`` (CR2) or ``B_i^-1`` (CR3). It does not depend on the choice of L_i.
"""

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.fit.record import MixedFit
from ranef.inference.cluster_robust.clusters import Clusters
from ranef.inference.cluster_robust.least_squares import ClusterRobust

Floats = NDArray[np.float64]

#: Eigenvalues of B below this are zero: the fixed effects fit a cluster without error.
ZERO = 1e-9

#: Powers of the eigenvalues of B.
_POWERS = {"CR0": 0.0, "CR2": -0.5, "CR3": -1.0}


class SubjectRobust(ClusterRobust):
    """The sandwich estimator of a fit with correlated rows."""

    @cached_property
    def scores(self) -> Floats:
        """For every cluster ``x' A e / sigma``, (clusters, p)."""
        return self._pieces[0]

    @cached_property
    def _pieces(self) -> tuple[Floats, Floats, Floats]:
        fit, p, count = self.fit, len(self.fit.beta), self.clusters.count
        x = whitened_columns(fit, self.basis.columns(fit.x))
        error = whitened_columns(fit, ((fit.design.y - fit.fixed_part()) / fit.sigma)[:, np.newaxis])[:, 0]
        order = np.argsort(self.clusters.codes, kind="stable")
        sizes = np.bincount(self.clusters.codes, minlength=count)
        starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        score, inner, cross = np.empty((count, p)), np.empty((count, p, p)), np.empty((count, p, p))
        power = _POWERS.get(self.correction, 0.0)
        for size in np.unique(sizes).tolist():
            batch = np.flatnonzero(sizes == size)
            rows = order[starts[batch, np.newaxis] + np.arange(size)]
            own, e = x[rows], error[rows]
            b = own
            if power:
                values, vectors = np.linalg.eigh(np.eye(size) - own @ np.swapaxes(own, 1, 2))
                kept = values > ZERO
                scaled = np.where(kept, np.where(kept, values, 1.0) ** power, 0.0)
                b = (vectors * scaled[:, np.newaxis, :]) @ (np.swapaxes(vectors, 1, 2) @ own)
            score[batch] = np.einsum("crp,cr->cp", b, e)
            inner[batch] = np.swapaxes(b, 1, 2) @ b
            cross[batch] = np.swapaxes(own, 1, 2) @ b
        return score, inner, cross


def whitened_columns(fit: Any, columns: Floats) -> Floats:
    """Columns (n, k) multiplied by the inverse of the Cholesky factor of the covariance of the rows
    in units of sigma².
    """
    scale = 1.0 if fit.design.weights is None else np.sqrt(fit.design.weights)
    return np.column_stack([fit.whitened(column * scale) for column in columns.T])


def subject_clusters(fit: MixedFit) -> Clusters:
    """The blocks of correlated rows."""
    residual = fit.design.residual
    assert residual is not None
    _, codes = np.unique(residual.subject, return_inverse=True)
    codes = codes.reshape(-1).astype(np.intp)
    name = ":".join(v.name for v in residual.expr.correlation.subject) if residual.expr.correlation else "row"
    return Clusters(name, codes, int(codes.max()) + 1, True)
