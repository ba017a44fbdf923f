"""From the reference grid to marginal means and trends:
rows of the grid averaged over the factors that were not asked for.
"""

from dataclasses import replace
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

#: Names of the coefficients of a polynomial, the highest degree that is asked for, and the distance
#: of the points that determine it, as a share of the covariate's range.
DEGREES = ("linear", "quadratic", "cubic", "quartic")
MOST_DEGREE, WIDTH = 4, 0.01


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


def trends(
    fit: MixedFit, grid: ReferenceGrid, specs: Specs, weights: object, var: object, max_degree: int = 1
) -> Estimands:
    """Average the slopes of a covariate over the rows of a grid.

    The slope is a central difference over a thousandth of the covariate's range, exact for
    polynomials up to degree 2. Coefficients of higher degrees are those of the polynomial through
    ``MOST_DEGREE + 1`` points around the value in the grid.
    """
    if isinstance(max_degree, bool) or not isinstance(max_degree, int) or not 1 <= max_degree <= MOST_DEGREE:
        raise OptionError(f"max_degree must be a whole number from 1 to {MOST_DEGREE}, not {max_degree!r}.")
    if not isinstance(var, str):
        raise ArgumentTypeError(f"var must be the name of a covariate, not {var!r}.")
    covariates = [v.name for v in grid.variables if not v.is_factor]
    if var not in covariates:
        shown = ", ".join(map(repr, covariates)) or "none"
        raise OptionError(f"var must be a numeric variable of the fixed effects, not {var!r}; they have {shown}.")
    low, high = grid.variables[grid.names.index(var)].range
    step = 0.0005 * (high - low)
    if not step > 0.0:
        raise OptionError(f"{var!r} has the same value in all rows, so it has no slope.")
    (upper, above), (lower, below) = (_moved(fit, grid, var, move) for move in (step, -step))
    slopes = _averaged(
        grid, specs, weights, (upper - lower) / (2.0 * step), (above - below) / (2.0 * step), "trends", None
    )
    if max_degree == 1:
        return slopes
    width = WIDTH * (high - low)
    points = np.arange(MOST_DEGREE + 1) - MOST_DEGREE // 2
    moved = [_moved(fit, grid, var, width * float(k)) for k in points]
    inverse = np.linalg.inv(np.vander(points.astype(np.float64), increasing=True))
    parts = [slopes]
    for degree in range(2, max_degree + 1):
        weight = inverse[degree] / width**degree
        x = np.tensordot(weight, np.stack([m[0] for m in moved]), axes=1)
        offset = weight @ np.stack([m[1] for m in moved])
        parts.append(_averaged(grid, specs, weights, x, offset, "trends", None))
    names = [n for d, part in enumerate(parts) for n in [DEGREES[d]] * len(part.x)]
    return replace(
        slopes,
        labels={
            "degree": tuple(names),
            **{n: tuple(v for part in parts for v in part.labels[n]) for n in slopes.labels},
        },
        by=("degree", *slopes.by),
        x=np.concatenate([part.x for part in parts]),
        offset=np.concatenate([part.offset for part in parts]),
        means=np.concatenate([part.means for part in parts]),
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
