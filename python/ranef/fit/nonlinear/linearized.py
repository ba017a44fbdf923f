"""Nonlinear models by turns, as nlme fits them: penalised nonlinear least squares with theta held,
then the linear mixed model that has the curve's slopes there for theta.

Where the turns end is a fixed point and not the minimum of a criterion.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ranef.design.record import Design
from ranef.errors import DataError
from ranef.fit.control import FitControl
from ranef.fit.correlated.record import CorrelatedFit, fit_linear, with_fitted
from ranef.fit.linear import LmmFit
from ranef.fit.nonlinear.start import undetermined
from ranef.fit.nonlinear.values import linearised, values_at
from ranef.fit.order import TermOrder, by_term, relative_factor
from ranef.fit.progress import Report
from ranef.fit.system import build_linear_system

Floats = NDArray[np.float64]

#: Turns at most; a change of an estimate in its standard errors, and of theta relative to its size,
#: that ends them.
ROUNDS, SETTLED = 300, 1e-9

#: Steps of least squares in a turn, the relative fall that ends them, and the shortest step.
STEPS, LEAST_FALL, SHORTEST = 60, 1e-11, 1e-10


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
    fall: float = LEAST_FALL


#: For estimates, and for the start of another approximation; where that leads nowhere, for another.
TO_THE_END = Limits()
TO_A_START = Limits(1, 1e-3, 1e-2), Limits(4, 1e-3, 1e-3)


@dataclass(frozen=True, slots=True, eq=False)
class Turns:
    """How the turns ended.

    Attributes
    ----------
    fit : LmmFit
        The linear model of the last turn.
    beta : (p,) array
    u, b : tuple of (levels, k) arrays
        Spherical and original random effects, in lme4's order.
    rounds : int
    settled : bool
    """

    fit: LmmFit
    beta: Floats
    u: tuple[Floats, ...]
    b: tuple[Floats, ...]
    rounds: int
    settled: bool


def in_formula_order(order: TermOrder, values: Sequence[Floats]) -> list[Floats]:
    """What is known of each term in lme4's order, in the order of the formula."""
    out: list[Floats] = [np.empty(0)] * len(order.spans)
    for span, own in zip(order.spans, values, strict=True):
        out[span.formula] = own
    return out


def effects_of(order: TermOrder, theta: Floats, u: Sequence[Floats]) -> tuple[Floats, ...]:
    """Random effects from spherical ones, in lme4's order."""
    return tuple(own @ relative_factor(span, theta).T for span, own in zip(order.spans, u, strict=True))


def by_turns(
    design: Design,
    beta: Floats,
    order: TermOrder,
    control: FitControl | None,
    progress: Report | None,
    n_threads: int,
    limits: Limits = TO_THE_END,
) -> Turns:
    """Fit by turns, from fixed effects on.

    Parameters
    ----------
    design : Design
    beta : (p,) array
    order : TermOrder
    control, progress, n_threads
        As for linear models.
    limits : Limits

    Raises
    ------
    DataError
        When the curve is not finite, or does not determine a parameter.
    """
    u = tuple(np.zeros((design.random[s.formula].n_columns, s.size)) for s in order.spans)
    b = tuple(np.zeros_like(own) for own in u)
    theta: Floats | None = None
    last: Floats | None = None
    z: Floats | None = None
    fit: LmmFit | None = None
    for turn in range(1, limits.rounds + 1):
        near = linearised(design, beta, in_formula_order(order, b))
        if not near.finite:
            raise DataError("the curve or its slopes are not finite near the data; give other starting values.")
        step = near.design
        if step.residual is not None and step.residual.expr.has_fitted:
            step = with_fitted(step, near.values)
        fit = fit_linear(step, False, theta, control, None, n_threads, order, z)
        if progress is not None:
            progress(turn, fit.objective)
        if fit.dropped:
            raise _not_determined(step)
        new = fit.theta
        z = fit.z if isinstance(fit, CorrelatedFit) else None
        weights = _weights(fit)
        before = beta
        if weights is None:
            beta, u, b = fit.beta, fit.u, fit.b
        else:
            beta, u = least_squares(design, order, new, beta, u, weights, n_threads, limits.fall)
            b = effects_of(order, new, u)
        theta = None if fit.singular else new
        errors = np.sqrt(np.maximum(np.diagonal(fit.vcov), np.finfo(float).tiny))
        moved = np.max(np.abs(beta - before) / errors, initial=0.0)
        turned = np.inf if last is None else np.max(np.abs(new - last) / (1.0 + np.abs(new)), initial=0.0)
        last = new
        if turn > 1 and moved <= limits.settled and turned <= limits.settled:
            return Turns(fit, beta, u, b, turn, True)
    assert fit is not None
    return Turns(fit, beta, u, b, limits.rounds, False)


def _weights(fit: LmmFit) -> Floats | None:
    """Weights of the rows given the random effects; None where rows are correlated."""
    if not isinstance(fit, CorrelatedFit):
        return fit.weights
    if fit.rows.expr.correlation is not None:
        return None
    out: Floats = fit.weights / fit.relative_sds**2
    return out


def least_squares(
    design: Design,
    order: TermOrder,
    theta: Floats,
    beta: Floats,
    u: Sequence[Floats],
    weights: Floats,
    n_threads: int,
    least_fall: float = LEAST_FALL,
) -> tuple[Floats, tuple[Floats, ...]]:
    """Fixed and spherical random effects by penalised nonlinear least squares with theta held, by
    Gauss and Newton with steps that are halved until the sum falls.
    """
    u = tuple(u)
    core_theta = np.ascontiguousarray(theta[order.core_of_theta])

    def lost(beta: Floats, u: Sequence[Floats]) -> float:
        with np.errstate(all="ignore"):
            f = values_at(design, beta, in_formula_order(order, effects_of(order, theta, u)))
            total = float(np.sum(weights * (design.y - f) ** 2)) + sum(float(np.sum(own**2)) for own in u)
        return total if np.isfinite(total) else np.inf

    total = lost(beta, u)
    if not np.isfinite(total):
        u = tuple(np.zeros_like(own) for own in u)
        total = lost(beta, u)
    for _ in range(STEPS):
        near = linearised(design, beta, in_formula_order(order, effects_of(order, theta, u)))
        plain = replace(near.design, residual=None).with_rows(weights=np.ascontiguousarray(weights))
        system = build_linear_system(plain, order, n_threads)
        if len(system.kept) < len(beta):
            raise _not_determined(near.design)
        found = system.solution(core_theta, False, n_threads)
        to_u = by_term(order, found.u)
        share, fallen = 1.0, False
        while share > SHORTEST:
            new_beta = beta + share * (found.beta - beta)
            new_u = tuple(a + share * (c - a) for a, c in zip(u, to_u, strict=True))
            new = lost(new_beta, new_u)
            if new < total:
                fallen = True
                break
            share *= 0.5
        if not fallen:
            break
        fall = total - new
        beta, u, total = new_beta, new_u, new
        if fall <= least_fall * total:
            break
    return beta, u


def _not_determined(design: Design) -> DataError:
    what = undetermined(design, np.asarray(design.x)) or "one of the parameters"
    return DataError(
        f"the data do not determine {what}: the curve does not change along it near the estimates. Hold the parameter "
        "at a number, give other starting values, or leave out a random effect or covariate."
    )
