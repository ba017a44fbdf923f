"""Fields of the record of a fit that are found in the same way for all kinds."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ranef.design.record import Design
from ranef.fit.beside import effects_of
from ranef.fit.order import TermOrder, by_term

if TYPE_CHECKING:
    from ranef import _core


def estimates_of(
    design: Design, order: TermOrder, solution: "_core.LinearSolution | _core.GeneralizedSolution", kept: Sequence[int]
) -> dict[str, Any]:
    """Fields of the record that are found in the same way for all kinds, in lme4's order."""
    return {
        "design": design,
        "order": order,
        "theta": solution.theta[order.theta_of_core],
        "kept": tuple(kept),
        "dropped": tuple(n for j, n in enumerate(design.x_names) if j not in kept)
        if len(kept) < len(design.x_names)
        else (),
        "beta": solution.beta,
        "u": effects_of(design, order, by_term(order, solution.u)),
        "b": effects_of(design, order, by_term(order, solution.b)),
    }
