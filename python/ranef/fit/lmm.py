"""Fit a linear mixed model: one call into the core between a design and a frozen record."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.design.record import Design
from ranef.design.shared_effects import shared_effects
from ranef.errors import DataError, DesignError
from ranef.fit.control import FitControl
from ranef.fit.convergence import Convergence, boundary_directions
from ranef.fit.equal_parts import divided, without_shared
from ranef.fit.order import TermOrder, order_terms, relative_factor
from ranef.fit.progress import Report
from ranef.fit.record import LmmFit, term_keys
from ranef.fit.system import LazySystem, build_system
from ranef.fit.threads import threads_of_fit
from ranef.fit.unidentified import (
    Unidentified,
    identified_start,
    theta_of_all,
    unidentified_effects,
    unidentified_text,
    without_unidentified,
)
from ranef.fit.valleys import Search, Valley, stories
from ranef.status import FitStatus

if TYPE_CHECKING:
    from ranef._core import LinearFit, LinearSolution, LmmSystem

Floats = NDArray[np.float64]

OPTIMIZER = "trust-region Newton on the relative Cholesky factors, exact gradient"
#: Relative change of the criterion that is rounding.
FLAT = 1e-10
NOT_FINITE = "the criterion is not finite: the fixed effects fit the response exactly, or the response or the weights have extreme values."


def fit_lmm(
    design: Design,
    reml: bool,
    start: Floats | None = None,
    control: FitControl | None = None,
    progress: Report | None = None,
    n_threads: int = 1,
    order: TermOrder | None = None,
) -> LmmFit:
    """Estimate the model of a design.

    Parameters
    ----------
    design : Design
    reml : bool
        Whether to minimise the REML criterion (else -2 log-likelihood).
    start : (m,) array, optional
        Theta to start from, in lme4's order. Of effects whose variance is not identified nothing depends on it.
    control : FitControl, optional
    progress : callable, optional
        Called with the number of evaluations and the criterion; what it raises ends the fit.
    n_threads : int
    order : TermOrder, optional
        The orders of the random terms, when already known.

    Raises
    ------
    DataError
        When the criterion is not finite, so that there are no estimates.
    """
    order = order or order_terms(design.random)
    control = control or FitControl()
    threads = threads_of_fit(len(design.y), n_threads)
    system = build_system(design, order, threads)
    n, p = len(design.y), len(system.kept)
    if n <= p:
        raise DesignError(f"there are {n} rows for {p} fixed effects; a model needs more rows than fixed effects.")
    free = unidentified_effects(design, system.kept) if reml else {}
    if free:
        outcome = _fit_identified(system, design, order, free, start, control, progress, threads)
    else:
        before = 0
        if start is None and (shared := shared_effects(design.random)):
            needed, places = without_shared(design, shared)
            alone = fit_lmm(needed, reml, None, control, progress, threads)
            start, before = (
                divided(shared, design, order, places, alone.order, alone.theta),
                alone.convergence.evaluations,
            )
        core_start = None if start is None else np.ascontiguousarray(start[order.core_of_theta])
        outcome = _outcome(
            system.fit(reml, core_start, control.max_evaluations, control.tolerance, threads, progress), before
        )
    solution = outcome.solution

    spans = order.spans
    keys = term_keys(tuple(design.random[s.formula].group for s in spans))
    null = outcome.null_dimensions
    theta = solution.theta[order.theta_of_core]
    valleys = linear_valleys(system, solution, outcome.valleys, order, reml, threads)
    kept = tuple(system.kept)
    convergence = Convergence(
        status=outcome.status,
        gradient_norm=outcome.gradient_norm,
        evaluations=outcome.evaluations,
        optimizer=OPTIMIZER,
        decrement=outcome.decrement,
        certificate=outcome.certificate,
        boundary={k: null[s.core_term] for k, s in zip(keys, spans, strict=True) if null[s.core_term]},
        directions=tuple(
            text
            for k, s in zip(keys, spans, strict=True)
            if null[s.core_term]
            for text in boundary_directions(k, design.random[s.formula].names, relative_factor(s, theta))
        ),
        valleys=valleys,
        search=outcome.search,
        stories=()
        if len(valleys) < 2
        else stories(
            valleys,
            lambda v: linear_errors(system, v, order, reml, threads),
            design,
            order,
            [design.x_names[j] for j in kept],
        ),
    )
    dropped = (
        () if len(kept) == len(design.x_names) else tuple(n for j, n in enumerate(design.x_names) if j not in kept)
    )
    return LmmFit(
        design=design,
        order=order,
        system=LazySystem(design, order, system),
        reml=reml,
        theta=theta,
        objective=solution.objective,
        reml_criterion=solution.reml_criterion,
        ml_deviance=solution.ml_deviance,
        kept=kept,
        dropped=dropped,
        beta=solution.beta,
        vcov_unscaled=solution.vcov_unscaled,
        sigma=solution.sigma,
        pwrss=solution.pwrss,
        ldl2=solution.ldl2,
        ldrx2=solution.ldrx2,
        u=tuple(solution.u[s.factor][:, s.start : s.start + s.size] for s in spans),
        b=tuple(solution.b[s.factor][:, s.start : s.start + s.size] for s in spans),
        convergence=convergence,
        messages=(
            *fit_messages(design, dropped, convergence),
            *unidentified(system, solution.theta, order, design, reml, threads, free),
        ),
        n_threads=n_threads,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Outcome:
    """Estimates and how their search ended, in the core's order; the other optima that it met, as criterion and theta."""

    solution: "LinearSolution"
    status: FitStatus
    evaluations: int
    decrement: float
    certificate: float
    gradient_norm: float
    null_dimensions: list[int]
    search: Search
    valleys: list[tuple[float, Floats]]


def _outcome(fit: "LinearFit", before: int) -> _Outcome:
    """What the core found, after ``before`` evaluations of another fit."""
    solution, ending, search = fit.solution, fit.ending, fit.search
    status = FitStatus(ending.status)
    if (
        solution is None
        or ending.gradient is None
        or status is FitStatus.NON_FINITE
        or not math.isfinite(solution.objective)
    ):
        raise DataError(NOT_FINITE)
    return _Outcome(
        solution=solution,
        status=status,
        evaluations=ending.evaluations + before,
        decrement=ending.decrement,
        certificate=ending.certificate,
        gradient_norm=math.sqrt(float(ending.gradient @ ending.gradient)),
        null_dimensions=ending.null_dimensions,
        search=Search(search.runs, search.looks, search.complete, search.moved_on),
        valleys=[(v.objective, v.theta) for v in search.valleys[1:]],
    )


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


def _fit_identified(
    system: "LmmSystem",
    design: Design,
    order: TermOrder,
    free: dict[int, Unidentified],
    start: Floats | None,
    control: FitControl,
    progress: Report | None,
    threads: int,
) -> _Outcome:
    """Estimate by REML the random effects that are identified, and give the others the variance of the convention."""
    reduced, places = without_unidentified(design, free)
    rest = order_terms(reduced.random)
    null = [0] * len(order.spans)
    ending: Convergence | None = None
    part = np.zeros(0)
    if reduced.random:
        own_start = None if start is None else identified_start(free, order, start, rest, places)
        fit = fit_lmm(reduced, True, own_start, control, progress, threads, rest)
        ending, part = fit.convergence, fit.theta
        for key, span in zip(fit.term_keys, rest.spans, strict=True):
            core_term = next(s.core_term for s in order.spans if s.formula == places[span.formula])
            null[core_term] = ending.boundary.get(key, 0)

    def core_theta(identified: Floats) -> Floats:
        return np.ascontiguousarray(theta_of_all(free, order, identified, rest, places)[order.core_of_theta])

    try:
        solution = system.solution(core_theta(part), True, threads)
    except ValueError:
        raise DataError(NOT_FINITE) from None
    if ending is None:
        ending = Convergence(FitStatus.CONVERGED, 0.0, 1, OPTIMIZER, 0.0, 0.0, {}, search=Search(complete=True))
    if ending.status is FitStatus.NON_FINITE or not math.isfinite(solution.objective):
        raise DataError(NOT_FINITE)
    return _Outcome(
        solution=solution,
        status=ending.status,
        evaluations=ending.evaluations,
        decrement=ending.decrement,
        certificate=ending.certificate,
        gradient_norm=ending.gradient_norm,
        null_dimensions=null,
        search=ending.search,
        valleys=[(v.criterion, core_theta(v.theta)) for v in ending.valleys[1:]],
    )


def has_conventions(fit: LmmFit) -> bool:
    """Whether some variances of a fit are what they are by convention: a search of the core alone would give other ones, or not end."""
    if shared_effects(fit.design.random):
        return True
    return fit.reml and bool(unidentified_effects(fit.design, fit.kept))


def unidentified(
    system: "LmmSystem",
    theta: Floats,
    order: TermOrder,
    design: Design,
    reml: bool,
    n_threads: int,
    free: dict[int, Unidentified],
) -> tuple[str, ...]:
    """Say of which random effects' variance the data say nothing.

    By REML that is so where the fixed effects explain all that an effect could, or where too few rows are left beside the fixed effects: then the criterion is the same
    whatever the size of the term.

    Parameters
    ----------
    theta : (m,) array
        The estimates in the core's order.
    free : dict
        The former, by the position of the term in the formula.
    """
    n, p = len(design.y), len(system.kept)
    flat = []
    if not reml:
        return ()
    for span in order.spans:
        term = design.random[span.formula]
        if span.formula in free or (len(term.levels) > p and n - p > 1):
            continue
        own = np.zeros(order.n_theta, dtype=bool)
        own[span.theta_start : span.theta_stop] = True
        own = own[order.core_of_theta]
        try:
            values = [
                system.evaluate(np.where(own, theta * c, theta), reml, n_threads).objective for c in (0.5, 1.0, 2.0)
            ]
        except ValueError:  # no residual is left but rounding errors
            raise DataError(NOT_FINITE) from None
        if theta[own].any() and np.ptp(values) <= FLAT * (1.0 + abs(values[1])):
            flat.append(term.text)
    return unidentified_text(design, free, flat)


def fit_messages(design: Design, dropped: tuple[str, ...], convergence: Convergence) -> tuple[str, ...]:
    """What the user should be warned of, in order of weight."""
    out = []
    if not convergence.ok:
        out.append(f"the fit did not converge ({convergence.status.value}). {convergence.status.explanation}")
    if dropped:
        many = len(dropped) > 1
        out.append(
            f"the fixed effects are linearly dependent: {'columns' if many else 'column'} {', '.join(dropped)} "
            f"{'were' if many else 'was'} dropped because the columns before {'them' if many else 'it'} determine {'them' if many else 'it'}."
        )
    if convergence.boundary:
        where = ", ".join(
            f"{k} ({d} {'direction' if d == 1 else 'directions'})" for k, d in convergence.boundary.items()
        )
        out.append(
            f"singular fit: random effects without variance in {where}. The data do not support all random terms; see is_singular and varcorr."
        )
    out.extend(design.notes)
    return tuple(out)
