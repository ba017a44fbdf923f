"""Linear models whose rows are correlated, or have variances of their own, given the random
effects: their record, and their fit, one call into the core.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ranef.design.record import Design
from ranef.design.residual import ResidualRows
from ranef.errors import DataError, DesignError, OptionError
from ranef.fit.added import AddedColumns
from ranef.fit.control import FitControl
from ranef.fit.correlated.centred_chart import CentredChart
from ranef.fit.correlated.centred_covariates import centred_covariates
from ranef.fit.correlated.endless_power import fit_unless_endless
from ranef.fit.correlated.fixed_point import FixedPoint
from ranef.fit.correlated.powers_of_fitted import see_that_powers_are_numbers
from ranef.fit.correlated.unstructured import check_unstructured
from ranef.fit.ending.convergence import Ending, convergence_of
from ranef.fit.ending.messages import Trouble, fit_messages, not_finite
from ranef.fit.ending.structure_messages import structure_messages
from ranef.fit.ending.undetermined_range import undetermined_ranges
from ranef.fit.ending.valleys import Search, Valley
from ranef.fit.estimated_fields import estimates_of
from ranef.fit.linear import LmmFit, fit_lmm
from ranef.fit.order import TermOrder, order_terms, theta_names
from ranef.fit.progress import Report
from ranef.fit.record import Covariates
from ranef.fit.system import LazySystem, build_correlated_system, row_covariance
from ranef.fit.threads import threads_of_fit
from ranef.options import Ddf
from ranef.status import FitStatus

if TYPE_CHECKING:
    from ranef import _core

Floats = NDArray[np.float64]

OPTIMIZER = "trust-region Newton, exact gradient and Hessian in all covariance parameters"

#: Relative change of fitted values at which the rounds of a variance that depends on them end, and
#: the most rounds.
SETTLED, ROUNDS = 1e-9, 100

UNSETTLED = (
    f"the fitted values on which the variance depends did not settle in {ROUNDS} rounds: the estimates are those of "
    "the last one. A variance that depends on a column, as by power(x), has no such rounds."
)

#: Structures that are linear in covariances.
LINEAR = ("us", "cs", "toep")

#: Structures with a kink where a distance is the range, factors of the range tried, and by how much
#: another optimum must be lower.
KINKED, FACTORS, LOWER = ("spherical", "linear"), (0.5, 0.6, 0.7, 0.8, 1.25, 1.6), 1e-7
#: Structures of series, and the correlation and the factor of the range of their other start.
SERIAL, STRONG, LONGER = ("ar1", "car1", "exp"), 0.97, 8.0
#: Step of the differences of log sigma along the parameters of the structure, which are on the
#: whole line: its error is 1e-8 of a slope.
SIGMA_STEP = 1e-4

#: Fields of the record that a solution has under the same names.
_NUMBERS = ("objective", "reml_criterion", "ml_deviance", "vcov_unscaled", "sigma", "pwrss", "ldl2", "ldrx2")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class CorrelatedFit(LmmFit):
    """A fitted linear model with a covariance structure of its rows.

    Attributes
    ----------
    z : (k,) array
        Its parameters as the optimiser has them, on the whole line.
    structure : (k,) array
        Its natural parameters.
    structure_slopes : (k, k) array
        Their derivatives by z, a row for each natural one.
    structure_names : tuple of str
    """

    z: Floats
    structure: Floats
    structure_slopes: Floats
    structure_names: tuple[str, ...]

    @property
    def rows(self) -> ResidualRows:
        """The structure with the data it needs."""
        assert self.design.residual is not None
        return self.design.residual

    @property
    def correlated(self) -> "_core.CorrelatedSystem":
        """The model in the core."""
        system: Any = self.system.get(self.n_threads)
        return system  # type: ignore[no-any-return]

    @property
    def verb(self) -> str:
        """``gls`` where there are no random effects."""
        return "lmer" if self.design.random else "gls"

    @property
    def title(self) -> str:
        """What such a model is called in a sentence."""
        return "linear mixed model" if self.design.random else "generalized least-squares model"

    @property
    def ddf_choices(self) -> tuple[Ddf, ...]:
        """Those that the structure has."""
        return ("satterthwaite", "kenward-roger", "between-within", "residual", "none")

    @property
    def npar(self) -> int:
        """Fixed effects, covariance parameters of the random effects and the rows, sigma."""
        return len(self.beta) + len(self.theta) + len(self.z) + 1

    @property
    def structure_parameters(self) -> dict[str, float]:
        """The natural parameters by name."""
        return dict(zip(self.structure_names, self.structure.tolist(), strict=True))

    @property
    def relative_sds(self) -> Floats:
        """Standard deviations (n,) of the rows in units of sigma."""
        return np.asarray(self.correlated.relative_sds(self.z))

    def observation_variance(self) -> Floats:
        """Variance (n,) of every response given the random effects."""
        out: Floats = (self.sigma * self.relative_sds) ** 2 / self.weights
        return out

    def draw(self, generator: np.random.Generator, means: Floats, weights: Floats | None = None) -> Floats:
        """Draw responses (n,) whose errors have the covariance of the rows."""
        noise = generator.standard_normal(len(means))
        errors: Floats = self.correlated.colour(self.z, noise)
        return means + self.sigma * errors

    def whitened(self, values: Floats) -> Floats:
        """Rows (n,) multiplied by the inverse of the lower Cholesky factor of R, which follows the
        order of the positions.
        """
        return np.asarray(self.correlated.whiten(self.z, np.ascontiguousarray(values)))

    @property
    def searched_parameters(self) -> Floats:
        """Those of the rows too."""
        return np.concatenate([self.core_theta, self.z])

    def structure_of_replicates(self, parameters: Floats) -> Floats:
        """Each by the maps of the structure."""
        structure, k = row_covariance(self.design), len(self.z)
        out = np.full((len(parameters), k), np.nan)
        for i, z in enumerate(parameters[:, parameters.shape[1] - k :]):
            if np.isfinite(z).all():
                out[i] = structure.natural(np.ascontiguousarray(z))[0]
        return out

    def structured_model(self) -> tuple[Any, Floats] | None:
        """Itself, with the parameters of the rows."""
        return self.correlated, self.z

    def centred_chart(self) -> CentredChart | None:
        """Where covariates have a middle."""
        centred = centred_covariates(self.design, row_covariance(self.design).parameters)
        if centred is None:
            return None
        system = build_correlated_system(centred.design, self.order, self.n_threads)
        theta, z = centred.inwards(self.core_theta, self.z)
        assert theta is not None
        assert z is not None
        return CentredChart(system, theta, z, tuple(centred.exponents), tuple(centred.constants))

    def core_model(self, n_threads: int | None = None) -> "_core.Model":
        """Refused: what needs it knows nothing of the covariance structure."""
        raise OptionError(
            "this is not available for models with a covariance structure of the rows; conf_int() by any method is, "
            "and anova() of two fits compares structures."
        )

    def random_coefficients(self) -> Floats:
        """Refused with the leverages."""
        raise DesignError("deletion diagnostics are for rows that are independent given the random effects.")

    def position_covariance(self, at: Floats, group: int, covariates: Covariates = ()) -> Floats:
        """From the structure."""
        c, first = self.rows.expr.correlation, at[:, :1]
        # a process has correlations at longer lags than those of the data
        longer = c is not None and c.structure == "arma" and len(at) > 0
        lags = int(np.ptp(first)) + 1 if longer else None
        relative = row_covariance(self.design, lags).matrix(self.z, at, group, list(covariates))
        return np.asarray(relative * self.sigma**2)

    def hat_values(self) -> Floats:
        """Of the rows made independent, which `whitened` gives; refused beside random effects."""
        root = self.fixed_root()
        if self.design.random or root is None:
            raise DesignError("hat values are for rows that are independent given the random effects.")
        scale = 1.0 if self.design.weights is None else np.sqrt(self.design.weights)
        columns = [self.whitened(column * scale) for column in (self.x @ root).T]
        out: Floats = np.sum(np.square(columns), axis=0)
        return out

    def added_columns(self, x: Floats, columns: Floats) -> AddedColumns | None:
        """None: not for correlated rows."""
        return None

    def satterthwaite(self) -> "_core.Satterthwaite":
        """By the exact Hessian of the criterion at the estimates, in all covariance parameters."""
        return self.correlated.satterthwaite(self.core_theta, self.z, self.reml)

    def kenward_roger(self, memory: Callable[[], float], linear: bool = False) -> "_core.KenwardRoger":
        """By the observed information, as SAS: in covariances where the structure is linear in them
        (us, cs, toep), else in the variance and the natural parameters.
        """
        c = self.rows.expr.correlation
        in_covariances = c is not None and c.structure in LINEAR and not self.rows.variances
        in_covariances = in_covariances and (c is None or c.homogeneous or c.structure == "us")
        return self.correlated.kenward_roger(self.core_theta, self.z, linear or in_covariances)

    def fixed_root(self) -> Floats | None:
        """From the core."""
        return self.correlated.fixed_root(self.core_theta, self.z)

    def conditional_covariance(self) -> tuple[list[Floats], list[float] | None]:
        """Given the data, the covariance parameters and the fixed effects."""
        return [c * self.sigma**2 for c in self.correlated.conditional_covariance(self.core_theta, self.z)], None

    def prediction_variance(self, x: Floats, factors: list[tuple[Any, list[Floats]]]) -> Floats:
        """Variance of predicted means, with the covariance parameters taken as known."""
        relative = self.correlated.prediction_variance(self.core_theta, self.z, np.asfortranarray(x), factors)
        return np.asarray(relative * self.sigma**2)

    def natural_covariance(self) -> Floats:
        """Asymptotic covariance (k, k) of the natural parameters of the structure; NaN of a range
        that is not determined.
        """
        found: Floats = self.correlated.covariance_of_structure(self.core_theta, self.z, self.reml)
        held = np.isnan(np.diagonal(found))
        out: Floats = self.structure_slopes @ np.where(np.isnan(found), 0.0, found) @ self.structure_slopes.T
        touched = np.any(self.structure_slopes[:, held] != 0.0, axis=1)
        out[touched, :] = out[:, touched] = np.nan
        return out

    def structure_variances(self) -> tuple[Floats, float | None]:
        """By the observed information, in which the parameters of the random effects are too."""
        return np.diagonal(self.natural_covariance()), self.log_sigma_variance()

    def log_sigma_variance(self) -> float | None:
        """By the variance of sigma given the structure, and of the structure; NaN where a range is
        not determined, which sigma follows.
        """
        if self.design.random:
            return None

        def log_sigma(z: Floats) -> float:
            return math.log(self.correlated.solution(self.core_theta, z, self.reml).sigma)

        steps = SIGMA_STEP * np.eye(len(self.z))
        slopes = [(log_sigma(self.z + e) - log_sigma(self.z - e)) / (2.0 * SIGMA_STEP) for e in steps]
        found = self.correlated.covariance_of_structure(self.core_theta, self.z, self.reml)
        own = 0.5 / (len(self.design.y) - (len(self.beta) if self.reml else 0))
        return float(own + np.array(slopes) @ found @ np.array(slopes))


def fit_linear(
    design: Design,
    reml: bool,
    start: Floats | None = None,
    control: FitControl | None = None,
    progress: Report | None = None,
    n_threads: int = 1,
    order: TermOrder | None = None,
    z: Floats | None = None,
) -> LmmFit:
    """Estimate the linear model of a design, with or without a covariance structure of its rows.

    Parameters are those of `fit_lmm`; ``z`` (k,) starts the search for those of the structure.
    """
    if design.residual is None:
        return fit_lmm(design, reml, start, control, progress, n_threads, order)
    if not design.residual.expr.has_fitted:
        return fit_correlated(design, reml, start, control, progress, n_threads, order, z)
    return _fit_rounds(design, reml, start, control, progress, n_threads, order, z)


def _fit_rounds(
    design: Design,
    reml: bool,
    start: Floats | None,
    control: FitControl | None,
    progress: Report | None,
    n_threads: int,
    order: TermOrder | None,
    z: Floats | None,
) -> CorrelatedFit:
    """Fit with the covariate of the variance held, replace it by the fitted values, until they
    settle: nlme's estimator, which is not maximum likelihood.
    """
    assert design.residual is not None
    if all(np.ptp(v.x) == 0 for v in design.residual.variances if v.fitted):
        plain = replace(design, residual=None)
        design = with_fitted(design, fit_lmm(plain, reml, start, control, None, n_threads, order).linear_predictor())
    evaluations, way, settled = 0, FixedPoint(), False
    for _ in range(ROUNDS):
        fit = fit_correlated(design, reml, start, control, progress, n_threads, order, z)
        evaluations += fit.convergence.evaluations
        new = fit.linear_predictor()
        assert design.residual is not None
        old = next(v.x for v in design.residual.variances if v.fitted)
        z, start = fit.z, None if fit.singular else fit.theta
        settled = bool(np.max(np.abs(new - old)) <= SETTLED * np.max(np.abs(new)))
        if settled:
            break
        design = with_fitted(design, way.next(old, new))
    how = "; the variance was held at the fitted values until these settled, which is not maximum likelihood"
    found = replace(fit.convergence, evaluations=evaluations, optimizer=f"{fit.convergence.optimizer}{how}")
    if settled:
        return replace(fit, convergence=found)
    return replace(
        fit, convergence=replace(found, status=FitStatus.MAX_EVALUATIONS), messages=(UNSETTLED, *fit.messages)
    )


def with_fitted(design: Design, values: Floats) -> Design:
    """The design with other fitted values as the covariate of its variance."""
    assert design.residual is not None
    see_that_powers_are_numbers(design.residual, values)
    rows = design.residual
    variances = tuple(replace(v, x=np.ascontiguousarray(values)) if v.fitted else v for v in rows.variances)
    return replace(design, residual=replace(rows, variances=variances))


def fit_correlated(
    design: Design,
    reml: bool,
    start: Floats | None,
    control: FitControl | None,
    progress: Report | None,
    n_threads: int,
    order: TermOrder | None,
    z: Floats | None,
) -> CorrelatedFit:
    """Estimate a linear model with a covariance structure of its rows; what depends on fitted
    values is held at those of the design.

    Parameters are those of `fit_linear`.
    """
    assert design.residual is not None
    check_unstructured(design.residual)
    order = order or order_terms(design.random)
    control = control or FitControl()
    threads = threads_of_fit(design.n_used, n_threads)
    system = build_correlated_system(design, order, threads)
    n, p = design.n_used, len(system.kept)
    if n <= p:
        raise DesignError(f"there are {n} rows for {p} fixed effects; a model needs more rows than fixed effects.")
    structure = row_covariance(design)
    names = structure_names(design.residual, structure.parameters)
    core_start = None if start is None else np.ascontiguousarray(start[order.core_of_theta])
    given, searched, centred = z is not None, system, centred_covariates(design, structure.parameters)
    if centred is not None:
        searched = build_correlated_system(centred.design, order, threads)
        core_start, z = centred.inwards(core_start, z)
    refuse_unidentified(searched, design, order, names, reml)
    searched_rows = (design if centred is None else centred.design).residual
    assert searched_rows is not None
    how = (control, threads, progress)
    found, z, reason = fit_unless_endless(searched, searched_rows, structure.parameters, reml, core_start, z, *how)
    for other in () if given else other_starts(design.residual, structure.parameters, z, not design.random):
        again, there, _ = fit_unless_endless(
            searched, searched_rows, structure.parameters, reml, core_start, other, *how
        )
        if again.ending.status == "converged" and again.ending.objective < found.ending.objective - LOWER:
            found, z, reason = again, there, None
    solution, ending = found.solution, Ending.of(found)
    if centred is not None and solution is not None:
        theta, z = centred.outwards(np.asarray(solution.theta), z)
        try:
            solution = system.solution(theta, z, reml)
        except ValueError:
            raise DataError(centred.beyond(z)) from None
    if solution is None or ending.status is FitStatus.NON_FINITE or not math.isfinite(solution.objective):
        raise DataError(not_finite(design))
    fields = estimates_of(design, order, solution, system.kept)
    valleys = (Valley(solution.objective, fields["theta"], solution.beta),)
    convergence = convergence_of(ending, OPTIMIZER, design, order, valleys, lambda v: v.theta, fields["kept"])
    if reason is not None:
        convergence = replace(convergence, limits=(reason,))
    if not design.random:
        convergence = replace(convergence, search=Search(complete=True, alone=True))
    natural, slopes = structure.natural(z)
    held: LazySystem[Any] = LazySystem(design, order, None, system)
    return CorrelatedFit(
        **fields,
        **{name: getattr(solution, name) for name in _NUMBERS},
        system=held,
        reml=reml,
        convergence=convergence,
        messages=(
            *fit_messages(design, fields["dropped"], convergence, Trouble(reason=reason)),
            *undetermined_ranges(system, names, natural, z),
            *structure_messages(design, order, fields["theta"], lambda at: system.evaluate(at, z, reml).objective),
        ),
        n_threads=n_threads,
        z=z,
        structure=natural,
        structure_slopes=np.ascontiguousarray(slopes),
        structure_names=names,
    )


def other_starts(
    rows: ResidualRows, parameters: "list[tuple[str, int | None, str, list[int], int]]", z: Floats, alone: bool
) -> list[Floats]:
    """Other places where a search begins, for structures whose criterion has several minima: ranges
    of structures with a kink at every distance, powers of the other sign beside a constant, and,
    without random effects, a strong serial correlation whose variance goes the other way, which
    says of a series nearly what a weak one and this do.
    """
    out = []
    c = rows.expr.correlation
    serial = [i for i, p in enumerate(parameters) if p[0] == "correlation" and p[2] in ("rho", "range")]
    exponents = [i for i, p in enumerate(parameters) if p[0] == "variance" and p[2] in ("power", "exponential")]
    if alone and serial and exponents and c is not None and c.structure in SERIAL:
        new = z.copy()
        new[serial] = z[serial] + math.log(LONGER) if c.structure != "ar1" else math.atanh(STRONG)
        new[exponents] = -z[exponents]
        out.append(new)
    if c is not None and c.structure in KINKED:
        for factor in FACTORS:
            new = z.copy()
            new[[i for i, p in enumerate(parameters) if p[0] == "correlation" and p[2] == "range"]] += math.log(factor)
            out.append(new)
    for i, (part, number, name, _, _) in enumerate(parameters):
        if part == "variance" and name == "power" and rows.variances[number or 0].function == "const_power":
            new = z.copy()
            new[i - 1], new[i] = 0.0, -0.5 if z[i] > 0 else 0.5
            out.append(new)
    return out


def structure_names(
    rows: ResidualRows, parameters: "list[tuple[str, int | None, str, list[int], int]]"
) -> tuple[str, ...]:
    """Names of the natural parameters: ``rho``, ``cor(8, 10)``, ``sd_ratio(Female)``, ``power``…"""
    labels = rows.level_labels()
    out = []
    for part, number, name, at, stratum in parameters:
        if part in ("group", "correlation", "level"):
            inside = [labels[i] if part == "level" or name in ("cor", "sd_ratio") else str(i) for i in at]
            group = rows.group_levels[stratum] if len(rows.group_levels) > 1 else ""
            if part == "group":
                inside, group = [str(group)], ""
        else:
            v = rows.variances[number or 0]
            group = v.strata[stratum] if len(v.strata) > 1 else ""
            inside = [str(group)] if v.function == "by_group" else [v.name]
            if v.function == "by_group":
                group = ""
        indices = f"({', '.join(inside)})" if inside else ""
        out.append(f"{name}{indices}" + (f"[{group}]" if group != "" else ""))
    return tuple(out)


#: So many parameters are named in a message; an unstructured matrix may have hundreds.
NAMED = 8


def refuse_unidentified(
    system: "_core.CorrelatedSystem", design: Design, order: TermOrder, names: tuple[str, ...], reml: bool
) -> None:
    """See that the data can tell all covariance parameters apart."""
    involved = system.not_identified()
    if not involved:
        return
    effects = theta_names(order, design.random)
    all_names = [*(effects[i] for i in order.theta_of_core.argsort()), *names, "sigma"]
    shown = [all_names[i] for i in involved]
    if len(shown) == 1:
        raise DesignError(
            f"the data say nothing of the covariance parameter {shown[0]}: the model is the same for all its values. "
            "Leave out what it belongs to."
        )
    if len(shown) > NAMED:
        more = len(shown) - NAMED
        shown = [*shown[:NAMED], f"{more} other{'s' if more > 1 else ''}"]
    raise DesignError(
        f"the covariance parameters {', '.join(shown[:-1])} and {shown[-1]} are not identified: other values of them "
        "give the same model. Leave out one of the terms that they belong to."
    )
