"""What random effects add to the linear predictor of every row."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def random_part(codes: NDArray[np.int32], z: Floats, b: Floats) -> Floats:
    """Contribution (n,) of one random term to every row; a code of -1 contributes nothing.

    Parameters
    ----------
    codes : (n,) array
    z : (n, k) array
    b : (levels, k) array
    """
    out: Floats
    if b.shape[1] == 1:
        out = b[:, 0][codes] * z[:, 0]
    else:
        out = np.einsum("ij,ij->i", b[codes], z)
    if len(codes) and codes.min() < 0:
        out[codes < 0] = 0.0
    return out
