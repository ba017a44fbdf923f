"""Conditional modes of other responses at the parameters of a fit: one inner optimisation, without
a refit.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranef.fit.components.several import SeveralPredictorsFit
from ranef.fit.generalized import GlmmFit
from ranef.fit.random_part import random_part
from ranef.fit.record import MixedFit
from ranef.fit.system import build_generalized_system

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class OtherModes:
    """What another response is like at its modes.

    Attributes
    ----------
    fitted : tuple of (n,) arrays
        Linear predictors with the modes, the fit's first one first.
    effects : tuple of (levels, k) arrays
        Modes of every random term of that.
    """

    fitted: tuple[Floats, ...]
    effects: tuple[Floats, ...]


def modes_of(fit: MixedFit, y: Floats) -> OtherModes:
    """The modes for another response, theta, fixed effects and dispersion held.

    Parameters
    ----------
    fit : MixedFit
        A generalized one.
    y : (n,) array
        In the form that the fit keeps: proportions for a binomial model.
    """
    assert isinstance(fit, GlmmFit)
    if isinstance(fit, SeveralPredictorsFit):
        return _of_predictors(fit, y)
    design = fit.design.with_rows(y=np.ascontiguousarray(y))
    system = build_generalized_system(design, fit.order, fit.family, fit.n_threads)
    found = system.evaluate(fit.core_theta, fit.core_beta, fit.core_dispersion, 1, fit.curvature, fit.n_threads)
    eta = fit.fixed_part()
    modes = []
    for span, term, factor in zip(fit.order.spans, fit.terms, fit.relative_factors, strict=True):
        u = found.u[span.factor][:, span.start : span.start + span.size]
        modes.append(u @ factor.T)
        eta = eta + random_part(term.places, term.z, modes[-1])
    return OtherModes((eta,), tuple(modes))


def _of_predictors(fit: SeveralPredictorsFit, y: Floats) -> OtherModes:
    system = fit.whole.with_response(y).system()
    found = system.evaluate(fit.whole_theta, fit.whole_beta, None, 1, fit.curvature, fit.n_threads)
    effects = fit.effects_of(fit.whole_theta, found.u)
    etas = []
    for p, own in zip(fit.predictors, effects, strict=True):
        eta = p.fixed_part()
        for term, b in zip(p.terms, own, strict=True):
            eta = eta + random_part(term.places, term.z, b)
        etas.append(eta)
    return OtherModes(tuple(etas), effects[0])
