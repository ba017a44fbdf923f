"""Rotation of responses to independence:
the inverse of a square root of their covariance, block by block.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ranef.errors import OptionError
from ranef.estimates.random_columns import RandomColumns, random_columns
from ranef.fit.record import MixedFit

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

LARGEST_BLOCK = 4000
"""Rows of a block beyond which its dense covariance is not formed."""


def rotated(fit: MixedFit, deviations: Floats) -> Floats:
    """Multiply deviations (n, m) from the population mean by ``L^-1``,
    where ``L L'`` is the covariance of the rows that the model implies.

    Rows are taken in their order, so that each is compared with what the rows of the same block
    before it predict for it.
    """
    if fit.design.residual is not None and not fit.terms:
        scale = 1.0 if fit.design.weights is None else np.sqrt(fit.design.weights)
        columns = deviations.reshape(len(deviations), -1).T
        whole = np.column_stack([fit.whitened(column * scale) for column in columns]) / fit.sigma
        return whole.reshape(deviations.shape)
    block = _linked_rows(fit)
    counts = np.bincount(block)
    if counts.max() > LARGEST_BLOCK:
        raise OptionError(
            f"the grouping factors link {counts.max()} rows, and rotating residuals to independence takes their whole "
            f"covariance matrix (at most {LARGEST_BLOCK} rows). Use rotate=False; the residuals are then correlated "
            "within groups."
        )
    from scipy.linalg import solve_triangular

    out = np.empty_like(deviations)
    for rows, covariance in _covariances(fit, block, counts):
        root = np.linalg.cholesky(covariance)
        out[rows] = solve_triangular(root, deviations[rows], lower=True, check_finite=False)
    return out


def _linked_rows(fit: MixedFit) -> Ints:
    """The block (n,) of every row.

    Levels that occur in the same row are linked; a set of linked levels is a block. With one
    grouping factor a block is a level, with nested factors a level of the outermost one, with
    crossed factors usually everything.
    """
    if any(t.has_members for t in fit.terms):
        return _rows_with_shared_effects(random_columns(fit))
    firsts = [next(i for i, s in enumerate(fit.order.spans) if s.factor == f) for f in range(len(fit.order.factors))]
    terms = [fit.terms[i] for i in firsts]
    if len(terms) == 1:
        return terms[0].codes.astype(np.intp)
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    offsets = np.concatenate([[0], np.cumsum([len(t.levels) for t in terms])])
    total = int(offsets[-1])
    a = np.tile(terms[0].codes.astype(np.int64), len(terms) - 1)
    b = np.concatenate([t.codes.astype(np.int64) + o for t, o in zip(terms[1:], offsets[1:], strict=False)])
    graph = coo_array((np.ones(len(a)), (a, b)), shape=(total, total)).tocsr()
    return np.asarray(connected_components(graph, directed=False)[1][terms[0].codes], dtype=np.intp)


def _rows_with_shared_effects(random: RandomColumns) -> Ints:
    """The block (n,) of every row, where rows have parts of several independent effects."""
    from scipy.sparse import bmat, coo_array
    from scipy.sparse.csgraph import connected_components

    n, width = random.columns.shape
    there = random.values.ravel() != 0
    rows, columns = np.repeat(np.arange(n), width)[there], random.columns.ravel()[there]
    meet = coo_array((np.ones(len(rows)), (rows, columns)), shape=(n, int(columns.max(initial=0)) + 1))
    graph = bmat([[None, meet], [meet.T, None]]).tocsr()
    found = connected_components(graph, directed=False)[1][:n]
    return np.asarray(np.unique(found, return_inverse=True)[1].reshape(-1), dtype=np.intp)


def _covariances(fit: MixedFit, block: Ints, counts: Ints) -> Iterator[tuple[Ints, Floats]]:
    """Rows of every block and their covariance."""
    random = random_columns(fit)
    sorter = np.argsort(block, kind="stable")
    variance = np.ones(fit.nobs) if fit.design.weights is None else 1.0 / fit.design.weights
    stop = np.cumsum(counts)
    for lower, upper in zip((stop - counts).tolist(), stop.tolist(), strict=True):
        rows = sorter[lower:upper]
        touched, place = np.unique(random.columns[rows], return_inverse=True)
        z = np.zeros((len(rows), len(touched)))
        z[np.arange(len(rows))[:, None], place.reshape(len(rows), -1)] = random.values[rows]
        yield rows, (z @ z.T + np.diag(variance[rows])) * fit.sigma**2
