"""What a user is told of structured random terms whose parameters the data drive to a limit: ranges
beyond the distances there are, and a residual that vanishes.

Effects at positions, or in sequence, may be as many as the rows: they are told from the residual by
their correlation. Where the data want the structure without a residual beside it, sigma goes to
zero and nothing else changes.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ranef.design.record import Design
from ranef.design.structures import kind_of
from ranef.fit.order import TermOrder, relative_factor

Floats = NDArray[np.float64]

#: Standard deviations of effects in units of sigma from which it is looked whether sigma is
#: determined, by a criterion at effects so many times larger that rises by less than this.
LARGE, FURTHER, FLAT = 100.0, 10.0, 0.01


def structure_messages(
    design: Design, order: TermOrder, theta: Floats, criterion: Callable[[Floats], float]
) -> tuple[str, ...]:
    """Sentences on theta (m,), which is in lme4's order; the criterion takes that of the core."""
    if not any(kind_of(t.structure).apart_from is not None for t in design.random):
        return ()

    def at(values: Floats) -> float:
        return criterion(np.ascontiguousarray(values[order.core_of_theta]))

    return (*undetermined_ranges(design, order, theta), *vanishing_residual(design, order, theta, at))


def vanishing_residual(
    design: Design, order: TermOrder, theta: Floats, criterion: Callable[[Floats], float]
) -> tuple[str, ...]:
    """Say that sigma goes to zero, and which model the data want.

    Parameters
    ----------
    design : Design
    order : TermOrder
    theta : (m,) array
        In lme4's order.
    criterion : callable
        The criterion at such a theta.
    """
    large = []
    for span in order.spans:
        structure = kind_of(design.random[span.formula].structure)
        if structure.apart_from is not None and np.abs(np.diagonal(relative_factor(span, theta))).max() > LARGE:
            large.append(span)
    if not large:
        return ()
    further = theta.copy()
    for span in order.spans:
        scales = [span.core.is_free or kind == "sd" for kind, _ in span.core.parameters]
        further[span.theta_start : span.theta_stop][scales] *= FURTHER
    if criterion(further) - criterion(theta) > FLAT:
        return ()
    term = design.random[large[0].formula]
    name = term.structure.partition(":")[0].removeprefix("heterogeneous_")
    written = kind_of(term.structure).call.format(term.text)
    return (
        f"the residual variance goes to zero: {written} follows every row, and the data want it without a residual "
        f"beside it. sigma and what is relative to it are not determined; all else is. As a correlation of the rows, "
        f'correlation="{name}(... | {term.group})" in place of the term, the same model has no residual to vanish.',
    )


def undetermined_ranges(design: Design, order: TermOrder, theta: Floats) -> tuple[str, ...]:
    """Ranges of effects at positions that have gone to a bound, far outside the distances."""
    out = []
    for span in order.spans:
        term = design.random[span.formula]
        own = np.ascontiguousarray(theta[span.theta_start : span.theta_stop])
        met = span.core.bounds_met(own) if kind_of(term.structure).correlations == "range" and own[0] > 0 else ()
        for (kind, _), bound in zip(span.core.parameters, met, strict=bool(met)):
            if kind == "range" and bound:
                written = kind_of(term.structure).call.format(term.text)
                instead = (
                    f"effects that are alike at all positions, (1 | {term.group})"
                    if bound > 0
                    else "effects that are uncorrelated at all distances there are, which beside a residual are seen "
                    "where positions have several rows only"
                )
                out.append(f"the range of {written} is not determined: the data want the limit, {instead}.")
    return tuple(out)
