"""What the observed rows of a subject say of its other rows, in models whose rows are correlated
and which have no random effects.

With o the rows of the fit of a subject, * new ones and R the covariance divided by sigma²,
the expectation of a new row is ``X_* b + R_*o R_oo^-1 (y_o - X_o b)``; it is normal with the
variance ``R_** - R_*o R_oo^-1 R_o*`` around it, and the estimates of b enter by the columns
``X_* - R_*o R_oo^-1 X_o``.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.design.residual import new_residual_rows
from ranef.fit.record import MixedFit

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Conditioned:
    """New rows given those of the fit.

    Attributes
    ----------
    shift : (m,) array
        By how much their expectations move.
    columns : (m, p) array
        By which the fixed effects enter.
    variance : (m,) array
        Their own variances divided by sigma²; NaN where the position is not one of the fit.
    """

    shift: Floats
    columns: Floats
    variance: Floats


def given_own_rows(fit: MixedFit, newdata: Any, x: Floats, conditional: bool) -> Conditioned | None:
    """New rows with columns x (m, p), given the rows of their subjects where they are to be.

    None for models whose rows are independent, or that have random effects.
    """
    rows = fit.design.residual
    if rows is None or fit.terms or rows.variances:
        return None
    design = fit.design
    new = new_residual_rows(rows, newdata, design.encoder.states, design.formula.text)
    placed = np.isfinite(new.position).all(axis=1) & (new.group >= 0)
    shift, columns, variance = np.zeros(len(x)), x.copy(), np.full(len(x), np.nan)
    weights = None if design.weights is None else 1.0 / np.sqrt(design.weights)
    residual = design.y - fit.fixed_part()
    own_x = fit.x
    order = np.argsort(rows.subject, kind="stable")
    starts = np.searchsorted(rows.subject[order], np.arange(int(rows.subject.max()) + 2))
    for subject, group in dict.fromkeys(zip(new.subject[placed].tolist(), new.group[placed].tolist(), strict=True)):
        there = np.flatnonzero(placed & (new.subject == subject) & (new.group == group))
        seen = order[starts[subject] : starts[subject + 1]] if conditional and subject >= 0 else order[:0]
        if len(seen) and rows.group[seen[0]] != group:
            seen = order[:0]
        k = len(seen)
        at, place = _distinct(rows.position[seen], new.position[there])
        r = fit.position_covariance(at, group) / fit.sigma**2
        if weights is not None:
            scale = np.concatenate([weights[seen], np.ones(len(at) - k)])
            r = r * np.outer(scale, scale)
        r = r[np.ix_(place, place)]
        variance[there] = np.diagonal(r)[k:]
        if k:
            weight = np.linalg.solve(r[:k, :k], r[:k, k:]).T
            shift[there] = weight @ residual[seen]
            columns[there] -= weight @ own_x[seen]
            variance[there] = np.maximum(variance[there] - np.einsum("ij,ji->i", weight, r[:k, k:]), 0.0)
    return Conditioned(shift, columns, variance)


def _distinct(seen: Floats, new: Floats) -> tuple[Floats, NDArray[np.intp]]:
    """Positions (u, d) with those seen first, and the place of each of both among them.

    A new row at a position that was seen is that row.
    """
    at = list(map(tuple, seen.tolist()))
    known = {p: i for i, p in enumerate(at)}
    place = list(range(len(at)))
    for p in map(tuple, new.tolist()):
        if p not in known:
            known[p] = len(at)
            at.append(p)
        place.append(known[p])
    return np.array(at, dtype=np.float64).reshape(len(at), new.shape[1]), np.array(place, dtype=np.intp)
