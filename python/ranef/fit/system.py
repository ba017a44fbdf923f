"""The compiled core's system of one design: built when first needed, dropped when the fit is pickled or saved."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ranef.design.record import Design
from ranef.errors import DataError
from ranef.fit.order import TermOrder

if TYPE_CHECKING:
    from ranef._core import LmmSystem

Floats = NDArray[np.float64]


def response_without_offset(design: Design) -> Floats:
    """The response as the core takes it."""
    return design.y if design.offset is None else design.y - design.offset


Factors = list[tuple[NDArray[np.int32], int, list[tuple[Floats, str]]]]


def core_factors(design: Design, order: TermOrder) -> Factors:
    """The random terms as the core takes them: terms on the same grouping are one factor, with codes, levels and (Z, structure) of each."""
    factors: Factors = []
    for members in order.factors:
        first = design.random[members[0]]
        terms = [(design.random[i].z, design.random[i].structure) for i in members]
        factors.append((first.codes, len(first.levels), terms))
    return factors


def build_system(design: Design, order: TermOrder, n_threads: int) -> "LmmSystem":
    """Hand the arrays of a design to the core."""
    from ranef._core import LmmSystem

    factors = core_factors(design, order)
    try:
        return LmmSystem(design.x, response_without_offset(design), design.weights, factors, n_threads)
    except ValueError as problem:
        raise DataError(f"the model cannot be set up: {problem}.") from None


class LazySystem:
    """Holds the core's system of a design and rebuilds it after unpickling or loading, when an estimate first needs it."""

    __slots__ = ("_design", "_order", "_system")

    def __init__(self, design: Design, order: TermOrder, system: "LmmSystem | None" = None):
        self._design, self._order, self._system = design, order, system

    def get(self, n_threads: int = 1) -> "LmmSystem":
        """Return the system, building it if need be."""
        if self._system is None:
            self._system = build_system(self._design, self._order, n_threads)
        return self._system

    def __getstate__(self) -> tuple[Design, TermOrder]:
        return self._design, self._order

    def __setstate__(self, state: tuple[Design, TermOrder]) -> None:
        self._design, self._order = state
        self._system = None

    def __copy__(self) -> "LazySystem":
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "LazySystem":
        return LazySystem(self._design, self._order, self._system)  # immutable in effect
