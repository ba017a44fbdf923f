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
from ranef.families.cumulative import Cumulative, threshold_map
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
        return _apart_by_thresholds(design, kept, family.threshold)
    counts = family.support == "count" and family.link == "log"
    if not kept or not (family.support == "proportion" or counts):
        return ()
    y = design.y
    positive = np.ones(len(y), bool) if design.weights is None else design.weights > 0
    upper, lower = ((y >= 1) & positive, (y <= 0) & positive) if not counts else (np.zeros(len(y), bool), y <= 0)
    between = positive & ~upper & ~lower
    scaled = _scaled(design.x[:, list(kept)])
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


def _apart_by_thresholds(design: Design, kept: tuple[int, ...], structure: str) -> tuple[str, ...]:
    """The same for ordered categories: along some direction of the effects and of the parameters of
    the thresholds no row's interval of the latent variable becomes smaller, and one becomes larger.
    Whatever the scale of a row, its probability then rises for ever.
    """
    if design.response_levels is None:
        return ()
    found = threshold_map(structure, design.response_levels)
    part = next((p for p in design.parts if p.name == "nominal"), None)
    x, y, k = design.x[:, list(kept)], design.y.astype(int), len(found.names)
    nominal = np.empty((len(y), 0)) if part is None else part.x
    columns = np.column_stack([np.ones(len(y)), _scaled(nominal)])
    # of every row its columns of each threshold, and no end beyond the last ones
    cuts = np.einsum("ij,mk->imjk", columns, found.matrix).reshape(len(y), len(found.matrix), -1)
    upper, lower = y <= len(found.matrix), y > 1
    rows, location = np.arange(len(y)), _scaled(x)
    above = np.column_stack([-location[upper], cuts[rows[upper], y[upper] - 1]])
    below = np.column_stack([location[lower], -cuts[rows[lower], y[lower] - 2]])
    signed = np.unique(np.concatenate([above, below]), axis=0)
    from scipy.optimize import linprog

    solution = linprog(-signed.sum(axis=0), A_ub=-signed, b_ub=np.zeros(len(signed)), bounds=(-1, 1), method="highs")
    if solution.x is None or solution.fun is None or solution.fun >= -SHARE:
        return ()
    moves = np.abs(solution.x) > SHARE * np.abs(solution.x).max()
    names = [design.x_names[j] for j in kept]
    beside = [f"{a}.{column}" for column in (() if part is None else part.x_names) for a in found.names]
    effects = [n for n, m in zip([*names, *beside], [*moves[: len(names)], *moves[len(names) + k :]], strict=True) if m]
    return tuple(effects or (n for n, m in zip(found.names, moves[len(names) :], strict=False) if m))


def _scaled(x: Floats) -> Floats:
    """Columns in units of their largest entries."""
    size = np.abs(x).max(axis=0, initial=0.0)
    return np.asarray(x / np.where(size > 0, size, 1.0))


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


def parts_run_away(vcov: Floats) -> bool:
    """The same of thresholds and nominal effects."""
    return not bool(np.all(vcov.diagonal() <= RUNAWAY**2))
