"""Distributions of the largest of several t statistics:
Tukey's range of independent means, and the multivariate t of any contrasts.

Both are integrals over distributions that are known, so that probabilities come without simulation
error that would change from call to call, for any (also infinite, also fractional) degrees of
freedom.
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Distance of uniform numbers from 0 and 1, where normal quantiles are infinite.
EDGE = 1e-12

#: Eigenvalues of a correlation matrix below this share of the largest are zero.
RANK = 1e-10

#: Accuracy of quantiles.
ACCURACY = 1e-11

#: Directions over which the distribution of the largest |t| is averaged, a power of two.
DIRECTIONS = 2**18

#: Into how many values their results are gathered, each the mean of neighbours.
GATHERED = 2**11

#: Degrees of freedom from which the standard error counts as known.
MANY = 1e7


class _Rule(NamedTuple):
    nodes: Floats
    weights: Floats


@cache
def _legendre(n: int) -> _Rule:
    """Gauss and Legendre's rule on (-1, 1)."""
    return _Rule(*np.polynomial.legendre.leggauss(n))


def range_tail(q: float, count: int, df: float) -> float:
    """Probability that the studentized range of independent means is larger.

    Parameters
    ----------
    q : float
    count : int
        Number of means.
    df : float
        Degrees of freedom of the standard error; inf where it is known.

    Returns
    -------
    float
    """
    from scipy.special import gammaln, ndtr

    if not q > 0.0:
        return 1.0
    rule = _legendre(128)
    # The density of the smallest mean, and the chance that the others lie within w above it: k ∫
    # phi(z) (Phi(z + w) - Phi(z))^(k-1) dz.
    z = 9.0 * rule.nodes
    density = 9.0 * rule.weights * np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)

    def inside(w: Floats) -> Floats:
        chance = ndtr(z[np.newaxis, :] + w[:, np.newaxis]) - ndtr(z)[np.newaxis, :]
        out: Floats = count * (chance ** (count - 1) @ density)
        return out

    if not df < MANY:
        return float(np.clip(1.0 - inside(np.array([q]))[0], 0.0, 1.0))
    # The standard error divided by its expectation is sqrt(chi² / df); its logarithm has a smooth
    # density with light tails on both sides. These limits leave out less than e^-36 of its largest
    # value.
    c = 36.0 / df
    low, high = -(1.3 * np.sqrt(c) + c), min(np.sqrt(c), 1.0 + 0.5 * np.log1p(2.0 * c))
    t = low + (high - low) * 0.5 * (rule.nodes + 1.0)
    log_density = np.log(2.0) + 0.5 * df * np.log(0.5 * df) - gammaln(0.5 * df) + df * t - 0.5 * df * np.exp(2.0 * t)
    weights = 0.5 * (high - low) * rule.weights * np.exp(log_density)
    return float(np.clip(weights @ (1.0 - inside(q * np.exp(t))) / weights.sum(), 0.0, 1.0))


def range_quantile(probability: float, count: int, df: float) -> float:
    """Value that the studentized range exceeds with a probability."""
    return _solve(lambda q: range_tail(q, count, df), probability)


@cache
def _sphere(dimension: int) -> Floats:
    """Directions spread evenly over a sphere, the same in every call."""
    if dimension == 2:
        angle = np.pi * (np.arange(DIRECTIONS) + 0.5) / DIRECTIONS
        return np.column_stack([np.cos(angle), np.sin(angle)])
    from scipy.special import ndtri
    from scipy.stats import qmc

    points = (
        qmc.Sobol(dimension, scramble=True, rng=20) if _takes_rng() else qmc.Sobol(dimension, scramble=True, seed=20)
    )
    normal = ndtri(np.clip(points.random(DIRECTIONS), EDGE, 1.0 - EDGE))
    out: Floats = normal / np.sqrt(np.einsum("ij,ij->i", normal, normal))[:, np.newaxis]
    return out


@cache
def _takes_rng() -> bool:
    import inspect

    from scipy.stats import qmc

    return "rng" in inspect.signature(qmc.Sobol.__init__).parameters


class LargestT:
    """Distribution of the largest absolute value of statistics that are jointly t.

    A vector of r independent normals has a direction and a length that are independent. Given the
    direction, the largest of the statistics is a multiple of the length, whose square has an F
    distribution; what is left is to average over the directions. This holds for any correlation,
    singular ones too.

    Parameters
    ----------
    correlation : (k, k) array
    signed : bool
        Whether it is the largest of the statistics themselves, and not of their absolute values.
    """

    def __init__(self, correlation: Floats, signed: bool = False):
        values, vectors = np.linalg.eigh(correlation)
        kept = values > RANK * values[-1]
        factor = vectors[:, kept] * np.sqrt(values[kept])
        self.rank = int(kept.sum())
        self.signed = signed
        # Every direction and its opposite, as often as each other.
        half = np.ones((1, 1)) if self.rank == 1 else _sphere(self.rank)
        of = half @ factor.T
        largest = np.concatenate([of.max(axis=1), (-of).max(axis=1)]) if signed else np.abs(of).max(axis=1)
        gathered = min(GATHERED, len(largest))
        self._largest = np.sort(largest).reshape(gathered, -1).mean(axis=1)

    def tail(self, t: float, df: float) -> float:
        """Probability that some statistic is larger (in absolute value)."""
        from scipy.special import chdtrc, fdtrc

        if not self.signed and not t > 0.0:
            return 1.0
        with np.errstate(divide="ignore", invalid="ignore"):
            squares = (t / self._largest) ** 2
        r = self.rank
        beyond = fdtrc(r, df, squares / r) if df < MANY else chdtrc(r, squares)
        # In a direction where the largest is negative, it comes to lie below t if the length is
        # beyond.
        found = np.where(self._largest > 0, beyond, 0.0) if t > 0 else np.where(self._largest < 0, 1.0 - beyond, 1.0)
        return float(np.mean(found))

    def quantile(self, probability: float, df: float) -> float:
        """Value that the largest exceeds with a probability."""
        return _solve(lambda t: self.tail(t, df), probability)


def _solve(tail: Callable[[float], float], probability: float) -> float:
    """Invert a decreasing function of a positive number."""
    from scipy.optimize import brentq

    high = 4.0
    while tail(high) > probability:
        high *= 2.0
        if high > 1e8:
            return float("inf")
    return float(brentq(lambda q: tail(q) - probability, 0.0, high, xtol=ACCURACY, rtol=ACCURACY))
