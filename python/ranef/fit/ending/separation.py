"""Separation: fixed effects that tell the responses apart so well that their estimates have no end.

With 0/1 responses this is so when some combination of the columns is never on the wrong side: not
negative where the response is 1 and not positive where it is 0, and not zero everywhere. The
likelihood, with random effects or without, then rises for ever along it. The same holds for counts
that are zero wherever a combination is not.
"""

import math

import numpy as np
from numpy.typing import NDArray

from ranef.design.record import Design
from ranef.families.cumulative import Cumulative
from ranef.families.family import Family
from ranef.status import FitStatus

Floats = NDArray[np.float64]

#: Columns that move less than this share of the largest do not take part.
SHARE = 1e-6

#: A standard error that is larger than this on the scale of the linear predictor may be one of an
#: estimate without end.
RUNAWAY = 10.0


def separated_columns(design: Design, kept: tuple[int, ...], family: Family) -> tuple[str, ...]:
    """Names of the fixed effects without a finite estimate, empty when there is no separation.

    Parameters
    ----------
    design : Design
        Its response in the form of the family.
    kept : tuple of int
        Columns of X in use.
    family : Family

    Notes
    -----
    A linear programme decides it exactly (Konis 2007): the sum of the signed combination is
    maximised over directions of bounded length that never point to the wrong side, and is positive
    only under separation.
    """
    if isinstance(family, Cumulative):
        return _apart_by_thresholds(design, kept)
    counts = family.support == "count" and family.link == "log"
    if not kept or not (family.support == "proportion" or counts):
        return ()
    y = design.y
    positive = np.ones(len(y), bool) if design.weights is None else design.weights > 0
    upper, lower = ((y >= 1) & positive, (y <= 0) & positive) if not counts else (np.zeros(len(y), bool), y <= 0)
    between = positive & ~upper & ~lower
    x = design.x[:, list(kept)]
    size = np.abs(x).max(axis=0)
    scaled = x / np.where(size > 0, size, 1.0)
    signed = np.unique(np.concatenate([scaled[upper], -scaled[lower]]), axis=0)
    fixed = np.unique(scaled[between], axis=0)
    if not len(signed):
        return ()
    from scipy.optimize import linprog

    solution = linprog(
        -signed.sum(axis=0),
        A_ub=-signed,
        b_ub=np.zeros(len(signed)),
        A_eq=fixed if len(fixed) else None,
        b_eq=np.zeros(len(fixed)) if len(fixed) else None,
        bounds=(-1, 1),
        method="highs",
    )
    if solution.x is None or solution.fun is None or solution.fun >= -SHARE:
        return ()
    direction = np.abs(solution.x)
    return tuple(design.x_names[j] for j, d in zip(kept, direction, strict=True) if d > SHARE * direction.max())


def _apart_by_thresholds(design: Design, kept: tuple[int, ...]) -> tuple[str, ...]:
    """The same for ordered categories: some combination of the columns never crosses a threshold
    that moves with it, on the way from the category of a row to a lower or to a higher one.
    """
    if not kept or design.parts or design.response_levels is None:
        return ()
    x = design.x[:, list(kept)]
    size = np.abs(x).max(axis=0)
    scaled = x / np.where(size > 0, size, 1.0)
    y, m = design.y.astype(int), len(design.response_levels) - 1
    thresholds = np.eye(m)
    rows = [np.concatenate([-scaled[i], thresholds[k - 1]]) for i, k in enumerate(y) if k <= m]
    rows += [np.concatenate([scaled[i], -thresholds[k - 2]]) for i, k in enumerate(y) if k > 1]
    signed = np.unique(np.array(rows), axis=0)
    from scipy.optimize import linprog

    bound = np.zeros(len(signed))
    found = linprog(-signed.sum(axis=0), A_ub=-signed, b_ub=bound, bounds=(-1, 1), method="highs")
    if found.x is None or found.fun is None or found.fun >= -SHARE:
        return ()
    direction = np.abs(found.x[: len(kept)])
    largest = float(np.abs(found.x).max())
    return tuple(design.x_names[j] for j, d in zip(kept, direction, strict=True) if d > SHARE * largest)


def runs_away(status: FitStatus, vcov: Floats, design: Design, kept: tuple[int, ...]) -> bool:
    """Whether estimates look as if they ran away: only then is it worth a linear programme to find
    out.
    """
    variances = vcov.diagonal()
    if not status.ok or not all(0 < v < math.inf for v in variances.tolist()):
        return True
    if not len(kept):
        return False
    largest = max(float(design.x.max()), -float(design.x.min()))
    if float(variances.max()) * largest**2 <= RUNAWAY**2:
        return False
    size = np.maximum(design.x.max(axis=0, initial=0.0), -design.x.min(axis=0, initial=0.0))[list(kept)]
    return bool((np.sqrt(variances) * size > RUNAWAY).any())
