"""Expressions to values: names, arithmetic, comparisons;
function calls go to `ranef.design.functions`.

What a function takes from the data of the fit (means, knots, levels, ...) is kept in `states`
under the text of the call, so that the same function is applied to new rows.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NoReturn

import numpy as np

from ranef.data.table import Table
from ranef.design.values import (
    MOST_NUMBERS,
    Factor,
    Floats,
    Logical,
    Mask,
    Numeric,
    Scalar,
    Value,
    Vector,
    as_factor,
    as_numbers,
    from_column,
    map_levels,
)
from ranef.errors import DataError
from ranef.formula.deparse import deparse
from ranef.formula.syntax import Binary, Call, Constant, Expr, Name, Number, Paren, String, Unary
from ranef.formula.tokens import fail

State = dict[str, Any]
"""What one function or column learned from the data of the fit: plain values and arrays."""

_CONSTANTS: dict[str, Scalar] = {"pi": np.pi, "T": True, "F": False}
_RESERVED: dict[str, Scalar] = {"TRUE": True, "FALSE": False, "NULL": None, "NA": np.nan, "NaN": np.nan, "Inf": np.inf}
_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "^": lambda a, b: np.asarray(a) ** b, "%%": np.mod,
    "%/%": np.floor_divide,
}  # fmt: skip
_COMPARISON: dict[str, Callable[[Any, Any], Any]] = {
    "==": np.equal, "!=": np.not_equal, "<": np.less, ">": np.greater, "<=": np.less_equal, ">=": np.greater_equal,
}  # fmt: skip


class Evaluator:
    """Evaluates expressions over one table.

    Parameters
    ----------
    table : Table
    text : str
        The formula or expression, for messages.
    states : dict, optional
        What was learned from the data of the fit. Left out when this is the fit: then it is filled.
    """

    __slots__ = ("learning", "states", "table", "text")

    def __init__(self, table: Table, text: str, states: dict[str, State] | None = None):
        self.table = table
        self.text = text
        self.learning = states is None
        self.states: dict[str, State] = {} if states is None else states

    def beside(self, text: str) -> "Evaluator":
        """The evaluator of another expression, which knows what this one knows."""
        return Evaluator(self.table, text, self.states)

    def value(self, node: Expr) -> Value:
        """Evaluate an expression."""
        if isinstance(node, Name):
            return self._name(node)
        if isinstance(node, Number):
            return node.value
        if isinstance(node, String):
            return node.value
        if isinstance(node, Constant):
            return _RESERVED[node.word]
        if isinstance(node, Paren):
            return self.value(node.inner)
        if isinstance(node, Call):
            from ranef.design.functions import call_function

            return call_function(self, node)
        if isinstance(node, Unary):
            return self._unary(node)
        return self._binary(node)

    def vector(self, node: Expr) -> Vector:
        """Evaluate an expression that must have a value for each row; a constant is repeated."""
        return self._vector_of(self.value(node), node)

    def _vector_of(self, value: Value, node: Expr) -> Vector:
        if isinstance(value, Numeric | Logical | Factor):
            return value
        if isinstance(value, bool | float | int):
            return Numeric(np.full(self.table.n_rows, float(value)))
        self.fail(f"{deparse(node)} has no value for each row.", node)

    def numbers(self, node: Expr) -> Numeric:
        """Evaluate an expression that must be numbers for each row."""
        return self.numbers_of(self.value(node), node)

    def numbers_of(self, value: Value, node: Expr) -> Numeric:
        """Numbers for each row from the value of an expression.

        Evaluated a second time, calls within calls would take twice as long with each.
        """
        value = self._vector_of(value, node)
        if isinstance(value, Factor):
            what = deparse(node)
            self.fail(
                f"{what} is a factor, and numbers are needed here. If its levels are numbers, "
                f"as.numeric(as.character({what})) gives them.",
                node,
            )
        return value if isinstance(value, Numeric) else Numeric(as_numbers(value))

    def truth(self, node: Expr) -> Logical:
        """Evaluate an expression that must be true or false for each row."""
        return self._truth_of(self.value(node), node)

    def _truth_of(self, value: Value, node: Expr) -> Logical:
        if isinstance(value, bool):
            return Logical(np.full(self.table.n_rows, value))
        logical = _as_logical(value) if isinstance(value, Numeric | Logical) else None
        if logical is None:
            self.fail(f"{deparse(node)} is not true or false.", node)
        return logical

    def state(self, node: Expr, learn: Callable[[], State]) -> State:
        """What a call learned from the data of the fit."""
        key = deparse(node)
        state = self.states.get(key)
        if state is None:
            state = self.states[key] = learn()
        return state

    def fail(self, message: str, node: Expr) -> NoReturn:
        """Raise a `FormulaError` that marks a part of the expression."""
        fail(message, self.text, *node.span)

    def known_levels(self, factor: Factor, node: Expr) -> Factor:
        """A factor with the levels that the same expression had in the fit first,
        and others after them.
        """
        key = f"levels {deparse(node)}"
        if self.learning:
            self.states.setdefault(key, {"levels": factor.levels, "ordered": factor.ordered})
            return factor
        state = self.states.get(key)
        if state is None:
            return factor
        mapped = map_levels(factor, state["levels"])
        return replace(mapped, ordered=state["ordered"])

    def _name(self, node: Name) -> Value:
        name = node.name
        if name in _CONSTANTS and name not in self.table:
            return _CONSTANTS[name]
        column = self.table.column(name)
        if column.kind == "datetime":
            raise DataError(
                f"column {name!r} holds dates or times, which a model cannot use. Make it a number first, such as the "
                f"days since the first one: (data[{name!r}] - data[{name!r}].min()).dt.days in pandas, with "
                ".dt.total_days() at the end in polars."
            )
        value = from_column(column)
        if self.learning:
            if isinstance(value, Factor):
                self.states[f"levels {deparse(node)}"] = {"levels": value.levels, "ordered": value.ordered}
            else:
                self.states[f"kind {name}"] = {"kind": column.kind}
            return value
        return self._as_in_the_fit(node, value)

    def _as_in_the_fit(self, node: Name, value: Vector) -> Vector:
        """A column of new data as the kind of thing it was in the fit."""
        name = node.name
        if f"levels {deparse(node)}" in self.states:
            return self.known_levels(as_factor(value, name), node)
        kind = self.states.get(f"kind {name}", {}).get("kind")
        if isinstance(value, Factor) and kind is not None:
            what = "numbers" if kind == "numeric" else "truth values"
            if not len(value.levels):  # nothing but missing values
                return Numeric(np.full(len(value.codes), np.nan))
            raise DataError(
                f"column {name!r} held {what} in the data of the fit, and holds text or categories in the new data."
            )
        if kind == "boolean" and isinstance(value, Numeric):
            logical = _as_logical(value)
            if logical is None:
                raise DataError(
                    f"column {name!r} held truth values in the data of the fit, and holds other numbers than 0 and 1 "
                    "in the new data."
                )
            return logical
        return value

    def _unary(self, node: Unary) -> Value:
        if node.operator == "!":
            value = self.value(node.operand)
            if isinstance(value, bool):
                return not value
            logical = self._truth_of(value, node.operand)
            return Logical(~logical.values, logical.absent)
        if node.operator == "~":
            self.fail("a formula has one '~', between the response and the predictors.", node)
        value = self.value(node.operand)
        if isinstance(value, bool | float):
            return -value if node.operator == "-" else +value
        numeric = self.numbers_of(value, node.operand)
        return Numeric(-numeric.values, numeric.suffixes) if node.operator == "-" else numeric

    def _binary(self, node: Binary) -> Value:
        operator = node.operator
        if operator in _ARITHMETIC:
            return self._arithmetic(node)
        if operator in _COMPARISON:
            return self._compare(node)
        if operator in ("&", "&&", "|", "||"):
            return self._combine(node)
        if operator == "%in%":
            return self._member(node)
        if operator == ":":
            return self._range(node)
        self.fail(f"{operator!r} has no meaning here.", node)

    def _arithmetic(self, node: Binary) -> Value:
        left, right = self._operand(node.left), self._operand(node.right)
        suffixes = None
        a: Floats | float
        b: Floats | float
        if isinstance(left, Numeric) and isinstance(right, Numeric):
            a, b = _aligned(left.values, right.values)
            if a.ndim == b.ndim == 2 and a.shape[1] != b.shape[1] and 1 not in (a.shape[1], b.shape[1]):
                self.fail(f"{a.shape[1]} columns on one side do not go with {b.shape[1]} on the other.", node)
            suffixes = left.suffixes or right.suffixes
        else:
            a = left.values if isinstance(left, Numeric) else left
            b = right.values if isinstance(right, Numeric) else right
            suffixes = (
                left.suffixes if isinstance(left, Numeric) else right.suffixes if isinstance(right, Numeric) else None
            )
        with np.errstate(all="ignore"):
            out = _ARITHMETIC[node.operator](a, b)
        if not isinstance(left, Numeric) and not isinstance(right, Numeric):
            return float(out)
        return Numeric(out, suffixes)

    def _operand(self, node: Expr) -> Numeric | float:
        value = self.value(node)
        if isinstance(value, bool | float | int):
            return float(value)
        return self.numbers_of(value, node)

    def _compare(self, node: Binary) -> Value:
        left, right = self.value(node.left), self.value(node.right)
        operation = _COMPARISON[node.operator]
        if isinstance(left, Factor) or isinstance(right, Factor):
            return self._compare_levels(node, left, right)
        if isinstance(left, str) or isinstance(right, str):
            # As in R, numbers compared with text are taken as text.
            if not isinstance(left, Numeric | Logical) and not isinstance(right, Numeric | Logical):
                self.fail("two constants are compared here; one side should be a column.", node)
            return self._compare_levels(node, _labelled(left), _labelled(right))
        a, b = self._operand(node.left), self._operand(node.right)
        if isinstance(a, float) and isinstance(b, float):
            return bool(operation(a, b))
        first = a.values if isinstance(a, Numeric) else a
        second = b.values if isinstance(b, Numeric) else b
        if any(isinstance(side, np.ndarray) and side.ndim == 2 for side in (first, second)):
            self.fail("comparisons take one column on each side.", node)
        absent = np.zeros(self.table.n_rows, dtype=bool)
        for side in (first, second):
            absent |= np.isnan(side)
        return Logical(operation(first, second), absent if absent.any() else None)

    def _compare_levels(self, node: Binary, left: Value, right: Value) -> Value:
        """Compare a factor with a label, a number standing for its label, or another factor."""
        operator = node.operator
        if not isinstance(left, Factor):
            left, right = right, left
            operator = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}.get(operator, operator)
        assert isinstance(left, Factor)
        absent = left.codes < 0
        if isinstance(right, Vector):
            if operator not in ("==", "!="):
                self.fail("two factors can only be compared by == and !=.", node)
            other = map_levels(as_factor(right, ""), left.levels)
            absent = absent | (other.codes < 0)
            same = left.codes == other.codes
            return Logical(same if operator == "==" else ~same, absent if absent.any() else None)
        if isinstance(right, list) or right is None:
            self.fail("a factor is compared with one of its levels; several are given by %in% c(...).", node)
        label = level_label(right)
        if operator in ("==", "!="):
            chosen = np.append(left.levels == label, False)[left.codes].astype(bool)
            return Logical(chosen if operator == "==" else ~chosen, absent if absent.any() else None)
        if left.ordered:
            places = np.flatnonzero(left.levels == label)
            if not len(places):
                self.fail(f"{label!r} is not a level of this factor.", node)
            return Logical(_COMPARISON[operator](left.codes, places[0]), absent if absent.any() else None)
        self.fail("levels of a factor without order can only be compared by == and !=.", node)

    def _combine(self, node: Binary) -> Value:
        left, right = self.truth(node.left), self.truth(node.right)
        both = node.operator[0] == "&"
        values = left.values & right.values if both else left.values | right.values
        if left.absent is None and right.absent is None:
            return Logical(values)
        nothing = np.zeros(len(values), dtype=bool)
        a, b = (nothing if s.absent is None else s.absent for s in (left, right))
        # A false side settles "and", a true one settles "or", whatever the other is.
        settled = (~left.values & ~a) | (~right.values & ~b) if both else (left.values & ~a) | (right.values & ~b)
        absent = (a | b) & ~settled
        return Logical(np.where(a | b, settled & (not both), values), absent if absent.any() else None)

    def _member(self, node: Binary) -> Value:
        left, right = self.value(node.left), self.value(node.right)
        choices: list[Scalar] = right if isinstance(right, list) else []
        if isinstance(right, Numeric | Logical | Factor):
            self.fail("to the right of %in% stands c(...) of constants.", node.right)
        if not isinstance(right, list):
            choices = [right]
        if any(isinstance(c, str) for c in choices):
            left = _labelled(left)
        if isinstance(left, Factor):
            labels = {level_label(c) for c in choices}
            chosen = np.array([*(level in labels for level in left.levels.tolist()), False], dtype=bool)
            return Logical(chosen[left.codes])
        if any(isinstance(c, str) for c in choices):
            self.fail("text can be compared with factors and text columns only.", node)
        return Logical(
            np.isin(self.numbers_of(left, node.left).values, [float(c) for c in choices if isinstance(c, bool | float)])
        )

    def _range(self, node: Binary) -> Value:
        low, high = self.value(node.left), self.value(node.right)
        if isinstance(low, float) and isinstance(high, float):
            if not abs(high - low) < MOST_NUMBERS:
                self.fail(f"this sequence has over {MOST_NUMBERS:,} numbers.", node)
            step = 1 if high >= low else -1
            return [float(v) for v in np.arange(low, high + step / 2, step)]
        if isinstance(low, Factor) and isinstance(high, Factor):
            from ranef.design.factors import crossed

            return self.known_levels(crossed([low, high], ":"), node)
        self.fail("':' makes a sequence of two numbers, or the interaction of two factors.", node)


def level_label(value: Scalar) -> str:
    """The label of a level given as text, a number or a truth value."""
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else f"{value:.15g}"
    return str(value)


def _labelled(value: Value) -> Value:
    """Numbers and truth values as levels."""
    return as_factor(value, "") if isinstance(value, Numeric | Logical) else value


def _as_logical(value: Numeric | Logical) -> Logical | None:
    """Truth values of 0 and 1; None for other numbers."""
    if isinstance(value, Logical):
        return value
    absent: Mask = np.isnan(value.values)
    if not bool(((value.values == 0) | (value.values == 1) | absent).all()):
        return None
    return Logical(value.values == 1, absent if absent.any() else None)


def _aligned(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """Let one column go with each of several."""
    if a.ndim == b.ndim:
        return a, b
    return (a[:, None], b) if a.ndim == 1 else (a, b[:, None])
