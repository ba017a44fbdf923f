"""Generalized models by the iterative solver: for which it is, and their record."""

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.design.record import Design
from ranef.errors import DesignError, MemoryLimitError, OptionError
from ranef.families.custom import CustomFamily
from ranef.fit.checkpoint_file import kept_search
from ranef.fit.control import FitControl
from ranef.fit.generalized import GlmmFit, fit_glmm, record_of
from ranef.fit.iterative.sampled import PROBES, SampledLikelihood, why_not_iterative
from ranef.fit.likelihood import Likelihood
from ranef.fit.order import TermOrder, order_terms
from ranef.fit.progress import Report
from ranef.fit.start import Start
from ranef.fit.system import LazySystem, build_crossed_generalized
from ranef.fit.threads import threads_of_fit

if TYPE_CHECKING:
    from ranef._core import GlmmSystem

Floats = NDArray[np.float64]

OPTIMIZER = "trust-region steps by the average information, gradient by deflated conjugate gradients and probes"

#: Families and links whose observed and expected curvature are the same.
CANONICAL = {("binomial", "logit"), ("poisson", "log"), ("gaussian", "identity")}


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SampledGlmmFit(GlmmFit):
    """A generalized linear mixed model that was fitted by the iterative solver.

    Attributes
    ----------
    sampled : SampledLikelihood
        What the likelihood rests on.
    """

    sampled: SampledLikelihood

    @property
    def sampling_note(self) -> str | None:
        """A line on the error of the likelihood."""
        return self.sampled.note

    @property
    def sampled_likelihood(self) -> SampledLikelihood:
        """The same."""
        return self.sampled

    def conditional_covariance(self) -> tuple[list[Floats], list[float] | None]:
        """Given the data and the parameters: the curvature at the modes, by probes."""
        at = (self.core_theta, self.beta, self.core_dispersion)
        how = (max(PROBES, self.sampled.few), self.sampled.seed, self.n_threads)
        found: tuple[list[Floats], list[float], int] = self.system.crossed(self.n_threads).conditional_covariance(
            *at, *how
        )
        return found[0], found[1]


def why_not_sampled(design: Design, likelihood: Likelihood) -> str | None:
    """What of a model the iterative solver does not take; None where it takes all."""
    family = likelihood.family
    if likelihood.n_quad != 1:
        return f"has n_quad={likelihood.n_quad}, and the solver has Laplace's approximation (n_quad=1) only"
    if isinstance(family, CustomFamily):
        return "has a family of Python functions"
    if family.dispersion_name is not None and family.fixed_dispersion is None:
        return f"has a {family.dispersion_name} of the {family.name} family that is estimated"
    if likelihood.curvature == "expected" and (family.name, family.link) not in CANONICAL:
        return f"has the expected curvature, which with the {family.link} link is not the observed one"
    return why_not_iterative(design)


def fit_by_solver(
    design: Design,
    likelihood: Likelihood,
    start: Start | None,
    control: FitControl,
    progress: Report | None,
    n_threads: int,
    order: TermOrder,
) -> GlmmFit:
    """Estimate the model of a design by the solver asked for; by the iterative one also where the
    exact one does not fit into memory.
    """
    if control.solver == "iterative":
        return fit_sampled_modes(design, likelihood, start, control, progress, n_threads, order)
    try:
        return fit_glmm(design, likelihood, start, control, progress, n_threads, order)
    except MemoryLimitError:
        if control.solver == "exact" or why_not_sampled(design, likelihood) is not None:
            raise
        return fit_sampled_modes(design, likelihood, start, control, progress, n_threads, order)


def fit_sampled_modes(
    design: Design,
    likelihood: Likelihood,
    start: Start | None,
    control: FitControl,
    progress: Report | None = None,
    n_threads: int = 1,
    order: TermOrder | None = None,
) -> SampledGlmmFit:
    """Estimate the model of a design by the iterative solver.

    Raises
    ------
    OptionError
        For models that the solver does not take.
    """
    reason = why_not_sampled(design, likelihood)
    if reason is not None:
        raise OptionError(
            f"the iterative solver is for models with several grouping factors, and this one {reason}; leave out "
            "control['solver']."
        )
    order, start, family = order or order_terms(design.random), start or Start(), likelihood.family
    threads = threads_of_fit(len(design.y), n_threads)
    system = build_crossed_generalized(design, order, family, threads)
    n, p = len(design.y), len(system.kept)
    if n < p:
        raise DesignError(f"there are {n} rows for {p} fixed effects; a model needs at least as many rows.")
    of_family = {"family": family.name, "link": family.link, "dispersion": family.fixed_dispersion}
    begin = {"theta": start.theta, "fixef": start.beta}
    stood, keep = kept_search(design, {**of_family, **begin}, control)
    found = system.fit(
        None if start.theta is None else np.ascontiguousarray(start.theta[order.core_of_theta]),
        start.beta,
        family.fixed_dispersion,
        control.max_evaluations,
        control.tolerance,
        control.probes,
        control.seed,
        threads,
        progress,
        stood,
        keep,
    )
    sampled = SampledLikelihood(found.probes, control.seed, found.error / 2, system.exact_bytes)
    lazy: LazySystem[GlmmSystem] = LazySystem(design, order, family, refusal=sampled.refusal, crossed=system)
    fit = record_of(design, order, likelihood, lazy, found.fit, n_threads, kept=system.kept)
    convergence = replace(fit.convergence, optimizer=OPTIMIZER, sampling=found.sampling, solver="iterative")
    own = {f.name: getattr(fit, f.name) for f in fields(GlmmFit)} | {"convergence": convergence}
    return SampledGlmmFit(**own, sampled=sampled)
