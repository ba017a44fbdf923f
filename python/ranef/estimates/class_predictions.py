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
from ranef.estimates.included_effects import Mask, conditioned_effects
from ranef.estimates.intervals import normal_multiplier
from ranef.estimates.normal_average import average_mean
from ranef.estimates.prediction_rows import Rows, new_rows, only, own_rows
from ranef.estimates.prediction_variance import between_positions, covariance_over_predictors, unseen_random
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
        largest = np.argmax(law.probabilities(law.estimates), axis=1).astype(float)[:, np.newaxis]
        largest = _finished(fit, rows, newdata, largest)
        return ClassPrediction(largest, None, None, None, ("class",), index, fit.categories)
    transform = TRANSFORMS[type]
    values = transform(law.probabilities(law.estimates))
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
    """Probabilities of rows as a function of all parameters: theta and all coefficients, as the
    core has them; ``rows`` and ``masks`` are of location and scale.
    """

    def __init__(self, fit: Any, rows: list[Rows], masks: list[tuple[Mask, ...]], marginal: bool, average_unseen: bool):
        self.fit, self.rows, self.masks = fit, rows, masks
        self.marginal, self.average_unseen = marginal, average_unseen
        self.estimates: Floats = np.concatenate([fit.whole_theta, fit.whole_beta])
        self.n_theta = len(fit.whole_theta)
        self.conditional = [any(mask.any() for mask in own) for own in masks]

    def predictors(self, x: Floats) -> list[Floats]:
        """Locations and log scales (n,) at parameters."""
        fit, theta, beta = self.fit, x[: self.n_theta], x[self.n_theta :]
        effects = [p.b for p in fit.predictors]
        if any(self.conditional) and x is not self.estimates:
            effects = fit.effects_at(theta, beta)
        out = []
        for rows, masks, b, place in zip(self.rows, self.masks, effects, fit.coefficient_places, strict=True):
            eta = rows.fixed_sum(beta[place])
            if rows.offset is not None:
                eta = eta + rows.offset
            for codes, z, own, mask in zip(rows.codes, rows.z, b, masks, strict=True):
                if mask.any():
                    eta = eta + random_part(codes, only(z, mask), own)
            out.append(eta)
        return out if len(out) > 1 else [*out, np.zeros(len(out[0]))]

    def probabilities(self, x: Floats, shift: float = 0.0, stretch: float = 0.0) -> Floats:
        """Probabilities (n, K) at parameters, locations and log scales moved by a shift."""
        fit, rows = self.fit, self.rows[0]
        eta, log_scale = self.predictors(x)
        eta, log_scale = eta + shift, log_scale + stretch
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
        covariance = self.fit.whole_vcov
        if covariance is None:
            return np.full_like(transform(self.probabilities(self.estimates)), np.nan)
        covariance = np.where(np.isnan(covariance), 0.0, covariance)  # what is held at the boundary
        scale = np.sqrt(np.diagonal(covariance))
        slopes = []
        for j in range(len(self.estimates)):
            step = np.zeros(len(self.estimates))
            step[j] = STEP * scale[j] if scale[j] > 0 else 0.0
            if step[j] == 0.0:
                slopes.append(np.zeros_like(transform(self.probabilities(self.estimates))))
                continue
            above, below = self.estimates + step, self.estimates - step
            difference = transform(self.probabilities(above)) - transform(self.probabilities(below))
            slopes.append(difference / (2.0 * step[j]))
        g = np.stack(slopes)
        variance = np.einsum("ink,ij,jnk->nk", g, covariance, g)
        if any(self.conditional):
            variance = variance + self._of_effects(transform)
        return np.asarray(np.sqrt(np.maximum(variance, 0.0)))

    def _of_effects(self, transform: Callable[[Floats], Floats]) -> Floats:
        """Variance (n, m) of the random effects given the data and the parameters, by the slopes in
        location and log scale.
        """
        h = LOCATION_STEP
        by = [
            (transform(self.probabilities(self.estimates, *up)) - transform(self.probabilities(self.estimates, *down)))
            / (2 * h)
            for up, down in (((h, 0.0), (-h, 0.0)), ((0.0, h), (0.0, -h)))[: len(self.rows)]
        ]
        if len(by) == 1:
            return by[0] ** 2 * self._variance((np.ones(len(by[0])),))[:, np.newaxis]
        return np.stack([self._variance(slopes) for slopes in zip(*(slope.T for slope in by), strict=True)], axis=1)

    def _variance(self, slopes: tuple[Floats, ...]) -> Floats:
        """Variance (n,) of the random effects of location and scale times these slopes (n,)."""
        given = [
            (rows.codes, [only(z, mask) * a[:, np.newaxis] for z, mask in zip(rows.z, masks, strict=True)])
            for rows, masks, a in zip(self.rows, self.masks, slopes, strict=True)
        ]
        out: Floats = self.fit.variance_of_effects(given)
        for p, rows, masks, a in zip(self.fit.predictors, self.rows, self.masks, slopes, strict=True):
            own = between_positions(p, rows, masks)
            out = out + a**2 * (own if self.average_unseen else own + unseen_random(p, rows, masks))
        return out
