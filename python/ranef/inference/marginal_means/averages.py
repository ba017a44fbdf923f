"""From the reference grid to marginal means and trends:
rows of the grid averaged over the factors that were not asked for.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.design.encoder import ARRAY
from ranef.errors import ArgumentTypeError, OptionError
from ranef.fit.record import MixedFit
from ranef.inference.marginal_means.estimands import Estimands
from ranef.inference.marginal_means.grid import ReferenceGrid
from ranef.inference.marginal_means.scale import fit_scale
from ranef.inference.marginal_means.specs import Specs
from ranef.inference.marginal_means.variables import column_of

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

WEIGHTS = ("equal", "proportional", "outer", "cells", "flat")


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
    existing = grid.occurring
    cell, _ = _cells(grid, shown)
    rest = tuple(n for n in grid.names if n not in shown)
    row_weights = _row_weights(grid, rest, weights, existing)
    there = np.flatnonzero(existing)
    there = there[np.argsort(cell[there], kind="stable")]
    cells, starts = np.unique(cell[there], return_index=True)
    rows = np.full((len(cells), x.shape[1]), np.nan)
    offsets = np.full(len(cells), np.nan)
    first = there[starts]
    for place, members in enumerate(np.split(there, starts[1:])):
        w = row_weights[members]
        if w.sum() > 0.0:
            # Rows without weight may not be estimable, so they must not take part.
            members, w = members[w > 0.0], w[w > 0.0] / w.sum()
            rows[place], offsets[place] = w @ x[members], w @ offset[members]
    labels: dict[str, tuple[Any, ...]] = {
        n: tuple(grid.values_of(n)[i] for i in grid.column(n)[first].tolist()) for n in shown
    }
    if not shown:
        labels = {"1": ("overall",)}
    averaged = tuple(n for n in rest if len(grid.values_of(n)) > 1)
    sizes = np.zeros(len(cells), dtype=np.intp)
    out = Estimands(labels, specs.by, rows, offsets, kind, None, sizes, scale, averaged, "none")
    for _, members in out.groups():
        sizes[members] = len(members)
    return out


def _cells(grid: ReferenceGrid, names: tuple[str, ...]) -> tuple[Ints, int]:
    """A number for each combination of values of some variables, the first varying fastest;
    and how many there are.
    """
    cell = np.zeros(len(grid.index), dtype=np.intp)
    stride = 1
    for name in names:
        cell += stride * grid.column(name)
        stride *= len(grid.values_of(name))
    return cell, stride


def _row_weights(grid: ReferenceGrid, rest: tuple[str, ...], weights: str, existing: NDArray[np.bool_]) -> Floats:
    """Weights of the rows of a grid,
    as far as the combination of the variables that are averaged over decides.
    """
    frequency = np.where(existing, grid.frequency, 0.0)
    if weights == "equal":
        return np.ones(len(frequency))
    if weights == "flat":
        return (frequency > 0.0).astype(np.float64)
    if weights == "cells":
        return frequency
    if weights == "proportional":
        cell, count = _cells(grid, rest)
        return np.asarray(np.bincount(cell, frequency, minlength=count)[cell], dtype=np.float64)
    out = np.ones(len(frequency))
    for name in rest:
        codes = grid.column(name)
        out *= np.bincount(codes, frequency)[codes]
    return out
