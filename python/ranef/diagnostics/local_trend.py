"""Local mean of one variable along another: straight lines fitted in a moving window."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Least weight of a row in a window, width of a window relative to the place, and spread relative
#: to the second moment, below which all rows are at one place.
LEAST_WEIGHT, NARROW, TINY = 1e-9, 1e-12, 1e-300

#: Points at which the trend is computed.
POINTS = 60


@dataclass(frozen=True, slots=True, eq=False)
class LocalTrend:
    """A smooth curve.

    Attributes
    ----------
    x, y : (m,) array
    """

    x: Floats
    y: Floats


def local_trend(x: Floats, y: Floats, span: float = 0.6) -> LocalTrend | None:
    """Fit straight lines by tricube weights on the nearest ``span``
    of the observations (Cleveland 1979, without robustness steps).

    Parameters
    ----------
    x, y : (n,) array
    span : float
        Share of the observations in each window.

    Returns
    -------
    LocalTrend or None
        From the first to the last percentile of x; None when x has fewer than 10 different values,
        which shows no curve.
    """
    if len(x) < 10 or len(np.unique(x)) < 10:
        return None
    ordered = np.sort(x)
    width = max(10, int(span * len(x)))
    low, high = np.quantile(x, [0.01, 0.99])
    points = np.linspace(low, high, POINTS)
    fitted = np.empty(POINTS)
    for i, at in enumerate(points):
        distances = np.abs(ordered - at)
        reach = max(float(np.partition(distances, width - 1)[width - 1]), NARROW * max(1.0, abs(float(at))))
        near = np.abs(x - at) < reach
        if np.count_nonzero(near) < 3:
            near = np.abs(x - at) <= reach
        u = x[near] - at
        weight = (1 - np.minimum(np.abs(u) / reach, 1.0) ** 3) ** 3 + LEAST_WEIGHT
        total, first, second = weight.sum(), weight @ u, weight @ (u * u)
        spread = total * second - first**2
        if spread > NARROW * total * max(second, TINY):
            rows = weight * (second - first * u) / spread
        else:
            rows = weight / total
        fitted[i] = rows @ y[near]
    return LocalTrend(points, fitted)
