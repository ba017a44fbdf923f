"""What calls of the core for many fits of one model take: its parameters, and how fits are made."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.families.custom import CustomFamily
from ranef.fit.control import FitControl
from ranef.fit.generalized import GlmmFit
from ranef.fit.record import MixedFit

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Point:
    """Parameters of a model as the core takes them.

    Attributes
    ----------
    theta : (m,) array
        In the core's order.
    beta : (p,) array
    spread : float or None
        Residual standard deviation, or the extra parameter of a family.
    """

    theta: Floats
    beta: Floats
    spread: Any


@dataclass(frozen=True, slots=True)
class Options:
    """How the core fits a model.

    Linear models read the criterion, generalized ones the approximation.

    Attributes
    ----------
    reml : bool
    n_quad : int
    curvature : str
    fixed_dispersion : float or None
    max_evaluations : int
    tolerance : float
    """

    reml: bool
    n_quad: int
    curvature: str
    fixed_dispersion: float | None
    max_evaluations: int
    tolerance: float


def core_point(fit: MixedFit) -> Point:
    """The estimates of a fit."""
    if isinstance(fit, GlmmFit):
        return Point(fit.core_theta, np.ascontiguousarray(fit.core_beta), fit.core_dispersion)
    return Point(fit.core_theta, np.ascontiguousarray(fit.beta), float(fit.spread))


def core_start(fit: MixedFit) -> Point | None:
    """Where other fits of the model start.

    None where the estimates are on the boundary, which they would first have to leave.
    """
    return None if fit.singular else core_point(fit)


def core_options(fit: MixedFit, control: FitControl, reml: bool | None = None) -> Options:
    """How other fits of the model are made, by default by its criterion."""
    return Options(
        reml=fit.reml if reml is None else reml,
        n_quad=fit.n_quad,
        curvature=fit.curvature,
        fixed_dispersion=fit.family.fixed_dispersion,
        max_evaluations=control.max_evaluations,
        tolerance=control.tolerance,
    )


def core_threads(fit: MixedFit, n_threads: int) -> int:
    """Threads that can be used: a family of Python functions has one."""
    return 1 if isinstance(fit.family, CustomFamily) else n_threads
