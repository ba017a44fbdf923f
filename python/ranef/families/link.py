"""Link functions: from the linear predictor to the mean and back."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranef.errors import ArgumentTypeError, OptionError

Floats = NDArray[np.float64]

_TINY = np.finfo(np.float64).tiny
#: Means of a proportion stay this far from 0 and 1, as in R.
_EDGE = np.finfo(np.float64).eps


@dataclass(frozen=True, slots=True)
class Link:
    """One link.

    Attributes
    ----------
    name : str
    mean : callable
        The mean from the linear predictor.
    slope : callable
        Its derivative, from the linear predictor.
    predictor : callable
        The linear predictor from the mean.
    """

    name: str
    mean: Callable[[Floats], Floats]
    slope: Callable[[Floats], Floats]
    predictor: Callable[[Floats], Floats]


def _logistic(eta: Floats) -> Floats:
    from scipy.special import expit

    out: Floats = expit(eta)
    return out


def _logit(mu: Floats) -> Floats:
    from scipy.special import logit

    out: Floats = logit(mu)
    return out


def _logistic_slope(eta: Floats) -> Floats:
    return np.asarray(_logistic(eta) * _logistic(-eta))


def _normal(eta: Floats) -> Floats:
    from scipy.special import ndtr

    out: Floats = ndtr(eta)
    return out


def _normal_quantile(mu: Floats) -> Floats:
    from scipy.special import ndtri

    out: Floats = ndtri(mu)
    return out


def _normal_density(eta: Floats) -> Floats:
    return np.asarray(np.exp(-0.5 * eta * eta) / np.sqrt(2 * np.pi))


LINKS = {
    link.name: link
    for link in (
        Link("identity", lambda e: e, np.ones_like, lambda m: m),
        Link("log", np.exp, np.exp, np.log),
        Link("sqrt", np.square, lambda e: 2 * e, np.sqrt),
        Link("inverse", lambda e: 1 / e, lambda e: -1 / e**2, lambda m: 1 / m),
        Link("inverse_squared", lambda e: 1 / np.sqrt(e), lambda e: -0.5 * e**-1.5, lambda m: 1 / m**2),
        Link("logit", _logistic, _logistic_slope, _logit),
        Link("probit", _normal, _normal_density, _normal_quantile),
        Link(
            "cloglog",
            lambda e: -np.expm1(-np.exp(np.minimum(e, 700.0))),
            lambda e: np.exp(np.minimum(e, 700.0) - np.exp(np.minimum(e, 700.0))),
            lambda m: np.log(-np.log1p(-m)),
        ),
        Link(
            "loglog",
            lambda e: np.exp(-np.exp(np.minimum(-e, 700.0))),
            lambda e: np.exp(np.minimum(-e, 700.0) - np.exp(np.minimum(-e, 700.0))),
            lambda m: -np.log(-np.log(m)),
        ),
        Link(
            "cauchit",
            lambda e: 0.5 + np.arctan(e) / np.pi,
            lambda e: 1 / (np.pi * (1 + e * e)),
            lambda m: np.tan(np.pi * (m - 0.5)),
        ),
    )
}

_ALIASES = {"1/mu^2": "inverse_squared", "1/mu**2": "inverse_squared", "inverse_square": "inverse_squared"}


def checked_link(name: object, allowed: tuple[str, ...], family: str) -> str:
    """Check the name of a link.

    Parameters
    ----------
    name : str
        Or one of R's spellings, such as ``1/mu^2``.
    allowed : tuple of str
    family : str
        For the message.

    Raises
    ------
    OptionError
        When the family has no such link; those it has are listed.
    """
    if not isinstance(name, str):
        raise ArgumentTypeError(f"link must be one of {', '.join(map(repr, allowed))}, not {name!r}.")
    known = _ALIASES.get(name.replace(" ", ""), name)
    if known not in allowed:
        raise OptionError(f"the {family} family has no link {name!r}; its links are {', '.join(map(repr, allowed))}.")
    return known


def inside_unit(mu: Floats) -> Floats:
    """Means of proportions, kept inside (0, 1)."""
    return np.clip(mu, _EDGE, 1 - _EDGE)


def above_zero(mu: Floats) -> Floats:
    """Means that are positive, kept so."""
    return np.maximum(mu, _TINY)
