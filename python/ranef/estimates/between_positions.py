"""Effects between the positions of the fit: their expectation given the effects at these positions,
and what is left of their variance (kriging).

The effect at a place has the covariance c with those at the k positions, whose matrix is C: its
expectation is c'C^-1 times their modes, and c'C^-1 stands in its row of Z.
"""

import numpy as np
from numpy.typing import NDArray

from ranef.fit.order import TermSpan
from ranef.fit.record import MixedFit
from ranef.fit.system import correlation_of_places

Floats = NDArray[np.float64]

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
