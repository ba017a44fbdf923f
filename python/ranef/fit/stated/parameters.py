"""Parameters of a model as users state them, in the place of estimates or where there are none."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ranef.errors import ArgumentTypeError, OptionError
from ranef.fit.linear import LmmFit
from ranef.fit.record import MixedFit
from ranef.fit.start import checked_theta
from ranef.fit.stated.covariance import theta_of_covariances
from ranef.fit.stated.numbers import items_of, positive, values_by_name

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Stated:
    """What was given, not checked yet; None where nothing was.

    Attributes
    ----------
    fixef : dict, Series or sequence
        Fixed effects by name, or all of them in order.
    varcorr : dict
        Covariances of the random effects, see `ranef.fit.stated.covariance`.
    theta : dict, Series or sequence
        The same as relative covariance parameters in lme4's order, or some of them by name, in
        units of the residual standard deviation where the model has one.
    sigma, dispersion : float
        The parameter of the spread of responses, under either name.
    """

    fixef: object = None
    varcorr: object = None
    theta: object = None
    sigma: object = None
    dispersion: object = None

    @classmethod
    def of_dict(cls, params: object) -> Self:
        """Take them from a dict with some of these names."""
        if params is None:
            return cls()
        if not isinstance(params, Mapping):
            raise ArgumentTypeError(f"params must be a dict such as {{'sigma': 2.0}}, not {params!r:.60}.")
        names = tuple(cls.__slots__)
        unknown = [str(k) for k in params if k not in names]
        if unknown:
            raise OptionError(f"params has no part {', '.join(map(repr, unknown))}; its parts are {', '.join(names)}.")
        return cls(**params)


@dataclass(frozen=True, slots=True, eq=False)
class Parameters:
    """All parameters of a model.

    Attributes
    ----------
    beta : (p,) array
    spread : float
        Sigma, or the extra parameter of the family; NaN for families without one.
    theta : (m,) array
        In lme4's order, in units of sigma where the model has one.
    """

    beta: Floats
    spread: float
    theta: Floats


def parameters(fit: MixedFit, stated: Stated) -> Parameters:
    """The parameters that are stated, and the others as they are in a fit.

    Variances that are not stated stay what they are, whatever becomes of sigma.

    Parameters
    ----------
    fit : MixedFit
        NaN where it has no estimate: such a parameter must be stated.
    stated : Stated
    """
    spread = _spread(fit, stated)
    scale = spread if isinstance(fit, LmmFit) else 1.0
    return Parameters(_fixed_effects(fit, stated.fixef), spread, _theta(fit, stated, scale))


def _fixed_effects(fit: MixedFit, given: object) -> Floats:
    names = fit.x_names
    listed = ", ".join(names)
    pairs = {} if given is None else items_of(given)
    if pairs is not None:
        unknown = [str(k) for k in pairs if k not in names]
        if unknown:
            raise OptionError(f"fixef has no fixed effect {', '.join(map(repr, unknown))}; they are {listed}.")
        beta = values_by_name(pairs, names, fit.beta, "fixef")
        absent = [n for n, b in zip(names, beta.tolist(), strict=True) if math.isnan(b)]
        if absent:
            raise OptionError(
                f"fixef must have a value for {', '.join(absent)}: give a dict by name, or a value for each of "
                f"{listed}."
            )
        return beta
    if isinstance(given, str | bytes) or not hasattr(given, "__len__"):
        raise ArgumentTypeError(
            f"fixef must be a dict such as {{{names[-1] if names else 'x'!r}: 5.0}}, or a sequence with a value for "
            f"each of {listed}, not {given!r:.60}."
        )
    try:
        values = np.array(given, dtype=np.float64)
    except (TypeError, ValueError):
        raise ArgumentTypeError(f"fixef must hold numbers, not {given!r:.60}.") from None
    if values.shape != (len(names),):
        size = len(values) if values.ndim == 1 else f"an array of shape {values.shape}"
        raise OptionError(f"fixef must have {len(names)} values, for {listed}, not {size}.")
    if not np.isfinite(values).all():
        raise OptionError(f"fixef has a value that is not finite: {values.tolist()}.")
    return values


def _spread(fit: MixedFit, stated: Stated) -> float:
    """The parameter of the spread of responses, under its name or as sigma."""
    family, sigma, dispersion = fit.family, stated.sigma, stated.dispersion
    if sigma is not None and dispersion is not None:
        raise OptionError("sigma and dispersion are the same parameter: give one of them.")
    if sigma is not None:
        if fit.residual_sd is None:
            other = "" if family.dispersion_name is None else " Give dispersion=."
            raise OptionError(f"sigma is for models that have one, and the {family.name} family has none.{other}")
        return positive(sigma, "sigma")
    if dispersion is not None:
        if fit.spread_name is None:
            why = "has none" if family.dispersion_name is None else f"holds it at {fit.spread:g}"
            raise OptionError(
                f"dispersion is for models that estimate one, and the {family.name} family of this model {why}."
            )
        return positive(dispersion, "dispersion")
    if fit.spread_name is not None and math.isnan(fit.spread):
        if fit.residual_sd is not None:
            what = "" if fit.family_shown else " (the residual standard deviation)"
            raise OptionError(f"sigma must be given{what}.")
        raise OptionError(f"dispersion must be given: {family.dispersion_name} of the {family.name} family.")
    return fit.spread


def _theta(fit: MixedFit, stated: Stated, scale: float) -> Floats:
    """Theta in units of ``scale``, the sigma that is to be."""
    if stated.varcorr is not None and stated.theta is not None:
        raise OptionError("varcorr and theta are two ways to state the same variances: give one of them.")
    own = fit.theta * (fit.random_scale / scale)
    if stated.theta is None:
        return own if stated.varcorr is None and _is_known(own) else theta_of_covariances(fit, stated.varcorr, scale)
    names = fit.theta_names
    given: Any = stated.theta
    if (pairs := items_of(given)) is not None:
        unknown = [str(k) for k in pairs if k not in names]
        if unknown:
            raise OptionError(f"theta has no parameter {', '.join(map(repr, unknown))}; they are {', '.join(names)}.")
        given = values_by_name(pairs, names, own, "theta")
        absent = [n for n, v in zip(names, given.tolist(), strict=True) if math.isnan(v)]
        if absent:
            raise OptionError(f"theta must have a value for {', '.join(absent)}.")
    return checked_theta(given, names, fit.order, "theta")


def _is_known(theta: Floats) -> bool:
    return bool(np.isfinite(theta).all())
