"""Ranks of a response, and of simulated responses, among the simulated ones:
residuals with what chance alone gives.

Residuals of rows of the same group are correlated, so that tests that take them to be independent
reject too often. Here every statistic of the residuals is compared with the same statistic of
responses simulated from the fit.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Responses this close to each other are equal.
ROUNDING = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class RankResiduals:
    """Residuals between 0 and 1.

    Attributes
    ----------
    values : (n,) array
        Of the response.
    simulated : (n, m) array
        Of the simulated responses, each among all of them.
    """

    values: Floats
    simulated: Floats

    def uniformity(self) -> tuple[float, Floats]:
        """Kolmogorov and Smirnov's distance from the uniform distribution,
        and (m,) that of the simulated residuals.
        """
        own = _distance(np.sort(self.values))
        return own, np.array([_distance(column) for column in np.sort(self.simulated, axis=0).T])


def rank_residuals(y: Floats, draws: Floats, rng: np.random.Generator) -> RankResiduals:
    """Rank responses, ties broken at random.

    Parameters
    ----------
    y : (n,) array
    draws : (n, m) array
        Simulated responses.
    rng : Generator
    """
    n, m = draws.shape
    equal = np.isclose(draws, y[:, None], rtol=ROUNDING, atol=ROUNDING)
    below = np.count_nonzero((draws < y[:, None]) & ~equal, axis=1)
    values = (below + rng.uniform(size=n) * (np.count_nonzero(equal, axis=1) + 1)) / (m + 1)
    simulated = np.empty((n, m))
    noise = rng.uniform(size=(n, m))
    order = np.lexsort((noise, draws), axis=1)
    np.put_along_axis(simulated, order, np.broadcast_to(np.arange(m, dtype=np.float64), (n, m)), axis=1)
    return RankResiduals(values, (simulated + rng.uniform(size=(n, m))) / m)


def _distance(ordered: Floats) -> float:
    n = len(ordered)
    ranks = np.arange(n)
    return float(np.max(np.maximum((ranks + 1) / n - ordered, ordered - ranks / n)))
