"""What a streamed model is asked for, and which rows of a batch it uses."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.data.table import Table
from ranef.design.coding_rules import CodingRules
from ranef.design.evaluate import Evaluator
from ranef.design.grouping import group_variable
from ranef.design.rows import offset_values, subset_mask, weight_values
from ranef.design.summarised import made_factors
from ranef.design.values import Factor, Logical, Numeric, Vector, as_numbers, missing_rows
from ranef.errors import ArgumentTypeError, DataError, DesignError
from ranef.formula.deparse import deparse
from ranef.formula.formula import Formula
from ranef.formula.parser import parse_expression
from ranef.formula.syntax import Call, Expr, names_in, walk
from ranef.formula.terms import Variable

#: Functions that need all rows at once.
WHOLE = ("ave", "length")


class NotStreamedError(DesignError):
    """A model that needs its rows in memory."""


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """The arguments that decide about columns and rows."""

    formula: Formula
    weights: str | None = None
    offset: str | None = None
    subset: str | None = None
    na_action: str = "omit"
    contrasts: Mapping[str, Any] | None = None
    coding: CodingRules | None = None

    def can_be_streamed(self) -> bool:
        """Whether batches give all that the model needs."""
        try:
            self.check()
        except NotStreamedError:
            return False
        return True

    def check(self) -> None:
        """Refuse what batches cannot give."""
        for name in ("weights", "offset", "subset"):
            argument = getattr(self, name)
            if argument is not None and not isinstance(argument, str):
                raise ArgumentTypeError(
                    f"{name} must be the name of a column or an expression in columns where data are streamed, not "
                    f"{type(argument).__name__}."
                )
        for expression, _, _ in self.expressions():
            for part in walk(expression):
                if isinstance(part, Call) and part.function in WHOLE:
                    raise NotStreamedError(_refusal(deparse(part)))

    def expressions(self) -> list[tuple[Expr, bool, str]]:
        """What is evaluated, whether it is among the numbers of the model, as a grouping factor or
        a condition is not, and the text that it is a part of.
        """
        text = self.formula.text
        grouping = [v for bar in self.formula.random for v in bar.grouping]
        numbers = [*self.variables(), *self.formula.offsets]
        out = [*((v.expr, True, text) for v in numbers), *((v.expr, False, text) for v in grouping)]
        given = [(self.weights, True), (self.offset, True), (self.subset, False)]
        texts = [(t, plain) for t, plain in given if isinstance(t, str) and not t.isidentifier()]
        return out + [(parse_expression(t), plain, t) for t, plain in texts]

    def variables(self) -> Iterator[Variable]:
        """Response and effects, each once, in the order of the formula."""
        seen = set()
        terms = [*self.formula.fixed, *(t for bar in self.formula.random for t in bar.effects)]
        for v in [self.formula.response, *(v for t in terms for v in t.variables)]:
            if v is not None and v.label not in seen:
                seen.add(v.label)
                yield v

    def summarised(self, present: Collection[str]) -> tuple[tuple[str, ...], frozenset[str]]:
        """Columns of the fixed effects and offsets, and those of which factors are made."""
        expressions = [v.expr for t in self.formula.fixed for v in t.variables]
        coded = frozenset(name for e in expressions for name in made_factors(e))
        names = [n for e in [*expressions, *(v.expr for v in self.formula.offsets)] for n in names_in(e)]
        if self.offset is not None:
            names += [self.offset] if self.offset in present else names_in(parse_expression(self.offset))
        return tuple(n for n in dict.fromkeys(names) if n in present), coded

    def names(self, table: Table) -> list[str]:
        """Columns of a batch that are used."""
        return self.column_names(table.names)

    def column_names(self, present: Collection[str]) -> list[str]:
        """Columns that are used, of those that there are."""
        wanted = list(self.formula.names)
        for text in (self.weights, self.offset, self.subset):
            if text is not None:
                wanted += [text] if text in present else names_in(parse_expression(text))
        return [n for n in dict.fromkeys(wanted) if n in present]


def _refusal(what: str) -> str:
    return (
        f"{what} needs all rows at once, which streamed data do not have: give data that fit into memory, or compute "
        "the column beforehand."
    )


@dataclass(frozen=True, slots=True, eq=False)
class UsedRows:
    """Which rows of a batch are used.

    Attributes
    ----------
    kept : int64 ndarray
        Their numbers.
    n_input, n_missing : int
        Rows of the batch, and rows left out because a value is missing.
    counts : dict
        In how many of these each variable is missing, all variables in order.
    values, groups : dict
        Values of variables and of those of grouping factors by label, in all rows.
    """

    kept: NDArray[np.int64]
    n_input: int
    n_missing: int
    counts: dict[str, int]
    values: dict[str, Vector]
    groups: dict[str, Factor]


def used_rows(asked: Asked, table: Table, ev: Evaluator) -> UsedRows:
    """Evaluate every variable, and find the rows in which all have a value."""
    n = table.n_rows
    chosen = None if asked.subset is None else subset_mask(asked.subset, table, ev)
    missing = np.zeros(n, dtype=bool)
    counts: dict[str, int] = {}

    def require(name: str, value: Vector) -> None:
        mask = missing_rows(value)
        counts.setdefault(name, 0)
        if mask is not None:
            here = mask if chosen is None else mask & chosen
            counts[name] = int(np.count_nonzero(here))
            np.logical_or(missing, here, out=missing)

    values: dict[str, Vector] = {}
    for v in asked.variables():
        values[v.label] = ev.vector(v.expr)
        require(v.name, values[v.label])
    groups: dict[str, Factor] = {}
    for v in (v for bar in asked.formula.random for v in bar.grouping):
        if v.label not in groups:
            groups[v.label] = group_variable(ev, v)
            require(v.name, groups[v.label])
    for v in asked.formula.offsets:
        require(v.name, Numeric(ev.numbers(v.expr).values))
    if asked.offset is not None:
        numbers, _, label = offset_values(asked.offset, table, beside=ev)
        require(label, Numeric(numbers))
    if asked.weights is not None:
        numbers, _, label = weight_values(asked.weights, table, beside=ev)
        require(label, Numeric(numbers))
    keep = ~missing if chosen is None else chosen & ~missing
    n_missing = int(np.count_nonzero(missing))
    if n_missing and asked.na_action == "error":
        what = ", ".join(f"{name!r} ({count})" for name, count in counts.items() if count)
        raise DataError(f"values are missing: {what}. na_action='omit' drops such rows.")
    return UsedRows(np.flatnonzero(keep), n, n_missing, counts, values, groups)


def level_codes(value: Factor | Logical) -> tuple[NDArray[np.int32], list[str]]:
    """Codes of a value that is coded by levels, and the labels."""
    if isinstance(value, Factor):
        return value.codes, value.levels.tolist()
    return np.nan_to_num(as_numbers(value)).astype(np.int32), ["False", "True"]
