"""Marginal means of a response that several linear predictors describe, zeros included."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.inference.marginal_means.estimands import Estimands
from ranef.inference.marginal_means.given import by_delta_method, check_grid, means_of_given
from ranef.inference.marginal_means.grid import ReferenceGrid
from ranef.inference.marginal_means.specs import Specs

Floats = NDArray[np.float64]


def whole_means(fit: Any, grid: ReferenceGrid, specs: Specs, weights: object) -> Estimands:
    """Average the mean of the response over a grid of the variables of all predictors, by the delta
    method over all fixed effects.

    Parameters
    ----------
    fit : MixedFit
        Of several linear predictors.
    grid : ReferenceGrid
        Made with all of them.
    specs : Specs
    weights : str
        As of `marginal_means`.
    """
    check_grid(grid, weights, "component='response'")
    first = np.concatenate([[0], np.cumsum([len(p.beta) for p in fit.predictors])])
    ones = np.ones(len(grid.index))

    def mean(beta: Floats) -> Floats:
        eta: dict[str, Floats] = {}
        for i, (p, (x, offset)) in enumerate(zip(fit.predictors, grid.predictors, strict=True)):
            own = beta[first[i] : first[i + 1]]
            eta[p.key] = x[:, list(p.kept)] @ own + offset + (p.held or 0.0)
        out: Floats = fit.moments_at(eta.pop("cond"), eta, ones)[0]
        return out

    k, m = len(fit.whole_beta), len(fit.whole_theta)
    covariance = np.full((k, k), np.nan) if fit.whole_vcov is None else fit.whole_vcov[m:, m:]
    found = by_delta_method(mean, fit.whole_beta, covariance)
    return means_of_given(grid, specs, weights, found, "response", specs.names, fit.cluster_df)
