"""What random effects add to the linear predictor of every row."""

import numpy as np
from numpy.typing import NDArray

from ranef.design.membership import Membership, Places

Floats = NDArray[np.float64]


def random_part(places: Places, z: Floats, b: Floats) -> Floats:
    """Contribution (n,) of one random term to every row; a code of -1 contributes nothing.

    Parameters
    ----------
    places : (n,) array or Membership
        The level of every row, or the levels that it has parts of.
    z : (n, k) array
    b : (levels, k) array
    """
    out: Floats
    if isinstance(places, Membership):
        out = np.einsum("ij,ij->i", places.sums(b), z)
        return out
    if b.shape[1] == 1:
        out = b[:, 0][places] * z[:, 0]
    else:
        out = np.einsum("ij,ij->i", b[places], z)
    if len(places) and places.min() < 0:
        out[places < 0] = 0.0
    return out
