"""Replicates of a fit: one call into the core."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.errors import ArgumentTypeError, OptionError
from ranef.fit.control import FitControl
from ranef.fit.conventions import has_conventions
from ranef.fit.record import MixedFit
from ranef.fit.refits.core import core_options, core_point, core_start, core_threads
from ranef.inference.bootstrap.arguments import Counter, check_drawable, check_groups, checked_type, resampled_factor
from ranef.inference.bootstrap.one_by_one import jackknife, replicates
from ranef.inference.bootstrap.pools import pools
from ranef.inference.bootstrap.quantities import quantity_values
from ranef.inference.maximised import need_draws

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
    first_error : str or None
        What the statistic of the first replicate raised, of those in which it raised anything.
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
    first_error: str | None = None


def factor_effects(fit: MixedFit) -> list[Floats]:
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
    need_draws(fit, "the bootstrap")
    check_drawable(fit, type)
    if type == "residual" and fit.design.residual is not None:
        raise OptionError(
            "type='residual' draws residuals one by one, and here the rows have a covariance structure; use "
            "type='parametric', or 'cases' to draw whole groups."
        )
    factor = 0
    if by is not None or type == "cases":
        factor = resampled_factor(fit, by, "are drawn")  # checks it
    if type == "cases":
        check_groups(fit, factor)
    if type not in fit.bootstrap_types:
        raise OptionError(f"the bootstrap of this model is type={' or '.join(map(repr, fit.bootstrap_types))}.")
    if type == "parametric" and (found := fit.drawn_refits(n, seed, control, progress)) is not None:
        return draws_of(fit, found)
    if has_conventions(fit) or not fit.resampled_in_core or (type == "cases" and not fit.rows_in_core):
        group = _group(fit, factor) if type == "cases" else ""
        return draws_of(fit, replicates(fit, n, type, re, group, seed, control, n_threads, progress))
    model, start, options = fit.core_model(), core_start(fit), core_options(fit, control)
    threads = core_threads(fit, n_threads)
    if type == "cases":
        out = _core.bootstrap_cases(model, factor, start, options, n, seed, threads, progress)
    elif type == "parametric":
        kept = _kept(fit) if re == "conditional" else None
        out = _core.bootstrap_parametric(model, core_point(fit), kept, start, options, n, seed, threads, progress)
    else:
        p = pools(fit)
        effects = [np.ascontiguousarray(e) for e in p.effects]
        residuals, beta = np.ascontiguousarray(p.residuals), np.ascontiguousarray(fit.beta)
        out = _core.bootstrap_residual(model, beta, effects, residuals, start, options, n, seed, threads, progress)
    return draws_of(fit, out)


def _kept(fit: MixedFit) -> list[Floats] | Floats:
    """The random effects that all responses have, as the core takes them:
    linear predictors where the response is not linear in them.
    """
    return factor_effects(fit) if fit.fixed_effects_profiled else np.ascontiguousarray(fit.linear_predictor())


def _group(fit: MixedFit, factor: int) -> str:
    """Name of a factor by its number in the core."""
    return next(t.group for t, s in zip(fit.terms, fit.order.spans, strict=True) if s.factor == factor)


def draws_of(fit: MixedFit, out: "_core.Replicates") -> Draws:
    """What the core returned, with failed replicates blanked."""
    status = np.array(out.status, dtype=np.str_)
    failed = status != "converged"
    theta = fit.theta_of_replicates(out.theta)
    p = len(fit.beta)
    values = quantity_values(fit, out.beta[:, :p], theta, out.spread, fit.structure_of_replicates(out.theta))
    objective, se = out.objective, out.se[:, :p]
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
    """Influence of the groups on the named quantities: how much their fits without
    one group (or, beyond 400 groups, one part of the groups) fall short of their
    mean, all parameters estimated again.

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
            f"method='bca' leaves out one group at a time, and {term.group} has {len(term.levels)}; at least 3 are "
            "needed. Use method='percentile' or 'basic'."
        )
    if has_conventions(fit) or not fit.rows_in_core:
        out = jackknife(fit, term.group, parts, control, n_threads)
    else:
        out = _core.jackknife_groups(
            fit.core_model(),
            factor,
            core_start(fit),
            core_options(fit, control),
            parts,
            core_threads(fit, n_threads),
            None,
        )
    if out.interrupted:
        raise KeyboardInterrupt
    values = draws_of(fit, out).values
    with np.errstate(invalid="ignore"):
        result: Floats = (parts - 1) * (np.nanmean(values, axis=0) - values)
    return result
