"""Confidence limits from replicates of one quantity."""

from collections.abc import Callable
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from ranef.errors import OptionError

Floats = NDArray[np.float64]

METHODS = ("percentile", "basic", "normal", "bca", "shortest")

_NORMAL = NormalDist()


def quantile(ordered: Floats, alpha: float) -> tuple[float, bool]:
    """Quantile of ordered replicates,
    interpolated on the normal scale (Davison and Hinkley 1997, equation 5.8).

    Parameters
    ----------
    ordered : (n,) array
    alpha : float

    Returns
    -------
    float
    bool
        Whether the replicates do not reach that far, so that their extreme had to be taken.
    """
    n = len(ordered)
    rank = (n + 1) * alpha
    nearest = round(rank)
    if abs(rank - nearest) < 1e-9 * n and 1 <= nearest <= n:
        return float(ordered[nearest - 1]), False
    k = int(np.floor(rank))
    if k < 1 or k >= n:
        return float(ordered[0 if k < 1 else n - 1]), True
    low, at, high = (_NORMAL.inv_cdf(p) for p in (k / (n + 1), alpha, (k + 1) / (n + 1)))
    share = (at - low) / (high - low)
    return float(ordered[k - 1] + share * (ordered[k] - ordered[k - 1])), False


def _percentile(values: Floats, estimate: float, level: float) -> tuple[float, float, bool]:
    tail = (1 - level) / 2
    (low, a), (high, b) = quantile(values, tail), quantile(values, 1 - tail)
    return low, high, a or b


def _basic(values: Floats, estimate: float, level: float) -> tuple[float, float, bool]:
    low, high, extreme = _percentile(values, estimate, level)
    return 2 * estimate - high, 2 * estimate - low, extreme


def _normal(values: Floats, estimate: float, level: float) -> tuple[float, float, bool]:
    half = _NORMAL.inv_cdf(0.5 + level / 2) * float(values.std(ddof=1))
    middle = 2 * estimate - float(values.mean())
    return middle - half, middle + half, False


def _shortest(values: Floats, estimate: float, level: float) -> tuple[float, float, bool]:
    n = len(values)
    gap = max(1, min(n - 1, round(n * level)))
    widths = values[gap:] - values[: n - gap]
    i = int(np.argmin(widths))
    return float(values[i]), float(values[i + gap]), False


_SIMPLE: dict[str, Callable[[Floats, float, float], tuple[float, float, bool]]] = {
    "percentile": _percentile,
    "basic": _basic,
    "normal": _normal,
    "shortest": _shortest,
}


def acceleration(influence: Floats) -> float:
    """Acceleration constant:
    the skewness of the influence values over six times the root of their number (Efron 1987).
    """
    size = float(np.sum(influence**2)) ** 1.5
    return float(np.sum(influence**3)) / (6 * size) if size > 0 else 0.0


def bca_limits(values: Floats, estimate: float, level: float, a: float) -> tuple[float, float, bool]:
    """Bias-corrected and accelerated limits (Efron 1987).

    Parameters
    ----------
    values : (n,) array
        Ordered replicates.
    estimate, level : float
    a : float
        Acceleration.

    Returns
    -------
    lower, upper : float
    extreme : bool
    """
    below = float(np.mean(values < estimate))
    if below in (0.0, 1.0):
        side = "above" if below == 0.0 else "below"
        raise OptionError(
            f"method='bca' needs replicates on both sides of the estimate, and all of them lie {side} it: a bias "
            "correction would be infinite. Use method='percentile' or 'basic'."
        )
    w = _NORMAL.inv_cdf(below)
    limits = []
    extreme = False
    for tail in ((1 - level) / 2, (1 + level) / 2):
        z = w + _NORMAL.inv_cdf(tail)
        limit, beyond = quantile(values, min(max(_NORMAL.cdf(w + z / (1 - a * z)), 0.0), 1.0))
        limits.append(limit)
        extreme |= beyond
    return limits[0], limits[1], extreme


def limits(
    values: Floats, estimate: float, method: str, level: float, influence: Floats | None
) -> tuple[float, float, bool]:
    """Limits of one quantity.

    Parameters
    ----------
    values : (n,) array
        Replicates, all finite.
    estimate : float
    method : {"percentile", "basic", "normal", "bca", "shortest"}
    level : float
    influence : (groups,) array or None
        For ``"bca"``: influence values of the groups.

    Returns
    -------
    lower, upper : float
    extreme : bool
        Whether the level asks for more replicates than there are.
    """
    ordered = np.sort(values)
    if method != "bca":
        return _SIMPLE[method](ordered, estimate, level)
    assert influence is not None
    return bca_limits(ordered, estimate, level, acceleration(influence))
