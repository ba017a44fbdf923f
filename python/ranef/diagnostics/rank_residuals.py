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

#: Responses this close to each other are equal, and the least spread of mean residuals.
ROUNDING, LEAST_SPREAD = 1e-12, 1e-12

#: Groups of rows whose mean residuals are compared.
BINS = 10


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

    def uniformity(self) -> tuple[float, float]:
        """Kolmogorov and Smirnov's distance from the uniform distribution,
        and the share of simulations with as large a one.
        """
        own = _distance(np.sort(self.values))
        others = np.array([_distance(np.sort(column)) for column in self.simulated.T])
        return own, _share(own, others)

    def trend(self, along: Floats) -> tuple[float, float, float]:
        """How far the mean residual of neighbouring rows is from 0.5 at most:
        that mean, where it is, and the share of simulations that get as far.
        """
        edges = np.unique(np.quantile(along, np.linspace(0, 1, BINS + 1)))
        bins = np.clip(np.searchsorted(edges, along, side="right") - 1, 0, max(len(edges) - 2, 0))
        counts = np.bincount(bins).astype(np.float64)
        used = counts > 0
        means = np.bincount(bins, self.values)[used] / counts[used]
        others = np.stack([np.bincount(bins, column)[used] for column in self.simulated.T]) / counts[used]
        # Bins with few rows vary more: distances are compared in the spread that simulations have.
        spread = np.maximum(np.sqrt(np.mean((others - 0.5) ** 2, axis=0)), LEAST_SPREAD)
        far = np.abs(means - 0.5) / spread
        at = int(np.argmax(far))
        place = float(np.bincount(bins, along)[used][at] / counts[used][at])
        return float(means[at]), place, _share(float(far[at]), np.max(np.abs(others - 0.5) / spread, axis=1))


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


def _share(own: float, others: Floats) -> float:
    return float((np.count_nonzero(others >= own) + 1) / (len(others) + 1))
