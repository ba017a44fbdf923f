"""The criterion of a model without its random terms: by least squares, or at the limit in which all
variances are zero.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranef.design.record import Design
from ranef.fit.generalized import GlmmFit
from ranef.fit.glm_limit import glm_limit
from ranef.fit.record import MixedFit
from ranef.fit.system import response_without_offset

Floats = NDArray[np.float64]

#: Share of the length of a column that earlier ones must leave for it to count as independent.
INDEPENDENT = 1e-7


@dataclass(frozen=True, slots=True)
class WithoutRandom:
    """What is left of a model without its random terms.

    Attributes
    ----------
    npar : int
    objective : float
        REML criterion or -2 log-likelihood.
    converged : bool
    """

    npar: int
    objective: float
    converged: bool


def fit_without_random(fit: MixedFit, design: Design, reml: bool) -> WithoutRandom:
    """Fit the model of a design without its random terms.

    Parameters
    ----------
    fit : MixedFit
        Its family and likelihood are those of the model.
    design : Design
        In a generalized model its fixed effects must be those of the fit. Its random terms are not
        looked at.
    reml : bool
    """
    if isinstance(fit, GlmmFit):
        limit = glm_limit(fit)
        return WithoutRandom(len(limit.beta) + fit.dispersion_estimated, limit.objective, limit.converged)
    return _least_squares(design, reml)


def _least_squares(design: Design, reml: bool) -> WithoutRandom:
    """The linear model of a design without its random terms."""
    x, y = independent_columns(design.x), response_without_offset(design)
    n, p = x.shape
    log_weights = 0.0
    if design.weights is not None:
        root = np.sqrt(design.weights)
        x, y = x * root[:, None], y * root
        log_weights = float(np.log(design.weights).sum())
    log_det = 0.0
    if p:
        q, r = np.linalg.qr(x)
        y = y - q @ (q.T @ y)
        y = y - q @ (q.T @ y)  # once more: what was rounded
        log_det = 2 * float(np.log(np.abs(np.diag(r))).sum())
    df = n - p if reml else n
    objective = df * (1 + math.log(2 * math.pi * float(y @ y) / df)) - log_weights
    return WithoutRandom(p + 1, objective + log_det if reml else objective, True)


def independent_columns(x: Floats) -> Floats:
    """The columns that earlier ones do not determine."""
    if np.linalg.matrix_rank(x / np.where((s := np.sqrt((x * x).sum(axis=0))) > 0, s, 1.0)) == x.shape[1]:
        return x
    kept: list[int] = []
    basis = np.empty((len(x), 0))
    for j in range(x.shape[1]):
        size = math.sqrt(float(x[:, j] @ x[:, j]))
        if not size:
            continue
        left = x[:, j] / size
        for _ in range(2):
            left = left - basis @ (basis.T @ left)
        norm = math.sqrt(float(left @ left))
        if norm > INDEPENDENT:
            kept.append(j)
            basis = np.column_stack([basis, left / norm])
    return x[:, kept]
