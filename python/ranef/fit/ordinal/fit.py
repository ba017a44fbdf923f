"""The fit of a model of ordered categories: one call into the core, and its record."""

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ranef.design.part_design import moved_to_part, with_columns, without_columns
from ranef.design.record import Design
from ranef.errors import DesignError, OptionError
from ranef.families.cumulative import Cumulative
from ranef.fit.components.design import Predictor
from ranef.fit.components.fit import OWN_SCALES
from ranef.fit.components.predictor_records import blocks_of, predictor_fields
from ranef.fit.components.several import PredictorFit
from ranef.fit.components.system import LazyWhole
from ranef.fit.control import FitControl
from ranef.fit.ending.conclusion import concluded, solution_of
from ranef.fit.likelihood import Likelihood
from ranef.fit.order import order_terms
from ranef.fit.ordinal.centred_scale import centred_start
from ranef.fit.ordinal.messages import crossing_thresholds
from ranef.fit.ordinal.record import OrdinalFit
from ranef.fit.ordinal.system import SCALE, OrdinalModel, ordinal_model
from ranef.fit.parameter_covariance import joint_covariance_of
from ranef.fit.prior import see_that_priors_fit
from ranef.fit.progress import Report
from ranef.fit.pseudo_likelihood import joint_log_prior, robust_joint_covariance
from ranef.fit.quadrature import check_quadrature
from ranef.fit.refits.row_subset import design_of_rows
from ranef.fit.threads import threads_of_fit

if TYPE_CHECKING:
    from ranef._core import GeneralizedFit, GlmmSystem

Floats = NDArray[np.float64]
Predictors = tuple[Predictor, ...]


def fit_ordinal(
    predictors: Predictors,
    likelihood: Likelihood,
    start: tuple[Floats | None, Floats | None] = (None, None),
    control: FitControl | None = None,
    progress: Report | None = None,
    n_threads: int = 1,
    like: OrdinalFit | None = None,
) -> OrdinalFit:
    """Estimate a model of ordered categories.

    Parameters
    ----------
    predictors : tuple of Predictor
        Of the location, whose response numbers categories from 1, and of the log scale, where it
        varies.
    likelihood : Likelihood
    start : (theta, beta)
        All covariance parameters and all coefficients as the core has them, or None.
    control : FitControl, optional
    progress : callable, optional
    n_threads : int
    like : OrdinalFit, optional
        A fit of the same model to other rows, whose order of terms is taken.
    """
    model = joined_like(predictors, likelihood, like)
    return _fitted(predictors, likelihood, model, model.system(), start, control, progress, n_threads, like)


def joined_like(predictors: Predictors, likelihood: Likelihood, like: OrdinalFit | None) -> OrdinalModel:
    """The model of predictors, its terms in the order of a fit where there is one."""
    assert isinstance(likelihood.family, Cumulative)
    return ordinal_model(predictors, likelihood.family, None if like is None else like.whole.order)


def _fitted(
    predictors: Predictors,
    likelihood: Likelihood,
    model: OrdinalModel,
    system: "GlmmSystem",
    start: tuple[Floats | None, Floats | None],
    control: FitControl | None,
    progress: Report | None,
    n_threads: int,
    like: OrdinalFit | None,
) -> OrdinalFit:
    control, design, family = control or FitControl(), model.design, likelihood.family
    check_quadrature(likelihood.n_quad, model.order, design)
    n, kept = len(design.y), system.kept
    if n < len(kept):
        raise DesignError(f"there are {n} rows for {len(kept)} coefficients.")
    threads = threads_of_fit(n, n_threads)
    how = likelihood.n_quad, likelihood.curvature
    theta, beta = (None if v is None else np.ascontiguousarray(v) for v in start)
    limits = control.max_evaluations, control.tolerance
    see_that_priors_fit(design, kept, likelihood.n_quad, model.other_coefficients)
    before, far = 0, ""

    def fitted(of: "GlmmSystem") -> "GeneralizedFit":
        return of.fit(*how, theta, beta, None, None, *limits, threads, progress)

    if theta is None and beta is None and (begun := centred_start(predictors, model, kept, fitted)) is not None:
        theta, beta, before, far = begun
    found = fitted(system)
    solution, robust = solution_of(found, family), robust_joint_covariance(model, found, how)
    vcov = joint_covariance_of(found) if robust is None else robust
    lazy = LazyWhole(model).keep(system)
    location, extras, *scale = blocks_of(kept, model.widths)
    orders = [order_terms(p.design.random) for p in predictors] if like is None else [p.order for p in like.predictors]
    blocks = [location, *scale]
    eta = np.asarray(solution.eta).reshape(-1, n)
    made: list[dict[str, Any]] = [
        predictor_fields(c, predictor, block, order, model, solution, vcov)
        for c, (predictor, block, order) in enumerate(zip(predictors, blocks, orders, strict=True))
    ]
    dropped = tuple(name for own in made for name in own["dropped"])
    named = model.named(("cond", "scale"))
    convergence, messages = concluded(
        named,
        model.order,
        likelihood,
        lazy,
        found,
        location.kept,
        dropped,
        n_threads,
        before,
    )
    if far and not convergence.ok:
        messages = (*messages, far)
    common: dict[str, Any] = {
        "reml": False,
        "response_kind": likelihood.response_kind,
        "n_quad": likelihood.n_quad,
        "curvature": likelihood.curvature,
        "objective": found.ending.objective,
        "log_prior": joint_log_prior(model, found, how),
        "hessian": None,
        "joint_vcov": None,
        "gradient": found.ending.gradient,
        "convergence": convergence,
        "n_threads": n_threads,
        "system": lazy,
        "dispersion": math.nan,
    }
    others = tuple(
        PredictorFit(
            **own, **common, eta=eta[SCALE], mu=np.full(n, np.nan), sigma=1.0, messages=(), family=OWN_SCALES["scale"]
        )
        for own in made[1:]
    )
    p = len(location.kept)
    own = solution.vcov_profiled if found.vcov is None else found.vcov
    own = own if robust is None else robust[len(solution.theta) :, len(solution.theta) :]
    values = np.zeros(model.widths[1])
    values[list(extras.kept)] = solution.beta[extras.place]
    top = made[0] | {"vcov_beta": np.ascontiguousarray(own[:p, :p]), "eta": np.ascontiguousarray(eta[0])}
    made_fit = OrdinalFit(
        **top,
        **common,
        mu=top["eta"],
        sigma=family.sigma(math.nan),
        messages=messages,
        family=family,
        extras=values,
        kept_extras=extras.kept,
        others=others,
        whole=model,
        whole_theta=solution.theta,
        whole_beta=solution.beta,
        whole_vcov=vcov,
    )
    nominal, said = made_fit.nominal, None
    if nominal is not None:
        said = crossing_thresholds(made_fit.own_thresholds(), made_fit.threshold_map.thresholds, nominal)
    if said is None:
        return made_fit
    ended = replace(convergence, limits=(*convergence.limits, f"{said[0].upper()}{said[1:]}"))
    return replace(made_fit, messages=(*messages, said), convergence=ended)


def predictors_of(fit: OrdinalFit, design: Design, others: tuple[Design, ...]) -> Predictors:
    """Location and scale of a fit with other designs."""
    known = (fit, *fit.others)
    return tuple(
        Predictor("scale" if c else "cond", d, known[c].formula if c < len(known) else None)
        for c, d in enumerate((design, *others))
    )


def fit_ordinal_again(
    fit: OrdinalFit,
    design: Design,
    others: tuple[Design, ...] | None,
    warm: bool,
    control: FitControl | None,
    progress: Report | None,
    n_threads: int,
    same_terms: bool,
) -> OrdinalFit:
    """Fit the model with other designs.

    Parameters
    ----------
    fit : OrdinalFit
    design : Design
        Of the location.
    others : tuple of Design or None
        That of the scale; those of the fit by default, for the same rows.
    warm : bool
        Whether to start at the estimates.
    control : FitControl or None
    progress : callable or None
    n_threads : int
    same_terms : bool
        Whether the random terms are those of the fit, in whose order they then are.
    """
    if others is None:
        if len(design.y) != fit.nobs and fit.others:
            raise OptionError("other rows need the columns of the scale of these rows, too.")
        others = tuple(p.design.with_rows(y=design.y) if len(design.y) == fit.nobs else p.design for p in fit.others)
    predictors = predictors_of(fit, design, others)
    like = fit if same_terms and len(others) == len(fit.others) else None
    model = joined_like(predictors, fit.likelihood, like)
    system = model.system()
    same = warm and like is not None and tuple(system.kept) == fit.core_columns
    start = (fit.whole_theta, fit.whole_beta) if same else (None, None)
    return _fitted(predictors, fit.likelihood, model, system, start, control, progress, n_threads, like)


def fit_ordinal_of_rows(fit: OrdinalFit, rows: NDArray[np.intp], control: FitControl) -> OrdinalFit | None:
    """Fit the model to some of its rows; None where they do not determine its coefficients."""
    designs = tuple(design_of_rows(p.design, rows) for p in fit.predictors)
    predictors = predictors_of(fit, designs[0], designs[1:])
    model = joined_like(predictors, fit.likelihood, fit)
    system = model.system()
    if tuple(system.kept) != fit.core_columns:
        return None
    # from the boundary a fit would not find back
    start = (None if fit.singular else fit.whole_theta, fit.whole_beta)
    return _fitted(predictors, fit.likelihood, model, system, start, control, None, fit.n_threads, fit)


def with_effects(fit: OrdinalFit, name: str, label: str) -> tuple[Design, ...]:
    """The designs with a term of the location in nominal or scale effects as well.

    In nominal effects they take the place of those of the location, which they contain.
    """
    if name == "nominal":
        return (moved_to_part(fit.design, name, label), *(p.design for p in fit.others))
    there = fit.scale.design if fit.scale is not None else without_columns(fit.design)
    return fit.design, with_columns(there, fit.design, label)
