"""The frozen record of a fitted generalized linear mixed model."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranef.errors import OptionError, RanefError
from ranef.fit.glmm_system import LazyGlmmSystem
from ranef.fit.record import MixedFit
from ranef.options import Ddf

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class GlmmFit(MixedFit):
    """A fitted generalized linear mixed model.

    The design's ``y`` is a proportion and its ``weights`` are numbers of trials when the family is
    binomial.

    Attributes
    ----------
    system : LazyGlmmSystem
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
    """

    system: LazyGlmmSystem
    dispersion: float
    eta: Floats
    mu: Floats
    vcov_beta: Floats
    hessian: Floats | None
    joint_vcov: Floats | None
    gradient: Floats | None

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

    def draw(self, generator: np.random.Generator, means: Floats) -> Floats:
        """Draw responses (n,) from the family around these means."""
        try:
            return self.family.draw(generator, means, self.weights, self.dispersion)
        except RanefError:
            raise
        except ValueError:
            raise OptionError(
                f"some means of a draw are outside what the {self.family.name} family can have: with the {self.family.link} link random effects can lead there. "
                "re='conditional' keeps the means of the fit."
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
        """Number of parameters: fixed effects, covariance parameters and an estimated dispersion."""
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
    def core_dispersion(self) -> float | None:
        """The extra parameter as the core takes it."""
        return None if self.family.dispersion_name is None else self.dispersion

    def objective_at(self, n_quad: int) -> float:
        """-2 log-likelihood at the estimates with another number of quadrature nodes, from the
        core.
        """
        system = self.system.get(self.n_threads)
        found = system.evaluate(
            self.core_theta, self.beta, self.core_dispersion, n_quad, self.curvature, self.n_threads
        )
        return found.objective

    def conditional_covariance(self) -> list[Floats]:
        """Covariance of the random effects of every factor given the data and the parameters: the
        curvature at the modes.
        """
        system = self.system.get(self.n_threads)
        return list(
            system.conditional_covariance(
                self.core_theta, self.beta, self.core_dispersion, self.curvature, self.n_threads
            )
        )

    def prediction_variance(self, x: Floats, factors: list[tuple[NDArray[np.int32], list[Floats]]]) -> Floats:
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
