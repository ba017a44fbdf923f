"""Predictions on the rows of the fit or on new rows, with standard errors and intervals.

Standard errors account for the estimation of the fixed effects and the prediction of the random effects, and treat theta and sigma as known: with
few groups they are somewhat too small.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ranef.design.encoder import ARRAY
from ranef.errors import ArgumentTypeError, NewLevelError, OptionError
from ranef.estimates.estimable import not_estimable
from ranef.estimates.fitted import random_part
from ranef.estimates.fixed_basis import fixed_basis
from ranef.estimates.included_effects import Mask, conditioned_effects
from ranef.estimates.intervals import normal_multiplier
from ranef.estimates.optional_groups import new_table
from ranef.estimates.rows import padded, row_index
from ranef.fit.record import LmmFit, MixedFit
from ranef.fit.request import warn_once

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

INTERVALS = ("confidence", "prediction")
NEW_LEVELS = ("error", "population")


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """Predictions of m rows.

    Attributes
    ----------
    fit : (m,) array
    se : (m,) array or None
    lower, upper : (m,) array or None
    index : pandas Index
    """

    fit: Floats
    se: Floats | None
    lower: Floats | None
    upper: Floats | None
    index: "pd.Index"

    def to_pandas(self) -> "pd.Series[float] | pd.DataFrame":
        """Return a Series, or a frame with columns ``fit, se`` and, for an interval, ``lower, upper``."""
        import pandas as pd

        if self.se is None:
            return pd.Series(self.fit, index=self.index, name="fit")
        columns = {"fit": self.fit, "se": self.se}
        if self.lower is not None and self.upper is not None:
            columns.update(lower=self.lower, upper=self.upper)
        return pd.DataFrame(columns, index=self.index)


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows to predict, random terms in lme4's order; rows with a missing value hold zeros.

    Attributes
    ----------
    x : (m, p) array
    offset : (m,) array or None
    codes : tuple of (m,) arrays
        Level of every row, -1 where it is new.
    z : tuple of (m, k) arrays
    weights : (m,) array or None
    missing : (m,) bool array or None
    """

    x: Floats
    offset: Floats | None
    codes: tuple[NDArray[np.int32], ...]
    z: tuple[Floats, ...]
    weights: Floats | None
    missing: Mask | None


def predict(
    fit: MixedFit,
    newdata: Any = None,
    *,
    re: object = "conditional",
    type: object = "response",
    new_levels: object = "error",
    se: object = False,
    interval: object = None,
    level: object = 0.95,
    offset: object = None,
) -> Prediction:
    """Predict the response.

    Parameters
    ----------
    fit : MixedFit
    newdata : frame, optional
        New rows; the rows of the fit by default. A row with a missing value is predicted as NaN; a missing level of a grouping factor is such a value
        unless ``new_levels`` is ``"population"``.
    re : str
        Which random effects enter: ``"conditional"`` (all), ``"population"`` (none), or a formula such as ``"~ (1 | school)"``.
    type : {"response", "link"}
        The same for a linear model.
    new_levels : {"error", "population"}
        What to do with a level of a grouping factor that the fit has not seen: refuse, or take its random effects to be zero, with their full variance
        in the standard error. The second takes a missing level for an unseen one, as lme4 does.
    se : bool
        Whether to compute standard errors.
    interval : {None, "confidence", "prediction"}
        An interval for the mean described by ``re``, or for a new observation: the latter adds sigma² and the variance of the random effects that ``re``
        leaves out.
    level : float
    offset : str or array, optional
        The offset of the new rows, where that of the fit cannot be computed from them.

    Returns
    -------
    Prediction
    """
    check_options(type, new_levels, se, interval)
    multiplier = normal_multiplier(level)
    masks = conditioned_effects(fit, re)
    if newdata is None:
        if offset is not None:
            raise OptionError("offset is for newdata only; without newdata the offset of the fit is used.")
        rows = own_rows(fit)
        index: Any = row_index(fit)
    else:
        rows, index = new_rows(fit, newdata, masks, new_levels == "population", interval == "prediction", offset)

    mean = rows.x @ fit.beta
    if rows.offset is not None:
        mean = mean + rows.offset
    for codes, z, b, mask in zip(rows.codes, rows.z, fit.b, masks, strict=True):
        if mask.any():
            mean = mean + random_part(codes, only(z, mask), b)

    std_error = lower = upper = None
    if se or interval is not None:
        variance = mean_variance(fit, rows, masks)
        std_error = np.sqrt(variance)
        if interval is not None:
            half = multiplier * (
                std_error if interval == "confidence" else np.sqrt(variance + _left_out_variance(fit, rows, masks))
            )
            lower, upper = mean - half, mean + half

    def finish(values: Floats | None) -> Floats | None:
        if values is None:
            return None
        if newdata is None:
            return padded(fit, values)
        if rows.missing is not None:
            values = np.where(rows.missing, np.nan, values)
        return values

    finished = finish(mean)
    assert finished is not None
    return Prediction(finished, finish(std_error), finish(lower), finish(upper), index)


def mean_variance(fit: MixedFit, rows: Rows, masks: tuple[Mask, ...]) -> Floats:
    """Variance (m,) of x'(beta^ - beta) + z'(b^ - b) over the chosen effects, those of unseen levels with their full variance."""
    if not any(mask.any() for mask in masks):
        if isinstance(fit, LmmFit):
            return fixed_basis(fit).variance_of(rows.x) * fit.sigma**2
        out: Floats = np.einsum("ij,jk,ik->i", rows.x, fit.vcov, rows.x)
        return out
    factors: list[tuple[NDArray[np.int32], list[Floats]]] = []
    for f in range(len(fit.order.factors)):
        at = [i for i, s in enumerate(fit.order.spans) if s.factor == f]
        factors.append(
            (
                np.ascontiguousarray(rows.codes[at[0]], dtype=np.int32),
                [np.asfortranarray(only(rows.z[i], masks[i])) for i in at],
            )
        )
    variance = fit.prediction_variance(np.asfortranarray(rows.x), factors)
    return np.asarray(variance) + unseen_random(fit, rows, masks)


def _left_out_variance(fit: MixedFit, rows: Rows, masks: tuple[Mask, ...]) -> Floats:
    """Variance of a new observation around the mean: sigma² over its weight, and the random effects that the mean leaves out."""
    residual = np.ones(len(rows.x)) if rows.weights is None else 1.0 / rows.weights
    return residual * fit.sigma**2 + left_out_random(fit, rows, masks)


def left_out_random(fit: MixedFit, rows: Rows, masks: tuple[Mask, ...]) -> Floats:
    """Variance (m,) of the random effects outside the masks."""
    out = np.zeros(len(rows.x))
    for z, mask, factor in zip(rows.z, masks, fit.relative_factors, strict=True):
        if not mask.all():
            out += own_variance(only(z, ~mask), factor)
    return out * fit.random_scale**2


def unseen_random(fit: MixedFit, rows: Rows, masks: tuple[Mask, ...]) -> Floats:
    """Variance (m,) of the random effects within the masks whose level was not in the data of the fit."""
    out = np.zeros(len(rows.x))
    for codes, z, mask, factor in zip(rows.codes, rows.z, masks, fit.relative_factors, strict=True):
        unseen = codes < 0
        if mask.any() and unseen.any():
            out[unseen] += own_variance(only(z[unseen], mask), factor)
    return out * fit.random_scale**2


def own_variance(z: Floats, factor: Floats) -> Floats:
    """z' lambda lambda' z of every row."""
    scaled = z @ factor
    out: Floats = np.einsum("ij,ij->i", scaled, scaled)
    return out


def only(z: Floats, mask: Mask) -> Floats:
    """Z with the columns outside the mask set to zero."""
    return z if mask.all() else z * mask


def own_rows(fit: MixedFit) -> Rows:
    """The rows of the fit as rows to predict."""
    d = fit.design
    return Rows(fit.x, d.offset, tuple(t.codes for t in fit.terms), tuple(t.z for t in fit.terms), d.weights, None)


def new_rows(
    fit: MixedFit, newdata: Any, masks: tuple[Mask, ...], allow_unseen: bool, whole_variance: bool, offset: object
) -> tuple[Rows, Any]:
    """New data as rows to predict, with their labels; what is not needed for the effects in ``masks`` is not read."""
    import pandas as pd

    conditioned = [s.formula for s, mask in zip(fit.order.spans, masks, strict=True) if mask.any()]
    wanted = range(len(masks)) if whole_variance else sorted(conditioned)
    encoder = fit.design.encoder
    need_weights = whole_variance and encoder.weights is not None and encoder.weights != ARRAY
    new = encoder.new_rows(
        new_table(fit, newdata, conditioned), random=tuple(wanted), offset=offset, need_weights=need_weights
    )
    found = {r.term: r for r in new.random}
    missing = new.missing
    codes: list[NDArray[np.int32]] = []
    z: list[Floats] = []
    nowhere = np.full(len(new.x), -1, dtype=np.int32)
    for span, term, mask in zip(fit.order.spans, fit.terms, masks, strict=True):
        r = found.get(span.formula)
        if r is None:  # neither the prediction nor its variance needs this term
            codes.append(nowhere)
            z.append(np.zeros((len(nowhere), span.size)))
            continue
        if mask.any() and not allow_unseen:
            if r.unseen:
                raise NewLevelError(_unseen_text(term.group, r.unseen))
            if r.n_missing:  # a missing level is a missing value
                missing = (r.codes < 0) if missing is None else missing | (r.codes < 0)
        codes.append(r.codes)
        z.append(r.z)
    x = new.x
    if fit.dropped:
        broken = not_estimable(fit, x)
        if broken:
            warn_once((_not_estimable_text(fit, broken),))
        x = x[:, list(fit.kept)]
    weights = new.weights
    if missing is not None and missing.any():  # computed as zeros, given back as NaN
        x, z = _without(x, missing), [_without(a, missing) for a in z]
        weights = None if weights is None else np.where(missing, 1.0, weights)
    index = pd.RangeIndex(len(x)) if new.row_index is None else new.row_index
    return Rows(x, new.offset, tuple(codes), tuple(z), weights, missing), index


def _without(a: Floats, rows: Mask) -> Floats:
    out = a.copy()
    out[rows] = 0.0
    return out


def _unseen_text(group: str, unseen: Any) -> str:
    shown = ", ".join(repr(u) for u in unseen[:5]) + (f" and {len(unseen) - 5} more" if len(unseen) > 5 else "")
    return (
        f"the new data have levels of {group!r} that were not in the data of the fit: {shown}. Use new_levels='population' to take their random effects "
        "to be zero, or re='population' to leave out all random effects."
    )


def _not_estimable_text(fit: MixedFit, rows: int) -> str:
    return (
        f"{rows} {'row' if rows == 1 else 'rows'} of the new data cannot be predicted reliably: the fit dropped {', '.join(fit.dropped)} because other columns "
        "determined it in its data, and in these rows they do not."
    )


def check_options(
    type: object, new_levels: object, se: object, interval: object, allowed: tuple[str, ...] = NEW_LEVELS
) -> None:
    """Check the options of a prediction that are words."""
    if type not in ("response", "link"):
        raise OptionError(f"type must be 'response' or 'link', not {type!r}.")
    if new_levels not in allowed:
        raise OptionError(f"new_levels must be {' or '.join(map(repr, allowed))}, not {new_levels!r}.")
    if not isinstance(se, bool | np.bool_):
        raise ArgumentTypeError(f"se must be True or False, not {se!r}.")
    if interval is not None and interval not in INTERVALS:
        raise OptionError(f"interval must be None, 'confidence' or 'prediction', not {interval!r}.")
