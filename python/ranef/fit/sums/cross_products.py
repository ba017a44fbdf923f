"""What the cross-products of rows tell that are summed up: columns that stand for theirs."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.design.record import RandomTerm
from ranef.fit.system import sums_of

if TYPE_CHECKING:
    from ranef.fit.linear import LmmFit

Floats = NDArray[np.float64]

#: Relative difference between sums that are equal but for rounding.
_EXACT = 1e-10


def root_of_x(fit: "LmmFit") -> Floats:
    """The columns of X, or of sums without weights a triangle with their cross-products."""
    root = _triangle(fit)
    return fit.x if root is None else root


def _triangle(fit: "LmmFit") -> Floats | None:
    """A triangle (p, p) with the cross-products of the columns of X, the means in its first row if
    the first column is the constant; None for rows, and for sums with weights.
    """
    held = fit.design.sums
    if held is None or fit.design.encoder.weights is not None:
        return None
    p, kept = len(fit.design.x_names), list(fit.kept)
    found = sums_of(fit.design, fit.order).products() if held.products is None else held.products
    products = np.array(found).reshape(p + 1, p + 1)[np.ix_(kept, kept)]
    given = np.diag(held.x.scale)
    if held.x.intercept is not None:
        given[held.x.intercept] += held.x.scale[held.x.intercept] * np.array(held.x.shift)
    root: Floats = np.linalg.cholesky(products).T @ given[np.ix_(kept, kept)]
    return root


def root_of_effects(fit: "LmmFit", term: RandomTerm) -> Floats:
    """The same of the effects of a random term, where they are among the columns of X."""
    if fit.design.sums is None:
        return term.z
    if term.names == ("(Intercept)",):
        return np.full((1, 1), np.sqrt(fit.nobs))
    names = [fit.design.x_names[j] for j in fit.kept]
    root = _triangle(fit) if set(term.names) <= set(names) else None
    return term.z if root is None else root[:, [names.index(n) for n in term.names]]


def spread_of_x(fit: "LmmFit") -> float | None:
    """Variance over the rows of what the fixed effects add up to; None where it is not known."""
    constant_first = fit.kept[:1] == (0,) and fit.design.x_assign[:1] == (0,)
    root = _triangle(fit) if constant_first else None
    if root is None:
        return None
    centred = root[1:, 1:] @ fit.beta[1:]
    return float(centred @ centred) / (fit.nobs - 1)


@dataclass(frozen=True, slots=True, eq=False)
class ColumnSpread:
    """How the columns of X and the response vary over the rows.

    Attributes
    ----------
    sd : (p,) array
        Standard deviations of the columns.
    width : (p,) array
        Difference between the two values of a column; NaN where it has more.
    response : float
        Standard deviation of the response.
    """

    sd: Floats
    width: Floats
    response: float


def summed_spread(fit: "LmmFit") -> ColumnSpread | None:
    """That of a model that is made of sums; None with rows or weights, or without an intercept."""
    held = fit.design.sums
    constant_first = fit.kept[:1] == (0,) and fit.design.x_assign[:1] == (0,)
    root = _triangle(fit) if constant_first else None
    if held is None or root is None:
        return None
    n = fit.nobs
    total, squares = np.sqrt(n) * root[0], (root**2).sum(axis=0)
    # zeros and ones are their own squares
    zero_one = np.abs(squares - total) <= _EXACT * squares
    found = sums_of(fit.design, fit.order).products() if held.products is None else held.products
    p = len(fit.design.x_names)
    products = np.array(found).reshape(p + 1, p + 1)
    response = products[p, p] - products[0, p] ** 2 / products[0, 0]
    return ColumnSpread(
        np.sqrt((root[1:] ** 2).sum(axis=0) / (n - 1)),
        np.where(zero_one, 1.0, np.nan),
        held.y[1] * math.sqrt(max(response, 0.0) / (n - 1)),
    )
