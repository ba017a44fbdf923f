"""The likelihood that Laplace's approximation stands for,
well enough to say which of two points has the higher one.
"""

from typing import Any

import numpy as np
from scipy import special

from .dense import dense_glmm

#: Draws, and degrees of freedom of the distribution they come from.
DRAWS, DF = 4000, 5.0


def exact_criterion(criterion: Any, v: np.ndarray) -> float:
    """-2 log-likelihood at a point of a generalized criterion: by quadrature where the core has it,
    else by importance sampling around the modes; NaN if neither can be had.

    Parameters
    ----------
    criterion : GeneralizedCriterion
    v : array
    """
    theta, beta, dispersion = criterion.parts(v)
    fit = criterion.fit
    terms = [fit.design.random[s.formula] for s in fit.order.spans]
    k = sum(t.z.shape[1] for t in terms)
    if len({t.group for t in terms}) == 1 and k <= 3:
        try:
            nodes = {1: 41, 2: 15, 3: 9}[k]
            return float(criterion.system.evaluate(theta, beta, dispersion, nodes, fit.curvature, 1).objective)
        except (ValueError, RuntimeError, ArithmeticError):
            return float("nan")
    try:
        with np.errstate(all="ignore"):
            return _sampled(dense_glmm(fit, criterion.theta(v), beta, dispersion, criterion.modes(v)))
    except np.linalg.LinAlgError:
        return float("nan")


def _sampled(dense: Any) -> float:
    """Importance sampling from a multivariate t at the modes."""
    u, hessian = dense.given_mode() or dense.mode()
    root = np.linalg.cholesky(np.linalg.inv(hessian))
    rng, q = np.random.default_rng(1), len(u)
    normal = rng.normal(size=(DRAWS // 2, q))
    normal = np.vstack([normal, -normal])
    scale = np.sqrt(rng.chisquare(DF, DRAWS // 2) / DF)
    t = normal / np.concatenate([scale, scale])[:, None]
    draws = u + t @ root.T
    log_t = (
        special.gammaln((DF + q) / 2)
        - special.gammaln(DF / 2)
        - q / 2 * np.log(DF * np.pi)
        - np.log(np.diag(root)).sum()
        - (DF + q) / 2 * np.log1p((t**2).sum(axis=1) / DF)
    )
    joint = dense.rows(dense.eta0 + draws @ dense.zl.T).sum(axis=1) - (draws**2).sum(axis=1) / 2
    weights = joint - q / 2 * np.log(2 * np.pi) - log_t
    return float(-2 * (special.logsumexp(np.where(np.isfinite(weights), weights, -np.inf)) - np.log(DRAWS)))
