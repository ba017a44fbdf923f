"""The penalised normal equations of the random effects,
taken apart into blocks that do not touch each other.

Levels that occur in the same row are linked; a set of linked levels is a block. With one grouping
factor a block is a level, with nested factors a level of the outermost one, with crossed factors
usually everything.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranef.fit.record import MixedFit

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

DENSE = 6000
"""Largest block that is inverted as a dense matrix.

Larger ones are factorised as sparse matrices and solved for the columns asked for.
"""


SMALL = 100
"""Smallest block whose inverse takes less time from LAPACK's Cholesky routines than from NumPy."""


@dataclass(frozen=True, slots=True, eq=False)
class RandomColumns:
    """Z Lambda, the design of the spherical random effects u:
    every row has the same number of entries.

    Attributes
    ----------
    columns, values : (n, k) arrays
        Column numbers and entries of every row, k effects in all terms.
    size : int
        Number of columns.
    block : (n,) array
        Number of the block that each row belongs to.
    column_block : (size,) array
        The same for each column.
    n_blocks : int
    """

    columns: Ints
    values: Floats
    size: int
    block: Ints
    column_block: Ints
    n_blocks: int

    def times(self, g: Floats) -> Floats:
        """Z Lambda g (n, m) for g (size, m)."""
        out = np.zeros((len(self.columns), g.shape[1]))
        for j in range(self.columns.shape[1]):
            out += self.values[:, j : j + 1] * g[self.columns[:, j]]
        return out


def random_columns(fit: MixedFit) -> RandomColumns:
    """Lay out Z Lambda of a fit, terms in lme4's order, and find its blocks."""
    columns, values, start = [], [], 0
    starts: list[int] = []
    for term, factor in zip(fit.terms, fit.relative_factors, strict=True):
        k = factor.shape[0]
        columns.append(start + term.codes.astype(np.intp)[:, None] * k + np.arange(k))
        values.append(term.z @ factor)
        starts.append(start)
        start += k * len(term.levels)
    label, n_blocks = _linked_levels(fit)
    column_block = np.empty(start, dtype=np.intp)
    for s, term, at in zip(fit.order.spans, fit.terms, starts, strict=True):
        column_block[at : at + s.size * len(term.levels)] = np.repeat(label[s.factor], s.size)
    block = label[0][fit.terms[_first_of_factor(fit, 0)].codes]
    return RandomColumns(np.hstack(columns), np.hstack(values), start, block, column_block, n_blocks)


def _first_of_factor(fit: MixedFit, factor: int) -> int:
    return next(i for i, s in enumerate(fit.order.spans) if s.factor == factor)


def _linked_levels(fit: MixedFit) -> tuple[list[Ints], int]:
    """The block of every level of every factor, and the number of blocks."""
    terms = [fit.terms[_first_of_factor(fit, f)] for f in range(len(fit.order.factors))]
    if len(terms) == 1:
        return [np.arange(len(terms[0].levels))], len(terms[0].levels)
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    offsets = np.concatenate([[0], np.cumsum([len(t.levels) for t in terms])])
    total, n = int(offsets[-1]), fit.nobs
    a = np.tile(terms[0].codes.astype(np.int64), len(terms) - 1)
    b = np.concatenate([t.codes.astype(np.int64) + o for t, o in zip(terms[1:], offsets[1:], strict=False)])
    graph = (
        coo_array((np.ones(len(a)), (a, b)), shape=(total, total)).tocsr() if n else coo_array((total, total)).tocsr()
    )
    count, label = connected_components(graph, directed=False)
    return [label[offsets[f] : offsets[f + 1]].astype(np.intp) for f in range(len(terms))], int(count)


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """One block of ``A = (Z Lambda)' W (Z Lambda) + I``.

    Attributes
    ----------
    columns : (k,) array
        Its columns of Z Lambda, ascending.
    inverse_at : callable
        From positions (t,) within ``columns`` to that part (t, t) of the inverse of the block.
    coefficients : (k, p) array
        The inverse of the block times its rows of ``(Z Lambda)' W X``.
    """

    columns: Ints
    inverse_at: Callable[[Ints], Floats]
    coefficients: Floats


def blocks(fit: MixedFit, random: RandomColumns, x: Floats) -> Iterator[Block]:
    """Go through the blocks in the order of their numbers,
    so that only one inverse is held at a time.

    Parameters
    ----------
    fit : MixedFit
    random : RandomColumns
    x : (n, p) array
        X, in any basis.
    """
    from scipy.sparse import csr_array

    n, k = random.columns.shape
    sorter = np.argsort(random.column_block, kind="stable")
    place = np.empty_like(sorter)
    place[sorter] = np.arange(len(sorter))
    root = np.ones(n) if fit.design.weights is None else np.sqrt(fit.design.weights)
    # Columns of a block stand side by side, so that its rows of the product are too.
    shape = (n, random.size)
    scaled = csr_array(
        ((random.values * root[:, None]).ravel(), place[random.columns].ravel(), np.arange(0, n * k + 1, k)),
        shape=shape,
    )
    product = (scaled.T @ scaled).tocsr()
    right = np.asarray(scaled.T @ (x * root[:, None]))
    bounds = np.concatenate([[0], np.cumsum(np.bincount(random.column_block, minlength=random.n_blocks))])
    pointer, index, data = product.indptr, product.indices, product.data
    for lower, upper in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        size, entries = upper - lower, slice(pointer[lower], pointer[upper])
        rows = np.repeat(np.arange(size), np.diff(pointer[lower : upper + 1]))
        triplets = rows, index[entries] - lower, data[entries]
        yield (_dense if size <= DENSE else _sparse)(sorter[lower:upper], triplets, right[lower:upper])


def _dense(columns: Ints, triplets: tuple[Ints, Ints, Floats], right: Floats) -> Block:
    rows, others, data = triplets
    matrix = np.eye(len(columns))
    matrix[rows, others] += data
    inverse = _inverse(matrix)

    def inverse_at(at: Ints) -> Floats:
        return inverse[np.ix_(at, at)]

    return Block(columns, inverse_at, inverse @ right)


def _inverse(matrix: Floats) -> Floats:
    """Inverse of a positive definite matrix.

    LAPACK's own for large ones, which takes a third of the work.
    """
    if len(matrix) < SMALL:
        return np.asarray(np.linalg.inv(matrix), dtype=np.float64)
    from scipy.linalg.lapack import dpotrf, dpotri

    root, failed = dpotrf(matrix, lower=1, clean=1)
    lower, singular = dpotri(root, lower=1)
    assert not failed, "Z'WZ + I has no Cholesky factor"
    assert not singular
    out: Floats = np.tril(lower)
    out += np.tril(lower, -1).T
    return out


def _sparse(columns: Ints, triplets: tuple[Ints, Ints, Floats], right: Floats) -> Block:
    from scipy.sparse import coo_array, eye_array
    from scipy.sparse.linalg import splu

    rows, others, data = triplets
    size = len(columns)
    matrix = (coo_array((data, (rows, others)), shape=(size, size)) + eye_array(size)).tocsc()
    solver = splu(matrix, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True}, diag_pivot_thresh=0.0)

    def inverse_at(at: Ints) -> Floats:
        unit = np.zeros((size, len(at)))
        unit[at, np.arange(len(at))] = 1.0
        return np.asarray(solver.solve(unit)[at])

    return Block(columns, inverse_at, np.asarray(solver.solve(right)))
