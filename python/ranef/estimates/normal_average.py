"""Averages over normal random effects: of a mean, of its slope, and of a distribution function.

However many random effects a row has, crossed, nested or correlated, its linear predictor is normal
around the fixed part with one variance, so that all averages are integrals over one variable. The
identity, log, square root and probit links have theirs in closed form, and the inverse link its
principal value.

For the others the trapezoidal rule converges as fast as the integrand allows, in terms of the strip
around the real line in which the inverse link is analytic: with a step of h on the scale of the
linear predictor and a strip of half-width a the error is about ``exp(-2 pi a / h)``. The steps
below make that 1e-14, whatever the variance. (Gauss and Hermite's rule has a fixed number of nodes
for all variances: with 41 of them, and a standard deviation of 12, their distance is larger than
the width of the step from probability 0 to 1.)
"""

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ranef.families.link import LINKS, Link

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Mask = NDArray[np.bool_]

#: Standard deviations on either side: what is beyond has the probability 1e-19.
REACH = 9.0

#: Largest step on the scale of the linear predictor: the logistic function has its poles at a
#: distance of pi, the two extreme-value distributions stay bounded up to a distance of pi / 2, and
#: the arc tangent has its poles at 1.
STEP = {"logit": 0.6, "cloglog": 0.3, "loglog": 0.3, "cauchit": 0.2}

#: Beyond this predictor the means of the links with exponential tails are 0 or 1 up to 1e-17.
TAIL = 40.0

#: From this standard deviation on it takes fewer nodes to go through all predictors with a mean
#: that is neither 0 nor 1 than through the distribution.
WIDE = 4.0

#: A mean that is one over something has no average if that something can be zero. Beyond three
#: standard deviations from there the probability (0.0013) is left out of account.
POSSIBLE = 3.0

#: Numbers in one block of rows by nodes.
BLOCK = 2_000_000

#: A distribution function is 0 or 1 up to this.
EDGE = 1e-10

#: Halvings of the whole range, to find where a distribution function changes: to 1/3600 of a
#: standard deviation.
BISECTIONS = 16

Function = Callable[[Floats], Floats]


def average_mean(link: Link, eta: Floats, sd: Floats) -> Floats:
    """Average of the mean over a normal linear predictor.

    Parameters
    ----------
    link : Link
    eta : (m,) array
        Expectations of the linear predictor.
    sd : (m,) array
        Its standard deviations.

    Returns
    -------
    (m,) array
        NaN where there is none: with an inverse link and a linear predictor less than three
        standard deviations from zero.
    """
    from scipy.special import ndtr

    eta, sd = _pair(eta, sd)
    match link.name:
        case "identity":
            return eta.copy()
        case "log":
            return np.asarray(np.exp(eta + 0.5 * sd**2))
        case "sqrt":
            return eta**2 + sd**2
        case "probit":
            return np.asarray(ndtr(eta / np.sqrt(1.0 + sd**2)))
        case "inverse":
            return _inverse(link, eta, sd)[0]
        case "inverse_squared":
            return _inverse_root(link, eta, sd)[0]
    return _trapezoid(link, link.mean, eta, sd, sigmoid=True)


def average_predictor(link: Link, eta: Floats, sd: Floats) -> Floats:
    """The linear predictor of `average_mean`,
    also where the mean is so close to 1 that it cannot be told from it.

    Parameters
    ----------
    link : Link
    eta, sd : (m,) arrays

    Returns
    -------
    (m,) array
    """
    eta, sd = _pair(eta, sd)
    with np.errstate(divide="ignore"):
        match link.name:
            case "probit":
                return np.asarray(eta / np.sqrt(1.0 + sd**2))
            case "log":
                return np.asarray(eta + 0.5 * sd**2)
            case "logit" | "cauchit":
                return np.asarray(np.where(eta > 0, -1.0, 1.0) * link.predictor(average_mean(link, -np.abs(eta), sd)))
            case "cloglog" | "loglog":
                # What is left to 1 is the mean of the other one.
                mean = average_mean(link, eta, sd)
                rest = average_mean(LINKS["loglog" if link.name == "cloglog" else "cloglog"], -eta, sd)
                low = link.predictor(np.minimum(mean, 0.5))
                high = np.log(-np.log(rest)) if link.name == "cloglog" else -np.log(-np.log1p(-rest))
                return np.where(mean > 0.5, high, low)
    return link.predictor(average_mean(link, eta, sd))


def average_slope(link: Link, eta: Floats, sd: Floats) -> Floats:
    """Derivative of `average_mean` in the expectation of the linear predictor.

    Parameters
    ----------
    link : Link
    eta, sd : (m,) arrays

    Returns
    -------
    (m,) array
    """
    eta, sd = _pair(eta, sd)
    match link.name:
        case "identity":
            return np.ones_like(eta)
        case "log":
            return np.asarray(np.exp(eta + 0.5 * sd**2))
        case "sqrt":
            return 2.0 * eta
        case "probit":
            total = np.sqrt(1.0 + sd**2)
            return np.asarray(link.slope(eta / total) / total)
        case "cauchit":
            from scipy.special import voigt_profile

            return np.asarray(voigt_profile(eta, sd, 1.0))
        case "inverse":
            return _inverse(link, eta, sd)[1]
        case "inverse_squared":
            return _inverse_root(link, eta, sd)[1]
    return _trapezoid(link, link.slope, eta, sd, sigmoid=False)


def _pair(eta: Floats, sd: Floats) -> tuple[Floats, Floats]:
    return np.asarray(eta, dtype=np.float64), np.broadcast_to(np.asarray(sd, dtype=np.float64), np.shape(eta))


def _trapezoid(link: Link, function: Function, eta: Floats, sd: Floats, *, sigmoid: bool) -> Floats:
    """The average by the trapezoidal rule;
    ``sigmoid`` for a mean, which goes from 0 to 1, and not for a slope, which is 0 on both sides.
    """
    out = np.empty_like(eta)
    step = STEP[link.name]
    # The arc tangent has no exponential tails, and its slope is in closed form. Beyond sd² most of
    # a mean comes from where it is an exponential function.
    wide = (sd > WIDE) & (np.abs(eta) < sd**2) & (link.name != "cauchit")
    _through_predictors(function, step, eta, sd, wide, out, sigmoid)
    with np.errstate(divide="ignore"):
        halvings = np.maximum(np.ceil(np.log2(0.5 * sd / step)), 0.0)
    for k in np.unique(halvings[~wide]).tolist():
        _through_distribution(function, 0.5 / 2.0**k, eta, sd, np.flatnonzero(~wide & (halvings == k)), out)
    return out


def _through_distribution(function: Function, step: float, eta: Floats, sd: Floats, rows: Ints, out: Floats) -> None:
    """Nodes at equal distances of the standard normal variable."""
    if not len(rows):
        return
    # An exponential tail moves the middle of the integrand by the standard deviation; beyond 38 the
    # density is zero.
    reach = min(REACH + float(sd[rows].max()), 38.0)
    count = int(np.ceil(reach / step))
    nodes = step * np.arange(-count, count + 1)
    weights = np.exp(-0.5 * nodes**2)
    weights /= weights.sum()
    size = max(1, BLOCK // len(nodes))
    for start in range(0, len(rows), size):
        at = rows[start : start + size]
        out[at] = function(eta[at, None] + sd[at, None] * nodes) @ weights


def _through_predictors(
    function: Function, step: float, eta: Floats, sd: Floats, wide: Mask, out: Floats, sigmoid: bool
) -> None:
    """Nodes at equal distances of the linear predictor, the same for all rows.

    Of a mean the distribution function of a normal variable is taken off, whose average is in
    closed form; what is left vanishes on both sides.
    """
    from scipy.special import ndtr

    count = int(np.ceil(TAIL / step))
    nodes: Floats = step * np.arange(-count, count + 1, dtype=np.float64)
    values = function(nodes)
    if sigmoid:
        values = values - ndtr(nodes)
    rows = np.flatnonzero(wide)
    size = max(1, BLOCK // len(nodes))
    for start in range(0, len(rows), size):
        at = rows[start : start + size]
        z = (nodes - eta[at, None]) / sd[at, None]
        out[at] = np.exp(-0.5 * z**2) @ values * (step / np.sqrt(2.0 * np.pi)) / sd[at]
        if sigmoid:
            out[at] += ndtr(eta[at] / np.sqrt(1.0 + sd[at] ** 2))


def _inverse(link: Link, eta: Floats, sd: Floats) -> tuple[Floats, Floats]:
    """Average of one over the predictor, as a principal value,
    which is Dawson's integral, and its derivative.
    """
    from scipy.special import dawsn

    with np.errstate(divide="ignore", invalid="ignore"):
        z = eta / (np.sqrt(2.0) * sd)
        integral = dawsn(z)
        mean = np.sqrt(2.0) / sd * integral
        # The series where the difference loses digits.
        q = 1.0 / z**2
        far = -(1.0 + q * (1.5 + q * (3.75 + q * 13.125))) / eta**2
        slope = np.where(np.abs(z) > 30.0, far, (1.0 - 2.0 * z * integral) / sd**2)
    none = np.abs(eta) < POSSIBLE * sd
    held = sd == 0
    return (
        np.where(none, np.nan, np.where(held, link.mean(eta), mean)),
        np.where(none, np.nan, np.where(held, link.slope(eta), slope)),
    )


def _inverse_root(link: Link, eta: Floats, sd: Floats) -> tuple[Floats, Floats]:
    """Average of one over the root of the predictor where it is positive, and its derivative.

    In the root the integrand has no singularity.
    """
    nodes, weights = np.polynomial.legendre.leggauss(80)
    fine = (sd > 0) & (eta >= POSSIBLE * sd)
    e, s = np.where(fine, eta, 9.0)[:, None], np.where(fine, sd, 1.0)[:, None]
    low, high = np.sqrt(np.maximum(e - REACH * s, 0.0)), np.sqrt(e + REACH * s)
    v = 0.5 * (low + high) + 0.5 * (high - low) * nodes
    z = (v**2 - e) / s
    # The mean is 1 / v, and the predictor goes by 2 v dv.
    density = 2.0 * np.exp(-0.5 * z**2) / (np.sqrt(2.0 * np.pi) * s) * (0.5 * (high - low) * weights)
    mean, slope = density.sum(axis=1), (density * z / s).sum(axis=1)
    held = (sd == 0) & (eta > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (
            np.where(fine, mean, np.where(held, link.mean(eta), np.nan)),
            np.where(fine, slope, np.where(held, link.slope(eta), np.nan)),
        )


def average_of_step(function: Function, size: int, *, monotone: bool) -> Floats:
    """Average over a standard normal variable of a function
    that goes from 0 to 1 or from 1 to 0, however steeply.

    Parameters
    ----------
    function : callable
        From one value (m,) of the variable for each row to values (m,) between 0 and 1.
    size : int
        m, the number of rows.
    monotone : bool
        Whether it does so in one direction; else there are nodes at small equal distances instead
        of nodes where it changes.

    Returns
    -------
    (m,) array
    """
    from scipy.special import ndtr

    if not monotone:
        grid = np.linspace(-REACH, REACH, 577)
        mass = np.exp(-0.5 * grid**2)
        return np.asarray(
            sum(
                w * function(np.full(size, b)) for b, w in zip(grid.tolist(), (mass / mass.sum()).tolist(), strict=True)
            )
        )
    first, last = function(np.full(size, -REACH)), function(np.full(size, REACH))
    sign = np.where(last < first, -1.0, 1.0)
    # From where on the function, taken along the sign, is not 0, and from where on it is 1: the
    # outer ends of the brackets.
    low, high = _bracket_of(function, sign, size, EDGE)[0], _bracket_of(function, sign, size, 1.0 - EDGE)[1]
    nodes, weights = _legendre()
    half = 0.5 * (high - low)
    out = np.zeros(size)
    for node, weight in zip(nodes, weights, strict=True):
        b = 0.5 * (low + high) + half * node
        out += weight * np.exp(-0.5 * b**2) * function(sign * b)
    return np.asarray(out * half / np.sqrt(2.0 * np.pi) + ndtr(-high))


def _bracket_of(function: Function, sign: Floats, size: int, level: float) -> tuple[Floats, Floats]:
    """Two close values of the variable between which an increasing function passes a level."""
    low, high = np.full(size, -REACH), np.full(size, REACH)
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        over = function(sign * middle) >= level
        low, high = np.where(over, low, middle), np.where(over, middle, high)
    return low, high


@cache
def _legendre() -> tuple[list[float], list[float]]:
    nodes, weights = np.polynomial.legendre.leggauss(48)
    return nodes.tolist(), weights.tolist()
