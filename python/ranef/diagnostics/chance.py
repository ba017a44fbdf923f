"""What chance gives: a statistic of the data among the same statistic of simulated responses.

Ranks need hundreds of simulations before they can reach a level of 1 %. Where a statistic has a
smooth distribution some dozens do: its logarithm or root is compared with their mean and spread by
Student's t.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: A verdict says "more than chance" below this p-value.
ALPHA = 0.01

#: From so many simulations on ranks can reach the level on both sides.
ENOUGH_FOR_RANKS = 2 / ALPHA


def largest_chance(own: float, simulated: Floats) -> tuple[float, float]:
    """Chance of as large a distance as the data's, and the distance that has the chance 1 %.

    Parameters
    ----------
    own : float
    simulated : (m,) array
        Positive distances.
    """
    from scipy.special import stdtr, stdtrit

    logs = np.log(np.maximum(simulated, np.finfo(float).tiny))
    centre, spread, df = _moments(logs)
    critical = float(np.exp(centre - spread * stdtrit(df, ALPHA)))
    if spread == 0.0:
        return (1.0 if own <= simulated.max() else 0.0), critical
    return float(stdtr(df, (centre - np.log(max(own, np.finfo(float).tiny))) / spread)), critical


def two_sided_chance(own: float, simulated: Floats) -> float:
    """Chance of a value as far out on either side.

    Parameters
    ----------
    own : float
    simulated : (m,) array
        Values of any sign, about normal.
    """
    from scipy.special import stdtr

    centre, spread, df = _moments(simulated)
    if spread == 0.0:
        return float(own == centre)
    return float(2.0 * stdtr(df, -abs(own - centre) / spread))


def count_chance(own: float, simulated: Floats) -> float:
    """Chance of a number as far out on either side: by ranks, or by roots where there are too few
    simulations for them.
    """
    if len(simulated) + 1 >= ENOUGH_FOR_RANKS:
        return two_sided(own, simulated)
    return two_sided_chance(float(np.sqrt(own)), np.sqrt(simulated))


def two_sided(value: float, simulated: Floats) -> float:
    """Twice the smaller tail of a value among simulations, which the value itself is one of."""
    above = np.count_nonzero(simulated >= value) + 1
    below = np.count_nonzero(simulated <= value) + 1
    return float(min(1.0, 2.0 * min(above, below) / (len(simulated) + 1)))


def _moments(values: Floats) -> tuple[float, float, int]:
    """Mean, standard deviation of a further value around it, and degrees of freedom."""
    m = len(values)
    spread = float(np.std(values, ddof=1)) * np.sqrt(1.0 + 1.0 / m)
    return float(np.mean(values)), spread, m - 1
