"""Sums over the rows of every level of one grouping factor."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class LevelSums:
    """Products of the fixed effects and the response over the rows of every level of a grouping
    factor, in the centres and scales of the sums that they are part of.

    Attributes
    ----------
    group : str
        The grouping factor.
    products : (levels, (p + 1) (p + 2) / 2) array
        The lower half, row by row; the response comes last.
    """

    group: str
    products: NDArray[np.float64]

    def matrices(self) -> NDArray[np.float64]:
        """The products (levels, p + 1, p + 1), both halves."""
        count, size = self.products.shape
        width = (int(np.sqrt(8 * size + 1)) - 1) // 2
        out = np.empty((count, width, width))
        i, j = np.tril_indices(width)
        out[:, i, j] = out[:, j, i] = self.products
        return out
