"""Covariances of random effects as users state them.

``varcorr`` is a dict by grouping factor (a second term on ``g`` is ``g.1``, as in ``m.varcorr``).
The value of a term is

* a number: the standard deviation of its only effect;
* a dict: standard deviations by name of the effect, and correlations by pairs of names, as in
  ``{"(Intercept)": 25, "Days": 6, ("(Intercept)", "Days"): 0.1}``; those that are not named stay
  what they are, and where there is no fit correlations are zero;
* a covariance matrix (k, k), in the order of the effects, or a DataFrame by their names;
* an object with ``sd`` and ``corr``, and perhaps ``names``, as the entries of ``m.varcorr`` are.

A dict under the name of a factor with several terms, as ``(x || g)`` has, may name the effects of
all of them.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.design.record import RandomTerm
from ranef.design.structures import kind_of
from ranef.errors import ArgumentTypeError, OptionError
from ranef.fit.named_groups import group_called
from ranef.fit.order import TermSpan, relative_factor
from ranef.fit.record import MixedFit
from ranef.fit.stated.numbers import finite

Floats = NDArray[np.float64]

#: Eigenvalues of a correlation matrix may be negative by this much, as rounding leaves them.
ROUNDING = 1e-8


def theta_of_covariances(fit: MixedFit, given: object, scale: float) -> Floats:
    """Theta in lme4's order, in units of ``scale``, of covariances that are stated.

    Parameters
    ----------
    fit : MixedFit
        Gives those of the terms that are not named; theta is NaN where it has none.
    given : dict or None
        See the module.
    scale : float
    """
    wanted = _by_term(fit, given)
    theta = fit.theta * (fit.random_scale / scale)
    for i, (key, term, span) in enumerate(zip(fit.term_keys, fit.terms, fit.order.spans, strict=True)):
        own = slice(span.theta_start, span.theta_stop)
        if i not in wanted:
            if np.isnan(theta[own]).any():
                names = ", ".join(map(repr, term.names))
                raise OptionError(
                    f"varcorr must have {key!r}, with the standard deviation{'s' if len(term.names) > 1 else ''} of "
                    f"{names}; or give theta."
                )
            continue
        known = not np.isnan(theta[own]).any()
        factor = relative_factor(span, fit.theta) * fit.random_scale if known else None
        covariance = _covariance(wanted[i], term, f"varcorr[{key!r}]", None if factor is None else factor @ factor.T)
        theta[own] = _theta_of(span, term, covariance / scale**2, f"varcorr[{key!r}]")
    return theta


def _by_term(fit: MixedFit, given: object) -> dict[int, object]:
    """What is stated for each term, by its position."""
    keys, terms = fit.term_keys, fit.terms
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise ArgumentTypeError(
            f"varcorr must be a dict by grouping factor such as {{{keys[0]!r}: 1.0}}, with standard deviations or "
            f"covariance matrices, not {given!r:.60}."
        )
    out: dict[int, object] = {}
    for name, value in given.items():
        key = name if name in keys else group_called(fit, str(name))
        if key is None:
            hint = " The residual standard deviation is sigma=." if str(name).lower() in ("residual", "sigma") else ""
            raise OptionError(
                f"varcorr has no grouping factor {name!r}; the model's are {', '.join(map(repr, keys))}.{hint}"
            )
        members = [i for i, t in enumerate(terms) if t.group == key]
        if len(members) > 1 and isinstance(value, Mapping):
            out.update(_divided(value, terms, members, key))
        else:
            out[keys.index(key)] = value
    return out


def _divided(
    value: Mapping[object, object], terms: tuple[RandomTerm, ...], members: list[int], key: str
) -> dict[int, object]:
    """A dict that names effects of several terms on one factor, by term."""
    parts: dict[int, dict[object, object]] = {}
    for name, number in value.items():
        names = set(name) if isinstance(name, tuple) else {name}
        place = next((i for i in members if names <= set(terms[i].names)), None)
        if place is None:
            listed = "; ".join(", ".join(map(repr, terms[i].names)) for i in members)
            raise OptionError(f"varcorr[{key!r}] has no {name!r} within one of its terms, whose effects are {listed}.")
        parts.setdefault(place, {})[name] = number
    return dict(parts)


def _covariance(value: Any, term: RandomTerm, what: str, own: Floats | None) -> Floats:
    """The covariance (k, k) that is stated for a term, ``own`` where something is left open."""
    names = term.names
    k = len(names)
    listed = ", ".join(map(repr, names))
    if isinstance(value, Mapping):
        return _of_names(value, names, what, own)
    if isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool):
        if k > 1:
            pattern = ", ".join(f"{n!r}: …" for n in names)
            raise OptionError(f"{what} is one number, and the term has the effects {listed}: give {{{pattern}}}.")
        return np.array([[_standard_deviation(value, what) ** 2]])
    labels: list[object] | None = None
    if hasattr(value, "sd") and hasattr(value, "corr"):
        labels = list(value.names) if hasattr(value, "names") else None
        matrix = np.outer(value.sd, value.sd) * np.nan_to_num(np.asarray(value.corr, dtype=np.float64))
    elif hasattr(value, "columns") and hasattr(value, "loc"):
        labels = list(value.columns)
        if set(value.index) != set(labels):
            raise OptionError(f"{what} must have the same names in its rows and columns.")
        matrix = np.asarray(value.loc[labels], dtype=np.float64)
    elif isinstance(value, str | bytes) or not hasattr(value, "__len__"):
        raise ArgumentTypeError(
            f"{what} must be a standard deviation, a dict of them by name, or a covariance matrix, not {value!r:.60}."
        )
    else:
        try:
            matrix = np.array(value, dtype=np.float64)
        except (TypeError, ValueError):
            raise ArgumentTypeError(f"{what} must hold numbers, not {value!r:.60}.") from None
    if matrix.shape != (k, k):
        advice = " Standard deviations are given in a dict by name." if matrix.ndim == 1 else ""
        raise OptionError(f"{what} must be a covariance matrix {k} × {k} of {listed}, not {matrix.shape}.{advice}")
    if labels is not None:
        if set(labels) != set(names):
            raise OptionError(f"{what} is of {', '.join(map(repr, labels))}, and the effects of the term are {listed}.")
        order = [labels.index(n) for n in names]
        matrix = matrix[np.ix_(order, order)]
    if not np.isfinite(matrix).all():
        raise OptionError(f"{what} has a value that is not finite.")
    size = np.sqrt(np.abs(np.diagonal(matrix)))
    if np.any(np.abs(matrix - matrix.T) > ROUNDING * np.outer(size, size)):
        raise OptionError(f"{what} must be symmetric, as a covariance matrix is.")
    return np.asarray((matrix + matrix.T) / 2)


def _of_names(value: Mapping[Any, object], names: tuple[str, ...], what: str, own: Floats | None) -> Floats:
    """The covariance of standard deviations and correlations by name."""
    k = len(names)
    sd = np.full(k, np.nan) if own is None else np.sqrt(np.diagonal(own))
    corr = np.eye(k)
    if own is not None:
        size = np.where(sd > 0, sd, 1.0)
        corr = own / np.outer(size, size)
        np.fill_diagonal(corr, 1.0)
    for name, number in value.items():
        pair = name if isinstance(name, tuple) else (name,)
        if len(set(pair)) != len(pair) or len(pair) > 2 or any(n not in names for n in pair):
            raise OptionError(
                f"{what} has no {name!r}; the effects are {', '.join(map(repr, names))}, and correlations go by pairs "
                "of them."
            )
        label = f"{what}[{name!r}]"
        if len(pair) == 1:
            sd[names.index(pair[0])] = _standard_deviation(number, label)
            continue
        rho = finite(number, label)
        if abs(rho) > 1:
            raise OptionError(f"{label} is a correlation, from -1 to 1, not {number!r}.")
        i, j = map(names.index, pair)
        corr[i, j] = corr[j, i] = rho
    absent = [n for n, s in zip(names, sd.tolist(), strict=True) if np.isnan(s)]
    if absent:
        raise OptionError(f"{what} must have a standard deviation for {', '.join(map(repr, absent))}.")
    return np.asarray(np.outer(sd, sd) * corr)


def _standard_deviation(value: object, label: str) -> float:
    number = finite(value, label)
    if number < 0:
        raise OptionError(f"{label} is a standard deviation, which must not be negative: {value!r}.")
    return number


def _theta_of(span: TermSpan, term: RandomTerm, covariance: Floats, what: str) -> Floats:
    """Theta of one term, whose structure must be able to have the covariance."""
    theta: Floats = span.core.read(_root(covariance, what))
    factor: Floats = span.core.factors(theta[None])[0]
    size = np.sqrt(np.diagonal(covariance))
    if np.any(np.abs(factor @ factor.T - covariance) > ROUNDING * np.outer(size, size)):
        call = kind_of(span.structure).call.format(term.text)
        raise OptionError(f"{what} is a covariance that {call} cannot have.")
    return theta


def _root(covariance: Floats, what: str) -> Floats:
    """Lower triangular root, also where directions have no variance."""
    variance = np.diagonal(covariance)
    if np.any(variance < 0):
        raise OptionError(f"{what} has a negative variance.")
    size = np.sqrt(variance)
    unit = np.where(size > 0, size, 1.0)
    corr = covariance / np.outer(unit, unit)
    if np.any(np.abs(corr[size == 0]) > 0):
        raise OptionError(f"{what} has a covariance beside a variance of zero.")
    values, vectors = np.linalg.eigh(corr)
    if values[0] < -ROUNDING:
        raise OptionError(
            f"{what} is no covariance matrix: its correlations contradict each other (an eigenvalue of the correlation "
            f"matrix is {values[0]:.3g})."
        )
    if values[0] > ROUNDING:
        root = np.linalg.cholesky(corr)
    else:
        upper = np.linalg.qr((vectors * np.sqrt(np.maximum(values, 0.0))).T)[1]
        root = (upper * np.where(np.diagonal(upper) < 0, -1.0, 1.0)[:, None]).T
    return np.ascontiguousarray(size[:, None] * root)
