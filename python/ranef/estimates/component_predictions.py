"""Predictions of models with several linear predictors."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ranef.errors import OptionError
from ranef.estimates.included_effects import conditioned_effects
from ranef.estimates.intervals import normal_multiplier
from ranef.estimates.prediction_rows import Rows, new_rows, only, own_rows
from ranef.estimates.rows import padded, row_index
from ranef.fit.component_variance import predictor_effects
from ranef.fit.components import ComponentsFit, PredictorFit
from ranef.fit.random_part import random_part

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

#: Types of predictions, and the predictor that each is of; several for the others.
TYPES = {
    "link": "cond",
    "conditional": None,
    "response": None,
    "zprob": "zi",
    "zlink": "zi",
    "disp": "disp",
    "displink": "disp",
}

#: Displacement of a linear predictor for slopes.
STEP = 1e-5


def predicted_components(
    fit: ComponentsFit,
    newdata: Any,
    re: str,
    type: object,
    new_levels: str,
    with_errors: bool,
    interval: str | None,
    level: float,
    offset: Any,
) -> tuple[Floats, Floats | None, Floats | None, Floats | None, Any]:
    """Values, standard errors and limits, and the labels of the rows.

    Parameters
    ----------
    fit : ComponentsFit
    newdata : frame or None
    re : {"conditional", "population"}
    type : str
        ``link``, ``conditional`` (the mean of the distribution), ``response`` (zeros included),
        ``zprob``, ``zlink``, ``disp``, ``displink``.
    new_levels : {"error", "population"}
    with_errors : bool
    interval : {None, "confidence"}
    level : float
    offset : str or array, optional
    """
    keys = {p.key for p in fit.predictors}
    if not isinstance(type, str) or type not in TYPES:
        raise OptionError(f"type must be one of {', '.join(map(repr, TYPES))}, not {type!r}.")
    needed = TYPES[type]
    if needed is not None and needed not in keys:
        what = "zero part" if needed == "zi" else "dispersion model"
        raise OptionError(f"type={type!r} is of a {what}, which the model does not have.")
    if interval == "prediction":
        raise OptionError("prediction intervals are not offered for models with several linear predictors.")
    if not isinstance(re, str) or re not in ("conditional", "population", "effects"):
        raise OptionError("re must be 'conditional' or 'population' for models with several linear predictors.")
    etas: dict[str, Floats] = {}
    rows: dict[str, Rows] = {}
    index: Any = row_index(fit) if newdata is None else None
    for p in fit.predictors:
        masks = conditioned_effects(p, "population" if re == "population" else "conditional")
        if newdata is None:
            rows[p.key] = own_rows(p, masks)
        else:
            given = offset if p.key == "cond" else None
            rows[p.key], index = new_rows(p, newdata, masks, new_levels != "error", p.key == "cond", given)
        etas[p.key] = _predictor(p, rows[p.key], masks)
    weights = rows["cond"].weights
    weights = np.ones(len(etas["cond"])) if weights is None else weights
    value = _function(fit, type, weights)
    values = value(etas)
    error = lower = upper = None
    if with_errors or interval is not None:
        error = np.sqrt(_variance(fit, rows, etas, value, re != "population"))
        if interval is not None:
            half = normal_multiplier(level) * error
            lower, upper = values - half, values + half

    def finish(a: Floats | None) -> Floats | None:
        if a is None:
            return None
        if newdata is None:
            return padded(fit, a)
        for r in rows.values():
            a = a if r.missing is None else np.where(r.missing, np.nan, a)
        return a

    out = finish(values)
    assert out is not None
    return out, finish(error), finish(lower), finish(upper), index


def _predictor(p: PredictorFit, rows: Rows, masks: tuple[NDArray[np.bool_], ...]) -> Floats:
    """The linear predictor of rows."""
    if p.held is not None:
        return np.full(len(rows.x), p.held)
    eta = rows.fixed_sum(p.beta)
    if rows.offset is not None:
        eta = eta + rows.offset
    for codes, z, b, mask in zip(rows.codes, rows.z, p.b, masks, strict=True):
        if mask.any():
            eta = eta + random_part(codes, only(z, mask), b)
    return eta


def _function(fit: ComponentsFit, type: str, weights: Floats) -> Callable[[dict[str, Floats]], Floats]:
    """What a type of prediction is of the linear predictors."""
    if type in ("link", "zlink", "displink"):
        key = {"link": "cond", "zlink": "zi", "displink": "disp"}[type]
        return lambda eta: eta[key]
    if type == "zprob":
        return lambda eta: np.asarray(1 / (1 + np.exp(-eta["zi"])))
    if type == "disp":
        return lambda eta: np.exp(eta["disp"])

    def mean(eta: dict[str, Floats]) -> Floats:
        others = {k: v for k, v in eta.items() if k != "cond" and (k != "zi" or type == "response")}
        return fit.moments_at(eta["cond"], others, weights)[0]

    return mean


def _variance(
    fit: ComponentsFit,
    rows: dict[str, Rows],
    etas: dict[str, Floats],
    value: Callable[[dict[str, Floats]], Floats],
    conditional: bool,
) -> Floats:
    """Variance by the delta method over all parameters, and the modes where they enter."""
    total: Floats | None = None
    own = np.zeros(len(etas["cond"]))
    for i, p in enumerate(fit.predictors):
        up, down = (value(etas | {p.key: etas[p.key] + h}) for h in (STEP, -STEP))
        slope = (up - down) / (2 * STEP)
        if not slope.any() or not (len(p.beta) or p.design.random):
            continue
        factors = []
        for members in p.order.factors:
            at = [j for j, s in enumerate(p.order.spans) if s.formula in members]
            factors.append((rows[p.key].codes[at[0]], [rows[p.key].z[j] for j in at]))
        effect, variance = predictor_effects(fit, i, rows[p.key].x, factors if conditional else [])
        effect = slope[:, None] * effect
        total = effect if total is None else total + effect
        own += slope**2 * variance
    if total is None:
        return own
    covariance = np.zeros((total.shape[1],) * 2) if fit.whole_vcov is None else np.nan_to_num(fit.whole_vcov)
    return np.asarray(np.maximum(np.einsum("ij,jk,ik->i", total, covariance, total) + own, 0.0))


def predicted_frame(
    fit: Any,
    newdata: Any,
    re: str,
    type: object,
    new_levels: str,
    se: bool,
    interval: str | None,
    level: float,
    offset: Any,
) -> "pd.Series[float] | pd.DataFrame":
    """The same as a Series, or with errors as a frame."""
    import pandas as pd

    values, error, lower, upper, index = predicted_components(
        fit, newdata, re, type, new_levels, se, interval, level, offset
    )
    if error is None:
        return pd.Series(values, index=index, name="fit")
    columns: dict[str, Floats | None] = {"fit": values, "se": error}
    if lower is not None:
        columns |= {"lower": lower, "upper": upper}
    return pd.DataFrame(columns, index=index)
