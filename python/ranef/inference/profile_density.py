"""Densities that profiles imply."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

_POINTS = 201


def profile_density(frame: "pd.DataFrame") -> "pd.DataFrame":
    """Turn profiles into densities ``phi(zeta) dzeta/dvalue``.

    If zeta were a straight line of the value this would be the normal density around the estimate.
    A parameter at the edge of its range has less than its whole mass under the curve.

    Parameters
    ----------
    frame : DataFrame
        Columns ``parameter, value, zeta``.

    Returns
    -------
    DataFrame
        Columns ``parameter, value, density``, at even steps of each value, by monotone cubic
        interpolation of zeta (Fritsch and Carlson 1980).
    """
    import pandas as pd
    from scipy.interpolate import PchipInterpolator

    parts = []
    for name, curve in frame.groupby("parameter", sort=False):
        own = curve[["value", "zeta"]].to_numpy(dtype=float)
        own = own[np.isfinite(own).all(axis=1)]
        value, first = np.unique(own[:, 0], return_index=True)
        if len(value) < 3:
            continue
        zeta = PchipInterpolator(value, own[first, 1])
        at = np.linspace(value[0], value[-1], _POINTS)
        density = np.exp(-0.5 * zeta(at) ** 2) / np.sqrt(2 * np.pi) * zeta.derivative()(at)
        parts.append(pd.DataFrame({"parameter": name, "value": at, "density": np.maximum(density, 0.0)}))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["parameter", "value", "density"])
