"""The generalized linear mixed model: its frozen record, and its fit, one call into the core."""

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ranef.design.record import Design
from ranef.design.shared_effects import shared_effects
from ranef.errors import DesignError, OptionError, RanefError
from ranef.families.cumulative import LATENT_VARIANCE
from ranef.fit.added import AddedColumns, by_score
from ranef.fit.control import FitControl
from ranef.fit.core_order import placed, places_in_core
from ranef.fit.ending.conclusion import concluded, solution_of
from ranef.fit.equal_parts import divided, without_shared
from ranef.fit.estimated_fields import estimates_of
from ranef.fit.likelihood import Likelihood
from ranef.fit.order import TermOrder, order_terms
from ranef.fit.parameter_covariance import determined_covariance
from ranef.fit.part_questions import RESIDUAL_TYPES
from ranef.fit.prior import see_that_priors_fit
from ranef.fit.progress import Report
from ranef.fit.pseudo_likelihood import beside_generalized
from ranef.fit.quadrature import check_quadrature
from ranef.fit.record import MixedFit
from ranef.fit.start import Start
from ranef.fit.starts_of_effects import smaller_starts, start_in_units_of_rows
from ranef.fit.system import LazySystem, build_generalized_system
from ranef.fit.threads import threads_of_fit
from ranef.options import Ddf

if TYPE_CHECKING:
    from ranef import _core
    from ranef._core import GeneralizedFit, GlmmSystem

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class GlmmFit(MixedFit):
    """A fitted generalized linear mixed model.

    The design's ``y`` is a proportion and its ``weights`` are numbers of trials when the family is
    binomial.

    Attributes
    ----------
    system : LazySystem
        The core's representation of the design.
    dispersion : float
        The extra parameter of the family, NaN without one.
    eta, mu : (n,) arrays
        Linear predictor with the conditional modes, and the means.
    vcov_beta : (p, p) array
        Covariance of the fixed effects.
    hessian : (k, k) array or None
        Second derivatives of the objective in theta (lme4's order), the fixed effects (unless
        ``n_quad`` is 0) and the logarithm of an estimated dispersion.
    joint_vcov : (k, k) array or None
        Covariance of the same; NaN for thetas on the boundary. None where the Hessian is not
        positive definite.
    gradient : (k,) array or None
    extras : (e,) array
        All extra parameters of the family.
    """

    system: "LazySystem[GlmmSystem]"
    dispersion: float
    eta: Floats
    mu: Floats
    vcov_beta: Floats
    hessian: Floats | None
    joint_vcov: Floats | None
    gradient: Floats | None
    extras: Floats = field(default_factory=lambda: np.empty(0))

    @property
    def verb(self) -> str:
        """The function that fits such a model."""
        return "glmer"

    @property
    def title(self) -> str:
        """What such a model is called in a sentence."""
        return "generalized linear mixed model"

    @property
    def ddf_choices(self) -> tuple[Ddf, ...]:
        """Tests are asymptotic."""
        return ("none",)

    @property
    def fixed_effects_profiled(self) -> bool:
        """They are parameters of the criterion."""
        return False

    @property
    def integral_exact(self) -> bool:
        """Laplace's approximation and quadrature have an error."""
        return False

    @property
    def family_shown(self) -> bool:
        """There are many families."""
        return True

    @property
    def normal_responses(self) -> bool:
        """Responses have the distribution of the family, around a mean behind a link."""
        return False

    @property
    def residual_types(self) -> tuple[str, ...]:
        """With quantiles, which are normal where the others are not."""
        return (*RESIDUAL_TYPES, "quantile")

    def response_interval(self) -> tuple[Floats, Floats]:
        """By the distribution function of the family."""
        at = {} if math.isnan(self.spread) else {"disp": np.full(self.nobs, math.log(self.spread))}
        return self.family.interval_with(self.design.y, self.mu, at, self.trials)

    @property
    def variance_around_predictor(self) -> float | None:
        """That of the latent variable of a proportion, where the link has one."""
        return LATENT_VARIANCE.get(self.family.link) if self.family.support == "proportion" else None

    @property
    def why_no_overdispersion(self) -> str | None:
        """Single trials have the variance that their mean gives."""
        if self.response_kind != "binary":
            return None
        return "responses of 0 and 1 cannot be overdispersed: their variance follows from their mean."

    @property
    def why_no_profile(self) -> str | None:
        """Of the penalised form, and of structures, which the core does not profile here."""
        if self.n_quad == 0:
            return (
                "with n_quad=0 the fixed effects do not maximise the likelihood, so that there is nothing to profile; "
                "fit with n_quad=1."
            )
        if any(not s.core.is_free for s in self.whole_order.spans):
            return (
                "profiles of generalized models are not available for random effects with a covariance structure of "
                "their own, as cs(); use 'wald' or 'boot'."
            )
        return None

    @property
    def residual_variance(self) -> float:
        """Rows vary around a mean, not on the scale of the linear predictor."""
        return 0.0

    def observation_variance(self) -> Floats:
        """Variance (n,) of every response given the random effects, by the family."""
        return self.family.observation_variance(self.mu, self.weights, self.dispersion)

    def linear_predictor(self) -> Floats:
        """The linear predictor (n,) at the conditional modes, from the core."""
        return self.eta

    def means(self) -> Floats:
        """Conditional means (n,), from the core."""
        return self.mu

    def draw(self, generator: np.random.Generator, means: Floats, weights: Floats | None = None) -> Floats:
        """Draw responses (n,) from the family around these means."""
        try:
            return self.family.draw(generator, means, self.trials if weights is None else weights, self.dispersion)
        except RanefError:
            raise
        except ValueError:
            raise OptionError(
                f"some means of a draw are outside what the {self.family.name} family can have: with the "
                f"{self.family.link} link random effects can lead there. re='conditional' keeps the means of the fit."
            ) from None

    def joint_covariance(self) -> Floats | None:
        """The inverse of half the Hessian; None where that is not positive definite."""
        return self.joint_vcov

    @property
    def dispersion_estimated(self) -> bool:
        """Whether the family has an extra parameter that was estimated."""
        return self.family.dispersion_name is not None and self.family.fixed_dispersion is None

    @property
    def spread_name(self) -> str | None:
        """``sigma``, or what the family calls its extra parameter; None where there is none or it
        is held.
        """
        name = self.family.dispersion_name if self.dispersion_estimated else None
        # a predictor may be called size
        return name if name is None or name not in self.x_names else f"{name}|{self.family.name}"

    @property
    def spread(self) -> float:
        """The extra parameter of the family, NaN without one."""
        return self.dispersion

    @property
    def usual_residuals(self) -> str:
        """Deviance residuals, as in R."""
        return "deviance"

    @property
    def without_random(self) -> str:
        """What the model is called without its random effects."""
        return "a generalized linear model"

    @property
    def npar(self) -> int:
        """Number of parameters: fixed effects,
        covariance parameters and an estimated dispersion.
        """
        return len(self.beta) + len(self.theta) + self.dispersion_estimated

    @property
    def vcov(self) -> Floats:
        """Covariance (p, p) of the fixed effects, with the estimation of the covariance parameters
        accounted for.
        """
        return self.vcov_beta

    @property
    def residual_sd(self) -> float | None:
        """``sigma`` for families with a scale."""
        return self.sigma if self.family.scaled else None

    @property
    def core_beta(self) -> Floats:
        """The coefficients as the core takes them."""
        return self.beta

    @property
    def core_dispersion(self) -> float | None:
        """The extra parameter as the core takes it."""
        return None if self.family.dispersion_name is None else self.dispersion

    @property
    def likelihood(self) -> Likelihood:
        """The likelihood that was maximised."""
        return Likelihood(self.family, self.response_kind, self.n_quad, self.curvature)

    def core_model(self, n_threads: int | None = None) -> "_core.Model":
        """The model in the core."""
        return self.system.get(self.n_threads if n_threads is None else n_threads)

    def objective_at(self, n_quad: int) -> float:
        """The criterion at the estimates with another number of quadrature nodes, from the core."""
        system = self.system.get(self.n_threads)
        found = system.evaluate(
            self.core_theta, self.core_beta, self.core_dispersion, n_quad, self.curvature, self.n_threads
        )
        return found.objective

    def conditional_covariance(self) -> tuple[list[Floats], list[float] | None]:
        """Given the data and the parameters: the curvature at the modes."""
        at = (self.core_theta, self.core_beta, self.core_dispersion, self.curvature, self.n_threads)
        return list(self.system.get(self.n_threads).conditional_covariance(*at)), None

    def inverse_parts(self, starts: NDArray[np.intp], effects: NDArray[np.intp]) -> Floats:
        """From the core's factor at the modes."""
        at = (self.core_theta, self.core_beta, self.core_dispersion, self.curvature)
        sets = (starts.astype(np.int64), effects.astype(np.int64))
        return self.system.get(self.n_threads).inverse_parts(*at, *sets, self.n_threads)

    def hat_values(self) -> Floats:
        """Expected weights of the linear predictors times their variances, for the covariance
        parameters of the fit.
        """
        system = self.system.get(self.n_threads)
        at = (self.core_theta, self.beta, self.core_dispersion)
        held = system.solution(*at, 1, self.curvature, self.n_threads).solution
        if held is None:
            return np.full(self.nobs, np.nan)
        rows = np.asfortranarray(self.x), self.random_rows()
        variance = system.prediction_variance(*at, held.vcov_profiled, *rows, self.n_threads)
        return np.asarray(variance * self.expected_weights())

    def added_columns(self, x: Floats, columns: Floats) -> AddedColumns | None:
        """From the gradient of the approximated likelihood, and the curvature of the last step."""
        return by_score(self, x, columns)

    def expected_weights(self) -> Floats:
        """Weights (n,) of the last step of the fit as weighted least squares, by the expected
        curvature; 0 where a mean lies at the edge of what is possible.
        """
        slope = self.family.link_function.slope(self.linear_predictor())
        scale = self.sigma**2 if self.family.scaled else 1.0
        with np.errstate(divide="ignore", invalid="ignore"):
            weights = self.weights * slope**2 / (self.family.variance(self.means(), self.spread) * scale)
        return np.where(np.isfinite(weights), weights, 0.0)

    def prediction_variance(self, x: Floats, factors: list[tuple[Any, list[Floats]]]) -> Floats:
        """Variance of predicted linear predictors, with the estimation of all parameters accounted
        for (of the fixed effects alone where their joint covariance is not known).
        """
        system = self.system.get(self.n_threads)
        covariance, joint = self.vcov_beta, self.joint_vcov
        if joint is not None and self.n_quad > 0:
            place = np.concatenate([self.order.core_of_theta, np.arange(len(self.theta), len(joint))])
            covariance = np.ascontiguousarray(joint[np.ix_(place, place)])
        variance: Floats = system.prediction_variance(
            self.core_theta, self.beta, self.core_dispersion, covariance, x, factors, self.n_threads
        )
        return variance


def fit_glmm(
    design: Design,
    likelihood: Likelihood,
    start: Start | None = None,
    control: FitControl | None = None,
    progress: Report | None = None,
    n_threads: int = 1,
    order: TermOrder | None = None,
) -> GlmmFit:
    """Estimate the model of a design.

    Parameters
    ----------
    design : Design
        Its response in the form of the family, see ``fit.outcome``.
    likelihood : Likelihood
    start : Start, optional
    control : FitControl, optional
    progress : callable, optional
        Called with the number of evaluations and the criterion; what it raises ends the fit.
    n_threads : int
    order : TermOrder, optional
        The orders of the random terms, when already known.

    Raises
    ------
    DataError
        When the criterion is not finite, so that there are no estimates.
    """
    order = order or order_terms(design.random)
    control = control or FitControl()
    start = start or Start()
    family, before = likelihood.family, 0
    if not design.random:
        # there is no integral
        likelihood = replace(likelihood, n_quad=1)
    check_quadrature(likelihood.n_quad, order, design)
    if start.theta is None and not design.priors and (shared := shared_effects(design.random)):
        needed, places = without_shared(design, shared)
        alone = fit_glmm(needed, likelihood, start, control, progress, n_threads)
        equal = divided(shared, design, order, places, alone.order, alone.theta)
        extra = None if math.isnan(alone.dispersion) else alone.dispersion
        start, before = Start(equal, alone.beta, extra), alone.convergence.evaluations
    threads = threads_of_fit(len(design.y), n_threads)
    system = build_generalized_system(design, order, family, threads)
    see_that_priors_fit(design, system.kept, likelihood.n_quad)
    n, p = len(design.y), len(system.kept)
    if n < p:
        raise DesignError(f"there are {n} rows for {p} fixed effects; a model needs at least as many rows.")

    def fitted_from(theta: Floats | None) -> "GeneralizedFit":
        return system.fit(
            likelihood.n_quad,
            likelihood.curvature,
            None if theta is None else np.ascontiguousarray(theta[order.core_of_theta]),
            start.beta,
            start.dispersion,
            family.fixed_dispersion,
            control.max_evaluations,
            control.tolerance,
            threads,
            progress,
        )

    found = fitted_from(start_in_units_of_rows(design, order) if start.theta is None else start.theta)
    for theta in smaller_starts(order) if start.theta is None else ():
        if found.ending.status == "converged" and not found.ending.singular:
            break
        again = fitted_from(theta)
        before += found.ending.evaluations
        if again.solution is not None and not again.ending.objective >= found.ending.objective:
            found = again
    lazy = LazySystem(design, order, family, system)
    return record_of(design, order, likelihood, lazy, found, n_threads, before)


def record_of(
    design: Design,
    order: TermOrder,
    likelihood: Likelihood,
    system: "LazySystem[GlmmSystem]",
    found: "GeneralizedFit",
    n_threads: int,
    before: int = 0,
    kept: list[int] | None = None,
) -> GlmmFit:
    """Turn what the core gives, after ``before`` evaluations of another fit, into the frozen
    record, everything in lme4's order; ``kept`` are the columns of X where the system has none.
    """
    family, solution = likelihood.family, solution_of(found, likelihood.family)
    fields = estimates_of(design, order, solution, system.get(n_threads).kept if kept is None else kept)
    places, theta = fields["kept"], fields["theta"]
    convergence, messages = concluded(
        design, order, likelihood, system, found, places, fields["dropped"], n_threads, before
    )
    hessian, vcov, profiled = found.hessian, found.vcov, solution.vcov_profiled
    place = places_in_core(order, order.n_theta if hessian is None else len(hessian))
    extra = math.nan if solution.dispersion is None else float(solution.dispersion)
    value = math.nan if family.dispersion_name is None else extra
    joint = found.covariance
    determined, moved = determined_covariance(found)
    if len(moved) and determined is not None and len(determined) > order.n_theta:
        m, p = order.n_theta, len(solution.beta)
        joint, vcov = determined, np.ascontiguousarray(determined[m : m + p, m : m + p])
    joint = placed(joint, place)
    how = likelihood.n_quad, likelihood.curvature
    log_prior, robust = beside_generalized(design, order, family, found, how, places)
    if robust is not None:
        m, p = len(theta), len(solution.beta)
        joint, vcov = robust, np.ascontiguousarray(robust[m : m + p, m : m + p])
    return GlmmFit(
        **fields,
        system=system,
        reml=False,
        family=family,
        response_kind=likelihood.response_kind,
        n_quad=likelihood.n_quad,
        curvature=likelihood.curvature,
        objective=found.ending.objective,
        dispersion=value,
        sigma=family.sigma(value),
        eta=solution.eta,
        mu=solution.mu,
        vcov_beta=profiled if vcov is None else vcov,
        hessian=placed(hessian, place),
        joint_vcov=joint,
        gradient=placed(found.ending.gradient, place),
        log_prior=log_prior,
        extras=np.asarray(solution.extras),
        convergence=convergence,
        messages=messages,
        n_threads=n_threads,
    )
