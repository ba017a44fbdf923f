"""Predictions of models with several linear predictors."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ranef.errors import ArgumentTypeError, OptionError
from ranef.estimates.component_averages import Averages, Points, grid
from ranef.estimates.delta_method import (
    parameter_covariance,
    predictor_changes,
    variance_given_parameters,
    variance_of_parameters,
)
from ranef.estimates.included_effects import Mask, conditioned_effects
from ranef.estimates.intervals import normal_multiplier
from ranef.estimates.prediction_rows import Rows, new_rows, only, own_rows
from ranef.estimates.prediction_variance import covariance_over_predictors
from ranef.estimates.response_limits import quantile_limits
from ranef.estimates.rows import padded, row_index
from ranef.fit.components.record import ComponentsFit
from ranef.fit.components.several import PredictorFit
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

#: Nodes for each uncertain predictor of a new response.
NODES = 9

#: Probabilities are kept this far from 0 and 1 where their log odds are taken.
LEAST, ROUNDING = 1e-300, 1e-16


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
    re : {"conditional", "population", "marginal"}
        ``"marginal"`` averages over the random effects of all predictors.
    type : str
        ``link``, ``conditional`` (the mean of the distribution), ``response`` (zeros included),
        ``zprob``, ``zlink``, ``disp``, ``displink``.
    new_levels : {"error", "population", "marginal"}
    with_errors : bool
    interval : {None, "confidence", "prediction"}
        Confidence limits of probabilities are those of their logit, of what is positive those of
        its logarithm. Those of a new response are quantiles of its distribution, averaged over the
        uncertainty of the predictors of mean and zeros and the random effects that are left out.
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
    if interval == "prediction" and type != "response":
        raise OptionError("a prediction interval is for a new response: it goes with type='response'.")
    if interval == "prediction" and newdata is not None and fit.response_kind == "counts":
        raise OptionError(
            "prediction intervals for new rows need their numbers of trials, which cbind(successes, failures) does not "
            "give for them; fit the proportion with weights='trials' instead."
        )
    if not isinstance(re, str) or re not in ("conditional", "population", "effects", "marginal"):
        raise OptionError(
            "re must be 'conditional', 'population' or 'marginal' for models with several linear predictors."
        )
    if new_levels not in ("error", "population", "marginal"):
        raise OptionError(f"new_levels must be 'error', 'population' or 'marginal', not {new_levels!r}.")
    if not isinstance(with_errors, bool | np.bool_):
        raise ArgumentTypeError(f"se must be True or False, not {with_errors!r}.")
    marginal = re == "marginal"
    average_unseen = new_levels == "marginal" and not marginal
    if (marginal or average_unseen) and type in ("link", "zlink", "displink"):
        raise OptionError(
            f"'marginal' averages what is not behind a link; of type={type!r} the average is that of 'population'."
        )
    etas: dict[str, Floats] = {}
    rows: dict[str, Rows] = {}
    chosen: dict[str, tuple[NDArray[np.bool_], ...]] = {}
    index: Any = row_index(fit) if newdata is None else None
    for p in fit.predictors:
        masks = chosen[p.key] = conditioned_effects(
            p, "conditional" if re in ("conditional", "effects") else "population"
        )
        if newdata is None:
            rows[p.key] = own_rows(p, masks)
        else:
            given = offset if p.key == "cond" else None
            whole = p.key == "cond" or interval == "prediction" or marginal
            unseen = new_levels != "error"
            rows[p.key], index = new_rows(p, newdata, masks, unseen, whole, given, new_positions=True)
        etas[p.key] = _predictor(p, rows[p.key], masks)
    weights = rows["cond"].weights
    weights = np.ones(len(etas["cond"])) if weights is None else weights
    listed = [rows[p.key] for p in fit.predictors], [chosen[p.key] for p in fit.predictors]
    plain = _function(fit, type, weights)
    averages = Averages(fit, *listed, average_unseen) if marginal or average_unseen else None
    value = plain if averages is None else averages.of(plain)
    values = value(etas)
    error = lower = upper = None
    if with_errors or interval is not None:
        between = parameter_covariance(fit)
        changes = predictor_changes(fit, between, *listed)
        direct = None
        if averages is not None and between is not None:
            direct = averages.slopes(plain, etas, np.sqrt(np.diagonal(between)))
        error = np.sqrt(_variance(fit, listed, between, changes, etas, value, direct, averages is not None))
        if interval == "confidence":
            lower, upper = _confidence(values, normal_multiplier(level) * error, _range(fit, type))
        elif interval == "prediction":
            lower, upper = _prediction(fit, rows, chosen, between, changes, etas, weights, level)

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
        return fit.moments_at(eta["cond"], others, np.resize(weights, len(eta["cond"])))[0]

    return mean


def _variance(
    fit: ComponentsFit,
    listed: tuple[list[Rows], list[tuple[Mask, ...]]],
    between: Floats | None,
    changes: list[Floats],
    etas: dict[str, Floats],
    value: Callable[[dict[str, Floats]], Floats],
    direct: Floats | None,
    average_unseen: bool,
) -> Floats:
    """Variance by the delta method over all parameters, and the modes where they enter; ``direct``
    are derivatives (k, n, 1) in parameters where the predictors are held.
    """
    slopes = []
    for p in fit.predictors:
        up, down = (value(etas | {p.key: etas[p.key] + h}) for h in (STEP, -STEP))
        slopes.append((up - down) / (2 * STEP))
    given = variance_given_parameters(fit, *listed, slopes, average_unseen=average_unseen)
    return variance_of_parameters(between, changes, [slope[:, np.newaxis] for slope in slopes], direct)[:, 0] + given


def _range(fit: ComponentsFit, type: str) -> str:
    """Where a type of prediction can lie: between 0 and 1, above 0, or anywhere."""
    if type == "zprob":
        return "unit"
    if type == "disp":
        return "positive"
    if type in ("link", "zlink", "displink") or fit.family.support == "real":
        return "real"
    return "unit" if fit.family.support in ("proportion", "open_unit", "unit") else "positive"


def _confidence(values: Floats, half: Floats, where: str) -> tuple[Floats, Floats]:
    """Limits by the normal distribution on the scale that has no ends."""
    if where == "real":
        return values - half, values + half
    if where == "positive":
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.exp(half / values)
            return values / ratio, values * ratio
    from scipy.special import expit, logit

    inside = np.clip(values, LEAST, 1.0 - ROUNDING)
    slope = inside * (1.0 - inside)
    return expit(logit(inside) - half / slope), expit(logit(inside) + half / slope)


def _prediction(
    fit: ComponentsFit,
    rows: dict[str, Rows],
    chosen: dict[str, tuple[NDArray[np.bool_], ...]],
    between: Floats | None,
    changes: list[Floats],
    etas: dict[str, Floats],
    weights: Floats,
    level: float,
) -> tuple[Floats, Floats]:
    """Limits of a new response: mean and zeros have normal predictors, others are held."""
    uncertain = [p for p in fit.predictors if p.key in ("cond", "zi") and p.held is None]
    m, d = len(etas["cond"]), len(uncertain)
    predictors = fit.predictors
    numbers = [predictors.index(p) for p in uncertain]
    listed = [rows[p.key] for p in predictors], [chosen[p.key] for p in predictors]
    left_out = covariance_over_predictors(fit, fit.whole_theta, *listed)
    covariance = np.array(left_out[:, numbers][:, :, numbers])

    def given(*of: int) -> Floats:
        slopes = [np.full(m, float(c in of)) for c in range(len(predictors))]
        return variance_given_parameters(fit, *listed, slopes, average_unseen=False)

    for i, a in enumerate(numbers):
        for j, b in enumerate(numbers):
            own = given(a) if i == j else (given(a, b) - given(a) - given(b)) / 2
            if between is not None:
                own = own + np.einsum("ij,jk,ik->i", changes[a], between, changes[b])
            covariance[:, i, j] += own
    values, vectors = np.linalg.eigh(covariance)
    roots = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
    nodes, shares = np.polynomial.hermite_e.hermegauss(NODES)
    points = Points(*grid(nodes, shares / shares.sum(), d), roots, [p.key for p in uncertain])

    def below(y: Floats) -> Floats:
        def at(eta: dict[str, Floats]) -> Floats:
            size = len(eta["cond"])
            others = {k: v for k, v in eta.items() if k != "cond"}
            return fit.cumulative_at(np.resize(y, size), eta["cond"], others, np.resize(weights, size))

        return points.average(at, etas)

    step = 1.0 / weights if fit.family.support == "proportion" else np.ones(m)
    size = np.abs(fit.family.mean(etas["cond"]))
    return quantile_limits(below, size, fit.family.support, step, level)


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
