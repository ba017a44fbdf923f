"""The compiled core's system of one generalized design: built when first needed, dropped when the fit is pickled or saved."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ranef.design.record import Design
from ranef.errors import DataError
from ranef.families.custom import CustomFamily
from ranef.families.family import Family
from ranef.fit.order import TermOrder
from ranef.fit.system import core_factors

if TYPE_CHECKING:
    from ranef._core import GlmmSystem

Floats = NDArray[np.float64]


#: Links that the core knows by another name.
_CORE_LINKS = {"inverse_squared": "1/mu^2"}


def build_glmm_system(design: Design, order: TermOrder, family: Family, n_threads: int) -> "GlmmSystem":
    """Hand the arrays of a design to the core; its response has the form of its family."""
    from ranef._core import GlmmSystem

    weights = np.ones(len(design.y)) if design.weights is None else np.ascontiguousarray(design.weights)
    kernel = family.core_kernel if isinstance(family, CustomFamily) else None
    y = np.ascontiguousarray(design.y)
    factors = core_factors(design, order)
    link = _CORE_LINKS.get(family.link, family.link)
    try:
        return GlmmSystem(design.x, y, weights, design.offset, factors, family.kernel, link, kernel, n_threads)
    except ValueError as problem:
        raise DataError(f"the model cannot be set up: {problem}.") from None


class LazyGlmmSystem:
    """Holds the core's system of a design and rebuilds it after unpickling or loading, when an estimate first needs it."""

    __slots__ = ("_design", "_family", "_order", "_system")

    def __init__(self, design: Design, order: TermOrder, family: Family, system: "GlmmSystem | None" = None):
        self._design, self._order, self._family, self._system = design, order, family, system

    def get(self, n_threads: int = 1) -> "GlmmSystem":
        """Return the system, building it if need be."""
        if self._system is None:
            self._system = build_glmm_system(self._design, self._order, self._family, n_threads)
        return self._system

    def __getstate__(self) -> tuple[Design, TermOrder, Family]:
        return self._design, self._order, self._family

    def __setstate__(self, state: tuple[Design, TermOrder, Family]) -> None:
        self._design, self._order, self._family = state
        self._system = None

    def __copy__(self) -> "LazyGlmmSystem":
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "LazyGlmmSystem":
        return LazyGlmmSystem(self._design, self._order, self._family, self._system)  # immutable in effect
