"""Rotation of responses to independence:
the inverse of a square root of their covariance, block by block.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ranef.diagnostics.blocks import RandomColumns, random_columns
from ranef.errors import OptionError
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
    random = random_columns(fit)
    counts = np.bincount(random.block, minlength=random.n_blocks)
    if counts.max() > LARGEST_BLOCK:
        raise OptionError(
            f"the grouping factors link {counts.max()} rows, and rotating residuals to independence takes their whole "
            f"covariance matrix (at most {LARGEST_BLOCK} rows). Use rotate=False; the residuals are then correlated "
            "within groups."
        )
    from scipy.linalg import solve_triangular

    out = np.empty_like(deviations)
    for rows, covariance in _covariances(fit, random, counts):
        root = np.linalg.cholesky(covariance)
        out[rows] = solve_triangular(root, deviations[rows], lower=True, check_finite=False)
    return out


def _covariances(fit: MixedFit, random: RandomColumns, counts: Ints) -> Iterator[tuple[Ints, Floats]]:
    """Rows of every block and their covariance."""
    sorter = np.argsort(random.block, kind="stable")
    variance = np.ones(fit.nobs) if fit.design.weights is None else 1.0 / fit.design.weights
    stop = np.cumsum(counts)
    for lower, upper in zip((stop - counts).tolist(), stop.tolist(), strict=True):
        rows = sorter[lower:upper]
        touched, place = np.unique(random.columns[rows], return_inverse=True)
        z = np.zeros((len(rows), len(touched)))
        z[np.arange(len(rows))[:, None], place.reshape(len(rows), -1)] = random.values[rows]
        yield rows, (z @ z.T + np.diag(variance[rows])) * fit.sigma**2
