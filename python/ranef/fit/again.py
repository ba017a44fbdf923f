"""Fit the model of a fit again: to other rows, another response, other terms or by another
criterion.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.design.record import Design
from ranef.fit.control import FitControl
from ranef.fit.glmm import GlmmStart, fit_glmm, likelihood_of
from ranef.fit.glmm_record import GlmmFit
from ranef.fit.glmm_refit import refit_glmm, refit_glmm_many, refit_values
from ranef.fit.lmm import fit_lmm, has_conventions
from ranef.fit.order import TermOrder
from ranef.fit.progress import Report
from ranef.fit.record import LmmFit, MixedFit
from ranef.fit.refit import Refits, refit_many, refit_one, response_values

Floats = NDArray[np.float64]


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

    Returns
    -------
    MixedFit
        Of the same class.
    """
    threads = fit.n_threads if n_threads is None else n_threads
    warm = warm and not fit.singular
    if isinstance(fit, GlmmFit):
        beta = None if fit.dropped else fit.beta
        start = GlmmStart(fit.theta, beta, fit.core_dispersion) if warm else None
        return fit_glmm(design, likelihood_of(fit), start, control, progress, threads, order)
    assert isinstance(fit, LmmFit)
    theta = np.asarray(fit.theta) if warm and not has_conventions(fit) else None
    return fit_lmm(design, fit.reml if reml is None else reml, theta, control, progress, threads, order)


def responses_for(fit: MixedFit, y: object) -> tuple[Floats, tuple[Any, ...] | None]:
    """Bring new responses to the rows and to the form of the fit, and see that its family can have
    them.

    Parameters
    ----------
    fit : MixedFit
    y : array-like
        A vector or a matrix with a column for each response; for ``cbind(successes, failures)``
        numbers of successes.

    Returns
    -------
    values : (n,) or (n, m) array
        Of a binomial model proportions.
    names : tuple or None
        Names of the columns of a frame.
    """
    return refit_values(fit, y) if isinstance(fit, GlmmFit) else response_values(fit, y)


def fit_to_response(fit: MixedFit, y: Floats, control: FitControl) -> MixedFit:
    """Fit the model of ``fit`` to one other response (n,), starting as a first fit does."""
    if isinstance(fit, GlmmFit):
        return refit_glmm(fit, y, control)
    assert isinstance(fit, LmmFit)
    return refit_one(fit, y, control)


def fit_to_responses(
    fit: MixedFit, y: Floats, names: tuple[Any, ...] | None, control: FitControl, progress: Report | None = None
) -> Refits:
    """Fit the model of ``fit`` to every column of ``y`` (n, m) in one call of the core."""
    if isinstance(fit, GlmmFit):
        return refit_glmm_many(fit, y, names, control, progress)
    assert isinstance(fit, LmmFit)
    return refit_many(fit, y, names, control, progress)
