"""Sums over rows, which a linear model is made of instead of the rows."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranef.design.summarised import RowSummary
from ranef.errors import DataError

Floats = NDArray[np.float64]

NO_ROWS = (
    "this needs the rows of the data, which the model does not have: it was made of sums over them. "
    "with_data(source) gives them again."
)


def no_rows() -> DataError:
    """The error for what a model made of sums over rows cannot do."""
    return DataError(NO_ROWS)


@dataclass(frozen=True, slots=True, eq=False)
class ColumnBasis:
    """Centres and scales in which sums over columns are formed.

    Attributes
    ----------
    intercept : int or None
        The column of ones, where the others are centred beside it.
    shift, scale : tuple of float
        Of each column.
    """

    intercept: int | None
    shift: tuple[float, ...]
    scale: tuple[float, ...]


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


@dataclass(frozen=True, slots=True, eq=False)
class ModelSums:
    """Sums over the rows that a linear model is made of instead of them.

    Attributes
    ----------
    x : ColumnBasis
        Of the fixed effects.
    y : tuple of float
        Centre and scale of the response.
    random : tuple of ColumnBasis
        Of every random term, in the order of the formula.
    shape : tuple of (int, int, str)
        Levels, effects and structure of every random term.
    values : uint8 ndarray or None
        The sums as the core writes them; None before there are any, and where the rows themselves
        went to the iterative solver.
    products : tuple of float, optional
        Products of fixed effects and response, row by row, where the rows went there.
    n_used, n_input, n_missing : int
        Rows in the sums, of the data, and left out because a value is missing.
    missing_counts : tuple of (str, int)
        In how many of these each variable is missing.
    summary : RowSummary or None
        The columns in the rows that were surveyed.
    of_levels : LevelSums or None
        Products over the rows of every level of a grouping factor, where they are kept.
    """

    x: ColumnBasis
    y: tuple[float, float]
    random: tuple[ColumnBasis, ...]
    shape: tuple[tuple[int, int, str], ...]
    values: NDArray[np.uint8] | None = None
    products: tuple[float, ...] | None = None
    n_used: int = 0
    n_input: int = 0
    n_missing: int = 0
    missing_counts: tuple[tuple[str, int], ...] = ()
    summary: RowSummary | None = None
    of_levels: LevelSums | None = None
