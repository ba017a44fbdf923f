"""Estimates without one observation or one group, by exact downdating of the normal equations.

Write D for the rows of ``[Z Lambda, X]`` that are left out, w for their weights, e for their
conditional residuals and A for the matrix of the penalised normal equations, of which ``(u, beta)``
is the solution. Without those rows the solution is ``(u, beta) - (A - D'wD)^-1 D'we``. Only the
columns that D touches matter: with B their part of ``A^-1``, which the core gives, the inverse on
them is ``L (I - L' D'wD L)^-1 L'`` where ``B = L L'``. The eigenvalues of ``L' D'wD L`` lie between
0 and 1; one of them is 1 when a fixed effect cannot be estimated without the rows.

Theta is held; sigma is estimated again. All is computed in coordinates of the fixed effects in
which their covariance is sigma^2 (`ranef.estimates.fixed_basis`), and given back in terms of the
columns of the model.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from ranef.design.membership import Membership
from ranef.design.record import RandomTerm
from ranef.diagnostics.leverage import remaining
from ranef.diagnostics.products_of_batches import Batches, products_of_batches
from ranef.estimates.fixed_basis import FixedBasis, fixed_basis
from ranef.estimates.random_columns import RandomColumns, random_columns, solved_columns
from ranef.estimates.residuals import residual_values
from ranef.fit.record import MixedFit
from ranef.fit.sums.level_products import LevelProducts, products_of_sums

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

#: From this eigenvalue on a fixed effect has no estimate without the rows.
LARGEST_EIGENVALUE = 1 - 1e-10

#: Numbers of the parts of the inverse that are held at one time.
BATCH = 4_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Deletion:
    """Fits without each of m sets of rows, at the theta of the whole fit.

    Attributes
    ----------
    change : (m, p) array
        Fixed effects without the rows minus those with them; NaN where some fixed effect has no
        estimate without them.
    std_error : (m, p) array
        Standard errors without the rows.
    distance : (m,) array
        ``change' V^-1 change / p`` with V the covariance of the fixed effects of the whole fit; NaN
        in a model without fixed effects.
    cov_ratio : (m,) array
        Determinant of the covariance of the fixed effects without the rows, divided by that with
        them.
    sigma : (m,) array
        Residual standard deviation without the rows.
    rows : (m,) array
        Number of rows left out.
    """

    change: Floats
    std_error: Floats
    distance: Floats
    cov_ratio: Floats
    sigma: Floats
    rows: Ints


def without_observations(fit: MixedFit) -> Deletion:
    """Leave out every row in turn."""
    weights = np.ones(fit.nobs) if fit.design.weights is None else fit.design.weights
    left = weights * remaining(fit.hat_values())
    basis = fixed_basis(fit)
    assert basis is not None
    direction = solved_columns(fit, basis)
    score = residual_values(fit, "response") * weights
    change = -direction * (score / left)[:, None]
    growth = np.einsum("ij,ij->i", direction, direction) / left
    unscaled = np.sum(basis.root**2, axis=1) + basis.given(direction) ** 2 / left[:, None]
    # A row without which a fixed effect has no estimate has a hat value of one.
    sigma = fit.sigma_without(score**2 / left, 1)
    return deletion_of(fit, basis, change, unscaled, 1.0 + growth, sigma, np.ones(fit.nobs, dtype=np.intp))


def without_groups(fit: MixedFit, factor: int) -> Deletion:
    """Leave out every level of a grouping factor (by its number in the core's order) in turn."""
    term = next(t for t, s in zip(fit.terms, fit.order.spans, strict=True) if s.factor == factor)
    random = random_columns(fit)
    counts, sorter = rows_by_level(term)
    rows_of = np.split(sorter, np.cumsum(counts)[:-1])
    touched = [np.unique(random.columns[rows]) for rows in rows_of]
    score = residual_values(fit, "response")
    weights = fit.design.weights
    basis = fixed_basis(fit)
    assert basis is not None
    x = np.ascontiguousarray(basis.columns(fit.x))

    def removed(level: int, root: Floats) -> tuple[Floats, Floats, float]:
        rows = rows_of[level]
        w, e = np.ones(len(rows)) if weights is None else weights[rows], score[rows]
        d = _local_rows(random, rows, touched[level], x[rows])
        weighted = (d * np.sqrt(w)[:, None]) @ root
        return weighted.T @ weighted, d.T @ (w * e), float(e @ (w * e))

    return _without_sets(fit, basis, fit.random_coefficients(), touched, counts, removed)


def without_summed_groups(fit: MixedFit, factor: int, batches: Batches | None = None) -> Deletion:
    """The same for a model of sums that are kept by the levels of the factor, or whose rows are
    read in batches.
    """
    coefficients = fit.random_coefficients()  # of a factor, or an error that says that there is none
    basis = fixed_basis(fit)
    assert basis is not None
    if batches is None:
        return _without_products(fit, basis, coefficients, products_of_sums(fit, factor, basis.root))
    found = [_without_products(fit, basis, coefficients, p) for p in products_of_batches(fit, factor, basis, batches)]
    return Deletion(*(np.concatenate([getattr(d, f.name) for d in found]) for f in fields(Deletion)))


def _without_products(fit: MixedFit, basis: FixedBasis, coefficients: Floats, products: LevelProducts) -> Deletion:
    def removed(level: int, root: Floats) -> tuple[Floats, Floats, float]:
        squares, pull, rest = products.of(level)
        return root.T @ squares @ root, pull, rest

    return _without_sets(fit, basis, coefficients, products.touched(), products.counts, removed)


def _without_sets(
    fit: MixedFit,
    basis: FixedBasis,
    coefficients: Floats,
    touched: list[Ints],
    counts: Ints,
    removed: Callable[[int, Floats], tuple[Floats, Floats, float]],
) -> Deletion:
    """Leave out sets of rows, of which is known which columns of Z Lambda they touch, and for a
    root L of the inverse on these and the fixed effects ``L' D'wD L``, ``D'we`` and ``e'we``.
    """
    m, p = len(touched), len(fit.beta)
    change, unscaled = np.full((m, p), np.nan), np.full((m, p), np.nan)
    ratio, drop = np.full(m, np.nan), np.full(m, np.nan)
    for i, (at, part) in enumerate(zip(touched, _parts(fit, touched), strict=True)):
        root = _root(part, coefficients[at])
        found = _without(root, len(at), *removed(i, root))
        if found is not None:
            change[i], half, drop[i] = found
            unscaled[i] = (basis.given(half.T) ** 2).sum(axis=0)
            ratio[i] = np.exp(np.linalg.slogdet(half @ half.T)[1])
    sigma = fit.sigma_without(drop, counts)
    return deletion_of(fit, basis, change, unscaled, ratio, sigma, counts)


def rows_by_level(term: RandomTerm) -> tuple[Ints, Ints]:
    """Numbers of rows of the levels, and the rows, level after level; a row of several levels is
    one of each.
    """
    places = None if term.has_one_level else term.places
    if isinstance(places, Membership):
        by_column = places.matrix().tocsc()
        return np.diff(by_column.indptr).astype(np.intp), by_column.indices.astype(np.intp)
    codes = term.codes
    return np.bincount(codes, minlength=len(term.levels)).astype(np.intp), np.argsort(codes, kind="stable")


def _parts(fit: MixedFit, touched: list[Ints]) -> Iterator[Floats]:
    """The inverse of the random effects' part of A on each of some sets of its columns.

    Several sets are asked for together.
    """
    sizes = np.array([len(t) for t in touched], dtype=np.intp)
    ends = np.cumsum(sizes**2)
    start = 0
    while start < len(touched):
        before = int(ends[start] - sizes[start] ** 2)
        stop = max(start + 1, int(np.searchsorted(ends, before + BATCH, side="right")))
        starts = np.concatenate([[0], np.cumsum(sizes[start:stop])])
        flat = fit.inverse_parts(starts, np.concatenate(touched[start:stop]))
        for size, end in zip(sizes[start:stop].tolist(), ends[start:stop].tolist(), strict=True):
            yield flat[end - before - size**2 : end - before].reshape(size, size)
        start = stop


def _local_rows(random: RandomColumns, rows: Ints, touched: Ints, x: Floats) -> Floats:
    """Rows of [Z Lambda, X], with the columns of Z Lambda that they touch only."""
    t, p = len(touched), x.shape[1]
    out = np.zeros((len(rows), t + p))
    out[np.arange(len(rows))[:, None], np.searchsorted(touched, random.columns[rows])] = random.values[rows]
    out[:, t:] = x
    return out


def _root(inverse: Floats, g: Floats) -> Floats:
    """A root (t + p, t + p) of the part of ``A^-1`` on some random effects and the fixed effects.

    Parameters
    ----------
    inverse : (t, t) array
        Of the part of A of the random effects.
    g : (t, p) array
        The same times its part of ``(Z Lambda)' W X``.
    """
    t, p = g.shape
    b = np.empty((t + p, t + p))
    b[:t, t:] = -g
    b[t:, :t] = -g.T
    b[:t, :t] = inverse + g @ g.T
    b[t:, t:] = np.eye(p)
    out: Floats = np.linalg.cholesky(b)
    return out


def _without(root: Floats, t: int, inner: Floats, score: Floats, squares: float) -> tuple[Floats, Floats, float] | None:
    """Leave out rows D with weights w and residuals e; None where an effect has no estimate.

    Parameters
    ----------
    root : (t + p, t + p) array
        A root L of the inverse.
    t : int
    inner : (t + p, t + p) array
        ``L' D'wD L``.
    score : (t + p,) array
        ``D'we``.
    squares : float
        ``e'we``.

    Returns
    -------
    change : (p,) array
        Of the fixed effects.
    half : (p, t + p) array
        A root of their covariance, divided by sigma.
    drop : float
        Fall of the penalised sum of squares.
    """
    eigenvalues, vectors = np.linalg.eigh(inner)
    if eigenvalues[-1] > LARGEST_EIGENVALUE:
        return None
    half = (root @ vectors) / np.sqrt(1.0 - eigenvalues)
    pull = half.T @ score
    return -half[t:] @ pull, half[t:], float(squares + pull @ pull)


def deletion_of(
    fit: MixedFit, basis: FixedBasis, own: Floats, unscaled: Floats, ratio: Floats, sigma: Floats, rows: Ints
) -> Deletion:
    """Put together what was computed in the coordinates of a basis."""
    p = len(fit.beta)
    relative, change = sigma / fit.sigma, basis.given(own)
    if not p:
        return Deletion(change, np.sqrt(unscaled), np.full(len(change), np.nan), ratio, sigma, rows)
    distance = np.sum((own / fit.sigma) ** 2, axis=1) / p
    return Deletion(change, np.sqrt(unscaled) * sigma[:, None], distance, ratio * relative ** (2 * p), sigma, rows)
