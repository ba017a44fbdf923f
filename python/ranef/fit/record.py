"""The frozen record of a fitted mixed model: what all kinds have in common."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ranef.design.level_columns import LevelColumns, product
from ranef.design.membership import for_core
from ranef.design.record import Design, RandomTerm
from ranef.families.family import Family
from ranef.families.gaussian import Gaussian
from ranef.fit.added import AddedColumns
from ranef.fit.beside import scaled_columns, why_no_likelihood
from ranef.fit.control import FitControl
from ranef.fit.drawn_responses import DrawnResponses
from ranef.fit.ending.convergence import Convergence
from ranef.fit.iterative.solver_questions import SolverQuestions
from ranef.fit.order import TermOrder, relative_factor, term_keys, theta_names
from ranef.fit.outcome import Kind
from ranef.fit.part_questions import PartQuestions
from ranef.fit.random_part import random_part
from ranef.options import Ddf

if TYPE_CHECKING:
    from ranef import _core
    from ranef.fit.correlated.centred_chart import CentredChart
    from ranef.fit.iterative.sampled import SampledTests

Floats = NDArray[np.float64]
Covariates = Sequence[tuple[Floats, Floats]]

#: The family of linear models.
LINEAR = Gaussian()


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class MixedFit(SolverQuestions, PartQuestions, DrawnResponses):
    """What fitted mixed models of all kinds have in common, without labels.

    Everything about random terms is in lme4's order. ``n`` rows, ``p`` columns of X kept, ``m``
    covariance parameters.

    Attributes
    ----------
    design : Design
    order : TermOrder
    reml : bool
        Whether the REML criterion was minimised.
    theta : (m,) array
    objective : float
        The criterion that was minimised: the REML criterion, or -2 log-likelihood.
    kept : tuple of int
        Columns of ``design.x`` that are kept.
    dropped : tuple of str
        Names of the columns left out because earlier ones determine them.
    beta : (p,) array
    sigma : float
        Residual standard deviation or scale; 1 for families without one.
    family : Family
        ``Gaussian("identity")`` for a linear model.
    response_kind : {"binary", "counts", "proportion", "value", "category"}
        How the response was given: ``"value"`` in linear models; categories are numbered from 1.
    n_quad : int
        Quadrature nodes for each random effect; 1 is Laplace's approximation, which is exact for a
        linear model, 0 the penalised form.
    curvature : {"observed", "expected"}
        Weights in the determinant of Laplace's approximation; the same in a linear model.
    u, b : tuple of (levels, k) arrays
        Conditional modes of the spherical and of the original random effects.
    convergence : Convergence
    messages : tuple of str
        What the user was warned of.
    n_threads : int
    log_prior : float
        Log density of the priors at the estimates; part of the objective.
    """

    design: Design
    order: TermOrder
    reml: bool
    theta: Floats
    objective: float
    kept: tuple[int, ...]
    dropped: tuple[str, ...]
    beta: Floats
    sigma: float
    u: tuple[Floats, ...]
    b: tuple[Floats, ...]
    convergence: Convergence
    messages: tuple[str, ...]
    n_threads: int
    log_prior: float = 0.0
    family: Family = LINEAR
    response_kind: Kind = "value"
    n_quad: int = 1
    curvature: str = "observed"

    # ---- what depends on the kind of model: code above ``fit`` asks these, never for the class

    @property
    def verb(self) -> str:
        """The function that fits such a model."""
        return "lmer"

    @property
    def is_of_visits(self) -> bool:
        """Whether rows are visits of a subject, with a covariance matrix of their own."""
        return False

    @property
    def title(self) -> str:
        """What such a model is called in a sentence."""
        return "linear mixed model"

    @property
    def code(self) -> str:
        """The formula as R prints it, with a structure of the rows that is part of it."""
        return str(self.design.formula)

    @property
    def ddf_choices(self) -> tuple[Ddf, ...]:
        """Methods of degrees of freedom that tests of the fixed effects can have, the default
        first.

        ``("none",)`` alone where tests are asymptotic: z and chi-square.
        """
        return ("satterthwaite", "kenward-roger", "between-within", "residual", "none")

    @property
    def structure_parameters(self) -> dict[str, float]:
        """Parameters of the covariance structure of the rows by name; none where there is none."""
        return {}

    def structure_variances(self) -> tuple[Floats, float | None]:
        """Asymptotic variances (k,) of these, and of log sigma without random effects."""
        return np.empty(0), None

    @property
    def deviance(self) -> float:
        """The criterion without the priors: -2 log-likelihood, restricted or not."""
        return self.objective + 2 * self.log_prior

    @property
    def why_no_likelihood(self) -> str | None:
        """Why what rests on a maximised likelihood does not hold; None where it does."""
        return why_no_likelihood(self.design)

    @property
    def asymptotic_tests(self) -> bool:
        """Whether the fixed effects have Wald tests only, without degrees of freedom of the model:
        z and chi-square, or t and F by the number of clusters.
        """
        return self.ddf_choices == ("none",)

    @property
    def fixed_effects_profiled(self) -> bool:
        """Whether the fixed effects follow from theta, which their covariance takes as known."""
        return True

    @property
    def identity_scale(self) -> bool:
        """Whether the linear predictor is the mean itself: no link stands between them."""
        return self.family.link == "identity"

    @property
    def integral_exact(self) -> bool:
        """Whether the likelihood is integrated over the random effects without error."""
        return True

    @property
    def family_shown(self) -> bool:
        """Whether family and link are shown with the model, and the family's spread as its
        dispersion.

        A linear model is normal by its name and has a residual standard deviation.
        """
        return False

    @property
    def both_criteria(self) -> tuple[float, float] | None:
        """-2 log-likelihood and REML criterion at the estimates; None where there is no REML
        criterion.
        """
        return None

    @property
    def normal_responses(self) -> bool:
        """Whether responses, and what is linear in them, are normal around the predictor."""
        return True

    @property
    def residual_variance(self) -> float:
        """Variance that a new row of weight 1 adds to the predictor; 0 for a mean behind a link."""
        return self.sigma**2

    def observation_variance(self) -> Floats:
        """Variance (n,) of every response given the random effects, prior weights accounted for."""
        return self.sigma**2 / self.weights

    def position_covariance(self, at: Floats, group: int, covariates: Covariates = ()) -> Floats:
        """Covariance (m, m) of rows of one block given the random effects at positions (m, d), for
        models whose rows are correlated; covariates and strata (m,) are of each variance function.
        """
        raise NotImplementedError

    def whitened(self, values: Floats) -> Floats:
        """Rows (n,) multiplied by the inverse of the lower Cholesky factor of their covariance
        given the random effects, in units of sigma and without weights, in the order of the
        positions.
        """
        return values

    def fixed_part(self) -> Floats:
        """The linear predictor (n,) without random effects: fixed effects and offset."""
        eta = self.fixed_sum()
        return eta if self.design.offset is None else eta + self.design.offset

    def linear_predictor(self) -> Floats:
        """The linear predictor (n,) with the conditional modes of the random effects."""
        eta = self.fixed_part()
        for term, b in zip(self.terms, self.b, strict=True):
            eta = eta + random_part(term.places, term.z, b)
        return eta

    def means(self) -> Floats:
        """Means (n,) of the responses given the conditional modes; proportions where the response
        is one.
        """
        return self.linear_predictor()

    @property
    def weights(self) -> Floats:
        """Prior weights or trials (n,); ones where none were given."""
        return np.ones(self.nobs) if self.design.weights is None else self.design.weights

    @property
    def vcov(self) -> Floats:
        """Covariance (p, p) of the fixed effects."""
        raise NotImplementedError

    def fixed_root(self) -> Floats | None:
        """A root K (p, p) of the covariance of the fixed effects, ``sigma**2 * K @ K.T``, with no
        digits lost to the origin or unit of a variable; None where the core has none.
        """
        return None

    def random_coefficients(self) -> Floats:
        """``M^-1 Lambda'Z'WX K`` (q, p) with ``M = Lambda'Z'WZ Lambda + I`` and K the root of the
        covariance of the fixed effects; rows in the order of the core's factors, their levels and
        the effects of a level.
        """
        raise NotImplementedError

    def inverse_parts(self, starts: NDArray[np.intp], effects: NDArray[np.intp]) -> Floats:
        """``M^-1`` on each of some sets of random effects, flattened, one after another.

        Set i holds ``effects[starts[i] : starts[i + 1]]``, numbers of rows of the coefficients.
        """
        raise NotImplementedError

    def joint_covariance(self) -> Floats | None:
        """Covariance of theta (lme4's order), the fixed effects and the logarithm of an estimated
        dispersion together; NaN for thetas on the boundary, None where it is not known.
        """
        return None

    def satterthwaite(self) -> "_core.Satterthwaite | SampledTests":
        """What Satterthwaite's degrees of freedom are made of, from the core; for kinds that have
        them among ``ddf_choices``.
        """
        raise NotImplementedError

    def kenward_roger(self, memory: Callable[[], float], linear: bool = False) -> "_core.KenwardRoger":
        """The same by Kenward and Roger.

        Parameters
        ----------
        memory : callable
            Gives the bytes that dense matrices may take, where there are such matrices.
        linear : bool
            Whether second derivatives of the covariance of the rows are left out; without such a
            covariance there are none.

        Raises
        ------
        MemoryError
            Where more would be needed.
        """
        raise NotImplementedError

    def hat_values(self) -> Floats:
        """Diagonal (n,) of the hat matrix of the conditional fit,
        for kinds whose fitted values are linear in the response.
        """
        raise NotImplementedError

    def added_columns(self, x: Floats, columns: Floats) -> AddedColumns | None:
        """The score of columns (n, k) that are added to the fixed effects, at the estimates.

        Parameters
        ----------
        x : (n, q) array
            The columns of the fixed effects, or some of what they span, which makes the information
            too large and tests careful.
        columns : (n, k) array
            None of them a combination of the others and of x.

        Returns
        -------
        AddedColumns or None
            None where the core finds such combinations, or no solution.
        """
        raise NotImplementedError

    def drawn_refits(
        self, n: int, seed: int, control: FitControl, progress: Callable[[int, int], object] | None
    ) -> "_core.Replicates | None":
        """Fits of ``n`` responses drawn from the model, for kinds that need no rows; else None."""
        return None

    def sigma_without(self, drop: Floats, rows: int | NDArray[np.intp]) -> Floats:
        """Residual standard deviation at the same theta without some rows, for the same kinds;
        NaN where too few are left.

        Parameters
        ----------
        drop : array
            By how much the penalised residual sum of squares falls.
        rows : int or array of int
            How many rows are left out.
        """
        raise NotImplementedError

    @property
    def integrated(self) -> tuple[TermOrder, Design]:
        """Order and design of all random terms that the likelihood integrates over."""
        return self.order, self.design

    def objective_at(self, n_quad: int) -> float:
        """-2 log-likelihood at the estimates with another number of quadrature nodes."""
        raise NotImplementedError

    @property
    def random_scale(self) -> float:
        """What the relative Cholesky factors are multiplied by to give those of the effects."""
        return 1.0

    @property
    def residual_sd(self) -> float | None:
        """``sigma`` where it is estimated, else None."""
        return self.sigma

    @property
    def spread_name(self) -> str | None:
        """What the estimated parameter of the spread of responses is called; None without one."""
        return "sigma"

    @property
    def spread(self) -> float:
        """That parameter; NaN without one."""
        return self.sigma

    @property
    def usual_residuals(self) -> str:
        """The type of residuals that are meant where none is named."""
        return "response"

    @property
    def without_random(self) -> str:
        """What the model is called without its random effects."""
        return "linear regression"

    @property
    def npar(self) -> int:
        """Number of parameters that were estimated."""
        raise NotImplementedError

    def core_model(self, n_threads: int | None = None) -> "_core.Model":
        """The model in the core, made with ``n_threads`` (the fit's) if there is none yet."""
        raise NotImplementedError

    def profiled_model(self) -> "tuple[_core.Model, Any] | None":
        """The model in the core whose likelihood is profiled with its parameters, where it is not
        that of `core_model`; None: that one.
        """
        return None

    def structured_model(self) -> "tuple[Any, Floats] | None":
        """The model in the core with covariance structures, and those of the rows; None: none."""
        return None

    def centred_chart(self) -> "CentredChart | None":
        """The model with the covariates of its variance functions centred; None: there are none."""
        return None

    def conditional_covariance(self) -> tuple[list[Floats], list[float] | None]:
        """Covariance (levels, k, k) of the random effects of every factor given the data and the
        parameters, and its relative standard error where it is sampled.
        """
        raise NotImplementedError

    def prediction_variance(self, x: Floats, factors: list[tuple[Any, list[Floats]]]) -> Floats:
        """Variance (rows,) of ``x'(beta^ - beta) + z'(b^ - b)`` from the core; factors and their
        terms in its order.
        """
        raise NotImplementedError

    @property
    def nobs(self) -> int:
        """Number of rows used."""
        return self.design.n_used

    @property
    def x(self) -> Floats:
        """The columns of X that are kept."""
        return self.design.x if not self.dropped else self.design.x[:, list(self.kept)]

    @property
    def x_root(self) -> Floats:
        """Columns with the cross-products of those of X: these, or fewer rows where there are sums
        only.
        """
        return self.x

    def random_root(self, term: RandomTerm) -> Floats:
        """Columns with the cross-products of the effects of a random term: these, or fewer rows
        where there are sums only.
        """
        return term.z

    def fixed_spread(self) -> float:
        """Variance over the rows of what the fixed effects add up to."""
        fixed = self.fixed_sum()
        # From the first value, so that a constant has variance zero exactly.
        return float(np.var(fixed - fixed[0], ddof=1))

    @property
    def columns(self) -> Floats | LevelColumns:
        """The same as the design keeps them, where all are kept."""
        return self.x if self.dropped else self.design.columns

    def fixed_sum(self) -> Floats:
        """X times the estimates (n,)."""
        return product(self.columns, self.beta)

    @property
    def x_names(self) -> tuple[str, ...]:
        """Names of the fixed effects."""
        names = self.design.x_names
        return tuple(names) if not self.dropped else tuple(names[j] for j in self.kept)

    @property
    def terms(self) -> tuple[RandomTerm, ...]:
        """The random terms in lme4's order."""
        return tuple(self.design.random[s.formula] for s in self.order.spans)

    def random_rows(self) -> list[tuple[Any, list[Floats]]]:
        """Levels and the Z of every term of each grouping factor, in the core's order."""
        out: list[tuple[Any, list[Floats]]] = []
        for f in range(len(self.order.factors)):
            terms = [t for t, s in zip(self.terms, self.order.spans, strict=True) if s.factor == f]
            columns = [np.asfortranarray(scaled_columns(self.design, t)) for t in terms]
            out.append((for_core(terms[0].places), columns))
        return out

    @property
    def term_keys(self) -> tuple[str, ...]:
        """A name for each random term: its grouping factor, with ``.1``, ``.2`` … for further terms
        on the same one.
        """
        return term_keys(tuple(t.group for t in self.terms))

    @property
    def theta_names(self) -> tuple[str, ...]:
        """Names of theta."""
        return theta_names(self.order, self.design.random)

    @property
    def relative_factors(self) -> tuple[Floats, ...]:
        """Relative Cholesky factor (k × k) of every random term."""
        return tuple(relative_factor(s, self.theta) for s in self.order.spans)

    @property
    def searched_parameters(self) -> Floats:
        """Covariance parameters as the core has them: of the random effects, then of the rows."""
        return self.core_theta

    @property
    def core_theta(self) -> Floats:
        """Theta in the core's order."""
        return np.ascontiguousarray(self.theta[self.order.core_of_theta])

    @property
    def singular(self) -> bool:
        """Whether some random direction has exactly zero variance."""
        return bool(self.convergence.boundary)
