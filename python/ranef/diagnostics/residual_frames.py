"""Frames behind the pictures of residuals."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.diagnostics.local_trend import local_trend

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]


def trend_frame(fitted: Floats, values: Floats, name: str) -> "pd.DataFrame":
    """Pair fitted values with something of the residuals, and its local mean.

    Parameters
    ----------
    fitted, values : (n,) array
        Rows with NaN are left out.
    name : str
        Column of the values.

    Returns
    -------
    DataFrame
        Columns ``fitted``, the values, and ``trend``: the local mean there, NaN beyond the first
        and last percentile of the fitted values or without a trend.
    """
    import pandas as pd

    known = ~(np.isnan(fitted) | np.isnan(values))
    trend = local_trend(fitted[known], values[known])
    frame = pd.DataFrame({"fitted": fitted[known], name: values[known]})
    frame["trend"] = (
        np.nan if trend is None else np.interp(frame["fitted"], trend.x, trend.y, left=np.nan, right=np.nan)
    )
    return frame


def curve_frame(
    along: Floats, values: Floats, name: str, x: Floats, curve: Floats, centre: float, limit: Floats
) -> "pd.DataFrame":
    """Pair what rows have of something with their values, a curve, and the band in which it stays
    by chance.

    Parameters
    ----------
    along, values : (n,) array
    name : str
        Column of the values.
    x, curve, limit : (m,) array
        The curve, and how far it may be from its centre.
    centre : float

    Returns
    -------
    DataFrame
        Columns ``fitted``, the values, ``trend, lower, upper``; the last three are NaN beyond the
        ends of the curve.
    """
    import pandas as pd

    frame = pd.DataFrame({"fitted": along, name: values})
    for column, points in (("trend", curve), ("lower", centre - limit), ("upper", centre + limit)):
        frame[column] = np.interp(along, x, points, left=np.nan, right=np.nan)
    return frame


def uniform_quantiles(values: Floats, reach: float | None = None) -> "pd.DataFrame":
    """Pair sorted values with the uniform quantiles of their ranks.

    Parameters
    ----------
    values : (n,) array
        Between 0 and 1.
    reach : float, optional
        Distance of the limits from the uniform distribution; without it they are those between
        which 95 % of every ordered uniform lie.

    Returns
    -------
    DataFrame
        Columns ``expected`` (``i / (n + 1)``), ``residual, lower, upper``.
    """
    import pandas as pd
    from scipy.special import betaincinv

    n = len(values)
    ranks = np.arange(1, n + 1)
    expected = ranks / (n + 1)
    if reach is None:
        lower, upper = (betaincinv(ranks, n + 1 - ranks, tail) for tail in (0.025, 0.975))
    else:
        lower, upper = np.maximum(expected - reach, 0.0), np.minimum(expected + reach, 1.0)
    return pd.DataFrame({"expected": expected, "residual": np.sort(values), "lower": lower, "upper": upper})


def local_quartiles(fitted: Floats, values: Floats) -> "pd.DataFrame":
    """Quartiles of values in a window
    that moves along the fitted values and holds 30 % of the rows.

    Returns
    -------
    DataFrame
        Columns ``fitted, residual, q25, q50, q75``, in the order of the fitted values.
    """
    import pandas as pd

    order = np.argsort(fitted, kind="stable")
    frame = pd.DataFrame({"fitted": fitted[order], "residual": values[order]})
    width = max(5, int(0.3 * len(frame)))
    window = frame["residual"].rolling(width, center=True, min_periods=max(3, width // 2))
    for name, q in (("q25", 0.25), ("q50", 0.5), ("q75", 0.75)):
        frame[name] = window.quantile(q)
    # Rows with the same fitted value have the same quartiles.
    columns = ["q25", "q50", "q75"]
    frame[columns] = frame.groupby("fitted")[columns].transform("mean")
    return frame
