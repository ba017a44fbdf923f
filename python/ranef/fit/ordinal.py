"""The cumulative link mixed model: its frozen record, and what it says of categories."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ranef.design.membership import for_core
from ranef.design.parts import DesignPart
from ranef.design.record import Design
from ranef.errors import DataError, DesignError, OptionError
from ranef.families.cumulative import LATENT_VARIANCE, Cumulative, ThresholdMap, threshold_map
from ranef.families.family import Family
from ranef.fit.added import AddedColumns
from ranef.fit.control import FitControl
from ranef.fit.generalized import GlmmFit, record_of
from ranef.fit.likelihood import Likelihood
from ranef.fit.located import Coefficients, located
from ranef.fit.order import TermOrder, order_terms, relative_factor
from ranef.fit.ordinal_system import build_ordinal_system
from ranef.fit.part_effects import PartEffects
from ranef.fit.part_questions import SMALLEST_VARIANCE
from ranef.fit.progress import Report
from ranef.fit.quadrature import check_quadrature
from ranef.fit.random_part import random_part
from ranef.fit.scale_answers import ScaleAnswers
from ranef.fit.scale_effects import ScaleEffects, scale_record, terms_of
from ranef.fit.scale_terms import JoinedTerms, joined_terms
from ranef.fit.start import Start
from ranef.fit.system import LazySystem, build_generalized_system
from ranef.fit.threads import threads_of_fit

Floats = NDArray[np.float64]

#: Probabilities below this are those of thresholds that cross.
CROSSED = -1e-12

#: Mean of the latent variable about its location: Euler's constant for the two that are skew.
LATENT_MEANS = {"cloglog": -0.5772156649015329, "loglog": 0.5772156649015329}


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class OrdinalFit(ScaleAnswers, GlmmFit):
    """A fitted cumulative link mixed model.

    The design's ``y`` numbers the categories from 1. ``extras`` holds the threshold parameters,
    for each nominal column as many effects on them, and the effects on the log scale; they are the
    last of ``joint_vcov``.

    Attributes
    ----------
    coefficients : Coefficients
        Which of them the core has: rows may not determine all.
    scale_effects : ScaleEffects or None
        Where the scale has random effects: all random terms, whose theta is the first of
        ``joint_vcov``. Those of the record are the location's.
    """

    coefficients: Coefficients
    scale_effects: ScaleEffects | None = None

    @property
    def verb(self) -> str:
        """The function that fits such a model."""
        return "clmm"

    @property
    def title(self) -> str:
        """What such a model is called in a sentence."""
        return "cumulative link mixed model"

    @property
    def npar(self) -> int:
        """Fixed effects, covariance parameters, thresholds, nominal and scale effects."""
        return len(self.beta) + len(self.all_theta) + len(self.extras)

    @property
    def core_beta(self) -> Floats:
        """All coefficients, the location's first."""
        return self.coefficients.joined(self.beta, self.extras)

    @property
    def core_kept(self) -> tuple[int, ...]:
        """Which coefficients the core has."""
        c, p = self.coefficients, len(self.design.x_names)
        return (*c.location, *(p + j for j in c.others))

    @property
    def rows_in_core(self) -> bool:
        """The columns of thresholds and scale are not among the rows that the core draws from."""
        return False

    @property
    def core_dispersion(self) -> None:
        """None: thresholds and scale have linear predictors."""
        return None

    @property
    def usual_residuals(self) -> str:
        """Observed category minus the mean one."""
        return "response"

    @property
    def without_random(self) -> str:
        """What the model is called without its random effects."""
        return "a cumulative link model"

    @property
    def described_by(self) -> Literal["categories"]:
        """A row has probabilities of categories."""
        return "categories"

    @property
    def bootstrap_types(self) -> tuple[str, ...]:
        """Groups are not drawn where the scale has random effects."""
        return ("parametric",) if self.part_terms else super(OrdinalFit, self).bootstrap_types

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
        return {part.name: part.formula for part in self.design.parts}

    def part(self, name: str) -> DesignPart | None:
        """The columns of nominal or scale effects; None without any."""
        return next((p for p in self.design.parts if p.name == name), None)

    @property
    def nominal_names(self) -> tuple[str, ...]:
        """Names of the nominal effects: the threshold parameter, then the column."""
        part, names = self.part("nominal"), self.threshold_map.names
        return () if part is None else tuple(f"{a}.{column}" for column in part.x_names for a in names)

    @property
    def extra_names(self) -> tuple[str, ...]:
        """Names of all extra parameters."""
        scale = self.part("scale")
        return (*self.threshold_map.names, *self.nominal_names, *(() if scale is None else scale.x_names))

    @property
    def places(self) -> dict[str, slice]:
        """Where threshold parameters, nominal and scale effects are among the extra parameters."""
        a = len(self.threshold_map.names)
        b = a + len(self.nominal_names)
        return {"thresholds": slice(0, a), "nominal": slice(a, b), "scale": slice(b, len(self.extras))}

    def part_effects(self) -> tuple[PartEffects, ...]:
        """Threshold parameters, nominal effects and effects on the log scale."""
        headings = {
            "thresholds": "Threshold coefficients",
            "nominal": "Nominal effects",
            "scale": "Scale effects (log)",
        }
        out = []
        for name, at in self.places.items():
            if at.start == at.stop and not (name == "scale" and self.scale_effects is not None):
                continue
            part, k = self.part(name), at.stop - at.start
            covariance = np.full((k, k), np.nan)
            if self.joint_vcov is not None:
                first = len(self.joint_vcov) - len(self.extras)
                own = slice(first + at.start, first + at.stop)
                covariance = self.joint_vcov[own, own]
            formula, tested = None if part is None else part.formula, name != "thresholds"
            names, estimates = self.extra_names[at], self.extras[at]
            predictor = partial(self._predictor, name)
            record, joined, terms = None, self.joined_terms, self.of_scale
            if name == "scale" and joined is not None and terms is not None:
                record = scale_record(self, terms, joined.own[1], estimates, covariance)
            out.append(
                PartEffects(name, headings[name], formula, names, estimates, covariance, predictor, tested, record)
            )
        return tuple(out)

    def _predictor(self, name: str) -> Floats:
        """The log scale (n,) of the rows, else their thresholds (n, categories - 1)."""
        scale, nominal = self.part("scale"), self.part("nominal")
        if name == "scale" and scale is not None:
            return np.asarray(scale.x @ self.extras[self.places["scale"]] + self._scale_of_modes())
        return self.thresholds_at(self.extras, None if nominal is None else nominal.x, self.nobs)

    def _scale_of_modes(self) -> Floats:
        """What random effects add to the log scale (n,) at the modes."""
        out = np.zeros(self.nobs)
        for term, b in zip(self.part_terms, self.part_modes, strict=True):
            out += random_part(term.places, term.z, b)
        return out

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
        self, eta: Floats, extras: Floats, parts: "tuple[Floats, ...] | None", more: Floats | None = None
    ) -> tuple[Floats, Floats]:
        """Thresholds less locations, over the scale (n, categories - 1), and its inverse (n,).

        ``more`` (n,) is what random effects add to the log scale: of the rows of the fit, without
        ``parts``, that of the modes.
        """
        if parts is None and more is None and self.scale_effects is not None:
            more = self._scale_of_modes()
        own = dict(zip((p.name for p in self.design.parts), parts or [p.x for p in self.design.parts], strict=True))
        t = self.thresholds_at(extras, own.get("nominal"), len(eta)) - eta[:, np.newaxis]
        if "scale" not in own:
            return t, np.ones(len(eta))
        zeta = own["scale"] @ extras[self.places["scale"]]
        inverse = np.exp(-(zeta if more is None else zeta + more))
        return t * inverse[:, np.newaxis], inverse

    def cumulative_at(
        self, eta: Floats, extras: Floats, parts: "tuple[Floats, ...] | None" = None, more: Floats | None = None
    ) -> Floats:
        """Probabilities (n, categories - 1) of a category up to each threshold.

        Parameters
        ----------
        eta : (n,) array
            Locations.
        extras : array
        parts : tuple of (n, k) arrays, optional
            Columns of the parts of the design; those of the fit by default.
        more : (n,) array, optional
            What random effects add to the log scale.
        """
        return np.asarray(self.family.link_function.mean(self.standardised_at(eta, extras, parts, more)[0]))

    def probabilities_at(
        self,
        eta: Floats,
        extras: Floats | None = None,
        parts: "tuple[Floats, ...] | None" = None,
        more: Floats | None = None,
    ) -> Floats:
        """Probabilities (n, categories) of the categories.

        Raises
        ------
        DataError
            Where the thresholds of a row are not in order.
        """
        below = self.cumulative_at(eta, self.extras if extras is None else extras, parts, more)
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
        return self.probabilities_at(self.eta)

    def _numbers(self) -> Floats:
        return np.arange(1.0, len(self.categories) + 1.0)

    def means(self) -> Floats:
        """Mean category (n,), numbered from 1, at the conditional modes."""
        return np.asarray(self.probabilities_at(self.eta) @ self._numbers())

    def observation_variance(self) -> Floats:
        """Variance (n,) of the number of the category given the random effects."""
        p, k = self.probabilities_at(self.eta), self._numbers()
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
        factor = 1.0 if self.part("scale") is None else float(np.exp(2.0 * self._predictor("scale")).mean())
        return LATENT_VARIANCE[self.family.link] * factor

    def draw_at(
        self,
        generator: np.random.Generator,
        eta: Floats | None,
        weights: Floats | None = None,
        parts: "tuple[Floats, ...] | None" = None,
    ) -> Floats:
        """Draw numbers of categories, from 1, at locations (n,); random effects of the scale are
        drawn anew with given locations of the rows of the fit.
        """
        more = None
        if self.scale_effects is not None and eta is not None and not parts:
            own, more = self.of_scale, np.zeros(self.nobs)
            assert own is not None
            for term, span in zip(self.part_terms, own.order.spans, strict=True):
                factor = relative_factor(span, own.theta)
                u = generator.standard_normal((term.n_columns, factor.shape[0]))
                more += random_part(term.places, term.z, u @ factor.T)
        below = self.cumulative_at(self.eta if eta is None else eta, self.extras, parts, more)
        return 1.0 + np.asarray((generator.random(len(below))[:, np.newaxis] > below).sum(axis=1), dtype=np.float64)

    def new_random_rows(self, codes: Sequence[Any], z: Sequence[Floats]) -> list[tuple[Any, list[Floats]]]:
        """Levels and columns of every term in other rows, in the core's order."""
        out = []
        for f in range(len(self.order.factors)):
            at = [i for i, s in enumerate(self.order.spans) if s.factor == f]
            out.append((for_core(codes[at[0]]), [np.asfortranarray(z[i]) for i in at]))
        return out

    def prediction_variance(self, x: Floats, factors: list[tuple[Any, list[Floats]]]) -> Floats:
        """Variance of predicted locations, with the estimation of all parameters accounted for."""
        if self.scale_effects is not None:
            raise OptionError(
                "standard errors of predicted locations are not offered where the scale has random effects; "
                "type='prob' gives those of probabilities."
            )
        c, m, p = self.coefficients, len(self.theta), len(self.beta)
        wide = np.zeros((len(x), p + len(c.others)), order="F")
        wide[:, :p] = x
        covariance = np.zeros((wide.shape[1],) * 2)
        if self.joint_vcov is None:
            covariance[:p, :p] = self.vcov_beta
        else:
            place = np.concatenate([self.order.core_of_theta, c.places(m)[m:]])
            covariance = np.ascontiguousarray(self.joint_vcov[np.ix_(place, place)])
        at = (self.core_theta, self.core_beta, None, covariance, wide, factors, self.n_threads)
        variance: Floats = self.system.get(self.n_threads).prediction_variance(*at)
        return variance

    def score_of(self, design: Design) -> Floats:
        """Gradient (k,) of the log-likelihood of rows of their own at the estimates, in theta
        (lme4's order) and all coefficients.
        """
        assert isinstance(self.family, Cumulative)
        # few rows: columns may depend on each other there
        system = build_ordinal_system(design, self.all_order, self.family, all_columns=True)
        every = Coefficients(self.kept, tuple(range(len(self.extras))), len(self.extras))
        full = np.zeros(len(self.design.x_names))
        full[list(self.kept)] = self.beta
        at = (self.core_theta, every.joined(full, self.extras), None, self.n_quad, self.curvature, 1)
        gradient, m = system.evaluate(*at).gradient, len(self.all_theta)
        kept = [m + j for j in self.kept]
        rest = range(m + len(full), len(gradient))
        return -0.5 * np.concatenate([gradient[:m][self.all_order.theta_of_core], gradient[kept], gradient[list(rest)]])

    # ---- what does not go with categories

    @property
    def why_no_profile(self) -> str | None:
        """Random effects of the scale are not held in the core's profile."""
        if self.part_terms:
            return "profiles are not available where the scale has random effects; use 'wald' or 'boot'."
        return super(OrdinalFit, self).why_no_profile

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

    def added_columns(self, x: Floats, columns: Floats) -> AddedColumns | None:
        """None: a test of added columns is a fit of them here."""
        return None


def fit_ordinal(
    design: Design,
    likelihood: Likelihood,
    start: Start | None = None,
    control: FitControl | None = None,
    progress: Report | None = None,
    n_threads: int = 1,
    order: TermOrder | None = None,
) -> OrdinalFit:
    """Estimate the model of a design whose response numbers categories from 1; see `fit_glmm`.

    ``start.dispersion`` has all extra parameters.
    """
    control, start, family = control or FitControl(), start or Start(), likelihood.family
    joined = joined_terms(design)
    whole = design if joined is None else joined.design
    order = order or order_terms(whole.random)
    check_quadrature(likelihood.n_quad, order, whole)
    threads = threads_of_fit(len(design.y), n_threads)
    system = build_generalized_system(design, order, family, threads)
    made = Coefficients.of(system.kept, len(design.x_names), number_of_others(design, family))
    if len(design.y) < len(system.kept):
        raise DesignError(f"there are {len(design.y)} rows for {len(system.kept)} coefficients.")
    theta = None if start.theta is None else np.ascontiguousarray(start.theta[order.core_of_theta])
    beta = None
    if start.beta is not None and start.dispersion is not None:
        beta = made.joined(start.beta, np.asarray(start.dispersion))
    limits = (control.max_evaluations, control.tolerance, threads, progress)
    found = system.fit(likelihood.n_quad, likelihood.curvature, theta, beta, None, None, *limits)
    lazy = LazySystem(design, order, family, system)
    own = located(found, made, len(design.y))
    record = record_of(whole, order, likelihood, lazy, own, n_threads, kept=list(made.location))
    if joined is None:
        return OrdinalFit(**{f.name: getattr(record, f.name) for f in fields(record)}, coefficients=made)
    return _with_scale_effects(record, joined, made)


def _with_scale_effects(whole: GlmmFit, joined: JoinedTerms, made: Coefficients) -> OrdinalFit:
    """The record of the location, from one that has the random terms of both predictors."""
    location = terms_of(0, joined, whole.order, whole.theta, whole.b, whole.u)
    changed = {
        "design": joined.own[0],
        "order": location.order,
        "theta": location.theta,
        "b": location.b,
        "u": location.u,
        "coefficients": made,
        "scale_effects": ScaleEffects(whole.order, whole.theta, whole.b, whole.u),
    }
    return OrdinalFit(**{f.name: getattr(whole, f.name) for f in fields(whole)} | changed)


def number_of_others(design: Design, family: Family) -> int:
    """How many threshold parameters, nominal and scale effects there are."""
    assert isinstance(family, Cumulative)
    assert design.response_levels is not None
    columns = {part.name: part.x.shape[1] for part in design.parts}
    n = len(threshold_map(family.threshold, design.response_levels).names)
    total: int = n * (1 + columns.get("nominal", 0)) + columns.get("scale", 0)
    return total
