"""Smooth curves with a band that holds at all points together."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Fewer different values than this show no curve.
FEWEST_VALUES = 10

#: Shares of the rows below the knots of the spline.
KNOTS = (0.05, 0.275, 0.5, 0.725, 0.95)

#: Shares of the rows between which curves are looked at, and the number of points.
RANGE, POINTS = (0.01, 0.99), 40

#: Draws of the largest distance of any curve from zero, and their seed: the result does not depend
#: on chance.
DRAWS, SEED = 10_000, 20

#: Level of the band: a curve leaves it where its p-value is below 1 %.
LEVEL = 0.99

#: Standard errors below this share of the largest are rounding.
LEAST_ERROR = 1e-5

#: Least tail of a distribution that is looked at.
LEAST_TAIL = 1e-300


@dataclass(frozen=True, slots=True, eq=False)
class SplineBasis:
    """Columns of a natural cubic spline with five knots at quantiles of the rows, which is straight
    beyond the outer ones.

    Attributes
    ----------
    line, curved : (n, 2), (n, 3) array
        The straight part, and the curved columns.
    grid : (m,) array
        Points between the first and the last percentile of the rows, with as many rows between
        neighbours.
    grid_line, grid_curved : (m, 2), (m, 3) array
        The same columns at these points.
    """

    line: Floats
    curved: Floats
    grid: Floats
    grid_line: Floats
    grid_curved: Floats


def spline_basis(x: Floats) -> SplineBasis | None:
    """Make the columns; None with fewer than ten different values, which show no curve.

    Parameters
    ----------
    x : (n,) array
    """
    different = np.unique(x)
    if len(different) < FEWEST_VALUES:
        return None
    knots = np.unique(np.quantile(x, KNOTS))
    if len(knots) < len(KNOTS):
        # Values that many rows share would leave too few knots.
        knots = np.quantile(different, KNOTS)
    grid = np.unique(np.quantile(x, np.linspace(*RANGE, POINTS)))
    return SplineBasis(_line(x, knots), _curved(x, knots), grid, _line(grid, knots), _curved(grid, knots))


def _line(x: Floats, knots: Floats) -> Floats:
    return np.column_stack([np.ones(len(x)), (x - knots[0]) / (knots[-1] - knots[0])])


def _curved(x: Floats, knots: Floats) -> Floats:
    cubes = np.maximum((x[:, None] - knots) / (knots[-1] - knots[0]), 0.0) ** 3
    ends = (cubes - cubes[:, -1:])[:, :-1] / (knots[-1] - knots[:-1])
    return np.asarray((ends[:, :-1] - ends[:, -1:]) * (knots[-1] - knots[0]))


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """A curve that is a combination of coefficients.

    Attributes
    ----------
    coefficients : (k,) array
        Positions of its coefficients among all.
    weights : (m, k) array
        What each point takes of them.
    df : (m,) array
        Degrees of freedom of each point; infinite where its distribution is normal.
    """

    coefficients: NDArray[np.intp]
    weights: Floats
    df: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Band:
    """What chance does to several curves whose coefficients are zero.

    Attributes
    ----------
    number : int
        The curve that lies farthest from zero in standard errors.
    y, limit : (m,) array
        That curve, and so far from zero all points of all curves stay with the probability 0.99.
    p_value : float
        Chance of any point of any curve as far from zero.
    """

    number: int
    y: Floats
    limit: Floats
    p_value: float


def band(values: Floats, covariance: Floats, curves: list[Curve]) -> Band:
    """Compare curves with what chance gives.

    A distance with few degrees of freedom counts as the normal one with the same tail, and the
    largest of all is compared with that of normal draws.

    Parameters
    ----------
    values : (k,) array
        All coefficients.
    covariance : (k, k) array
        Of them.
    curves : list of Curve
    """
    from scipy.special import ndtr, ndtri, stdtr, stdtrit

    root = np.linalg.cholesky(covariance)
    draws = np.random.default_rng(SEED).standard_normal((DRAWS, len(values)))
    farthest = np.zeros(DRAWS)
    found = []
    for curve in curves:
        spread = curve.weights @ root[curve.coefficients]
        error = np.linalg.norm(spread, axis=1)
        seen = error > LEAST_ERROR * error.max(initial=0.0)
        y = curve.weights @ values[curve.coefficients]
        ratio = np.abs(y[seen]) / error[seen]
        df = np.minimum(curve.df, 1e9)
        size = -ndtri(np.maximum(stdtr(df[seen], -ratio), LEAST_TAIL))
        np.maximum(
            farthest, np.abs(draws @ (spread[seen] / error[seen, None]).T).max(axis=1, initial=0.0), out=farthest
        )
        found.append((float(size.max(initial=0.0)), y, error, df))
    critical = float(np.quantile(farthest, LEVEL))
    number = int(np.argmax([f[0] for f in found]))
    size, y, error, df = found[number]
    p = (np.count_nonzero(farthest >= size) + 1) / (DRAWS + 1)
    return Band(number, y, error * -stdtrit(df, ndtr(-critical)), float(p))
