"""Conditional modes of other responses at the parameters of a fit: one inner optimisation, without
a refit.
"""

import numpy as np
from numpy.typing import NDArray

from ranef.fit.components import ComponentsFit
from ranef.fit.generalized import GlmmFit
from ranef.fit.random_part import random_part
from ranef.fit.record import MixedFit
from ranef.fit.system import build_generalized_system

Floats = NDArray[np.float64]


def modes_of(fit: MixedFit, y: Floats) -> tuple[Floats, tuple[Floats, ...]]:
    """Linear predictors (n,) and the modes (levels, k) of every random term for another response,
    theta, fixed effects and dispersion held.

    Parameters
    ----------
    fit : MixedFit
        A generalized one.
    y : (n,) array
        In the form that the fit keeps: proportions for a binomial model.
    """
    assert isinstance(fit, GlmmFit)
    if isinstance(fit, ComponentsFit):
        fit.core_model()  # refuses
    design = fit.design.with_rows(y=np.ascontiguousarray(y))
    system = build_generalized_system(design, fit.order, fit.family, fit.n_threads)
    found = system.evaluate(fit.core_theta, fit.beta, fit.core_dispersion, 1, fit.curvature, fit.n_threads)
    eta = fit.fixed_part()
    modes = []
    for span, term, factor in zip(fit.order.spans, fit.terms, fit.relative_factors, strict=True):
        u = found.u[span.factor][:, span.start : span.start + span.size]
        modes.append(u @ factor.T)
        eta = eta + random_part(term.places, term.z, modes[-1])
    return eta, tuple(modes)
