"""Averages over a reference grid of what is computed in each of its rows, where that is no linear
function of the fixed effects.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.errors import OptionError
from ranef.inference.marginal_means.cells import WEIGHTS, Cells, averaged_over_nests
from ranef.inference.marginal_means.estimands import Estimands, GivenEstimates
from ranef.inference.marginal_means.grid import ReferenceGrid
from ranef.inference.marginal_means.specs import Specs

Floats = NDArray[np.float64]

#: Rows of a grid that one covariance matrix is made for.
MOST_ROWS = 4000

#: Step of derivatives, in standard errors.
STEP = 1e-4


def by_delta_method(f: Callable[[Floats], Floats], here: Floats, covariance: Floats) -> tuple[Floats, Floats]:
    """Values (rows,) of a function at estimates (k,), and their covariance."""
    values = f(here)
    if not np.isfinite(covariance).all():
        return values, np.full((len(values), len(values)), np.nan)
    jacobian = np.zeros((len(values), len(here)))
    for j, se in enumerate(np.sqrt(np.maximum(np.diagonal(covariance), 0.0))):
        if se > 0:
            step = np.zeros(len(here))
            step[j] = STEP * se
            jacobian[:, j] = (f(here + step) - f(here - step)) / (2.0 * step[j])
    return values, jacobian @ covariance @ jacobian.T


def check_grid(grid: ReferenceGrid, weights: object, what: str) -> None:
    """Refuse weights that there are not, and grids of too many rows; ``what`` was asked for."""
    if weights not in WEIGHTS:
        raise OptionError(f"weights must be one of {', '.join(map(repr, WEIGHTS))}, not {weights!r}.")
    if len(grid.index) > MOST_ROWS:
        raise OptionError(
            f"the reference grid has {len(grid.index):,} rows with {what}; the limit is {MOST_ROWS:,}. Fewer values "
            "are chosen by at= ."
        )


def means_of_given(
    grid: ReferenceGrid,
    specs: Specs,
    weights: object,
    estimates: tuple[Floats, Floats],
    quantity: str | None,
    names: tuple[str, ...],
    df: float | None,
) -> Estimands:
    """Average values and covariance of the rows of a grid.

    Parameters
    ----------
    grid : ReferenceGrid
    specs : Specs
    weights : str
        As of `marginal_means`.
    estimates : (rows,) array and (rows, rows) array
    quantity : str or None
        What the values are.
    names : tuple of str
        Variables whose combinations have means.
    df : float or None
        Degrees of freedom; None is infinite.
    """
    shown = (*names, *specs.by)
    values, covariance = estimates
    there = np.flatnonzero(grid.occurring)
    cells = Cells(grid.names, grid.index[there], np.eye(len(grid.index))[there], grid.frequency[there])
    cells = averaged_over_nests(cells, shown, str(weights), grid.nesting)
    labels: dict[str, tuple[Any, ...]] = {
        n: tuple(grid.values_of(n)[i] for i in codes.tolist()) for n, codes in zip(shown, cells.index.T, strict=True)
    }
    if not shown:
        labels = {"1": ("overall",)}
    averaged = tuple(n for n in grid.names if n not in shown and len(grid.values_of(n)) > 1)
    base = GivenEstimates(values, covariance, np.full(len(values), np.inf if df is None else df))
    sizes = np.zeros(len(cells.index), dtype=np.intp)
    x = np.ascontiguousarray(cells.values)
    out = Estimands(labels, specs.by, x, np.zeros(len(x)), "means", None, sizes, None, averaged, "none", base)
    out = replace(out, quantity=quantity)
    for _, members in out.groups():
        sizes[members] = len(members)
    return out
