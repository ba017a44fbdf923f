"""Estimates without some rows of a model whose rows are correlated given the random effects.

Leaving rows D out is the same as giving each of them an effect of its own. With V the covariance of
the rows divided by sigma², ``P = V^-1 - V^-1 X Phi X'V^-1`` and E the columns of those effects they
are ``d = (E'PE)^-1 E'Py``; the fixed effects change by ``-Phi X'V^-1 E d`` and the sum of squares
falls by ``(E'Py)'d`` (Haslett 1999, J. R. Stat. Soc. B 61, 603-609). Covariance parameters are
held, but for sigma.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.diagnostics.deletion import LARGEST_EIGENVALUE, Deletion, deletion_of
from ranef.estimates.fixed_basis import fixed_basis
from ranef.estimates.whitened_rows import block_roots, whitened_rows
from ranef.fit.record import MixedFit

if TYPE_CHECKING:
    from scipy.sparse import csc_array

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]


def without_correlated(fit: MixedFit, sets: Sequence[Ints]) -> Deletion:
    """Leave out sets of rows in turn.

    Parameters
    ----------
    fit : MixedFit
        With a covariance structure of its rows.
    sets : sequence of int arrays
        Rows of the fit.
    """
    m, p = len(sets), len(fit.beta)
    basis = fixed_basis(fit)
    assert basis is not None
    white = whitened_rows(fit)
    x = basis.columns(white.x)
    roots = _inverse_roots(fit)
    residuals = white.residuals((roots @ (fit.design.y - fit.fixed_part()))[:, np.newaxis])[:, 0]
    change, unscaled = np.full((m, p), np.nan), np.full((m, p), np.nan)
    ratio, drop = np.full(m, np.nan), np.full(m, np.nan)
    for i, rows in enumerate(sets):
        own = roots[:, rows].toarray()
        explained = own
        if white.z is not None:
            explained = own - white.z @ white.system.solve(np.ascontiguousarray(white.z.T @ own))
        root = np.linalg.cholesky(own.T @ explained)
        half = np.linalg.solve(root, np.column_stack([explained.T @ x, own.T @ residuals]))
        t, h = half[:, :-1], half[:, -1]
        values, vectors = np.linalg.eigh(t.T @ t)
        if p and values[-1] > LARGEST_EIGENVALUE:
            continue
        # a root of the covariance without the rows
        without = vectors / np.sqrt(1.0 - values)
        pull = without.T @ (t.T @ h)
        change[i] = -without @ pull
        unscaled[i] = np.sum((basis.root @ without) ** 2, axis=1)
        ratio[i] = np.prod(1.0 / (1.0 - values))
        drop[i] = h @ h + pull @ pull
    counts = np.array([len(rows) for rows in sets], dtype=np.intp)
    return deletion_of(fit, basis, change, unscaled, ratio, fit.sigma_without(drop, counts), counts)


def _inverse_roots(fit: MixedFit) -> "csc_array":
    """The inverse of the root of the covariance of the rows: a row for each whitened one, a column
    for each row of the fit.
    """
    from scipy.sparse import csc_array

    rows = fit.design.residual
    assert rows is not None
    n = fit.nobs
    if rows.expr.correlation is None:
        scale = fit.sigma / np.sqrt(fit.observation_variance())
        return csc_array((scale, (np.arange(n), np.arange(n))), shape=(n, n))
    value, row, column, begin = [], [], [], 0
    for at, root in block_roots(fit, rows):
        k = len(at)
        value.append(np.linalg.inv(root).reshape(-1))
        row.append(np.repeat(np.arange(begin, begin + k), k))
        column.append(np.tile(at, k))
        begin += k
    return csc_array((np.concatenate(value), (np.concatenate(row), np.concatenate(column))), shape=(n, n))
