"""Tweedie models of a response on a lattice, as whole numbers are: as the power goes to 1 the
density becomes one of points, which such a response hits, so that the likelihood is without bound.
What is meant is the optimum on the way there.
"""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ranef.families.family import Family
from ranef.families.tweedie import Tweedie
from ranef.fit.components.record import ComponentsFit

Floats = NDArray[np.float64]
Start = tuple[Floats, Floats]

#: Powers that are held one after the other, each from the fit before, until the likelihood falls.
POWERS = (1.5, 1.4, 1.3, 1.25, 1.2, 1.18, 1.16, 1.14, 1.12, 1.1, 1.08, 1.06, 1.04)
#: A power below this may be one of points.
SUSPECT = 1.1
#: Distance of a response from a multiple of the unit, in units, that is rounding.
ROUNDING = 1e-6


def unit_of(y: Floats) -> float | None:
    """The number of which all responses (n,) are multiples, None where there is none."""
    values = np.unique(y)
    if len(values) < 2 or len(values) > len(y) // 2:
        return None
    unit = float(np.diff(values).min())
    multiples = values / unit
    return unit if bool((np.abs(multiples - np.round(multiples)) < ROUNDING).all()) else None


def before_points(
    fit: ComponentsFit,
    fitted: Callable[[Family, Start | None], ComponentsFit],
) -> ComponentsFit:
    """The fit, or that of the optimum which a power of 1.5 leads to, where the fit has run to
    points.

    Parameters
    ----------
    fit : ComponentsFit
    fitted : callable
        Fits the model with another family, from (theta, beta).
    """
    family = fit.family
    if not isinstance(family, Tweedie) or family.power is not None:
        return fit
    if fit.convergence.status.ok and fit.family_params["power"] >= SUSPECT:
        return fit
    unit = unit_of(fit.design.y)
    if unit is None:
        return fit
    best, at = None, 0.0
    for power in POWERS:
        begin = None if best is None else (best.whole_theta, best.whole_beta)
        held = fitted(replace(family, power=power), begin)
        if best is not None and held.objective > best.objective:
            break
        best, at = held, power
    else:
        return fit
    psi = np.array([math.log((at - 1) / (2 - at))])
    beta = np.concatenate([psi if p.key == "psi" else p.beta for p in best.predictors])
    made = fitted(family, (best.whole_theta, beta))
    power = made.family_params["power"]
    if not made.convergence.status.ok or power < POWERS[-1]:
        return fit
    sentence = (
        f"the response has multiples of {unit:g} alone, for which the likelihood grows without bound as the power goes "
        f"to 1, where the density is one of points; the estimates are those of the optimum that is reached from a "
        f"power of {POWERS[0]:g}."
    )
    limits = (*made.convergence.limits, sentence[0].upper() + sentence[1:])
    return replace(made, messages=(*made.messages, sentence), convergence=replace(made.convergence, limits=limits))
