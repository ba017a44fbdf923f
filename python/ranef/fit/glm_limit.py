"""The likelihood of a generalized model without its random effects: the limit in which all their
variances are zero, where the integral is gone.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.fit.generalized import GlmmFit
from ranef.fit.record import MixedFit
from ranef.fit.row_subset import design_of_rows
from ranef.fit.system import build_generalized_system

if TYPE_CHECKING:
    from ranef._core import GlmmSystem

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Value = Callable[[Floats], tuple[float, Floats]]

#: A standard error beyond which a level has no finite estimate.
RUNAWAY = 50.0

#: Newton steps, and halvings of one step.
MOST_STEPS = 200
MOST_HALVINGS = 40

#: A step that would gain less than this in -2 log-likelihood is the last.
DECREMENT = 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class GlmLimit:
    """Estimates without random effects.

    Attributes
    ----------
    beta : (p,) array
    dispersion : float or None
        The extra parameter of the family, as the core takes it.
    objective : float
        -2 log-likelihood.
    converged : bool
    """

    beta: Floats
    dispersion: float | None
    objective: float
    converged: bool


def glm_limit(fit: GlmmFit) -> GlmLimit:
    """Maximise the likelihood of the fixed effects and the dispersion with all variances held at
    zero.

    Newton's method with the exact gradient of the core, its differences for second derivatives, and
    steps that are halved until they gain.
    """
    system = fit.system.get(fit.n_threads)
    zero, p = np.zeros_like(fit.core_theta), len(fit.beta)
    free = fit.dispersion_estimated

    def value(point: Floats) -> tuple[float, Floats]:
        dispersion = float(np.exp(point[p])) if free else fit.core_dispersion
        found = system.evaluate(zero, np.ascontiguousarray(point[:p]), dispersion, 1, fit.curvature, fit.n_threads)
        return found.objective, found.gradient[len(zero) :][: p + free]

    start = np.concatenate([fit.beta, [np.log(fit.dispersion)]]) if free else fit.beta.copy()
    point, objective, converged = _minimum(value, start)
    dispersion = float(np.exp(point[p])) if free else fit.core_dispersion
    return GlmLimit(point[:p], dispersion, objective, converged)


def level_coefficients(fit: MixedFit, z: Floats, rest: Floats, codes: Ints, n_levels: int) -> Floats:
    """Coefficients of every level of a grouping factor by maximum likelihood in its rows alone.

    Parameters
    ----------
    fit : MixedFit
        A generalized one. Its family, and the estimate of its extra parameter, are those of the
        levels.
    z : (n, k) array
        Columns whose coefficients are estimated.
    rest : (n,) array
        The rest of the linear predictor, held.
    codes : (n,) array
    n_levels : int

    Returns
    -------
    (levels, k) array
        NaN where a level has no finite estimate, as with successes only.
    """
    assert isinstance(fit, GlmmFit)
    k = z.shape[1]
    out = np.full((n_levels, k), np.nan)
    order = np.argsort(codes, kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(codes, minlength=n_levels))[:-1])
    names = tuple(map(str, range(k)))
    zero = np.zeros_like(fit.core_theta)
    for level, rows in enumerate(parts):
        part = design_of_rows(fit.design, rows)
        own = replace(part.with_rows(x=np.asfortranarray(z[rows]), offset=rest[rows]), x_names=names, x_assign=(0,) * k)
        system = build_generalized_system(own, fit.order, fit.family, 1)
        if len(system.kept) < k:
            continue

        def value(point: Floats, system: "GlmmSystem" = system) -> tuple[float, Floats]:
            found = system.evaluate(zero, np.ascontiguousarray(point), fit.core_dispersion, 1, fit.curvature, 1)
            return found.objective, found.gradient[len(zero) :][:k]

        point, _, converged = _minimum(value, np.zeros(k))
        information = 0.5 * _second_derivatives(value, point)
        size = np.diagonal(information)
        if converged and np.all(size > 1.0 / RUNAWAY**2):
            out[level] = point
    return out


def _minimum(value: Value, point: Floats) -> tuple[Floats, float, bool]:
    """Where a function has its minimum, what it is there, and whether it was found."""
    objective, gradient = value(point)
    for _ in range(MOST_STEPS):
        step = _newton_step(value, point, gradient)
        decrement = float(-gradient @ step)
        if decrement < DECREMENT:
            there, _ = value(point + step)
            return (point + step, there, True) if there <= objective else (point, objective, True)
        for _ in range(MOST_HALVINGS):
            there, slope = value(point + step)
            if np.isfinite(there) and there < objective:
                break
            step *= 0.5
        else:
            return point, objective, decrement < 1e-6
        point, objective, gradient = point + step, there, slope
    return point, objective, False


def _second_derivatives(value: Value, point: Floats) -> Floats:
    k = len(point)
    out = np.empty((k, k))
    for j in range(k):
        h = 1e-5 * max(1.0, abs(float(point[j])))
        move = np.zeros(k)
        move[j] = h
        out[:, j] = (value(point + move)[1] - value(point - move)[1]) / (2.0 * h)
    return out


def _newton_step(value: Value, point: Floats, gradient: Floats) -> Floats:
    """A step downhill; negative curvature is turned round."""
    hessian = _second_derivatives(value, point)
    # Columns of X may have any size.
    scale = 1.0 / np.sqrt(np.maximum(np.abs(np.diagonal(hessian)), 1e-300))
    values, vectors = np.linalg.eigh(scale[:, None] * 0.5 * (hessian + hessian.T) * scale)
    values = np.maximum(np.abs(values), 1e-8 * np.max(np.abs(values), initial=1e-300))
    step: Floats = -scale * (vectors @ ((vectors.T @ (scale * gradient)) / values))
    return step
