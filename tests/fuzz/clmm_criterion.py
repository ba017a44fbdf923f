"""The criterion of models of ordered categories, evaluated by the core at fixed points, and by
dense algebra.
"""

from typing import Any

import numpy as np
from scipy import special

from .components_criterion import ComponentsCriterion
from .criterion import theta_units
from .dense import FromModes, factor_of_z

#: Random effects up to which dense algebra is worth the time, and standard deviations up to which
#: its differences have digits.
MOST, LARGEST = 60, 30.0


class OrdinalCriterion(ComponentsCriterion):
    """-2 log-likelihood.

    The numbers are theta, coefficients of the location in orthonormal columns, threshold parameters
    with nominal effects, and coefficients of the log scale in orthonormal columns.
    """

    def __init__(self, model: Any):
        self.fit = model._fit
        self.order = self.fit.whole.order
        self.system = self.fit.system.get(1)
        self.scaled = theta_units(self.fit.whole)
        self.n_theta = len(self.scaled.units)
        roots = [_root(p.design.x[:, list(p.kept)]) for p in self.fit.predictors]
        self.roots = [roots[0], np.eye(len(self.fit.kept_extras)), *roots[1:]]
        self.sizes = [len(r) for r in self.roots]
        self.size = self.n_theta + sum(self.sizes)
        self.own = self.numbers(self.fit.whole_theta, self.fit.whole_beta)
        self.own_value = float(self.fit.objective)

    def predictors(self, v: np.ndarray) -> list[np.ndarray]:
        """The fixed part (n,) of location and log scale."""
        location, _, scale = self.fit.apart(self.parts(v)[1])
        beta = [location, scale]
        return [p.design.x[:, list(p.kept)] @ b for p, b in zip(self.fit.predictors, beta, strict=False)]

    def likelihood(self, v: np.ndarray) -> tuple[float, float]:
        """-2 log-likelihood where there is quadrature, else NaN; and its error."""
        return self.integrated(v), 0.0


def _root(x: np.ndarray) -> np.ndarray:
    return np.linalg.qr(x, mode="r") / np.sqrt(len(x)) if x.shape[1] else np.zeros((0, 0))


class DenseOrdinal(FromModes):
    """Laplace's approximation with dense Z, from distribution functions of SciPy and NumPy."""

    def __init__(self, model: Any):
        fit = model._fit
        self.link, self.scale = fit.family.link, np.exp(fit.log_scale)
        cuts, y = fit.own_thresholds(), fit.design.y.astype(int)
        ends = np.pad(cuts, ((0, 0), (1, 1)), constant_values=((0, 0), (-np.inf, np.inf)))
        rows = np.arange(len(y))
        self.lower, self.upper = ends[rows, y - 1], ends[rows, y]
        self.eta0 = fit.x @ fit.beta
        self.zl = factor_of_z(fit, fit.theta)
        self.first = np.concatenate([u.ravel() for u in fit.u])

    def derivatives(self, eta: np.ndarray, step: Any = 2e-3) -> tuple[np.ndarray, np.ndarray]:
        """The same by steps in units of the scale of each row."""
        return super().derivatives(eta, step * self.scale)

    def rows(self, eta: np.ndarray) -> np.ndarray:
        """Log-probabilities of the categories, from the tail that is nearer."""
        u, v = (self.upper - eta) / self.scale, (self.lower - eta) / self.scale
        with np.errstate(all="ignore"):
            (below_u, above_u), (below_v, above_v) = log_tails(self.link, u), log_tails(self.link, v)
            by_lower = below_u + np.log(-np.expm1(below_v - below_u))
            by_upper = above_v + np.log(-np.expm1(above_u - above_v))
        return np.asarray(np.where(below_u <= above_v, by_lower, by_upper))


def log_tails(link: str, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Logs of the distribution function of a link and of one less it."""
    if link == "logit":
        return special.log_expit(t), special.log_expit(-t)
    if link == "probit":
        return special.log_ndtr(t), special.log_ndtr(-t)
    if link == "cauchit":
        return tuple(np.log(np.arctan2(1.0, s) / np.pi) for s in (-t, t))
    s = t if link == "cloglog" else -t
    tails = np.log(-np.expm1(-np.exp(s))), -np.exp(s)
    return tails if link == "cloglog" else tails[::-1]


def dense_laplace(model: Any) -> float:
    """-2 log-likelihood at the estimates by Laplace's approximation; NaN where the scale has random
    effects, or dense algebra would take long or has no digits.
    """
    fit = model._fit
    effects = sum(len(t.levels) * t.z.shape[1] for t in fit.whole.design.random)
    far = np.abs(fit.whole_theta * theta_units(fit.whole).units).max(initial=0.0) > LARGEST
    if any(p.design.random for p in fit.others) or effects > MOST or far:
        return float("nan")
    try:
        with np.errstate(all="ignore"):
            return float(DenseOrdinal(model).laplace())
    except np.linalg.LinAlgError:
        return float("nan")
