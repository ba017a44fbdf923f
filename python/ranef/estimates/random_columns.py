"""Z Lambda, the design of the spherical random effects, and V^-1 X by it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranef.design.membership import Membership
from ranef.estimates.fixed_basis import FixedBasis
from ranef.fit.record import MixedFit

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

#: Length of what conjugate gradients leave relative to the right side, and steps at most.
_PRECISION, _STEPS = 1e-10, 2000


@dataclass(frozen=True, slots=True, eq=False)
class RandomColumns:
    """Z Lambda; every row has the same number of entries, zeros where it has fewer members.

    Attributes
    ----------
    columns, values : (n, k) arrays
        Column numbers and entries of every row, k effects in all terms. Columns are counted through
        the core's factors, their levels, and the effects of a level.
    """

    columns: Ints
    values: Floats

    def times(self, g: Floats) -> Floats:
        """Z Lambda g (n, m) for g (size, m)."""
        out = np.zeros((len(self.columns), g.shape[1]))
        for j in range(self.columns.shape[1]):
            out += self.values[:, j : j + 1] * g[self.columns[:, j]]
        return out


def random_columns(fit: MixedFit) -> RandomColumns:
    """Lay out Z Lambda of a fit."""
    width = np.zeros(len(fit.order.factors), dtype=np.intp)
    levels = np.zeros(len(fit.order.factors), dtype=np.intp)
    for span, term in zip(fit.order.spans, fit.terms, strict=True):
        width[span.factor] += span.size
        levels[span.factor] = term.n_columns
    starts = np.concatenate([[0], np.cumsum(width * levels)])
    columns, values = [], []
    for span, term, factor in zip(fit.order.spans, fit.terms, fit.relative_factors, strict=True):
        first = starts[span.factor] + span.start
        own, places = term.z @ factor, term.places
        if isinstance(places, Membership):
            level, weight = places.padded()
            wide = first + level[:, :, None] * width[span.factor] + np.arange(span.size)
            columns.append(wide.reshape(len(own), -1))
            values.append((weight[:, :, None] * own[:, None, :]).reshape(len(own), -1))
            continue
        columns.append(first + places.astype(np.intp)[:, None] * width[span.factor] + np.arange(span.size))
        values.append(own)
    return RandomColumns(np.hstack(columns), np.hstack(values))


def solved_columns(fit: MixedFit, basis: FixedBasis) -> Floats:
    """V^-1 X (n, p) with V the covariance of the response divided by sigma^2, and X in the basis.

    It is ``W (X - Z Lambda C)`` with the coefficients C that the core has.
    """
    x, columns = basis.columns(fit.x), random_columns(fit)
    factored = fit.sampled_likelihood is None
    out = x - columns.times(fit.random_coefficients() if factored else _coefficients(columns, x, fit.design.weights))
    return out if fit.design.weights is None else out * fit.design.weights[:, None]


def _coefficients(columns: RandomColumns, x: Floats, weights: Floats | None) -> Floats:
    """The same coefficients (size, p) by conjugate gradients, for models without a factor."""
    from scipy.sparse import csr_array

    n, k = columns.columns.shape
    roots = np.ones((n, 1)) if weights is None else np.sqrt(weights)[:, None]
    entries = ((columns.values * roots).ravel(), columns.columns.ravel(), np.arange(0, n * k + 1, k))
    z = csr_array(entries, shape=(n, int(columns.columns.max(initial=-1)) + 1))
    right = z.T @ (x * roots)
    diagonal = 1.0 + (z * z).sum(axis=0)[:, None]
    out, left = np.zeros_like(right), right
    scaled = left / diagonal
    along, size = scaled, np.sum(left * scaled, axis=0)
    enough = _PRECISION**2 * size
    for _ in range(_STEPS):
        if np.all(size <= enough):
            break
        image = z.T @ (z @ along) + along
        step = np.divide(size, np.sum(along * image, axis=0), out=np.zeros_like(size), where=size > enough)
        out, left = out + step * along, left - step * image
        scaled = left / diagonal
        before, size = size, np.sum(left * scaled, axis=0)
        along = scaled + np.divide(size, before, out=np.zeros_like(size), where=before > enough) * along
    return np.asarray(out)
