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
from ranef.fit.component_design import Piece, Predictor, together
from ranef.fit.component_ending import component_convergence, parts_of
from ranef.fit.component_messages import TOO_SPREAD, at_limit
from ranef.fit.component_system import LazyWhole, WholeModel
from ranef.fit.components import ComponentsFit, PredictorFit
from ranef.fit.control import FitControl
from ranef.fit.convergence import Ending
from ranef.fit.likelihood import Likelihood
from ranef.fit.messages import Trouble, fit_messages, likelihood_not_finite, modes_not_found
from ranef.fit.order import TermOrder, by_term, order_terms, relative_factor, theta_of_factors
from ranef.fit.progress import Report
from ranef.fit.row_subset import design_of_rows
from ranef.status import FitStatus

if TYPE_CHECKING:
    from ranef import _core

Floats = NDArray[np.float64]

#: Links of the core by another name than ours.
_CORE_LINKS = {"inverse_squared": "1/mu^2"}


#: Families that have the links of other predictors: probabilities, and logarithms.
OWN_SCALES: dict[str, Family] = {"zi": Binomial("logit"), "disp": Gaussian("log")}


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
    """
    family, base = likelihood.family, predictors[0].design
    zero = zero_kind(family, predictors[-1].key == "zi")
    terms, pieces = together(predictors)
    merged = Design(**{**_fields(base), "random": terms})
    order = order_terms(terms) if like is None else like.whole.order
    predictors = tuple(_held(p, family.held.get(p.key)) for p in predictors)
    x = tuple(p.design.x for p in predictors)
    link = _CORE_LINKS.get(family.link, family.link)
    offsets = tuple(p.design.offset for p in predictors)
    model = WholeModel(merged, order, pieces, x, offsets, family.kernel, link, zero)
    system = model.system()
    theta, beta = (None, None) if start is None else start
    found = system.fit(
        likelihood.n_quad, likelihood.curvature, theta, beta, None, None, control.max_evaluations, control.tolerance,
        n_threads, progress,
    )  # fmt: skip
    orders = [order_terms(p.design.random) for p in predictors] if like is None else [p.order for p in like.predictors]
    return _record(predictors, likelihood, model, system, found, zero, n_threads, orders)


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
    zero: str,
    n_threads: int,
    orders: Sequence[TermOrder],
) -> ComponentsFit:
    family, solution, ending = likelihood.family, found.solution, Ending.of(found, 0)
    objective = found.ending.objective
    if ending.status is FitStatus.NON_FINITE or not math.isfinite(objective):
        if family.kernel == "compois":
            raise DataError(TOO_SPREAD)
        raise DataError(likelihood_not_finite(family))
    if solution is None:
        raise DataError(modes_not_found(family))
    order, merged = model.order, model.design
    theta = solution.theta[order.theta_of_core]
    m, n = order.n_theta, len(merged.y)
    vcov = found.covariance
    kept = np.asarray(system.kept, dtype=np.intp)
    first = np.concatenate([[0], np.cumsum([x.shape[1] for x in model.x])])
    eta = np.asarray(solution.eta).reshape(len(predictors), n)
    if n < len(solution.beta):
        raise DesignError(f"there are {n} rows for {len(solution.beta)} fixed effects.")
    spans = {s.formula: s for s in order.spans}
    factors = {i: relative_factor(s, theta) for i, s in spans.items()}
    b, u = by_term(order, solution.b), by_term(order, solution.u)
    effects = {s.formula: (b[i], u[i]) for i, s in enumerate(order.spans)}
    parts = parts_of(predictors, eta, solution.beta, kept)
    limits = at_limit(family, zero, parts, merged.y, ending.status)
    convergence = component_convergence(found, ending, model, tuple(parts), theta, limits.sentences)
    lazy = LazyWhole(model).keep(system)
    made: list[dict[str, Any]] = []
    at = 0
    for c, predictor in enumerate(predictors):
        own = [j - first[c] for j in kept if first[c] <= j < first[c + 1]]
        place = m + at + np.arange(len(own))
        at += len(own)
        covariance = np.full((len(own), len(own)), np.nan)
        if vcov is not None and predictor.key not in limits.infinite:
            covariance = vcov[np.ix_(place, place)]
        names = predictor.design.x_names
        own_order = orders[c]
        shapes, modes, spherical = own_effects(c, model.pieces, factors, effects)
        made.append(
            {
                "key": predictor.key,
                "formula": predictor.formula,
                "design": predictor.design,
                "order": own_order,
                "theta": theta_of_factors(own_order, shapes),
                "kept": tuple(int(j) for j in own),
                "dropped": tuple(name for j, name in enumerate(names) if j not in own),
                "beta": solution.beta[at - len(own) : at],
                "b": tuple(modes[s.formula] for s in own_order.spans),
                "u": tuple(spherical[s.formula] for s in own_order.spans),
                "vcov_beta": covariance,
                "eta": eta[c],
                "mu": np.full(n, np.nan),
                "reml": False,
                "response_kind": likelihood.response_kind,
                "n_quad": likelihood.n_quad,
                "curvature": likelihood.curvature,
                "objective": objective,
                "hessian": None,
                "joint_vcov": None,
                "gradient": found.ending.gradient,
                "convergence": convergence,
                "n_threads": n_threads,
                "system": lazy,
                "dispersion": math.nan,
                "sigma": 1.0,
                "messages": (),
                "family": OWN_SCALES.get(predictor.key, Gaussian("identity")),
            }
        )
    others = tuple(PredictorFit(**own) for own in made[1:])
    dispersion = next((p for p in others if p.key == "disp"), None)
    constant = dispersion is not None and bool(np.ptp(dispersion.eta) == 0.0)
    value = math.exp(float(dispersion.eta[0])) if dispersion is not None and constant else math.nan
    value = limits.infinite.get("disp", value) if constant else value
    dropped = tuple(name for own in made for name in own["dropped"])
    messages = fit_messages(merged, dropped, convergence, Trouble((), (), limits.apart, vcov is None))
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


def own_effects(
    c: int,
    pieces: tuple[tuple[Piece, ...], ...],
    factors: Mapping[int, Floats],
    effects: Mapping[int, tuple[Floats, Floats]],
) -> tuple[dict[int, Floats], dict[int, Floats], dict[int, Floats]]:
    """Relative factors and modes of the terms of one predictor, by their place in its formula."""
    shapes: dict[int, Floats] = {}
    modes: dict[int, Floats] = {}
    spherical: dict[int, Floats] = {}
    for i, parts in enumerate(pieces):
        for piece in parts:
            if piece.predictor != c:
                continue
            own = slice(piece.start, piece.start + piece.size)
            factor = factors[i]
            if len(parts) > 1:
                # a root of the block's part of the covariance
                q, r = np.linalg.qr(factor[own].T)
                sign = np.where(np.diagonal(r) < 0, -1.0, 1.0)
                shapes[piece.term] = (r * sign[:, None]).T
                spherical[piece.term] = effects[i][1] @ (q * sign)
            else:
                shapes[piece.term], spherical[piece.term] = factor, effects[i][1]
            modes[piece.term] = np.ascontiguousarray(effects[i][0][:, own])
    return shapes, modes, spherical


def fit_components_again(
    fit: ComponentsFit,
    design: Design,
    warm: bool,
    control: FitControl | None,
    progress: Report | None,
    n_threads: int,
) -> ComponentsFit:
    """Fit the model with another conditional design of the same rows."""
    if len(design.y) != fit.nobs:
        raise OptionError(
            "models with several linear predictors are not fitted to a part of their rows here; give the rows by "
            "update(subset=...)."
        )
    first = Predictor("cond", design, fit.formula)
    predictors = (first, *(Predictor(p.key, p.design, p.formula) for p in fit.others))
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


def fit_components_held(
    fit: ComponentsFit, number: int, column: int, value: float, control: FitControl, near: ComponentsFit | None
) -> ComponentsFit:
    """Fit the model with one fixed effect held at a number.

    Parameters
    ----------
    fit : ComponentsFit
    number, column : int
        The predictor, and its column among those that are kept.
    value : float
    control : FitControl
    near : ComponentsFit or None
        Such a fit at a value close by, to start from.
    """
    own = fit.predictors[number]
    j = own.kept[column]
    design = own.design
    known = np.zeros(len(design.x)) if design.offset is None else design.offset
    keep = [i for i in range(len(design.x_names)) if i != j]
    held = replace(
        design.with_rows(x=np.asfortranarray(design.x[:, keep]), offset=known + value * design.x[:, j]),
        x_names=tuple(design.x_names[i] for i in keep),
        x_assign=tuple(design.x_assign[i] for i in keep),
    )
    predictors = tuple(
        Predictor(p.key, held if i == number else p.design, p.formula) for i, p in enumerate(fit.predictors)
    )
    first = sum(len(p.beta) for p in fit.predictors[:number])
    start = (fit.whole_theta, np.delete(fit.whole_beta, first + column))
    start = start if near is None else (near.whole_theta, near.whole_beta)
    again = None if any(p.dropped for p in fit.predictors) else start
    return fit_components(predictors, fit.likelihood, control, None, fit.n_threads, again, fit)
