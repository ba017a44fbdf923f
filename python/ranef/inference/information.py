"""What the data say of the covariance parameters: their asymptotic covariance, and how the covariance of the fixed effects moves with them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranef.design.record import RandomTerm
from ranef.fit.order import TermSpan, theta_positions
from ranef.fit.record import LmmFit

Floats = NDArray[np.float64]

#: Step of the central differences, in units of the size of a random term. The gradient is exact, so that the error is of the order of its square.
STEP = 3e-4

#: Curvatures below this share of the largest (of the criterion in steps of one size) carry no information.
FLAT = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class VarianceInformation:
    """Covariance parameters as far as degrees of freedom need them.

    The parameters are the free coordinates of the relative factors, with sigma at its optimum for each value of them, and sigma itself. Directions
    without variance are held on the boundary and have no coordinate, so that the others are in the interior of what is left.

    Attributes
    ----------
    covariance : (m, m) array
        Asymptotic covariance of the free coordinates: twice the inverse of the curvature of the criterion with sigma profiled out.
    slopes : (m, p, p) array
        Derivatives of the covariance matrix of the fixed effects along the coordinates, sigma following.
    sigma_df : float
        Residual degrees of freedom of the criterion: n - p by REML, n by maximum likelihood.
    fixed : dict
        For every random term on the boundary, the number of directions held there.
    flat : int
        Number of coordinates about which the criterion says nothing.
    """

    covariance: Floats
    slopes: Floats
    sigma_df: float
    fixed: dict[str, int]
    flat: int


@dataclass(frozen=True, slots=True, eq=False)
class _Coordinate:
    """One free entry of a relative factor: its position in theta, and the step taken along it."""

    position: int
    step: float


def variance_information(fit: LmmFit) -> VarianceInformation:
    """Curvature of the criterion and slopes of the covariance of the fixed effects, by central differences of the core's exact derivatives.

    With sigma at its optimum for every theta, the second derivatives of the criterion in (theta, sigma) need not be formed: the covariance of
    (theta, sigma) splits into that of theta, carried along the profile, and that of sigma at the given theta.

    Parameters
    ----------
    fit : LmmFit

    Returns
    -------
    VarianceInformation
    """
    theta, coordinates = _interior(fit)
    m, p = len(coordinates), len(fit.beta)
    steps = np.array([c.step for c in coordinates])
    curvature = np.empty((m, m))
    slopes = np.empty((m, p, p))
    positions = [c.position for c in coordinates]
    for row, c in enumerate(coordinates):
        ahead, behind = (_state(fit, theta, c.position, sign * c.step) for sign in (1.0, -1.0))
        curvature[row] = (ahead[0] - behind[0])[positions] / (2 * c.step)
        slopes[row] = (ahead[1] - behind[1]) / (2 * c.step)
    scaled = curvature * np.outer(steps, steps)
    inverse, flat = _inverse(0.5 * (scaled + scaled.T))
    covariance = 2.0 * inverse * np.outer(steps, steps)
    nu = fit.nobs - p if fit.reml else fit.nobs
    return VarianceInformation(covariance, slopes, float(nu), dict(fit.convergence.boundary), flat)


def _state(fit: LmmFit, theta: Floats, position: int, step: float) -> tuple[Floats, Floats]:
    """Gradient of the criterion, and covariance of the fixed effects, a step away."""
    moved = theta.copy()
    moved[position] += step
    order = fit.order
    system, core_theta = fit.system.get(fit.n_threads), moved[order.core_of_theta]
    gradient = system.evaluate(core_theta, fit.reml, fit.n_threads)["gradient"]
    solution = system.solution(core_theta, fit.reml, fit.n_threads)
    return gradient[order.theta_of_core], solution["vcov_unscaled"] * solution["sigma2"]


def _inverse(curvature: Floats) -> tuple[Floats, int]:
    """Inverse of a symmetric matrix on the directions in which it is positive, and the number of the others."""
    if not len(curvature):
        return curvature, 0
    values, vectors = np.linalg.eigh(curvature)
    positive = values > FLAT * max(float(values[-1]), 0.0)
    kept = vectors[:, positive]
    return (kept / values[positive]) @ kept.T, int(len(values) - positive.sum())


def _interior(fit: LmmFit) -> tuple[Floats, list[_Coordinate]]:
    """A theta that describes the fit and the coordinates in whose interior it lies.

    A relative factor of rank r < k is turned (which leaves the covariance matrix as it is) so that its last k - r columns are zero; the entries of
    its first r columns then run through the matrices of rank r.
    """
    theta = fit.theta.copy()
    coordinates: list[_Coordinate] = []
    for key, span, term, factor in zip(fit.term_keys, fit.order.spans, fit.terms, fit.relative_factors, strict=True):
        null = fit.convergence.boundary.get(key, 0)
        turned = factor if span.diagonal or not null else _turned(factor, span.size - null)
        sizes = _sizes(fit, term, turned)
        for position, (i, j) in _entries(span):
            theta[position] = turned[i, j]
            if turned[j, j] == 0.0 if span.diagonal else j >= span.size - null:
                continue
            coordinates.append(_Coordinate(position, STEP * float(sizes[i])))
    return theta, coordinates


def _entries(span: TermSpan) -> Iterator[tuple[int, tuple[int, int]]]:
    """Positions in theta with their rows and columns in the relative factor."""
    return zip(range(span.theta_start, span.theta_stop), theta_positions(span), strict=True)


def _turned(factor: Floats, rank: int) -> Floats:
    """Lower triangular factor of the same covariance matrix with zeros after the first ``rank`` columns."""
    out = np.zeros_like(factor)
    if rank:
        u, d, _ = np.linalg.svd(factor)
        out[:, :rank] = np.linalg.qr((u[:, :rank] * d[:rank]).T)[1].T
    return out


def _sizes(fit: LmmFit, term: RandomTerm, factor: Floats) -> Floats:
    """For every effect of a term, the relative standard deviation that would contribute as much as the whole term does."""
    gram: Floats = term.z.T @ term.z / fit.nobs
    whole = np.sqrt(max(float(np.sum((gram @ factor) * factor)), 0.0))
    lengths = np.sqrt(np.diagonal(gram))
    out: Floats = max(whole, 0.01) / np.where(lengths > 0.0, lengths, 1.0)
    return out
