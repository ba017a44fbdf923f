"""The compiled core's system of one design: built when first needed, dropped when the fit is
pickled or saved.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from ranef.design.checks import FEW_COLUMNS, check_core_memory
from ranef.design.level_columns import LevelColumns
from ranef.design.model_sums import ColumnBasis, no_rows
from ranef.design.record import Design, random_shape
from ranef.errors import DataError, RanefError
from ranef.families.custom import CustomFamily
from ranef.families.family import Family
from ranef.fit.ending.refused_arrays import cannot_be_set_up, see_that_squares_are_numbers
from ranef.fit.order import TermOrder
from ranef.fit.prior import core_prior
from ranef.fit.row_arguments import Factors, core_factors, level_weights, repeats_of, row_weights
from ranef.formula.vocabulary import NUGGET

if TYPE_CHECKING:
    from ranef._core import (
        CorrelatedSystem,
        CrossedGlmmSystem,
        CrossedRows,
        CrossedSystem,
        GlmmSystem,
        LmmSystem,
        PatternSystem,
        RowCovariance,
        Statistic,
    )

Floats = NDArray[np.float64]

#: Links that the core knows by another name.
_CORE_LINKS = {"inverse_squared": "1/mu^2"}

S = TypeVar("S")


def response_without_offset(design: Design) -> Floats:
    """The response as the core takes it."""
    return design.y if design.offset is None else design.y - design.offset


def number_of_effects(factors: Factors) -> int:
    """Random effects of all levels."""
    return sum(levels * sum(z.shape[1] for z, _ in terms) for _, levels, terms in factors)


def sums_of(design: Design, order: TermOrder, by_level: int | None = None) -> "Statistic":
    """The sums of a design without rows, in the core; with those of every level of a factor."""
    from ranef._core import Statistic

    held = design.sums
    assert held is not None
    made = Statistic(*coding_of(design, order), by_level)
    if held.values is not None:
        made.read(held.values.tobytes())
    return made


def crossed_rows_of(design: Design, order: TermOrder) -> "CrossedRows":
    """Rows for the iterative solver, none yet, of a design without rows."""
    from ranef._core import CrossedRows

    return CrossedRows(*coding_of(design, order))


def coding_of(design: Design, order: TermOrder) -> tuple[Any, tuple[float, float], list[Any]]:
    """How rows of a design without rows are coded, as the core takes it: columns of the fixed
    effects, the response, and the factors.
    """
    held = design.sums
    assert held is not None
    if held.shape != random_shape(design.random):  # a part of the model, or another one
        raise no_rows()

    def columns(b: ColumnBasis) -> tuple[int | None, list[float], list[float]]:
        return b.intercept, list(b.shift), list(b.scale)

    factors = []
    for members in order.factors:
        terms = [(columns(held.random[i]), design.random[i].structure) for i in members]
        factors.append((len(design.random[members[0]].levels), terms))
    return columns(held.x), held.y, factors


def build_linear_system(design: Design, order: TermOrder, n_threads: int) -> "LmmSystem":
    """Hand the arrays of a design to the core, or the sums where it has no rows."""
    from ranef._core import LmmSystem

    if design.sums is not None:
        try:
            return sums_of(design, order).system(n_threads)
        except ValueError as problem:
            if isinstance(problem, RanefError):
                raise
            raise DataError(
                f"the model cannot be set up from sums: {problem}. Data in memory may do, or leave out what is nearly "
                "a combination of other effects."
            ) from None
    return _linear(LmmSystem, design, order, n_threads)


def build_correlated_system(design: Design, order: TermOrder, n_threads: int) -> "CorrelatedSystem":
    """The same for rows with a covariance structure."""
    from ranef._core import CorrelatedSystem

    factors = core_factors(design, order)
    y = np.ascontiguousarray(response_without_offset(design))
    try:
        argument, rows = structure_arguments(design)
        levels = argument.levels if argument.coded else 0
        x = np.asfortranarray(design.x)
        return CorrelatedSystem(x, y, design.weights, factors, row_covariance(design), levels, rows, n_threads)
    except ValueError as problem:
        raise cannot_be_set_up(design, problem) from None


@dataclass(frozen=True, slots=True, eq=False)
class StructureArgument:
    """A covariance structure of the rows as the core takes it."""

    correlation: str
    levels: int
    most: int
    own_sd: bool
    n_groups: int
    variances: list[tuple[str, int]]
    options: dict[str, int | str]
    coded: bool


@dataclass(frozen=True, slots=True, eq=False)
class StructureRows:
    """What it knows of the rows."""

    subject: NDArray[np.int32]
    position: Floats
    group: NDArray[np.int32]
    covariates: list[tuple[Floats, Floats]]


def structure_arguments(design: Design) -> tuple[StructureArgument, StructureRows]:
    """The covariance structure of the rows of a design, as the core takes it."""
    rows = design.residual
    assert rows is not None
    c = rows.expr.correlation
    name = "independent" if c is None else c.structure
    most = max(rows.most, 2)
    options: dict[str, int | str] = {"levels": rows.n_levels, "most": most}
    if c is not None:
        named = {"p": c.orders[0], "q": c.orders[1], "nugget": c.nugget}
        options |= {k: v for k, v in named.items() if v or (c.structure == "arma" and k in ("p", "q"))}
        if c.metric != "euclidean":
            options["metric"] = c.metric
    argument = StructureArgument(
        correlation="us_hom" if c is not None and name == "us" and c.homogeneous else name,
        levels=rows.n_levels,
        most=most,
        own_sd=c is not None and not c.homogeneous and c.structure != "us",
        n_groups=len(rows.group_levels),
        variances=[(v.function, len(v.strata)) for v in rows.variances],
        options=options,
        coded=(bool(rows.coordinates) and rows.coordinates[0].levels is not None) or name in ("us", "ad"),
    )
    position = np.ascontiguousarray(rows.position)
    covariates = [(np.ascontiguousarray(v.x), np.ascontiguousarray(v.codes)) for v in rows.variances]
    return argument, StructureRows(rows.subject, position, rows.group, covariates)


def row_covariance(design: Design, lags: int | None = None) -> "RowCovariance":
    """The covariance structure of the rows of a design, in the core; for at least so many lags."""
    argument, _ = structure_arguments(design)
    options = argument.options if lags is None else argument.options | {"levels": max(argument.levels, lags)}
    return _row_covariance(argument, options)


def _row_covariance(argument: StructureArgument, options: dict[str, int | str]) -> "RowCovariance":
    from ranef._core import RowCovariance

    own = argument.levels if argument.own_sd else None
    return RowCovariance(argument.correlation, options, own, argument.n_groups, argument.variances)


def distance_structure(name: str, most: int, options: Sequence[str] = ()) -> "RowCovariance":
    """A structure of distances with its options (a metric, ``nugget``), for groups of so many rows
    at most.
    """
    from ranef._core import RowCovariance

    named: dict[str, int | str] = {"levels": 1, "most": most}
    for option in options:
        named |= {NUGGET: True} if option == NUGGET else {"metric": option}
    return RowCovariance(name, named, None, 1, [])


def correlation_of_places(name: str, z: Floats, at: Floats, options: Sequence[str] = ()) -> Floats:
    """Correlations (m, m) of effects at places (m, d) by a structure of distances with the
    parameters ``z``.
    """
    out: Floats = distance_structure(name, 2, options).matrix(z, np.ascontiguousarray(at), 0, [])
    return out


def build_pattern_system(design: Design) -> "PatternSystem":
    """The pattern moments of a design without random terms."""
    from ranef._core import PatternSystem

    argument, rows = structure_arguments(design)
    assert design.residual is not None
    structure = _row_covariance(argument, argument.options)
    visits, coordinates = None, None
    if design.residual.coordinates[0].levels is None:
        coordinates = rows.position
    else:
        visits = (rows.position[:, 0].astype(np.int32), argument.levels)
    y = np.ascontiguousarray(response_without_offset(design))
    x, name = np.asfortranarray(design.x), argument.correlation
    try:
        return PatternSystem(x, y, design.weights, rows.subject, rows.group, structure, name, visits, coordinates)
    except ValueError as problem:
        raise cannot_be_set_up(design, problem) from None


def build_crossed_system(design: Design, order: TermOrder, n_threads: int) -> "CrossedSystem":
    """The same for the iterative solver."""
    from ranef._core import CrossedSystem

    return _linear(CrossedSystem, design, order, n_threads)


def _linear(kind: type[S], design: Design, order: TermOrder, n_threads: int) -> S:
    factors = core_factors(design, order)
    columns, y = design.columns, response_without_offset(design)
    x, levels = (columns.rest, columns) if isinstance(columns, LevelColumns) else (columns, None)
    if len(design.x_names) >= FEW_COLUMNS:
        check_core_memory(len(design.x_names), number_of_effects(factors), dense=levels is None)
    try:
        if kind.__name__ == "LmmSystem" and (design.priors or design.sampling is not None):
            extra = {"prior": core_prior(design, order, None), "sampling": level_weights(design, order)}
            made: Any = kind
            system: Any = made(design.x, y, row_weights(design), factors, n_threads, None, **extra)
        else:
            system = kind(x, y, design.weights, factors, n_threads, levels)  # type: ignore[call-arg]
    except ValueError as problem:
        raise cannot_be_set_up(design, problem) from None
    if len(system.kept) < len(design.x_names):
        see_that_squares_are_numbers(design)
    return system  # type: ignore[no-any-return]


def build_generalized_system(design: Design, order: TermOrder, family: Family, n_threads: int) -> "GlmmSystem":
    """Hand the arrays of a design to the core; its response has the form of its family."""
    from ranef._core import GlmmSystem

    kernel = family.core_kernel if isinstance(family, CustomFamily) else None
    x, y, weights, offset, factors, name, link = _generalized(design, order, family)
    try:
        system = GlmmSystem(
            x,
            y,
            weights,
            offset,
            factors,
            name,
            link,
            kernel,
            n_threads,
            core_prior(design, order, family),
            level_weights(design, order),
            repeats_of(design) if family.name == "binomial" else None,
        )
    except ValueError as problem:
        raise cannot_be_set_up(design, problem) from None
    if len(system.kept) < len(design.x_names):
        see_that_squares_are_numbers(design)
    return system


def build_crossed_generalized(design: Design, order: TermOrder, family: Family, n_threads: int) -> "CrossedGlmmSystem":
    """The same for the iterative solver."""
    from ranef._core import CrossedGlmmSystem

    x, y, weights, offset, factors, name, link = _generalized(design, order, family)
    try:
        repeats = repeats_of(design) if family.name == "binomial" else None
        return CrossedGlmmSystem(x, y, weights, offset, factors, name, link, n_threads, repeats)
    except ValueError as problem:
        raise cannot_be_set_up(design, problem) from None


def core_link(family: Family) -> str:
    """The name that the core has for the link of a family."""
    return _CORE_LINKS.get(family.link, family.link)


def _generalized(design: Design, order: TermOrder, family: Family) -> tuple[Any, ...]:
    weights = row_weights(design)
    weights = np.ones(len(design.y)) if weights is None else np.ascontiguousarray(weights)
    factors = core_factors(design, order)
    if len(design.x_names) >= FEW_COLUMNS:
        check_core_memory(len(design.x_names), number_of_effects(factors), dense=True)
    return design.x, np.ascontiguousarray(design.y), weights, design.offset, factors, family.kernel, core_link(family)


class LazySystem(Generic[S]):
    """Holds the core's system of a design.

    It is built again after unpickling or loading, when an estimate first needs it.

    Parameters
    ----------
    design : Design
    order : TermOrder
    family : Family or None
        None makes the system of a linear model.
    system : optional
        When there is one already.
    refusal : str, optional
        Why there is none: the sentence of the error where one is needed.
    crossed : optional
        The rows of the iterative solver, for models that it fitted.
    """

    __slots__ = ("_crossed", "_design", "_family", "_order", "_patterns", "_refusal", "_system")

    def __init__(
        self,
        design: Design,
        order: TermOrder,
        family: Family | None = None,
        system: S | None = None,
        refusal: str | None = None,
        crossed: "CrossedSystem | CrossedGlmmSystem | None" = None,
    ):
        self._design, self._order, self._family, self._system = design, order, family, system
        self._refusal, self._crossed = refusal, crossed
        self._patterns: PatternSystem | None = None

    def patterns(self) -> "PatternSystem":
        """Return the pattern moments, forming them if need be."""
        if self._patterns is None:
            self._patterns = build_pattern_system(self._design)
        return self._patterns

    def crossed(self, n_threads: int = 1) -> Any:
        """Return the rows of the iterative solver, sorting them if need be."""
        if self._crossed is None:
            if self._design.sums is not None:
                raise DataError(
                    "the rows of this model were read in batches and are not kept in copies and files, and profiles, "
                    "variances of random effects and predictions need them; fit it again."
                )
            if self._family is not None:
                self._crossed = build_crossed_generalized(self._design, self._order, self._family, n_threads)
            else:
                self._crossed = build_crossed_system(self._design, self._order, n_threads)
        return self._crossed

    def get(self, n_threads: int = 1) -> S:
        """Return the system, building it if need be."""
        if self._refusal is not None:
            raise DataError(self._refusal)
        if self._system is None:
            built: Any
            if self._family is not None:
                built = build_generalized_system(self._design, self._order, self._family, n_threads)
            elif self._design.residual is not None:
                built = build_correlated_system(self._design, self._order, n_threads)
            else:
                built = build_linear_system(self._design, self._order, n_threads)
            self._system = built
        return self._system

    def __getstate__(self) -> tuple[Design, TermOrder, Family | None, str | None]:
        return self._design, self._order, self._family, self._refusal

    def __setstate__(self, state: tuple[Design, TermOrder, Family | None, str | None]) -> None:
        self._design, self._order, self._family, self._refusal = state
        self._system, self._patterns, self._crossed = None, None, None

    def __copy__(self) -> "LazySystem[S]":
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "LazySystem[S]":
        # immutable in effect
        return LazySystem(self._design, self._order, self._family, self._system, self._refusal, self._crossed)
