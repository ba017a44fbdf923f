"""Laplace's approximation and numerical integration of a generalized model by plain dense algebra,
from SciPy's log-densities only.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import stats

from ranef.families.link import LINKS

Density = Callable[[np.ndarray, np.ndarray], np.ndarray]


def log_density(family: str, dispersion: float, weights: np.ndarray) -> Density:
    """Log-density of rows as a function of response and mean, weights as the families take them."""
    if family == "binomial":
        return lambda y, mu: stats.binom.logpmf(np.rint(y * weights), np.rint(weights), mu)
    d = dispersion
    made: dict[str, Callable[[Any], Any]] = {
        "poisson": lambda mu: stats.poisson(mu),
        "nbinom2": lambda mu: stats.nbinom(d, d / (d + mu)),
        "nbinom1": lambda mu: stats.nbinom(mu / d, 1 / (1 + d)),
        "gamma": lambda mu: stats.gamma(1 / d**2, scale=mu * d**2),
        "inverse_gaussian": lambda mu: stats.invgauss(mu * d**2, scale=1 / d**2),
        "gaussian": lambda mu: stats.norm(mu, d),
        "beta": lambda mu: stats.beta(mu * d, (1 - mu) * d),
    }
    discrete = family in ("poisson", "nbinom1", "nbinom2")

    def density(y: np.ndarray, mu: np.ndarray) -> np.ndarray:
        distribution = made[family](mu)
        return np.asarray(weights * (distribution.logpmf(y) if discrete else distribution.logpdf(y)))

    return density


class DenseGlmm:
    """One model with dense Z.

    Parameters
    ----------
    y, eta0 : (n,) arrays
        Response, and the part of the linear predictor without random effects.
    zl : (n, q) array
        Z times the Cholesky factor of the random effects.
    """

    def __init__(
        self,
        family: str,
        link: str,
        dispersion: float,
        weights: np.ndarray,
        y: np.ndarray,
        eta0: np.ndarray,
        zl: np.ndarray,
    ):
        self.density, self.mean = log_density(family, dispersion, weights), LINKS[link].mean
        self.y, self.eta0, self.zl = y, eta0, zl

    def rows(self, eta: np.ndarray) -> np.ndarray:
        """Log-densities."""
        return self.density(self.y, self.mean(eta))

    def derivatives(self, eta: np.ndarray, step: float = 2e-3) -> tuple[np.ndarray, np.ndarray]:
        """First and second derivatives of the log-densities in the linear predictor,
        by differences of order six.
        """
        f = [self.rows(eta + k * step) for k in range(-3, 4)]
        first = (-f[0] + 9 * f[1] - 45 * f[2] + 45 * f[4] - 9 * f[5] + f[6]) / (60 * step)
        second = (2 * f[0] - 27 * f[1] + 270 * f[2] - 490 * f[3] + 270 * f[4] - 27 * f[5] + 2 * f[6]) / (180 * step**2)
        return first, second

    def mode(self) -> tuple[np.ndarray, np.ndarray]:
        """The conditional mode of the spherical effects and the Hessian there."""
        u = np.zeros(self.zl.shape[1])
        for _ in range(200):
            first, second = self.derivatives(self.eta0 + self.zl @ u)
            hessian = self.zl.T @ (-second[:, None] * self.zl) + np.eye(len(u))
            values = np.linalg.eigvalsh(hessian)
            if values[0] <= 0.1:  # far from the mode the observed curvature can be negative
                hessian = hessian + (0.1 - values[0]) * np.eye(len(u))
            step = np.linalg.solve(hessian, self.zl.T @ first - u)
            scale, here = 1.0, self.penalised(u)
            while scale > 1e-12 and not self.penalised(u + scale * step) <= here + 1e-9:
                scale /= 2
            u = u + scale * step
            if np.abs(step).max(initial=0.0) < 1e-10:
                break
        _, second = self.derivatives(self.eta0 + self.zl @ u)
        return u, self.zl.T @ (-second[:, None] * self.zl) + np.eye(len(u))

    def penalised(self, u: np.ndarray) -> float:
        """Minus the log of the joint density of responses and effects,
        without the constant of the latter.
        """
        with np.errstate(all="ignore"):
            value = float(-self.rows(self.eta0 + self.zl @ u).sum() + u @ u / 2)
        return value if np.isfinite(value) else np.inf

    def laplace(self) -> float:
        """-2 log-likelihood by Laplace's approximation."""
        u, hessian = self.mode()
        return 2 * self.penalised(u) + float(np.linalg.slogdet(hessian)[1])

    def exact(self) -> float:
        """-2 log-likelihood by the trapezoidal rule,
        for models whose columns of Z belong to different rows: one scalar effect a group.
        """
        u, hessian = self.mode()
        width = 1 / np.sqrt(np.diagonal(hessian))
        v = u + np.linspace(-14, 14, 4001)[:, None] * width
        with np.errstate(all="ignore"):
            rows = self.rows(self.eta0 + v @ self.zl.T)
        joint = np.where(np.isfinite(rows), rows, -1e200) @ (self.zl != 0) + stats.norm.logpdf(v)
        top = joint.max(axis=0)
        area = np.exp(joint - top).sum(axis=0) * width * 28 / 4000
        return -2 * float((top + np.log(area)).sum())
