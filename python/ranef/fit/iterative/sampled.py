"""Linear models by the iterative solver: for which it is, and what their likelihood rests on."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ranef.design.memory import GIGABYTE
from ranef.design.record import Design
from ranef.errors import DesignError
from ranef.fit.checkpoint_file import kept_search
from ranef.fit.control import FitControl
from ranef.fit.ending.unidentified import unidentified_effects
from ranef.fit.order import TermOrder
from ranef.fit.progress import Report
from ranef.fit.system import build_crossed_system

if TYPE_CHECKING:
    from ranef._core import CrossedSystem, SampledFit
    from ranef.fit.linear import LmmFit

#: Least number of probes of conditional variances and predictions.
PROBES = 16

#: 0.975-quantile of the normal distribution.
_NORMAL = 1.959963984540054

OPTIMIZER = "trust-region Newton on the standard deviations, gradient by deflated conjugate gradients and probes"

#: With an exact finish.
HYBRID = f"{OPTIMIZER}; then exact evaluations"


def hybrid_note(solver: str) -> str | None:
    """A line of the summary of a fit with an exact finish."""
    if solver != "hybrid":
        return None
    return "estimates found by the iterative solver, and finished by exact evaluations, after which nothing is sampled."


@dataclass(frozen=True, slots=True, eq=False)
class SampledTests:
    """What Satterthwaite's degrees of freedom are made of, by the average information.

    Attributes
    ----------
    root : (p, p) array
        Root of the covariance of the fixed effects in units of the residual variance, in whose
        coordinates the rest is.
    covariance : (m, m) array
        Asymptotic covariance of the covariance parameters that move.
    slopes : (m, p, p) array
        Derivatives of the covariance of the fixed effects along them.
    flat : int
        Combinations of them of which the data say nothing.
    """

    root: NDArray[np.float64]
    covariance: NDArray[np.float64]
    slopes: NDArray[np.float64]
    flat: int


@dataclass(frozen=True, slots=True)
class SampledLikelihood:
    """What the likelihood of an iterative fit rests on.

    Attributes
    ----------
    values : (probes,) array
        What each probe says of the criterion: its sampled part.
    seed : int
    llf_se : float
        Standard error of the log-likelihood, and of the REML criterion's half: two of it hold the
        exact value in 95 of 100 fits. It is that of the mean of the probes, and no less than three
        quarters of a bound on it that few probes know well, by the Frobenius norm of what is
        sampled.
    exact_bytes : float
        Memory that the exact solver takes at most.
    tests : SampledTests, optional
        None in files of models that are older.
    """

    values: NDArray[np.float64]
    seed: int
    llf_se: float
    exact_bytes: float
    tests: SampledTests | None = None

    @property
    def probes(self) -> int:
        """Number of probes."""
        return len(self.values)

    @property
    def few(self) -> int:
        """Number of probes with which variances begin, where the likelihood may have many."""
        return min(self.probes, 2 * PROBES)

    def change_se(self, other: "SampledLikelihood") -> float:
        """Standard error of the difference of this criterion and that of another model of the same
        random effects, whose probes have the same signs, by the differences probe by probe; two of
        it hold 95 of 100 cases, however few probes there are.
        """
        few, many = sorted((self.values / self.probes, other.values / other.probes), key=len)
        common = len(few)
        variance = common * np.var(few - many[:common], ddof=1) + (len(many) - common) * np.var(many, ddof=1)
        return widened(math.sqrt(float(variance)), common)

    @property
    def note(self) -> str:
        """A line of the summary."""
        return (
            f"log-likelihood by {self.probes} probes, standard error {self.llf_se:.2g} (twice that covers 95 %); the "
            f"exact solver would need up to {self._memory}."
        )

    @property
    def refusal(self) -> str:
        """Why there is nothing that takes a factor of the system."""
        others = "influence of groups and Kenward-Roger's tests"
        if self.tests is None:
            others = (
                "profiles, bootstrap, leverages, influence and standard errors of predictions of generalized models"
            )
        return (
            "the model was fitted by the iterative solver, which forms no factor of its system, and this needs one, as "
            f"{others} do; fit it with control={{'solver': 'exact'}}, which here needs up to {self._memory}."
        )

    @property
    def _memory(self) -> str:
        gigabytes = self.exact_bytes / GIGABYTE
        return f"{gigabytes:.2g} GB" if gigabytes < 10 else f"{gigabytes:.0f} GB"


def widened(error: float, values: int) -> float:
    """A standard error by so many values, widened so that two of it hold 95 of 100 cases."""
    from scipy.special import stdtrit

    return error * float(stdtrit(values - 1, 0.975)) / _NORMAL


def conditional_covariance(fit: "LmmFit", sampled: SampledLikelihood) -> tuple[list[NDArray[np.float64]], list[float]]:
    """That of the record, in units of the residual variance, and its relative error; more probes
    are taken where that is more than half a per cent.
    """
    how = (max(PROBES, sampled.few), sampled.seed, fit.n_threads)
    found: tuple[list[NDArray[np.float64]], list[float], int] = fit.system.crossed(
        fit.n_threads
    ).conditional_covariance(fit.core_theta, *how)
    return found[0], found[1]


def prediction_variance(
    fit: "LmmFit", sampled: SampledLikelihood, x: NDArray[np.float64], factors: Any
) -> NDArray[np.float64]:
    """That of the record, in units of the residual variance; exact where few rows differ."""
    how = (4 * max(PROBES, sampled.few), sampled.seed, fit.n_threads)
    out: NDArray[np.float64] = fit.system.crossed(fit.n_threads).prediction_variance(fit.core_theta, x, factors, *how)
    return out


def change_se(fit: Any, other: Any) -> float:
    """Standard error by sampling of the difference of the criteria of two models of the same data,
    or of what is kept of them; small where both have the same random effects and the same probes.
    """
    one, two = (getattr(f, "sampled", None) for f in (fit, other))
    same = one is not None and two is not None and one.seed == two.seed and fit.term_keys == other.term_keys
    if same and min(one.probes, two.probes) > 1:  # type: ignore[union-attr]
        return float(one.change_se(two))  # type: ignore[union-attr]
    return math.hypot(fit.criterion_se, other.criterion_se)


def why_not_iterative(design: Design) -> str | None:
    """What of a model the iterative solver does not take; None where it takes all."""
    if design.sums is not None and design.sums.values is not None:
        return "is made of sums, without rows"
    if len({t.group for t in design.random}) < 2:
        return "has one grouping factor or none, for which the exact solver is never slow"
    if design.priors or design.sampling is not None:
        return "has priors or sampling weights"
    for term in design.random:
        if term.has_members:
            return f"has rows with parts of several effects in ({term.text})"
    return None


def solved_by_probes(
    design: Design,
    order: TermOrder,
    reml: bool,
    start: NDArray[np.float64] | None,
    control: FitControl,
    progress: Report | None,
    threads: int,
    system: "CrossedSystem | None" = None,
) -> "tuple[CrossedSystem, SampledFit]":
    """The rows in the core, `system` where they came in batches, and what it found.

    Raises
    ------
    DesignError
        For models that the solver does not take, or some of whose random effects the fixed effects
        explain.
    """
    reason = why_not_iterative(design)
    if reason is not None:
        raise DesignError(
            f"the iterative solver is for models with several grouping factors; this one {reason}. Leave out "
            "control['solver']."
        )
    if system is None:
        system = build_crossed_system(design, order, threads)
    free = unidentified_effects(design, system.kept) if reml and design.sums is None else {}
    if free:
        names = ", ".join(f"({design.random[i].text})" for i in free)
        raise DesignError(
            f"the fixed effects explain the random effects of {names}, whose variance is not identified; leave them "
            "out, or fit with control={'solver': 'exact'}."
        )
    begin = None if start is None else np.ascontiguousarray(start[order.core_of_theta])
    limits = (control.max_evaluations, control.tolerance, control.probes, control.seed)
    stood, keep = kept_search(design, {"REML": reml, "start": start}, control)
    found = system.fit(reml, begin, *limits, n_threads=threads, progress=progress, stood=stood, keep=keep)
    return system, found
