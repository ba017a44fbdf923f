"""Random effects in the scale of ordered categories, beside those of the location."""

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.design.record import Design
from ranef.families.gaussian import Gaussian
from ranef.fit.component_fit import own_effects
from ranef.fit.components import PredictorFit
from ranef.fit.order import TermOrder, by_term, order_terms, relative_factor, theta_of_factors
from ranef.fit.random_part import random_part
from ranef.fit.scale_terms import JoinedTerms

if TYPE_CHECKING:
    from ranef.fit.generalized import GlmmFit

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ScaleEffects:
    """All random effects of a fit whose scale has some, in lme4's order.

    Attributes
    ----------
    order : TermOrder
    theta : (m,) array
    b, u : tuple of (levels, k) arrays
    """

    order: TermOrder
    theta: Floats
    b: tuple[Floats, ...]
    u: tuple[Floats, ...]

    def of(self, predictor: int, joined: JoinedTerms) -> "OwnTerms":
        """What location (0) or scale (1) has of them."""
        return terms_of(predictor, joined, self.order, self.theta, self.b, self.u)


@dataclass(frozen=True, slots=True, eq=False)
class OwnTerms:
    """The random terms of one of the predictors, in lme4's order."""

    order: TermOrder
    theta: Floats
    b: tuple[Floats, ...]
    u: tuple[Floats, ...]


def terms_of(
    predictor: int, joined: JoinedTerms, order: TermOrder, theta: Floats, b: tuple[Floats, ...], u: tuple[Floats, ...]
) -> OwnTerms:
    """What location (0) or scale (1) has of the parameters and effects of all terms."""
    factors = {s.formula: relative_factor(s, theta) for s in order.spans}
    effects = {s.formula: (b[i], u[i]) for i, s in enumerate(order.spans)}
    own = order_terms(joined.own[predictor].random)
    shapes, modes, spherical = own_effects(predictor, joined.pieces, factors, effects)
    return OwnTerms(
        own,
        theta_of_factors(own, shapes),
        tuple(modes[s.formula] for s in own.spans),
        tuple(spherical[s.formula] for s in own.spans),
    )


def location_theta(joined: JoinedTerms, order: TermOrder, theta: Floats) -> Floats:
    """Covariance parameters of the location's terms among those of all."""
    factors = {s.formula: relative_factor(s, theta) for s in order.spans}
    none = {i: (np.zeros((1, len(f))), np.zeros((1, len(f)))) for i, f in factors.items()}
    shapes, _, _ = own_effects(0, joined.pieces, factors, none)
    return theta_of_factors(order_terms(joined.own[0].random), shapes)


def scale_record(fit: "GlmmFit", own: OwnTerms, design: Design, beta: Floats, covariance: Floats) -> PredictorFit:
    """The log scale as a record of its own.

    Parameters
    ----------
    fit : GlmmFit
        The whole.
    own : OwnTerms
    design : Design
        Of the scale.
    beta : (k,) array
    covariance : (k, k) array
    """
    eta = design.x @ beta
    for span, b in zip(own.order.spans, own.b, strict=True):
        term = design.random[span.formula]
        eta = eta + random_part(term.places, term.z, b)
    changed = {
        "key": "scale",
        "formula": design.formula.text,
        "design": design,
        "order": own.order,
        "theta": own.theta,
        "b": own.b,
        "u": own.u,
        "kept": tuple(range(len(beta))),
        "dropped": (),
        "beta": beta,
        "vcov_beta": covariance,
        "eta": eta,
        "mu": eta,
        "hessian": None,
        "joint_vcov": None,
        "extras": np.empty(0),
        "messages": (),
        "family": Gaussian("identity"),
        "dispersion": math.nan,
        "sigma": 1.0,
    }
    taken = {f.name for f in fields(PredictorFit)}
    return PredictorFit(**{f.name: getattr(fit, f.name) for f in fields(fit) if f.name in taken} | changed)


def effects_at(
    joined: JoinedTerms, order: TermOrder, theta: Floats, u: list[Floats]
) -> tuple[tuple[Floats, ...], tuple[Floats, ...]]:
    """Effects (levels, k) of the terms of location and scale, each in its own order.

    Parameters
    ----------
    joined : JoinedTerms
    order : TermOrder
    theta : (m,) array
        In lme4's order.
    u : list of arrays
        Spherical effects of every factor, from the core.
    """
    spherical = by_term(order, u)
    b = tuple(v @ relative_factor(s, theta).T for s, v in zip(order.spans, spherical, strict=True))
    own = [terms_of(c, joined, order, theta, b, spherical).b for c in (0, 1)]
    return own[0], own[1]
