"""Estimates of a linear model and how their search ended, before they are a record."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.design.record import Design
from ranef.errors import DataError, RanefError
from ranef.fit.ending.convergence import Convergence, Ending
from ranef.fit.ending.messages import not_finite
from ranef.status import FitStatus

if TYPE_CHECKING:
    from ranef._core import LinearFit, LinearSolution, LmmSystem

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class LinearOutcome:
    """Estimates and how their search ended, in the core's order; the other optima that it met, as
    criterion and theta.
    """

    solution: "LinearSolution"
    ending: Ending
    valleys: list[tuple[float, Floats]]


def outcome_of(fit: "LinearFit", design: Design) -> LinearOutcome:
    """What the core found."""
    solution, ending = fit.solution, Ending.of(fit)
    if (
        solution is None
        or math.isnan(ending.gradient_norm)
        or ending.status is FitStatus.NON_FINITE
        or not math.isfinite(solution.objective)
    ):
        raise DataError(not_finite(design))
    return LinearOutcome(solution, ending, [(v.objective, v.theta) for v in fit.search.valleys[1:]])


def carried_over(
    system: "LmmSystem",
    design: Design,
    found: Convergence,
    theta: Floats,
    core_theta: Callable[[Floats], Floats],
    null: list[int],
    reml: bool,
    threads: int,
) -> LinearOutcome:
    """The outcome of a model whose parameters follow from those of a smaller one, whose search
    ended at ``theta``; ``core_theta`` gives the former from the latter.
    """
    try:
        solution = system.solution(core_theta(theta), reml, threads)
    except RanefError:
        raise
    except ValueError:
        raise DataError(not_finite(design)) from None
    if found.status is FitStatus.NON_FINITE or not math.isfinite(solution.objective):
        raise DataError(not_finite(design))
    ending = Ending(
        status=found.status,
        gradient_norm=found.gradient_norm,
        evaluations=found.evaluations,
        decrement=found.decrement,
        certificate=found.certificate,
        null_dimensions=null,
        search=found.search,
    )
    return LinearOutcome(solution, ending, [(v.criterion, core_theta(v.theta)) for v in found.valleys[1:]])
