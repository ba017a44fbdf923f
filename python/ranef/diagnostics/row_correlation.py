"""Correlation that a structure of the rows leaves between normalized residuals: by lag, and by
distance, with the ranges that data from the model have.

Residuals of responses drawn at the estimated covariance parameters are those of anew estimated
fixed and random effects, so that the ranges account for what these take out of the residuals.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranef.design.residual import ResidualRows
from ranef.estimates.residuals import residual_values
from ranef.estimates.whitened_rows import whitened_rows
from ranef.fit.record import MixedFit

Floats = NDArray[np.float64]
Places = NDArray[np.intp]

#: Drawn sets of residuals, fewer where there are so many rows that they take long.
DRAWS, FEWEST_DRAWS, MOST_NUMBERS = 999, 199, 10_000_000

#: Longest lag, most pairs of rows, bins of distances, and pairs that a lag or bin needs.
LONGEST, MOST_PAIRS, BINS, FEWEST_PAIRS = 20, 200_000, 12, 10

#: Share of sets of data from the model within the ranges, at all lags together.
INSIDE = 0.99


@dataclass(frozen=True, slots=True, eq=False)
class LeftCorrelation:
    """Values along lags or distances.

    Attributes
    ----------
    at : (k,) array
        Lags, or mean distances of bins.
    value : (k,) array
        Correlations, or semivariances divided by the variance.
    pairs : (k,) array
        Pairs of rows.
    mean, lower, upper : (k,) array
        Of data from the model; 99 % of them lie within all limits.
    p_value : float
        Chance of a value as far from the mean of data from the model, among all that there are.
    """

    at: Floats
    value: Floats
    pairs: NDArray[np.int64]
    mean: Floats
    lower: Floats
    upper: Floats
    p_value: float

    @property
    def most_striking(self) -> int:
        """The place that lies farthest out."""
        return int(np.argmax(np.abs(self.value - self.mean) / (self.upper - self.mean)))


@dataclass(frozen=True, slots=True, eq=False)
class NormalizedRows:
    """Normalized residuals by block and position, and those of drawn responses.

    Attributes
    ----------
    own : (n,) array
    drawn : (n, m) array
    order : (n,) array
        The row of the fit of each.
    """

    own: Floats
    drawn: Floats
    order: Places


def normalized_rows(fit: MixedFit, generator: np.random.Generator) -> NormalizedRows:
    """Normalized residuals, and drawn ones."""
    system = whitened_rows(fit)
    m = int(np.clip(MOST_NUMBERS // max(fit.nobs, 1), FEWEST_DRAWS, DRAWS))
    own = residual_values(fit, "normalized")[system.order]
    return NormalizedRows(own, system.drawn_residuals(generator, m), system.order)


def row_pairs(rows: ResidualRows, order: Places) -> tuple[Places, Places]:
    """Pairs of rows of a block, numbered along ``order``, near ones first."""
    subject = rows.subject[order]
    first, second, count = [], [], 0
    for step in range(1, rows.most):
        i = np.flatnonzero(subject[:-step] == subject[step:])
        first.append(i)
        second.append(i + step)
        count += len(i)
        if count > MOST_PAIRS:
            break
    return np.concatenate(first), np.concatenate(second)


def autocorrelation(rows: ResidualRows, at: NormalizedRows) -> LeftCorrelation | None:
    """Correlations by lag: whole numbers between positions, or rows between.

    None where no lag has enough pairs.
    """
    c = rows.expr.correlation
    assert c is not None
    first, second = row_pairs(rows, at.order)
    coded = bool(rows.coordinates) and rows.coordinates[0].levels is not None
    if len(rows.coordinates) <= 1 and (coded or c.kind.whole or not rows.coordinates):
        lag = np.round(rows.position[at.order[second], 0] - rows.position[at.order[first], 0]).astype(np.int64)
    else:
        lag = second - first
    near = (lag > 0) & (lag <= LONGEST)
    first, second, lag = first[near], second[near], lag[near]
    counts = np.bincount(lag, minlength=LONGEST + 1)

    def values(e: Floats) -> Floats:
        scale = float(np.mean(e**2))
        return np.bincount(lag, e[first] * e[second], LONGEST + 1)[used] / counts[used] / scale

    used = np.flatnonzero(counts >= FEWEST_PAIRS)
    return _among_draws(used.astype(np.float64), counts[used], values, at)


def semivariogram(rows: ResidualRows, at: NormalizedRows) -> LeftCorrelation | None:
    """Half the mean squared differences of residuals by distance; 1 where nothing is left.

    None where positions are no numbers, or no distances have enough pairs.
    """
    c = rows.expr.correlation
    if c is None or not rows.coordinates or any(k.levels is not None for k in rows.coordinates):
        return None
    first, second = row_pairs(rows, at.order)
    apart = rows.position[at.order[second]] - rows.position[at.order[first]]
    distance = np.abs(apart).sum(axis=1) if c.metric == "manhattan" else np.sqrt((apart**2).sum(axis=1))
    if c.metric == "maximum":
        distance = np.abs(apart).max(axis=1)
    if not len(distance):
        return None
    distinct = np.unique(distance)
    edges = distinct if len(distinct) <= BINS else np.unique(np.quantile(distance, np.linspace(0, 1, BINS + 1)))[:-1]
    place = np.searchsorted(edges, distance, side="right") - 1
    counts = np.bincount(place, minlength=len(edges))
    used = np.flatnonzero(counts >= FEWEST_PAIRS)
    middle = np.bincount(place, distance, len(edges))[used] / counts[used]

    def values(e: Floats) -> Floats:
        return 0.5 * np.bincount(place, (e[first] - e[second]) ** 2, len(edges))[used] / counts[used]

    return _among_draws(middle, counts[used], values, at)


def _among_draws(
    where: Floats, counts: NDArray[np.int64], values: Callable[[Floats], Floats], at: NormalizedRows
) -> LeftCorrelation | None:
    """Values with the ranges of drawn ones."""
    if not len(where):
        return None
    own = values(at.own)
    drawn = np.array([values(e) for e in at.drawn.T])
    mean, deviation = drawn.mean(axis=0), drawn.std(axis=0, ddof=1)
    farthest = np.max(np.abs(drawn - mean) / deviation, axis=1)
    limit = float(np.quantile(farthest, INSIDE))
    observed = float(np.max(np.abs(own - mean) / deviation))
    p = (1 + int(np.sum(farthest >= observed))) / (1 + len(farthest))
    return LeftCorrelation(where, own, counts, mean, mean - limit * deviation, mean + limit * deviation, p)
