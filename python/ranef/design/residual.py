"""What ``correlation=`` and ``variance=`` mean for the rows of the data: blocks, positions, groups
and covariates.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.data.labels import as_objects
from ranef.data.table import Table
from ranef.design.evaluate import Evaluator
from ranef.design.grouping import group_rows, group_variable
from ranef.design.rows import check_finite, row_name
from ranef.design.values import Factor, Logical, Numeric, Vector, as_factor, as_numbers, map_levels, take_rows
from ranef.errors import DataError, DesignError
from ranef.formula.residual import CorrelationExpr, ResidualExpr, VarianceExpr
from ranef.formula.terms import Variable

Floats = NDArray[np.float64]
Codes = NDArray[np.int32]

#: Rows of one block above which its matrix is refused: it is dense, and each step factors it.
LARGEST_BLOCK = 5000

#: Cells of block and level for each row up to which rows are counted by cell, which sorting them
#: takes longer than.
CELLS = 16


@dataclass(frozen=True, slots=True, eq=False)
class Coordinate:
    """One coordinate of the positions.

    Attributes
    ----------
    name : str
    levels : ndarray of str objects or None
        Of a factor, whose codes the positions are.
    """

    name: str
    levels: NDArray[np.object_] | None


@dataclass(frozen=True, slots=True, eq=False)
class VarianceRows:
    """A variance function for the rows.

    Attributes
    ----------
    function : str
    strata : ndarray of str objects
        Labels of groups with parameters of their own; a single empty one where there are none.
    x : ndarray of shape (n,)
        The covariate; zeros where it has none. Of fitted values those of the last round.
    codes : ndarray of shape (n,)
        Stratum of every row.
    name : str
        Name of the covariate, for people.
    fitted : bool
        Whether the covariate is the fitted values.
    """

    function: str
    strata: NDArray[np.object_]
    x: Floats
    codes: Floats
    name: str
    fitted: bool


@dataclass(frozen=True, slots=True, eq=False)
class ResidualRows:
    """Covariance structure of the rows given the random effects, with the data it needs.

    Attributes
    ----------
    expr : ResidualExpr
        What the user wrote.
    subject : int32 ndarray of shape (n,)
        Block of every row.
    subject_levels : ndarray of str objects
        Labels of the blocks; a single empty one where all rows are one, none where every row is a
        block of its own.
    position : ndarray of shape (n, d)
        Position of every row in its block; codes of levels where the coordinate is a factor.
    coordinates : tuple of Coordinate
        None where positions are the order of the rows.
    group : int32 ndarray of shape (n,)
        Group of the block, with parameters of its own.
    group_levels : ndarray of str objects
    variances : tuple of VarianceRows
    """

    expr: ResidualExpr
    subject: Codes
    subject_levels: NDArray[np.object_]
    position: Floats
    coordinates: tuple[Coordinate, ...]
    group: Codes
    group_levels: NDArray[np.object_]
    variances: tuple[VarianceRows, ...]

    @property
    def n_levels(self) -> int:
        """Number of levels of the positions; of whole numbers the largest distance and one."""
        if not len(self.position):
            return 0
        if self.coordinates and self.coordinates[0].levels is not None:
            return len(self.coordinates[0].levels)
        first = self.position[:, 0]
        return int(np.ptp(first)) + 1 if np.isfinite(first).all() and np.ptp(first) < 1e6 else 0

    @property
    def most(self) -> int:
        """Rows of the largest block."""
        return int(np.bincount(self.subject).max()) if len(self.subject) else 0

    def take(self, rows: NDArray[np.intp], copy: NDArray[np.int64] | None = None) -> "ResidualRows":
        """The same of some rows, which may be repeated; blocks of another copy are their own."""
        keys = self.subject[rows].astype(np.int64)
        if copy is not None:
            keys = keys + copy * (int(self.subject.max()) + 1)
        present, subject = np.unique(keys, return_inverse=True)
        levels = self.subject_levels
        if len(levels):
            levels = levels[present % (int(self.subject.max()) + 1)]
        return replace(
            self,
            subject=subject.reshape(-1).astype(np.int32),
            subject_levels=levels,
            position=np.ascontiguousarray(self.position[rows]),
            group=np.ascontiguousarray(self.group[rows]),
            variances=tuple(replace(v, x=v.x[rows], codes=v.codes[rows]) for v in self.variances),
        )

    def level_labels(self) -> list[str]:
        """Labels of the levels of the positions."""
        if self.coordinates and self.coordinates[0].levels is not None:
            return [str(v) for v in self.coordinates[0].levels.tolist()]
        first = float(self.position[:, 0].min()) if len(self.position) else 0.0
        return [f"{first + i:g}" for i in range(self.n_levels)]


class ResidualReader:
    """Evaluates the variables of a structure, beside those of the formula.

    Parameters
    ----------
    expr : ResidualExpr
    ev : Evaluator
        That of the data.
    """

    def __init__(self, expr: ResidualExpr, ev: Evaluator):
        self.expr = expr
        self.ev = ev
        self.values: dict[str, Vector] = {}
        self.groups: dict[str, Factor] = {}

    def evaluate(self) -> list[tuple[str, Vector]]:
        """The value of every variable, for what is missing to be found."""
        c = self.expr.correlation
        for v in () if c is None else c.coordinates:
            self.values[v.label] = self.ev.vector(v.expr)
        for f in self.expr.variance:
            if f.of is not None:
                self.values[f.of.label] = self.ev.vector(f.of.expr)
        grouping = [] if c is None else [*c.subject, *c.by]
        for v in dict.fromkeys([*grouping, *(v for f in self.expr.variance for v in f.by)]):
            self.groups[v.label] = group_variable(self.ev, v)
        named = {v.label: v.name for v in self.expr.variables}
        return [(named[k], value) for k, value in [*self.values.items(), *self.groups.items()]]

    def rows(self, kept: NDArray[np.int64] | None, n: int, table: Table) -> ResidualRows:
        """The structure for the rows that are used."""
        if kept is not None:
            self.values = {k: take_rows(v, kept) for k, v in self.values.items()}
            self.groups = {k: Factor(f.codes[kept], f.levels) for k, f in self.groups.items()}
        c = self.expr.correlation
        variances = tuple(self._variance(f, n, kept, table) for f in self.expr.variance)
        if c is None:
            subject = np.arange(n, dtype=np.int32)
            nothing = as_objects([])
            one = as_objects([""])
            return ResidualRows(
                self.expr, subject, nothing, np.zeros((n, 1)), (), np.zeros(n, dtype=np.int32), one, variances
            )
        subject, levels = self._codes(c.subject, n)
        group, group_levels = self._codes(c.by, n)
        position, coordinates = self._positions(c, subject, n, kept, table)
        out = ResidualRows(self.expr, subject, levels, position, coordinates, group, group_levels, variances)
        check_positions(out, kept, table)
        return out

    def _codes(self, variables: tuple[Variable, ...], n: int) -> tuple[Codes, NDArray[np.object_]]:
        if not variables:
            return np.zeros(n, dtype=np.int32), as_objects([""])
        codes, grouping = group_rows(variables, [self.groups[v.label] for v in variables])
        return np.ascontiguousarray(codes, dtype=np.int32), grouping.levels

    def _positions(
        self, c: CorrelationExpr, subject: Codes, n: int, kept: NDArray[np.int64] | None, table: Table
    ) -> tuple[Floats, tuple[Coordinate, ...]]:
        if not c.coordinates:
            return order_within(subject)[:, None], ()
        columns: list[Floats] = []
        coordinates: list[Coordinate] = []
        for v in c.coordinates:
            value = self.values[v.label]
            if c.kind.spatial and isinstance(value, Factor):
                raise DesignError(
                    f"{v.name} in {c.code} is text or a factor, whose levels have no distances: {c.structure}() needs "
                    "a column of numbers. For levels that are one step apart use ar1()."
                )
            if isinstance(value, Factor | Logical) or c.kind.levels or not c.homogeneous:
                factor = as_factor(value, v.name)
                used, levels = (factor.codes.astype(float), factor.levels) if c.kind.keep else _used(factor)
                columns.append(used)
                coordinates.append(Coordinate(v.name, levels))
                continue
            numbers = as_numbers(value)
            if numbers.ndim != 1:
                raise DesignError(f"{v.name} in {c.code} does not have one number for each row.")
            check_finite(numbers, v.name, table, kept)
            columns.append(numbers)
            coordinates.append(Coordinate(v.name, None))
        return np.ascontiguousarray(np.column_stack(columns)), tuple(coordinates)

    def _variance(self, f: VarianceExpr, n: int, kept: NDArray[np.int64] | None, table: Table) -> VarianceRows:
        codes, strata = self._codes(f.by, n)
        if f.of is None:
            return VarianceRows(
                f.function, strata, np.ones(n) if f.fitted else np.zeros(n), codes.astype(float), "fitted", f.fitted
            )
        value = self.values[f.of.label]
        if isinstance(value, Factor):
            raise DesignError(
                f"{f.of.name} in {f.code} is not numeric; a variance for each of its levels is by_group({f.of.name})."
            )
        x = as_numbers(value)
        check_finite(x, f.of.name, table, kept)
        check_covariate(f, x, kept, table)
        return VarianceRows(f.function, strata, np.ascontiguousarray(x), codes.astype(float), f.of.name, False)


def _used(factor: Factor) -> tuple[Floats, NDArray[np.object_]]:
    """Codes of a position: all its levels keep their place, so that gaps count, but for those that
    never occur.
    """
    present = np.flatnonzero(np.bincount(factor.codes[factor.codes >= 0], minlength=len(factor.levels)))
    place = np.full(len(factor.levels) + 1, -1.0)
    place[present] = np.arange(len(present))
    return place[factor.codes], factor.levels[present]


def order_within(subject: Codes) -> Floats:
    """Number of each row within its block, from 0."""
    order = np.argsort(subject, kind="stable")
    sorted_codes = subject[order]
    starts = np.flatnonzero(np.r_[True, sorted_codes[1:] != sorted_codes[:-1]])
    lengths = np.diff(np.r_[starts, len(order)])
    out = np.empty(len(order))
    out[order] = np.arange(len(order)) - np.repeat(starts, lengths)
    return out


def check_covariate(f: VarianceExpr, x: Floats, kept: NDArray[np.int64] | None, table: Table) -> None:
    """See that the covariate of a variance function can be one."""
    if f.function == "exponential":
        return
    bad = x <= 0 if f.function == "fixed" else x == 0
    if f.function == "const_power":
        return
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        row = row if kept is None else int(kept[row])
        name = "" if f.of is None else f.of.name
        what = "not positive" if f.function == "fixed" else "zero"
        advice = (
            ""
            if f.function == "fixed"
            else (
                f" A power of zero gives a standard deviation of zero or infinity; use const_power({name}), or "
                f"{f.function}({name} + c) with a constant c."
            )
        )
        raise DataError(f"{name} in {f.code} is {what} in {row_name(table, row)}.{advice}")


def check_positions(rows: ResidualRows, kept: NDArray[np.int64] | None, table: Table) -> None:
    """See that a correlation structure can have these positions."""
    c = rows.expr.correlation
    assert c is not None
    if rows.most > LARGEST_BLOCK:
        raise DesignError(
            f"{c.code} has a block of {rows.most:,} correlated rows; its matrix is dense, and more than "
            f"{LARGEST_BLOCK:,} rows are refused. Give blocks, as in {c.structure}(position | group)."
        )
    if rows.most == 1:
        raise DesignError(
            f"{c.code} has one row in every block, so there is nothing to correlate; name the block after the bar, as "
            "in ar1(time | subject)."
        )
    # groups are the same for all rows of a block
    first = np.full(int(rows.subject.max()) + 1, -1, dtype=np.int32)
    first[rows.subject[::-1]] = rows.group[::-1]
    if (first[rows.subject] != rows.group).any():
        row = int(np.flatnonzero(first[rows.subject] != rows.group)[0])
        label = rows.subject_levels[rows.subject[row]]
        raise DesignError(f"the block {label!r} of {c.code} is in several groups, by which its parameters differ.")
    if c.kind.whole and rows.coordinates and rows.coordinates[0].levels is None:
        bad = np.flatnonzero(rows.position[:, 0] != np.round(rows.position[:, 0]))
        if len(bad):
            row = int(bad[0] if kept is None else kept[bad[0]])
            raise DataError(
                f"{rows.coordinates[0].name} in {c.code} is {rows.position[bad[0], 0]:g} in {row_name(table, row)}; "
                f"positions of {c.structure}() are whole numbers. For any times use car1()."
            )
    if not rows.coordinates or (not c.kind.order_matters and c.homogeneous):
        return
    if c.kind.spatial and c.nugget:
        return
    if _in_cells_of_their_own(rows):
        return
    order = np.lexsort([*rows.position.T[::-1], rows.subject])
    same = (rows.subject[order][1:] == rows.subject[order][:-1]) & (
        rows.position[order][1:] == rows.position[order][:-1]
    ).all(axis=1)
    if same.any():
        at = int(np.flatnonzero(same)[0])
        a, b = (int(i if kept is None else kept[i]) for i in sorted((order[at], order[at + 1])))
        coordinate = rows.coordinates[0]
        value = rows.position[order[at], 0]
        shown = f"{value:g}" if coordinate.levels is None else str(coordinate.levels[int(value)])
        block = rows.subject_levels[rows.subject[order[at]]]
        where = f"block {block!r}" if block else "the data"
        what = (
            "rows at one place have the correlation 1; nugget=True lets them differ"
            if c.kind.spatial and c.structure != "car1"
            else "a block has at most one row at a position"
        )
        raise DataError(
            f"{where} has two rows at {coordinate.name} = {shown}: {row_name(table, a)} and {row_name(table, b)}. In "
            f"{c.code} {what}."
        )


def _in_cells_of_their_own(rows: ResidualRows) -> bool:
    """Whether counting shows that no block has two rows at a level."""
    levels = rows.coordinates[0].levels
    if levels is None or rows.position.shape[1] > 1:
        return False
    blocks = int(rows.subject.max()) + 1
    if blocks * len(levels) > CELLS * len(rows.subject):
        return False
    cells = rows.subject * np.int64(len(levels)) + rows.position[:, 0].astype(np.int64)
    return int(np.bincount(cells).max()) <= 1


@dataclass(frozen=True, slots=True, eq=False)
class NewResidualRows:
    """The same for new rows, in the codes of the fit.

    Attributes
    ----------
    subject : int32 ndarray of shape (m,)
        -1 where the block is new or missing.
    block : int ndarray of shape (m,)
        Which rows are of one block, new ones too; -1 where it is missing.
    position : ndarray of shape (m, d)
        NaN where it is missing, or a level that the fit does not have.
    group : int32 ndarray of shape (m,)
    variances : tuple of (covariate, stratum)
        -1 for strata that the fit does not have.
    """

    subject: Codes
    block: NDArray[np.intp]
    position: Floats
    group: Codes
    variances: tuple[tuple[Floats, Floats], ...]


def new_residual_rows(rows: ResidualRows, table: Any, states: dict[str, Any], text: str) -> NewResidualRows:
    """Positions, blocks and covariates of new rows.

    Rows whose position is the order of the rows have none of their own.
    """
    table = table if isinstance(table, Table) else Table.from_data(table)
    table.load(list(rows.expr.names))
    ev = Evaluator(table, text, states)
    c, n = rows.expr.correlation, table.n_rows

    def codes(variables: tuple[Variable, ...], levels: NDArray[np.object_]) -> Codes:
        if not variables:
            return np.zeros(n, dtype=np.int32)
        factors = [group_variable(ev, v) for v in variables]
        if len(factors) == 1:
            found = map_levels(factors[0], levels).codes
            return np.where(found < len(levels), found, -1).astype(np.int32)
        joined = [":".join(labels) for labels in zip(*(f.levels[f.codes].tolist() for f in factors), strict=True)]
        place = {label: i for i, label in enumerate(levels.tolist())}
        return np.array([place.get(j, -1) for j in joined], dtype=np.int32)

    def blocks(variables: tuple[Variable, ...]) -> NDArray[np.intp]:
        factors = [group_variable(ev, v) for v in variables]
        if not factors:
            return np.zeros(n, dtype=np.intp)
        table_of_codes = np.stack([f.codes for f in factors], axis=1)
        found = np.unique(table_of_codes, axis=0, return_inverse=True)[1].reshape(-1)
        return np.where((table_of_codes < 0).any(axis=1), -1, found).astype(np.intp)

    def position(v: Variable, coordinate: Coordinate) -> Floats:
        value = ev.vector(v.expr)
        if coordinate.levels is None:
            return as_numbers(value) if isinstance(value, Numeric | Logical) else np.full(n, np.nan)
        found = map_levels(as_factor(value, v.name), coordinate.levels).codes
        return np.where((found >= 0) & (found < len(coordinate.levels)), found, np.nan).astype(float)

    subject, block = np.full(n, -1, dtype=np.int32), np.arange(n)
    group = np.zeros(n, dtype=np.int32)
    places: Sequence[Floats] = [np.full(n, np.nan)]
    if c is not None:
        subject, group = codes(c.subject, rows.subject_levels), codes(c.by, rows.group_levels)
        block = blocks(c.subject)
        if rows.coordinates:
            places = [position(v, k) for v, k in zip(c.coordinates, rows.coordinates, strict=True)]
    variances = []
    for f, own in zip(rows.expr.variance, rows.variances, strict=True):
        x = np.zeros(n)
        if f.of is not None:
            value = ev.vector(f.of.expr)
            x = np.full(n, np.nan) if isinstance(value, Factor) else as_numbers(value)
        variances.append((x, codes(f.by, own.strata).astype(float)))
    return NewResidualRows(subject, block, np.column_stack(places), group, tuple(variances))
