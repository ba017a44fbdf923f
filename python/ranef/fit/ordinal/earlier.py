"""Models of ordered categories in files that were written before the scale was a linear predictor:
all coefficients beside the location's were extra parameters, and the scale was a part of the
design.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.design.part_design import apart
from ranef.fit.components.design import Predictor
from ranef.fit.components.fit import OWN_SCALES
from ranef.fit.components.predictor_records import own_effects
from ranef.fit.components.several import PredictorFit
from ranef.fit.components.system import LazyWhole
from ranef.fit.order import TermOrder, order_terms, relative_factor, theta_of_factors
from ranef.fit.ordinal.record import OrdinalFit
from ranef.fit.ordinal.system import ordinal_model
from ranef.fit.random_part import random_part

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Coefficients:
    """Which coefficients the core had: columns of the location, others by their number among all of
    these.
    """

    location: tuple[int, ...]
    others: tuple[int, ...]
    n_others: int


@dataclass(frozen=True, slots=True, eq=False)
class ScaleEffects:
    """All random effects where the scale had some, in lme4's order."""

    order: TermOrder
    theta: Floats
    b: tuple[Floats, ...]
    u: tuple[Floats, ...]


def of_earlier_file(record: dict[str, Any]) -> OrdinalFit:
    """The fit from the fields of such a file."""
    made: Coefficients = record["coefficients"]
    every: ScaleEffects | None = record["scale_effects"]
    location, scale = apart(record["design"], "scale")
    predictors = [Predictor("cond", location, None)]
    if scale is not None:
        predictors.append(Predictor("scale", scale, scale.formula.text))
    order, theta = (record["order"], record["theta"]) if every is None else (every.order, every.theta)
    model = ordinal_model(predictors, record["family"], order)
    e, extras, joint = model.widths[1], np.asarray(record["extras"]), record["joint_vcov"]
    m, p = len(theta), len(record["beta"])
    vcov = None
    if joint is not None:
        place = np.concatenate([order.core_of_theta, np.arange(m, m + p), m + p + np.array(made.others, dtype=int)])
        vcov = joint[np.ix_(place.astype(np.intp), place.astype(np.intp))]
    common = {k: v for k, v in record.items() if k not in ("coefficients", "scale_effects")}
    common |= {"hessian": None, "joint_vcov": None, "system": LazyWhole(model), "formula": None}
    others = []
    if scale is not None:
        kept = tuple(j - e for j in made.others if j >= e)
        last = m + p + len(made.others) - len(kept)
        own: dict[str, Any] = {
            "key": "scale",
            "formula": scale.formula.text,
            "design": scale,
            "order": order_terms(scale.random),
            "kept": kept,
            "dropped": tuple(n for j, n in enumerate(scale.x_names) if j not in kept),
            "beta": extras[[e + j for j in kept]],
            "vcov_beta": np.full((len(kept),) * 2, np.nan) if vcov is None else vcov[last:, last:],
            "mu": np.full(len(scale.x), np.nan),
            "sigma": 1.0,
            "dispersion": math.nan,
            "messages": (),
            "family": OWN_SCALES["scale"],
            "extras": np.empty(0),
            "theta": np.empty(0),
            "b": (),
            "u": (),
        }
        eta = scale.x[:, list(kept)] @ own["beta"]
        if every is not None:
            factors = {s.formula: relative_factor(s, theta) for s in order.spans}
            effects = {s.formula: (every.b[i], every.u[i]) for i, s in enumerate(order.spans)}
            shapes, modes, spherical = own_effects(1, model.pieces, factors, effects)
            spans = own["order"].spans
            own["theta"] = theta_of_factors(own["order"], shapes)
            own["b"], own["u"] = (tuple(found[s.formula] for s in spans) for found in (modes, spherical))
            for span, b in zip(spans, own["b"], strict=True):
                term = scale.random[span.formula]
                eta = eta + random_part(term.places, term.z, b)
        others.append(PredictorFit(**common | own | {"eta": eta}))
    return OrdinalFit(
        **common | {"design": location, "extras": extras[:e]},
        key="cond",
        kept_extras=tuple(j for j in made.others if j < e),
        others=tuple(others),
        whole=model,
        whole_theta=np.ascontiguousarray(theta[order.core_of_theta]),
        whole_beta=np.concatenate([record["beta"], extras[list(made.others)]]),
        whole_vcov=vcov,
    )
