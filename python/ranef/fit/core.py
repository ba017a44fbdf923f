"""What calls of the core for many fits of one generalized model have in common: its parameters,
options and rows as the core takes them.
"""

import numpy as np
from numpy.typing import NDArray

from ranef.fit.control import FitControl
from ranef.fit.generalized import GlmmFit
from ranef.fit.system import Factors, core_factors

Floats = NDArray[np.float64]

Point = tuple[Floats, Floats, float | None]
Options = tuple[int, str, int, float, float | None, bool]
Rows = tuple[Floats, Floats, Floats | None, Factors]


def core_point(fit: GlmmFit) -> Point:
    """Theta in the core's order, fixed effects and the dispersion of a fit."""
    return fit.core_theta, np.ascontiguousarray(fit.beta), fit.core_dispersion


def core_options(fit: GlmmFit, control: FitControl, warm: bool) -> Options:
    """How fits are made, and whether they start at the estimates."""
    return (
        fit.n_quad,
        fit.curvature,
        control.max_evaluations,
        control.tolerance,
        fit.family.fixed_dispersion,
        warm,
    )


def core_rows(fit: GlmmFit) -> Rows:
    """X, prior weights or trials, offset and grouping factors of a fit."""
    d = fit.design
    return d.x, np.ascontiguousarray(fit.weights), d.offset, core_factors(d, fit.order)
