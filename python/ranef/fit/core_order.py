"""Parameters of the core's order in lme4's."""

import numpy as np
from numpy.typing import NDArray

from ranef.fit.order import TermOrder

Floats = NDArray[np.float64]


def places_in_core(order: TermOrder, size: int) -> NDArray[np.intp] | None:
    """Where the core keeps each parameter of lme4's order, theta first; None where both orders are
    the same.
    """
    of_core, m = order.theta_of_core, order.n_theta
    if of_core.tolist() == list(range(m)):
        return None
    return np.concatenate([of_core, np.arange(m, max(m, size))]).astype(np.intp)


def placed(values: Floats | None, place: NDArray[np.intp] | None) -> Floats | None:
    """A vector or a square matrix over the parameters, in lme4's order."""
    if values is None or place is None:
        return values
    out: Floats = values[place] if values.ndim == 1 else values[np.ix_(place, place)]
    return out
