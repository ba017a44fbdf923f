"""Predictions on the rows of the fit or on new rows,
on the scale of the response or of the link, with standard errors and intervals.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ranef.errors import ArgumentTypeError, OptionError
from ranef.estimates.correlated_rows import given_own_rows, joint_variance
from ranef.estimates.included_effects import conditioned_effects
from ranef.estimates.intervals import normal_multiplier
from ranef.estimates.prediction_rows import new_rows, only, own_rows
from ranef.estimates.prediction_scale import PredictionScale, marginal_variance
from ranef.estimates.prediction_variance import between_positions, left_out_random, mean_variance, unseen_random
from ranef.estimates.response_limits import response_limits
from ranef.estimates.rows import padded, row_index
from ranef.fit.ending.warned import warn_once
from ranef.fit.random_part import random_part
from ranef.fit.record import MixedFit

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

INTERVALS = ("confidence", "prediction")
NEW_LEVELS = ("error", "population")
MARGINAL = "marginal"


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
        """Return a Series, or a frame with columns ``fit, se`` and,
        for an interval, ``lower, upper``.
        """
        import pandas as pd

        if self.se is None:
            return pd.Series(self.fit, index=self.index, name="fit")
        columns = {"fit": self.fit, "se": self.se}
        if self.lower is not None and self.upper is not None:
            columns.update(lower=self.lower, upper=self.upper)
        return pd.DataFrame(columns, index=self.index)


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
    """Predict means or linear predictors.

    Parameters
    ----------
    fit : MixedFit
    newdata : frame, optional
        New rows; the rows of the fit by default. A row with a missing value is predicted as NaN; a
        missing level of a grouping factor is such a value unless ``new_levels`` is
        ``"population"``.
    re : str
        What enters: ``"conditional"`` (all random effects, and what correlated rows of the same
        subject say), ``"effects"`` (the random effects alone), ``"population"`` (none), a formula
        such as ``"~ (1 | school)"``, or, in models with a link, ``"marginal"`` (averaged over their
        distribution).
    type : {"response", "link"}
        The same for a linear model.
    new_levels : {"error", "population", "marginal"}
        What to do with a level of a grouping factor that the fit has not seen: refuse; take its
        random effects to be zero, with their full variance in the standard error (a missing level
        is then an unseen one, as in lme4); or, in models with a link, average over them.
    se : bool
        Whether to compute standard errors, on the scale of the response by the delta method. They
        account for the estimation of the fixed effects and the prediction of the random effects;
        those of a linear model treat theta and sigma as known, so that with few groups they are
        somewhat too small.
    interval : {None, "confidence", "prediction"}
        An interval for the mean described by ``re``, whose limits are those of the linear predictor
        transformed, or for a new observation: the latter adds the variance of the response and that
        of the random effects that ``re`` leaves out.
    level : float
    offset : str or array, optional
        The offset of the new rows, where that of the fit cannot be computed from them.

    Returns
    -------
    Prediction
    """
    # In a linear model the mean over the random effects is that of the typical group.
    _check_options(type, new_levels, se, interval, NEW_LEVELS if fit.normal_responses else (*NEW_LEVELS, MARGINAL))
    multiplier = normal_multiplier(level)
    marginal = isinstance(re, str) and re == MARGINAL and not fit.normal_responses
    own_effects = isinstance(re, str) and re == "effects"
    masks = conditioned_effects(fit, "population" if marginal else "conditional" if own_effects else re)
    if interval == "prediction" and type == "link" and not fit.identity_scale:
        raise OptionError("a prediction interval is for a new response: it goes with type='response'.")
    if newdata is None:
        if offset is not None:
            raise OptionError("offset is for newdata only; without newdata the offset of the fit is used.")
        rows = own_rows(fit, masks)
        index: Any = row_index(fit)
    else:
        if interval == "prediction" and fit.response_kind == "counts":
            raise OptionError(
                "prediction intervals for new rows need their numbers of trials, which cbind(successes, failures) "
                "does not give for them; fit the proportion with weights='trials' instead."
            )
        # The correlation with rows of the fit depends on the weights of both.
        weighted = fit.design.residual is not None and fit.design.weights is not None
        whole = marginal or weighted or interval == "prediction"
        rows, index = new_rows(fit, newdata, masks, new_levels != "error", whole, offset, new_positions=True)

    eta = rows.fixed_sum(fit.beta)
    if rows.offset is not None:
        eta = eta + rows.offset
    for codes, z, b, mask in zip(rows.codes, rows.z, fit.b, masks, strict=True):
        if mask.any():
            eta = eta + random_part(codes, only(z, mask), b)
    given = None
    if newdata is not None:
        given = given_own_rows(fit, newdata, rows, eta, isinstance(re, str) and re == "conditional")
    if given is not None:
        eta = eta + given.shift
    none = np.zeros(len(eta))
    unseen = unseen_random(fit, rows, masks) if new_levels == MARGINAL else none
    averaged = (left_out_random(fit, rows, masks) if marginal else none) + unseen
    scale = PredictionScale(fit, str(type), averaged)
    values = scale.value(eta)
    if scale.averaged and (without := int(np.isnan(values).sum())):
        warn_once((_no_average_text(fit, without),))
    std_error = lower = upper = None
    if se or interval is not None:
        if marginal:
            variance = marginal_variance(fit, rows, masks, scale, str(type), eta)
        else:
            # What is averaged over is part of the mean, and no uncertainty of it.
            at = rows if given is None else replace(rows, columns=given.columns)
            variance = np.maximum(mean_variance(fit, at, masks) - unseen, 0.0)
            if given is not None and given.effects is not None:
                moved = given.moved
                own_levels = joint_variance(fit, given.columns[moved], given.effects[moved])
                beside = unseen_random(fit, rows, masks) + between_positions(fit, rows, masks)
                variance[moved] = own_levels + beside[moved]
        deviation = np.sqrt(variance)
        std_error = np.abs(scale.slope(eta)) * deviation
        if interval == "confidence":
            limits = scale.value(eta - multiplier * deviation), scale.value(eta + multiplier * deviation)
            lower, upper = np.minimum(*limits), np.maximum(*limits)
        elif interval == "prediction":
            weights = np.ones(len(eta)) if rows.weights is None else rows.weights
            around = unseen + left_out_random(fit, rows, masks)
            if fit.normal_responses:
                own = fit.observation_variance() if newdata is None else 1.0 / weights * fit.residual_variance
                own = own if given is None else given.variance * fit.residual_variance
                half = multiplier * np.sqrt(variance + (own + around))
                lower, upper = eta - half, eta + half
            else:
                assert isinstance(level, float | int)
                lower, upper = response_limits(fit, eta, np.sqrt(variance + around), weights, float(level))

    def finish(a: Floats | None) -> Floats | None:
        if a is None:
            return None
        if newdata is None:
            return padded(fit, a)
        return a if rows.missing is None else np.where(rows.missing, np.nan, a)

    finished = finish(values)
    assert finished is not None
    return Prediction(finished, finish(std_error), finish(lower), finish(upper), index)


def _no_average_text(fit: MixedFit, rows: int) -> str:
    return (
        f"{rows} {'row has' if rows == 1 else 'rows have'} no mean over the random effects (NaN): with the "
        f"{fit.family.link} link the mean is infinite at a linear predictor of zero, which the random effects reach. "
        "re='population' predicts for a typical group; the log link has means for all groups."
    )


def _check_options(type: object, new_levels: object, se: object, interval: object, allowed: tuple[str, ...]) -> None:
    """Check the options of a prediction that are words."""
    if type not in ("response", "link"):
        raise OptionError(f"type must be 'response' or 'link', not {type!r}.")
    if new_levels not in allowed:
        raise OptionError(f"new_levels must be {' or '.join(map(repr, allowed))}, not {new_levels!r}.")
    if not isinstance(se, bool | np.bool_):
        raise ArgumentTypeError(f"se must be True or False, not {se!r}.")
    if interval is not None and interval not in INTERVALS:
        raise OptionError(f"interval must be None, 'confidence' or 'prediction', not {interval!r}.")
