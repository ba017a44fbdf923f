"""Check: the fit from other starting values ends no lower."""

from typing import Any

import numpy as np

from ranef import RanefError

from .cause import cause_of
from .criterion import GeneralizedCriterion, criterion_of, random_theta
from .finding import Finding

GAP = 1e-6


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


def check(case: Any, model: Any) -> list[Finding]:
    """Fit again from six starts; the lowest of what they reach must not be below the fit."""
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
