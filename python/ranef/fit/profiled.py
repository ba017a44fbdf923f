"""Profiles of the likelihood of a fit, from the core."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from ranef.families.custom import CustomFamily
from ranef.fit.control import FitControl
from ranef.fit.core import core_options, core_point
from ranef.fit.generalized import GlmmFit
from ranef.fit.linear import LmmFit
from ranef.fit.record import MixedFit

if TYPE_CHECKING:
    from ranef import _core


def profiled(
    fit: MixedFit,
    indices: list[int],
    step: float,
    reach: float,
    targets: list[float],
    control: FitControl,
    progress: Callable[[int, float], object] | None,
) -> "_core.Profile":
    """The curves of parameters, all others estimated.

    Parameters
    ----------
    fit : MixedFit
    indices : list of int
        Places of the parameters in the core's list: theta in its order, sigma, fixed effects.
    step, reach : float
        Distance of the points in zeta, and where the curves end.
    targets : list of float
        Values of zeta whose places are solved for.
    control : FitControl
    progress : callable or None
    """
    if isinstance(fit, GlmmFit):
        from ranef import _core

        threads = 1 if isinstance(fit.family, CustomFamily) else fit.n_threads
        options = core_options(fit, control, True)
        return _core.profile_glmm_curves(
            fit.system.get(fit.n_threads), core_point(fit), options, indices, step, reach, targets, threads, progress
        )
    assert isinstance(fit, LmmFit)
    return fit.system.get(fit.n_threads).profile(
        fit.core_theta,
        indices,
        step,
        reach,
        targets,
        control.max_evaluations,
        control.tolerance,
        fit.n_threads,
        progress,
    )
