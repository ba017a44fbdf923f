"""Starting values, as a user gives them."""

import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.design.record import Design, RandomTerm
from ranef.errors import ArgumentTypeError, OptionError
from ranef.fit.order import TermOrder, theta_names, theta_of_factors

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """Starting values, None where the core finds its own.

    Attributes
    ----------
    theta : (m,) array or None
        In lme4's order.
    beta : (p,) array or None
        For the columns that are kept.
    dispersion : float, array of all extra parameters, or None
    """

    theta: Floats | None = None
    beta: Floats | None = None
    dispersion: float | Floats | None = None


def parse_start(start: object, order: TermOrder, terms: Sequence[RandomTerm]) -> Floats | None:
    """Check the ``start`` argument.

    Parameters
    ----------
    start : array-like, dict or None
        Theta in lme4's order; or ``{"theta": [...]}``; or values by name such as ``{"Subject.Days":
        0.2}``, where those not named start at 1 on the diagonal and at 0 below it.
    order : TermOrder
    terms : sequence of RandomTerm
        In formula order.

    Returns
    -------
    array or None
        Theta in lme4's order.
    """
    if start is None:
        return None
    names = theta_names(order, terms)
    if isinstance(start, Mapping):
        if set(start) == {"theta"}:
            return checked_theta(start["theta"], names, order, "start")
        unknown = [str(k) for k in start if k not in names]
        if unknown:
            raise OptionError(
                f"start has no parameter {', '.join(map(repr, unknown))}; they are 'theta' (all of them) or "
                f"{', '.join(names)}."
            )
        usual = theta_of_factors(order, {s.formula: np.eye(s.size) for s in order.spans})
        theta: list[object] = [start.get(n, v) for n, v in zip(names, usual.tolist(), strict=True)]
        return checked_theta(theta, names, order, "start")
    return checked_theta(start, names, order, "start")


def checked_theta(given: object, names: tuple[str, ...], order: TermOrder, what: str) -> Floats:
    """Check theta as the argument ``what`` gives it."""
    if isinstance(given, str | bytes):
        raise ArgumentTypeError(f"{what} must hold numbers, not the text {given!r}.")
    try:
        theta = np.array(given, dtype=np.float64)
    except (TypeError, ValueError):
        raise ArgumentTypeError(f"{what} must be a vector of numbers or a dict, not {given!r}.") from None
    if theta.ndim == 0 and order.n_theta == 1:
        theta = theta.reshape(1)
    if theta.shape != (order.n_theta,):
        shape = len(theta) if theta.ndim == 1 else f"an array of shape {theta.shape}"
        raise OptionError(f"{what} must have {order.n_theta} values ({', '.join(names)}), not {shape}.")
    if not np.isfinite(theta).all():
        raise OptionError(f"{what} has a value that is not finite: {theta.tolist()}.")
    diagonal = [kind == "sd" for span in order.spans for kind, _ in span.core.parameters]
    negative = [n for n, v, d in zip(names, theta, diagonal, strict=True) if d and v < 0]
    if negative:
        raise OptionError(
            f"{what} must not be negative for {', '.join(negative)}: these are relative standard deviations."
        )
    return theta


def parse_glmm_start(start: object, order: TermOrder, design: Design) -> Start:
    """Check the ``start`` argument.

    Parameters
    ----------
    start : array-like, dict or None
        Theta in lme4's order; or a dict with ``theta``, ``fixef`` (in the order of the columns, or
        by name) and ``dispersion``, as far as known; or values of theta by name.
    order : TermOrder
    design : Design
    """
    if not isinstance(start, Mapping) or not {"theta", "fixef", "dispersion"} & set(start):
        return Start(parse_start(start, order, design.random))
    unknown = [str(k) for k in start if k not in ("theta", "fixef", "dispersion")]
    if unknown:
        raise OptionError(
            f"start has no part {', '.join(map(repr, unknown))}; its parts are theta, fixef and dispersion."
        )
    theta = None if "theta" not in start else parse_start(start["theta"], order, design.random)
    dispersion = _positive(start.get("dispersion"))
    return Start(theta, _fixed_start(start.get("fixef"), design.x_names), dispersion)


def parse_components_start(
    start: object, order: TermOrder, terms: Sequence[RandomTerm], columns: Mapping[str, tuple[str, ...]]
) -> tuple[Floats | None, Floats | None]:
    """Check the ``start`` argument of a model with several linear predictors.

    Parameters
    ----------
    start : array-like, dict or None
        Theta in lme4's order, or by name; or a dict with ``theta``, ``fixef`` (of the conditional
        predictor) and those of the other predictors by their keys, as far as known.
    order : TermOrder
    terms : sequence of RandomTerm
        Of all predictors, in the order of the whole model.
    columns : dict
        Names of the columns of every predictor by its key, the conditional one first; none of one
        that is held.

    Returns
    -------
    theta : array or None
        In the core's order.
    beta : array or None
        For all columns of all predictors, NaN for predictors that are not given.
    """
    parts = {"theta", "fixef", "dispersion", *columns}
    given = dict(start) if isinstance(start, Mapping) and parts & set(start) else {"theta": start}
    unknown = [str(k) for k in given if k not in parts]
    if unknown:
        known = ", ".join(["theta", "fixef", *(k for k in columns if k != "cond")])
        raise OptionError(f"start has no part {', '.join(map(repr, unknown))}; its parts are {known}.")
    if "dispersion" in given:
        value = _positive(given.pop("dispersion"))
        if columns.get("disp") != ("(Intercept)",):
            raise OptionError("start['dispersion'] is for a dispersion that is one number: give start['disp'].")
        given.setdefault("disp", None if value is None else [float(np.log(value))])
    own = parse_start(given.get("theta"), order, terms)
    theta = None
    if own is not None:
        theta = np.empty_like(own)
        theta[order.theta_of_core] = own
    beta = []
    for key, names in columns.items():
        what = "fixef" if key == "cond" and "cond" not in given else key
        if what in given and not names and given[what] is not None:
            raise OptionError(
                f"start[{what!r}] is of a predictor that is held, so that there is nothing to start from."
            )
        values = _fixed_start(given.get(what), names, what)
        beta.append(np.full(len(names), np.nan) if values is None else values)
    joined = np.concatenate(beta)
    return theta, None if np.isnan(joined).all() else joined


def _positive(dispersion: object) -> float | None:
    if dispersion is None:
        return None
    if isinstance(dispersion, bool) or not isinstance(dispersion, numbers.Real):
        raise ArgumentTypeError(f"start['dispersion'] must be a positive number, not {dispersion!r}.")
    if not (np.isfinite(float(dispersion)) and float(dispersion) > 0):
        raise OptionError(f"start['dispersion'] must be a positive number, not {dispersion!r}.")
    return float(dispersion)


def _fixed_start(fixef: Any, names: tuple[str, ...], what: str = "fixef") -> Floats | None:
    if fixef is None:
        return None
    if isinstance(fixef, Mapping):
        unknown = [str(k) for k in fixef if k not in names]
        if unknown:
            raise OptionError(
                f"start[{what!r}] names no fixed effect: {', '.join(map(repr, unknown))}. They are {', '.join(names)}."
            )
        fixef = [fixef.get(n, 0.0) for n in names]
    try:
        values = np.array(fixef, dtype=np.float64)
    except (TypeError, ValueError):
        raise ArgumentTypeError(f"start[{what!r}] must hold numbers, not {fixef!r}.") from None
    if values.ndim == 0 and len(names) == 1:
        values = values.reshape(1)
    if values.shape != (len(names),) or not np.isfinite(values).all():
        raise OptionError(f"start[{what!r}] must have {len(names)} finite values, for {', '.join(names)}.")
    return values
