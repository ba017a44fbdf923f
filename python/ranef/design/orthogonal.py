"""Orthogonal polynomials over a set of points, by their three-term recurrence."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def recurrence(x: Floats, degree: int) -> tuple[Floats, Floats]:
    """Coefficients of the polynomials that are orthogonal over the points `x`.

    Parameters
    ----------
    x : ndarray of shape (n,)
    degree : int
        Highest degree; the points must have more distinct values.

    Returns
    -------
    alpha : ndarray of shape (degree,)
        p[d + 1](t) = (t - alpha[d]) p[d](t) - norm2[d] / norm2[d - 1] p[d - 1](t).
    norm2 : ndarray of shape (degree + 1,)
        Sum of squares of each polynomial over the points.
    """
    # Centred first: far from zero the recurrence would lose digits.
    centre = x.mean()
    t = x - centre
    alpha, norm2 = np.empty(degree), np.empty(degree + 1)
    before, current = np.zeros_like(t), np.ones_like(t)
    norm2[0] = len(t)
    for d in range(degree):
        alpha[d] = (t * current) @ current / norm2[d]
        ratio = norm2[d] / norm2[d - 1] if d else 0.0
        before, current = current, (t - alpha[d]) * current - ratio * before
        norm2[d + 1] = current @ current
    return alpha + centre, norm2


def evaluate(x: Floats, alpha: Floats, norm2: Floats) -> Floats:
    """The orthonormal polynomials of degree 1 and up at any points, as columns."""
    degree = len(alpha)
    out = np.empty((len(x), degree), order="F")
    before, current = np.zeros_like(x), np.ones_like(x)
    for d in range(degree):
        ratio = norm2[d] / norm2[d - 1] if d else 0.0
        before, current = current, (x - alpha[d]) * current - ratio * before
        np.divide(current, np.sqrt(norm2[d + 1]), out=out[:, d])
    return out


def orthogonal_polynomials(x: Floats, degree: int) -> Floats:
    """Orthonormal polynomials of degree 1 to `degree` over distinct points, as columns.

    Every column is made orthogonal to the earlier ones once more, because the recurrence alone
    drifts when the degree nears the number of points.
    """
    t = (x - x.mean()) / max(np.abs(x - x.mean()).max(initial=0.0), np.finfo(float).tiny)
    basis = np.empty((len(t), degree + 1), order="F")
    basis[:, 0] = 1 / np.sqrt(len(t))
    for d in range(1, degree + 1):
        column = t * basis[:, d - 1]
        for _ in range(2):
            column = column - basis[:, :d] @ (basis[:, :d].T @ column)
        basis[:, d] = column / np.linalg.norm(column)
    return basis[:, 1:]
