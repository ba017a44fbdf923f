"""The core's system of a model with several linear predictors, built when first needed."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.design.record import Design
from ranef.errors import DataError, RanefError
from ranef.fit.component_design import Piece
from ranef.fit.order import TermOrder
from ranef.fit.row_arguments import core_factors

if TYPE_CHECKING:
    from ranef._core import GlmmSystem

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class WholeModel:
    """What the core needs of a model with several linear predictors.

    Attributes
    ----------
    design : Design
        The conditional design with the random terms of all predictors.
    order : TermOrder
        Of those.
    pieces : tuple of tuple of Piece
        What the predictors have in every term.
    x : tuple of (n, p) arrays
        Fixed effects of every predictor.
    offsets : tuple of (n,) arrays or None
    density, link, zero : str
        Names of the distribution, of the link of its mean and of what becomes of zero.
    """

    design: Design
    order: TermOrder
    pieces: tuple[tuple[Piece, ...], ...]
    x: tuple[Floats, ...]
    offsets: tuple[Floats | None, ...]
    density: str
    link: str
    zero: str

    def system(self) -> "GlmmSystem":
        """Hand the arrays to the core."""
        from ranef._core import GlmmSystem, RowKernel

        design = self.design
        weights = np.ones(len(design.y)) if design.weights is None else np.ascontiguousarray(design.weights)
        of = [
            [p.predictor for i in members for p in self.pieces[i] for _ in range(p.size)]
            for members in self.order.factors
        ]
        fixed = [[(c, np.asfortranarray(x))] for c, x in enumerate(self.x)]
        offsets = [None if o is None else np.ascontiguousarray(o) for o in self.offsets]
        try:
            kernel = RowKernel.density(self.density, self.link, self.zero)
            factors = core_factors(design, self.order)
            return GlmmSystem.several(np.ascontiguousarray(design.y), weights, fixed, offsets, factors, of, kernel)
        except ValueError as problem:
            if isinstance(problem, RanefError):
                raise
            raise DataError(f"the model cannot be set up: {problem}.") from None


@dataclass(frozen=True, eq=False)
class LazyWhole:
    """Holds the core's system of such a model; it is built again after unpickling or loading.

    Attributes
    ----------
    model : WholeModel
    """

    model: WholeModel

    def get(self, n_threads: int = 1) -> "GlmmSystem":
        """Return the system, building it if need be."""
        held: GlmmSystem | None = self.__dict__.get("_system")
        if held is None:
            held = self.model.system()
            self.__dict__["_system"] = held
        return held

    def keep(self, system: "GlmmSystem") -> "LazyWhole":
        """Take a system that has been built."""
        self.__dict__["_system"] = system
        return self

    def __getstate__(self) -> WholeModel:
        return self.model

    def __setstate__(self, model: WholeModel) -> None:
        object.__setattr__(self, "model", model)

    def __copy__(self) -> "LazyWhole":
        return self

    def __deepcopy__(self, memo: object) -> "LazyWhole":
        return self
