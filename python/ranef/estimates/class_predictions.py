"""Predictions of ordered categories: probabilities, categories and their mean, with standard errors
by the delta method over all parameters and the conditional modes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ranef.errors import ArgumentTypeError, OptionError
from ranef.estimates.delta_method import (
    parameter_covariance,
    predictor_changes,
    variance_given_parameters,
    variance_of_parameters,
)
from ranef.estimates.included_effects import Mask, conditioned_effects
from ranef.estimates.intervals import normal_multiplier
from ranef.estimates.normal_average import average_mean
from ranef.estimates.prediction_rows import Rows, new_rows, only, own_rows
from ranef.estimates.prediction_variance import covariance_over_predictors
from ranef.estimates.rows import padded, row_index
from ranef.fit.random_part import random_part
from ranef.fit.record import MixedFit

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

#: What can be predicted of categories.
CLASS_TYPES = ("response", "mean_class", "prob", "cum_prob", "exc_prob", "class")

#: Step of derivatives by a parameter, in its standard errors, and by a location.
STEP, LOCATION_STEP = 1e-4, 1e-5

#: Nodes of the average over random effects of the scale.
SCALE_NODES = 41

#: Probabilities are kept this far from 0 and 1 where their log odds are taken.
LEAST, ROUNDING = 1e-300, 1e-16


def mean_class(p: Floats) -> Floats:
    """Mean number (n, 1) of the category, from 1."""
    return p @ np.arange(1.0, p.shape[1] + 1.0)[:, np.newaxis]


#: From probabilities (n, K) to what is predicted (n, m).
TRANSFORMS: dict[str, Callable[[Floats], Floats]] = {
    "response": mean_class,
    "mean_class": mean_class,
    "prob": lambda p: p,
    "cum_prob": lambda p: np.cumsum(p, axis=1)[:, :-1],
    "exc_prob": lambda p: 1.0 - np.cumsum(p, axis=1)[:, :-1],
}


@dataclass(frozen=True, slots=True, eq=False)
class ClassPrediction:
    """Predictions of m rows.

    Attributes
    ----------
    values : (m, k) array
    se, lower, upper : (m, k) array or None
    columns : tuple of str
        Categories or thresholds; one name where there is one number a row.
    index : pandas Index
    labels : tuple of str
        Where ``values`` are numbers of categories, their labels.
    """

    values: Floats
    se: Floats | None
    lower: Floats | None
    upper: Floats | None
    columns: tuple[str, ...]
    index: "pd.Index"
    labels: tuple[str, ...] = ()

    def to_pandas(self) -> "pd.Series[Any] | pd.DataFrame":
        """One column for each category, with standard errors and limits under two headings; a
        Series where there is one number a row.
        """
        import pandas as pd

        if self.labels:
            codes = np.where(np.isnan(self.values[:, 0]), -1, self.values[:, 0]).astype(int)
            made = pd.Categorical.from_codes(codes.tolist(), categories=pd.Index(self.labels), ordered=True)
            return pd.Series(made, index=self.index, name="class")
        parts = {"fit": self.values, "se": self.se, "lower": self.lower, "upper": self.upper}
        there = {k: v for k, v in parts.items() if v is not None}
        single = len(self.columns) == 1 and self.values.shape[1] == 1 and self.columns[0] == "fit"
        if single:
            if len(there) == 1:
                return pd.Series(self.values[:, 0], index=self.index, name="fit")
            return pd.DataFrame({k: v[:, 0] for k, v in there.items()}, index=self.index)
        frames = {k: pd.DataFrame(v, index=self.index, columns=pd.Index(self.columns)) for k, v in there.items()}
        return frames["fit"] if len(frames) == 1 else pd.concat(frames, axis=1)


def class_predictions(
    fit: MixedFit,
    newdata: Any = None,
    *,
    re: object = "conditional",
    type: str = "prob",
    new_levels: object = "error",
    se: object = False,
    interval: object = None,
    level: object = 0.95,
    offset: object = None,
) -> ClassPrediction:
    """Predict what a model of ordered categories says of rows; arguments as of `predict`.

    Parameters
    ----------
    fit : MixedFit
        Of ordered categories.
    newdata : frame, optional
    re : str
        With ``"marginal"`` probabilities are averaged over the random effects.
    type : str
        One of ``CLASS_TYPES``.
    new_levels : {"error", "population", "marginal"}
    se : bool
    interval : {None, "confidence"}
        Limits of probabilities are those of their log odds.
    level : float
    offset : str or array, optional

    Returns
    -------
    ClassPrediction
    """
    errors = _wants_errors(type, new_levels, se, interval)
    multiplier = normal_multiplier(level)
    marginal = isinstance(re, str) and re == "marginal"
    masks = conditioned_effects(fit, "population" if marginal else "conditional" if re == "effects" else re)
    if newdata is None and offset is not None:
        raise OptionError("offset is for newdata only; without newdata the offset of the fit is used.")
    # what a formula names are terms of the location
    of_others = "population" if marginal or (isinstance(re, str) and re == "population") else "conditional"
    rows: list[Rows] = []
    chosen = [masks, *(conditioned_effects(p, of_others) for p in fit.predictors[1:])]
    index: Any = row_index(fit) if newdata is None else None
    for p, own in zip(fit.predictors, chosen, strict=True):
        if newdata is None:
            rows.append(own_rows(p, own))
            continue
        is_first = p is fit
        unseen, given = new_levels != "error", offset if is_first else None
        made, labels = new_rows(p, newdata, own, unseen, marginal, given, new_positions=True)
        rows.append(made)
        index = labels if is_first else index
    law = _Law(fit, rows, chosen, marginal, new_levels == "marginal")
    if type == "class":
        largest = np.argmax(law.probabilities(), axis=1).astype(float)[:, np.newaxis]
        largest = _finished(fit, rows, newdata, largest)
        return ClassPrediction(largest, None, None, None, ("class",), index, fit.categories)
    transform = TRANSFORMS[type]
    values = transform(law.probabilities())
    columns = ("fit",) if type in ("response", "mean_class") else _columns(fit, type)
    std_error = lower = upper = None
    if errors:
        std_error = law.standard_errors(transform)
        if interval is not None:
            lower, upper = _limits(values, multiplier * std_error, type)
    done = [None if a is None else _finished(fit, rows, newdata, a) for a in (values, std_error, lower, upper)]
    assert done[0] is not None
    return ClassPrediction(done[0], done[1], done[2], done[3], columns, index)


def _columns(fit: MixedFit, type: str) -> tuple[str, ...]:
    k = fit.categories
    return k if type == "prob" else tuple(f"{a}|{b}" for a, b in pairwise(k))


def _finished(fit: MixedFit, rows: list[Rows], newdata: Any, a: Floats) -> Floats:
    if newdata is None:
        return padded(fit, a)
    for own in rows:
        a = a if own.missing is None else np.where(own.missing[:, np.newaxis], np.nan, a)
    return a


def _limits(values: Floats, half: Floats, type: str) -> tuple[Floats, Floats]:
    """Limits of probabilities through their log odds, of mean categories as they are."""
    if type in ("response", "mean_class"):
        return values - half, values + half
    from scipy.special import expit, logit

    inside = np.clip(values, LEAST, 1.0 - ROUNDING)
    slope = inside * (1.0 - inside)
    return expit(logit(inside) - half / slope), expit(logit(inside) + half / slope)


def _wants_errors(type: str, new_levels: object, se: object, interval: object) -> bool:
    """Check the options, and whether standard errors are wanted."""
    if new_levels not in ("error", "population", "marginal"):
        raise OptionError(f"new_levels must be 'error' or 'population' or 'marginal', not {new_levels!r}.")
    if not isinstance(se, bool | np.bool_):
        raise ArgumentTypeError(f"se must be True or False, not {se!r}.")
    if interval not in (None, "confidence"):
        raise OptionError(
            f"interval must be None or 'confidence' for ordered categories, not {interval!r}: the probabilities of the "
            "categories are the distribution of a new response."
        )
    if type == "class" and (se or interval is not None):
        raise OptionError("a predicted category has no standard error; type='prob' gives those of probabilities.")
    return bool(se) or interval is not None


class _Law:
    """Probabilities of rows as a function of their linear predictors and of all parameters: theta
    and all coefficients, as the core has them; ``rows`` and ``masks`` are of location and scale.
    """

    def __init__(self, fit: Any, rows: list[Rows], masks: list[tuple[Mask, ...]], marginal: bool, average_unseen: bool):
        self.fit, self.rows, self.masks = fit, rows, masks
        self.marginal, self.average_unseen = marginal, average_unseen
        self.estimates: Floats = np.concatenate([fit.whole_theta, fit.whole_beta])
        self.n_theta = len(fit.whole_theta)
        self.etas = self._predictors()

    def _predictors(self) -> list[Floats]:
        """Locations and log scales (n,)."""
        fit, out = self.fit, []
        for p, rows, masks, place in zip(fit.predictors, self.rows, self.masks, fit.coefficient_places, strict=True):
            eta = rows.fixed_sum(fit.whole_beta[place])
            if rows.offset is not None:
                eta = eta + rows.offset
            for codes, z, own, mask in zip(rows.codes, rows.z, p.b, masks, strict=True):
                if mask.any():
                    eta = eta + random_part(codes, only(z, mask), own)
            out.append(eta)
        return out

    def probabilities(self, x: Floats | None = None, shifts: tuple[float, ...] = (0.0, 0.0)) -> Floats:
        """Probabilities (n, K) at parameters, the linear predictors being those of the fit, moved
        by shifts.
        """
        fit, rows = self.fit, self.rows[0]
        x = self.estimates if x is None else x
        eta = self.etas[0] + shifts[0]
        log_scale = (self.etas[1] if len(self.etas) > 1 else np.zeros(len(eta))) + shifts[1]
        extras, nominal = fit.apart(x[self.n_theta :])[1], rows.parts[0] if rows.parts else None
        variance = self._averaged(x[: self.n_theta])
        if not variance.any():
            out: Floats = fit.probabilities_at(eta, log_scale, extras, nominal)
            return out
        below = np.zeros((len(eta), len(fit.categories) - 1))
        for share, at, stretched, sd in self._points(eta, log_scale, variance):
            t = fit.standardised_at(at, stretched, extras, nominal)
            own = sd * np.exp(-stretched)
            for k in range(t.shape[1]):
                below[:, k] += share * average_mean(fit.family.link_function, t[:, k], own)
        return np.diff(np.pad(below, ((0, 0), (1, 1)), constant_values=((0, 0), (0.0, 1.0))), axis=1)

    def _averaged(self, theta: Floats) -> Floats:
        """Covariance (n, d, d) of the effects of location and scale that are averaged over."""
        d, n = len(self.rows), len(self.rows[0].x)
        out = np.zeros((n, d, d))
        for wanted, unseen in ((self.marginal, False), (self.average_unseen, True)):
            if wanted:
                out += covariance_over_predictors(self.fit, theta, self.rows, self.masks, unseen)
        return out

    @staticmethod
    def _points(eta: Floats, log_scale: Floats, variance: Floats) -> Iterator[tuple[float, Floats, Floats, Floats]]:
        """Nodes of the effect on the log scale: weight, location and log scale there, and standard
        deviation of the location given the effect.
        """
        if variance.shape[1] == 1 or not variance[:, 1, 1].any():
            yield 1.0, eta, log_scale, np.sqrt(variance[:, 0, 0])
            return
        sd = np.sqrt(variance[:, 1, 1])
        with np.errstate(divide="ignore", invalid="ignore"):
            along = np.where(sd > 0, variance[:, 0, 1] / sd, 0.0)
        left = np.sqrt(np.maximum(variance[:, 0, 0] - along**2, 0.0))
        nodes, weights = np.polynomial.hermite_e.hermegauss(SCALE_NODES)
        for node, weight in zip(nodes.tolist(), (weights / weights.sum()).tolist(), strict=True):
            yield weight, eta + along * node, log_scale + sd * node, left

    def standard_errors(self, transform: Callable[[Floats], Floats]) -> Floats:
        """Standard errors (n, m) of what is made of the probabilities."""
        h, d = LOCATION_STEP, len(self.rows)
        slopes = []
        for c in range(d):
            up, down = (tuple(step if i == c else 0.0 for i in range(2)) for step in (h, -h))
            difference = transform(self.probabilities(shifts=up)) - transform(self.probabilities(shifts=down))
            slopes.append(difference / (2 * h))
        covariance = parameter_covariance(self.fit)
        changes = predictor_changes(self.fit, covariance, self.rows, self.masks)
        direct = self._direct(covariance, transform, slopes[0].shape)
        variance = variance_of_parameters(covariance, changes, slopes, direct)
        for j in range(variance.shape[1]):
            own = [slope[:, j] for slope in slopes]
            variance[:, j] += variance_given_parameters(self.fit, self.rows, self.masks, own, self.average_unseen)
        return np.asarray(np.sqrt(np.maximum(variance, 0.0)))

    def _direct(
        self, covariance: Floats | None, transform: Callable[[Floats], Floats], shape: tuple[int, ...]
    ) -> Floats:
        """Derivatives (k, n, m) in parameters that are not those of a linear predictor: thresholds,
        nominal effects, and covariance parameters of what is averaged over.
        """
        out = np.zeros((len(self.estimates), *shape))
        if covariance is None:
            return out
        of_predictors = [j for place in self.fit.coefficient_places for j in range(place.start, place.stop)]
        averages = self.marginal or self.average_unseen
        for j in range(len(self.estimates)):
            step = STEP * float(np.sqrt(covariance[j, j]))
            is_theta = j < self.n_theta
            if step == 0.0 or (is_theta and not averages) or (not is_theta and j - self.n_theta in of_predictors):
                continue
            moved = np.zeros(len(self.estimates))
            moved[j] = step
            up, down = (transform(self.probabilities(self.estimates + sign * moved)) for sign in (1.0, -1.0))
            out[j] = (up - down) / (2 * step)
        return out
