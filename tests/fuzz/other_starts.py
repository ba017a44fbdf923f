"""Check: the fit from other starting values ends no lower."""

from typing import Any

import numpy as np

from ranef import RanefError

from .cause import cause_of
from .criterion import GeneralizedCriterion, criterion_of, random_theta
from .finding import SAID, Finding

GAP = 1e-6
#: The same where rows have several linear predictors.
GAP_WHOLE = 1e-5
#: How fits end at an optimum.
OPTIMA = ("converged", "separated")


def starts(model: Any, seed: int) -> dict[str, np.ndarray]:
    """Six values of theta in lme4's order: what they are, and the numbers."""
    criterion = criterion_of(model)
    units = criterion.scaled
    rng = np.random.default_rng([4, seed])
    diagonal = np.array([float(i == j) for _, i, j in units.rows])
    first = np.array([t == 0 for t, _, _ in units.rows])
    scaled = {
        "random": random_theta(rng, units),
        "identity": diagonal * units.units,
        "large": 50.0 * diagonal,
        "small": 0.02 * diagonal,
        "one term only": np.where(first, 3.0 * diagonal, 0.0),
        "random correlations": random_theta(rng, units),
    }
    return {name: criterion.theta(v) for name, v in scaled.items()}


def whole_starts(model: Any, seed: int) -> dict[str, tuple[np.ndarray, np.ndarray | None]]:
    """The same of a model with several linear predictors: theta in the core's order and all fixed
    effects, None for those that a fit without random effects has.
    """
    criterion = criterion_of(model)
    units = criterion.scaled
    rng = np.random.default_rng([4, seed])
    diagonal = np.array([float(i == j) for _, i, j in units.rows])
    first = np.array([t == 0 for t, _, _ in units.rows])
    beta = criterion.parts(criterion.own)[1]
    moved = criterion.own.copy()
    moved[criterion.n_theta :] += rng.normal(size=criterion.size - criterion.n_theta)
    shifted = criterion.own.copy()
    at = criterion.n_theta + criterion.sizes[0]
    shifted[at:] += np.repeat(rng.choice([-2.0, 0.0, 2.0], len(criterion.sizes) - 1), criterion.sizes[1:])
    scaled = {
        "random": (random_theta(rng, units) / 5, beta),
        "identity": (diagonal, None),
        "large": (5.0 * diagonal, beta),
        "small": (0.02 * diagonal, None),
        "one term only": (np.where(first, diagonal, 0.0), criterion.parts(moved)[1]),
        "other shapes": (criterion.own[: criterion.n_theta] + 0.1 * diagonal, criterion.parts(shifted)[1]),
    }
    return {name: (np.ascontiguousarray(v / units.units), b) for name, (v, b) in scaled.items()}


def check_whole(case: Any, model: Any) -> list[Finding]:
    """The same check of a model with several linear predictors: a lower optimum is a fault first of
    all, then a lower end without one.
    """
    criterion = criterion_of(model)
    lowest: dict[bool, tuple[float, str, np.ndarray, str]] = {}
    for label, (theta, beta) in whole_starts(model, case.seed).items():
        try:
            f = criterion.system.fit(model._fit.n_quad, "observed", theta, beta, None, None, 2000, 1e-10, 1, None)
        except (RanefError, ValueError, RuntimeError):
            continue
        is_optimum, value = f.ending.status in OPTIMA, f.ending.objective
        if f.solution is None or not value < lowest.get(is_optimum, (criterion.own_value - GAP_WHOLE,))[0]:
            continue
        point = criterion.numbers(f.solution.theta, f.solution.beta)
        lowest[is_optimum] = value, label, point, f.ending.status
    if not lowest:
        return []
    is_optimum = True in lowest
    best, name, point, status = lowest[is_optimum]
    if not is_optimum and model.convergence.search.beyond > 0.0:
        cause, note = SAID, f"core {criterion.own_value:.7f} and {best:.7f}"
    else:
        cause, note = cause_of(criterion, point, float(best))
    note, better = f"start {name}, {status}; {note}", criterion.theta(point).tolist()
    return [Finding("other starts", cause, criterion.own_value - best, note, model.theta.tolist(), better)]


def check(case: Any, model: Any) -> list[Finding]:
    """Fit again from six starts; the lowest of what they reach must not be below the fit."""
    if case.model in ("families", "clmm"):
        return check_whole(case, model)
    best, name = model, ""
    for label, start in starts(model, case.seed).items():
        try:
            other = case.fit(start=start.tolist())
        except RanefError:
            continue
        if other.objective < best.objective:
            best, name = other, label
    gap = float(model.objective - best.objective)
    if gap <= GAP:
        return []
    criterion = criterion_of(model)
    v = (
        criterion_of(best).own
        if isinstance(criterion, GeneralizedCriterion)
        else best._fit.core_theta * criterion.scaled.units
    )
    cause, note = cause_of(criterion, v, float(best.objective))
    note = f"start {name}, {best.convergence.status.value}; {note}".rstrip("; ")
    return [Finding("other starts", cause, gap, note, model.theta.tolist(), best.theta.tolist())]
