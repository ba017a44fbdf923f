"""Effects between the positions of the fit: their expectation given the effects at these positions,
and what is left of their variance (kriging).

The effect at a place has the covariance c with those at the k positions, whose matrix is C: its
expectation is c'C^-1 times their modes, and c'C^-1 stands in its row of Z.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranef.fit.order import TermSpan
from ranef.fit.record import MixedFit
from ranef.fit.system import correlation_of_places

Floats = NDArray[np.float64]
Codes = NDArray[np.int32]

#: Places at a time.
TOGETHER = 500
#: What the core adds to the diagonal of C.
JITTER = 1e-10


def weights_between(fit: MixedFit, span: TermSpan, places: Floats) -> tuple[Floats, Floats]:
    """Rows (r, k) of Z at places (r, d), and the variance (r,) that is left of the effects there,
    in the unit of theta.
    """
    name, d, values, *options = fit.design.random[span.formula].structure.split(":")
    known = np.array(values.split(","), dtype=np.float64).reshape(-1, int(d))
    k = len(known)
    own = fit.theta[span.theta_start : span.theta_stop]
    z = np.ascontiguousarray(own[1:])
    among = correlation_of_places(name, z, known, options) + JITTER * np.eye(k)
    rows, left = np.zeros((len(places), k)), np.zeros(len(places))
    for begin in range(0, len(places), TOGETHER):
        part = slice(begin, begin + TOGETHER)
        across = correlation_of_places(name, z, np.vstack([known, places[part]]), options)[:k, k:]
        rows[part] = np.linalg.solve(among, across).T
        left[part] = np.maximum(1.0 - np.einsum("ij,ji->i", rows[part], across), 0.0)
    return rows, left * float(own[0]) ** 2


@dataclass(frozen=True, slots=True, eq=False)
class LeftBetween:
    """What effects at some places have beside those at the positions of the fit, for draws.

    Attributes
    ----------
    n : int
        Number of all rows.
    groups : tuple of (rows, place of each row, root)
        Of every level its rows at such places, and a root of the covariance of the places.
    """

    n: int
    groups: tuple[tuple[NDArray[np.intp], NDArray[np.intp], Floats], ...]

    def draw(self, generator: np.random.Generator) -> Floats:
        """Effects (n,), zero in all other rows; those of one place of a level are the same."""
        out = np.zeros(self.n)
        for rows, places, root in self.groups:
            out[rows] = (root @ generator.standard_normal(root.shape[1]))[places]
        return out


def left_between(fit: MixedFit, span: TermSpan, rows: NDArray[np.intp], where: Floats, levels: Codes) -> LeftBetween:
    """The covariance of effects at places given those at the positions of the fit.

    Parameters
    ----------
    fit : MixedFit
    span : TermSpan
    rows : (r,) array
        Rows at other places.
    where : (r, d) array
        These places.
    levels : (n,) array
        Level of every row.
    """
    name, d, values, *options = fit.design.random[span.formula].structure.split(":")
    known = np.array(values.split(","), dtype=np.float64).reshape(-1, int(d))
    k = len(known)
    own = fit.theta[span.theta_start : span.theta_stop]
    z = np.ascontiguousarray(own[1:])
    groups = []
    for level in np.unique(levels[rows]):
        mine = np.flatnonzero(levels[rows] == level)
        places, at = np.unique(where[mine], axis=0, return_inverse=True)
        c = correlation_of_places(name, z, np.vstack([known, places]), options)
        across = c[:k, k:]
        left = c[k:, k:] - across.T @ np.linalg.solve(c[:k, :k] + JITTER * np.eye(k), across)
        values_of, vectors = np.linalg.eigh(left)
        root = vectors * np.sqrt(np.maximum(values_of, 0.0)) * abs(float(own[0])) * fit.random_scale
        groups.append((rows[mine], at.reshape(-1), root))
    return LeftBetween(len(levels), tuple(groups))
