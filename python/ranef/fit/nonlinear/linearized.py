"""Nonlinear models by turns, as nlme fits them: penalised nonlinear least squares with theta held,
then the linear mixed model that has the curve's slopes there for theta.

Where the turns end is a fixed point and not the minimum of a criterion. Rows that are independent
given the random effects take their turns in the core; with a covariance structure each turn is a
fit of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.design.record import Design
from ranef.errors import DataError
from ranef.fit.control import FitControl
from ranef.fit.correlated.record import fit_correlated, fit_linear, with_fitted
from ranef.fit.linear import LmmFit
from ranef.fit.nonlinear.start import undetermined
from ranef.fit.nonlinear.system import curve_rows
from ranef.fit.nonlinear.values import linearised
from ranef.fit.order import TermOrder, by_term
from ranef.fit.progress import Report

if TYPE_CHECKING:
    from ranef._core import CurveModel, CurveTurns

Floats = NDArray[np.float64]

#: Turns at most; a change of an estimate in its standard errors, and of theta relative to its size,
#: that ends them.
ROUNDS, SETTLED = 300, 1e-9

#: Relative fall of the penalised sum of squares that ends its steps: of a turn in the core, which
#: is followed by others, and of one that is a fit of its own.
ROUGHLY, LEAST_FALL = 1e-2, 1e-11

#: Relative difference of theta by which the search of the last linear model ends elsewhere, and how
#: often turns are taken anew from there.
ELSEWHERE, AGAIN = 1e-5, 5


@dataclass(frozen=True, slots=True)
class Limits:
    """When turns end.

    Attributes
    ----------
    rounds : int
        Turns at most.
    settled : float
        Change of estimates that ends them.
    fall : float
        Relative fall of the sum of squares that ends least squares.
    """

    rounds: int = ROUNDS
    settled: float = SETTLED
    fall: float = ROUGHLY


#: For the start of another approximation; where that leads nowhere, for another.
TO_A_START = Limits(1, 1e-3, 1e-2), Limits(4, 1e-3, 1e-3)


@dataclass(frozen=True, slots=True, eq=False)
class Turns:
    """How the turns ended.

    Attributes
    ----------
    fit : LmmFit
        The linear model there.
    rounds : int
    settled : bool
    """

    fit: LmmFit
    rounds: int
    settled: bool


def in_formula_order(order: TermOrder, values: Sequence[Floats]) -> list[Floats]:
    """What is known of each term in lme4's order, in the order of the formula."""
    out: list[Floats] = [np.empty(0)] * len(order.spans)
    for span, own in zip(order.spans, values, strict=True):
        out[span.formula] = own
    return out


def some_turns(
    design: Design,
    model: "CurveModel",
    beta: Floats,
    theta: Floats | None,
    control: FitControl,
    progress: Report | None,
    n_threads: int,
    limits: Limits,
) -> "CurveTurns":
    """Turns of a model whose rows are independent given the random effects, from fixed effects on
    and, in the core's order, from theta.

    Raises
    ------
    DataError
        When the curve is not finite, or does not determine a parameter.
    """
    found = model.turns(
        beta, theta, limits.rounds, limits.settled, limits.fall, control.max_evaluations, n_threads, progress
    )
    if found.end == "not_finite":
        raise not_finite()
    if found.end == "not_determined":
        raise not_determined(linearised(design, found.beta, _zeros(design)).design)
    return found


def by_turns(
    design: Design,
    beta: Floats,
    order: TermOrder,
    control: FitControl,
    progress: Report | None,
    n_threads: int,
) -> Turns:
    """Fit by turns, from fixed effects on.

    Parameters
    ----------
    design : Design
    beta : (p,) array
    order : TermOrder
    control, progress, n_threads
        As for linear models.

    Raises
    ------
    DataError
        When the curve is not finite, or does not determine a parameter.
    """
    if design.residual is not None:
        return _turns_of_correlated(design, beta, order, control, progress, n_threads)
    model = curve_rows(design, order)
    theta: Floats | None = None
    rounds = 0
    for _ in range(AGAIN):
        found = some_turns(design, model, beta, theta, control, progress, n_threads, Limits())
        rounds += found.rounds
        near = linearised(design, found.beta, in_formula_order(order, by_term(order, found.b)))
        # all that is to be known of a linear model, and its other valleys, which turns do not seek
        fit = fit_linear(near.design, False, found.theta[order.theta_of_core], control, None, n_threads, order)
        beta, theta = fit.beta, np.ascontiguousarray(fit.theta[order.core_of_theta])
        settled = found.end == "settled"
        if settled and np.max(np.abs(theta - found.theta) / (1.0 + np.abs(theta)), initial=0.0) > ELSEWHERE:
            continue
        return Turns(fit, rounds, settled)
    return Turns(fit, rounds, False)


def _turns_of_correlated(
    design: Design, beta: Floats, order: TermOrder, control: FitControl, progress: Report | None, n_threads: int
) -> Turns:
    """Turns of which each is a fit with a covariance structure of the rows."""
    b = _zeros(design)
    u: list[Floats] | None = None
    theta: Floats | None = None
    last: Floats | None = None
    z: Floats | None = None
    for turn in range(1, ROUNDS + 1):
        near = linearised(design, beta, b)
        if not near.finite:
            raise not_finite()
        step, rows = near.design, near.design.residual
        assert rows is not None
        if rows.expr.has_fitted:
            step = with_fitted(step, near.values)
        # fitted values are held in a turn: the next one has others
        fit = fit_correlated(step, False, theta, control, None, n_threads, order, z)
        if progress is not None:
            progress(turn, fit.objective)
        if fit.dropped:
            raise not_determined(step)
        before = beta
        if rows.expr.correlation is not None:
            beta, b = fit.beta, in_formula_order(order, fit.b)
        else:
            weights = np.ascontiguousarray(fit.weights / fit.relative_sds**2)
            model = curve_rows(design.with_rows(weights=weights), order)
            found = model.least_squares(fit.core_theta, beta, u, LEAST_FALL, n_threads)
            if found is None:
                raise not_determined(step)
            beta, u, random = found
            b = in_formula_order(order, by_term(order, random))
        theta, z = None if fit.singular else fit.theta, fit.z
        errors = np.sqrt(np.maximum(np.diagonal(fit.vcov), np.finfo(float).tiny))
        moved = np.max(np.abs(beta - before) / errors, initial=0.0)
        turned = np.inf if last is None else np.max(np.abs(fit.theta - last) / (1.0 + np.abs(fit.theta)), initial=0.0)
        last = fit.theta
        if turn > 1 and moved <= SETTLED and turned <= SETTLED:
            return Turns(fit, turn, True)
    return Turns(fit, ROUNDS, False)


def _zeros(design: Design) -> list[Floats]:
    return [np.zeros((t.n_columns, t.z.shape[1])) for t in design.random]


def not_finite() -> DataError:
    """The error where the curve leaves the numbers."""
    return DataError("the curve or its slopes are not finite near the data; give other starting values.")


def not_determined(design: Design) -> DataError:
    """The error for columns of the linear model that depend on each other."""
    what = undetermined(design, np.asarray(design.x)) or "one of the parameters"
    return DataError(
        f"the data do not determine {what}: the curve does not change along it near the estimates. Hold the parameter "
        "at a number, give other starting values, or leave out a random effect or covariate."
    )
