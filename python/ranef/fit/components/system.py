"""The core's system of a model with several linear predictors, built when first needed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from ranef.design.record import Design
from ranef.fit.components.design import Piece
from ranef.fit.ending.refused_arrays import cannot_be_set_up
from ranef.fit.order import TermOrder
from ranef.fit.prior import NamedCoefficients, core_prior
from ranef.fit.refits.row_subset import design_of_rows
from ranef.fit.row_arguments import core_factors, level_weights, repeats_of, row_weights

if TYPE_CHECKING:
    from ranef._core import GlmmSystem

Floats = NDArray[np.float64]


#: Shape parameters whose predictor is the logarithm of what users know.
LOGARITHMS = (("log_df",),)

#: Densities of proportions of numbers of trials, which stand in the weights of the design.
OF_TRIALS = ("binomial", "betabinomial")


@dataclass(frozen=True, slots=True, eq=False)
class JoinedModel:
    """What the core needs of a model with several linear predictors.

    Attributes
    ----------
    design : Design
        The conditional design with the random terms of all predictors.
    order : TermOrder
        Of those.
    pieces : tuple of tuple of Piece
        What the predictors have in every term.
    """

    design: Design
    order: TermOrder
    pieces: tuple[tuple[Piece, ...], ...]

    @property
    def is_of_first(self) -> bool:
        """Whether all random terms are those of the first predictor."""
        return all(len(own) == 1 and own[0].predictor == 0 for own in self.pieces)

    def numbers(self, of: Sequence[int]) -> list[list[int]]:
        """The core's number of the predictor of every effect, by factor; ``of`` has the numbers."""
        return [
            [of[p.predictor] for i in members for p in self.pieces[i] for _ in range(p.size)]
            for members in self.order.factors
        ]

    def named(self, keys: Sequence[str]) -> Design:
        """The design with the terms of other predictors named by these, too."""
        terms = []
        for term, pieces in zip(self.design.random, self.pieces, strict=True):
            at = pieces[0].predictor
            terms.append(term if at == 0 else replace(term, group=f"{keys[at]}:{term.group}"))
        return replace(self.design, random=tuple(terms))

    def with_response(self, y: Floats) -> Self:
        """The same with another response (n,)."""
        return replace(self, design=self.design.with_rows(y=np.ascontiguousarray(y)))

    @property
    def n_columns(self) -> int:
        """Number of coefficients of all predictors, those that others determine too."""
        raise NotImplementedError

    @property
    def other_coefficients(self) -> dict[str, NamedCoefficients]:
        """Coefficients beside those of the first predictor, by the keys of their priors."""
        raise NotImplementedError

    def of_rows(self, rows: NDArray[np.intp]) -> Self:
        """The model of some of its rows, with the same coefficients."""
        raise NotImplementedError

    def with_first(self, x: Floats) -> Self:
        """The model with other columns (n, p) of the first predictor, and without priors."""
        raise NotImplementedError

    def system(self, all_columns: bool = False) -> "GlmmSystem":
        """Hand the arrays to the core.

        Parameters
        ----------
        all_columns : bool
            Whether columns are kept that depend on others, for evaluations alone.
        """
        raise NotImplementedError

    def system_of_few(self) -> "tuple[GlmmSystem, Floats]":
        """The system of few rows, where columns may depend on each other, for evaluations alone,
        and the matrix (q, k) that makes its coefficients of all k.
        """
        return self.system(all_columns=True), np.eye(self.n_columns)


@dataclass(frozen=True, slots=True, eq=False)
class WholeModel(JoinedModel):
    """A model with zeros, dispersion and shape.

    Attributes
    ----------
    x : tuple of (n, p) arrays
        Fixed effects of every predictor.
    offsets : tuple of (n,) arrays or None
    density, link, zero : str
        Names of the distribution, of the link of its mean and of what becomes of zero.
    keys : tuple of str
        Those of the predictors.
    names : tuple of tuple of str
        Of the columns of every predictor.
    """

    x: tuple[Floats, ...]
    offsets: tuple[Floats | None, ...]
    density: str
    link: str
    zero: str
    keys: tuple[str, ...] = ()
    names: tuple[tuple[str, ...], ...] = ()

    @property
    def n_columns(self) -> int:
        """Number of coefficients of all predictors, those that others determine too."""
        return sum(x.shape[1] for x in self.x)

    @property
    def other_coefficients(self) -> dict[str, NamedCoefficients]:
        """Of zeros and dispersion, and of all shape parameters together."""
        ends = np.cumsum([0, *(x.shape[1] for x in self.x)]).tolist()
        out = {
            key: NamedCoefficients(names, ends[c], self.x[c], key == "disp" and len(names) == 1)
            for c, (key, names) in enumerate(zip(self.keys, self.names, strict=True))
            if key in ("zi", "disp")
        }
        shapes = [c for c, key in enumerate(self.keys) if c and key not in ("zi", "disp")]
        if shapes:
            # they stand side by side, one column of ones each
            held = tuple(self.keys[c] for c in shapes if self.x[c].shape[1])
            out["shape"] = NamedCoefficients(held, ends[shapes[0]], None, held in LOGARITHMS)
        return out

    def with_first(self, x: Floats) -> Self:
        """The model with other columns (n, p) of the first predictor, and without priors."""
        names = (tuple(str(j) for j in range(x.shape[1])), *self.names[1:])
        return replace(self, design=replace(self.design, priors=()), x=(x, *self.x[1:]), names=names)

    def of_rows(self, rows: NDArray[np.intp]) -> Self:
        """The model of some of its rows, with the same coefficients."""
        offsets = tuple(None if o is None else np.ascontiguousarray(o[rows]) for o in self.offsets)
        x = tuple(np.asfortranarray(own[rows]) for own in self.x)
        return replace(self, design=design_of_rows(self.design, rows), x=x, offsets=offsets)

    def system(self, all_columns: bool = False) -> "GlmmSystem":
        """Hand the arrays to the core.

        Parameters
        ----------
        all_columns : bool
            Whether columns are kept that depend on others, for evaluations alone.
        """
        from ranef._core import GlmmSystem, RowKernel

        design = self.design
        weights, trials = row_weights(design), None
        if self.density in OF_TRIALS and (repeats := repeats_of(design)) is not None:
            # a row that counts twice is not one of twice the trials
            weights, trials = repeats, np.ascontiguousarray(design.trials)
        weights = np.ones(len(design.y)) if weights is None else np.ascontiguousarray(weights)
        of = self.numbers(range(len(self.x)))
        fixed = [[(c, np.asfortranarray(x))] for c, x in enumerate(self.x)]
        offsets = [None if o is None else np.ascontiguousarray(o) for o in self.offsets]
        try:
            kernel = RowKernel.density(self.density, self.link, self.zero, trials)
            factors = core_factors(design, self.order)
            prior = None
            if design.priors:
                prior = core_prior(self.named(self.keys), self.order, None, self.other_coefficients)
            beside = None, all_columns, prior, level_weights(design, self.order)
            y = np.ascontiguousarray(design.y)
            return GlmmSystem.several(y, weights, fixed, offsets, factors, of, kernel, *beside)
        except ValueError as problem:
            raise cannot_be_set_up(design, problem) from None

    def system_of_few(self) -> "tuple[GlmmSystem, Floats]":
        """The core keeps a part of columns that depend on each other: what the linear predictors
        are stays the same with combinations of the others.
        """
        system, first = self.system(), 0
        kept = np.asarray(system.kept, dtype=np.intp)
        combine = np.zeros((len(kept), self.n_columns))
        for x in self.x:
            after = first + x.shape[1]
            own = np.flatnonzero((kept >= first) & (kept < after))
            if len(own) == x.shape[1]:
                combine[own, kept[own]] = 1.0
            elif len(own):
                combine[own, first:after] = np.linalg.lstsq(x[:, kept[own] - first], x, rcond=None)[0]
            first = after
        return system, combine


@dataclass(frozen=True, eq=False)
class LazyWhole:
    """Holds the core's system of such a model; it is built again after unpickling or loading.

    Attributes
    ----------
    model : JoinedModel
    """

    model: JoinedModel

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

    def __getstate__(self) -> JoinedModel:
        return self.model

    def __setstate__(self, model: JoinedModel) -> None:
        object.__setattr__(self, "model", model)

    def __copy__(self) -> "LazyWhole":
        return self

    def __deepcopy__(self, memo: object) -> "LazyWhole":
        return self
