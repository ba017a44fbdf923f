"""The core's system of a nonlinear model: the parameters of the curve and log sigma as predictors
of every row.
"""

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.design.curve_rows import CurveRows
from ranef.design.membership import for_core
from ranef.design.record import Design
from ranef.errors import OptionError
from ranef.families.gaussian import Gaussian
from ranef.fit.nonlinear.row_scales import RowScales, row_scales
from ranef.fit.nonlinear.values import core_mean, curve_of_design
from ranef.fit.order import TermOrder
from ranef.fit.prior import CoreEffects, CorePrior, core_prior, number_prior, of_logarithm
from ranef.fit.row_arguments import Factors

if TYPE_CHECKING:
    from ranef._core import CurveModel, GlmmSystem

Floats = NDArray[np.float64]


def curve_rows(design: Design, order: TermOrder) -> "CurveModel":
    """Hand a curve with its rows to the core, for least squares and turns of linear models.

    Parameters
    ----------
    design : Design
        With a curve.
    order : TermOrder
    """
    from ranef._core import CurveModel

    rows = curve_of_design(design)
    return CurveModel(
        core_mean(rows),
        list(rows.covariates),
        rows.n_parameters,
        rows.x,
        list(rows.parts),
        np.ascontiguousarray(design.y),
        design.weights,
        *_effects(design, order),
    )


def _effects(design: Design, order: TermOrder) -> tuple[Factors, list[list[int]]]:
    """Random effects as they enter the parameters, and the parameter of each, by factor."""
    rows = curve_of_design(design)
    factors = []
    for members in order.factors:
        first = design.random[members[0]]
        terms = [(rows.z[i], design.random[i].structure) for i in members]
        factors.append((for_core(first.places), first.n_columns, terms))
    return factors, [[c for i in members for c in rows.of[i]] for members in order.factors]


def curve_model(
    design: Design,
    order: TermOrder,
    beta: Floats,
    sigma: float,
    gauss_newton: bool,
    scales: RowScales | None = None,
) -> "GlmmSystem":
    """Hand the arrays of a nonlinear model to the core.

    Its coefficients are the fixed effects, log sigma and the parameters of a variance function;
    theta is not relative to sigma.

    Parameters
    ----------
    design : Design
        With a curve.
    order : TermOrder
    beta : (p,) array
        Fixed effects near which modes are looked for first.
    sigma : float
        Residual standard deviation there.
    gauss_newton : bool
        Whether the determinant has the curvature of Gauss and Newton.
    scales : RowScales, optional
        The variance functions of the design, where they are known.
    """
    from ranef._core import curve_system

    rows = curve_of_design(design)
    m, n = rows.n_parameters, len(design.y)
    scales = scales or row_scales(design)
    x = np.asfortranarray(np.column_stack([rows.x, np.ones(n), scales.all_columns()]))
    of_scales = [m + 1 + v for v, f in enumerate(scales.functions) for _ in range(f.columns.shape[1])]
    exponents = np.zeros((len(scales.functions), n))
    first = np.vstack([rows.fixed_parameters(beta), np.full(n, math.log(sigma)), exponents])
    weights = np.ones(n) if scales.weights is None else scales.weights
    return curve_system(
        core_mean(rows),
        list(rows.covariates),
        x,
        [*rows.parts, m, *[m] * scales.columns.shape[1], *of_scales],
        np.ascontiguousarray(design.y),
        weights,
        *_effects(design, order),
        np.ascontiguousarray(first),
        [*_sizes(first[:m]), 1.0, *(f.unit for f in scales.functions)],
        gauss_newton,
        [(f.name, f.centre) for f in scales.functions],
        curve_prior(design, rows, order),
    )


def _sizes(parameters: Floats) -> list[float]:
    """Typical sizes of the parameters (P, n) of a curve, in which a search steps; one where a
    parameter is zero.
    """
    sizes = np.sqrt(np.mean(parameters**2, axis=1))
    return [float(size) if size > 0.0 and np.isfinite(size) else 1.0 for size in sizes]


def curve_prior(design: Design, rows: CurveRows, order: TermOrder) -> CorePrior | None:
    """The priors of a nonlinear model, whose last coefficient is log sigma; None without any.

    Parameters
    ----------
    design : Design
        With the priors.
    rows : CurveRows
        Columns as they enter the parameters of the curve.
    order : TermOrder
    """
    if not design.priors:
        return None
    for key, _ in design.priors:
        if key.partition(":")[0] in ("disp", "shape", "zi"):
            raise OptionError(
                f"prior[{key!r}]: a nonlinear model has 'fixef', 'cov' and 'resid', its residual standard deviation."
            )
    of_curve = tuple((key, density) for key, density in design.priors if key != "resid")
    random = tuple(replace(t, rows=t.with_z(z)) for t, z in zip(design.random, rows.z, strict=True))
    as_entered = replace(design, priors=of_curve, random=random).with_rows(x=rows.x)
    found = core_prior(as_entered, order, Gaussian()) or CorePrior([], [], [])
    for key, density in design.priors:
        if key == "resid":
            law = of_logarithm(number_prior(key, "resid", density, None))
            found.effects.append(CoreEffects([rows.x.shape[1]], [0.0], [law], None, None, False))
    return found
