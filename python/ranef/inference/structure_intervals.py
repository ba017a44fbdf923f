"""Wald intervals of the parameters of a covariance structure of rows, on scales without bounds, as
nlme's ``intervals`` has them.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranef.errors import ArgumentTypeError
from ranef.fit.record import MixedFit
from ranef.inference.parameters import kind_of

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scale:
    """A function of a parameter whose values have no bounds: its value, slope and inverse."""

    value: Callable[[float], float]
    slope: Callable[[float], float]
    inverse: Callable[[float], float]


LOG = Scale(math.log, lambda v: 1.0 / v, lambda u: float(np.exp(u)))
FISHER = Scale(math.atanh, lambda v: 1.0 / (1.0 - v * v), math.tanh)
PLAIN = Scale(float, lambda v: 1.0, float)


def above(lowest: float) -> Scale:
    """Of parameters between a lowest value and 1."""
    return Scale(
        lambda v: math.log((v - lowest) / (1.0 - v)),
        lambda v: 1.0 / (v - lowest) + 1.0 / (1.0 - v),
        lambda u: lowest + (1.0 - lowest) / (1.0 + float(np.exp(-u))),
    )


def scale_of(fit: MixedFit, name: str) -> Scale:
    """The scale of a natural parameter: logarithms of ratios, ranges and constants, Fisher's z of
    correlations, log odds of a nugget.
    """
    rows = fit.design.residual
    c = None if rows is None else rows.expr.correlation
    kind = name.split("(")[0].split("[")[0]
    known = kind_of(name)
    if known == "positive" or kind == "sigma":
        return LOG
    if known == "share":
        return above(0.0)
    if kind == "rho" and rows is not None and c is not None and c.structure == "cs":
        return above(-1.0 / (max(rows.most, 2) - 1))
    # the only coefficient of its kind of an ARMA process is a partial autocorrelation
    alone = kind in ("phi", "theta") and c is not None and c.orders[kind == "theta"] == 1
    return FISHER if alone or known == "cor" else PLAIN


def structure_names(fit: MixedFit) -> tuple[str, ...]:
    """Parameters that there are intervals for: those of the structure and, where it can have one,
    sigma.
    """
    own = tuple(fit.structure_parameters)
    return (*own, "sigma") if own and not fit.terms else own


def structure_intervals(fit: MixedFit, multiplier: float, chosen: Sequence[str]) -> Floats:
    """Limits (m, 2) of the parameters that are chosen by name.

    The variances are those of the observed information, in which the parameters of the random
    effects are estimated too.
    """
    values = dict(fit.structure_parameters)
    variances, of_log = fit.structure_variances()
    deviations = dict(zip(values, np.sqrt(variances).tolist(), strict=True))
    if of_log is not None:
        values["sigma"], deviations["sigma"] = fit.sigma, fit.sigma * math.sqrt(of_log)
    limits = np.full((len(chosen), 2), np.nan)
    for i, name in enumerate(chosen):
        scale = scale_of(fit, name)
        at, half = scale.value(values[name]), multiplier * deviations[name] * scale.slope(values[name])
        if math.isfinite(half):
            limits[i] = scale.inverse(at - half), scale.inverse(at + half)
    return limits


def split_names(fit: MixedFit, parm: object) -> tuple[list[str], object]:
    """The chosen parameters of the structure, all by default, and what is left of ``parm`` for the
    fixed effects: an empty list where none are.
    """
    names = structure_names(fit)
    if parm is None or not names:
        return list(names), parm
    wanted = [parm] if isinstance(parm, str) else parm
    if not isinstance(wanted, Sequence) or not all(isinstance(w, str) for w in wanted):
        raise ArgumentTypeError(f"parm must be the name of a parameter or a list of names, not {parm!r}.")
    own = [n for w in wanted for n in (names if w == "theta_" else (w,) if w in names else ())]
    rest = [w for w in wanted if w not in names and w != "theta_"]
    return list(dict.fromkeys(own)), "beta_" if rest == ["beta_"] else rest
