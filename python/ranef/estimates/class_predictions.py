"""Predictions of ordered categories: probabilities, categories and their mean, with standard errors
by the delta method over all parameters and the conditional modes.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ranef.errors import ArgumentTypeError, OptionError
from ranef.estimates.included_effects import Mask, conditioned_effects
from ranef.estimates.intervals import normal_multiplier
from ranef.estimates.normal_average import average_mean
from ranef.estimates.prediction_rows import Rows, new_rows, only, own_rows
from ranef.estimates.prediction_variance import left_out_random, unseen_random
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
    of_scale = bool(fit.part_terms) and not (marginal or (isinstance(re, str) and re == "population"))
    if fit.part_terms and (marginal or new_levels == "marginal"):
        raise OptionError(
            "averages over random effects are not offered where the scale has some; re='population' leaves them out."
        )
    if newdata is None:
        if offset is not None:
            raise OptionError("offset is for newdata only; without newdata the offset of the fit is used.")
        rows: Rows = own_rows(fit, masks, of_scale)
        index: Any = row_index(fit)
    else:
        rows, index = new_rows(fit, newdata, masks, new_levels != "error", marginal, offset, of_scale)
    law = _Law(fit, rows, masks, marginal, new_levels == "marginal")
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
    made = [None if a is None else _finished(fit, rows, newdata, a) for a in (values, std_error, lower, upper)]
    assert made[0] is not None
    return ClassPrediction(made[0], made[1], made[2], made[3], columns, index)


def _columns(fit: MixedFit, type: str) -> tuple[str, ...]:
    k = fit.categories
    return k if type == "prob" else tuple(f"{a}|{b}" for a, b in pairwise(k))


def _finished(fit: MixedFit, rows: Rows, newdata: Any, a: Floats) -> Floats:
    if newdata is None:
        return padded(fit, a)
    return a if rows.missing is None else np.where(rows.missing[:, np.newaxis], np.nan, a)


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
    """Probabilities of rows as a function of all parameters: theta, fixed effects and the rest."""

    def __init__(self, fit: Any, rows: Rows, masks: tuple[Mask, ...], marginal: bool, average_unseen: bool):
        self.fit, self.rows, self.masks = fit, rows, masks
        self.marginal, self.average_unseen = marginal, average_unseen
        self.estimates: Floats = np.concatenate([fit.all_theta, fit.beta, fit.extras])
        self.n_theta, self.n_beta = len(fit.all_theta), len(fit.beta)
        self.conditional = any(mask.any() for mask in masks) or bool(rows.of_parts)

    def predictors(self, x: Floats) -> tuple[Floats, Floats]:
        """Locations (n,) at parameters, and what random effects add to the log scale (n,)."""
        m, p, rows = self.n_theta, self.n_beta, self.rows
        eta, more = rows.fixed_sum(x[m : m + p]), np.zeros(len(rows.x))
        if rows.offset is not None:
            eta = eta + rows.offset
        if self.conditional:
            of_location, of_scale = self.fit.b, self.fit.part_modes
            if x is not self.estimates:
                of_location, of_scale = self.fit.effects_at(x[:m], x[m : m + p], x[m + p :])
            for codes, z, b, mask in zip(rows.codes, rows.z, of_location, self.masks, strict=True):
                if mask.any():
                    eta = eta + random_part(codes, only(z, mask), b)
            for (codes, z), b in zip(rows.of_parts, of_scale, strict=bool(rows.of_parts)):
                more = more + random_part(codes, z, b)
        return eta, more

    def probabilities(self, x: Floats, shift: float = 0.0, stretch: float = 0.0) -> Floats:
        """Probabilities (n, K) at parameters, locations and log scales moved by a shift."""
        fit, rows = self.fit, self.rows
        (eta, more), extras = self.predictors(x), x[self.n_theta + self.n_beta :]
        eta, more = eta + shift, more + stretch
        variance = np.zeros(len(eta))
        if self.marginal:
            variance = variance + left_out_random(_at(fit, x), rows, self.masks)
        if self.average_unseen:
            variance = variance + unseen_random(_at(fit, x), rows, self.masks)
        if not variance.any():
            out: Floats = fit.probabilities_at(eta, extras, rows.parts, more)
            return out
        t, s = fit.standardised_at(eta, extras, rows.parts, more)
        sd = np.sqrt(variance) * s
        below = np.column_stack([average_mean(fit.family.link_function, t[:, k], sd) for k in range(t.shape[1])])
        return np.diff(np.pad(below, ((0, 0), (1, 1)), constant_values=((0, 0), (0.0, 1.0))), axis=1)

    def standard_errors(self, transform: Callable[[Floats], Floats]) -> Floats:
        """Standard errors (n, m) of what is made of the probabilities."""
        fit = self.fit
        covariance = fit.joint_covariance()
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
        if self.conditional:
            h = LOCATION_STEP
            by_location = transform(self.probabilities(self.estimates, h)) - transform(
                self.probabilities(self.estimates, -h)
            )
            by_location /= 2 * h
            if self.rows.of_parts:
                by_scale = transform(self.probabilities(self.estimates, 0.0, h)) - transform(
                    self.probabilities(self.estimates, 0.0, -h)
                )
                variance = variance + self._of_both(by_location, by_scale / (2 * h))
            else:
                variance = variance + by_location**2 * self._of_effects()[:, np.newaxis]
        return np.asarray(np.sqrt(np.maximum(variance, 0.0)))

    def _of_both(self, by_location: Floats, by_scale: Floats) -> Floats:
        """Variance (n, m) of what depends on the effects of location and scale by these slopes."""
        rows, out = self.rows, []
        for a, c in zip(by_location.T, by_scale.T, strict=True):
            z = [only(z, mask) * a[:, np.newaxis] for z, mask in zip(rows.z, self.masks, strict=True)]
            scale = [(codes, z * c[:, np.newaxis]) for codes, z in rows.of_parts]
            out.append(self.fit.variance_of_effects(rows.codes, z, scale))
        return np.stack(out, axis=1)

    def _of_effects(self) -> Floats:
        """Variance (n,) of the random effects given the data and the parameters."""
        fit, rows = self.fit, self.rows
        z = [only(z, m) for z, m in zip(rows.z, self.masks, strict=True)]
        own = fit.variance_of_effects(rows.codes, z, ())
        left = np.zeros(len(rows.x)) if self.average_unseen else unseen_random(fit, rows, self.masks)
        return np.asarray(own + left)


def _at(fit: Any, x: Floats) -> Any:
    """The fit with other covariance parameters."""
    return replace(fit, theta=fit.location_at(x[: len(fit.all_theta)]))
