"""The matrix H = Z'V⁻¹Z of a fit by blocks, one for each pair of random effects: diagonal blocks for one grouping factor, dense ones for several.

In units of sigma², V = W⁻¹ + Z D Z' with W the prior weights and D the relative covariance matrix of the random effects. An effect here is one column of
one random term; its levels are those of the term's grouping factor.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ranef.errors import DesignError
from ranef.fit.record import LmmFit

Floats = NDArray[np.float64]

#: Random effects (levels times effects) above which matrices of that order are not formed.
DENSE_LIMIT = 6000


class LevelBlocks(Protocol):
    """Products with the blocks of H.

    Attributes
    ----------
    fixed : list of (levels, p) arrays
        For every effect its rows of F = Z'V⁻¹X.
    fixed2 : list of (levels, p) arrays
        Rows of Z'V⁻²X = F - H D F.
    """

    fixed: list[Floats]
    fixed2: list[Floats]

    def apply(self, i: int, j: int, right: Floats) -> Floats:
        """Block (i, j) of H times a (levels, p) array."""

    def product(self, i: int, j: int, k: int, m: int) -> float:
        """Sum of the products of the entries of blocks (i, j) and (k, m)."""

    def trace2(self, i: int, j: int) -> float:
        """Trace of block (i, j) of Z'V⁻²Z = H - H D H."""

    def totals(self) -> tuple[Floats, Floats, float, float]:
        """F'DF, F'D H D F, tr(H D) and tr(H D H D)."""


@dataclass(frozen=True, slots=True, eq=False)
class EffectColumns:
    """The random effects of a fit side by side.

    Attributes
    ----------
    terms : tuple of tuple of int
        The effects of every random term.
    codes : list of (n,) arrays
        Of every effect, the level of each row.
    levels : list of int
    columns : list of (n,) arrays
        Of every effect the column of Z, times the square root of the weights.
    x : (n, p) array
        Fixed effects, times the square root of the weights.
    covariance : (effects, effects) array
        Relative covariance of the effects of one level, zero between terms.
    single : bool
        Whether all terms are on one grouping factor.
    """

    terms: tuple[tuple[int, ...], ...]
    codes: list[NDArray[np.int32]]
    levels: list[int]
    columns: list[Floats]
    x: Floats
    covariance: Floats
    single: bool


def effect_columns(fit: LmmFit) -> EffectColumns:
    """Lay out the random effects of a fit."""
    root = None if fit.design.weights is None else np.sqrt(fit.design.weights)
    terms: list[tuple[int, ...]] = []
    codes: list[NDArray[np.int32]] = []
    levels: list[int] = []
    columns: list[Floats] = []
    total = sum(s.size for s in fit.order.spans)
    covariance = np.zeros((total, total))
    for term, factor in zip(fit.terms, fit.relative_factors, strict=True):
        start, k = len(columns), len(term.names)
        terms.append(tuple(range(start, start + k)))
        covariance[start : start + k, start : start + k] = factor @ factor.T
        for j in range(k):
            codes.append(term.codes)
            levels.append(len(term.levels))
            columns.append(term.z[:, j] if root is None else term.z[:, j] * root)
    x = fit.x if root is None else fit.x * root[:, np.newaxis]
    single = len({s.factor for s in fit.order.spans}) == 1
    return EffectColumns(tuple(terms), codes, levels, columns, x, covariance, single)


def _x_products(e: EffectColumns, i: int) -> Floats:
    """Rows of Z'X of one effect."""
    products = [np.bincount(e.codes[i], e.columns[i] * x, e.levels[i]) for x in e.x.T]
    return np.column_stack(products) if products else np.zeros((e.levels[i], 0))


class OneFactorBlocks:
    """Blocks for one grouping factor: H is block-diagonal by level, so that every block here is a diagonal.

    Parameters
    ----------
    e : EffectColumns
    """

    def __init__(self, e: EffectColumns):
        total, count = len(e.columns), e.levels[0]
        zz = np.empty((count, total, total))
        for i in range(total):
            for j in range(i + 1):
                zz[:, i, j] = zz[:, j, i] = np.bincount(e.codes[0], e.columns[i] * e.columns[j], count)
        zx = np.stack([_x_products(e, i) for i in range(total)], axis=1)
        # (I + Z'Z D)⁻¹ needs no inverse of D, which may be singular.
        inner = np.eye(total) + zz @ e.covariance
        self._h = np.linalg.solve(inner, zz)
        f = np.asarray(np.linalg.solve(inner, zx), dtype=np.float64)
        self._d = e.covariance
        self._hd = self._h @ e.covariance
        f2: Floats = f - self._hd @ f
        self._h2 = self._h - self._hd @ self._h
        self._f = f
        self.fixed: list[Floats] = [f[:, i] for i in range(total)]
        self.fixed2: list[Floats] = [f2[:, i] for i in range(total)]

    def apply(self, i: int, j: int, right: Floats) -> Floats:
        """Block (i, j) of H times a (levels, p) array."""
        out: Floats = self._h[:, i, j, np.newaxis] * right
        return out

    def product(self, i: int, j: int, k: int, m: int) -> float:
        """Sum of the products of the entries of blocks (i, j) and (k, m)."""
        return float(self._h[:, i, j] @ self._h[:, k, m])

    def trace2(self, i: int, j: int) -> float:
        """Trace of block (i, j) of Z'V⁻²Z."""
        return float(self._h2[:, i, j].sum())

    def totals(self) -> tuple[Floats, Floats, float, float]:
        """F'DF, F'D H D F, tr(H D) and tr(H D H D)."""
        df = self._d @ self._f
        fdf = np.einsum("lip,liq->pq", self._f, df)
        fdhdf = np.einsum("lip,liq->pq", df, self._h @ df)
        hd = self._hd
        return fdf, fdhdf, float(np.einsum("lii->", hd)), float(np.einsum("lij,lji->", hd, hd))


class DenseBlocks:
    """Blocks for several grouping factors, cut from one dense matrix.

    Parameters
    ----------
    e : EffectColumns
    """

    def __init__(self, e: EffectColumns):
        ends = np.cumsum(e.levels)
        self._at = [slice(int(b) - n, int(b)) for b, n in zip(ends, e.levels, strict=True)]
        q = int(ends[-1])
        if q > DENSE_LIMIT:
            raise DesignError(
                f"Kenward-Roger for crossed or nested grouping factors works with dense matrices of the order of the random effects, here {q:,} "
                f"({8 * q * q / 2**30:,.1f} GiB each); the limit is {DENSE_LIMIT:,}. Use ddf='satterthwaite', which has no such limit; with so many "
                "levels the two hardly differ."
            )
        total = len(e.columns)
        zz = np.empty((q, q))
        for i in range(total):
            for j in range(i + 1):
                cell = e.codes[i].astype(np.int64) * e.levels[j] + e.codes[j]
                block = np.bincount(cell, e.columns[i] * e.columns[j], e.levels[i] * e.levels[j]).reshape(
                    e.levels[i], e.levels[j]
                )
                zz[self._at[i], self._at[j]] = block
                zz[self._at[j], self._at[i]] = block.T
        zx = np.concatenate([_x_products(e, i) for i in range(total)])
        self._d, self._terms = e.covariance, e.terms
        inner = self._times_d(zz)
        inner.flat[:: q + 1] += 1.0
        p = zx.shape[1]
        solved: Floats = np.linalg.solve(inner, np.concatenate([zz, zx], axis=1))
        self._h, f = solved[:, :q], solved[:, q:]
        self._hd = self._times_d(self._h)
        f2: Floats = f - self._hd @ f
        self._f = f
        self.fixed: list[Floats] = [f[s] for s in self._at]
        self.fixed2: list[Floats] = [f2[s] for s in self._at]
        assert f.shape == (q, p)

    def _times_d(self, left: Floats) -> Floats:
        """A matrix times the relative covariance matrix of all random effects."""
        out = np.zeros_like(left)
        for term in self._terms:
            for i in term:
                for j in term:
                    if self._d[i, j] != 0.0:
                        out[:, self._at[j]] += left[:, self._at[i]] * self._d[i, j]
        return out

    def apply(self, i: int, j: int, right: Floats) -> Floats:
        """Block (i, j) of H times a (levels, p) array."""
        out: Floats = self._h[self._at[i], self._at[j]] @ right
        return out

    def product(self, i: int, j: int, k: int, m: int) -> float:
        """Sum of the products of the entries of blocks (i, j) and (k, m)."""
        return float(np.vdot(self._h[self._at[i], self._at[j]], self._h[self._at[k], self._at[m]]))

    def trace2(self, i: int, j: int) -> float:
        """Trace of block (i, j) of Z'V⁻²Z."""
        a, b = self._at[i], self._at[j]
        plain = float(np.trace(self._h[a, b]))
        return plain - float(np.einsum("lr,rl->", self._hd[a], self._h[:, b]))

    def totals(self) -> tuple[Floats, Floats, float, float]:
        """F'DF, F'D H D F, tr(H D) and tr(H D H D)."""
        df = self._times_d(self._f.T).T
        fdhdf: Floats = df.T @ self._h @ df
        fdf: Floats = self._f.T @ df
        return fdf, fdhdf, float(np.trace(self._hd)), float(np.vdot(self._hd, self._hd.T))


def level_blocks(e: EffectColumns) -> LevelBlocks:
    """Choose the storage for the blocks of a fit."""
    return OneFactorBlocks(e) if e.single else DenseBlocks(e)
