"""Rows and the independent effects that they have parts of: those of a relation between levels, or
of several levels of one factor.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ranef.data.labels import as_objects
from ranef.design.known_matrix import LevelRelation
from ranef.design.membership import Membership
from ranef.design.values import Factor, Mask, map_levels
from ranef.errors import DataError
from ranef.formula.random import RandomExpr

Floats = NDArray[np.float64]
Codes = NDArray[np.int32]


def all_levels(factors: Sequence[Factor], weights: Sequence[Floats], bar: RandomExpr) -> NDArray[np.object_]:
    """The levels of several columns that occur with a weight: in the order of the columns if they
    have the same, else sorted, numbers by value.

    Raises
    ------
    DataError
        When a weight is infinite, or no row has a member; ``bar`` is named.
    """
    for given in weights:
        if np.isinf(given).any():
            row = int(np.flatnonzero(np.isinf(given))[0])
            raise DataError(f"a weight in ({bar.text}) is infinite in row {row}.")
    used: dict[str, None] = {}
    for j, factor in enumerate(factors):
        there = factor.codes >= 0
        if weights:
            there &= weights[j] != 0
        used |= dict.fromkeys(factor.levels[np.unique(factor.codes[there])].tolist())
    if not used:
        raise DataError(
            f"no row has a member in ({bar.text}): the levels are missing, or their weights zero, in all rows."
        )
    first = factors[0].levels.tolist()
    if all(f.levels.tolist() == first for f in factors[1:]):
        return as_objects([v for v in first if v in used])
    return as_objects(sorted(used, key=_order))


def _order(level: str) -> tuple[int, float, str]:
    try:
        return 0, float(level), level
    except ValueError:
        return 1, 0.0, level


def members_of_rows(
    factors: Sequence[Factor], weights: Sequence[Floats], levels: NDArray[np.object_]
) -> tuple[tuple[Membership, Membership], tuple[str, ...], Mask | None]:
    """The members of every row.

    Parameters
    ----------
    factors : sequence of Factor
        Columns of levels.
    weights : sequence of (n,) arrays
        One for each; none gives each of a row's members the same, which sum to 1.
    levels : array of str
        Those of the fit.

    Returns
    -------
    rows : pair of Membership
        With the levels of the fit, and with new levels numbered on from these.
    unseen : tuple of str
        New levels.
    absent : bool (n,) array or None
        Rows that have a member whose weight is missing.
    """
    mapped = [map_levels(f, levels) for f in factors]
    n = len(levels)
    there = np.array([f.codes >= 0 for f in mapped])
    if weights:
        given = np.array(weights, dtype=np.float64)
        absent: Mask = np.asarray((there & np.isnan(given)).any(axis=0))
        given = np.where(there & ~np.isnan(given), given, 0.0)
    else:
        absent = np.zeros(there.shape[1], bool)
        given = np.where(there, 1.0 / np.maximum(there.sum(axis=0), 1), 0.0)
    new: dict[str, int] = {}
    codes: list[Codes] = []
    for f, weight in zip(mapped, given, strict=True):
        own = f.codes.copy()
        for row in np.flatnonzero((own >= n) & (weight != 0)):
            own[row] = new.setdefault(str(f.levels[f.codes[row]]), n + len(new))
        codes.append(own)
    rows = Membership.of_columns(codes, list(given), n)
    extended = rows if not new else Membership.of_columns(codes, list(given), n + len(new))
    return (rows, extended), tuple(new), absent if absent.any() else None


def related_rows(relation: LevelRelation, codes: Codes, extended: Codes) -> tuple[Membership, Membership]:
    """The parts of independent effects that new rows have, and the same with an effect of its own
    for each level that is not related to any.

    Parameters
    ----------
    relation : LevelRelation
    codes : (m,) array
        Level of the relation, -1 where it is new or missing.
    extended : (m,) array
        The same with new levels numbered on.
    """
    from scipy.sparse import block_diag, csr_array, eye_array

    root = relation.root()
    related = Membership.of_rows(root, codes, extended < 0)
    more = int(extended.max(initial=-1)) + 1 - len(relation.levels)
    if more <= 0:
        return related, related
    return related, Membership.of_rows(csr_array(block_diag([root, eye_array(more)])), extended, extended < 0)
