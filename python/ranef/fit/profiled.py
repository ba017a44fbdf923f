"""Profiles of the likelihood of a fit, from the core."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ranef.fit.control import FitControl
from ranef.fit.correlated.profile_in_chart import ChartProfile, profiled_in_chart
from ranef.fit.iterative.profiles import profiled_by_probes
from ranef.fit.nonlinear.row_scales import RowScales
from ranef.fit.record import MixedFit
from ranef.fit.refits.core import core_options, core_point, core_threads

if TYPE_CHECKING:
    from ranef import _core

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Profiled:
    """Curves from the core.

    Attributes
    ----------
    found : Profile or ChartProfile
    note : str or None
        What is said of their error, where they have one.
    """

    found: "_core.Profile | ChartProfile"
    note: str | None = None


def profiled(
    fit: MixedFit,
    indices: list[int],
    kinds: list[tuple[int, str]],
    step: float,
    reach: float,
    targets: list[float],
    control: FitControl,
    progress: Callable[[int, int], object] | None,
) -> Profiled:
    """The curves of parameters, all others estimated by maximum likelihood.

    Parameters
    ----------
    fit : MixedFit
    indices : list of int
        Places of the parameters in the core's list: theta in its order, sigma, fixed effects,
        parameters of the rows' structure.
    kinds : list of (int, str)
        What the covariance parameters at these places are.
    step, reach : float
        Distance of the points in zeta, and where the curves end.
    targets : list of float
        Values of zeta whose places are solved for.
    control : FitControl
    progress : callable or None
    """
    from ranef import _core

    if (sampled := fit.solved_by_probes) is not None:
        by_probes = profiled_by_probes(sampled, indices, kinds, step, reach, targets, control, progress)
        return Profiled(by_probes.found, by_probes.note)
    options, threads = core_options(fit, control), core_threads(fit, fit.n_threads)
    structured = fit.structured_model()
    walked = [(i, "number" if kind == "share" else kind) for i, kind in kinds]
    limits = (step, reach, targets, threads, progress)
    if structured is not None:
        system, z = structured
        chart = fit.centred_chart()

        def walk(system: Any, theta: Floats, z: Floats, which: list[int]) -> "_core.Profile":
            return _core.profile_structured(system, theta, z, walked, options, which, *limits)

        if chart is None:
            return Profiled(walk(system, fit.core_theta, z, indices))
        sigma, first = len(fit.core_theta), len(fit.core_theta) + 1 + len(fit.x_names)
        return Profiled(
            profiled_in_chart(chart, walk, structured, fit.core_theta, indices, (sigma, first), len(targets))
        )
    if (scaled := fit.scale_profiles()) is not None:

        def walk_scales(scales: RowScales, which: list[int], distance: float) -> "_core.Profile":
            curve: Any = fit
            model, point = curve.profiled_with(scales)
            own = replace(options, curvature="observed")
            return _core.profile(model, point, own, which, distance, *limits[1:])

        return Profiled(scaled.profiled(indices, step, walk_scales))
    own = fit.profiled_model()
    if own is not None:  # what curvature the determinant has, such a model says itself
        options = replace(options, curvature="observed")
    model, point = own or (fit.core_model(), core_point(fit))
    return Profiled(_core.profile(model, point, options, indices, *limits))
