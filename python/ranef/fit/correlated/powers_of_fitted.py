"""Powers of fitted values, which are no numbers at zero."""

import numpy as np
from numpy.typing import NDArray

from ranef.design.residual import ResidualRows
from ranef.errors import DataError

Floats = NDArray[np.float64]


def see_that_powers_are_numbers(rows: ResidualRows, values: Floats) -> None:
    """Refuse powers of fitted values of which one is zero."""
    if np.any(values == 0) and any(v.fitted and v.function == "power" for v in rows.variances):
        raise DataError(
            "a fitted value is zero, of which a power cannot be taken: leave out such rows with subset, or use "
            "exponential(fitted)."
        )
