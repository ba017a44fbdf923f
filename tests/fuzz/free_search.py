"""Check: no plain minimisation from random starts finds a lower criterion.

It shares the criterion with the core, and nothing of its search.
"""

from typing import Any

import numpy as np
import scipy.optimize

from .cause import cause_of
from .criterion import HUGE, NONE, GeneralizedCriterion, LinearCriterion, criterion_of
from .finding import Finding
from .other_starts import GAP_WHOLE

#: A fit that says it converged may be this much above the best other point.
GAP = 1e-6

Criterion = LinearCriterion | GeneralizedCriterion


def descend(criterion: Criterion, start: np.ndarray, steps: int = 150) -> tuple[float, np.ndarray]:
    """Go down from one start."""
    bounds = [(-HUGE, HUGE)] * criterion.n_theta + [(-1e6, 1e6)] * (criterion.size - criterion.n_theta)
    if criterion.size > criterion.n_theta and getattr(criterion, "has_dispersion", False):
        bounds[-1] = (-20.0, 20.0)
    options = {"maxiter": steps, "maxfun": 3 * steps, "ftol": 1e-14, "gtol": 1e-8, "maxls": 30}
    r = scipy.optimize.minimize(criterion.value, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return float(r.fun), np.asarray(r.x)


def search(criterion: Criterion, rng: np.random.Generator, looks: int, descents: int) -> tuple[float, np.ndarray]:
    """The lowest point found:
    random points are looked at, and from the best few and some others the search goes down.

    Parameters
    ----------
    criterion : LinearCriterion or GeneralizedCriterion
    rng : Generator
    looks : int
        Points to look at.
    descents : int
        How many of them to go down from.
    """
    points = [criterion.start(rng) for _ in range(looks)]
    values = np.array([criterion.value(p)[0] for p in points])
    order = np.argsort(values)
    few = max(1, descents // 2)
    chosen = [*order[:few], *rng.choice(order[few:], min(descents - few, looks - few), replace=False)]
    best: tuple[float, np.ndarray] = (np.inf, criterion.own)
    for k in chosen:
        if values[k] < NONE:
            best = min(best, descend(criterion, points[k]), key=lambda b: b[0])
    return best


def check(case: Any, model: Any) -> list[Finding]:
    """Search from random starts and say what is below the fit."""
    criterion = criterion_of(model)
    rng = np.random.default_rng([3, case.seed])
    looks, descents = (150, 6) if case.model == "linear" else (40, 6 if case.model == "generalized" else 3)
    value, point = search(criterion, rng, looks, descents)
    if value >= criterion.own_value - (GAP_WHOLE if case.model in ("families", "clmm") else GAP):
        return []
    cause, note = cause_of(criterion, point, value)
    gap = criterion.own_value - value
    return [
        Finding(
            "free search", cause, gap, note, criterion.theta(criterion.own).tolist(), criterion.theta(point).tolist()
        )
    ]
