"""The likelihood of a generalized model without its random effects: the limit in which all their variances are zero, where the integral is gone."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranef.fit.glmm_record import GlmmFit

Floats = NDArray[np.float64]

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
    """Maximise the likelihood of the fixed effects and the dispersion with all variances held at zero.

    Newton's method with the exact gradient of the core, its differences for second derivatives, and steps that are halved until they gain.
    """
    system = fit.system.get(fit.n_threads)
    zero, p = np.zeros_like(fit.core_theta), len(fit.beta)
    free = fit.dispersion_estimated

    def value(point: Floats) -> tuple[float, Floats]:
        dispersion = float(np.exp(point[p])) if free else fit.core_dispersion
        found = system.evaluate(
            zero, np.ascontiguousarray(point[:p]), dispersion, 1, fit.curvature, fit.n_threads
        )
        return found["objective"], found["gradient"][len(zero) :][: p + free]

    point = np.concatenate([fit.beta, [np.log(fit.dispersion)]]) if free else fit.beta.copy()
    objective, gradient = value(point)
    converged = False
    for _ in range(MOST_STEPS):
        step = _newton_step(value, point, gradient)
        decrement = float(-gradient @ step)
        if decrement < DECREMENT:
            converged = True
            break
        for _ in range(MOST_HALVINGS):
            there, slope = value(point + step)
            if np.isfinite(there) and there < objective:
                break
            step *= 0.5
        else:
            converged = decrement < 1e-6
            break
        point, objective, gradient = point + step, there, slope
    dispersion = float(np.exp(point[p])) if free else fit.core_dispersion
    return GlmLimit(point[:p], dispersion, objective, converged)


def _newton_step(value: Callable[[Floats], tuple[float, Floats]], point: Floats, gradient: Floats) -> Floats:
    """A step downhill; negative curvature is turned round."""
    k = len(point)
    hessian = np.empty((k, k))
    for j in range(k):
        h = 1e-5 * max(1.0, abs(float(point[j])))
        move = np.zeros(k)
        move[j] = h
        hessian[:, j] = (value(point + move)[1] - value(point - move)[1]) / (2.0 * h)
    # Columns of X may have any size.
    scale = 1.0 / np.sqrt(np.maximum(np.abs(np.diagonal(hessian)), 1e-300))
    values, vectors = np.linalg.eigh(scale[:, None] * 0.5 * (hessian + hessian.T) * scale)
    values = np.maximum(np.abs(values), 1e-8 * np.max(np.abs(values), initial=1e-300))
    return -scale * (vectors @ ((vectors.T @ (scale * gradient)) / values))
