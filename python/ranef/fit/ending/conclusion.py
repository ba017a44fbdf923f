"""How the search for a generalized model ended, and what the user is told."""

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ranef.design.record import Design
from ranef.errors import DataError
from ranef.families.family import Family
from ranef.fit.ending.convergence import Convergence, Ending, convergence_of
from ranef.fit.ending.messages import Trouble, fit_messages, likelihood_not_finite, modes_not_found
from ranef.fit.ending.no_optimum import exact_fit, no_optimum
from ranef.fit.ending.separation import parts_run_away, runs_away, separated_columns
from ranef.fit.ending.valleys import Valley
from ranef.fit.likelihood import Likelihood
from ranef.fit.order import TermOrder, relative_factor
from ranef.status import FitStatus

if TYPE_CHECKING:
    from ranef import _core
    from ranef._core import GeneralizedFit

Floats = NDArray[np.float64]

OPTIMIZER = "trust region on theta, fixed effects and dispersion together, exact gradient"


def solution_of(found: "GeneralizedFit", family: Family) -> "_core.GeneralizedSolution":
    """What the core found.

    Raises
    ------
    DataError
        Where that is nothing.
    """
    if found.ending.status == FitStatus.NON_FINITE.value or not math.isfinite(found.ending.objective):
        raise DataError(likelihood_not_finite(family))
    if found.solution is None:
        raise DataError(modes_not_found(family))
    return found.solution


def concluded(
    design: Design,
    order: TermOrder,
    likelihood: Likelihood,
    system: Any,
    found: "GeneralizedFit",
    places: tuple[int, ...],
    dropped: tuple[str, ...],
    n_threads: int,
    before: int = 0,
) -> tuple[Convergence, tuple[str, ...]]:
    """How the search ended, and what the user is told.

    Parameters
    ----------
    design : Design
        With all random terms.
    order : TermOrder
    likelihood : Likelihood
    system : LazySystem or LazyWhole
    found : GeneralizedFit
    places : tuple of int
        Columns of X in use, whose coefficients are the first.
    dropped : tuple of str
        Names of those that are not, of all predictors.
    n_threads : int
    before : int
        Evaluations of another fit.
    """
    family, solution, ending = likelihood.family, solution_of(found, likelihood.family), Ending.of(found, before)
    n, p = len(design.y), len(places)
    eta = solution.eta[:n]
    mu = solution.mu if len(solution.eta) == n else eta
    beta, theta = solution.beta[:p], solution.theta[order.theta_of_core]
    profiled = solution.vcov_profiled[:p, :p]
    vcov = None if found.vcov is None else found.vcov[:p, :p]
    apart: tuple[str, ...] = ()
    flat: tuple[str, ...] = ()
    endless: tuple[str, ...] = ()
    if ending.status is FitStatus.SEPARATION or runs_away(
        ending.status, profiled if vcov is None else vcov, design, places
    ):
        apart = separated_columns(design, places, family)
        if apart:
            ending = replace(ending, status=FitStatus.SEPARATION)
        elif ending.status is FitStatus.SEPARATION:
            # the core has seen a flat likelihood; that no direction separates the responses is
            # exact
            ending = replace(ending, status=FitStatus.CONVERGED)
            flat = tuple(design.x_names[places[j]] for j in found.separated if j < p)
    elif design.parts and found.vcov is not None and parts_run_away(found.vcov[p:, p:]):
        endless = separated_columns(design, places, family)
    extra = math.nan if solution.dispersion is None else float(solution.dispersion)
    reason = None
    if not ending.status.ok and not apart and (reason := exact_fit(family, extra, mu)):
        ending = replace(ending, status=FitStatus.EXACT)
    elif not ending.status.ok and not apart:
        sds = np.concatenate(
            [
                np.linalg.norm(relative_factor(s, theta), axis=1)
                * np.sqrt((design.random[s.formula].z ** 2).mean(axis=0))
                for s in order.spans
            ]
        )
        reason = no_optimum(design, family, extra, eta, mu, sds)
    valleys = (
        Valley(found.ending.objective, theta, beta),
        *(
            Valley(v.objective, v.theta[order.theta_of_core], v.beta[:p])
            for v in found.search.valleys[1:]
            if v.beta is not None
        ),
    )
    convergence = convergence_of(
        ending,
        OPTIMIZER,
        design,
        order,
        valleys,
        lambda v: _errors(v, found, profiled, likelihood, system, n_threads),
        places,
    )
    trouble = Trouble(apart, flat, reason, vcov is None and likelihood.n_quad > 0, endless)
    return convergence, fit_messages(design, dropped, convergence, trouble)


def _errors(
    valley: Valley,
    found: "GeneralizedFit",
    vcov: Floats,
    likelihood: Likelihood,
    system: Any,
    n_threads: int,
) -> Floats:
    """Standard errors (p,) of the fixed effects in a valley, theta known; ``vcov``: of the fit."""
    p = len(vcov)
    for v in (v for v in found.search.valleys[1:] if v.objective == valley.criterion):
        if v.beta is not None:
            how = likelihood.n_quad, likelihood.curvature
            there = system.get(n_threads).solution(v.theta, v.beta, v.extras, *how, n_threads)
            if there.solution is not None:
                vcov = there.solution.vcov_profiled[:p, :p]
    errors: Floats = np.sqrt(vcov.diagonal())
    return errors
