"""The optima of a linear model that its fit met, and the standard errors there."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.fit.ending.valleys import Valley
from ranef.fit.order import TermOrder

if TYPE_CHECKING:
    from ranef._core import LinearSolution, LmmSystem

Floats = NDArray[np.float64]


def linear_valleys(
    system: "LmmSystem",
    solution: "LinearSolution",
    others: list[tuple[float, Floats]],
    order: TermOrder,
    reml: bool,
    n_threads: int,
) -> tuple[Valley, ...]:
    """The optima that a fit met, the lowest first; that of the fit with its own numbers."""
    found = [Valley(solution.objective, solution.theta[order.theta_of_core], solution.beta)]
    for criterion, theta in others:
        if criterion <= solution.objective:  # the same valley but for rounding
            continue
        try:
            beta = system.solution(theta, reml, n_threads).beta
        except ValueError:  # so far out that there is nothing but rounding at the theta as it is given
            continue
        found.append(Valley(criterion, theta[order.theta_of_core], beta))
    return tuple(found)


def linear_errors(system: "LmmSystem", valley: Valley, order: TermOrder, reml: bool, n_threads: int) -> Floats:
    """Standard errors (p,) of the fixed effects in a valley."""
    s = system.solution(np.ascontiguousarray(valley.theta[order.core_of_theta]), reml, n_threads)
    errors: Floats = s.sigma * np.sqrt(s.vcov_unscaled.diagonal())
    return errors
