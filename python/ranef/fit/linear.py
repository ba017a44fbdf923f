"""The linear mixed model: its frozen record, and its fit, one call into the core."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ranef.design.record import Design, RandomTerm
from ranef.design.shared_effects import SharedEffects, shared_effects
from ranef.errors import DesignError, MemoryLimitError
from ranef.fit.added import AddedColumns, by_least_squares
from ranef.fit.beside import is_least_squares, is_special, see_that_effects_have_errors
from ranef.fit.control import FitControl
from ranef.fit.correlated.at_positions import fit_at_positions
from ranef.fit.ending.convergence import Convergence, convergence_of
from ranef.fit.ending.exact import fitted_by, is_small, reproduces
from ranef.fit.ending.messages import fit_messages
from ranef.fit.ending.met_valleys import linear_errors, linear_valleys
from ranef.fit.ending.structure_messages import structure_messages
from ranef.fit.ending.unidentified import (
    Unidentified,
    identified_start,
    theta_of_all,
    unidentified_effects,
    unidentified_messages,
    without_unidentified,
)
from ranef.fit.ending.valleys import Search, Valley
from ranef.fit.equal_parts import divided, null_directions, without_shared
from ranef.fit.estimated_fields import estimates_of
from ranef.fit.found_estimates import LinearOutcome, carried_over, outcome_of
from ranef.fit.iterative.choice import way_of
from ranef.fit.iterative.sampled import (
    HYBRID,
    SampledLikelihood,
    SampledTests,
    conditional_covariance,
    prediction_variance,
    solved_by_probes,
    why_not_iterative,
)
from ranef.fit.iterative.sampled import OPTIMIZER as ITERATIVE
from ranef.fit.iterative.solver_questions import LinearSolverAnswers
from ranef.fit.order import TermOrder, order_terms, relative_factor
from ranef.fit.prior import see_that_priors_fit
from ranef.fit.progress import Report
from ranef.fit.pseudo_likelihood import beside_linear
from ranef.fit.record import MixedFit
from ranef.fit.row_arguments import row_weights
from ranef.fit.sums.cross_products import root_of_effects, root_of_x, spread_of_x
from ranef.fit.system import LazySystem, build_linear_system
from ranef.fit.threads import threads_of_fit
from ranef.options import Ddf
from ranef.status import FitStatus

if TYPE_CHECKING:
    from ranef import _core
    from ranef._core import CrossedSystem, LinearSolution, LmmSystem

Floats = NDArray[np.float64]

#: The decrement below which an exact finish takes no step: a thousandth of a standard error.
FINISHED = 1e-6
OPTIMIZER = "trust-region Newton on the relative Cholesky factors, exact gradient"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class LmmFit(LinearSolverAnswers, MixedFit):
    """A fitted linear mixed model.

    Attributes
    ----------
    system : LazySystem
        The core's representation of the design.
    reml_criterion, ml_deviance : float
        Both criteria at the estimates.
    vcov_unscaled : (p, p) array
        Covariance of the fixed effects divided by sigma².
    pwrss, ldl2, ldrx2 : float
        Penalised weighted residual sum of squares and the two log determinants of the criterion.
    sampled : SampledLikelihood or None
        What the likelihood rests on where the iterative solver was used.
    robust_vcov : (p, p) array or None
        Sandwich covariance of the fixed effects, of a fit with sampling weights.
    """

    system: "LazySystem[LmmSystem]"
    reml_criterion: float
    ml_deviance: float
    vcov_unscaled: Floats
    pwrss: float
    ldl2: float
    ldrx2: float
    sampled: SampledLikelihood | None = None
    robust_vcov: Floats | None = None

    @property
    def ddf_choices(self) -> tuple[Ddf, ...]:
        """None with priors or sampling weights; the iterative solver lacks Kenward and Roger's."""
        choices = super(LmmFit, self).ddf_choices
        if self.design.priors or self.design.sampling is not None:
            return ("none",)
        if self.sampled is None:
            return choices
        return ("none",) if self.sampled.tests is None else tuple(c for c in choices if c != "kenward-roger")

    @property
    def resampled_in_core(self) -> bool:
        """Not by the iterative solver, whose replicates are searched for one after the other."""
        return self.sampled is None

    @property
    def rows_in_core(self) -> bool:
        """Likewise."""
        return self.sampled is None

    @property
    def npar(self) -> int:
        """Number of parameters: fixed effects, covariance parameters and sigma."""
        return len(self.beta) + len(self.theta) + 1

    @property
    def vcov(self) -> Floats:
        """Covariance (p, p) of the fixed effects, with theta taken as known; with sampling weights
        that of the sandwich, of all parameters.
        """
        return self.vcov_unscaled * self.sigma**2 if self.robust_vcov is None else self.robust_vcov

    @property
    def both_criteria(self) -> tuple[float, float] | None:
        """-2 log-likelihood and REML criterion at the estimates."""
        return self.ml_deviance, self.reml_criterion

    @property
    def theta_is_relative(self) -> bool:
        """Divided by sigma."""
        return True

    @property
    def random_scale(self) -> float:
        """Sigma."""
        return self.sigma

    @property
    def x_root(self) -> Floats:
        """Of sums without weights a triangle (p, p)."""
        return root_of_x(self)

    def random_root(self, term: RandomTerm) -> Floats:
        """Of sums from the columns of X, which has those of most random terms."""
        return root_of_effects(self, term)

    def fixed_spread(self) -> float:
        """Of sums from the cross-products of X."""
        return super(LmmFit, self).fixed_spread() if (spread := spread_of_x(self)) is None else spread

    def hat_values(self) -> Floats:
        """Prior weights times the relative variances of the fitted values, by probes where the
        iterative solver was used.
        """
        x, rows = np.asfortranarray(self.x), self.random_rows()
        if self.sampled is not None:
            variance = prediction_variance(self, self.sampled, x, rows)
        else:
            variance = self.system.get(self.n_threads).prediction_variance(self.core_theta, x, rows, self.n_threads)
        weights = row_weights(self.design)
        return variance if weights is None else variance * weights

    def added_columns(self, x: Floats, columns: Floats) -> AddedColumns | None:
        """From least squares with all columns at the theta of the fit."""
        return by_least_squares(self, x, columns)

    def sigma_without(self, drop: Floats, rows: int | NDArray[np.intp]) -> Floats:
        """From the penalised residual sum of squares that is left."""
        df = np.asarray(self.nobs - rows - (len(self.beta) if self.reml else 0), dtype=float)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(np.sqrt(np.where(df > 0, np.maximum(self.pwrss - drop, 0.0) / df, np.nan)))

    def objective_at(self, n_quad: int) -> float:
        """Exact whatever the number of nodes."""
        return self.ml_deviance

    def satterthwaite(self) -> "_core.Satterthwaite | SampledTests":
        """By the curvature of the criterion at the estimates; by the average information where the
        iterative solver was used.
        """
        if self.sampled is not None and self.sampled.tests is not None:
            return self.sampled.tests
        return self.system.get(self.n_threads).satterthwaite(self.core_point, self.n_threads)

    def kenward_roger(self, memory: Callable[[], float], linear: bool = False) -> "_core.KenwardRoger":
        """By the expected information at the estimates."""
        return self.system.get(self.n_threads).kenward_roger(self.core_point, memory(), self.n_threads, linear)

    def fixed_root(self) -> Floats | None:
        """The root that the core gives, which centres and scales."""
        if self.sampled is not None:
            return None if self.sampled.tests is None else self.sampled.tests.root
        if not is_least_squares(self.design):
            return None
        return self.system.get(self.n_threads).fixed_root(self.core_point, self.n_threads)

    def random_coefficients(self) -> Floats:
        """From the fixed effects that the core eliminates."""
        return self.system.get(self.n_threads).random_coefficients(self.core_theta, self.n_threads)

    def inverse_parts(self, starts: NDArray[np.intp], effects: NDArray[np.intp]) -> Floats:
        """From the core's factor, whatever levels occur together."""
        system = self.system.get(self.n_threads)
        return system.inverse_parts(self.core_theta, starts.astype(np.int64), effects.astype(np.int64), self.n_threads)

    @property
    def core_point(self) -> tuple[Floats, list[int], bool]:
        """Where the fit is: theta, directions without variance of every term, whether by REML."""
        null = [0] * len(self.order.spans)
        for key, span in zip(self.term_keys, self.order.spans, strict=True):
            null[span.core_term] = self.convergence.boundary.get(key, 0)
        return self.core_theta, null, self.reml

    def core_model(self, n_threads: int | None = None) -> "_core.Model":
        """The model in the core."""
        return self.system.get(self.n_threads if n_threads is None else n_threads)

    def structured_model(self) -> tuple[Any, Floats] | None:
        """Itself, where some random effects have a structure."""
        return None if all(s.core.is_free for s in self.order.spans) else (self.core_model(), np.empty(0))

    def conditional_covariance(self) -> tuple[list[Floats], list[float] | None]:
        """Given theta and the fixed effects; by probes where the iterative solver was used."""
        error = None
        if self.sampled is not None:
            relative, error = conditional_covariance(self, self.sampled)
        else:
            relative = self.system.get(self.n_threads).conditional_covariance(self.core_theta, self.n_threads)
        return [c * self.sigma**2 for c in relative], error

    def prediction_variance(self, x: Floats, factors: list[tuple[Any, list[Floats]]]) -> Floats:
        """Variance of predicted means, with theta taken as known."""
        if (sampled := self.sampled) is not None:
            return prediction_variance(self, sampled, x, factors) * self.sigma**2
        see_that_effects_have_errors(self.design)
        at = self.core_theta, x, factors, self.n_threads
        return self.system.get(self.n_threads).prediction_variance(*at) * self.sigma**2


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
        Theta to start from, in lme4's order; not used of effects that are not identified.
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
    threads = threads_of_fit(design.n_used, n_threads)
    special = is_special(design, control.solver)
    show = (progress, threads, n_threads)
    way = "exact" if special else way_of(design, order, reml, control, threads)
    if way != "exact":
        near = fit_sampled(design, order, reml, start, control, show)
        return near if way == "iterative" else finished(near, design, order, control, progress, n_threads)
    try:
        system = build_linear_system(design, order, threads)
    except MemoryLimitError:
        if control.solver == "exact" or special or why_not_iterative(design) is not None:
            raise
        return fit_sampled(design, order, reml, start, control, show)
    see_that_priors_fit(design, system.kept)
    _see_that_rows_suffice(design, system.kept)
    # Where there are no rows, models that need this were refused.
    free = unidentified_effects(design, system.kept) if reml and design.sums is None and not special else {}
    if free:
        outcome = _fit_identified(system, design, order, free, start, control, progress, threads)
    elif start is None and design.sums is None and not special and (shared := shared_effects(design.random)):
        outcome = _fit_needed(system, design, order, shared, reml, control, progress, threads)
    elif start is None and (quick := fit_at_positions(system, design, order, reml, control, progress, threads)):
        outcome = quick
    else:
        core_start = None if start is None else np.ascontiguousarray(start[order.core_of_theta])
        found = system.fit(reml, core_start, control.max_evaluations, control.tolerance, threads, progress)
        outcome = outcome_of(found, design)
    solution, ending = outcome.solution, outcome.ending
    valleys = linear_valleys(system, solution, [] if special else outcome.valleys, order, reml, threads)
    fields = estimates_of(design, order, solution, system.kept)
    if is_small(design, solution.sigma):
        places = [s.formula for s in order.spans]
        if reproduces(design, fitted_by(design, fields["kept"], solution.beta, fields["b"], places)):
            ending = replace(ending, status=FitStatus.EXACT)
    convergence = convergence_of(
        ending,
        OPTIMIZER,
        design,
        order,
        valleys,
        lambda v: linear_errors(system, v, order, reml, threads),
        fields["kept"],
    )
    return LmmFit(
        **fields,
        **_numbers_of(solution),
        system=LazySystem(design, order, None, system),
        reml=reml,
        convergence=convergence,
        messages=(
            *fit_messages(design, fields["dropped"], convergence),
            *unidentified_messages(system, solution.theta, order, design, reml, threads, free),
            *structure_messages(
                design, order, fields["theta"], lambda at: system.evaluate(at, reml, threads).objective
            ),
        ),
        n_threads=n_threads,
        **beside_linear(design, order, fields["kept"], solution, reml),
    )


def finished(
    near: LmmFit, design: Design, order: TermOrder, control: FitControl, progress: Report | None, n_threads: int
) -> LmmFit:
    """The exact fit from the end of an iterative one; that where the other is refused memory."""
    limits = replace(control, solver="exact", tolerance=max(control.tolerance, FINISHED))
    try:
        fit = fit_lmm(design, near.reml, near.theta, limits, progress, n_threads, order)
    except MemoryLimitError:
        return near
    return replace(fit, convergence=replace(fit.convergence, optimizer=HYBRID, solver="hybrid"))


def _see_that_rows_suffice(design: Design, kept: list[int]) -> None:
    n, p = design.n_used, len(kept)
    if n <= p:
        raise DesignError(f"there are {n} rows for {p} fixed effects; a model needs more rows than fixed effects.")


#: Fields of the record that a solution has under the same names.
_NUMBERS = ("objective", "reml_criterion", "ml_deviance", "vcov_unscaled", "sigma", "pwrss", "ldl2", "ldrx2")


def _numbers_of(solution: "LinearSolution") -> dict[str, Any]:
    return {name: getattr(solution, name) for name in _NUMBERS}


def fit_sampled(
    design: Design,
    order: TermOrder,
    reml: bool,
    start: Floats | None,
    control: FitControl,
    show: tuple[Report | None, int, int],
    rows: "CrossedSystem | None" = None,
) -> LmmFit:
    """By the iterative solver; `show` is progress, threads used and asked for."""
    system, found = solved_by_probes(design, order, reml, start, control, show[0], show[1], rows)
    _see_that_rows_suffice(design, system.kept)
    outcome = outcome_of(found.fit, design)
    fields = estimates_of(design, order, outcome.solution, system.kept)
    valleys = (Valley(outcome.solution.objective, fields["theta"], outcome.solution.beta),)
    how = convergence_of(outcome.ending, ITERATIVE, design, order, valleys, lambda v: v.theta, fields["kept"])
    how = replace(how, sampling=found.sampling, solver="iterative")
    s = found.satterthwaite
    tests = SampledTests(s.root, s.covariance, s.slopes, s.flat)
    sampled = SampledLikelihood(found.probes, control.seed, found.error / 2, system.exact_bytes, tests)
    return LmmFit(
        **fields,
        **_numbers_of(outcome.solution),
        system=LazySystem(design, order, refusal=sampled.refusal, crossed=system),
        reml=reml,
        convergence=how,
        messages=fit_messages(design, fields["dropped"], how),
        n_threads=show[2],
        sampled=sampled,
    )


def _fit_identified(
    system: "LmmSystem",
    design: Design,
    order: TermOrder,
    free: dict[int, Unidentified],
    start: Floats | None,
    control: FitControl,
    progress: Report | None,
    threads: int,
) -> LinearOutcome:
    """Estimate by REML the random effects that are identified, and give the others the variance of
    the convention.
    """
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

    if ending is None:
        nothing = Search(complete=True)
        ending = Convergence(FitStatus.CONVERGED, 0.0, 1, OPTIMIZER, 0.0, 0.0, {}, search=nothing)
    return carried_over(system, design, ending, part, core_theta, null, True, threads)


def _fit_needed(
    system: "LmmSystem",
    design: Design,
    order: TermOrder,
    shared: tuple[SharedEffects, ...],
    reml: bool,
    control: FitControl,
    progress: Report | None,
    threads: int,
) -> LinearOutcome:
    """Fit the model without superfluous terms, which is the same model, and divide its covariance
    among all terms.

    Nothing is searched for beyond: the criterion is the same for every division.
    """
    needed, places = without_shared(design, shared)
    alone = fit_lmm(needed, reml, None, control, progress, threads)

    def core_theta(theta: Floats) -> Floats:
        whole = divided(shared, design, order, places, alone.order, theta)
        return np.ascontiguousarray(whole[order.core_of_theta])

    whole = core_theta(alone.theta)[order.theta_of_core]
    null = [0] * len(order.spans)
    for span in order.spans:
        null[span.core_term] = null_directions(relative_factor(span, whole))
    return carried_over(system, design, alone.convergence, alone.theta, core_theta, null, reml, threads)
