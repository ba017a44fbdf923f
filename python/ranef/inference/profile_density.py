"""Densities that profiles imply."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

_POINTS = 201


def profile_density(frame: "pd.DataFrame") -> "pd.DataFrame":
    """Turn profiles into densities ``phi(zeta) dzeta/dvalue``.

    If zeta were a straight line of the value this would be the normal density around the estimate. A parameter at the edge of its range has less than its
    whole mass under the curve.

    Parameters
    ----------
    frame : DataFrame
        Columns ``parameter, value, zeta``.

    Returns
    -------
    DataFrame
        Columns ``parameter, value, density``, at even steps of each value, by monotone cubic interpolation of zeta (Fritsch and Carlson 1980).
    """
    import pandas as pd
    from scipy.interpolate import PchipInterpolator

    parts = []
    for name, curve in frame.groupby("parameter", sort=False):
        points = curve.groupby("value", as_index=False)["zeta"].mean().sort_values("value")
        points = points[np.isfinite(points["value"]) & np.isfinite(points["zeta"])]
        if len(points) < 3:
            continue
        zeta = PchipInterpolator(points["value"].to_numpy(), points["zeta"].to_numpy())
        at = np.linspace(float(points["value"].iloc[0]), float(points["value"].iloc[-1]), _POINTS)
        density = np.exp(-0.5 * zeta(at) ** 2) / np.sqrt(2 * np.pi) * zeta.derivative()(at)
        parts.append(pd.DataFrame({"parameter": name, "value": at, "density": np.maximum(density, 0.0)}))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["parameter", "value", "density"])
