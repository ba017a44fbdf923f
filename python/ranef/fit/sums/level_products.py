"""Cross-products of the rows of every level of a grouping factor: of the columns that the solution
of a linear model is made of, and of its residuals.

They are what is left out of the normal equations with a level. Models of sums have them where the
sums are kept by level and all other factors are nested in that one; for other factors the rows are
read (`ranef.diagnostics.products_of_batches`).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ranef.design.model_sums import NO_ROWS, ColumnBasis
from ranef.errors import DataError
from ranef.fit.record import MixedFit
from ranef.fit.system import sums_of

if TYPE_CHECKING:
    from scipy.sparse import bsr_array, csr_array

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class LevelProducts:
    """Weighted products over the rows of each of m levels.

    A place is a column of Z Lambda at one of the levels whose rows it is not zero in; those of a
    level are side by side.

    Attributes
    ----------
    counts : (m,) array
        Rows.
    starts : (m + 1,) array
        The first place of each level.
    columns : (places,) array
        Number of the column of Z Lambda, increasing within a level.
    zz : sparse (places, places) array
        Products of the columns of Z Lambda, one block a level.
    zx : (places, p) array
        Those with the fixed effects, in a basis of them.
    xx : (m, p, p) array
    ze : (places,) array
        Those with the residuals.
    xe : (m, p) array
    ee : (m,) array
    """

    counts: Ints
    starts: Ints
    columns: Ints
    zz: "csr_array[Any, tuple[int, int]]"
    zx: Floats
    xx: Floats
    ze: Floats
    xe: Floats
    ee: Floats

    def touched(self) -> list[Ints]:
        """The columns of Z Lambda that the rows of each level touch."""
        return np.split(self.columns, self.starts[1:-1])

    def of(self, level: int) -> tuple[Floats, Floats, float]:
        """Products of ``[Z Lambda, X]`` (t + p, t + p), those with the residuals (t + p,), and the
        sum of squares of these.
        """
        own = slice(int(self.starts[level]), int(self.starts[level + 1]))
        t, p = own.stop - own.start, self.xe.shape[1]
        first, last = self.zz.indptr[own.start], self.zz.indptr[own.stop]
        rows = np.repeat(np.arange(t), np.diff(self.zz.indptr[own.start : own.stop + 1]))
        out = np.zeros((t + p, t + p))
        out[rows, self.zz.indices[first:last] - own.start] = self.zz.data[first:last]
        out[:t, t:] = self.zx[own]
        out[t:, :t] = self.zx[own].T
        out[t:, t:] = self.xx[level]
        return out, np.concatenate([self.ze[own], self.xe[level]]), float(self.ee[level])


@dataclass(frozen=True, slots=True, eq=False)
class _FactorSums:
    """The sums of a fit by factors of the core: levels, effects, and the two changes of basis of
    the effects.

    Attributes
    ----------
    levels, sizes, starts : tuple of int
        Levels of every factor, effects of a level, and its first column.
    spherical : tuple of (k, k) array
        Columns of Z as they are in the sums, times this, are those of Z Lambda.
    effects : (q,) array
        The random effects as coefficients of the columns of the sums.
    """

    levels: tuple[int, ...]
    sizes: tuple[int, ...]
    starts: tuple[int, ...]
    spherical: tuple[Floats, ...]
    effects: Floats


def products_of_sums(fit: MixedFit, factor: int, root: Floats) -> LevelProducts:
    """The products of the levels of a factor (by its number in the core's order), from sums.

    Parameters
    ----------
    fit : MixedFit
        Made of sums.
    factor : int
    root : (p, p) array
        The basis of the fixed effects, in terms of the columns as given.

    Raises
    ------
    DataError
        If the sums are not kept by this factor, or another factor is crossed with it.
    """
    from scipy.sparse import block_diag, coo_array, csr_array

    held = fit.design.sums
    assert held is not None
    group = fit.design.random[fit.order.factors[factor][0]].group
    if held.of_levels is None or held.of_levels.group != group:
        raise DataError(
            f"{NO_ROWS} Groups are left out without rows where the sums are kept by them: "
            f"scale.Statistic(recipe, by_level={group!r})."
        )
    core = sums_of(fit.design, fit.order)
    found = core.all_products()
    assert found is not None
    _, squares, with_w, cells = found
    own = held.of_levels.matrices()
    pw, f = own.shape[1], _factors_of(fit)
    owner = _owners(fit, factor, cells, f)
    order = np.argsort(owner, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    rows, columns, values = [], [], []
    for start, size, levels, block in zip(f.starts, f.sizes, f.levels, squares, strict=True):
        first = start + size * np.arange(levels)[:, None, None]
        effect = np.arange(size)
        rows.append(np.broadcast_to(first + effect[:, None], (levels, size, size)).ravel())
        columns.append(np.broadcast_to(first + effect, (levels, size, size)).ravel())
        values.append(np.array(block))
    for (a, b), begin, level, block in cells:
        i, j, shape = np.arange(f.sizes[a]), np.arange(f.sizes[b]), (len(level), f.sizes[a], f.sizes[b])
        of_a = f.starts[a] + f.sizes[a] * np.repeat(np.arange(f.levels[a]), np.diff(begin))
        of_b = f.starts[b] + f.sizes[b] * np.array(level, dtype=np.intp)
        at_a = np.broadcast_to(of_a[:, None, None] + i[:, None], shape).ravel()
        at_b = np.broadcast_to(of_b[:, None, None] + j, shape).ravel()
        rows.extend([at_a, at_b])
        columns.extend([at_b, at_a])
        values.extend([np.array(block)] * 2)
    q = len(order)
    at = place[np.concatenate(rows)], place[np.concatenate(columns)]
    zz = csr_array(coo_array((np.concatenate(values), at), shape=(q, q)))
    zw = np.concatenate([np.array(w).reshape(-1, pw) for w in with_w])[order]
    turn = csr_array(block_diag([_repeated(s, n) for s, n in zip(f.spherical, f.levels, strict=True)]))
    turn = turn[order][:, order]
    effects = f.effects[order]
    to_x, to_e = _coefficients(fit, root)
    starts = np.searchsorted(owner[order], np.arange(f.levels[factor] + 1)).astype(np.intp)
    image = zz @ effects
    ze = zw @ to_e - image

    def by_level(v: Floats) -> Floats:
        out: Floats = np.add.reduceat(v, starts[:-1], axis=0)
        return out

    w_e = own @ to_e - by_level(zw * effects[:, None])
    spherical = csr_array(turn.T @ zz @ turn)
    spherical.sort_indices()
    return LevelProducts(
        counts=np.array(core.counts(factor), dtype=np.intp),
        starts=starts,
        columns=order,
        zz=spherical,
        zx=np.asarray(turn.T @ (zw @ to_x)),
        xx=to_x.T @ own @ to_x,
        ze=np.asarray(turn.T @ ze),
        xe=w_e @ to_x,
        ee=w_e @ to_e - by_level(effects * ze),
    )


def _factors_of(fit: MixedFit) -> _FactorSums:
    """The levels and effects of the core's factors."""
    held = fit.design.sums
    assert held is not None
    levels, sizes, starts, spherical, effects = [], [], [0], [], []
    for number, members in enumerate(fit.order.factors):
        of_factor = [i for i, s in enumerate(fit.order.spans) if s.factor == number]
        of_factor.sort(key=lambda i: fit.order.spans[i].start)
        count, size = len(fit.design.random[members[0]].levels), sum(fit.order.spans[i].size for i in of_factor)
        turn, modes = np.zeros((size, size)), np.zeros((count, size))
        for i in of_factor:
            span = fit.order.spans[i]
            own, given = slice(span.start, span.start + span.size), given_columns(held.random[span.formula])
            turn[own, own] = given @ fit.relative_factors[i]
            modes[:, own] = fit.b[i] @ given.T
        levels.append(count)
        sizes.append(size)
        starts.append(starts[-1] + count * size)
        spherical.append(turn)
        effects.append(modes.ravel())
    return _FactorSums(tuple(levels), tuple(sizes), tuple(starts[:-1]), tuple(spherical), np.concatenate(effects))


def _repeated(block: Floats, n: int) -> "bsr_array":
    """A matrix with a block n times along its diagonal."""
    from scipy.sparse import bsr_array

    size = n * len(block)
    return bsr_array((np.tile(block, (n, 1, 1)), np.arange(n), np.arange(n + 1)), shape=(size, size))


def given_columns(basis: ColumnBasis) -> Floats:
    """The columns as given, by those of the sums: a matrix (k, k) that these are multiplied by."""
    out: Floats = np.diag(np.array(basis.scale, dtype=float))
    if basis.intercept is not None:
        out[basis.intercept] += basis.scale[basis.intercept] * np.array(basis.shift)
    return out


def _coefficients(fit: MixedFit, root: Floats) -> tuple[Floats, Floats]:
    """What the columns of X and the response, as they are in the sums, are multiplied by for the
    columns of X in a basis (p + 1, p), and for the response without fixed effects (p + 1,).
    """
    held = fit.design.sums
    assert held is not None
    kept, constant = list(fit.kept), held.x.intercept
    given = given_columns(held.x)[:, kept]
    to_e = np.append(-given @ fit.beta, held.y[1])
    if constant is not None:
        to_e[constant] += held.x.scale[constant] * held.y[0]
    return np.vstack([given @ root, np.zeros(root.shape[1])]), to_e


def _levels_beside(factor: int, other: int, cells: Any, f: _FactorSums) -> tuple[Ints, Ints]:
    """Pairs of levels of two factors that have rows together."""
    (a, _), begin, level, _ = next(c for c in cells if c[0] in ((factor, other), (other, factor)))
    first, second = np.repeat(np.arange(f.levels[a]), np.diff(begin)), np.array(level, dtype=np.intp)
    return (first, second) if a == factor else (second, first)


def _owners(fit: MixedFit, factor: int, cells: Any, f: _FactorSums) -> Ints:
    """The level of the factor in which every random effect has its rows."""
    groups = [fit.design.random[members[0]].group for members in fit.order.factors]
    out = []
    for other, (levels, size) in enumerate(zip(f.levels, f.sizes, strict=True)):
        if other == factor:
            owner = np.arange(levels)
        else:
            mine, its = _levels_beside(factor, other, cells, f)
            if len(its) != levels:
                raise DataError(
                    f"{groups[other]!r} is crossed with {groups[factor]!r}, so that what is left without a level of it "
                    "needs the rows: with_data(source) gives them."
                )
            owner = np.empty(levels, dtype=np.intp)
            owner[its] = mine
        out.append(np.repeat(owner, size))
    return np.concatenate(out).astype(np.intp)


@dataclass(frozen=True, slots=True, eq=False)
class LevelsTogether:
    """Which columns of Z Lambda the rows of every level of a factor touch.

    Attributes
    ----------
    counts : (m,) array
        Rows of every level.
    width : int
        Columns of Z Lambda.
    sizes : tuple of int
        Effects of a level of every factor of the core.
    columns : list of (level, column)
        For every factor of the core two arrays, of which each pair is there once.
    """

    counts: Ints
    width: int
    sizes: tuple[int, ...]
    columns: list[tuple[Ints, Ints]]


def levels_together(fit: MixedFit, factor: int) -> LevelsTogether:
    """What the rows of every level of a factor touch, from the sums of a fit."""
    core, f = sums_of(fit.design, fit.order), _factors_of(fit)
    found = core.all_products()
    assert found is not None
    columns = []
    for other, (levels, size, start) in enumerate(zip(f.levels, f.sizes, f.starts, strict=True)):
        mine = its = np.arange(levels)
        if other != factor:
            mine, its = _levels_beside(factor, other, found[3], f)
        columns.append((np.repeat(mine, size), (start + size * its[:, None] + np.arange(size)).ravel()))
    return LevelsTogether(np.array(core.counts(factor), dtype=np.intp), len(f.effects), f.sizes, columns)
