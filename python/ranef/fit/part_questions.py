"""What is asked of models whose rows may have several linear predictors, categories or a curve."""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ranef.errors import OptionError
from ranef.families.family import Family
from ranef.fit.part_effects import PartEffects

if TYPE_CHECKING:
    from ranef.design.curve_rows import CurveRows
    from ranef.design.record import Design, RandomTerm
    from ranef.fit.nonlinear.profiled_scales import ScaleProfiles
    from ranef.fit.order import TermOrder, TermSpan

Floats = NDArray[np.float64]

#: Residuals of models of one mean.
RESIDUAL_TYPES = ("response", "pearson", "deviance", "working", "scaled", "normalized")

#: The smallest variance of a response: a mean at the edge of what is possible has none, and fits
#: its row exactly.
SMALLEST_VARIANCE = float(np.finfo(np.float64).tiny)


class CovarianceBlock(NamedTuple):
    """A random term of a model.

    Attributes
    ----------
    key : str
        A name for it.
    group : str
        Its grouping factor, of other predictors than the first with their name before a colon.
    term : RandomTerm
    span : TermSpan
        Its place in ``theta``.
    factor : (k, k) array
        Relative Cholesky factor.
    theta : (m,) array
        All covariance parameters, in lme4's order.
    """

    key: str
    group: str
    term: "RandomTerm"
    span: "TermSpan"
    factor: Floats
    theta: Floats


class PartQuestions:
    """The answers of a model of one mean with one linear predictor."""

    __slots__ = ()

    design: "Design"
    order: "TermOrder"
    theta: Floats
    family: Family
    sigma: float

    # ---- several predictors

    @property
    def mean_of_predictors(self) -> bool:
        """Whether the mean of a response follows from several linear predictors, which can each be
        predicted.
        """
        return False

    @property
    def spread_of_predictors(self) -> bool:
        """Whether dispersion and shape of the family have linear predictors, and words as such."""
        return False

    @property
    def zero_without(self) -> bool:
        """Whether a model without this linear predictor is the one in which it is zero, inside of
        what is possible.
        """
        return False

    @property
    def held(self) -> float | None:
        """The number at which a linear predictor is held; None where it is estimated."""
        return None

    @property
    def predictors(self) -> tuple[Any, ...]:
        """The linear predictors as records of their own, the first being the fit itself."""
        return (self,)

    @property
    def components(self) -> dict[str, Any]:
        """The same by name."""
        return {"cond": self}

    @property
    def grid_predictors(self) -> tuple[Any, ...]:
        """Those that marginal means need, whose variables are in a reference grid."""
        return (self,)

    def predictor(self, component: str) -> Any:
        """One of them by the name of its component.

        Raises
        ------
        OptionError
            Where there is no such component.
        """
        if component == "cond":
            return self
        raise OptionError(f"component={component!r} is for models with several linear predictors; this one has one.")

    def part_effects(self) -> tuple[PartEffects, ...]:
        """Effects of the linear predictors beside the first; none where there is one."""
        return ()

    def shape_effects(self) -> PartEffects | None:
        """Parameters of the shape of the family; none where it has no such."""
        return None

    def theta_of_replicates(self, theta: Floats) -> Floats:
        """Covariance parameters (m, q) of replicates in lme4's order, from those of the core."""
        return theta[:, self.order.theta_of_core]

    def structure_of_replicates(self, parameters: Floats) -> Floats:
        """Natural parameters (m, k) of the covariance structure of the rows in replicates, from
        what `searched_parameters` has for each.
        """
        return np.empty((len(parameters), 0))

    @property
    def rows_in_core(self) -> bool:
        """Whether the core itself fits the model to other rows, as of a bootstrap of cases."""
        return True

    @property
    def part_formulas(self) -> dict[str, str | None]:
        """Formulas of the linear predictors beside the first, for the head of a summary."""
        return {}

    @property
    def family_params(self) -> dict[str, float]:
        """Parameters of the shape of the family."""
        return {}

    @property
    def fixed_heading(self) -> str:
        """Heading of the fixed effects in a summary."""
        return "Fixed effects"

    def parameters(self) -> tuple[list[tuple[str, str]], Floats, Floats] | None:
        """Component and name of all parameters, their estimates and covariance (k, k), where there
        are several components; None where the fixed effects are all that is meant.
        """
        return None

    def every_effect(self) -> tuple[tuple[str, ...], Floats, Floats]:
        """Names, estimates (k,) and covariance (k, k) of the fixed effects of all components, those
        of others than the first with their name before a colon.
        """
        fit: Any = self
        return tuple(fit.x_names), fit.beta, fit.vcov

    @property
    def coefficient_names(self) -> tuple[tuple[str, str, int], ...]:
        """Component, name and place among the coefficients of the core of all of them."""
        fit: Any = self
        return tuple(("cond", name, j) for j, name in enumerate(fit.x_names))

    @property
    def log_spread_place(self) -> int | None:
        """Place of the logarithm of the spread of responses among the coefficients of the core;
        None where the spread is a parameter of its own.
        """
        return None

    @property
    def structure_places(self) -> tuple[int, ...] | None:
        """Places of the parameters of the rows' structure among the coefficients of the core, which
        has logarithms of positive ones there; None where they come after all others.
        """
        return None

    def scale_profiles(self) -> "ScaleProfiles | None":
        """What profiles of variance functions of a curve need; None for all other models."""
        return None

    @property
    def whole_order(self) -> "TermOrder":
        """Order of the random terms of all predictors."""
        return self.order

    @property
    def other_designs(self) -> "tuple[tuple[str, Design], ...]":
        """Designs of the linear predictors beside the first, with their keys."""
        return ()

    def whole_random(
        self, random: "tuple[RandomTerm, ...]", others: "tuple[Design, ...] | None" = None
    ) -> "tuple[RandomTerm, ...]":
        """The random terms of all predictors where the first has these, and the others those of
        their designs; what predictors share is one term.
        """
        return random

    def covariance_blocks(self) -> list[CovarianceBlock]:
        """The random terms of all predictors; one that several predictors share is there once."""
        return self.own_blocks()

    def own_blocks(self) -> list[CovarianceBlock]:
        """Those of the first predictor, with its part of what is shared."""
        fit: Any = self
        return [
            CovarianceBlock(key, term.group, term, span, factor, np.asarray(self.theta, dtype=np.float64))
            for key, term, span, factor in zip(
                fit.term_keys, fit.terms, self.order.spans, fit.relative_factors, strict=True
            )
        ]

    @property
    def bootstrap_types(self) -> tuple[str, ...]:
        """Kinds of bootstrap that there are."""
        return ("parametric", "residual", "cases")

    @property
    def resampled_in_core(self) -> bool:
        """Whether the core draws and fits replicates by itself."""
        return True

    # ---- checks

    @property
    def check_panels(self) -> tuple[str, ...]:
        """Parts of the diagnostic panel of a generalized model, in order: simulated residuals
        (``uniform``), bends of the effects, ``spread`` and ``values`` of the responses, the modes
        (``effects``), ``accuracy`` of the likelihood.
        """
        return ("uniform", "bend", "spread", "values", "effects", "accuracy")

    # ---- categories

    @property
    def probability_types(self) -> tuple[str, ...]:
        """Probabilities of categories that are predicted and averaged, the plain ones first.

        None where responses are numbers.
        """
        return ()

    @property
    def categories(self) -> tuple[str, ...]:
        """Labels of the ordered categories of the response; none of other responses."""
        return ()

    def category_probabilities(self) -> Floats:
        """Probabilities (n, categories) of ordered categories at the conditional modes."""
        raise NotImplementedError

    @property
    def likelihood_key(self) -> object:
        """What is equal of models whose likelihoods are of the same kind: family and link."""
        return self.family, self.family.link

    # ---- curves

    @property
    def curve_rows(self) -> "CurveRows | None":
        """The curve and what it is computed from; None of other models."""
        return None

    @property
    def columns_are_slopes(self) -> bool:
        """Whether columns are slopes of a curve in its parameters at the estimates, and formulas
        are those of the parameters.
        """
        return False

    def own_contrasts(self) -> list[tuple[str, Floats]] | None:
        """Terms with the rows (k, p) that take their coefficients, where no other contrast of a
        term has a meaning; None where contrasts of types 1, 2 and 3 do.
        """
        return None

    def design_beside(self, other: Any) -> "Design | None":
        """The design of another fit in columns that this one's can be compared with; None where
        there is none.
        """
        made: Design = other.design
        return made

    # ---- residuals

    @property
    def residual_types(self) -> tuple[str, ...]:
        """Kinds of residuals that there are."""
        return RESIDUAL_TYPES

    def pearson(self, raw: Floats, means: Floats, scaled: bool = False) -> Floats:
        """Differences (n,) from the means divided by the standard deviation that the family gives,
        times the root of the prior weight; with ``scaled`` divided by sigma, too.
        """
        fit: Any = self
        variance = np.maximum(self.family.variance(means, fit.spread), SMALLEST_VARIANCE)
        out: Floats = raw * np.sqrt(fit.weights) / np.sqrt(variance)
        return out / self.sigma if scaled else out

    def working_residuals(self) -> tuple[Floats, Floats]:
        """Residuals (n,) on the scale of the linear predictor at the modes, and their weights (n,),
        of a generalized model.
        """
        fit: Any = self
        slope, mu = self.family.link_function.slope(fit.linear_predictor()), fit.means()
        with np.errstate(divide="ignore", invalid="ignore"):
            return (fit.design.y - mu) / slope, fit.weights * slope**2 / self.family.variance(mu, fit.spread)

    def moments_with(self, fitted: tuple[Floats, ...]) -> tuple[Floats, Floats]:
        """Means and variances (n,) of responses at linear predictors (n,), of a generalized model;
        the other predictors follow the first.
        """
        fit: Any = self
        mu = self.family.mean(fitted[0])
        return mu, self.family.observation_variance(mu, fit.weights, fit.spread)

    def response_interval(self) -> tuple[Floats, Floats]:
        """Probabilities (n,) of a smaller response than that observed, and of one up to it, at the
        conditional modes; for kinds that have quantile residuals.
        """
        raise NotImplementedError

    def latent_residuals(self, drawn: Floats) -> Floats:
        """Quantiles of the latent variable of categories at probabilities (n,), less its mean."""
        raise NotImplementedError

    # ---- variances

    @property
    def variance_around_predictor(self) -> float | None:
        """Variance of an observation around its linear predictor on the scale of the latter; None
        where it follows from the mean of the model without predictors.
        """
        fit: Any = self
        variance: float = fit.residual_variance
        return variance

    def variance_around(self, eta: float) -> float:
        """The same for models whose variance follows from the mean, at one linear predictor: with a
        log link ``log(1 + V / mu²)``, as of a lognormal variable, else by the delta method.
        """
        fit: Any = self
        at = np.full(1, eta)
        mean = self.family.mean(at)
        variance = self.family.variance(mean, fit.spread) * self.family.sigma(fit.spread) ** 2
        return self.family.variance_of_predictor(at, float(mean[0]), float(variance[0]))

    # ---- what there is a sentence about

    @property
    def why_no_profile(self) -> str | None:
        """Why the likelihood cannot be profiled; None where it can."""
        return None

    @property
    def why_no_overdispersion(self) -> str | None:
        """Why responses cannot spread more than the model says; None where they can."""
        return None

    @property
    def why_no_ratios(self) -> str | None:
        """Why exponentials of effects are no ratios, beyond what the link says."""
        return None

    @property
    def cluster_df(self) -> float | None:
        """Degrees of freedom of Wald tests whose covariance is that of the scores of clusters, as
        with sampling weights; None of the model's own covariance.
        """
        return None if self.design.sampling is None else self.design.sampling.cluster_df

    @property
    def why_no_sandwich(self) -> str | None:
        """Why there is no covariance that is robust to clusters; None where there may be one."""
        return None

    @property
    def why_not_translated(self) -> str | None:
        """Why the languages of other programs cannot say the model; None where they may."""
        return None
