"""From the reference grid to marginal means and trends:
rows of the grid averaged over the factors that were not asked for.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.design.encoder import ARRAY
from ranef.errors import ArgumentTypeError, OptionError
from ranef.fit.record import MixedFit
from ranef.inference.marginal_means.cells import WEIGHTS, Cells, averaged_over_nests
from ranef.inference.marginal_means.estimands import Estimands
from ranef.inference.marginal_means.grid import ReferenceGrid
from ranef.inference.marginal_means.scale import fit_scale
from ranef.inference.marginal_means.specs import Specs
from ranef.inference.marginal_means.variables import column_of

Floats = NDArray[np.float64]


def marginal_means(fit: MixedFit, grid: ReferenceGrid, specs: Specs, weights: object) -> Estimands:
    """Average the rows of a grid.

    Parameters
    ----------
    fit : MixedFit
    grid : ReferenceGrid
    specs : Specs
    weights : {"equal", "proportional", "outer", "cells", "flat"}
        How the combinations of the other factors are weighted.

    Returns
    -------
    Estimands
    """
    scale = fit_scale(fit)
    return _averaged(grid, specs, weights, grid.x, grid.offset, "means", scale)


def trends(fit: MixedFit, grid: ReferenceGrid, specs: Specs, weights: object, var: object) -> Estimands:
    """Average the slopes of a covariate over the rows of a grid.

    The slope is a central difference over a thousandth of the covariate's range, exact for
    polynomials up to degree 2.
    """
    if not isinstance(var, str):
        raise ArgumentTypeError(f"var must be the name of a covariate, not {var!r}.")
    covariates = [v.name for v in grid.variables if not v.is_factor]
    if var not in covariates:
        shown = ", ".join(map(repr, covariates)) or "none"
        raise OptionError(f"var must be a numeric variable of the fixed effects, not {var!r}; they have {shown}.")
    values = grid.variables[grid.names.index(var)].values
    assert values is not None
    step = 0.0005 * float(np.ptp(values))
    if not step > 0.0:
        raise OptionError(f"{var!r} has the same value in all rows, so it has no slope.")
    (upper, above), (lower, below) = (_moved(fit, grid, var, move) for move in (step, -step))
    return _averaged(
        grid, specs, weights, (upper - lower) / (2.0 * step), (above - below) / (2.0 * step), "trends", None
    )


def _moved(fit: MixedFit, grid: ReferenceGrid, var: str, step: float) -> tuple[Floats, Floats]:
    """Rows of X and offsets with a covariate moved."""
    columns: dict[str, Any] = {}
    for j, (variable, values) in enumerate(zip(grid.variables, grid.values, strict=True)):
        column = column_of(variable, [values[i] for i in grid.index[:, j].tolist()])
        columns[variable.name] = column + step if variable.name == var else column
    new = fit.design.encoder.new_rows(columns, random="none", need_offset=False)
    offset = np.zeros(len(new.x)) if new.offset is None or fit.design.encoder.offset == ARRAY else new.offset
    return new.x, offset


def _averaged(
    grid: ReferenceGrid, specs: Specs, weights: object, x: Floats, offset: Floats, kind: str, scale: Any
) -> Estimands:
    if not isinstance(weights, str):
        raise ArgumentTypeError(f"weights must be one of {', '.join(map(repr, WEIGHTS))}, not {weights!r}.")
    if weights not in WEIGHTS:
        raise OptionError(f"weights must be one of {', '.join(map(repr, WEIGHTS))}, not {weights!r}.")
    shown = (*specs.names, *specs.by)
    rest = tuple(n for n in grid.names if n not in shown)
    there = grid.occurring
    cells = Cells(grid.names, grid.index[there], np.column_stack([x, offset])[there], grid.frequency[there])
    cells = averaged_over_nests(cells, shown, weights, grid.nesting)
    labels: dict[str, tuple[Any, ...]] = {
        n: tuple(grid.values_of(n)[i] for i in codes.tolist()) for n, codes in zip(shown, cells.index.T, strict=True)
    }
    if not shown:
        labels = {"1": ("overall",)}
    averaged = tuple(n for n in rest if len(grid.values_of(n)) > 1)
    sizes = np.zeros(len(cells.index), dtype=np.intp)
    rows, offsets = np.ascontiguousarray(cells.values[:, :-1]), cells.values[:, -1].copy()
    out = Estimands(labels, specs.by, rows, offsets, kind, None, sizes, scale, averaged, "none")
    for _, members in out.groups():
        sizes[members] = len(members)
    return out
