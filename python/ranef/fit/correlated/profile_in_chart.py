"""Profiles of models whose variance functions have covariates that are centred where they are
fitted.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ranef.fit.correlated.centred_chart import CentredChart
from ranef.fit.profiled_curve import ProfiledCurve

if TYPE_CHECKING:
    from ranef import _core

Floats = NDArray[np.float64]

#: Range of the logarithm of sigma, along the curve of an exponent, beyond which the curve of sigma
#: itself is not walked: the standard deviation at a place so far from the data is no number.
FARTHEST = 30.0


@dataclass(frozen=True, slots=True, eq=False)
class ChartProfile:
    """Curves, as the core's, of a model with centred covariates."""

    deviance: float
    estimates: Floats
    status: str
    refitted: bool
    curves: "list[_core.Curve | ProfiledCurve]"


def profiled_in_chart(
    chart: CentredChart,
    walk: "Callable[[Any, Floats, Floats, list[int]], _core.Profile]",
    structured: tuple[Any, Floats],
    theta: Floats,
    indices: list[int],
    places: tuple[int, int],
    targets: int,
) -> ChartProfile:
    """Curves in centred covariates but of sigma and of constants, which are walked as they are
    where that can be done.
    """
    moved = chart.moved(*places)
    exponents = [places[1] + i for i, _ in chart.exponents]
    within = [i for i in indices if i not in moved]
    beside = [i for i in exponents if i not in within and len(within) < len(indices)]
    found = walk(chart.system, chart.theta, chart.z, [*within, *beside])
    estimates = chart.outwards(found.estimates, *places)
    curves: dict[int, _core.Curve | ProfiledCurve] = {}
    lower, upper = estimates.copy(), estimates.copy()
    for c in found.curves:
        if c.index in exponents and len(c.value):
            lower[c.index], upper[c.index] = c.value[0], c.value[-1]
        curves[c.index] = ProfiledCurve.of(c, parameters=chart.outwards(c.parameters, *places))
    left = [i for i in indices if i in moved]
    refitted = found.refitted
    if left and chart.spread(lower, upper, places[1]) <= FARTHEST:
        own = walk(structured[0], theta, structured[1], left)
        refitted |= own.refitted
        curves |= {c.index: c for c in own.curves}
    elif left:
        nothing, unknown = np.empty(0), np.full(targets, np.nan)
        for i in left:
            curves[i] = ProfiledCurve(
                index=i,
                value=nothing,
                zeta=nothing,
                rate=nothing,
                parameters=np.empty((0, len(estimates))),
                lower=unknown,
                upper=unknown,
                endings=("far", "far"),
                monotone=True,
                converged=True,
            )
    return ChartProfile(found.deviance, estimates, found.status, refitted, [curves[i] for i in indices])
