"""Standard deviations of random effects from which a generalized fit starts where a unit of one is
far from what a row has, or leads nowhere.
"""

import numpy as np
from numpy.typing import NDArray

from ranef.design.membership import size_of
from ranef.design.record import Design
from ranef.fit.order import TermOrder, theta_of_factors

Floats = NDArray[np.float64]

#: Factor between the effect of a level and that of a row beyond which a start is in units of rows.
FAR = 30.0
#: Smaller standard deviations to start from, for effects with a structure: from large ones a search
#: may run to none at all, where the criterion has no slope in the parameters of the structure.
SMALLER = (0.3, 0.1)


def start_in_units_of_rows(design: Design, order: TermOrder) -> Floats | None:
    """Theta in lme4's order, with which a row has effects of standard deviation one.

    The effects of a known matrix have its units, and those of several members of a row the units of
    their weights. None where these are near one for all terms.
    """
    factors, far = {}, False
    for span in order.spans:
        term = design.random[span.formula]
        size = float(np.sqrt(np.mean(size_of(term.places)))) if term.has_members else 1.0
        if size > 0.0 and not 1.0 / FAR <= size <= FAR:
            far = True
        else:
            size = 1.0
        factors[span.formula] = np.eye(span.size) / size
    return theta_of_factors(order, factors) if far else None


def smaller_starts(order: TermOrder) -> list[Floats]:
    """Theta in lme4's order with small standard deviations; none without structured effects."""
    if all(span.core.is_free for span in order.spans):
        return []
    usual = theta_of_factors(order, {span.formula: np.eye(span.size) for span in order.spans})
    spreads = np.array([kind == "sd" for span in order.spans for kind, _ in span.core.parameters])
    return [np.where(spreads, sd, usual) for sd in SMALLER]
