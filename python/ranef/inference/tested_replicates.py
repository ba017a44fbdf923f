"""Tests of the fixed effects in replicates of a linear model, which the core draws and fits: it
gives with each fit what degrees of freedom are made of.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.estimates.fixed_basis import FixedBasis
from ranef.fit.control import FitControl
from ranef.fit.progress import part_of
from ranef.fit.record import MixedFit
from ranef.fit.refits.core import core_options, core_point, core_start
from ranef.inference.bootstrap.arguments import Counter
from ranef.inference.fixed_effect_tests import FixedEffectTests
from ranef.inference.information import VarianceInformation
from ranef.inference.kenward_roger import KenwardRoger, check_kenward_roger, memory_allowed, refused
from ranef.options import Ddf

if TYPE_CHECKING:
    from ranef import _core

Floats = NDArray[np.float64]

#: Replicates whose records are held at a time: at most so many, and at most so many numbers.
MOST_REPLICATES, MOST_NUMBERS = 500, 5_000_000


def tested_replicates(
    model: MixedFit,
    rows: Floats,
    n: int,
    ddf: Ddf,
    seed: int,
    control: FitControl,
    n_threads: int,
    progress: Counter | None,
) -> tuple[Floats, bool]:
    """P-values of the hypothesis that contrasts are zero, in replicates of a model.

    Parameters
    ----------
    model : MixedFit
        A linear model, which is drawn from and fitted.
    rows : (k, p) array
        A t test for one contrast, an F test of several together.
    n : int
    ddf : {"satterthwaite", "kenward-roger", "residual", "none"}
    seed : int
        Replicate i depends on it and i only.
    control : FitControl
    n_threads : int
    progress : callable or None

    Returns
    -------
    p_values : (m,) array
        Of the replicates that were finished; NaN where a fit failed.
    interrupted : bool
    """
    from ranef import _core

    if ddf == "kenward-roger":
        check_kenward_roger(model)
    parts: list[Floats] = []
    for first, last in _blocks(model, n):
        try:
            found, tested = _core.bootstrap_tested(
                model.core_model(n_threads),
                core_point(model),
                core_start(model),
                core_options(model, control),
                ddf,
                memory_allowed(),
                (first, last),
                seed,
                n_threads,
                part_of(progress, first, n),
            )
        except MemoryError as problem:
            raise refused(problem) from None
        parts.append(_p_values(model, rows, ddf, found, tested))
        if found.interrupted:
            return np.concatenate(parts), True
    return np.concatenate(parts), False


def _blocks(model: MixedFit, n: int) -> Iterator[tuple[int, int]]:
    numbers = (len(model.theta) + 2) * max(1, len(model.beta)) ** 2
    size = max(1, min(MOST_REPLICATES, MOST_NUMBERS // numbers))
    for first in range(0, n, size):
        yield first, min(first + size, n)


def _p_values(
    model: MixedFit, rows: Floats, ddf: Ddf, found: "_core.Replicates", tested: "list[_core.Tested | None]"
) -> Floats:
    out = np.full(len(tested), np.nan)
    for i, (status, record) in enumerate(zip(found.status, tested, strict=True)):
        if status != "converged" or record is None:
            continue
        fit = replace(model, beta=found.beta[i], sigma=float(found.spread[i]))
        tests = FixedEffectTests(fit, _known(record, fit))
        out[i] = tests.single(rows, None, ddf).p_value[0] if len(rows) == 1 else tests.joint(rows, None, ddf).p_value
    return out


def _known(record: "_core.Tested", fit: MixedFit) -> VarianceInformation | KenwardRoger | FixedBasis:
    from ranef import _core

    if isinstance(record, _core.Satterthwaite):
        return VarianceInformation.of_core(record, fit)
    return KenwardRoger.of_core(record, fit) if isinstance(record, _core.KenwardRoger) else FixedBasis(record)
