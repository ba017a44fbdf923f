"""Averages over the random effects of several linear predictors: means of a new group."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.estimates.included_effects import Mask
from ranef.estimates.prediction_rows import Rows
from ranef.estimates.prediction_variance import covariance_over_predictors

Floats = NDArray[np.float64]

#: A function (n,) of the linear predictors by their keys.
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


class Averages:
    """Averages of functions of the linear predictors over the random effects that are left out, or
    over those of levels that the fit has not seen.
    """

    def __init__(self, fit: Any, rows: Sequence[Rows], masks: Sequence[tuple[Mask, ...]], unseen: bool):
        self.fit, self.rows, self.masks, self.unseen = fit, rows, masks, unseen
        self.keys = [p.key for p in fit.predictors]
        self.points = self._points(fit.whole_theta)

    def _points(self, theta: Floats) -> list[tuple[float, dict[str, Floats]]]:
        """Shares, and displacements (n,) of the predictors that have random effects."""
        covariance = covariance_over_predictors(self.fit, theta, self.rows, self.masks, self.unseen)
        own = [i for i in range(len(self.keys)) if covariance[:, i, i].any()]
        if not own:
            return [(1.0, {})]
        values, vectors = np.linalg.eigh(covariance[:, own][:, :, own])
        roots = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
        distance = _DISTANCES[min(len(own), len(_DISTANCES)) - 1]
        # exponentials have their weight one standard deviation of the predictor farther out
        farthest = _FARTHEST + float(np.sqrt(max(values.max(), 0.0)))
        nodes = np.arange(-np.ceil(farthest / distance), np.ceil(farthest / distance) + 1) * distance
        shares = np.exp(-0.5 * nodes**2)
        shares /= shares.sum()
        out = []
        for at in itertools.product(range(len(nodes)), repeat=len(own)):
            share = float(np.prod(shares[list(at)]))
            if share > _LEAST:
                moved = roots @ nodes[list(at)]
                out.append((share, {self.keys[i]: moved[:, k] for k, i in enumerate(own)}))
        return out

    def of(self, value: Value) -> Value:
        """The same function, averaged."""
        return lambda etas: _sum(value, etas, self.points)

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
                ends.append(_sum(value, etas, self._points(moved)))
            out[j, :, 0] = (ends[0] - ends[1]) / (2 * step)
        return out


def _sum(value: Value, etas: dict[str, Floats], points: list[tuple[float, dict[str, Floats]]]) -> Floats:
    total = np.zeros(len(etas["cond"]))
    for share, moved in points:
        total += share * value(etas | {key: etas[key] + shift for key, shift in moved.items()})
    return total
