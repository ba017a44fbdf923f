"""What the observed rows of a block say of its other rows, in models whose rows are correlated
given the random effects.

With o the rows of the fit of a block, * new ones, R the covariance divided by sigma² and
``W = R_*o R_oo^-1``, the expectation of a new row is ``X_* b + Z_* u + W (y_o - X_o b - Z_o u)``;
it is normal with the variance ``R_** - W R_o*`` around it, and the estimates enter by the columns
``X_* - W X_o`` and ``Z_* - W Z_o``.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ranef.design.residual import NewResidualRows, ResidualRows, new_residual_rows, order_within
from ranef.errors import DataError
from ranef.estimates.prediction_rows import Rows
from ranef.estimates.whitened_rows import blocks_of, spherical_rows, whitened_rows
from ranef.fit.record import MixedFit

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Floats = NDArray[np.float64]
Places = NDArray[np.intp]

#: Place of rows whose block has no places: another row than all that were seen.
NOWHERE = -1.0

#: Rows whose variances are computed together, with all random effects written out.
AT_ONCE = 1000


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
    moved : (m,) bool array
        Rows of blocks that the fit has seen.
    effects : sparse (m, q) array or None
        By which the spherical random effects enter; None where no row is moved or there are no
        random effects.
    """

    shift: Floats
    columns: Floats
    variance: Floats
    moved: NDArray[np.bool_]
    effects: "csr_array | None"


def given_own_rows(fit: MixedFit, newdata: Any, new: Rows, means: Floats, conditional: bool) -> Conditioned | None:
    """New rows given the rows of their blocks where they are to be; ``means`` (m,) are theirs
    without them.

    None for models whose rows are independent and have one variance.
    """
    rows = fit.design.residual
    if rows is None:
        return None
    design = fit.design
    there = placed(rows, new_residual_rows(rows, newdata, design.encoder.states, design.formula.text), means)
    known = np.isfinite(there.position).all(axis=1) & (there.group >= 0)
    for x, stratum in there.variances:
        known &= np.isfinite(x) & (stratum >= 0)
    shift, columns, variance = np.zeros(len(means)), new.x.copy(), np.full(len(means), np.nan)
    moved = np.zeros(len(means), dtype=bool)
    scale = None if new.weights is None else 1.0 / np.sqrt(new.weights)
    residual = design.y - fit.means()
    blocks = blocks_of(rows)
    weights_of_rows: list[tuple[Places, Places, Floats]] = []
    keys = zip(there.subject[known].tolist(), there.group[known].tolist(), strict=True)
    for subject, group in dict.fromkeys(keys):
        at = np.flatnonzero(known & (there.subject == subject) & (there.group == group))
        seen = blocks.get(subject, at[:0]) if conditional and subject >= 0 else at[:0]
        if len(seen) and rows.group[seen[0]] != group:
            seen = seen[:0]
        k = len(seen)
        r = joint_covariance(fit, rows, seen, there, at, group, None if scale is None else scale[at])
        variance[at] = np.diagonal(r)[k:]
        if k:
            weight: Floats = np.linalg.solve(r[:k, :k], r[:k, k:]).T.astype(np.float64)
            shift[at] = weight @ residual[seen]
            columns[at] -= weight @ fit.x[seen]
            variance[at] = np.maximum(variance[at] - np.einsum("ij,ji->i", weight, r[:k, k:]), 0.0)
            moved[at] = True
            weights_of_rows.append((at, seen, weight))
    effects = spherical_columns(fit, new, weights_of_rows) if moved.any() and fit.terms else None
    return Conditioned(shift, columns, variance, moved, effects)


def placed(rows: ResidualRows, new: NewResidualRows, means: Floats) -> NewResidualRows:
    """The rows with fitted values where a variance depends on these, and a place of their own where
    places do not matter.
    """
    c = rows.expr.correlation
    position = new.position
    if c is None or (not rows.coordinates and not c.kind.order_matters):
        position = np.full_like(position, NOWHERE)
    elif c.kind.whole and rows.coordinates and rows.coordinates[0].levels is None:
        broken = np.flatnonzero(np.isfinite(position[:, 0]) & (position[:, 0] != np.round(position[:, 0])))
        if len(broken):
            raise DataError(
                f"{rows.coordinates[0].name} in {c.code} is {position[broken[0], 0]:g} in row {broken[0]} of the new "
                f"data; positions of {c.structure}() are whole numbers."
            )
        if c.structure == "toep":  # nothing is known of longer distances
            outside = (position[:, 0] < rows.position[:, 0].min()) | (position[:, 0] > rows.position[:, 0].max())
            position = np.where(outside[:, None], np.nan, position)
    variances = tuple(
        (means if own.fitted else x, stratum) for (x, stratum), own in zip(new.variances, rows.variances, strict=True)
    )
    return NewResidualRows(new.subject, new.block, position, new.group, variances)


def new_row_roots(
    fit: MixedFit, newdata: Any, used: NDArray[np.bool_], means: Floats, weights: Floats | None
) -> tuple[NDArray[np.bool_], list[tuple[Places, Floats]]]:
    """For every block of new rows its rows and a root of their covariance given the random effects.

    Parameters
    ----------
    fit : MixedFit
        With a covariance structure of its rows.
    newdata : frame
    used : (m,) bool array
        Rows without missing values.
    means : (m,) array
        For variances that depend on them.
    weights : (m,) array or None

    Returns
    -------
    known : (m,) bool array
        Those of them whose block, position, group and covariates are known; a position that is the
        order of the rows is their order in the new data.
    roots : list of (rows, root)
    """
    rows = fit.design.residual
    assert rows is not None
    there = placed(rows, new_residual_rows(rows, newdata, fit.design.encoder.states, fit.design.formula.text), means)
    c = rows.expr.correlation
    position = there.position
    if c is None or not rows.coordinates:
        position = np.zeros_like(position)
        position[used] = order_within(there.block[used].astype(np.int32))[:, np.newaxis]
        there = replace(there, position=position)
    known = used & np.isfinite(position).all(axis=1) & (there.group >= 0) & (there.block >= 0)
    for x, stratum in there.variances:
        known &= np.isfinite(x) & (stratum >= 0)
    scale = None if weights is None else 1.0 / np.sqrt(weights)
    nobody = np.zeros(0, dtype=np.intp)
    roots = []
    for block in np.unique(there.block[known]):
        at = np.flatnonzero(known & (there.block == block))
        group = int(there.group[at[0]])
        r = joint_covariance(fit, rows, nobody, there, at, group, None if scale is None else scale[at])
        try:
            roots.append((at, fit.sigma * np.linalg.cholesky(r).astype(np.float64)))
        except np.linalg.LinAlgError:
            raise DataError(
                f"rows {at[0]} to {at[-1]} of the new data are of one block and two of them at one place, where they "
                "would be the same response; leave out one of them."
            ) from None
    return known, roots


def joint_covariance(
    fit: MixedFit, rows: ResidualRows, seen: Places, new: NewResidualRows, at: Places, group: int, scale: Floats | None
) -> Floats:
    """Covariance divided by sigma² of the rows ``seen`` of the fit and the new rows ``at``.

    A new row at the place of a single one that was seen is that row.
    """
    k = len(seen)
    other, place = distinct(rows.position[seen], new.position[at])
    positions = np.ascontiguousarray(np.concatenate([rows.position[seen], new.position[at][other]]))
    covariates = [
        (np.concatenate([v.x[seen], x[at][other]]), np.concatenate([v.codes[seen], stratum[at][other]]))
        for v, (x, stratum) in zip(rows.variances, new.variances, strict=True)
    ]
    r = fit.position_covariance(positions, group, covariates) / fit.sigma**2
    if fit.design.weights is not None:
        there = np.ones(len(other)) if scale is None else scale[other]
        factor = np.concatenate([1.0 / np.sqrt(fit.design.weights[seen]), there])
        r = r * np.outer(factor, factor)
    whole = np.concatenate([np.arange(k), place])
    return np.asarray(r[np.ix_(whole, whole)])


def distinct(seen: Floats, new: Floats) -> tuple[Places, Places]:
    """New rows at other places than those of single rows that were seen, and the place of every new
    row among the seen ones and these.
    """
    found: dict[tuple[float, ...], list[int]] = {}
    for i, p in enumerate(map(tuple, seen.tolist())):
        found.setdefault(p, []).append(i)
    other: list[int] = []
    place = []
    for i, p in enumerate(map(tuple, new.tolist())):
        own = found.get(p, [])
        if len(own) == 1:
            place.append(own[0])
        else:
            place.append(len(seen) + len(other))
            other.append(i)
    return np.array(other, dtype=np.intp), np.array(place, dtype=np.intp)


def spherical_columns(fit: MixedFit, new: Rows, weights: list[tuple[Places, Places, Floats]]) -> "csr_array":
    """Those of ``Z_* - W Z_o``."""
    from scipy.sparse import csr_array

    own = spherical_rows(fit, tuple(t.codes for t in fit.terms), tuple(t.z for t in fit.terms))
    row = np.concatenate([np.repeat(at, len(seen)) for at, seen, _ in weights])
    column = np.concatenate([np.tile(seen, len(at)) for at, seen, _ in weights])
    value = np.concatenate([w.reshape(-1) for _, _, w in weights])
    w = csr_array((value, (row, column)), shape=(len(new.x), own.shape[0]))
    return csr_array(spherical_rows(fit, new.codes, new.z) - w @ own)


def joint_variance(fit: MixedFit, columns: Floats, effects: "csr_array") -> Floats:
    """Variance (m,) of combinations of the estimates of fixed and spherical random effects around
    the true ones, of which a row may take several levels of a factor.

    With ``M = Z'R^-1 Z + I`` in the spherical effects and a row (a, c) it is
    ``sigma² (c'M^-1 c + d' Phi d)``, ``d = a - X'R^-1 Z M^-1 c``.
    """
    system = whitened_rows(fit)
    assert system.z is not None
    across = system.z.T @ system.x
    out = np.empty(len(columns))
    for first in range(0, len(columns), AT_ONCE):
        part = slice(first, first + AT_ONCE)
        c = effects[part].toarray()
        solved = system.system.solve(np.ascontiguousarray(c.T)).T
        d = columns[part] - solved @ across
        out[part] = np.einsum("ij,ij->i", c, solved) + np.einsum("ij,jk,ik->i", d, system.phi, d)
    return out * fit.sigma**2
