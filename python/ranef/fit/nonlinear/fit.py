"""The fit of a nonlinear mixed model: a start, then one call into the core, or turns of linear
models.
"""

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ranef.curves.evaluate import takes_jets
from ranef.design.record import Design
from ranef.errors import DataError, DesignError, OptionError
from ranef.fit.control import FitControl
from ranef.fit.correlated.record import CorrelatedFit, structure_names, with_fitted
from ranef.fit.ending.convergence import Ending, convergence_of
from ranef.fit.ending.exact import reproduces
from ranef.fit.ending.messages import fit_messages
from ranef.fit.ending.valleys import Search, Valley
from ranef.fit.linear import LmmFit
from ranef.fit.nonlinear.linearized import TO_A_START, Turns, by_turns, in_formula_order, some_turns
from ranef.fit.nonlinear.record import Approximation, NonlinearCorrelatedFit, NonlinearFit
from ranef.fit.nonlinear.row_scales import row_scales
from ranef.fit.nonlinear.start import check_start, far_table, undetermined
from ranef.fit.nonlinear.system import curve_model, curve_rows
from ranef.fit.nonlinear.values import curve_derivatives, curve_of_design, linearised, population_values
from ranef.fit.order import TermOrder, by_term, order_terms
from ranef.fit.prior import log_prior, see_that_priors_fit
from ranef.fit.progress import Report
from ranef.fit.system import LazySystem, build_correlated_system, build_linear_system, row_covariance
from ranef.fit.threads import threads_of_fit
from ranef.status import FitStatus

if TYPE_CHECKING:
    from ranef import _core

Floats = NDArray[np.float64]

OPTIMIZER = "trust region on theta, fixed effects and sigma together, exact gradient"
BY_TURNS = "turns of penalised least squares and linear mixed models"

#: Standard deviations of random effects relative to sigma where none was found at the start.
LEAST_THETA = 0.05

#: By how much, relatively, another start must lower the residual standard deviation.
CLEARLY = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class CurveStart:
    """Where a fit starts.

    Attributes
    ----------
    beta : (p,) array
    theta : (m,) array or None
        Relative to sigma.
    sigma : float or None
    other : (p,) array or None
        Fixed effects to start from, too: what leads to the lower sum of squares is taken.
    """

    beta: Floats
    theta: Floats | None = None
    sigma: float | None = None
    other: Floats | None = None


def fit_nonlinear(
    design: Design,
    how: Approximation,
    start: CurveStart,
    control: FitControl | None = None,
    progress: Report | None = None,
    n_threads: int = 1,
    order: TermOrder | None = None,
) -> LmmFit:
    """Estimate a nonlinear model.

    Parameters
    ----------
    design : Design
        With a curve.
    how : Approximation
    start : CurveStart
        Without theta, nonlinear least squares and a few turns of linear models come first.
    control, progress, n_threads, order
        As for linear models.

    Raises
    ------
    DataError
        When the curve is not finite at the start, or the data do not determine a parameter.
    """
    order = order or order_terms(design.random)
    control = control or FitControl()
    threads = threads_of_fit(len(design.y), n_threads)
    rows = curve_of_design(design)
    if how.method == "laplace":
        row_scales(design)  # refuses what it cannot be
    _check_columns(design)
    messages: tuple[str, ...] = ()
    if rows.curve.calls_python and how.method == "laplace" and how.curvature == "observed":
        first = rows.fixed_parameters(start.beta)
        if not takes_jets(rows.curve, rows.covariates, first):
            how = replace(how, curvature="gauss_newton")
            messages = (
                "a function of the curve does not pass on derivatives, so that they are found by differences and the "
                "curvature is that of Gauss and Newton; write it with NumPy's functions and + - * / ** alone for the "
                "observed one",
            )
    check_start(design, start.beta)
    if start.theta is not None and how.method == "laplace":
        return _laplace(design, order, how, start, control, progress, threads, messages)
    rough = design if how.method == "linearized" else design.with_rows(weights=row_scales(design).weights)
    model = curve_rows(rough, order)
    beta, sigma = model.pooled(start.beta)
    if start.other is not None:
        other = model.pooled(start.other)
        if other[1] < (1.0 - CLEARLY) * sigma or _nowhere(design, beta):
            beta, sigma = other
    if not (np.isfinite(sigma) and np.isfinite(beta).all()):
        raise DataError(f"the curve cannot be brought near the data from the start: {far_table(design, start.beta)}.")
    if reproduces(design, population_values(design, beta)):
        raise DataError(
            "the curve without random effects reproduces the response exactly, so that nothing is left for random "
            "effects and residual. Data that were computed need some noise."
        )
    _check_slopes(design, beta)
    if how.method == "linearized":
        turns = by_turns(design, beta, order, control, progress, threads)
        return _record_of_turns(design, order, turns, messages, n_threads)
    found: list[LmmFit] = []
    failure: DataError | None = None
    for limits in TO_A_START:
        try:
            turned = some_turns(design, model, beta, None, control, None, threads, limits)
            theta = turned.theta[order.theta_of_core]
            theta = np.where(np.abs(theta) < LEAST_THETA, 0.0, theta)
            near = CurveStart(turned.beta, _away_from_zero(order, theta), turned.sigma)
            found.append(_laplace(design, order, how, near, control, progress, threads, messages))
        except DataError as problem:
            failure = problem
            continue
        if found[-1].convergence.status.ok:
            break
    if not found and failure is not None:
        raise failure
    return min(found, key=lambda fit: (not fit.convergence.status.ok, fit.objective))


def _check_columns(design: Design) -> None:
    """Refuse columns of a parameter that depend on each other."""
    rows = curve_of_design(design)
    for c, name in enumerate(rows.curve.parameters):
        own = [j for j, part in enumerate(rows.parts) if part == c]
        if len(own) > 1:
            what = undetermined(design, np.where(np.isin(np.arange(rows.x.shape[1]), own), rows.x, 0.0)[:, own])
            if what is not None:
                names = ", ".join(design.x_names[j] for j in own)
                raise DesignError(
                    f"the columns of the parameter {name} depend on each other ({names}): leave out what others "
                    "determine."
                )
    if len(design.y) <= rows.x.shape[1]:
        raise DesignError(f"there are {len(design.y)} rows for {rows.x.shape[1]} fixed effects; more are needed.")


def _pooled_slopes(design: Design, beta: Floats) -> Floats:
    """Slopes (n, p) of the curve without random effects in all fixed effects."""
    rows = curve_of_design(design)
    found = curve_derivatives(rows.curve, rows.covariates, rows.fixed_parameters(beta), 1)
    out: Floats = rows.x * found[1 : 1 + rows.n_parameters][list(rows.parts)].T
    return out


def _nowhere(design: Design, beta: Floats) -> bool:
    """Whether least squares ended where the curve does not depend on its parameters."""
    slopes = _pooled_slopes(design, beta)
    return not np.isfinite(slopes).all() or undetermined(design, slopes) is not None


def _check_slopes(design: Design, beta: Floats) -> None:
    """Say which parameter the data do not determine, at the curve without random effects."""
    slopes = _pooled_slopes(design, beta)
    what = undetermined(design, slopes) if np.isfinite(slopes).all() else None
    if what is not None:
        raise DataError(
            f"the data do not determine {what}: the curve does not change along it. "
            f"{_sentence(far_table(design, beta))}"
        )


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _away_from_zero(order: TermOrder, theta: Floats) -> Floats:
    """Theta whose standard deviations are not zero, from which a search can move."""
    out = theta.copy()
    for span in order.spans:
        if span.structure not in ("unstructured", "diagonal"):
            continue
        for i, (kind, _) in enumerate(span.core.parameters):
            at = span.theta_start + i
            if kind == "sd" and abs(out[at]) < LEAST_THETA:
                out[at] = LEAST_THETA
    return out


def _laplace(
    design: Design,
    order: TermOrder,
    how: Approximation,
    start: CurveStart,
    control: FitControl,
    progress: Report | None,
    threads: int,
    messages: tuple[str, ...],
) -> LmmFit:
    p = curve_of_design(design).x.shape[1]
    sigma = start.sigma if start.sigma is not None and start.sigma > 0 else float(np.std(design.y)) or 1.0
    theta = start.theta
    assert theta is not None
    scales = row_scales(design, start.beta)
    if scales.functions and how.curvature == "gauss_newton":
        raise OptionError(
            "a variance that follows the curve has curvature='observed' alone: that of Gauss and Newton leaves out how "
            "the random effects move it. Functions of columns, as power(time), have both."
        )
    system = curve_model(design, order, start.beta, sigma, how.curvature == "gauss_newton", scales)
    if len(system.kept) < p + 1 + scales.n:
        raise DesignError(
            "the data do not determine the variance function: its covariate must vary between the rows of a group, "
            "and no function may be the product of others."
        )
    see_that_priors_fit(design, system.kept, how.n_quad)
    absolute = np.ascontiguousarray(sigma * theta[order.core_of_theta])
    beta = np.concatenate([start.beta, [math.log(sigma)], np.zeros(scales.n)])
    if how.n_quad > 1 and not system.allows_quadrature:
        raise OptionError(
            f"n_quad={how.n_quad} is for one grouping factor with at most three random effects and "
            "curvature='observed'; use n_quad=1."
        )
    found = system.fit(
        how.n_quad,
        "observed",
        absolute,
        beta,
        1.0,
        None,
        control.max_evaluations,
        control.tolerance,
        threads,
        progress,
    )
    solution, ending = found.solution, Ending.of(found)
    if ending.status is FitStatus.SEPARATION:
        # what the core takes for it are large standard errors, and parameters of curves have units
        ending = replace(ending, status=FitStatus.CONVERGED)
    objective = found.ending.objective
    if solution is None or ending.status is FitStatus.NON_FINITE or not math.isfinite(objective):
        raise DataError(
            "the likelihood is not finite near the start, so that there are no estimates: "
            f"{far_table(design, start.beta)}. Give other starting values."
        )
    estimates, z = solution.beta[:p], solution.beta[p + 1 :][scales.order]
    sigma = math.exp(scales.log_sigma(float(solution.beta[p]), solution.beta[p + 1 :]))
    relative = solution.theta[order.theta_of_core] / sigma
    b = by_term(order, solution.b)
    u = tuple(sigma * own for own in by_term(order, solution.u))
    near = linearised(design, estimates, in_formula_order(order, b))
    linear_design = replace(near.design, priors=())
    if scales.functions:
        linear_design = with_fitted(linear_design, near.values)
    correlated = design.residual is not None
    core: Any = (build_correlated_system if correlated else build_linear_system)(linear_design, order, threads)
    if len(core.kept) < p:
        raise DataError(
            f"the data do not determine {undetermined(near.design, near.design.x) or 'a parameter'} at the estimates."
        )
    at = np.ascontiguousarray(relative[order.core_of_theta])
    linear = core.solution(at, z, False) if correlated else core.solution(at, False, threads)
    # with the curvature of lme4 standard errors are those of lme4, too: of the linearised model
    own = found.vcov is not None and (how.curvature == "observed" or bool(design.priors))
    vcov = np.array(found.vcov)[:p, :p] if own else linear.vcov_unscaled * sigma**2
    of_priors = _log_prior(design, order, found, how, threads)
    valleys = (Valley(objective, relative, estimates),)
    convergence = convergence_of(
        ending, OPTIMIZER, design, order, valleys, lambda v: np.sqrt(np.diagonal(vcov)), tuple(range(p))
    )
    fields: dict[str, Any] = {
        "design": replace(near.design, residual=linear_design.residual),
        "order": order,
        "theta": relative,
        "kept": tuple(range(p)),
        "dropped": (),
        "beta": estimates,
        "u": u,
        "b": b,
        "sigma": sigma,
        "reml": False,
        "objective": objective,
        "reml_criterion": math.nan,
        "ml_deviance": objective + 2 * of_priors,
        "log_prior": of_priors,
        "vcov_unscaled": linear.vcov_unscaled,
        "pwrss": linear.pwrss,
        "ldl2": linear.ldl2,
        "ldrx2": linear.ldrx2,
        "system": LazySystem(linear_design, order, None, core),
        "convergence": convergence,
        "messages": (*messages, *fit_messages(design, (), convergence)),
        "n_threads": threads,
        "n_quad": how.n_quad,
        "curvature": how.curvature,
        "method": "laplace",
        "vcov_beta": vcov,
        "mu": near.values,
    }
    if design.residual is None:
        return NonlinearFit(**fields)
    structure = row_covariance(design)
    natural, slopes = structure.natural(z)
    names = structure_names(design.residual, structure.parameters)
    places = p + 1 + scales.order
    own_z = None if found.vcov is None else np.array(found.vcov)[np.ix_(places, places)]
    return NonlinearCorrelatedFit(
        **fields,
        z=np.array(z),
        structure=natural,
        structure_slopes=np.ascontiguousarray(slopes),
        structure_names=names,
        vcov_rows=own_z,
    )


def _log_prior(
    design: Design,
    order: TermOrder,
    found: "_core.GeneralizedFit",
    how: Approximation,
    threads: int,
) -> float:
    """Log density of the priors at the estimates; 0 without."""
    if not design.priors or found.solution is None:
        return 0.0
    beta, theta = found.solution.beta, found.solution.theta
    p = curve_of_design(design).x.shape[1]
    bare = curve_model(replace(design, priors=()), order, beta[:p], math.exp(beta[p]), how.curvature == "gauss_newton")
    there = bare.evaluate(theta, beta, None, how.n_quad, "observed", threads)
    return log_prior(found.ending.objective, there.objective)


def _record_of_turns(
    design: Design, order: TermOrder, turns: Turns, messages: tuple[str, ...], n_threads: int
) -> LmmFit:
    fit = turns.fit
    b = tuple(fit.b)
    near = linearised(design, fit.beta, in_formula_order(order, b))
    status = fit.convergence.status if turns.settled else FitStatus.MAX_EVALUATIONS
    convergence = replace(
        fit.convergence, status=status, evaluations=turns.rounds, optimizer=BY_TURNS, search=Search(complete=True)
    )
    fields: dict[str, Any] = {name: getattr(fit, name) for name in fit.__dataclass_fields__}
    fields.update(
        convergence=convergence,
        messages=(*messages, *fit_messages(design, (), convergence)),
        n_threads=n_threads,
        curvature="gauss_newton",
        method="linearized",
        vcov_beta=fit.vcov,
        mu=near.values,
    )
    kind = NonlinearCorrelatedFit if isinstance(fit, CorrelatedFit) else NonlinearFit
    return kind(**fields)
