"""Whether new rows can be predicted by a fit that dropped linearly dependent columns."""

import numpy as np
from numpy.typing import NDArray

from ranef.fit.record import MixedFit

Floats = NDArray[np.float64]

TOLERANCE = 1e-6


def not_estimable(fit: MixedFit, x: Floats) -> int:
    """Count the new rows whose fixed part the data of the fit do not determine.

    Parameters
    ----------
    fit : MixedFit
    x : (m, columns of the design) array
        All columns, the dropped ones too; NaN in rows that cannot be predicted anyway.
    """
    return int(np.any(departures(fit, x) > 1.0, axis=1).sum())


def departures(fit: MixedFit, x: Floats) -> Floats:
    """How far rows are from what the data of the fit determine.

    In the data of the fit the dropped columns are linear combinations of those kept. Where new rows
    break that relation, their fixed part depends on which columns were dropped.

    Parameters
    ----------
    fit : MixedFit
    x : (m, columns of the design) array
        All columns, the dropped ones too; or combinations of such rows.

    Returns
    -------
    (m, dropped columns) array
        Distances from the relation of each dropped column, as multiples of what rounding can cause:
        estimable rows have none above 1.
    """
    kept = list(fit.kept)
    dropped = [j for j in range(x.shape[1]) if j not in fit.kept]
    if not dropped:
        return np.zeros((len(x), 0))
    relation = np.linalg.lstsq(fit.design.x[:, kept], fit.design.x[:, dropped], rcond=None)[0]
    broken = np.abs(x[:, dropped] - x[:, kept] @ relation)
    size = np.abs(x[:, dropped]) + np.abs(x[:, kept]) @ np.abs(relation) + np.abs(fit.design.x[:, dropped]).mean(axis=0)
    # A column of zeros has no size, and rows that leave it so do not depart from it.
    out: Floats = broken / np.where(size > 0.0, TOLERANCE * size, 1.0)
    return out
