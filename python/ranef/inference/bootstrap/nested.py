"""Replicates of two nested fits:
the same drawn responses fitted by both, by maximum likelihood in the core.

Responses of linear models are drawn as cross-products with the union of the columns of both models
(never as n values), of which each model takes its own.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ranef.design.membership import for_core
from ranef.fit.control import FitControl
from ranef.fit.record import MixedFit
from ranef.fit.refits.core import Point, core_options, core_point, core_start
from ranef.inference.bootstrap.arguments import Counter

if TYPE_CHECKING:
    from ranef import _core

Floats = NDArray[np.float64]

#: For each of a model's factors, the union's factor and the union's effects that are its own.
_Places = list[tuple[int, list[int]]]


def nested_replicates(
    truth: MixedFit,
    larger: MixedFit,
    smaller: MixedFit,
    tested: list[int],
    n: int,
    seed: int,
    control: FitControl,
    n_threads: int,
    progress: Counter | None,
) -> "list[_core.Replicates]":
    """Draw from one of two fits and fit both.

    Parameters
    ----------
    truth : MixedFit
        The fit that is drawn from: the larger or the smaller one. Of linear models the covariance
        parameters are those of the smaller one.
    larger, smaller : MixedFit
        Of the same kind and rows.
    tested : list of int
        Fixed effects that only the larger one has and that are not zero. Others do not change the
        statistic: zeros lose no digits.
    n : int
    seed : int
    control : FitControl
    n_threads : int
    progress : callable or None

    Returns
    -------
    list of Replicates
        Of the larger fit, then of the smaller one.
    """
    from ranef import _core

    options = core_options(larger, control, reml=False)
    if not truth.fixed_effects_profiled:
        fits = [(f.core_model(n_threads), core_start(f)) for f in (larger, smaller)]
        return _core.bootstrap_members(
            truth.core_model(n_threads), core_point(truth), fits, options, n, seed, n_threads, progress
        )
    union, theta, members = union_of(larger, smaller, n_threads)
    beta = np.where(np.isin(np.arange(len(larger.beta)), tested), larger.beta, 0.0)
    at = Point(theta, beta, float(truth.sigma))
    return _core.bootstrap_within_union(union, at, members, options, n, seed, n_threads, progress)


def union_of(
    big: MixedFit, small: MixedFit, n_threads: int
) -> "tuple[_core.LmmSystem, Floats, list[tuple[_core.Model, _Places, Point | None]]]":
    """A system with the columns of both models,
    the smaller one's theta in it, and where each model's columns are.

    Terms that both models have are there once; the larger model's other terms have no variance.

    Parameters
    ----------
    big, small : MixedFit
    n_threads : int

    Returns
    -------
    system : LmmSystem
    theta : array
    members : list
        For each model its system, its places and where its fits start.
    """
    from ranef._core import LmmSystem

    factors: list[tuple[Any, int, list[Any]]] = []
    keys: list[Any] = []
    sizes: list[int] = []
    shares: list[list[Floats]] = []  # theta of every term
    places: list[_Places] = []
    for fit in (big, small):
        mine: _Places = []
        for members in fit.order.factors:
            first = fit.design.random[members[0]]
            key: Any = first.factor_key if first.has_members else first.codes
            at = next((i for i, k in enumerate(keys) if np.array_equal(k, key)), None)
            if at is None:
                at = len(factors)
                keys.append(key)
                factors.append((for_core(first.places), first.n_columns, []))
                sizes.append(0)
                shares.append([])
            effects: list[int] = []
            for formula in members:
                term = fit.design.random[formula]
                span = next(s for s in fit.order.spans if s.formula == formula)
                theta = fit.theta[span.theta_start : span.theta_stop]
                known = _find(factors[at][2], term.z, term.structure)
                if known is None:
                    known = (len(factors[at][2]), sizes[at])
                    factors[at][2].append((term.z, term.structure, sizes[at]))
                    shares[at].append(np.zeros(len(theta)))
                    sizes[at] += span.size
                if fit is small:
                    shares[at][known[0]] = np.array(theta)
                effects.extend(range(known[1], known[1] + span.size))
            mine.append((at, effects))
        places.append(mine)
    union = LmmSystem(
        np.asfortranarray(big.x),
        np.zeros(big.nobs),
        big.design.weights,
        [(codes, m, [(z, structure) for z, structure, _ in terms]) for codes, m, terms in factors],
        n_threads,
    )
    members_out = []
    for fit, mine in zip((big, small), places, strict=True):
        members_out.append((fit.core_model(n_threads), mine, core_start(fit)))
    return union, np.ascontiguousarray(np.concatenate([t for of in shares for t in of])), members_out


def _find(terms: list[Any], z: Floats, structure: str) -> tuple[int, int] | None:
    """Number and first effect of a term that is there already."""
    for i, (columns, kind, start) in enumerate(terms):
        if kind == structure and np.array_equal(columns, z):
            return i, start
    return None
