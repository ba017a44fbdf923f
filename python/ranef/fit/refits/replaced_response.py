"""The response of a model made by ``refit``."""

import numpy as np
from numpy.typing import NDArray

from ranef.design.record import Design
from ranef.errors import DataError


def replaced_response(response: NDArray[np.float64], design: Design) -> NDArray[np.float64]:
    """The response of a model made by ``refit`` in the rows that are used."""
    y = response if design.kept is None else response[design.kept]
    if len(response) != design.n_input or np.isnan(y).any():
        raise DataError(
            "this model was made by refit, whose response has no value for some of the rows now used; give data= with "
            "a response column."
        )
    return np.ascontiguousarray(y)
