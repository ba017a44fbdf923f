"""The core's system of a nonlinear model: the parameters of the curve and log sigma as predictors
of every row.
"""

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.design.record import Design
from ranef.errors import OptionError
from ranef.families.gaussian import Gaussian
from ranef.fit.nonlinear.values import core_mean, curve_of_design
from ranef.fit.order import TermOrder
from ranef.fit.prior import CoreEffects, CorePrior, core_prior, number_prior, of_logarithm
from ranef.fit.row_arguments import core_factors

if TYPE_CHECKING:
    from ranef._core import GlmmSystem

Floats = NDArray[np.float64]


def curve_model(design: Design, order: TermOrder, beta: Floats, sigma: float, gauss_newton: bool) -> "GlmmSystem":
    """Hand the arrays of a nonlinear model to the core.

    Its coefficients are the fixed effects and log sigma; theta is not relative to sigma.

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
    """
    from ranef._core import curve_system

    rows = curve_of_design(design)
    m, n = rows.n_parameters, len(design.y)
    raw = tuple(replace(t, rows=t.with_z(z)) for t, z in zip(design.random, rows.z, strict=True))
    factors = core_factors(replace(design, random=raw), order)
    of = [[c for i in members for c in rows.of[i]] for members in order.factors]
    x = np.asfortranarray(np.column_stack([rows.x, np.ones(n)]))
    first = np.vstack([rows.fixed_parameters(beta), np.full(n, math.log(sigma))])
    weights = np.ones(n) if design.weights is None else np.ascontiguousarray(design.weights)
    return curve_system(
        core_mean(rows),
        list(rows.covariates),
        x,
        [*rows.parts, m],
        np.ascontiguousarray(design.y),
        weights,
        factors,
        of,
        np.ascontiguousarray(first),
        [*_sizes(first[:m]), 1.0],
        gauss_newton,
        curve_prior(replace(design, random=raw), rows.x, order),
    )


def _sizes(parameters: Floats) -> list[float]:
    """Typical sizes of the parameters (P, n) of a curve, in which a search steps; one where a
    parameter is zero.
    """
    sizes = np.sqrt(np.mean(parameters**2, axis=1))
    return [float(size) if size > 0.0 and np.isfinite(size) else 1.0 for size in sizes]


def curve_prior(design: Design, x: Floats, order: TermOrder) -> CorePrior | None:
    """The priors of a nonlinear model, whose last coefficient is log sigma; None without any.

    Parameters
    ----------
    design : Design
        With the priors.
    x : (n, p) array
        Columns of the fixed effects as they enter the parameters of the curve.
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
    found = core_prior(replace(design, priors=of_curve).with_rows(x=x), order, Gaussian()) or CorePrior([], [], [])
    for key, density in design.priors:
        if key == "resid":
            law = of_logarithm(number_prior(key, "resid", density, None))
            found.effects.append(CoreEffects([x.shape[1]], [0.0], [law], None, None, False))
    return found
