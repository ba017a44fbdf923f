"""The fit of a model with several linear predictors: one call into the core, and its record."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ranef.design.record import Design
from ranef.errors import DataError, DesignError, OptionError
from ranef.families.family import Family
from ranef.families.gaussian import Gaussian
from ranef.families.proportions import Binomial
from ranef.fit.components.design import Predictor, together
from ranef.fit.components.ending import component_convergence, parts_of
from ranef.fit.components.fitted_apart import FittedApart, fitted_apart
from ranef.fit.components.messages import TOO_MANY_TERMS, AtLimit, Part, at_limit
from ranef.fit.components.no_optimum import (
    doubtful_integral,
    lower_without_optimum,
    may_have_several_modes,
    why_no_optimum,
)
from ranef.fit.components.power_of_points import before_points
from ranef.fit.components.predictor_records import blocks_of, predictor_fields
from ranef.fit.components.record import ComponentsFit
from ranef.fit.components.several import PredictorFit
from ranef.fit.components.system import LazyWhole, WholeModel
from ranef.fit.components.variance import widest_effects
from ranef.fit.control import FitControl
from ranef.fit.ending.conclusion import solution_of
from ranef.fit.ending.convergence import Ending
from ranef.fit.ending.messages import Trouble, fit_messages
from ranef.fit.likelihood import Likelihood
from ranef.fit.order import TermOrder, order_terms
from ranef.fit.parameter_covariance import joint_covariance_of
from ranef.fit.prior import see_that_priors_fit
from ranef.fit.progress import Report
from ranef.fit.pseudo_likelihood import joint_log_prior, robust_joint_covariance
from ranef.fit.quadrature import check_quadrature
from ranef.fit.refits.row_subset import design_of_rows
from ranef.fit.start import parse_components_start
from ranef.fit.system import core_link
from ranef.status import FitStatus

if TYPE_CHECKING:
    from ranef import _core

Floats = NDArray[np.float64]

#: Families that have the links of other predictors: probabilities, and logarithms.
OWN_SCALES: dict[str, Family] = {"zi": Binomial("logit"), "disp": Gaussian("log"), "scale": Gaussian("log")}


def zero_kind(family: Family, has_zero_part: bool) -> str:
    """What becomes of zero, as the core calls it."""
    if family.truncated:
        return "truncated_hurdle" if has_zero_part else "truncated"
    if not has_zero_part:
        return "plain"
    return "hurdle" if family.support in ("positive", "open_unit") else "inflated"


def fit_components(
    predictors: tuple[Predictor, ...],
    likelihood: Likelihood,
    control: FitControl,
    progress: Report | None,
    n_threads: int,
    start: tuple[Floats, Floats] | None = None,
    like: ComponentsFit | None = None,
    asked: object = None,
) -> ComponentsFit:
    """Estimate a model of several linear predictors.

    Parameters
    ----------
    predictors : tuple of Predictor
        The conditional one first, in the order of the core: dispersion, shapes, zero part.
    likelihood : Likelihood
    control : FitControl
    progress : callable or None
    n_threads : int
    start : (theta, beta), optional
        All covariance parameters in the core's order and all fixed effects.
    like : ComponentsFit, optional
        A fit of the same model to other rows, whose order of terms is taken.
    asked : array-like, dict or None
        Starting values as a user gives them.
    """
    family, base = likelihood.family, predictors[0].design
    zero = zero_kind(family, predictors[-1].key == "zi")
    terms, pieces = together(predictors)
    merged = Design(**{**_fields(base), "random": terms})
    order = order_terms(terms) if like is None else like.whole.order
    check_quadrature(likelihood.n_quad, order, merged)
    given = predictors
    known = {**family.held_by(merged.y)[0], **family.held}
    predictors = tuple(_held(p, known.get(p.key)) for p in predictors)
    x = tuple(p.design.x for p in predictors)
    link = core_link(family)
    offsets = tuple(p.design.offset for p in predictors)
    keys, names = (tuple(p.key for p in predictors)), tuple(p.design.x_names for p in predictors)
    model = WholeModel(merged, order, pieces, x, offsets, family.kernel, link, zero, keys, names)
    system = model.system()
    see_that_priors_fit(merged, system.kept, likelihood.n_quad, model.other_coefficients)
    theta, beta = (None, None) if start is None else start
    if asked is not None:
        columns = dict(zip(keys, names, strict=True))
        theta, beta = parse_components_start(asked, order, model.named(keys).random, columns)
        beta = None if beta is None else np.ascontiguousarray(beta[np.asarray(system.kept, dtype=np.intp)])
    how = likelihood.n_quad, likelihood.curvature
    apart = None
    if start is None and asked is None and not merged.priors and merged.sampling is None:
        kept = np.asarray(system.kept, dtype=np.intp)
        apart = fitted_apart(model, kept, *how, control, n_threads, progress)
    found = None if apart is None else _at_estimates(system, apart, how, n_threads)
    if apart is None or found is None:
        found = system.fit(
            *how, theta, beta, None, None, control.max_evaluations, control.tolerance, n_threads, progress
        )
        ending, vcov = Ending.of(found), joint_covariance_of(found)
    else:
        ending, vcov = apart.ending, apart.covariance
    orders = [order_terms(p.design.random) for p in predictors] if like is None else [p.order for p in like.predictors]
    made = _record(predictors, likelihood, model, system, found, ending, vcov, n_threads, orders)
    if start is not None or asked is not None:
        return made

    def fitted(other: Family, begin: tuple[Floats, Floats] | None) -> ComponentsFit:
        return fit_components(given, replace(likelihood, family=other), control, None, n_threads, begin, like, None)

    return before_points(made, fitted)


def _at_estimates(
    system: "_core.GlmmSystem", apart: FittedApart, how: tuple[int, str], n_threads: int
) -> "_core.GeneralizedFit | None":
    """The whole model at the estimates of parts that were fitted apart; None where the modes there,
    which a part reached on the way, are not found from nothing: then all is fitted together.
    """
    from ranef._core import NoModesError

    try:
        return system.solution(apart.theta, apart.beta, None, *how, n_threads, needs_hessian=False)
    except NoModesError:
        return None


def _held(predictor: Predictor, value: float | None) -> Predictor:
    """A predictor that is held at a number: an offset without columns."""
    if value is None:
        return predictor
    n = len(predictor.design.x)
    design = predictor.design.with_rows(x=np.empty((n, 0), order="F"), offset=np.full(n, value))
    return replace(predictor, design=replace(design, x_names=(), x_assign=(), fixed_terms=()))


def _fields(record: Any) -> dict[str, Any]:
    return {f.name: getattr(record, f.name) for f in fields(record)}


def _record(
    predictors: tuple[Predictor, ...],
    likelihood: Likelihood,
    model: WholeModel,
    system: "_core.GlmmSystem",
    found: "_core.GeneralizedFit",
    ending: Ending,
    vcov: Floats | None,
    n_threads: int,
    orders: Sequence[TermOrder],
) -> ComponentsFit:
    family, zero, objective = likelihood.family, model.zero, found.ending.objective
    if family.kernel == "compois" and (ending.status is FitStatus.NON_FINITE or not math.isfinite(objective)):
        raise DataError(TOO_MANY_TERMS)
    solution = solution_of(found, family)
    order, merged = model.order, model.design
    theta = solution.theta[order.theta_of_core]
    n = len(merged.y)
    kept = np.asarray(system.kept, dtype=np.intp)
    eta = np.asarray(solution.eta).reshape(len(predictors), n)
    if n < len(solution.beta):
        raise DesignError(f"there are {n} rows for {len(solution.beta)} fixed effects.")
    parts = parts_of(predictors, eta, solution.beta, kept)
    limits = at_limit(family, zero, parts, merged.y, ending.status)
    if ending.status is FitStatus.SEPARATION:
        keys = [key for key, part in parts.items() for _ in part.names]
        named = bool(found.separated) and all(keys[j] in limits.named for j in found.separated)
        if named and _with_doubt(limits, likelihood, model, parts, system, solution) is limits:
            # what has no end is named, and the other estimates are those at its limit
            ending = replace(ending, status=FitStatus.CONVERGED)
    if ending.status is FitStatus.NO_PROGRESS and limits.apart is None:
        widest = widest_effects(model, tuple(parts), system, solution, likelihood.curvature)
        limits = replace(limits, apart=why_no_optimum(family, zero, parts, merged.y, widest))
    if ending.status.ok and likelihood.n_quad == 1:
        limits = _with_doubt(limits, likelihood, model, parts, system, solution)
    if ending.status.ok and (elsewhere := lower_without_optimum(ending.search.beyond)):
        limits = replace(limits, messages=(*limits.messages, elsewhere))
    convergence = component_convergence(found, ending, model, tuple(parts), theta, limits.sentences)
    how = likelihood.n_quad, likelihood.curvature
    common: dict[str, Any] = {
        "mu": np.full(n, np.nan),
        "reml": False,
        "response_kind": likelihood.response_kind,
        "n_quad": likelihood.n_quad,
        "curvature": likelihood.curvature,
        "objective": objective,
        "log_prior": joint_log_prior(model, found, how),
        "hessian": None,
        "joint_vcov": None,
        "gradient": found.ending.gradient,
        "convergence": convergence,
        "n_threads": n_threads,
        "system": LazyWhole(model).keep(system),
        "dispersion": math.nan,
        "sigma": 1.0,
        "messages": (),
    }
    robust = robust_joint_covariance(model, found, how)
    vcov = vcov if robust is None else robust
    m = len(theta)
    profiled = vcov is None or (
        found.hessian is not None and found.covariance is None and bool(np.isnan(np.diagonal(vcov)[:m]).all())
    )
    made: list[dict[str, Any]] = []
    blocks = blocks_of(system.kept, [x.shape[1] for x in model.x])
    for c, (predictor, block) in enumerate(zip(predictors, blocks, strict=True)):
        known = None if predictor.key in limits.infinite else vcov
        own = predictor_fields(c, predictor, block, orders[c], model, solution, known)
        own |= {"eta": eta[c], "family": OWN_SCALES.get(predictor.key, Gaussian("identity"))}
        made.append(own | common)
    others = tuple(PredictorFit(**own) for own in made[1:])
    dispersion = next((p for p in others if p.key == "disp"), None)
    constant = dispersion is not None and bool(np.ptp(dispersion.eta) == 0.0)
    value = math.exp(float(dispersion.eta[0])) if dispersion is not None and constant else math.nan
    value = limits.infinite.get("disp", value) if constant else value
    dropped = tuple(name for own in made for name in own["dropped"])
    messages = fit_messages(merged, dropped, convergence, Trouble((), (), limits.apart, profiled))
    top = made[0] | {
        "family": family,
        "dispersion": value,
        "sigma": family.sigma(value) if family.scaled else 1.0,
        "messages": (*messages, *limits.messages),
    }
    return ComponentsFit(
        **top,
        others=others,
        zero=zero,
        whole=model,
        whole_theta=solution.theta,
        whole_beta=solution.beta,
        whole_vcov=vcov,
    )


def _with_doubt(
    limits: AtLimit,
    likelihood: Likelihood,
    model: WholeModel,
    parts: Mapping[str, Part],
    system: "_core.GlmmSystem",
    solution: "_core.GeneralizedSolution",
) -> AtLimit:
    """With a sentence on random effects that Laplace's approximation does not suit, if any."""
    keys, family = tuple(parts), likelihood.family
    random = {keys[piece.predictor] for pieces in model.pieces for piece in pieces}
    if not may_have_several_modes(family, model.zero, random):
        return limits
    doubt = doubtful_integral(family, model.zero, widest_effects(model, keys, system, solution, likelihood.curvature))
    return limits if doubt is None else replace(limits, messages=(*limits.messages, doubt))


def fit_components_again(
    fit: ComponentsFit,
    design: Design,
    others: tuple[Design, ...] | None,
    warm: bool,
    control: FitControl | None,
    progress: Report | None,
    n_threads: int,
) -> ComponentsFit:
    """Fit the model with another conditional design, of the same rows unless those of the other
    predictors are given too.
    """
    if others is None and len(design.y) != fit.nobs:
        raise OptionError(
            "models with several linear predictors are not fitted to a part of their rows here; give the rows by "
            "update(subset=...)."
        )
    used = others or tuple(p.design for p in fit.others)
    first = Predictor("cond", design, fit.formula)
    predictors = (first, *(Predictor(p.key, d, p.formula) for p, d in zip(fit.others, used, strict=True)))
    same = warm and design.x_names == fit.design.x_names and not any(p.dropped for p in fit.predictors)
    same = same and len(design.random) == len(fit.design.random)
    start = (fit.whole_theta, fit.whole_beta) if same else None
    return fit_components(predictors, fit.likelihood, control or FitControl(), progress, n_threads, start)


def fit_components_of_rows(fit: ComponentsFit, rows: NDArray[np.intp], control: FitControl) -> ComponentsFit:
    """Fit the model to some of its rows, from the estimates on."""
    designs = [design_of_rows(p.design.with_rows(y=fit.design.y), rows) for p in fit.predictors]
    predictors = tuple(Predictor(p.key, d, p.formula) for p, d in zip(fit.predictors, designs, strict=True))
    start = None if any(p.dropped for p in fit.predictors) else (fit.whole_theta, fit.whole_beta)
    return fit_components(predictors, fit.likelihood, control, None, fit.n_threads, start, fit)
