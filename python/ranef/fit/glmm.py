"""Fit a generalized linear mixed model: one call into the core between a design and a frozen record."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.design.record import Design
from ranef.design.shared_effects import shared_effects
from ranef.errors import DataError, DesignError
from ranef.families.custom import CustomFamily
from ranef.families.family import Family
from ranef.fit.control import FitControl
from ranef.fit.convergence import Convergence, boundary_directions
from ranef.fit.equal_parts import divided, without_shared
from ranef.fit.glmm_record import GlmmFit
from ranef.fit.glmm_system import LazyGlmmSystem, build_glmm_system
from ranef.fit.lmm import fit_messages
from ranef.fit.no_optimum import no_optimum
from ranef.fit.order import TermOrder, order_terms, relative_factor
from ranef.fit.outcome import Kind
from ranef.fit.progress import Report
from ranef.fit.quadrature import check_quadrature
from ranef.fit.record import term_keys
from ranef.fit.separation import separated_columns
from ranef.fit.threads import threads_of_fit
from ranef.fit.valleys import Search, Valley, stories
from ranef.status import FitStatus

if TYPE_CHECKING:
    from ranef._core import GeneralizedFit

Floats = NDArray[np.float64]

OPTIMIZER = "trust region on theta, fixed effects and dispersion together, exact gradient"

#: A standard error that is larger than this on the scale of the linear predictor may be one of an estimate without end.
RUNAWAY = 10.0


@dataclass(frozen=True, slots=True, eq=False)
class GlmmStart:
    """Starting values, None where the core finds its own.

    Attributes
    ----------
    theta : (m,) array or None
        In lme4's order.
    beta : (p,) array or None
        For the columns that are kept.
    dispersion : float or None
    """

    theta: Floats | None = None
    beta: Floats | None = None
    dispersion: float | None = None


@dataclass(frozen=True, slots=True)
class Likelihood:
    """Which likelihood is maximised.

    Attributes
    ----------
    family : Family
    response_kind : str
    n_quad : int
    curvature : {"observed", "expected"}
    """

    family: Family
    response_kind: Kind
    n_quad: int = 1
    curvature: str = "observed"


def fit_glmm(
    design: Design,
    likelihood: Likelihood,
    start: GlmmStart | None = None,
    control: FitControl | None = None,
    progress: Report | None = None,
    n_threads: int = 1,
    order: TermOrder | None = None,
) -> GlmmFit:
    """Estimate the model of a design.

    Parameters
    ----------
    design : Design
        Its response in the form of the family, see ``fit.outcome``.
    likelihood : Likelihood
    start : GlmmStart, optional
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
    start = start or GlmmStart()
    family, before = likelihood.family, 0
    check_quadrature(likelihood.n_quad, order, design)
    if start.theta is None and (shared := shared_effects(design.random)):
        needed, places = without_shared(design, shared)
        alone = fit_glmm(needed, likelihood, start, control, progress, n_threads)
        equal = divided(shared, design, order, places, alone.order, alone.theta)
        extra = None if math.isnan(alone.dispersion) else alone.dispersion
        start, before = GlmmStart(equal, alone.beta, extra), alone.convergence.evaluations
    threads = threads_of_fit(len(design.y), n_threads)
    system = build_glmm_system(design, order, family, threads)
    n, p = len(design.y), len(system.kept)
    if n < p:
        raise DesignError(f"there are {n} rows for {p} fixed effects; a model needs at least as many rows.")
    theta = None if start.theta is None else np.ascontiguousarray(start.theta[order.core_of_theta])
    found = system.fit(
        likelihood.n_quad,
        likelihood.curvature,
        theta,
        start.beta,
        start.dispersion,
        family.fixed_dispersion,
        control.max_evaluations,
        control.tolerance,
        threads,
        progress,
    )
    lazy = LazyGlmmSystem(design, order, family, system)
    return record_of(design, order, likelihood, lazy, found, n_threads, before)


def record_of(
    design: Design,
    order: TermOrder,
    likelihood: Likelihood,
    system: LazyGlmmSystem,
    found: "GeneralizedFit",
    n_threads: int,
    before: int = 0,
) -> GlmmFit:
    """Turn what the core gives, after ``before`` evaluations of another fit, into the frozen record, everything in lme4's order."""
    family = likelihood.family
    ending, solution = found.ending, found.solution
    status = FitStatus(ending.status)
    if status is FitStatus.NON_FINITE or not math.isfinite(ending.objective):
        raise DataError(
            f"the likelihood is not finite at the starting values: the means cannot be those of the {family.name} family with the {family.link} link, or the "
            "response, the offset or the weights have extreme values. Another link (such as 'log') has means for every linear predictor; start= gives other starting values."
        )
    if solution is None:
        raise DataError(
            f"the fit ended where the modes of the random effects cannot be found again: the likelihood of the {family.name} family with the {family.link} link has several modes "
            "there, or none. Another link (such as 'log') or fewer random effects make a smoother likelihood; start= gives other starting values."
        )
    kept = tuple(system.get(n_threads).kept)
    dropped = (
        () if len(kept) == len(design.x_names) else tuple(n for j, n in enumerate(design.x_names) if j not in kept)
    )
    m = order.n_theta
    hessian, joint, gradient = found.hessian, found.covariance, ending.gradient
    vcov, profiled = found.vcov, solution.vcov_profiled
    place = _places(order, m if hessian is None else len(hessian))
    spans = order.spans
    keys = term_keys(tuple(design.random[s.formula].group for s in spans))
    null = ending.null_dimensions
    apart: tuple[str, ...] = ()
    flat: tuple[str, ...] = ()
    if status is FitStatus.SEPARATION or _suspicious(status, profiled if vcov is None else vcov, design, kept):
        apart = separated_columns(design, kept, family)
        if apart:
            status = FitStatus.SEPARATION
        elif status is FitStatus.SEPARATION:
            # the core has seen a flat likelihood; that no direction separates the responses is exact
            status = FitStatus.CONVERGED
            flat = tuple(design.x_names[kept[j]] for j in found.separated)
    theta = solution.theta[order.theta_of_core]
    valleys = (
        Valley(ending.objective, theta, solution.beta),
        *(
            Valley(v.objective, v.theta[order.theta_of_core], v.beta)
            for v in found.search.valleys[1:]
            if v.beta is not None
        ),
    )
    convergence = Convergence(
        status=status,
        gradient_norm=math.nan if gradient is None else math.sqrt(float(gradient @ gradient)),
        evaluations=ending.evaluations + before,
        optimizer=OPTIMIZER,
        decrement=ending.decrement,
        certificate=ending.certificate,
        boundary={k: null[s.core_term] for k, s in zip(keys, spans, strict=True) if null[s.core_term]},
        directions=tuple(
            text
            for k, s in zip(keys, spans, strict=True)
            if null[s.core_term]
            for text in boundary_directions(k, design.random[s.formula].names, relative_factor(s, theta))
        ),
        valleys=valleys,
        search=Search(found.search.runs, found.search.looks, found.search.complete, found.search.moved_on),
        stories=()
        if len(valleys) < 2
        else stories(
            valleys,
            lambda v: _errors(v, found, profiled, order, likelihood, system, n_threads),
            design,
            order,
            [design.x_names[j] for j in kept],
        ),
    )
    reason = None
    if not status.ok and not apart:
        sds = np.concatenate(
            [
                np.linalg.norm(relative_factor(s, theta), axis=1)
                * np.sqrt((design.random[s.formula].z ** 2).mean(axis=0))
                for s in spans
            ]
        )
        extra = solution.dispersion
        reason = no_optimum(design, family, math.nan if extra is None else float(extra), solution.eta, solution.mu, sds)
    dispersion = solution.dispersion
    value = math.nan if dispersion is None or family.dispersion_name is None else float(dispersion)
    return GlmmFit(
        design=design,
        order=order,
        system=system,
        reml=False,
        family=family,
        response_kind=likelihood.response_kind,
        n_quad=likelihood.n_quad,
        curvature=likelihood.curvature,
        theta=theta,
        objective=ending.objective,
        kept=kept,
        dropped=dropped,
        beta=solution.beta,
        dispersion=value,
        sigma=family.sigma(value),
        eta=solution.eta,
        mu=solution.mu,
        vcov_beta=profiled if vcov is None else vcov,
        hessian=_placed(hessian, place),
        joint_vcov=_placed(joint, place),
        gradient=_placed(gradient, place),
        u=tuple(solution.u[s.factor][:, s.start : s.start + s.size] for s in spans),
        b=tuple(solution.b[s.factor][:, s.start : s.start + s.size] for s in spans),
        convergence=convergence,
        messages=_messages(
            design, dropped, convergence, _Trouble(apart, flat, reason, vcov is None and likelihood.n_quad > 0)
        ),
        n_threads=n_threads,
    )


def _errors(
    valley: Valley,
    found: "GeneralizedFit",
    vcov: Floats,
    order: TermOrder,
    likelihood: Likelihood,
    system: LazyGlmmSystem,
    n_threads: int,
) -> Floats:
    """Standard errors (p,) of the fixed effects in a valley, theta known there; ``vcov`` is that of the fit."""
    for v in found.search.valleys[1:]:
        if v.objective == valley.criterion and v.beta is not None:
            there = system.get(n_threads).solution(
                v.theta, v.beta, v.dispersion, likelihood.n_quad, likelihood.curvature, n_threads
            )
            if there.solution is not None:
                vcov = there.solution.vcov_profiled
    errors: Floats = np.sqrt(vcov.diagonal())
    return errors


def _places(order: TermOrder, size: int) -> NDArray[np.intp] | None:
    """Where the core keeps each parameter of lme4's order, theta first; None where both orders are the same."""
    of_core, m = order.theta_of_core, order.n_theta
    if of_core.tolist() == list(range(m)):
        return None
    return np.concatenate([of_core, np.arange(m, max(m, size))]).astype(np.intp)


def _placed(values: Floats | None, place: NDArray[np.intp] | None) -> Floats | None:
    """A vector or a square matrix over the parameters, in lme4's order."""
    if values is None or place is None:
        return values
    out: Floats = values[place] if values.ndim == 1 else values[np.ix_(place, place)]
    return out


def _suspicious(status: FitStatus, vcov: Floats, design: Design, kept: tuple[int, ...]) -> bool:
    """Whether estimates look as if they ran away: only then is it worth a linear programme to find out."""
    variances = vcov.diagonal()
    if not status.ok or not all(0 < v < math.inf for v in variances.tolist()):
        return True
    if not len(kept):
        return False
    largest = max(float(design.x.max()), -float(design.x.min()))
    if float(variances.max()) * largest**2 <= RUNAWAY**2:
        return False
    size = np.maximum(design.x.max(axis=0, initial=0.0), -design.x.min(axis=0, initial=0.0))[list(kept)]
    return bool((np.sqrt(variances) * size > RUNAWAY).any())


@dataclass(frozen=True, slots=True)
class _Trouble:
    """What a user should hear of beyond the status: separated columns, columns with a flat likelihood, why there is no optimum, and whether standard errors hold theta."""

    apart: tuple[str, ...]
    flat: tuple[str, ...]
    reason: str | None
    profiled: bool


def _messages(design: Design, dropped: tuple[str, ...], convergence: Convergence, trouble: _Trouble) -> tuple[str, ...]:
    messages = list(fit_messages(design, dropped, convergence))
    if trouble.apart:
        many = len(trouble.apart) > 1
        messages[0] = (
            f"the fixed effects separate the responses: {', '.join(trouble.apart)} {'have' if many else 'has'} no finite estimate. {FitStatus.SEPARATION.explanation}"
        )
    elif trouble.reason:
        messages[0] = f"the fit did not converge ({convergence.status.value}). {trouble.reason}"
    elif trouble.profiled:
        messages.append(
            "the second derivatives of the criterion at the estimates are not positive definite: the standard errors take the covariance parameters as known."
        )
    if trouble.flat:
        messages.insert(
            0,
            f"the likelihood is almost flat in {', '.join(trouble.flat)}: the data hardly bound what is estimated there, although no combination of the fixed effects separates "
            "the responses. Look at the standard errors before the estimates.",
        )
    return tuple(messages)


def refitted_design(fit: GlmmFit, y: Floats) -> Design:
    """The design of a fit with another response, in the form that the fit keeps."""
    return fit.design.with_rows(y=np.ascontiguousarray(y))


def likelihood_of(fit: GlmmFit) -> Likelihood:
    """The likelihood that a fit maximised."""
    return Likelihood(fit.family, fit.response_kind, fit.n_quad, fit.curvature)


def is_custom(family: Family) -> bool:
    """Whether a family is made of Python functions, which no file can hold."""
    return isinstance(family, CustomFamily)
