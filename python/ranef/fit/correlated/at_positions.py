"""Random terms at positions of which each group has a few, fitted as a correlation of the rows.

Effects at k positions whose covariance falls with distance, beside a residual, give rows of a group
that are correlated as by the same structure with a nugget: sigma^2 (I + s^2 C) is
sigma_r^2 (g I + (1 - g) C) with s^2 = (1 - g) / g. Where groups have positions of their own, their
rows are few and all positions many, so that blocks of rows are the smaller ones. The criterion is
the same, and theta follows from the parameters of the rows.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.design.record import Design, RandomTerm
from ranef.design.structures import options_of
from ranef.fit.control import FitControl
from ranef.fit.ending.convergence import Convergence, Ending
from ranef.fit.ending.refused_arrays import cannot_be_set_up
from ranef.fit.equal_parts import null_directions
from ranef.fit.found_estimates import LinearOutcome, carried_over
from ranef.fit.order import TermOrder, order_terms, relative_factor
from ranef.fit.progress import Report
from ranef.fit.row_arguments import core_factors
from ranef.fit.system import StructureRows, distance_structure, response_without_offset
from ranef.formula.vocabulary import NUGGET
from ranef.status import FitStatus

if TYPE_CHECKING:
    from ranef._core import LmmSystem

Floats = NDArray[np.float64]

#: Structures that rows have with a nugget.
STRUCTURES = ("exp", "gau", "mat")
#: Share of the cube of the number of positions that the rows of a group may come to.
SMALLER = 1.01
#: Standard deviation of the effects in units of sigma below which the term may have no variance at
#: all, which the search among effects sees.
SMALLEST = 0.03
#: The largest: where the residual vanishes, the criterion is flat beyond.
LARGEST = 2.5e3


def with_smaller_blocks(design: Design) -> int | None:
    """The position in the formula of a term that is fitted faster as a correlation of the rows."""
    named = [i for i, t in enumerate(design.random) if ":" in t.structure]
    if len(named) != 1 or design.weights is not None or design.residual is not None:
        return None
    term = design.random[named[0]]
    name, *parts = term.structure.split(":")
    if name not in STRUCTURES or NUGGET in options_of(parts) or term.relation is not None or not term.has_one_level:
        return None
    sizes = np.bincount(term.codes).astype(np.float64)
    if np.sum(sizes**3) > SMALLER * len(term.levels) * float(len(term.names)) ** 3:
        return None
    indicators = bool(np.all((term.z == 0) | (term.z == 1)) and np.all(term.z.sum(axis=1) == 1))
    return named[0] if indicators else None


def positions_of(term: RandomTerm) -> Floats:
    """Coordinates (n, d) of the rows."""
    _, d, values, *_ = term.structure.split(":")
    places = np.array(values.split(","), dtype=np.float64).reshape(-1, int(d))
    return np.ascontiguousarray(places[np.argmax(term.z, axis=1)])


def found_as_correlation(
    design: Design, order: TermOrder, place: int, reml: bool, control: FitControl, progress: Report | None, threads: int
) -> tuple[Floats, Convergence] | None:
    """Theta (m,) in lme4's order, and how the search ended; None where the search among effects is
    to be trusted, at a bound.
    """
    from ranef._core import CorrelatedSystem

    term = design.random[place]
    rest = replace(design, random=tuple(t for i, t in enumerate(design.random) if i != place))
    places = [i for i in range(len(design.random)) if i != place]
    inner = order_terms(rest.random)
    position = positions_of(term)
    name, *parts = term.structure.split(":")
    structure = distance_structure(name, int(np.bincount(term.codes).max()), (*options_of(parts), NUGGET))
    rows = StructureRows(np.ascontiguousarray(term.codes), position, np.zeros(len(position), dtype=np.int32), [])
    y = np.ascontiguousarray(response_without_offset(design))
    x = np.asfortranarray(design.x)
    try:
        system = CorrelatedSystem(x, y, None, core_factors(rest, inner), structure, 0, rows, threads)
    except ValueError as problem:
        raise cannot_be_set_up(design, problem) from None
    found, z = system.fit(reml, None, None, control.max_evaluations, control.tolerance, threads, progress)
    ending = Ending.of(found)
    if found.solution is None or ending.status is not FitStatus.CONVERGED:
        return None
    # the share of the nugget comes last
    sd, of_distance = min(float(np.exp(-0.5 * z[-1])), LARGEST), z[:-1]
    own_theta = np.concatenate([[sd], of_distance])
    theta = np.zeros(order.n_theta)
    own = next(s for s in order.spans if s.formula == place)
    theta[own.theta_start : own.theta_stop] = own_theta
    if sd < SMALLEST or any(own.core.bounds_met(own_theta)[1:]):
        return None
    of_rest = found.solution.theta[inner.theta_of_core]
    for span in inner.spans:
        to = next(s for s in order.spans if s.formula == places[span.formula])
        scales = np.array([span.core.is_free or kind == "sd" for kind, _ in span.core.parameters])
        # in units of the residual, not of all that rows vary by
        values = of_rest[span.theta_start : span.theta_stop] * np.where(scales, np.hypot(1.0, sd), 1.0)
        theta[to.theta_start : to.theta_stop] = values
    return theta, Convergence(
        ending.status,
        ending.gradient_norm,
        ending.evaluations,
        "",
        ending.decrement,
        ending.certificate,
        {},
        search=ending.search,
    )


def fit_at_positions(
    system: "LmmSystem",
    design: Design,
    order: TermOrder,
    reml: bool,
    control: FitControl,
    progress: Report | None,
    threads: int,
) -> LinearOutcome | None:
    """Fit effects at positions as a correlation of the rows, where that is less work."""
    if design.sums is not None or (place := with_smaller_blocks(design)) is None:
        return None
    found = found_as_correlation(design, order, place, reml, control, progress, threads)
    if found is None:
        return None
    theta, ending = found
    null = [0] * len(order.spans)
    for span in order.spans:
        if span.formula != place:
            null[span.core_term] = null_directions(relative_factor(span, theta))

    def core_theta(whole: Floats) -> Floats:
        return np.ascontiguousarray(whole[order.core_of_theta])

    return carried_over(system, design, ending, theta, core_theta, null, reml, threads)
