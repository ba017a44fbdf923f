"""Types of the compiled module.

Arrays are float64 or int32; a random term's ``z`` and the fixed-effects matrix are Fortran-ordered.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

_F64 = NDArray[np.float64]
_I32 = NDArray[np.int32]
_I64 = NDArray[np.int64]

_Progress = Callable[[int, float], object] | None

class MemoryAllowance: ...

def available_memory() -> float | None: ...
def allow_memory(bytes: float | None) -> MemoryAllowance: ...
def restore_memory(before: MemoryAllowance) -> None: ...
def predicted_factor(
    factors: list[tuple[_I32, int, int]], bytes: float, seconds: float, n_threads: int = 1
) -> tuple[int, tuple[int, float, float] | None]: ...

class Structure:
    """How theta makes the relative factor of a random term with k effects.

    ``parameters`` are ``("sd", [i])``, ``("cor", [i, j])`` with the later effect first, or the name
    of a parameter of all effects with an empty list. Arrays are C-ordered.
    """

    n_theta: int
    is_free: bool
    parameters: list[tuple[str, list[int]]]

    def __init__(self, name: str, k: int) -> None: ...
    def bounds_met(self, theta: _F64) -> list[int]:
        """-1 of parameters at their lower bound, 1 at the upper, 0 of others."""
    def natural(self, theta: _F64) -> _F64:
        """Values (m, n) of the parameters for theta (m, n), relative to sigma."""
    def factors(self, theta: _F64) -> _F64:
        """Relative factors (m, k, k)."""
    def push(self, theta: _F64, along: _F64) -> _F64:
        """Derivative (k, k) of the factor along a direction of theta."""
    def read(self, factor: _F64) -> _F64:
        """Theta of a factor (k, k), or of one near it."""

class RowCovariance:
    """Covariance R of the rows of one subject given the random effects, relative to sigma^2.

    R = S C S: a correlation C (``independent``, ``ar1``, ``ad``, ``cs``, ``toep``, ``arma``,
    ``us``, ``us_hom``, ``car1``, ``exp``, ``gau``, ``rational_quadratic``, ``spherical``,
    ``linear``, ``mat``) with ``options`` (``levels`` of the position or largest distance plus one,
    ``most`` rows in a subject, ``p``, ``q``, ``nugget``, ``metric``), standard deviations S by
    level of the position (``own_levels``) and by group of subjects, times variance functions
    (``by_group``, ``power``, ``exponential``, ``const_power``, ``fixed``, each with its number of
    strata). ``parameters`` are the natural parameters, one for each unconstrained one and in the
    same order: part (``group``, ``correlation``, ``level``, ``variance``), its number among the
    variance functions, name, indices, group or stratum. ``positions`` says whether positions are
    codes of levels, whole, distinct, and may have several coordinates.
    """

    n: int
    parameters: list[tuple[str, int | None, str, list[int], int]]
    positions: tuple[bool, bool, bool, bool]

    def __init__(
        self,
        correlation: str,
        options: dict[str, int | str],
        own_levels: int | None = None,
        groups: int = 1,
        variances: list[tuple[str, int]] = ...,
    ) -> None: ...
    def starts(
        self, gap: float, smallest: float, largest: float, covariates: list[_F64], covariance: _F64 | None = None
    ) -> list[list[float]]:
        """Points where a search may begin, the usual one first."""
    def natural(self, z: _F64) -> tuple[_F64, _F64]:
        """Natural parameters and their derivatives (natural, z)."""
    def from_natural(self, natural: _F64) -> _F64 | None:
        """The unconstrained parameters; none where there is no such matrix."""
    def matrix(self, z: _F64, at: _F64, group: int, covariates: list[tuple[_F64, _F64]]) -> _F64:
        """R (m, m) at positions (m, d) with covariates and strata of each variance function."""
    def derivatives(
        self, z: _F64, at: _F64, group: int, covariates: list[tuple[_F64, _F64]]
    ) -> tuple[list[int], _F64, _F64, _F64]:
        """Parameters that matter, R, first (n, m, m) and second (n, n, m, m) derivatives."""

def variance_refuses(name: str, x: _F64) -> tuple[int, str] | None:
    """First value that a variance function cannot have, and what is wrong with it."""

class Ending:
    """How a fit ended.

    ``status`` is ``converged``, ``separated``, ``max_evaluations``, ``no_progress``, ``non_finite``
    or ``fixed`` (of ``solution`` of a generalized model). ``gradient`` is None where there are no
    estimates.
    """

    objective: float
    status: str
    evaluations: int
    decrement: float
    certificate: float
    singular: bool
    null_dimensions: list[int]
    gradient: _F64 | None

class Valley:
    """An optimum that a search met; ``beta`` and ``dispersion`` of a generalized model only."""

    objective: float
    theta: _F64
    beta: _F64 | None
    dispersion: float | None
    extras: _F64

class Search:
    """What a search for the lowest valley did, and the optima that it met, the lowest first."""

    runs: int
    looks: int
    complete: bool
    moved_on: bool
    beyond: float
    valleys: list[Valley]

class LinearSolution:
    """Estimates at one theta.

    Lists have one entry per factor, in the order the factors were given.
    """

    theta: _F64
    objective: float
    reml_criterion: float
    ml_deviance: float
    beta: _F64
    vcov_unscaled: _F64
    sigma: float
    pwrss: float
    ldl2: float
    ldrx2: float
    u: list[_F64]
    b: list[_F64]

class LinearFit:
    """The estimates (None where the criterion is not finite), and how the fit ended."""

    solution: LinearSolution | None
    ending: Ending
    search: Search

class SampledFit:  # one whose log-determinant is sampled
    fit: LinearFit
    sampling: float
    error: float
    probes: _F64
    satterthwaite: Satterthwaite

class SampledGeneralizedFit:  # the same of a generalized model
    fit: GeneralizedFit
    sampling: float
    error: float
    probes: _F64

class LinearEvaluation:
    """The criterion at one theta with its derivatives."""

    objective: float
    gradient: _F64

class GeneralizedSolution:
    """Estimates of a generalized linear mixed model;
    lists have one entry per factor, in the order the factors were given.

    ``dispersion`` is None without one, else d in the variance of the family: ``gaussian`` d^2,
    ``gamma`` d^2 mu^2, ``inverse_gaussian`` d^2 mu^3 (so d is a standard deviation: sigma),
    ``nbinom2`` mu + mu^2 / d, ``nbinom1`` mu (1 + d), ``beta`` mu (1 - mu) / (1 + d).

    ``vcov_profiled`` holds theta known. The identity: objective = -2 conditional_loglik + penalty +
    log_det (Laplace, observed curvature).
    """

    theta: _F64
    beta: _F64
    dispersion: float | None
    extras: _F64
    eta: _F64
    mu: _F64
    conditional_loglik: float
    penalty: float
    log_det: float
    vcov_profiled: _F64
    u: list[_F64]
    b: list[_F64]

class GeneralizedFit:
    """The estimates (None where there are none), how the fit ended, and the curvature there.

    ``hessian`` and ``covariance`` (twice the inverse Hessian of -2 log-likelihood) are over theta,
    beta, log dispersion, in this order: a fixed dispersion is left out, and so is beta with
    ``n_quad=0``. They are None where they could not be formed (no positive definite Hessian); rows
    of parameters at the boundary are NaN in ``covariance``. ``vcov`` is its block for beta.
    ``separated`` lists positions in beta without a finite estimate.
    """

    solution: GeneralizedSolution | None
    ending: Ending
    search: Search
    separated: list[int]
    hessian: _F64 | None
    covariance: _F64 | None
    vcov: _F64 | None

class GeneralizedEvaluation:
    """-2 log-likelihood, its gradient in (theta, beta, log dispersion),
    Newton steps used, and the modes.

    ``quadrature_error`` is of the order of the largest error of a group's log-likelihood under
    quadrature with 5 nodes or more (0 for Laplace).
    """

    objective: float
    gradient: _F64
    iterations: int
    quadrature_error: float
    u: list[_F64]

class Satterthwaite:
    """What degrees of freedom are made of; the residual variance is the unit of all variances.

    ``vcov_unscaled`` is ``root @ root.T``, and contrasts have the coordinates ``l @ root``, in
    which everything else is given.
    """

    root: _F64
    covariance: _F64
    slopes: _F64
    flat: int

class KenwardRoger:
    """The same by Kenward and Roger."""

    root: _F64
    adjusted: _F64
    slopes: _F64
    weights: _F64
    flat: int

# What tests in a replicate need; the root alone where degrees of freedom are known without the fit.
Tested = Satterthwaite | KenwardRoger | _F64

# theta, the number of directions without variance of every term, and whether the criterion is REML
_FitPoint = tuple[_F64, list[int], bool]

class EachFit:
    """Fits of one model to groups of rows; the first axis of every array is the group."""

    objective: _F64
    beta: _F64
    se: _F64
    df: _F64
    theta: _F64
    sigma: _F64
    singular: NDArray[np.bool_]
    n_levels: NDArray[np.uint32]
    status: list[str]

class Replicates:
    """Fits of the replicates that were finished; the first axis of every array is the replicate.

    ``spread`` is sigma of a linear model, the dispersion of a generalized one, whose ``se`` hold
    theta known.
    """

    number: NDArray[np.int64]
    objective: _F64
    beta: _F64
    se: _F64
    theta: _F64
    spread: _F64
    status: list[str]
    second_starts: int
    singular: NDArray[np.bool_]
    interrupted: bool

    def __init__(
        self,
        *,
        number: NDArray[np.int64],
        objective: _F64,
        beta: _F64,
        se: _F64,
        theta: _F64,
        spread: _F64,
        status: list[str],
        second_starts: int,
        singular: NDArray[np.bool_],
        interrupted: bool,
    ) -> None: ...

class Curve:
    """The profile of one parameter, points by increasing value; limits for each target."""

    index: int
    zeta: _F64
    value: _F64
    rate: _F64
    parameters: _F64
    covariance: _F64  # parameters of structures, as the core has them; no columns without
    lower: _F64
    upper: _F64
    endings: tuple[str, str]
    monotone: bool
    converged: bool

class Profile:
    """Profiles; parameters are those of theta (as standard deviations and correlations),
    sigma or the dispersion, fixed effects.
    """

    deviance: float
    estimates: _F64
    status: str
    refitted: bool
    curves: list[Curve]

class _Levels(Protocol):
    @property
    def codes(self) -> _I32: ...
    @property
    def places(self) -> Sequence[int]: ...
    @property
    def reference(self) -> int | None: ...
    @property
    def others(self) -> Sequence[int]: ...

_Basis = tuple[int | None, list[float], list[float]]
_Bases = list[tuple[int, list[tuple[_Basis, str]]]]
#: Level of every row, or the start of its members with their levels and weights.
_Places = _I32 | tuple[_I64, _I32, _F64]
_Rows = list[tuple[_Places, list[_F64]]]
_Factors = list[tuple[_Places, int, list[tuple[_F64, str]]]]

class Statistic:
    n: int

    def __init__(self, x: _Basis, y: tuple[float, float], factors: _Bases, by_level: int | None = None) -> None: ...
    def update(self, x: _F64, y: _F64, weights: _F64 | None, factors: _Factors) -> None: ...
    def counts(self, factor: int) -> list[int]: ...
    def merge(self, other: Statistic) -> None: ...
    def remove(self, other: Statistic) -> None: ...
    def without(self, level: int) -> int | None: ...
    def renumbered(self, factors: list[tuple[int, list[int]]], levels: list[list[int]]) -> Statistic: ...
    def take_part(self, of: Statistic, columns: list[int], factors: list[tuple[int, list[int]]]) -> None: ...
    def to_bytes(self, rounded: bool = False) -> bytes: ...
    def read(self, bytes: bytes) -> None: ...
    def system(self, n_threads: int = 1) -> LmmSystem: ...
    def products(self) -> list[float]: ...
    def level_products(self) -> tuple[int, _F64] | None: ...
    def all_products(
        self,
    ) -> (
        tuple[
            list[float],
            list[list[float]],
            list[list[float]],
            list[tuple[tuple[int, int], list[int], list[int], list[float]]],
        ]
        | None
    ): ...

class CrossedRows:
    n: int

    def __init__(self, x: _Basis, y: tuple[float, float], factors: _Bases) -> None: ...
    def update(self, x: _F64, y: _F64, weights: _F64 | None, factors: _Factors) -> None: ...
    def system(self, n_threads: int = 1) -> CrossedSystem: ...
    def products(self) -> list[float]: ...

class _OfRows:
    kept: list[int]

    def __init__(
        self, x: _F64, y: _F64, w: _F64 | None, factors: _Factors, n_threads: int = 1, levels: _Levels | None = None
    ) -> None: ...

class LmmSystem(_OfRows):
    n_theta: int

    def __init__(
        self,
        x: _F64,
        y: _F64,
        w: _F64 | None,
        factors: _Factors,
        n_threads: int = 1,
        levels: _Levels | None = None,
        prior: object = None,
        sampling: list[_F64] | None = None,
    ) -> None: ...
    def evaluate_penalised(self, theta: _F64, sigma: float, reml: bool, n_threads: int = 1) -> LinearEvaluation: ...
    def fit(
        self, reml: bool, start: _F64 | None, most: int, tolerance: float, n_threads: int, progress: _Progress
    ) -> LinearFit: ...
    def solution(self, theta: _F64, reml: bool, n_threads: int = 1) -> LinearSolution: ...
    def evaluate(self, theta: _F64, reml: bool, n_threads: int = 1) -> LinearEvaluation: ...
    def conditional_covariance(self, theta: _F64, n_threads: int = 1) -> list[_F64]: ...
    def random_coefficients(self, theta: _F64, n_threads: int = 1) -> _F64: ...
    def inverse_parts(self, theta: _F64, starts: _I64, effects: _I64, n_threads: int = 1) -> _F64: ...
    def prediction_variance(self, theta: _F64, x_new: _F64, factors: _Rows, n_threads: int = 1) -> _F64: ...
    def fixed_root(self, at: _FitPoint, n_threads: int = 1) -> _F64: ...
    def satterthwaite(self, at: _FitPoint, n_threads: int = 1) -> Satterthwaite: ...
    def kenward_roger(self, at: _FitPoint, memory: float, n_threads: int = 1, linear: bool = False) -> KenwardRoger: ...

class _BlockRows(Protocol):
    @property
    def subject(self) -> _I32: ...
    @property
    def position(self) -> _F64: ...
    @property
    def group(self) -> _I32: ...
    @property
    def covariates(self) -> list[tuple[_F64, _F64]]: ...

class CorrelatedSystem:
    """A linear model whose rows have the covariance R given the random effects; theta, then the
    unconstrained parameters z of R.
    """

    kept: list[int]
    n_blocks: tuple[int, int]

    def __init__(
        self,
        x: _F64,
        y: _F64,
        weights: _F64 | None,
        factors: _Factors,
        structure: RowCovariance,
        levels: int,
        rows: _BlockRows,
        n_threads: int = 1,
    ) -> None: ...
    def fit(
        self,
        reml: bool,
        start: _F64 | None,
        z: _F64 | None,
        most: int,
        tolerance: float,
        n_threads: int,
        progress: _Progress,
    ) -> tuple[LinearFit, _F64]: ...
    def solution(self, theta: _F64, z: _F64, reml: bool) -> LinearSolution: ...
    def evaluate(self, theta: _F64, z: _F64, reml: bool) -> LinearEvaluation:
        """The criterion and its gradient along z."""
    def conditional_covariance(self, theta: _F64, z: _F64) -> list[_F64]: ...
    def prediction_variance(self, theta: _F64, z: _F64, x_new: _F64, factors: _Rows) -> _F64: ...
    def fixed_root(self, theta: _F64, z: _F64) -> _F64: ...
    def satterthwaite(self, theta: _F64, z: _F64, reml: bool) -> Satterthwaite: ...
    def kenward_roger(self, theta: _F64, z: _F64, linear: bool) -> KenwardRoger:
        """By the observed information; ``linear`` leaves second derivatives of R out."""
    def reach(self, z: _F64) -> list[tuple[int, float, float, bool]]:
        """Each range: its number in z, the correlations at the smallest and the largest distance,
        and whether it is at the limit of a search.
        """
    def covariance_of_structure(self, theta: _F64, z: _F64, reml: bool) -> _F64: ...
    def not_identified(self) -> list[int]: ...
    def relative_sds(self, z: _F64) -> _F64: ...
    def whiten(self, z: _F64, values: _F64) -> _F64: ...
    def colour(self, z: _F64, values: _F64) -> _F64: ...

class PatternSystem:
    """A linear model without random effects whose rows are correlated within subjects, from sums
    over the subjects seen at the same positions; ``z`` are the unconstrained parameters.
    """

    kept: list[int]
    n_theta: int
    counts: tuple[int, int]

    def __init__(
        self,
        x: _F64,
        y: _F64,
        weights: _F64 | None,
        subject: _I32,
        group: _I32,
        structure: RowCovariance,
        name: str,
        visits: tuple[_I32, int] | None = None,
        coordinates: _F64 | None = None,
    ) -> None: ...
    def start(self, reml: bool) -> _F64: ...
    def determined(self, start: _F64) -> tuple[float, list[float]] | None:
        """Smallest eigenvalue of the scaled information near a point, and its direction: a share
        for each parameter, the last of sigma.
        """
    def fit(
        self, reml: bool, start: _F64, max_evaluations: int, tolerance: float, progress: _Progress = None
    ) -> LinearFit: ...
    def bootstrap(
        self,
        z: _F64,
        reml: bool,
        seed: int,
        first: int,
        count: int,
        max_evaluations: int,
        tolerance: float,
        progress: _Progress = None,
    ) -> Replicates:
        """Fits of responses drawn from the model at ``z`` by the products that a fit needs of them;
        replicate i depends on the seed and ``first`` + i only.
        """
    def refits(
        self,
        responses: _F64,
        reml: bool,
        start: _F64,
        max_evaluations: int,
        tolerance: float,
        progress: _Progress = None,
    ) -> Replicates: ...
    def solution(self, z: _F64, reml: bool) -> LinearSolution: ...
    def evaluation(self, z: _F64, reml: bool) -> tuple[float, _F64, _F64]:
        """Criterion, gradient and Hessian."""
    def satterthwaite(self, z: _F64, reml: bool) -> Satterthwaite: ...
    def kenward_roger(self, z: _F64, linear: bool) -> KenwardRoger: ...
    def root(self, z: _F64) -> _F64:
        """Root of the covariance of the fixed effects, divided by sigma^2."""

class CrossedSystem(_OfRows):
    exact_bytes: float

    def fit(
        self,
        reml: bool,
        start: _F64 | None,
        *limits: float,
        n_threads: int,
        progress: _Progress,
        stood: _F64 | None = None,
        keep: Callable[[_F64], None] | None = None,
    ) -> SampledFit: ...
    def computed(self, theta: _F64, n_threads: int = 1) -> tuple[float, _F64]: ...
    def probed(self, theta: _F64, first: int, last: int, seed: int, n_threads: int = 1) -> tuple[_F64, _F64]: ...
    def conditional_covariance(
        self, theta: _F64, probes: int, seed: int, n_threads: int = 1
    ) -> tuple[list[_F64], list[float], int]: ...
    def prediction_variance(
        self, theta: _F64, x_new: _F64, factors: _Rows, probes: int, seed: int, n_threads: int = 1
    ) -> _F64: ...

class CrossedGlmmSystem:
    kept: list[int]
    exact_bytes: float

    def __init__(
        self,
        x: _F64,
        y: _F64,
        weights: _F64,
        offset: _F64 | None,
        factors: _Factors,
        family: str,
        link: str,
        n_threads: int = 1,
        repeats: _F64 | None = None,
    ) -> None: ...
    def fit(
        self,
        theta: _F64 | None,
        beta: _F64 | None,
        dispersion: float | None,
        max_evaluations: int,
        tolerance: float,
        probes: int,
        seed: int,
        n_threads: int = 1,
        progress: _Progress = None,
        stood: _F64 | None = None,
        keep: Callable[[_F64], None] | None = None,
    ) -> SampledGeneralizedFit: ...
    def conditional_covariance(
        self, theta: _F64, beta: _F64, dispersion: float | None, probes: int, seed: int, n_threads: int = 1
    ) -> tuple[list[_F64], list[float], int]: ...

_Counter = Callable[[int, int], object] | None

class Point(Protocol):
    """Parameters of a model, for the columns as they were given.

    ``spread`` is sigma, or the dispersion of a family.
    """

    @property
    def theta(self) -> _F64: ...
    @property
    def beta(self) -> _F64: ...
    @property
    def spread(self) -> float | None: ...

class Options(Protocol):
    """How a model is fitted.

    Linear models read ``reml``, generalized ones what approximates the likelihood.
    """

    @property
    def reml(self) -> bool: ...
    @property
    def n_quad(self) -> int: ...
    @property
    def curvature(self) -> str: ...
    @property
    def fixed_dispersion(self) -> float | None: ...
    @property
    def max_evaluations(self) -> int: ...
    @property
    def tolerance(self) -> float: ...

def bootstrap_parametric(
    model: Model,
    at: Point,
    kept: list[_F64] | _F64 | None,
    start: Point | None,
    options: Options,
    n: int,
    seed: int,
    n_threads: int,
    progress: _Counter,
) -> Replicates: ...
def bootstrap_tested(
    model: Model,  # a linear one
    at: Point,
    start: Point | None,
    options: Options,
    method: str,
    memory: float,
    numbers: tuple[int, int],
    seed: int,
    n_threads: int,
    progress: _Counter,
) -> tuple[Replicates, list[Tested | None]]: ...
def bootstrap_residual(
    model: Model,
    beta: _F64,
    effects_: list[_F64],
    residuals: _F64,
    start: Point | None,
    options: Options,
    n: int,
    seed: int,
    n_threads: int,
    progress: _Counter,
) -> Replicates: ...
def bootstrap_cases(
    model: Model,
    by: int,
    start: Point | None,
    options: Options,
    n: int,
    seed: int,
    n_threads: int,
    progress: _Counter,
) -> Replicates: ...
def bootstrap_within_union(
    union: LmmSystem,
    at: Point,
    members: Sequence[tuple[Model, list[tuple[int, list[int]]], Point | None]],
    options: Options,
    n: int,
    seed: int,
    n_threads: int,
    progress: _Counter,
) -> list[Replicates]: ...
def bootstrap_members(
    model: Model,
    at: Point,
    members: Sequence[tuple[Model, Point | None]],
    options: Options,
    n: int,
    seed: int,
    n_threads: int,
    progress: _Counter,
) -> list[Replicates]: ...
def jackknife_groups(
    model: Model,
    by: int,
    start: Point | None,
    options: Options,
    n: int,
    n_threads: int,
    progress: _Counter,
) -> Replicates: ...
def refit(
    model: Model,
    y: _F64,
    start: Point | None,
    options: Options,
    n_threads: int,
    progress: _Counter,
) -> Replicates: ...
def fit_each(
    x: _F64,
    y: _F64,
    weights: _F64 | None,
    factors: list[tuple[NDArray[np.int32], int, list[tuple[_F64, str]]]],
    start: NDArray[np.int64],
    options: Options,
    df: bool,
    n_threads: int,
    progress: _Counter,
) -> EachFit: ...
def profile(
    model: Model,
    start: Point,
    options: Options,
    indices: list[int],
    step: float,
    reach: float,
    targets: list[float],
    n_threads: int,
    progress: _Counter,
) -> Profile: ...
def profile_sampled(
    system: CrossedSystem,
    theta: _F64,
    sampled: tuple[list[float], list[float], list[list[int]], list[float]],
    kinds: list[tuple[int, str]],
    indices: list[int],
    step: float,
    reach: float,
    targets: list[float],
    n_threads: int,
    progress: _Counter,
) -> Profile:
    """The same by the iterative solver, with a polynomial in theta for what is sampled: centre,
    coordinates row by row, powers of the terms and their factors.
    """

def profile_structured(
    model: LmmSystem | CorrelatedSystem,
    theta: _F64,
    z: _F64,
    kinds: list[tuple[int, str]],
    options: Options,
    indices: list[int],
    step: float,
    reach: float,
    targets: list[float],
    n_threads: int,
    progress: _Counter,
) -> Profile:
    """The same with covariance structures; parameters of R follow the fixed effects.

    ``kinds`` says which natural parameters are ``sd``, ``cor``, ``positive`` or any ``number``.
    """

def families() -> list[tuple[str, list[str], list[tuple[str, float, float, bool]]]]:
    """The families: name, links, and the extra parameters.

    Of each of these: name, limits, whether it is a scale.
    """

class RowKernel:
    """The log-likelihood of rows with several linear predictors."""

    predictors: int

    @staticmethod
    def density(name: str, link: str, zero: str, trials: _F64 | None = None) -> RowKernel:
        """A density and what becomes of zero: ``plain``, ``truncated``, ``inflated``, ``hurdle``,
        ``truncated_hurdle``; numbers of trials (n,) where weights are something else.
        """
    @staticmethod
    def ordinal(link: str, thresholds: int, has_scale: bool) -> RowKernel:
        """Ordered categories: predictors are location, thresholds above and below, log scale."""

    def rows(self, y: _F64, weights: _F64, eta: _F64) -> tuple[_F64, _F64, _F64, _F64]:
        """Log-likelihoods (n,), first derivatives (m n,), minus the second and their derivatives by
        pairs and triples of linear predictors (m, n).
        """

def curve_functions() -> list[str]: ...
def curve_derivatives(steps: list[tuple[str, float]], covariates: list[_F64], parameters: _F64, order: int) -> _F64:
    """Values and derivatives (parts, n) of a formula at parameters (P, n)."""

class CurveTurns:
    """Where turns ended: ``settled``, ``unsettled``, ``not_finite`` or ``not_determined``; theta is
    that of the last linear model, ``b`` has the random effects of each factor.
    """

    end: str
    beta: _F64
    theta: _F64
    sigma: float
    b: list[_F64]
    rounds: int

class CurveModel:
    """A curve of so many parameters with its rows. Columns of x belong to the parameters in
    ``parts``, effects of each factor to those in ``of``.
    """

    def __init__(
        self,
        mean: list[tuple[str, float]] | Callable[[_F64, int], _F64],
        covariates: list[_F64],
        parameters: int,
        x: _F64,
        parts: list[int],
        y: _F64,
        weights: _F64 | None,
        factors: _Factors,
        of: list[list[int]],
    ) -> None: ...
    def pooled(self, beta: _F64) -> tuple[_F64, float]:
        """Least squares without random effects: fixed effects, and root mean square residual."""

    def least_squares(
        self, theta: _F64, beta: _F64, u: list[_F64] | None, fall: float, n_threads: int
    ) -> tuple[_F64, list[_F64], list[_F64]] | None:
        """Penalised least squares with theta held, from effects on: fixed, spherical and other
        random ones; None where the data do not determine one.
        """

    def turns(
        self,
        beta: _F64,
        theta: _F64 | None,
        rounds: int,
        settled: float,
        fall: float,
        max_evaluations: int,
        n_threads: int = 1,
        progress: Callable[[int, float], object] | None = None,
    ) -> CurveTurns:
        """Turns of penalised least squares and linear mixed models."""

def curve_system(
    mean: list[tuple[str, float]] | Callable[[_F64, int], _F64],
    covariates: list[_F64],
    x: _F64,
    predictors: list[int],
    y: _F64,
    weights: _F64,
    factors: _Factors,
    of: list[list[int]],
    start: _F64,
    spread: list[float],
    gauss_newton: bool,
    scales: list[tuple[str, float]],
    prior: object = None,
) -> GlmmSystem:
    """Normal responses around a curve of P parameters; predictor P is log sigma, those after it are
    exponents of ``scales``: functions of the curve (``power``, ``exponential``) and what is taken
    from them. Columns of x belong to ``predictors``, effects of each factor to those in ``of``;
    ``start`` has all predictors of the rows, ``spread`` their sizes, in which a search steps.
    """

class NoModesError(ValueError):
    """The modes of the random effects cannot be found at given parameters."""

class GlmmSystem:
    """Families are named as in `GeneralizedSolution`, and ``binomial`` and ``poisson``; links
    ``logit``, ``probit``, ``cloglog``, ``loglog``, ``cauchit``, ``log``, ``identity``, ``sqrt``,
    ``inverse``, ``1/mu^2``. With a ``kernel`` the name of the family is not looked at:
    ``kernel(y, eta)`` gives four arrays, the log-density with all constants and its first three
    derivatives in eta; ``link`` then serves for the means alone. ``repeats``: how often each row of
    trials counts, whose number the weights are times that.
    """

    kept: list[int]
    n_theta: int
    n_extras: int
    allows_quadrature: bool

    def __init__(
        self,
        x: _F64,
        y: _F64,
        weights: _F64,
        offset: _F64 | None,
        factors: _Factors,
        family: str,
        link: str,
        kernel: Callable[..., object] | None = None,
        n_threads: int = 1,
        prior: object = None,
        sampling: list[_F64] | None = None,
        repeats: _F64 | None = None,
    ) -> None: ...
    @staticmethod
    def several(
        y: _F64,
        weights: _F64,
        fixed: Sequence[Sequence[tuple[int, _F64]]],
        offsets: Sequence[_F64 | None],
        factors: _Factors,
        of: Sequence[Sequence[int]],
        kernel: RowKernel,
        thresholds: tuple[int, _F64, _F64] | None = None,
        all_columns: bool = False,
        prior: object = None,
        sampling: list[_F64] | None = None,
    ) -> GlmmSystem:
        """Rows with several linear predictors; ``fixed`` has blocks of columns with one vector of
        coefficients each, with the predictors they act on, ``of`` the predictor of every effect.
        ``thresholds`` of ordered categories: their place among the blocks, map from parameters,
        columns of effects on them. With ``all_columns`` those that depend on others are kept, for
        evaluations alone. Fixed effects of priors are numbered through all blocks.
        """
    def fit(
        self,
        n_quad: int,
        curvature: str,
        theta: _F64 | None,
        beta: _F64 | None,
        dispersion: float | _F64 | None,
        fixed_dispersion: float | None,
        max_evaluations: int,
        tolerance: float,
        n_threads: int = 1,
        progress: _Progress = None,
    ) -> GeneralizedFit: ...
    def evaluate(
        self, theta: _F64, beta: _F64, dispersion: float | _F64 | None, n_quad: int, curvature: str, n_threads: int = 1
    ) -> GeneralizedEvaluation: ...
    def solution(
        self,
        theta: _F64,
        beta: _F64,
        dispersion: float | _F64 | None,
        n_quad: int,
        curvature: str,
        n_threads: int = 1,
        needs_hessian: bool = True,
    ) -> GeneralizedFit: ...
    def conditional_covariance(
        self, theta: _F64, beta: _F64, dispersion: float | _F64 | None, curvature: str, n_threads: int = 1
    ) -> list[_F64]: ...
    def inverse_parts(
        self,
        theta: _F64,
        beta: _F64,
        dispersion: float | _F64 | None,
        curvature: str,
        starts: _I64,
        effects: _I64,
        n_threads: int = 1,
    ) -> _F64: ...
    def prediction_variance(
        self,
        theta: _F64,
        beta: _F64,
        dispersion: float | _F64 | None,
        covariance: _F64,
        x_new: _F64,
        factors: _Rows,
        n_threads: int = 1,
    ) -> _F64: ...

Model = LmmSystem | GlmmSystem
