"""Types of the compiled module. Arrays are float64 or int32; a random term's ``z`` and the fixed-effects matrix are Fortran-ordered."""

from collections.abc import Callable
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

_F64 = NDArray[np.float64]
_I32 = NDArray[np.int32]

_Progress = Callable[[int, float], object] | None

class LmmSolution(TypedDict):
    """Estimates at one theta; lists have one entry per factor, in the order the factors were given."""

    theta: _F64
    objective: float
    reml_criterion: float
    ml_deviance: float
    beta: _F64
    vcov_unscaled: _F64
    sigma: float
    sigma2: float
    pwrss: float
    ldl2: float
    ldrx2: float
    u: list[_F64]
    b: list[_F64]
    singular: bool
    null_dimensions: list[int]
    evaluations: int
    status: str
    decrement: float
    certificate: float
    gradient: _F64

class LmmEvaluation(TypedDict):
    """The criterion at one theta with its derivatives."""

    objective: float
    gradient: _F64
    hessian_ai: _F64

class LmmRefits(TypedDict):
    """Fits of many responses; the first axis of every array is the response."""

    objective: _F64
    beta: _F64
    se: _F64
    theta: _F64
    sigma: _F64
    status: list[str]

class LmmCurve(TypedDict):
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

class LmmProfile(TypedDict):
    """Profiles; parameters are those of theta (as standard deviations and correlations), sigma, fixed effects."""

    deviance: float
    estimates: _F64
    status: str
    refitted: bool
    curves: list[LmmCurve]

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
    ) -> LmmSolution: ...
    def solution(self, theta: _F64, reml: bool, n_threads: int = 1) -> LmmSolution: ...
    def evaluate(self, theta: _F64, reml: bool, n_threads: int = 1) -> LmmEvaluation: ...
    def conditional_covariance(self, theta: _F64, n_threads: int = 1) -> list[_F64]: ...
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
    ) -> LmmRefits: ...
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
    ) -> LmmProfile: ...

class Replicates(TypedDict):
    """Fits of the replicates that were finished; the first axis of every array is the replicate."""

    number: NDArray[np.int64]
    objective: _F64
    beta: _F64
    se: _F64
    theta: _F64
    sigma: _F64
    status: list[str]
    singular: NDArray[np.bool_]
    interrupted: bool

class NestedReplicates(TypedDict):
    """The same for several models."""

    members: list[Replicates]
    interrupted: bool

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
) -> NestedReplicates: ...
def jackknife_groups(
    system: LmmSystem,
    truth: _Truth,
    by: int,
    options_: _Options,
    n: int,
    n_threads: int,
    progress: _Counter,
) -> Replicates: ...
