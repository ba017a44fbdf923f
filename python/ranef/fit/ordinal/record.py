"""The cumulative link mixed model: its frozen record, and what it says of categories."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.design.parts import DesignPart
from ranef.errors import DataError, OptionError
from ranef.families.cumulative import LATENT_VARIANCE, Cumulative, ThresholdMap, threshold_map
from ranef.fit.components.several import PredictorFit, SeveralPredictorsFit
from ranef.fit.part_effects import PartEffects
from ranef.fit.part_questions import SMALLEST_VARIANCE

Floats = NDArray[np.float64]

#: Probabilities below this are those of thresholds that cross.
CROSSED = -1e-12

#: Mean of the latent variable about its location: Euler's constant for the two that are skew.
LATENT_MEANS = {"cloglog": -0.5772156649015329, "loglog": 0.5772156649015329}


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class OrdinalFit(SeveralPredictorsFit):
    """A fitted cumulative link mixed model: the location is its first linear predictor, the log
    scale, where it varies, the other one.

    The design's ``y`` numbers the categories from 1. ``extras`` holds the threshold parameters and
    for each nominal column as many effects on them; those that the rows do not determine are 0.

    Attributes
    ----------
    kept_extras : tuple of int
        Which of the extra parameters the core has, between the effects of location and scale.
    """

    kept_extras: tuple[int, ...]

    @property
    def verb(self) -> str:
        """The function that fits such a model."""
        return "clmm"

    @property
    def title(self) -> str:
        """What such a model is called in a sentence."""
        return "cumulative link mixed model"

    @property
    def held(self) -> None:
        """None: the location is estimated."""
        return None

    @property
    def coefficient_places(self) -> tuple[slice, ...]:
        """Thresholds and nominal effects are between location and scale."""
        p, e = len(self.beta), len(self.kept_extras)
        return (slice(0, p), *(slice(p + e, p + e + len(scale.beta)) for scale in self.others))

    def joined(self, beta: Floats, extras: Floats, scale: Floats | None = None) -> Floats:
        """Coefficients as the core has them; those of the scale are estimates unless given."""
        own = [scale] if scale is not None else [p.beta for p in self.others]
        return np.concatenate([beta, np.asarray(extras)[list(self.kept_extras)], *own])

    def apart(self, beta: Floats) -> tuple[Floats, Floats, Floats]:
        """Coefficients of the location, all extra parameters, and coefficients of the scale, from
        those that the core has.
        """
        p, e = len(self.beta), len(self.kept_extras)
        extras = np.zeros(len(self.extras))
        extras[list(self.kept_extras)] = beta[p : p + e]
        return beta[:p], extras, beta[p + e :]

    @property
    def core_columns(self) -> tuple[int, ...]:
        """Numbers of the coefficients that the core has among all."""
        p, e = len(self.design.x_names), len(self.extras)
        scale = [p + e + j for own in self.others for j in own.kept]
        return (*self.kept, *(p + j for j in self.kept_extras), *scale)

    @property
    def coefficient_names(self) -> tuple[tuple[str, str, int], ...]:
        """Location, thresholds, nominal effects and scale."""
        p, of_thresholds = len(self.beta), len(self.threshold_map.names)
        between = tuple(
            ("thresholds" if j < of_thresholds else "nominal", self.extra_names[j], p + i)
            for i, j in enumerate(self.kept_extras)
        )
        named = super(OrdinalFit, self).coefficient_names
        return (*named[:p], *between, *named[p:])

    @property
    def rows_in_core(self) -> bool:
        """The columns of thresholds and scale are not among the rows that the core draws from."""
        return False

    @property
    def grid_predictors(self) -> tuple[PredictorFit, ...]:
        """Probabilities of categories need the scale, too."""
        return self.predictors

    @property
    def usual_residuals(self) -> str:
        """Observed category minus the mean one."""
        return "response"

    @property
    def without_random(self) -> str:
        """What the model is called without its random effects."""
        return "a cumulative link model"

    @property
    def check_panels(self) -> tuple[str, ...]:
        """The spread of categories is estimated with their thresholds."""
        return ("uniform", "bend", "values", "effects", "accuracy")

    @property
    def probability_types(self) -> tuple[str, ...]:
        """Of a category, of one up to it, and of a higher one."""
        return ("prob", "cum_prob", "exc_prob")

    @property
    def likelihood_key(self) -> object:
        """Without the thresholds, whose structures are nested in flexible ones."""
        return self.family.name, self.family.link

    # ---- the parts of the extra parameters

    @property
    def categories(self) -> tuple[str, ...]:
        """Labels of the categories, in order."""
        levels = self.design.response_levels
        assert levels is not None
        return levels

    @property
    def threshold_map(self) -> ThresholdMap:
        """How thresholds follow from their parameters."""
        assert isinstance(self.family, Cumulative)
        return threshold_map(self.family.threshold, self.categories)

    @property
    def part_formulas(self) -> dict[str, str | None]:
        """Formulas of nominal and scale effects."""
        of_parts = {part.name: part.formula for part in self.design.parts}
        return {**of_parts, **{p.key: p.formula for p in self.others}}

    @property
    def nominal(self) -> DesignPart | None:
        """The columns of nominal effects; None without any."""
        return next((p for p in self.design.parts if p.name == "nominal"), None)

    @property
    def scale(self) -> PredictorFit | None:
        """The log scale; None where it does not vary."""
        return self.others[0] if self.others else None

    @property
    def log_scale(self) -> Floats:
        """Log scale (n,) of the rows at the conditional modes."""
        return np.zeros(self.nobs) if self.scale is None else self.scale.eta

    @property
    def extra_names(self) -> tuple[str, ...]:
        """Names of threshold parameters and nominal effects: the parameter, then the column."""
        names = self.threshold_map.names
        columns = () if self.nominal is None else self.nominal.x_names
        return (*names, *(f"{a}.{column}" for column in columns for a in names))

    @property
    def places(self) -> dict[str, slice]:
        """Where threshold parameters and nominal effects are among the extra parameters."""
        k = len(self.threshold_map.names)
        return {"thresholds": slice(0, k), "nominal": slice(k, len(self.extras))}

    def terms_of_part(self, name: str) -> tuple[str, ...]:
        """Labels of the terms of nominal or scale effects."""
        if name == "scale":
            return () if self.scale is None else self.scale.design.fixed_terms
        return () if self.nominal is None else self.nominal.terms

    def part_effects(self) -> tuple[PartEffects, ...]:
        """Threshold parameters, nominal effects and effects on the log scale."""
        covariance, p = np.full((len(self.extras),) * 2, np.nan), len(self.beta)
        if self.whole_vcov is not None:
            kept, first = list(self.kept_extras), len(self.whole_theta) + p
            own = slice(first, first + len(kept))
            covariance[np.ix_(kept, kept)] = self.whole_vcov[own, own]
        out = []
        for name, heading in (("thresholds", "Threshold coefficients"), ("nominal", "Nominal effects")):
            at = self.places[name]
            if at.start < at.stop:
                formula = None if name == "thresholds" or self.nominal is None else self.nominal.formula
                values = self.extra_names[at], self.extras[at], covariance[at, at]
                out.append(PartEffects(name, heading, formula, *values, self.own_thresholds, name == "nominal"))
        out += [PartEffects.of(p, "Scale effects (log)", True) for p in self.others]
        return tuple(part.in_model(self) for part in out)

    def own_thresholds(self) -> Floats:
        """Thresholds (n, categories - 1) of the rows."""
        return self.thresholds_at(self.extras, None if self.nominal is None else self.nominal.x, self.nobs)

    # ---- categories

    def thresholds_at(self, extras: Floats, nominal: Floats | None, n: int) -> Floats:
        """Thresholds (n, categories - 1) of rows with nominal columns (n, k)."""
        matrix = self.threshold_map.matrix
        m, k = matrix.shape
        out = np.broadcast_to(matrix @ extras[:k], (n, m)).copy()
        if nominal is not None:
            for j in range(nominal.shape[1]):
                out += nominal[:, j : j + 1] * (matrix @ extras[(j + 1) * k : (j + 2) * k])
        return out

    def standardised_at(
        self, eta: Floats, log_scale: Floats, extras: Floats | None = None, nominal: Floats | None = None
    ) -> Floats:
        """Thresholds less locations, over the scale (n, categories - 1).

        Parameters
        ----------
        eta, log_scale : (n,) arrays
        extras : array, optional
            Those of the fit by default.
        nominal : (n, k) array, optional
            Columns of nominal effects; those of the fit by default.
        """
        if nominal is None and self.nominal is not None:
            nominal = self.nominal.x
        cuts = self.thresholds_at(self.extras if extras is None else extras, nominal, len(eta))
        return np.asarray((cuts - eta[:, np.newaxis]) * np.exp(-log_scale)[:, np.newaxis])

    def cumulative_at(
        self, eta: Floats, log_scale: Floats, extras: Floats | None = None, nominal: Floats | None = None
    ) -> Floats:
        """Probabilities (n, categories - 1) of a category up to each threshold; arguments as of
        `standardised_at`.
        """
        return np.asarray(self.family.link_function.mean(self.standardised_at(eta, log_scale, extras, nominal)))

    def probabilities_at(
        self, eta: Floats, log_scale: Floats, extras: Floats | None = None, nominal: Floats | None = None
    ) -> Floats:
        """Probabilities (n, categories) of the categories; arguments as of `standardised_at`.

        Raises
        ------
        DataError
            Where the thresholds of a row are not in order.
        """
        below = self.cumulative_at(eta, log_scale, extras, nominal)
        out = np.diff(np.pad(below, ((0, 0), (1, 1)), constant_values=((0, 0), (0.0, 1.0))), axis=1)
        if (out < CROSSED).any():
            row = int(np.flatnonzero((out < CROSSED).any(axis=1))[0])
            raise DataError(
                f"the thresholds cross in row {row} of these rows: with its nominal effects they are not in order, so "
                "that a category would have a negative probability. The nominal effects hold within the range of the "
                "data of the fit only."
            )
        return np.maximum(out, 0.0)

    def category_probabilities(self) -> Floats:
        """Probabilities (n, categories) at the conditional modes."""
        return self.probabilities_at(self.eta, self.log_scale)

    def _numbers(self) -> Floats:
        return np.arange(1.0, len(self.categories) + 1.0)

    def means(self) -> Floats:
        """Mean category (n,), numbered from 1, at the conditional modes."""
        return np.asarray(self.category_probabilities() @ self._numbers())

    def means_beside(self, step: float) -> Floats:
        """Mean categories (n,) where the location is so much higher."""
        return np.asarray(self.probabilities_at(self.eta + step, self.log_scale) @ self._numbers())

    def observation_variance(self) -> Floats:
        """Variance (n,) of the number of the category given the random effects."""
        p, k = self.category_probabilities(), self._numbers()
        return np.asarray(p @ k**2 - (p @ k) ** 2)

    @property
    def residual_types(self) -> tuple[str, ...]:
        """Of the category's number, and two that are drawn."""
        return ("response", "pearson", "scaled", "quantile", "surrogate")

    def pearson(self, raw: Floats, means: Floats, scaled: bool = False) -> Floats:
        """Divided by the standard deviation of the category's number."""
        return np.asarray(raw / np.sqrt(np.maximum(self.observation_variance(), SMALLEST_VARIANCE)))

    def response_interval(self) -> tuple[Floats, Floats]:
        """Sums of the probabilities of categories."""
        p = self.category_probabilities()
        below = np.pad(np.cumsum(p, axis=1)[:, :-1], ((0, 0), (1, 1)), constant_values=((0, 0), (0.0, 1.0)))
        at, rows = self.design.y.astype(int), np.arange(self.nobs)
        return below[rows, at - 1], below[rows, at]

    def latent_residuals(self, drawn: Floats) -> Floats:
        """Quantiles of the latent variable less its mean, in units of its scale."""
        latent = self.family.link_function.predictor(drawn)
        return np.asarray(latent - LATENT_MEANS.get(self.family.link, 0.0))

    @property
    def variance_around_predictor(self) -> float:
        """Variance of the latent variable, averaged over the rows where its scale varies.

        Raises
        ------
        OptionError
            Where it is infinite.
        """
        if self.family.link not in LATENT_VARIANCE:
            raise OptionError(
                "with the cauchit link the latent variable has no variance, and so there are no shares of it."
            )
        factor = 1.0 if self.scale is None else float(np.exp(2.0 * self.log_scale).mean())
        return LATENT_VARIANCE[self.family.link] * factor

    def draw_at(
        self,
        generator: np.random.Generator,
        eta: Floats | None,
        weights: Floats | None = None,
        parts: tuple[Floats, ...] = (),
    ) -> Floats:
        """Draw numbers of categories, from 1, at the modes."""
        return self._drawn(generator, self.eta if eta is None else eta, self.log_scale, parts)

    def draw_linear(
        self,
        generator: np.random.Generator,
        etas: tuple[Floats, ...],
        weights: Floats | None = None,
        parts: tuple[Floats, ...] = (),
    ) -> Floats:
        """Draw numbers of categories at locations and log scales; ``parts`` has columns of nominal
        effects.
        """
        return self._drawn(generator, etas[0], etas[1] if self.others else np.zeros(len(etas[0])), parts)

    def _drawn(
        self, generator: np.random.Generator, eta: Floats, log_scale: Floats, parts: tuple[Floats, ...]
    ) -> Floats:
        below = self.cumulative_at(eta, log_scale, None, parts[0] if parts else None)
        return 1.0 + np.asarray((generator.random(len(below))[:, np.newaxis] > below).sum(axis=1), dtype=np.float64)

    def prediction_variance(self, x: Floats, factors: list[tuple[Any, list[Floats]]]) -> Floats:
        """Variance of predicted locations, with the estimation of all parameters accounted for."""
        if not self.whole.is_of_first:
            return super(OrdinalFit, self).prediction_variance(x, factors)
        p = len(self.beta)
        wide = np.zeros((len(x), len(self.whole_beta)), order="F")
        wide[:, :p] = x
        covariance = self.whole_vcov
        if covariance is None:
            covariance = np.zeros((wide.shape[1],) * 2)
            covariance[:p, :p] = self.vcov_beta
        at = (self.core_theta, self.core_beta, None, np.ascontiguousarray(covariance), wide, factors, self.n_threads)
        variance: Floats = self.system.get(self.n_threads).prediction_variance(*at)
        return variance

    # ---- what does not go with categories

    @property
    def why_no_overdispersion(self) -> str | None:
        """Thresholds are estimated."""
        return (
            "ordered categories cannot be overdispersed: their thresholds are estimated. scale_test() asks whether the "
            "scale of the latent variable differs."
        )

    @property
    def why_no_ratios(self) -> str | None:
        """Odds of a higher category are proportional with one link only."""
        if self.family.link == "logit":
            return None
        return (
            f"exponentiate=True has no meaning with the {self.family.link} link of ordered categories: the exponential "
            "of an effect is the ratio of the odds of a higher category with the logit link only."
        )

    def hat_values(self) -> Floats:
        """Refused: fitted values are probabilities of several categories."""
        raise OptionError("leverages are for models of one mean a row, and an ordinal response has probabilities.")
