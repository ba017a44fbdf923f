"""New rows in the columns of a fit."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ranef.data.table import Table
from ranef.design.checks import Model
from ranef.design.coding import Coded, Layout, fill
from ranef.design.evaluate import Evaluator, State
from ranef.design.grouping import Grouping, group_new_rows, group_variable
from ranef.design.known_matrix import LevelRelation
from ranef.design.member_rows import members_of_rows, related_rows
from ranef.design.parts import PartLayout
from ranef.design.record import Elsewhere, NewRandom, NewRows
from ranef.design.rows import argument_names, check_finite, offset_values, row_name, weight_values
from ranef.design.values import (
    Factor,
    Floats,
    Logical,
    Mask,
    Numeric,
    Vector,
    as_factor,
    as_numbers,
    map_levels,
    missing_rows,
)
from ranef.errors import ColumnNotFoundError, DataError, DesignError, NewLevelError
from ranef.formula.formula import Formula
from ranef.formula.random import RandomExpr
from ranef.formula.syntax import names_in
from ranef.formula.terms import Variable
from ranef.formula.vocabulary import is_positioned

ARRAY = "<array>"
"""Stands for an argument that was given as an array, so that new rows have no values of it."""


def argument_of(argument: Any) -> str | None:
    """What an encoder keeps of ``weights`` or ``offset``."""
    if argument is None:
        return None
    return argument if isinstance(argument, str) else ARRAY


@dataclass(frozen=True, slots=True, eq=False)
class RandomEncoder:
    """One random-effects term: its grouping factor and its columns.

    Attributes
    ----------
    group : str
    grouping : Grouping
    layout : Layout
    relation : LevelRelation or None
        How a matrix relates the levels.
    has_members : bool
        Whether rows have several levels, in the variables of the grouping.
    """

    group: str
    grouping: Grouping
    layout: Layout
    relation: LevelRelation | None = None
    has_members: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Encoder:
    """Everything that was learned from the data of the fit: levels, contrasts, centres, knots.

    Attributes
    ----------
    formula : Formula
    states : dict
        What functions and columns learned, by text.
    fixed : Layout
    levels : dict
        By label, the levels of the factors among the effects.
    random : tuple of RandomEncoder
    offset, weights : str or None
        The arguments of those names, if they were text; ``"<array>"`` if they were arrays.
    offset_states, weight_states : dict
        What functions in them learned.
    response_levels : tuple of str or None
    model : {"lmm", "glmm", "drawn", "ordinal"}
    parts : tuple of PartLayout
        Of linear predictors beside the first.
    """

    formula: Formula
    states: dict[str, State]
    fixed: Layout
    levels: dict[str, NDArray[np.object_]]
    random: tuple[RandomEncoder, ...]
    offset: str | None = None
    offset_states: dict[str, State] | None = None
    weights: str | None = None
    weight_states: dict[str, State] | None = None
    response_levels: tuple[str, ...] | None = None
    model: Model = "lmm"
    parts: tuple[PartLayout, ...] = ()

    def new_rows(
        self,
        data: Any,
        *,
        random: "Literal['all', 'none'] | Sequence[int]" = "all",
        offset: Any = None,
        need_offset: bool = True,
        need_response: bool = False,
        need_weights: bool = False,
        new_positions: bool = False,
    ) -> NewRows:
        """Make the columns of the fit from new data.

        Parameters
        ----------
        data : Table, or anything that `Table.from_data` takes
            Only columns that are needed are read: those of the fixed effects, and of the random
            terms that are asked for.
        random : {"all", "none"} or sequence of int
            Random terms, by position in `Design.random`.
        offset : str or array, optional
            Takes the place of the argument ``offset`` of the fit.
        need_offset : bool
            Whether an offset that cannot be computed is an error.
        need_response, need_weights : bool
            Whether these are wanted too.
        new_positions : bool
            Whether terms at positions may have new ones; an error otherwise.

        Returns
        -------
        NewRows

        Raises
        ------
        ColumnNotFoundError
            If a column is missing.
        NewLevelError
            If a factor of the effects has a level that was not in the data of the fit. New levels
            of grouping factors are not errors here.
        """
        table = data if isinstance(data, Table) else Table.from_data(data)
        try:
            wanted = _NewRows(self, table, new_positions)
            return wanted.make(self._chosen(random), offset, need_offset, need_response, need_weights)
        except ColumnNotFoundError as problem:
            where = "the new data"
            if problem.name in self._grouping_only():
                where += " (re='population' predicts without it)"
            raise ColumnNotFoundError(problem.name, table.names, where) from None

    def _grouping_only(self) -> set[str]:
        """Columns that only grouping factors are made of."""
        formula = self.formula
        own = [*formula.fixed, *(t for part in self.parts for t in part.formula.fixed)]
        fixed = {n for t in own for v in t.variables for n in names_in(v.expr)}
        effects = {n for b in formula.random for t in b.effects for v in t.variables for n in names_in(v.expr)}
        return {n for b in formula.random for v in b.grouping for n in names_in(v.expr)} - fixed - effects

    def _chosen(self, random: "str | Sequence[int]") -> tuple[int, ...]:
        if isinstance(random, str):
            return tuple(range(len(self.random))) if random == "all" else ()
        return tuple(random)


class _NewRows:
    """The steps of `Encoder.new_rows`, with what they share."""

    def __init__(self, encoder: Encoder, table: Table, new_positions: bool):
        self.encoder, self.new_positions = encoder, new_positions
        self.table = table
        self.ev = Evaluator(table, encoder.formula.text, encoder.states)
        self.arrays: dict[str, NDArray[Any]] = {}
        self.missing: Mask | None = None
        self.matrices: dict[tuple[object, ...], Floats] = {}
        self.groups: dict[str, Factor] = {}
        self.variables: dict[str, Variable] = {}

    def make(
        self, random: tuple[int, ...], offset: Any, need_offset: bool, need_response: bool, need_weights: bool
    ) -> NewRows:
        encoder, formula = self.encoder, self.encoder.formula
        self.table.load(self._names(random, offset, need_response, need_weights))
        self.variables = {v.label: v for t in formula.fixed for v in t.variables}
        self.variables |= {v.label: v for part in encoder.parts for t in part.formula.fixed for v in t.variables}
        self.variables |= {v.label: v for i in random for t in formula.random[i].effects for v in t.variables}
        x = self._matrix(encoder.fixed)
        parts = tuple(self._matrix(part.layout) for part in encoder.parts)
        columns = [self._effects(encoder.random[i], formula.random[i]) for i in random]
        terms: list[NewRandom] = []
        for i, (z, elsewhere) in zip(random, columns, strict=True):
            term = self._random(i, encoder.random[i], formula.random[i], z)
            terms.append(term if elsewhere is None else replace(term, elsewhere=elsewhere))
        total = self._offset(offset, need_offset)
        y = self._response() if need_response else None
        weights = self._weights() if need_weights else None
        return NewRows(x, total, tuple(terms), self.missing, self.table.index, y, weights, parts)

    def _effects(self, made: RandomEncoder, expr: RandomExpr) -> tuple[Floats, Elsewhere | None]:
        """Columns of a term; of one at positions, rows at places that the fit has no effect of have
        none, and these places follow.
        """
        if not is_positioned(expr.structure) or not self.new_positions:
            return self._matrix(made.layout), None
        (column,) = made.layout.terms[0]
        value = self.ev.vector(self.variables[column.label].expr)
        self._flag(value)
        levels = self.encoder.levels[column.label]
        mapped = map_levels(as_factor(value, column.label), levels)
        out = np.zeros((self.table.n_rows, len(levels)))
        known = np.flatnonzero((mapped.codes >= 0) & (mapped.codes < len(levels)))
        out[known, mapped.codes[known]] = 1.0
        rows = np.flatnonzero(mapped.codes >= len(levels))
        if not len(rows):
            return out, None
        places = [[float(v) for v in str(mapped.levels[c]).split(",")] for c in mapped.codes[rows]]
        return out, (rows, np.array(places))

    def _random(self, i: int, made: RandomEncoder, expr: RandomExpr, columns: Floats) -> NewRandom:
        """One term: the levels of the rows, or their members."""
        factors = self._group_factors(made.grouping)
        if made.has_members:
            assert expr.members is not None
            weights = [self.ev.numbers(v.expr).values for v in expr.members.weights]
            rows, unseen, absent = members_of_rows(factors, weights, made.grouping.levels)
            self.missing = absent if self.missing is None else self.missing if absent is None else self.missing | absent
            known, extended = rows
            return NewRandom(i, known, columns, extended, unseen, 0)
        codes, extended_codes, unseen, n_missing = group_new_rows(made.grouping, factors)
        if made.relation is None:
            return NewRandom(i, codes, columns, extended_codes, unseen, n_missing)
        related, extended = related_rows(made.relation, codes, extended_codes)
        return NewRandom(i, related, columns, extended, unseen, n_missing)

    def _names(self, random: tuple[int, ...], offset: Any, need_response: bool, need_weights: bool) -> list[str]:
        formula, encoder = self.encoder.formula, self.encoder
        variables = [v for t in formula.fixed for v in t.variables] + list(formula.offsets)
        variables += [v for part in encoder.parts for t in part.formula.fixed for v in t.variables]
        for i in random:
            variables += formula.random[i].variables
        if need_response and formula.response is not None:
            variables.append(formula.response)
        names = [n for v in variables for n in names_in(v.expr)]
        argument = offset if offset is not None else encoder.offset
        for text in (argument, encoder.weights if need_weights else None):
            if isinstance(text, str) and text != ARRAY:
                names += argument_names(self.table, text)
        return names

    def _matrix(self, layout: Layout) -> Floats:
        matrix = self.matrices.get(layout.key)
        if matrix is None:
            for term in layout.terms:
                for coded in term:
                    if coded.label not in self.arrays:
                        self.arrays[coded.label] = self._array(coded)
            matrix = self.matrices[layout.key] = fill(layout, self.arrays, self.table.n_rows)
        return matrix

    def _array(self, coded: Coded) -> NDArray[Any]:
        """The numbers of a variable, or the codes of its levels in the fit."""
        variable = self.variables[coded.label]
        value = self.ev.vector(variable.expr)
        self._flag(value)
        levels = self.encoder.levels.get(coded.label)
        if levels is not None:
            return self._codes(as_factor(value, variable.name), levels, variable.name)
        if isinstance(value, Factor | Logical):
            raise DataError(f"{variable.name!r} was numeric in the data of the fit and is not in the new data.")
        check_finite(value.values, variable.name, self.table, None)
        return value.values

    def _codes(self, factor: Factor, levels: NDArray[np.object_], name: str) -> NDArray[np.int32]:
        mapped = map_levels(factor, levels)
        if len(mapped.levels) > len(levels) and len(mapped.codes) and int(mapped.codes.max()) >= len(levels):
            rows = np.flatnonzero(mapped.codes >= len(levels))
            new = list(dict.fromkeys(mapped.levels[mapped.codes[rows]].tolist()))
            shown = ", ".join(map(repr, new[:5])) + (", …" if len(new) > 5 else "")
            known = ", ".join(map(repr, levels[:10].tolist())) + (", …" if len(levels) > 10 else "")
            raise NewLevelError(
                f"the factor {name!r} has {'levels' if len(new) > 1 else 'the level'} {shown} in the new data "
                f"({row_name(self.table, int(rows[0]))}), for which the fit has no effect. Its levels are {known}."
            )
        return mapped.codes

    def _flag(self, value: Vector) -> None:
        mask = missing_rows(value)
        if mask is not None:
            self.missing = mask if self.missing is None else self.missing | mask

    def _group_factors(self, grouping: Grouping) -> list[Factor]:
        for variable in grouping.variables:
            if variable.label not in self.groups:
                self.groups[variable.label] = group_variable(self.ev, variable)
        return [self.groups[v.label] for v in grouping.variables]

    def _offset(self, given: Any, needed: bool) -> Floats | None:
        """The sum of the offsets of the formula and of the argument."""
        encoder = self.encoder
        parts: list[Floats] = [self.ev.numbers(variable.expr).values for variable in encoder.formula.offsets]
        if given is not None:
            parts.append(offset_values(given, self.table)[0])
        elif encoder.offset == ARRAY:
            if needed:
                raise DesignError(
                    "the model was fitted with an offset given as an array, so the offset of new rows is not known. "
                    "Pass it: offset=, as an array for the new rows or the name of a column. An offset that is a "
                    "column of the data, or an expression in columns, is found by itself."
                )
        elif encoder.offset is not None:
            parts.append(offset_values(encoder.offset, self.table, encoder.offset_states)[0])
        for part in parts:
            self._flag(Numeric(part))
        return np.sum(parts, axis=0) if parts else None

    def _response(self) -> Floats:
        response = self.encoder.formula.response
        if response is None:
            raise DesignError("the formula has no response.")
        value = self.ev.vector(response.expr)
        if self.encoder.response_levels is not None:
            levels = np.array(self.encoder.response_levels, dtype=object)
            codes = self._codes(as_factor(value, response.name), levels, response.name)
            return np.where(codes < 0, np.nan, codes)
        if isinstance(value, Factor):
            raise DataError(
                f"the response {response.name!r} was numeric in the data of the fit and is not in the new data."
            )
        return np.array(as_numbers(value), dtype=np.float64)

    def _weights(self) -> Floats | None:
        encoder = self.encoder
        if encoder.weights is None:
            return None
        if encoder.weights == ARRAY:
            raise DesignError(
                "the model was fitted with weights given as an array, so the weights of new rows are not known. Give "
                "the weights of the fit as a column of the data or an expression in columns."
            )
        return weight_values(encoder.weights, self.table, encoder.weight_states)[0]
