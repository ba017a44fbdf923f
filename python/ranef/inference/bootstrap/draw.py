"""Replicates of a fit: one call into the core."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.errors import ArgumentTypeError, OptionError
from ranef.fit.control import FitControl
from ranef.fit.generalized import GlmmFit
from ranef.fit.linear import LmmFit, has_conventions
from ranef.fit.record import MixedFit
from ranef.inference.bootstrap.arguments import Counter, check_groups, checked_type, resampled_factor
from ranef.inference.bootstrap.draw_glmm import check_glmm_type, glmm_jackknife, glmm_replicates
from ranef.inference.bootstrap.one_by_one import jackknife, replicates
from ranef.inference.bootstrap.pools import pools
from ranef.inference.bootstrap.quantities import quantity_values

if TYPE_CHECKING:
    from ranef import _core

Floats = NDArray[np.float64]

#: What became of a replicate, beside the names of :class:`ranef.status.FitStatus`.
FAILURES = {
    "max_evaluations": "reached the limit on evaluations",
    "no_progress": "stopped without convergence",
    "non_finite": "had no finite criterion",
    "rank_deficient": "drew groups that do not determine all fixed effects",
    "no_response": "had means that the family cannot have",
    "separated": "had fixed effects without a finite estimate",
    "statistic_failed": "had a statistic that raised an error",
}


@dataclass(frozen=True, slots=True, eq=False)
class Draws:
    """Fits of m replicates. Rows of replicates that failed are NaN.

    Attributes
    ----------
    number : (m,) int array
        Numbers of the replicates, ascending; all of ``0 … n - 1`` unless the run was interrupted.
    status : (m,) array of str
        ``"converged"``, or why there is nothing.
    singular : (m,) bool array
        Whether a fit has a random direction without variance.
    values : (m, K) array
        The named quantities.
    std_error : (m, p) array
        Standard errors of the fixed effects.
    theta : (m, q) array
        In lme4's order.
    objective : (m,) array
    interrupted : bool
    n_second_start : int
        Fits whose lowest valley was found from another start than the first.
    """

    number: NDArray[np.int64]
    status: NDArray[np.str_]
    singular: NDArray[np.bool_]
    values: Floats
    std_error: Floats
    theta: Floats
    objective: Floats
    interrupted: bool
    n_second_start: int = 0


def truth_of(fit: LmmFit) -> tuple[Floats, Floats, float]:
    """The estimates as the core takes them: theta in its order, fixed effects, sigma."""
    theta = np.ascontiguousarray(fit.theta[fit.order.core_of_theta])
    return theta, np.ascontiguousarray(fit.beta), float(fit.sigma)


def factor_effects(fit: LmmFit) -> list[Floats]:
    """Conditional modes of each of the core's factors, the terms on it side by side."""
    out = []
    for f in range(len(fit.order.factors)):
        spans = sorted((s.start, i) for i, s in enumerate(fit.order.spans) if s.factor == f)
        out.append(np.ascontiguousarray(np.hstack([fit.b[i] for _, i in spans])))
    return out


def check_re(re: object, type: str) -> None:
    """``re`` says what becomes of the random effects of a parametric bootstrap."""
    if not isinstance(re, str):
        raise ArgumentTypeError(f"re must be 'new' or 'conditional', not {re!r}.")
    if re not in ("new", "conditional"):
        raise OptionError(f"re must be 'new' or 'conditional', not {re!r}.")
    if re == "conditional" and type != "parametric":
        raise OptionError(f"re='conditional' goes with type='parametric', not with type={type!r}.")


def draw(
    fit: MixedFit,
    n: int,
    type: str,
    re: str,
    by: object,
    seed: int,
    control: FitControl,
    n_threads: int,
    progress: Counter | None,
) -> Draws:
    """Draw and fit replicates.

    Parameters
    ----------
    fit : MixedFit
    n : int
    type : {"parametric", "residual", "cases"}
    re : {"new", "conditional"}
    by : str or None
        For ``"cases"``.
    seed : int
        Of 64 bits. Replicate i depends on the seed and i only.
    control : FitControl
    n_threads : int
    progress : callable or None
        Called with the number of replicates finished and n.
    """
    from ranef import _core

    checked_type(type)
    check_re(re, type)
    if isinstance(fit, GlmmFit):
        check_glmm_type(fit, type)
        if by is not None:
            resampled_factor(fit, by, "are drawn")  # checks it
        drawn_by = 0
        if type == "cases":
            drawn_by = resampled_factor(fit, by, "are drawn")
            check_groups(fit, drawn_by)
        return draws_of(fit, glmm_replicates(fit, n, type, re, drawn_by, seed, control, n_threads, progress))
    assert isinstance(fit, LmmFit)
    system, truth = fit.system.get(fit.n_threads), truth_of(fit)
    options = (fit.reml, control.max_evaluations, control.tolerance)
    if by is not None:
        resampled_factor(fit, by, "are drawn")  # checks it
    if has_conventions(fit):
        group = ""
        if type == "cases":
            factor = resampled_factor(fit, by, "are drawn")
            check_groups(fit, factor)
            group = _group(fit, factor)
        return draws_of(fit, replicates(fit, n, type, re, group, seed, control, n_threads, progress))
    if type == "parametric":
        kept = factor_effects(fit) if re == "conditional" else None
        out = _core.bootstrap_parametric(system, truth, kept, options, n, seed, n_threads, progress)
    elif type == "residual":
        p = pools(fit)
        effects = [np.ascontiguousarray(e) for e in p.effects]
        residuals = np.ascontiguousarray(p.residuals)
        out = _core.bootstrap_residual(system, truth, effects, residuals, options, n, seed, n_threads, progress)
    else:
        factor = resampled_factor(fit, by, "are drawn")
        check_groups(fit, factor)
        out = _core.bootstrap_cases(system, truth, factor, options, n, seed, n_threads, progress)
    return draws_of(fit, out)


def _group(fit: MixedFit, factor: int) -> str:
    """Name of a factor by its number in the core."""
    return next(t.group for t, s in zip(fit.terms, fit.order.spans, strict=True) if s.factor == factor)


def draws_of(fit: MixedFit, out: "_core.Replicates") -> Draws:
    """What the core returned, with failed replicates blanked."""
    status = np.array(out.status, dtype=np.str_)
    failed = status != "converged"
    theta = out.theta[:, fit.order.theta_of_core]
    values = quantity_values(fit, out.beta, theta, out.spread)
    objective, se = out.objective, out.se
    for a in (values, theta, se, objective):
        a[failed] = np.nan
    return Draws(
        number=out.number,
        status=status,
        singular=out.singular & ~failed,
        n_second_start=out.second_starts,
        values=values,
        std_error=se,
        theta=theta,
        objective=objective,
        interrupted=out.interrupted,
    )


#: Most parts into which groups are put for the jackknife.
MOST_PARTS = 400


def jackknife_influence(fit: MixedFit, by: object, control: FitControl, n_threads: int) -> Floats:
    """Influence of the groups on the named quantities: how much their fits without one group (or, beyond 400 groups, one part of the groups) fall short of
    their mean, all parameters estimated again.

    Returns
    -------
    (groups, K) array
        NaN where there is no fit without a group.
    """
    from ranef import _core

    factor = resampled_factor(fit, by, "are left out for method='bca'")
    term = next(t for t, s in zip(fit.terms, fit.order.spans, strict=True) if s.factor == factor)
    parts = min(len(term.levels), MOST_PARTS)
    if parts < 3:
        raise OptionError(
            f"method='bca' leaves out one group at a time, and {term.group} has {len(term.levels)}; at least 3 are needed. Use method='percentile' or 'basic'."
        )
    if isinstance(fit, GlmmFit):
        out = glmm_jackknife(fit, factor, parts, control, n_threads)
    else:
        assert isinstance(fit, LmmFit)
        options = (fit.reml, control.max_evaluations, control.tolerance)
        out = (
            jackknife(fit, term.group, parts, control, n_threads)
            if has_conventions(fit)
            else _core.jackknife_groups(
                fit.system.get(fit.n_threads), truth_of(fit), factor, options, parts, n_threads, None
            )
        )
    if out.interrupted:
        raise KeyboardInterrupt
    values = draws_of(fit, out).values
    with np.errstate(invalid="ignore"):
        result: Floats = (parts - 1) * (np.nanmean(values, axis=0) - values)
    return result
