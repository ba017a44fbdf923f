"""Fit the model of a fit again: to other rows, another response, other terms or by another
criterion.
"""

import numpy as np

from ranef.design.record import Design
from ranef.fit.components.fit import fit_components_again
from ranef.fit.components.record import ComponentsFit
from ranef.fit.control import FitControl
from ranef.fit.conventions import has_conventions
from ranef.fit.correlated.record import CorrelatedFit, fit_linear
from ranef.fit.correlated.repeated import RepeatedFit, fit_repeated
from ranef.fit.generalized import GlmmFit, fit_glmm
from ranef.fit.linear import LmmFit
from ranef.fit.nonlinear.fit import CurveStart, fit_nonlinear
from ranef.fit.nonlinear.record import CurveAnswers
from ranef.fit.order import TermOrder
from ranef.fit.ordinal.fit import fit_ordinal_again
from ranef.fit.ordinal.record import OrdinalFit
from ranef.fit.progress import Report
from ranef.fit.record import MixedFit
from ranef.fit.start import Start


def fit_again(
    fit: MixedFit,
    design: Design,
    *,
    reml: bool | None = None,
    warm: bool = False,
    control: FitControl | None = None,
    progress: Report | None = None,
    n_threads: int | None = None,
    order: TermOrder | None = None,
    others: tuple[Design, ...] | None = None,
) -> MixedFit:
    """Fit the kind of model that ``fit`` is, with its family and likelihood, to a design.

    Parameters
    ----------
    fit : MixedFit
    design : Design
        Its response in the form that the fit keeps.
    reml : bool, optional
        By default the criterion of the fit; only linear models have a choice.
    warm : bool
        Whether to start at the estimates of the fit where they are inside the parameter space. The
        random terms must be those of the fit.
    control : FitControl, optional
    progress : callable, optional
    n_threads : int, optional
        By default that of the fit.
    order : TermOrder, optional
        The orders of the random terms, when already known.
    others : tuple of Design, optional
        Designs of the other linear predictors; those of the fit by default.

    Returns
    -------
    MixedFit
        Of the same class.
    """
    threads = fit.n_threads if n_threads is None else n_threads
    warm = warm and not fit.singular
    if isinstance(fit, ComponentsFit):
        return fit_components_again(fit, design, others, warm, control, progress, threads)
    if isinstance(fit, OrdinalFit):
        same = order is fit.order and (
            others is None
            or [[t.names for t in d.random] for d in others] == [[t.names for t in p.design.random] for p in fit.others]
        )
        return fit_ordinal_again(fit, design, others, warm, control, progress, threads, same)
    if isinstance(fit, GlmmFit):
        beta = None if fit.dropped else fit.beta
        start = Start(fit.theta, beta, fit.core_dispersion) if warm else None
        return fit_glmm(design, fit.likelihood, start, control, progress, threads, order)
    assert isinstance(fit, LmmFit)
    if isinstance(fit, CurveAnswers):
        known = dict(zip(fit.x_names, fit.beta.tolist(), strict=True))
        beta = np.array([known.get(name, 0.0) for name in design.x_names])
        same = order is not None and order.n_theta == len(fit.theta)
        own = CurveStart(beta, fit.theta if warm and same else None, fit.sigma)
        return fit_nonlinear(design, fit.approximation, own, control, progress, threads, order)
    cold = design.residual is None and has_conventions(fit)
    theta = np.asarray(fit.theta) if warm and not cold else None
    z = fit.z if warm and isinstance(fit, CorrelatedFit) and design.residual is not None else None
    if isinstance(fit, RepeatedFit):
        return fit_repeated(design, fit.reml if reml is None else reml, z, control, progress, threads)
    return fit_linear(design, fit.reml if reml is None else reml, theta, control, progress, threads, order, z)
