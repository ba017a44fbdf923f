"""What every system of the core takes of the rows of a design: random terms and weights."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.design.membership import for_core
from ranef.design.record import Design
from ranef.fit.beside import scaled_columns
from ranef.fit.order import TermOrder

Floats = NDArray[np.float64]

#: Levels of the rows, their number and the terms, Z and structure, of every grouping factor.
Factors = list[tuple[Any, int, list[tuple[Floats, str]]]]


def core_factors(design: Design, order: TermOrder) -> Factors:
    """The random terms as the core takes them.

    Terms on the same grouping are one factor, with codes, levels and (Z, structure) of each.
    """
    factors: Factors = []
    for members in order.factors:
        first = design.random[members[0]]
        terms = [(scaled_columns(design, design.random[i]), design.random[i].structure) for i in members]
        if design.sampling is not None:
            terms = [(np.asfortranarray(z), s) for z, s in terms]
        factors.append((for_core(first.places), first.n_columns, terms))
    return factors


def level_weights(design: Design, order: TermOrder) -> list[Floats] | None:
    """Sampling weights of the levels of every factor, as the core takes them."""
    if design.sampling is None:
        return None
    return [np.ascontiguousarray(design.sampling.levels[design.random[m[0]].group]) for m in order.factors]


def repeats_of(design: Design) -> Floats | None:
    """How often the trials of every row count, where weights are their number times that: prior
    times sampling weights; None where every row counts once.
    """
    if design.weights is None or (design.repeats is None and design.sampling is None):
        return None
    total = np.ones(len(design.y)) if design.sampling is None else design.sampling.total
    return np.ascontiguousarray(total if design.repeats is None else total * design.repeats)


def row_weights(design: Design) -> Floats | None:
    """Prior weights of the rows times their sampling weights."""
    if design.sampling is None:
        return design.weights
    total = design.sampling.total
    return np.ascontiguousarray(total if design.weights is None else total * design.weights)
