"""Labels of rows: results come back with the index of the input and,
with ``na_action="exclude"``, at its length.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.fit.record import MixedFit

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]


def padded(fit: MixedFit, values: Floats) -> Floats:
    """Put values of the rows used (first axis) at their place among the input rows,
    NaN elsewhere, when the fit excludes missing rows.
    """
    d = fit.design
    if d.na_action != "exclude" or d.kept is None:
        return values
    out = np.full((d.n_input, *values.shape[1:]), np.nan)
    out[d.kept] = values
    return out


def row_index(fit: MixedFit) -> "pd.Index":
    """Labels that go with :func:`padded` values:
    those of the input frame, or row numbers from 0.
    """
    import pandas as pd

    d = fit.design
    index = pd.RangeIndex(d.n_input) if d.row_index is None else d.row_index
    if d.kept is None or d.na_action == "exclude":
        return index
    return index[d.kept]


def row_series(fit: MixedFit, values: Floats, name: str) -> "pd.Series[float]":
    """Label one value for each row used."""
    import pandas as pd

    return pd.Series(padded(fit, values), index=row_index(fit), name=name, copy=True)
