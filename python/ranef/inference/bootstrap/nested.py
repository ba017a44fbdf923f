"""Replicates of two nested fits, drawn from the larger one and fitted by maximum likelihood in the core."""

from typing import TYPE_CHECKING

import numpy as np

from ranef.fit.control import FitControl
from ranef.fit.core import core_options, core_point
from ranef.fit.generalized import GlmmFit
from ranef.fit.linear import LmmFit
from ranef.fit.record import MixedFit
from ranef.inference.bootstrap.arguments import Counter
from ranef.inference.bootstrap.likelihood_ratio import union_of

if TYPE_CHECKING:
    from ranef import _core


def replicates_of_larger(
    larger: MixedFit,
    smaller: MixedFit,
    tested: list[int],
    n: int,
    seed: int,
    control: FitControl,
    n_threads: int,
    progress: Counter | None,
) -> "list[_core.Replicates]":
    """Draw from the larger fit and fit both.

    Parameters
    ----------
    larger, smaller : MixedFit
        Of the same kind and rows.
    tested : list of int
        Fixed effects that only the larger one has.
    n : int
    seed : int
    control : FitControl
    n_threads : int
    progress : callable or None

    Returns
    -------
    list of Replicates
        Of the larger fit, then of the smaller one.
    """
    from ranef import _core

    if isinstance(larger, GlmmFit):
        assert isinstance(smaller, GlmmFit)
        warm = not larger.singular
        fits = [(m.system.get(n_threads), core_point(m), core_options(m, control, warm)) for m in (larger, smaller)]
        return _core.bootstrap_glmm_nested(fits[0][0], core_point(larger), fits, n, seed, n_threads, progress)
    assert isinstance(larger, LmmFit)
    assert isinstance(smaller, LmmFit)
    union, theta, members = union_of(larger, smaller, n_threads)
    # Other fixed effects do not change the statistic: zeros lose no digits.
    beta = np.where(np.isin(np.arange(len(larger.beta)), tested), larger.beta, 0.0)
    truth = theta, beta, float(larger.sigma)
    options = (False, control.max_evaluations, control.tolerance)
    return _core.bootstrap_nested(union, truth, members, options, n, seed, n_threads, progress)
