"""Averages over the random effects of several linear predictors: means of a new group."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.estimates.included_effects import Mask
from ranef.estimates.prediction_rows import Rows
from ranef.estimates.prediction_variance import covariance_over_predictors

Floats = NDArray[np.float64]

#: A function of the linear predictors by their keys, of rows that may follow each other several
#: times.
Value = Callable[[dict[str, Floats]], Floats]

#: Distance of the nodes of the trapezoidal rule in standard deviations, by the number of uncertain
#: predictors: the error for a mean behind a logit is exp(-2 pi^2 / (distance * sd)).
_DISTANCES = (0.25, 0.5, 0.75)

#: Largest node in standard deviations: the normal density beyond is below 1e-14 of its height.
_FARTHEST = 8.0

#: Least share of a point.
_LEAST = 1e-18

#: Step of differences in a covariance parameter, in its standard error.
_STEP = 1e-3

#: Rows times points that are evaluated in one call.
_BLOCK = 1 << 14


@dataclass(frozen=True, slots=True)
class Points:
    """Points of the random effects at which a function is averaged.

    Attributes
    ----------
    shares : (m,) array
        Of every point.
    nodes : (m, k) array
        Places in standard deviations.
    roots : (n, k, k) array
        By row the displacements of k predictors for one standard deviation.
    keys : list of str
        Those predictors.
    """

    shares: Floats
    nodes: Floats
    roots: Floats
    keys: list[str]

    def average(self, value: Value, etas: dict[str, Floats]) -> Floats:
        """The average (n,) of a function: many points of few rows are one call."""
        n = len(etas["cond"])
        total, size = np.zeros(n), max(1, _BLOCK // max(1, n))
        for first in range(0, len(self.shares), size):
            shares, nodes = self.shares[first : first + size], self.nodes[first : first + size]
            at = {key: np.tile(eta, len(shares)) for key, eta in etas.items()}
            for k, key in enumerate(self.keys):
                at[key] += (nodes @ self.roots[:, k, :].T).ravel()
            total += shares @ value(at).reshape(len(shares), n)
        return total


def grid(nodes: Floats, shares: Floats, dimensions: int) -> tuple[Floats, Floats]:
    """Shares (m,) and nodes (m, k) of the product of a rule with itself."""
    places = np.indices((len(nodes),) * dimensions).reshape(dimensions, -1).T
    return shares[places].prod(axis=1), nodes[places]


class Averages:
    """Averages of functions of the linear predictors over the random effects that are left out, or
    over those of levels that the fit has not seen.
    """

    def __init__(self, fit: Any, rows: Sequence[Rows], masks: Sequence[tuple[Mask, ...]], unseen: bool):
        self.fit, self.rows, self.masks, self.unseen = fit, rows, masks, unseen
        self.keys = [p.key for p in fit.predictors]
        self.points = self._points(fit.whole_theta)

    def _points(self, theta: Floats) -> Points:
        """Points of the predictors that have random effects."""
        covariance = covariance_over_predictors(self.fit, theta, self.rows, self.masks, self.unseen)
        own = [i for i in range(len(self.keys)) if covariance[:, i, i].any()]
        if not own:
            return Points(np.ones(1), np.zeros((1, 0)), np.zeros((len(covariance), 0, 0)), [])
        values, vectors = np.linalg.eigh(covariance[:, own][:, :, own])
        roots = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
        distance = _DISTANCES[min(len(own), len(_DISTANCES)) - 1]
        # exponentials have their weight one standard deviation of the predictor farther out
        farthest = _FARTHEST + float(np.sqrt(max(values.max(), 0.0)))
        nodes = np.arange(-np.ceil(farthest / distance), np.ceil(farthest / distance) + 1) * distance
        shares = np.exp(-0.5 * nodes**2)
        shares /= shares.sum()
        products, places = grid(nodes, shares, len(own))
        kept = products > _LEAST
        return Points(products[kept], places[kept], roots, [self.keys[i] for i in own])

    def of(self, value: Value) -> Value:
        """The same function, averaged."""
        return lambda etas: self.points.average(value, etas)

    def slopes(self, value: Value, etas: dict[str, Floats], errors: Floats) -> Floats:
        """Derivatives (k, n, 1) of the average in all parameters where the linear predictors are
        held: those in covariance parameters, of these standard errors (k,).
        """
        theta = self.fit.whole_theta
        out = np.zeros((len(errors), len(etas["cond"]), 1))
        for j in range(len(theta)):
            step = _STEP * float(errors[j])
            if step == 0.0:
                continue
            ends = []
            for sign in (1.0, -1.0):
                moved = theta.copy()
                moved[j] += sign * step
                ends.append(self._points(moved).average(value, etas))
            out[j, :, 0] = (ends[0] - ends[1]) / (2 * step)
        return out
