"""Replicates that are drawn and fitted one after the other in Python:
for statistics that are Python functions, and models of which a search alone does not make a fit.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.design.record import Design
from ranef.errors import DataError, DesignError, OptionError
from ranef.estimates.fixed_effects import standard_errors
from ranef.estimates.simulate import simulated_responses
from ranef.fit.control import FitControl
from ranef.fit.random_part import random_part
from ranef.fit.record import MixedFit
from ranef.fit.refits.again import fit_again
from ranef.fit.refits.row_subset import design_of_rows
from ranef.inference.bootstrap.arguments import Counter
from ranef.inference.bootstrap.pools import Pools, pools
from ranef.inference.bootstrap.rows import designs_of_groups

if TYPE_CHECKING:
    from ranef import _core

Floats = NDArray[np.float64]


def generator_of(seed: int, i: int) -> np.random.Generator:
    """Random numbers of replicate i: they depend on the seed and i only."""
    return np.random.default_rng([seed & 0xFFFFFFFF, seed >> 32, i])


def drawn_design(
    fit: MixedFit, type: str, re: str, group: str, drawn: Pools | None, generator: np.random.Generator
) -> tuple[Design, ...]:
    """The designs of the linear predictors of a replicate; the first one alone where the rows of
    the others are those of the fit.

    Parameters
    ----------
    fit : MixedFit
    type : {"parametric", "residual", "cases"}
    re : {"new", "conditional"}
    group : str
        The factor whose groups are drawn, for ``"cases"``.
    drawn : Pools or None
        What is drawn from, for ``"residual"``.
    generator : numpy.random.Generator
    """
    if type == "cases":
        m = len(next(t.levels for t in fit.design.random if t.group == group))
        return designs_of_groups([p.design for p in fit.predictors], group, generator.integers(0, m, m).tolist())
    if drawn is None:
        y = simulated_responses(fit, 1, re, generator)[:, 0]
    else:
        y = fit.fixed_part()
        picks = [generator.integers(0, len(e), len(e)) for e in drawn.effects]
        for term, span in zip(fit.terms, fit.order.spans, strict=True):
            b = drawn.effects[span.factor][picks[span.factor], span.start : span.start + span.size]
            y = y + random_part(term.places, term.z, b)
        e = drawn.residuals[generator.integers(0, fit.nobs, fit.nobs)]
        y = y + (e if fit.design.weights is None else e / np.sqrt(fit.design.weights))
    return (fit.design.with_rows(y=np.ascontiguousarray(y)),)


def fitted(fit: MixedFit, designs: tuple[Design, ...], control: FitControl, n_threads: int) -> MixedFit | str:
    """The model of a fit for other designs, from its estimates on;
    or why there is none, by the names that statuses of replicates have.
    """
    try:
        # With other groups the terms could have another order.
        design, *others = designs
        new = fit_again(
            fit,
            design,
            warm=True,
            control=control,
            n_threads=n_threads,
            order=fit.order,
            others=tuple(others) or None,
        )
    except DataError:
        return "non_finite"
    except DesignError:
        return "rank_deficient"
    if new.x_names != fit.x_names:
        return "rank_deficient"
    return new if new.convergence.ok else new.convergence.status.value


def replicates(
    fit: MixedFit,
    n: int,
    type: str,
    re: str,
    group: str,
    seed: int,
    control: FitControl,
    n_threads: int,
    progress: Counter | None,
) -> "_core.Replicates":
    """Draw and fit replicates of a linear model; see `ranef.inference.bootstrap.draw.draw`.

    Returns
    -------
    _core.Replicates
        As the core gives them.
    """
    drawn = pools(fit) if type == "residual" else None
    return _fits(
        fit,
        n,
        lambda i: drawn_design(fit, type, re, group, drawn, generator_of(seed, i)),
        control,
        n_threads,
        progress,
    )


def jackknife(fit: MixedFit, group: str, parts: int, control: FitControl, n_threads: int) -> "_core.Replicates":
    """Fit a linear model without each of the parts into which groups are put in turn."""
    codes = next(t.codes for t in fit.terms if t.group == group)
    return _fits(
        fit,
        parts,
        lambda i: tuple(design_of_rows(p.design, np.flatnonzero(codes % parts != i)) for p in fit.predictors),
        control,
        n_threads,
        None,
    )


def _fits(
    fit: MixedFit,
    n: int,
    designs_of: Callable[[int], tuple[Design, ...]],
    control: FitControl,
    n_threads: int,
    progress: Counter | None,
) -> "_core.Replicates":
    from ranef._core import Replicates

    p, q = len(fit.beta), len(fit.searched_parameters)
    beta, se, theta = np.full((n, p), np.nan), np.full((n, p), np.nan), np.full((n, q), np.nan)
    sigma, objective, singular = np.full(n, np.nan), np.full(n, np.nan), np.zeros(n, dtype=np.bool_)
    status: list[str] = []
    second_starts = 0
    interrupted = False
    try:
        for i in range(n):
            try:
                new = fitted(fit, designs_of(i), control, n_threads)
            except OptionError:
                if i == 0:  # nothing can be drawn at all
                    raise
                new = "no_response"
            if not isinstance(new, str):
                beta[i], se[i], theta[i] = new.beta, standard_errors(new), new.searched_parameters
                sigma[i], objective[i], singular[i] = new.sigma, new.objective, new.singular
                second_starts += new.convergence.search.moved_on
            status.append(new if isinstance(new, str) else "converged")
            if progress is not None:
                progress(i + 1, n)
    except KeyboardInterrupt:
        interrupted = True
    m = len(status)
    return Replicates(
        number=np.arange(m, dtype=np.int64),
        objective=objective[:m],
        beta=beta[:m],
        se=se[:m],
        theta=theta[:m],
        spread=sigma[:m],
        status=status,
        second_starts=second_starts,
        singular=singular[:m],
        interrupted=interrupted,
    )
