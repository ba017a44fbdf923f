"""Replicates of a generalized fit: one call into the core, or one fit after the other for families
of Python functions.
"""

from typing import TYPE_CHECKING

import numpy as np

from ranef.errors import OptionError
from ranef.families.custom import CustomFamily
from ranef.fit.control import FitControl
from ranef.fit.core import core_options, core_point, core_rows
from ranef.fit.generalized import GlmmFit
from ranef.fit.record import MixedFit
from ranef.inference.bootstrap.arguments import Counter

if TYPE_CHECKING:
    from ranef import _core


def check_glmm_type(fit: MixedFit, type: str) -> None:
    """Refuse kinds of bootstrap that a generalized model does not have."""
    if type == "residual":
        raise OptionError(
            "type='residual' is for linear models: responses of a family are not a mean plus a residual that another row could have. Use 'parametric' or 'cases'."
        )
    if fit.n_quad != 0 and fit.convergence.status.value == "separated":
        raise OptionError(
            "some fixed effects have no finite estimate (see m.convergence), so that there is no model to draw from. Leave out what separates the responses."
        )
    weights = fit.weights
    if (
        type == "parametric"
        and fit.family.support == "proportion"
        and np.any(np.abs(weights - np.rint(weights)) > 1e-6)
    ):
        raise OptionError("the numbers of trials (the weights) are not whole, so that no responses can be drawn.")


def is_drawn_in_python(fit: MixedFit, type: str) -> bool:
    """Whether the core has no random numbers of the family: one of Python functions."""
    return type == "parametric" and isinstance(fit.family, CustomFamily)


def glmm_replicates(
    fit: GlmmFit,
    n: int,
    type: str,
    re: str,
    factor: int,
    seed: int,
    control: FitControl,
    n_threads: int,
    progress: Counter | None,
) -> "_core.Replicates":
    """Draw and fit replicates in the core.

    Parameters
    ----------
    fit : GlmmFit
    n : int
    type : {"parametric", "cases"}
    re : {"new", "conditional"}
    factor : int
        For ``"cases"``: the core's number of the grouping factor whose groups are drawn.
    seed, control, n_threads, progress
        As in ``draw``.
    """
    from ranef import _core

    system, truth = fit.system.get(fit.n_threads), core_point(fit)
    # from the boundary a fit must first find its way out
    options = core_options(fit, control, not fit.singular)
    threads = 1 if isinstance(fit.family, CustomFamily) else n_threads
    if type == "cases":
        y = np.ascontiguousarray(fit.design.y)
        return _core.bootstrap_glmm_cases(system, truth, y, core_rows(fit), factor, options, n, seed, threads, progress)
    eta = np.ascontiguousarray(fit.eta) if re == "conditional" else None
    return _core.bootstrap_glmm_parametric(system, truth, eta, options, n, seed, threads, progress)


def glmm_jackknife(fit: GlmmFit, factor: int, parts: int, control: FitControl, n_threads: int) -> "_core.Replicates":
    """Fits without each part of the groups of a factor."""
    from ranef import _core

    return _core.jackknife_glmm_groups(
        fit.system.get(fit.n_threads),
        core_point(fit),
        np.ascontiguousarray(fit.design.y),
        core_rows(fit),
        factor,
        core_options(fit, control, not fit.singular),
        parts,
        1 if isinstance(fit.family, CustomFamily) else n_threads,
        None,
    )
