"""Types of the compiled module.

Arrays are float64 or int32; a random term's ``z`` and the fixed-effects matrix are Fortran-ordered.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

_F64 = NDArray[np.float64]
_I32 = NDArray[np.int32]
_I64 = NDArray[np.int64]

_Progress = Callable[[int, float], object] | None

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

class Search:
    """What a search for the lowest valley did, and the optima that it met, the lowest first."""

    runs: int
    looks: int
    complete: bool
    moved_on: bool
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

class LinearEvaluation:
    """The criterion at one theta with its derivatives."""

    objective: float
    gradient: _F64
    hessian_ai: _F64

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

# theta, the number of directions without variance of every term, and whether the criterion is REML
_FitPoint = tuple[_F64, list[int], bool]

class Refits:
    """Fits of many responses; the first axis of every array is the response.

    ``spread`` is sigma of a linear model, the dispersion of a generalized one, whose ``se`` hold
    theta known.
    """

    objective: _F64
    beta: _F64
    se: _F64
    theta: _F64
    spread: _F64
    status: list[str]

class Replicates:
    """Fits of the replicates that were finished; the first axis of every array is the replicate.

    ``spread`` is as in `Refits`.
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

class LmmSystem:
    kept: list[int]
    n_theta: int

    def __init__(
        self,
        x: _F64,
        y: _F64,
        weights: _F64 | None,
        factors: list[tuple[_I32, int, list[tuple[_F64, str]]]],
        n_threads: int = 1,
    ) -> None: ...
    def fit(
        self,
        reml: bool,
        start: _F64 | None,
        max_evaluations: int,
        tolerance: float,
        n_threads: int,
        progress: _Progress,
    ) -> LinearFit: ...
    def solution(self, theta: _F64, reml: bool, n_threads: int = 1) -> LinearSolution: ...
    def evaluate(self, theta: _F64, reml: bool, n_threads: int = 1) -> LinearEvaluation: ...
    def conditional_covariance(self, theta: _F64, n_threads: int = 1) -> list[_F64]: ...
    def random_coefficients(self, theta: _F64, n_threads: int = 1) -> _F64: ...
    def inverse_parts(self, theta: _F64, starts: _I64, effects: _I64, n_threads: int = 1) -> _F64: ...
    def prediction_variance(
        self, theta: _F64, x_new: _F64, factors: list[tuple[_I32, list[_F64]]], n_threads: int = 1
    ) -> _F64: ...
    def refit(
        self,
        y: _F64,
        reml: bool,
        theta_start: _F64 | None,
        max_evaluations: int,
        tolerance: float,
        n_threads: int,
        progress: _Progress,
    ) -> Refits: ...
    def profile(
        self,
        theta: _F64,
        indices: list[int],
        step: float,
        reach: float,
        targets: list[float],
        max_evaluations: int,
        tolerance: float,
        n_threads: int,
        progress: _Progress,
    ) -> Profile: ...
    def fixed_root(self, at: _FitPoint, n_threads: int = 1) -> _F64: ...
    def satterthwaite(self, at: _FitPoint, n_threads: int = 1) -> Satterthwaite: ...
    def kenward_roger(self, at: _FitPoint, memory: float, n_threads: int = 1) -> KenwardRoger: ...

_Counter = Callable[[int, int], object] | None
_Truth = tuple[_F64, _F64, float]
_Options = tuple[bool, int, float]

def bootstrap_parametric(
    system: LmmSystem,
    truth: _Truth,
    kept: list[_F64] | None,
    options_: _Options,
    n: int,
    seed: int,
    n_threads: int,
    progress: _Counter,
) -> Replicates: ...
def bootstrap_residual(
    system: LmmSystem,
    truth: _Truth,
    effects_: list[_F64],
    residuals: _F64,
    options_: _Options,
    n: int,
    seed: int,
    n_threads: int,
    progress: _Counter,
) -> Replicates: ...
def bootstrap_cases(
    system: LmmSystem,
    truth: _Truth,
    by: int,
    options_: _Options,
    n: int,
    seed: int,
    n_threads: int,
    progress: _Counter,
) -> Replicates: ...
def bootstrap_nested(
    union: LmmSystem,
    truth: _Truth,
    members: list[tuple[LmmSystem, list[tuple[int, list[int]]], _F64 | None]],
    options_: _Options,
    n: int,
    seed: int,
    n_threads: int,
    progress: _Counter,
) -> list[Replicates]: ...
def jackknife_groups(
    system: LmmSystem,
    truth: _Truth,
    by: int,
    options_: _Options,
    n: int,
    n_threads: int,
    progress: _Counter,
) -> Replicates: ...

_Point = tuple[_F64, _F64, float | None]
_GlmmOptions = tuple[int, str, int, float, float | None, bool]
_GlmmRows = tuple[_F64, _F64, _F64 | None, list[tuple[NDArray[np.int32], int, list[tuple[_F64, str]]]]]

def bootstrap_glmm_parametric(
    system: GlmmSystem,
    truth: _Point,
    eta: _F64 | None,
    options_: _GlmmOptions,
    n: int,
    seed: int,
    n_threads: int,
    progress: Callable[[int, int], object] | None,
) -> Replicates: ...
def bootstrap_glmm_cases(
    system: GlmmSystem,
    truth: _Point,
    y: _F64,
    rows: _GlmmRows,
    by: int,
    options_: _GlmmOptions,
    n: int,
    seed: int,
    n_threads: int,
    progress: Callable[[int, int], object] | None,
) -> Replicates: ...
def bootstrap_glmm_nested(
    system: GlmmSystem,
    truth: _Point,
    members: list[tuple[GlmmSystem, _Point, _GlmmOptions]],
    n: int,
    seed: int,
    n_threads: int,
    progress: Callable[[int, int], object] | None,
) -> list[Replicates]: ...
def jackknife_glmm_groups(
    system: GlmmSystem,
    truth: _Point,
    y: _F64,
    rows: _GlmmRows,
    by: int,
    options_: _GlmmOptions,
    n: int,
    n_threads: int,
    progress: Callable[[int, int], object] | None,
) -> Replicates: ...
def profile_glmm_curves(
    system: GlmmSystem,
    start: _Point,
    options_: _GlmmOptions,
    indices: list[int],
    step: float,
    reach: float,
    targets: list[float],
    n_threads: int = 1,
    progress: Callable[[int, float], object] | None = None,
) -> Profile: ...
def families() -> list[tuple[str, list[str], list[tuple[str, float, float, bool]]]]:
    """The families: name, links, and the extra parameters.

    Of each of these: name, limits, whether it is a scale.
    """

class GlmmSystem:
    """Families are named as in `GeneralizedSolution`, and ``binomial`` and ``poisson``; links
    ``logit``, ``probit``, ``cloglog``, ``loglog``, ``cauchit``, ``log``, ``identity``, ``sqrt``,
    ``inverse``, ``1/mu^2``. With a ``kernel`` the name of the family is not looked at:
    ``kernel(y, eta)`` gives four arrays, the log-density with all constants and its first three
    derivatives in eta; ``link`` then serves for the means alone.
    """

    kept: list[int]
    n_theta: int
    n_extras: int

    def __init__(
        self,
        x: _F64,
        y: _F64,
        weights: _F64,
        offset: _F64 | None,
        factors: list[tuple[_I32, int, list[tuple[_F64, str]]]],
        family: str,
        link: str,
        kernel: Callable[..., object] | None = None,
        n_threads: int = 1,
    ) -> None: ...
    def fit(
        self,
        n_quad: int,
        curvature: str,
        theta: _F64 | None,
        beta: _F64 | None,
        dispersion: float | None,
        fixed_dispersion: float | None,
        max_evaluations: int,
        tolerance: float,
        n_threads: int = 1,
        progress: _Progress = None,
    ) -> GeneralizedFit: ...
    def evaluate(
        self, theta: _F64, beta: _F64, dispersion: float | None, n_quad: int, curvature: str, n_threads: int = 1
    ) -> GeneralizedEvaluation: ...
    def solution(
        self, theta: _F64, beta: _F64, dispersion: float | None, n_quad: int, curvature: str, n_threads: int = 1
    ) -> GeneralizedFit: ...
    def conditional_covariance(
        self, theta: _F64, beta: _F64, dispersion: float | None, curvature: str, n_threads: int = 1
    ) -> list[_F64]: ...
    def prediction_variance(
        self,
        theta: _F64,
        beta: _F64,
        dispersion: float | None,
        covariance: _F64,
        x_new: _F64,
        factors: list[tuple[_I32, list[_F64]]],
        n_threads: int = 1,
    ) -> _F64: ...
    def refit(
        self,
        y: _F64,
        n_quad: int,
        curvature: str,
        theta: _F64 | None,
        beta: _F64 | None,
        dispersion: float | None,
        max_evaluations: int,
        tolerance: float,
        n_threads: int,
        progress: _Progress,
        fixed_dispersion: float | None = None,
    ) -> Refits: ...
