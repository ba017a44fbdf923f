"""Conditional modes of other responses at the parameters of a fit: one inner optimisation, without
a refit.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ranef.errors import OptionError
from ranef.fit.components import ComponentsFit
from ranef.fit.generalized import GlmmFit
from ranef.fit.order import by_term, relative_factor
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
    if isinstance(fit, ComponentsFit):
        return _of_predictors(fit, y)
    if fit.part_terms:
        raise OptionError("modes for other responses are not offered where the scale has random effects.")
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


def _of_predictors(fit: ComponentsFit, y: Floats) -> OtherModes:
    whole = replace(fit.whole, design=fit.whole.design.with_rows(y=np.ascontiguousarray(y)))
    found = whole.system().evaluate(fit.whole_theta, fit.whole_beta, None, 1, fit.curvature, fit.n_threads)
    theta = fit.whole_theta[whole.order.theta_of_core]
    etas = [p.fixed_part() for p in fit.predictors]
    effects: dict[int, Floats] = {}
    for span, u in zip(whole.order.spans, by_term(whole.order, found.u), strict=True):
        b = u @ relative_factor(span, theta).T
        for piece in whole.pieces[span.formula]:
            term = fit.predictors[piece.predictor].design.random[piece.term]
            own = b[:, piece.start : piece.start + piece.size]
            etas[piece.predictor] = etas[piece.predictor] + random_part(term.places, term.z, own)
            if piece.predictor == 0:
                effects[piece.term] = own
    return OtherModes(tuple(etas), tuple(effects[s.formula] for s in fit.order.spans))
