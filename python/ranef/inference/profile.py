"""Likelihood profiles: the deviance along each parameter with all others estimated, and the
intervals that it gives.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.errors import DataError, OptionError, RanefError
from ranef.estimates.intervals import checked_level, normal_multiplier
from ranef.fit.control import FitControl
from ranef.fit.profiled import profiled
from ranef.fit.profiled_curve import ProfiledCurve
from ranef.fit.record import MixedFit
from ranef.inference.maximised import need_maximised
from ranef.inference.parameters import Kind, Parameter, chosen_parameters, of_component, parameters_of

if TYPE_CHECKING:
    from ranef import _core

Floats = NDArray[np.float64]

#: Distance of the points of a curve in zeta.
STEP = 0.5

#: The last point of a curve reaches its target to so much in zeta.
ROUNDING = 1e-6

#: Halvings of the interval between two points in which a limit lies.
HALVINGS = 60


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Curve(ProfiledCurve):
    """The profile of one parameter in its own units.

    Attributes
    ----------
    name : str
    kind, component : str
        As of :class:`Parameter`.
    estimate : float
    """

    name: str
    kind: Kind
    component: str
    estimate: float


@dataclass(frozen=True, slots=True, eq=False)
class ProfileCurves:
    """Profiles of a model.

    Attributes
    ----------
    names : tuple of str
        All parameters of the model.
    deviance : float
        -2 log-likelihood at its minimum.
    reach : float
        |zeta| up to which the curves go.
    curves : tuple of Curve
    notes, problems : tuple of str
        What was done, and what the user should be warned of.
    """

    names: tuple[str, ...]
    deviance: float
    reach: float
    curves: tuple[Curve, ...]
    notes: tuple[str, ...]
    problems: tuple[str, ...]


def profile_curves(
    fit: MixedFit,
    parm: object,
    level: object,
    control: FitControl,
    progress: Callable[[int, float], object] | None,
) -> ProfileCurves:
    """Profile parameters up to the joint confidence region of a level.

    Parameters
    ----------
    fit : MixedFit
    parm : str, list of str or None
        As in :func:`chosen_parameters`.
    level : float
        Level of the region: the chi-square distribution has as many degrees of freedom as the model
        has parameters.
    control : FitControl
    progress : callable, optional
        Called with the number of curves that are finished and the number of all.
    """
    from scipy.special import chdtri

    reach = math.sqrt(float(chdtri(fit.npar, 1.0 - checked_level(level))))
    return _curves(fit, chosen_parameters(parameters_of(fit), parm), STEP, reach, [], control, progress)


def profile_intervals(
    fit: MixedFit,
    parm: object,
    level: object,
    control: FitControl,
    progress: Callable[[int, float], object] | None,
    component: str | None = None,
) -> ProfileCurves:
    """Profile parameters as far as their intervals need, and solve for the limits: each curve's
    ``lower`` and ``upper`` have one entry. Those of a component have their names within it.
    """
    q = normal_multiplier(level)
    wanted = chosen_parameters(of_component(parameters_of(fit), component), parm)
    return _curves(fit, wanted, 0.5 * q, q, [q], control, progress)


def _curves(
    fit: MixedFit,
    wanted: tuple[Parameter, ...],
    step: float,
    reach: float,
    targets: list[float],
    control: FitControl,
    progress: Callable[[int, float], object] | None,
) -> ProfileCurves:
    need_maximised(fit, "the profile")
    every = parameters_of(fit)
    if fit.why_no_profile is not None:
        raise OptionError(fit.why_no_profile)
    kinds: list[tuple[int, str]] = [(p.core, p.kind) for p in every if p.kind not in ("sigma", "beta")]
    try:
        by_core = profiled(fit, [p.core for p in wanted], kinds, step, reach, targets, control, progress)
    except RanefError:
        raise
    except ValueError:
        raise DataError(
            "the likelihood cannot be profiled: it is not finite at the estimates, because the model fits the "
            "response exactly or nearly so."
        ) from None
    found = by_core.found
    curves = tuple(
        _curve(p, c, float(found.estimates[p.core]), every) for p, c in zip(wanted, found.curves, strict=True)
    )
    notes, problems = [], []
    if fit.reml:
        notes.append(
            "the model was fitted by REML; profiles are those of the likelihood, from the ML fit of the same model."
        )
    if by_core.note is not None:
        notes.append(by_core.note)
    rows = fit.design.residual
    # in the likelihood of a curve its variance follows the curve
    if rows is not None and rows.expr.has_fitted and not fit.columns_are_slopes:
        notes.append("the variance of the rows is held at the fitted values of the fit.")
    if found.status != "converged":
        problems.append(
            f"the {'ML ' if fit.reml else ''}fit did not converge ({found.status}), so that zeta counts from a "
            "deviance that is not the lowest."
        )
    if found.refitted:
        problems.append("a profile met a lower deviance than the fit had found; the fit was made again from there.")
    for c in curves:
        _remark(c, notes, problems)
    return ProfileCurves(
        tuple(p.name for p in every), float(found.deviance), reach, curves, tuple(notes), tuple(problems)
    )


def _curve(p: Parameter, c: "_core.Curve | ProfiledCurve", estimate: float, every: tuple[Parameter, ...]) -> Curve:
    """What the core found, in the units of the parameters."""

    def own(values: Floats) -> Floats:
        return np.exp(values) if p.is_log else values

    parameters = c.parameters[:, [q.core for q in every]]
    logs = [j for j, q in enumerate(every) if q.is_log]
    parameters[:, logs] = np.exp(parameters[:, logs])
    return Curve.of(
        c,
        name=p.name,
        kind=p.kind,
        component=p.component,
        estimate=math.exp(estimate) if p.is_log else estimate,
        value=own(c.value),
        parameters=parameters,
        lower=own(c.lower),
        upper=own(c.upper),
    )


def _remark(c: Curve, notes: list[str], problems: list[str]) -> None:
    """Say what is unusual about a curve."""
    if c.endings[0] == "undefined":
        notes.append(
            f"{c.name}: one of the two effects has no variance at the estimate, where every correlation fits as well; "
            "the data say nothing, the limits are -1 and 1."
        )
        return
    if c.endings[0] == "far":
        problems.append(
            f"{c.name}: it belongs to a value of the covariate of the variance so far from the data that its limits "
            "are no numbers of use; centre the covariate. All other parameters are not affected."
        )
        return
    if not c.monotone:
        problems.append(
            f"{c.name}: zeta is not monotone; the likelihood has more than one maximum along it, and limits are where "
            "zeta first gets there."
        )
    if not c.converged:
        problems.append(f"{c.name}: not every point of the profile is an optimum of the other parameters.")
    for side, lost in zip(("lower", "upper"), c.lost, strict=True):
        if lost:
            problems.append(
                f"{c.name}: the {side} limit was not found, though the deviance rises enough: profile() has the curve."
            )
    for side, ending in zip(("lower", "upper"), c.endings, strict=True):
        if ending == "unreached":
            problems.append(
                f"{c.name}: the deviance hardly rises on the {side} side, so that there is no {side} limit; the data "
                "do not determine this parameter."
            )


def interval_limits(curve: Curve) -> tuple[float, float]:
    """The limits of a curve that was made by :func:`profile_intervals`.

    A standard deviation or correlation whose deviance does not rise enough before it ends (at 0, -1
    or 1) has its limit there. Where the deviance never rises enough the interval is open; a limit
    that was not found is NaN.
    """
    ends = _closed(curve, float(curve.lower[0]), float(curve.upper[0]))
    lower, upper = (math.nan if lost else end for lost, end in zip(curve.lost, ends, strict=True))
    return lower, upper


def interpolated_limits(curve: Curve, level: object) -> tuple[float, float]:
    """The limits of any level up to that of the curve, by interpolation between its points."""
    q = normal_multiplier(level)
    if not len(curve.zeta):
        return _closed(curve, math.nan, math.nan)
    return _closed(curve, crossing(curve, -q), crossing(curve, q))


def _closed(curve: Curve, lower: float, upper: float) -> tuple[float, float]:
    """Open sides become infinite, or the end of what is possible."""
    lowest = -1.0 if curve.kind == "cor" else -math.inf if curve.kind in ("beta", "number") else 0.0
    highest = 1.0 if curve.kind in ("cor", "share") else math.inf
    return lowest if math.isnan(lower) else lower, highest if math.isnan(upper) else upper


_INTO: Mapping[str, Callable[[Floats], Floats]] = {"sigma": np.log, "positive": np.log, "cor": np.arcsin}
_BACK: Mapping[str, Callable[[float], float]] = {"sigma": math.exp, "positive": math.exp, "cor": math.sin}


def walked(curve: Curve, values: Floats) -> Floats:
    """The coordinate in which a curve is smooth: the parameter, the logarithm of sigma and other
    positive parameters, the arcsine of a correlation.
    """
    into = _INTO.get(curve.kind)
    return values if into is None else into(values)


def zeta_at(curve: Curve, values: Floats) -> Floats:
    """Zeta by cubic interpolation with the exact derivatives; NaN outside of the curve.

    Parameters
    ----------
    curve : Curve
    values : (k,) array

    Returns
    -------
    (k,) array
    """
    out = np.full(len(values), np.nan)
    inside = (
        (values >= curve.value[0]) & (values <= curve.value[-1]) if len(curve.value) else np.zeros(len(values), bool)
    )
    w = walked(curve, curve.value)
    at = walked(curve, values[inside])
    place = np.clip(np.searchsorted(w, at, side="right") - 1, 0, len(w) - 2)
    rates = _rates(curve, w)
    h = w[place + 1] - w[place]
    t = (at - w[place]) / h
    out[inside] = _hermite(t, h, curve.zeta[place], curve.zeta[place + 1], rates[place], rates[place + 1])
    return out


def crossing(curve: Curve, target: float) -> float:
    """The value nearest to the estimate at which zeta is ``target``; NaN where it is not
    reached.
    """
    middle = int(np.argmin(np.abs(curve.zeta)))
    side = range(middle, len(curve.zeta) - 1) if target > 0 else range(middle - 1, -1, -1)
    w = walked(curve, curve.value)
    rates = _rates(curve, w)
    for i in side:
        a, b = curve.zeta[i], curve.zeta[i + 1]
        # the last point of a curve is where |zeta| is the reach, but for rounding
        if not min(a, b) - ROUNDING <= target <= max(a, b) + ROUNDING:
            continue
        lo, hi = 0.0, 1.0
        for _ in range(HALVINGS):
            t = 0.5 * (lo + hi)
            low = _hermite(t, w[i + 1] - w[i], a, b, rates[i], rates[i + 1]) < target
            lo, hi = (t, hi) if low == (b > a) else (lo, t)
        back = _BACK.get(curve.kind)
        found = float(w[i] + 0.5 * (lo + hi) * (w[i + 1] - w[i]))
        return found if back is None else back(found)
    return math.nan


def _rates(curve: Curve, w: Floats) -> Floats:
    """Derivatives of zeta; where they are not known (at a standard deviation of zero), those of the
    parabola with the next point's.
    """
    rates = curve.rate.copy()
    for i in np.flatnonzero(~np.isfinite(rates)):
        beside = i + 1 if i + 1 < len(w) else i - 1
        if 0 <= beside != i and np.isfinite(rates[beside]):
            secant = (curve.zeta[beside] - curve.zeta[i]) / (w[beside] - w[i])
            rates[i] = 2 * secant - rates[beside]
        else:
            rates[i] = 0.0
    return rates


def _hermite(t: Floats | float, h: Floats | float, a: Floats, b: Floats, da: Floats, db: Floats) -> Floats:
    """Cubic from values and derivatives at both ends."""
    s = 1 - t
    out: Floats = s * s * ((1 + 2 * t) * a + t * h * da) + t * t * ((3 - 2 * t) * b - s * h * db)
    return out
