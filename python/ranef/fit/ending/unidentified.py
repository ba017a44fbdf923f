"""Random effects that the fixed effects explain, so that by REML the data say nothing of their
variance.

REML looks at the response within the complement of X only. Where the columns of an effect are,
level by level, combinations of those of X, nothing of them is left there: the criterion is the same
for any variance of the effect, and for any covariance with the other effects of its term. A search
over such a variance wanders until rounding stops it. The other effects are estimated without it,
therefore, and it is given a variance by convention: that of the residuals, for an effect of typical
size.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.design.level_columns import LevelColumns
from ranef.design.record import Design, RandomTerm, TermRows
from ranef.errors import DataError
from ranef.fit.ending.messages import not_finite
from ranef.fit.order import TermOrder, relative_factor, theta_of_factors

if TYPE_CHECKING:
    from ranef._core import LmmSystem

Floats = NDArray[np.float64]

#: Share of the sum of squares of an effect that may be left beside the fixed effects when they
#: explain it.
NOTHING = 1e-10

#: Relative change of the criterion that is rounding.
FLAT = 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class Unidentified:
    """The effects of one term of which nothing is known.

    Attributes
    ----------
    names : tuple of str
        Effects, of which the variance is unknown.
    whole : bool
        Whether these are all effects of the term.
    directions : (k, d) array
        Combinations of the k effects that the fixed effects explain, as columns; the effect of each
        has the mean square 1.
    rest : (k, k - d) array
        The other effects, uncorrelated with those over the rows, as combinations of all.
    columns : tuple of int
        The effects that ``rest`` stands for.
    """

    names: tuple[str, ...]
    whole: bool
    directions: Floats
    rest: Floats
    columns: tuple[int, ...]

    def factor(self, identified: Floats) -> Floats:
        """Relative Cholesky factor (k, k) of all effects, with the convention for what is not
        identified.

        Parameters
        ----------
        identified : (k - d, k - d) array
            That of the other effects.
        """
        return _lower(np.column_stack([self.rest @ identified, self.directions]))

    def identified(self, factor: Floats) -> Floats:
        """Relative Cholesky factor (k - d, k - d) of the other effects from that of all."""
        whole = np.asarray(np.column_stack([self.rest, self.directions]), dtype=np.float64)
        own = np.asarray(np.linalg.solve(whole, factor), dtype=np.float64)
        return _lower(own[: self.rest.shape[1]])


def _lower(root: Floats) -> Floats:
    """The lower triangular L with LL' = RR' for a root R, with a diagonal that is not negative."""
    lower = np.asarray(np.linalg.qr(root.T, mode="r")).T
    out: Floats = lower * np.where(np.diagonal(lower) < 0, -1.0, 1.0)
    return out


def unidentified_effects(design: Design, kept: Sequence[int]) -> dict[int, Unidentified]:
    """Find them by the position of their term in the formula.

    Parameters
    ----------
    design : Design
    kept : sequence of int
        The columns of X that do not depend on earlier ones.
    """
    # It takes a column of X for each level to explain an effect.
    candidates = [i for i, t in enumerate(design.random) if len(t.levels) <= len(kept) and not t.has_members]
    if not candidates:
        return {}
    root = np.ones(len(design.y)) if design.weights is None else np.sqrt(design.weights)
    q = _orthogonal(design, kept, root)
    out = {}
    for i in candidates:
        found = _of_term(design.random[i], root, q)
        if found is not None:
            out[i] = found
    return out


@dataclass(frozen=True, slots=True, eq=False)
class _Orthogonal:
    """Columns with the span of X, of length 1 and at right angles.

    Attributes
    ----------
    columns : (n, p) array
    codes : (n,) int array or None
        Levels that have a column each, beside the others.
    in_level : (n,) array or None
        What a row has in the column of its level.
    """

    columns: Floats
    codes: NDArray[np.int32] | None = None
    in_level: Floats | None = None


def _orthogonal(design: Design, kept: Sequence[int], root: Floats) -> _Orthogonal:
    """Of the kept columns times the roots of the weights."""
    x = design.columns
    if not isinstance(x, LevelColumns) or len(kept) < x.shape[1]:
        return _Orthogonal(np.linalg.qr(design.x[:, list(kept)] * root[:, None])[0])
    codes = x.codes
    in_level = root / np.sqrt(np.bincount(codes, root * root))[codes]
    rest = x.rest * root[:, None]
    for _ in range(2):  # the second time for what rounding has left
        for j in range(rest.shape[1]):
            rest[:, j] -= in_level * np.bincount(codes, in_level * rest[:, j])[codes]
    return _Orthogonal(np.linalg.qr(rest)[0], codes, in_level)


def _of_term(term: RandomTerm, root: Floats, q: _Orthogonal) -> Unidentified | None:
    if term.structure not in ("unstructured", "diagonal"):
        return None  # what one effect has tells of the others
    z, k = term.z * root[:, None], term.z.shape[1]
    basis, triangle = np.linalg.qr(z)
    sizes = np.abs(np.diagonal(triangle))
    if np.any(sizes <= NOTHING * np.sqrt(np.einsum("ij,ij->j", z, z))):
        return None
    typical = np.sqrt(float(root @ root))
    if term.structure == "diagonal" and k > 1:
        lengths = np.sqrt(np.einsum("ij,ij->j", z, z))
        left = np.array([_left(term, z[:, [j]] / lengths[j], q)[0, 0] for j in range(k)])
        gone = np.flatnonzero(left < NOTHING)
        directions: Floats = np.eye(k)[:, gone] * (typical / lengths[gone])
        rest: Floats = np.delete(np.eye(k), gone, axis=1)
    else:
        values, vectors = np.linalg.eigh(_left(term, basis, q))
        within = vectors[:, values < NOTHING]
        directions = np.linalg.solve(triangle, within) * typical
        gone = _pivots(directions, triangle)
        rest = np.delete(np.eye(k), gone, axis=1)
        if len(gone):
            # Without what of these the others explain: an effect is taken at the mean of a
            # covariate, wherever that has its zero.
            rest = rest - directions @ (within.T @ (triangle @ rest)) / typical
    if not len(gone):
        return None
    names = tuple(term.names[j] for j in gone)
    return Unidentified(names, len(gone) == k, directions, rest, tuple(j for j in range(k) if j not in gone))


def _left(term: RandomTerm, basis: Floats, q: _Orthogonal) -> Floats:
    """What of the sums of squares and products (k, k) of the effects, whose columns have them as
    identity, is left beside X.
    """
    from scipy.sparse import csr_array

    n, k = basis.shape
    rows = csr_array((np.ones(n), (term.codes, np.arange(n))), shape=(len(term.levels), n))
    inside = np.stack([np.asarray(rows @ (q.columns * basis[:, [j]])) for j in range(k)])
    out: Floats = np.eye(k) - np.einsum("ilp,jlp->ij", inside, inside)
    if q.codes is not None and q.in_level is not None:
        meet = [csr_array((q.in_level * basis[:, j], (term.codes, q.codes))) for j in range(k)]
        out = out - np.array([[(a * b).sum() for b in meet] for a in meet])
    return out


def _pivots(directions: Floats, triangle: Floats) -> NDArray[np.intp]:
    """As many effects as directions, which stand for them best."""
    from scipy.linalg import qr

    if not directions.shape[1]:
        return np.empty(0, dtype=np.intp)
    lengths = np.sqrt(np.einsum("ij,ij->j", triangle, triangle))
    _, order = qr((directions * lengths[:, None]).T, mode="r", pivoting=True)
    # With equal weights the first effect is taken: an intercept rather than one of the others.
    return np.sort(np.asarray(order[: directions.shape[1]], dtype=np.intp))


def without_unidentified(design: Design, found: dict[int, Unidentified]) -> tuple[Design, tuple[int, ...]]:
    """The design with the other random effects, and the positions of its terms in the formula.

    Parameters
    ----------
    design : Design
    found : dict
        See `unidentified_effects`.
    """
    random, places = [], []
    for i, term in enumerate(design.random):
        gone = found.get(i)
        if gone is None:
            random.append(term)
        elif not gone.whole:
            names = tuple(term.names[j] for j in gone.columns)
            labels = tuple(term.labels[j] for j in gone.columns)
            random.append(
                replace(
                    term, rows=TermRows(term.codes, np.asfortranarray(term.z @ gone.rest)), names=names, labels=labels
                )
            )
        else:
            continue
        places.append(i)
    return replace(design, random=tuple(random)), tuple(places)


def identified_start(
    found: dict[int, Unidentified], order: TermOrder, start: Floats, rest: TermOrder, places: Sequence[int]
) -> Floats:
    """Where to start for the other random effects.

    Parameters
    ----------
    found : dict
        See `unidentified_effects`.
    order : TermOrder
        Of all terms.
    start : (m,) array
        Their theta, in lme4's order.
    rest : TermOrder
        Of the terms of the other effects.
    places : sequence of int
        The positions in the formula of these terms.

    Returns
    -------
    (q,) array
        In lme4's order.
    """
    factors = {s.formula: relative_factor(s, start) for s in order.spans}
    own = {i: found[at].identified(factors[at]) if at in found else factors[at] for i, at in enumerate(places)}
    return theta_of_factors(rest, own)


def theta_of_all(
    found: dict[int, Unidentified], order: TermOrder, identified: Floats, rest: TermOrder, places: Sequence[int]
) -> Floats:
    """Theta of all terms from that of the other random effects, with the convention for what is not
    identified: what `identified_start` undoes.

    Parameters
    ----------
    identified : (q,) array
        In lme4's order.

    Returns
    -------
    (m,) array
        In lme4's order.
    """
    factors = {places[s.formula]: relative_factor(s, identified) for s in rest.spans}
    for i, gone in found.items():
        factors[i] = gone.factor(factors.get(i, np.zeros((0, 0))))
    return theta_of_factors(order, factors)


def unidentified_text(design: Design, found: dict[int, Unidentified], flat: Sequence[str]) -> tuple[str, ...]:
    """What is said of variances that are not identified.

    Parameters
    ----------
    design : Design
    found : dict
        See `unidentified_effects`.
    flat : sequence of str
        Texts of terms whose size does not change the criterion for another reason.
    """
    parts = [
        f"({design.random[i].text})" if u.whole else f"{' and '.join(u.names)} in ({design.random[i].text})"
        for i, u in found.items()
    ]
    parts += [f"({text})" for text in flat]
    if not parts:
        return ()
    return (
        f"the variance of {', '.join(parts)} is not identified: the criterion is the same for any size of it, as the "
        "fixed effects leave nothing to "
        "tell it apart from the residual. What is given for it, and for all that depends on it, is arbitrary.",
    )


def unidentified_messages(
    system: "LmmSystem",
    theta: Floats,
    order: TermOrder,
    design: Design,
    reml: bool,
    n_threads: int,
    free: dict[int, Unidentified],
) -> tuple[str, ...]:
    """Say of which random effects' variance the data say nothing.

    By REML that is so where the fixed effects explain all that an effect could, or where too few
    rows are left beside the fixed effects: then the criterion is the same whatever the size of the
    term.

    Parameters
    ----------
    theta : (m,) array
        The estimates in the core's order.
    free : dict
        The former, by the position of the term in the formula.
    """
    n, p = design.n_used, len(system.kept)
    flat = []
    if not reml:
        return ()
    for span in order.spans:
        term = design.random[span.formula]
        if span.formula in free or (len(term.levels) > p and n - p > 1):
            continue
        own = np.zeros(order.n_theta, dtype=bool)
        own[span.theta_start : span.theta_stop] = True
        own = own[order.core_of_theta]
        try:
            values = [
                system.evaluate(np.where(own, theta * c, theta), reml, n_threads).objective for c in (0.5, 1.0, 2.0)
            ]
        except ValueError:  # no residual is left but rounding errors
            raise DataError(not_finite(design)) from None
        if theta[own].any() and np.ptp(values) <= FLAT * (1.0 + abs(values[1])):
            flat.append(term.text)
    return unidentified_text(design, free, flat)
