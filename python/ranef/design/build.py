"""Formula and data to a `Design`."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.data.table import Table
from ranef.design.checks import (
    FEW_COLUMNS,
    Model,
    check_fixed_columns,
    check_members,
    check_names,
    check_random_term,
    check_structure,
    check_written_out,
    constant_effects,
    numbers_as_text,
    similar_levels,
)
from ranef.design.coding import Coder, Layout, fill
from ranef.design.coding_rules import CodingRules
from ranef.design.contrasts import Contrast, parse_contrast
from ranef.design.encoder import Encoder, RandomEncoder, argument_of
from ranef.design.evaluate import Evaluator, State
from ranef.design.factor_notes import polynomial_notes, split_factor_notes
from ranef.design.grouping import Grouping, group_rows, group_variable
from ranef.design.known_matrix import KnownMatrix, LevelRelation, null_directions, relation_of
from ranef.design.level_columns import MANY_LEVELS, LevelColumns, level_columns
from ranef.design.member_rows import all_levels, members_of_rows
from ranef.design.membership import Membership
from ranef.design.parts import PartLayout, without_intercept
from ranef.design.record import Design, ModelRows, RandomTerm, TermRows
from ranef.design.residual import ResidualReader
from ranef.design.response import category_notes, response_values
from ranef.design.rows import (
    NA_ACTIONS,
    RowFilter,
    argument_names,
    check_finite,
    check_weights,
    invented_missing,
    offset_values,
    subset_mask,
    weight_values,
)
from ranef.design.shared_effects import shared_effects_notes
from ranef.design.structures import at_positions
from ranef.design.values import Factor, Floats, Numeric, Vector, as_numbers, from_column, take_rows
from ranef.errors import ArgumentTypeError, ColumnNotFoundError, DesignError, OptionError
from ranef.formula.formula import Formula, expand_dot, parse_formula, require_random, require_response
from ranef.formula.random import RandomExpr
from ranef.formula.residual import ResidualExpr
from ranef.formula.syntax import Name, names_in
from ranef.formula.terms import Term, Variable
from ranef.formula.vocabulary import is_positioned


def build_design(
    formula: "str | Formula",
    table: Any,
    *,
    weights: Any = None,
    offset: Any = None,
    subset: Any = None,
    na_action: str = "omit",
    contrasts: Mapping[str, Any] | None = None,
    coding: CodingRules | None = None,
    response: bool = True,
    model: Model = "lmm",
    residual: ResidualExpr | None = None,
    bars: bool = True,
    known: Mapping[str, KnownMatrix] | None = None,
    parts: Mapping[str, Formula] | None = None,
) -> Design:
    """Turn a formula and data into the arrays of a model.

    Parameters
    ----------
    formula : str or Formula
    table : Table
        Or anything that `Table.from_data` takes.
    weights, offset : str or array, optional
        A column's name, an expression in columns, or one value for each row.
    subset : str or array of bool, optional
        A condition such as ``"Days > 1"``, or a mask. Functions that take means or knots from a
        column (``poly``, ``scale``, splines) take them from all its rows, as in R.
    na_action : {"omit", "exclude", "error"}
        What to do with rows in which a value is missing.
    contrasts : mapping, optional
        Contrasts of factors by name: ``"sum"``, ``"treatment"``, ``"helmert"``, ``"poly"``, or a
        matrix.
    coding : CodingRules, optional
        Coding of the other factors, and whether ``contrasts`` codes random effects; as the settings
        of the session say when left out.
    response : bool
        Whether the response is needed; without it `Design.y` is empty.
    model : {"lmm", "glmm", "drawn", "ordinal"}
        A linear mixed model has a numeric response that varies, and residuals that must be told
        apart from its random effects. A generalised one may have a response of two levels or of two
        columns. A model that is drawn from without a fit may have any numbers of levels. An ordinal
        one has a response of ordered categories, whose thresholds take the place of the intercept.
    residual : ResidualExpr, optional
        Covariance structure of the rows given the random effects.
    bars : bool
        Whether there must be a random term.
    known : mapping, optional
        Matrices of ``known()`` terms by name.
    parts : mapping, optional
        Formulas of linear predictors beside the first, by name.

    Returns
    -------
    Design
    """
    parsed = parse_formula(formula)
    if not isinstance(table, Table):
        table = Table.from_data(table)
    if na_action not in NA_ACTIONS:
        raise OptionError(f"na_action is {na_action!r}; it is one of {', '.join(map(repr, NA_ACTIONS))}.")
    if parsed.has_dot:
        parsed = expand_dot(parsed, table.names)
    if bars:
        require_random(parsed)
    if response:
        require_response(parsed)
    more = [] if residual is None else list(residual.names)
    more += [name for part in (parts or {}).values() for name in part.names]
    table.load([*parsed.names, *more, *argument_names(table, weights, offset, subset)])
    call = {"weights": weights, "offset": offset, "subset": subset, "na_action": na_action, "contrasts": contrasts}
    return DesignBuilder(
        parsed, table, call, model, coding or CodingRules.of_session(), residual, known or {}, parts or {}
    ).build(parsed.response if response else None)


class DesignBuilder:
    """The steps of `build_design`, with what they share."""

    def __init__(
        self,
        formula: Formula,
        table: Table,
        call: dict[str, Any],
        model: Model,
        coding: CodingRules,
        residual: ResidualExpr | None = None,
        known: Mapping[str, KnownMatrix] | None = None,
        parts: Mapping[str, Formula] | None = None,
    ):
        self.formula = formula
        self.table = table
        self.call = call
        self.model = model
        self.coding = coding
        self.ev = Evaluator(table, formula.text)
        self.residual = None if residual is None else ResidualReader(residual, self.ev)
        self.known = known or {}
        self.parts = parts or {}
        self.weights_of_members: dict[str, Floats] = {}
        self.values: dict[str, Vector] = {}
        self.groups: dict[str, Factor] = {}
        self.names: dict[str, str] = {}
        self.notes = [*table.notes, *formula.notes]
        chosen = None if call["subset"] is None else subset_mask(call["subset"], table)
        self.rows = RowFilter(table, chosen, str(call["na_action"]))
        self.kept: NDArray[np.int64] | None = None
        self.matrices: dict[tuple[object, ...], Floats] = {}
        self.grouped: dict[tuple[str, ...], tuple[NDArray[np.int32], Grouping]] = {}
        #: Rows of the data, where those at hand only stand for them.
        self.observations: int | None = None

    def build(self, response: Variable | None) -> Design:
        """Evaluate, code and check everything."""
        formula, call = self.formula, self.call
        y = None if response is None else self._evaluate(response)
        self._evaluate_terms(formula)
        self._evaluate_parts()
        for name, value in () if self.residual is None else self.residual.evaluate():
            self.rows.require(name, value)
        offset, offset_states = self._offset()
        weights, weight_states, weight_label = self._weights()
        self.kept = kept = self.rows.kept()
        self._keep()

        n = self.table.n_rows if kept is None else len(kept)
        levels: tuple[str, ...] | None = None
        outcome = np.empty(0)
        if y is not None and response is not None:
            y = y if kept is None else take_rows(y, kept)
            outcome, levels = response_values(y, response, self.table, kept, self.model)
            if self.model == "ordinal":
                self.notes.extend(category_notes(y, response.name))
        coder = Coder(self.values, self._variables(), self.coding)
        check_fixed_columns(formula.fixed, coder.width, self.observations or n, self.model)
        contrasts = self._contrasts(coder)
        ordinal = self.model == "ordinal"
        layout = coder.layout(formula.fixed, formula.intercept or ordinal, contrasts)
        layout = without_intercept(layout) if ordinal else layout
        check_names(layout.names, "the fixed effects")
        self.notes.extend(polynomial_notes(formula, coder))
        x = self._fixed_columns(coder, layout, n)
        of_random = contrasts if self.coding.random == "given" else {}
        random = [self._random_term(coder, bar, n, of_random) for bar in formula.random]
        made, of_parts = [], []
        for name, f in self.parts.items():
            own = [self._random_term(coder, bar, n, of_random) for bar in f.random]
            columns = without_intercept(coder.layout(f.fixed, True, contrasts))
            made.append(PartLayout(name, f, columns, tuple(encoder for _, encoder in own)))
            of_parts.append(made[-1].with_columns(self._matrix(coder, columns, n), tuple(term for term, _ in own)))
        self.notes.extend(split_factor_notes(formula, coder))
        if self.observations is None:
            self.notes.extend(shared_effects_notes([term for term, _ in random]))
        if offset is not None:
            offset = offset if kept is None else offset[kept]
            check_finite(offset, "offset", self.table, kept)
        if weights is not None:
            weights = weights.copy() if kept is None else weights[kept]
            check_weights(weights, weight_label, self.table, kept)
        encoder = Encoder(
            formula=formula,
            states=self.ev.states,
            fixed=layout,
            levels={label: f.levels for label, f in coder.factors.items()},
            random=tuple(encoder for _, encoder in random),
            offset=argument_of(call["offset"]),
            offset_states=offset_states,
            weights=argument_of(call["weights"]),
            weight_states=weight_states,
            response_levels=levels,
            model=self.model,
            parts=tuple(made),
        )
        return Design(
            formula=formula,
            x_names=layout.names,
            x_assign=layout.assign,
            fixed_terms=tuple(t.label for t in formula.fixed),
            random=tuple(term for term, _ in random),
            encoder=encoder,
            rows=ModelRows(
                y=outcome,
                x=x,
                weights=weights,
                offset=offset,
                n_input=self.table.n_rows,
                kept=kept,
                row_index=self.table.index,
                missing=self.rows.missing,
                missing_counts=tuple(self.rows.counts.items()),
            ),
            notes=tuple(self.notes),
            na_action=str(call["na_action"]),
            response_levels=levels,
            residual=None if self.residual is None else self.residual.rows(kept, n, self.table),
            parts=tuple(of_parts),
        )

    def _evaluate(self, variable: Variable) -> Vector:
        """The value of a variable in all rows; its missing ones are left out."""
        value = self.ev.vector(variable.expr)
        if not isinstance(variable.expr, Name) and not isinstance(value, Factor):
            sources = {c: from_column(self.table.column(c)) for c in names_in(variable.expr) if c in self.table}
            note = invented_missing(variable.name, value, sources, self.table, self.rows.chosen)
            if note is not None:
                self.notes.append(note)
        self.rows.require(variable.name, value)
        return value

    def _evaluate_terms(self, formula: Formula) -> None:
        for term in formula.fixed:
            self._evaluate_term(term)
        for bar in formula.random:
            for term in bar.effects:
                self._evaluate_term(term)
            for variable in bar.grouping:
                self._evaluate_group(variable, bar.members is None)
            self._evaluate_members(bar)

    def _evaluate_parts(self) -> None:
        """The variables of further formulas, whose text messages are about."""
        own = self.ev
        for part in self.parts.values():
            self.ev = Evaluator(self.table, part.text)
            self._evaluate_terms(part)
            own.states.update(self.ev.states)
        self.ev = own

    def _evaluate_term(self, term: Term) -> None:
        for variable in term.variables:
            if variable.label not in self.values:
                self.values[variable.label] = self._evaluate(variable)
                self.names[variable.label] = variable.name
                value = self.values[variable.label]
                if isinstance(variable.expr, Name) and isinstance(value, Factor) and value.text:
                    levels = value.levels.tolist()
                    self.notes.extend(numbers_as_text(variable.name, levels) or similar_levels(variable.name, levels))

    def _evaluate_members(self, bar: RandomExpr) -> None:
        """The weights of several levels of a row; those of members that are there may not be
        missing.
        """
        if bar.members is None or not bar.members.weights:
            return
        for variable, column in zip(bar.members.weights, bar.grouping, strict=True):
            weights = self.ev.numbers(variable.expr).values
            there = self.groups[column.label].codes >= 0
            self.rows.require(variable.name, Numeric(np.where(there, weights, 0.0)))
            self.weights_of_members[variable.label] = weights

    def _evaluate_group(self, variable: Variable, needed: bool = True) -> None:
        if variable.label not in self.groups:
            factor = self.groups[variable.label] = group_variable(self.ev, variable)
            if needed:
                self.rows.require(variable.name, factor)
            expr = variable.expr
            if (
                isinstance(expr, Name)
                and variable.label not in self.values
                and self.table.column(expr.name).codes is not None
            ):
                self.notes.extend(similar_levels(variable.name, factor.levels.tolist()))

    def _variables(self, random: bool = True) -> list[Variable]:
        """The variables of the fixed effects, and of the random ones."""
        terms = [*self.formula.fixed, *(t for part in self.parts.values() for t in part.fixed)]
        if random:
            terms += [t for f in (self.formula, *self.parts.values()) for bar in f.random for t in bar.effects]
        return [v for t in terms for v in t.variables]

    def _offset(self) -> tuple[Floats | None, dict[str, State]]:
        """The sum of all offsets, for every row."""
        parts: list[Floats] = []
        for variable in self.formula.offsets:
            value = self._evaluate(variable)
            if isinstance(value, Factor) or value.values.ndim != 1:
                raise DesignError(f"{variable.name} does not have one number for each row.")
            parts.append(as_numbers(value))
        states: dict[str, State] = {}
        if self.call["offset"] is not None:
            values, states, label = offset_values(self.call["offset"], self.table, beside=self._of_all_rows())
            self.rows.require(label, Numeric(values))
            parts.append(values)
        if not parts:
            return None, states
        return np.sum(parts, axis=0), states

    def _weights(self) -> tuple[Floats | None, dict[str, State], str]:
        if self.call["weights"] is None:
            return None, {}, ""
        found = weight_values(self.call["weights"], self.table, chosen=self.rows.chosen, beside=self._of_all_rows())
        values, states, label = found
        self.rows.require(label, Numeric(values))
        return values, states, label

    def _of_all_rows(self) -> Evaluator | None:
        """What knows about all rows, where those at hand only stand for them."""
        return None if self.observations is None else self.ev

    def _keep(self) -> None:
        """Restrict everything to the rows that are used, and see that they hold finite numbers."""
        kept = self.kept
        if kept is not None:
            self.values = {label: take_rows(v, kept) for label, v in self.values.items()}
            self.groups = {label: replace(f, codes=f.codes[kept]) for label, f in self.groups.items()}
            self.weights_of_members = {label: w[kept] for label, w in self.weights_of_members.items()}
        for label, value in self.values.items():
            if isinstance(value, Numeric):
                check_finite(value.values, self.names[label], self.table, kept)

    def _contrasts(self, coder: Coder) -> dict[str, Contrast]:
        """The argument ``contrasts`` by label of variables."""
        given = self.call["contrasts"]
        if not given:
            return {}
        if not isinstance(given, Mapping):
            raise ArgumentTypeError(f"contrasts is a {type(given).__name__}; give a dict such as {{'f': 'sum'}}.")
        variables = {v.label: v for v in self._variables(random=self.coding.random == "given")}
        by_name = {v.name: v for v in variables.values()}
        where = "effects" if self.coding.random == "given" else "fixed effects"
        out: dict[str, Contrast] = {}
        for key, value in given.items():
            name = str(key)
            variable = variables.get(name) or by_name.get(name)
            if variable is None:
                if name not in self.table:
                    raise ColumnNotFoundError(
                        name, dict.fromkeys([*by_name, *self.table.names]), "the data, for which contrasts are given"
                    )
                parse_contrast(value, name)
                self.notes.append(
                    f"the contrasts of {name!r} have no effect, because it is not a factor of the {where}"
                )
                continue
            if not coder.is_factor(variable):
                raise DesignError(
                    f"contrasts are for factors, and {name!r} is numeric; write factor({name}) in the formula to make "
                    "levels of its values."
                )
            out[variable.label] = parse_contrast(value, name)
        return out

    def _fixed_columns(self, coder: Coder, layout: Layout, n: int) -> Floats | LevelColumns:
        """The fixed effects; of a linear model without writing out very many levels."""
        if self.model == "lmm" and len(layout.names) > MANY_LEVELS:
            arrays = {c.label: coder.array(c.label) for term in layout.terms for c in term}
            columns = level_columns(layout, arrays, n)
            if columns is not None:
                return columns
        if len(layout.names) >= FEW_COLUMNS:
            check_written_out(len(layout.names), n)
        return self._matrix(coder, layout, n)

    def _matrix(self, coder: Coder, layout: Layout, n: int) -> Floats:
        """The columns of a layout. Matrices that would be equal are one."""
        key = layout.key
        matrix = self.matrices.get(key)
        if matrix is None:
            arrays = {c.label: coder.array(c.label) for term in layout.terms for c in term}
            matrix = self.matrices[key] = fill(layout, arrays, n)
        return matrix

    def _random_term(
        self, coder: Coder, bar: RandomExpr, n: int, contrasts: dict[str, Contrast]
    ) -> tuple[RandomTerm, RandomEncoder]:
        check_structure(bar, any(coder.is_factor(v) for t in bar.effects for v in t.variables))
        layout = coder.layout(bar.effects, bar.intercept, contrasts)
        codes, grouping, members, relation = self._levels(bar)
        names, structure = layout.names, bar.structure
        if is_positioned(structure):
            # the one factor of the term has a level for each position
            (column,) = layout.terms[0]
            positions = [str(level) for level in coder.factors[column.label].levels]
            names, structure = tuple(f"({p})" for p in positions), at_positions(structure, positions)
        check_names(names, f"the term ({bar.text})")
        labels = ("(Intercept)", *(t.label for t in bar.effects))
        term = RandomTerm(
            group=self._group_name(bar),
            factors=bar.group,
            levels=grouping.levels,
            names=names,
            structure=structure,
            text=bar.text,
            labels=tuple(labels[i] for i in layout.assign),
            rows=TermRows(codes, self._matrix(coder, layout, n), members),
            split=bar.split,
            relation=relation,
        )
        check_random_term(term, self.observations or n, self.model)
        if self.observations is None:
            self.notes.extend(constant_effects(term))
        return term, RandomEncoder(term.group, grouping, layout, relation, bar.members is not None)

    def _levels(
        self, bar: RandomExpr
    ) -> tuple[NDArray[np.int32] | None, Grouping, Membership | None, LevelRelation | None]:
        """Levels of the rows of a term, the factor, the parts that rows have of several independent
        effects, and how these make up the levels.
        """
        if bar.members is not None or bar.known is not None:
            check_members(bar, self.model, self.residual is not None)
        if bar.members is not None:
            factors = [self.groups[label] for label in bar.group]
            weights = [self.weights_of_members[v.label] for v in bar.members.weights]
            levels = all_levels(factors, weights, bar)
            (members, _), _, _ = members_of_rows(factors, weights, levels)
            return None, Grouping(bar.grouping, levels, (levels,) * len(factors)), members, None
        if bar.group not in self.grouped:
            self.grouped[bar.group] = group_rows(bar.grouping, [self.groups[label] for label in bar.group])
        codes, grouping = self.grouped[bar.group]
        if bar.known is None:
            return codes, grouping, None, None
        matrix = self.known.get(bar.known.name)
        if matrix is None:
            raise DesignError(
                f"the matrix {bar.known.name} of known({bar.text}, {bar.known.name}) is not given; pass it as "
                f"known={{{bar.known.name!r}: matrix}}."
            )
        made = relation_of(bar.known.name, matrix, grouping.levels, bar.group_name, bar.known.inverse)
        relation = replace(made, name=f"{bar.known.name}^-1" if bar.known.inverse else bar.known.name)
        place = {level: i for i, level in enumerate(relation.levels.tolist())}
        own = np.array([place[v] for v in grouping.levels.tolist()], dtype=np.int32)[codes]
        self.notes.extend(matrix.notes)
        if gone := null_directions(relation):
            self.notes.append(
                f"known[{bar.known.name!r}] has no variance in {gone} direction{'s' if gone > 1 else ''}, which "
                f"{'were' if gone > 1 else 'was'} left out"
            )
        related = Grouping(bar.grouping, relation.levels, (relation.levels,))
        return own, related, Membership.of_rows(relation.root(), own), relation

    def _group_name(self, bar: RandomExpr) -> str:
        """What a grouping factor is called;
        with back-quotes only where another would have the same name.
        """
        name = bar.group_name
        twice = any(b.group_name == name and b.group_label != bar.group_label for b in self.formula.random)
        return bar.group_label if twice else name
