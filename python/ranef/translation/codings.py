"""Factors that are coded otherwise than by differences from the first level, and their R code."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.formula import Variable, deparse, parse_expression, parse_formula
from ranef.formula.deparse import number_text, quoted_name
from ranef.formula.syntax import Argument, Call, Expr, Name, String, without_parens
from ranef.formula.terms import Term
from ranef.formula.vocabulary import CONTRASTS

if TYPE_CHECKING:
    from ranef.design.coding import Coded, Layout
    from ranef.design.record import Design

_FUNCTIONS = {"treatment": "contr.treatment", "sum": "contr.sum", "helmert": "contr.helmert", "poly": "contr.poly"}


@dataclass(frozen=True, slots=True)
class ColumnCoding:
    """The coding of a column of the data.

    Attributes
    ----------
    column : str
    levels : tuple of str
        In the order of the fit.
    of_column : str
        R code of the contrasts that the column has, by which random effects are coded, and fixed
        ones unless the next says otherwise.
    n_columns : int
        How many columns that makes.
    of_fixed : str or None
        R code of the contrasts of the fixed effects, where they have others.
    """

    column: str
    levels: tuple[str, ...]
    of_column: str
    n_columns: int
    of_fixed: str | None = None

    def lines(self, data: str) -> list[str]:
        """R code that gives the column of a data frame this coding."""
        place = f"{data}${quoted_name(self.column)}"
        levels = ", ".join(deparse(String(level)) for level in self.levels)
        how_many = "" if self.n_columns == len(self.levels) - 1 else f", {self.n_columns}"
        return [
            f"{place} <- factor({place}, levels = c({levels}))",
            f"contrasts({place}{how_many}) <- {self.of_column}",
        ]


def column_codings(design: "Design") -> tuple[ColumnCoding, ...]:
    """The codings of the columns of a design, but for those in the formula."""
    fixed = {c.label: c for c in _contrasts(design.encoder.fixed)}
    random = {c.label: c for encoder in design.encoder.random for c in _contrasts(encoder.layout)}
    out = []
    for label in dict.fromkeys((*fixed, *random)):
        expr = parse_expression(label)
        if not isinstance(expr, Name):
            continue
        levels = tuple(map(str, design.encoder.levels[label]))
        if design.encoder.states.get(f"kind {expr.name}", {}).get("kind") == "boolean":
            levels = tuple(level.upper() for level in levels)
        first, second = fixed.get(label), random.get(label)
        of_column = second if second is not None else first
        assert of_column is not None
        assert of_column.basis is not None
        ordered = design.encoder.states.get(f"levels {label}", {}).get("ordered", False)
        same = first is None or first.basis is None or np.array_equal(of_column.basis, first.basis)
        if same and not ordered and is_plain(of_column):
            continue
        out.append(
            ColumnCoding(
                expr.name,
                levels,
                _r_code(of_column),
                of_column.basis.shape[1],
                None if same or first is None else _r_code(first),
            )
        )
    return tuple(out)


def other_codings(design: "Design") -> list[str]:
    """Variables that are coded otherwise than by differences from one level."""
    references = reference_levels(design)
    return list(
        dict.fromkeys(c.name for c in _all_contrasts(design) if not is_plain(c) and references.get(c.label) is None)
    )


def reference_levels(design: "Design") -> dict[str, str]:
    """By label of a column, the level that the others are compared with where it is not the first;
    only where fixed and random effects have the same.
    """
    found: dict[str, set[int | None]] = {}
    for coded in _all_contrasts(design):
        found.setdefault(coded.label, set()).add(_base(coded))
    out = {}
    for label, bases in found.items():
        (base, *others) = bases
        if base and not others and isinstance(parse_expression(label), Name):
            out[label] = str(design.encoder.levels[label][base])
    return out


def _all_contrasts(design: "Design") -> Iterator["Coded"]:
    for layout in (design.encoder.fixed, *(r.layout for r in design.encoder.random)):
        yield from _contrasts(layout)


def _base(coded: "Coded") -> int | None:
    """The place of the level from which the columns are differences; None for other codings."""
    assert coded.basis is not None
    size = len(coded.basis)
    return next((i for i in range(size) if np.array_equal(coded.basis, np.delete(np.eye(size), i, axis=1))), None)


def _contrasts(layout: "Layout") -> Iterator["Coded"]:
    """The factors of a layout that are coded by contrasts."""
    for coded in (c for term in layout.terms for c in term):
        if coded.basis is not None and coded.basis.shape[1] < len(coded.basis):
            yield coded


def is_plain(coded: "Coded") -> bool:
    """Whether the columns are differences from the first level."""
    return _base(coded) == 0


def _r_code(coded: "Coded") -> str:
    """R's call or matrix of a coding."""
    assert coded.basis is not None
    basis: NDArray[np.float64] = coded.basis
    if is_plain(coded):
        return '"contr.treatment"'
    if coded.contrast in _FUNCTIONS:
        return f'"{_FUNCTIONS[coded.contrast]}"'
    if (base := _base(coded)) is not None:
        return f"contr.treatment({len(basis)}, base = {base + 1})"
    numbers = ", ".join(number_text(v) for v in basis.ravel(order="F").tolist())
    return f"matrix(c({numbers}), nrow = {len(basis)})"


def formula_in_r(formula: str) -> str:
    """A formula with the contrasts of ``C()`` as R has them:
    ``C(f, contr.treatment(base = "b"))`` is ``relevel(factor(f), ref = "b")`` there.
    """
    parsed = parse_formula(formula)
    terms: list[Term] = [*parsed.fixed, *(t for bar in parsed.random for t in bar.effects)]
    for variable in dict.fromkeys(v for t in terms for v in t.variables):
        written = _in_r(variable.expr)
        if written is not None:
            formula = formula.replace(variable.label, written)
    return formula


def coded_in_formula(formula: str) -> set[str]:
    """Columns whose contrasts are in the formula."""
    parsed = parse_formula(formula)
    terms: list[Term] = [*parsed.fixed, *(t for bar in parsed.random for t in bar.effects)]
    calls = [without_parens(v.expr) for t in terms for v in t.variables]
    return {
        Variable.of(without_parens(c.arguments[0].value)).name
        for c in calls
        if isinstance(c, Call) and c.function == "C" and len(c.arguments) > 1
    }


def _in_r(expr: Expr) -> str | None:
    """A coded variable in R's words; None where they are the same.

    R's ``C()`` does not take text, which ``factor()`` does.
    """
    inner = without_parens(expr)
    if not isinstance(inner, Call) or inner.function != "C" or len(inner.arguments) < 2:
        return None
    first, given, *rest = inner.arguments
    column = first if isinstance(first.value, Call) else Argument(Call("factor", (first,)))
    contrast = without_parens(given.value)
    if isinstance(contrast, Name) and contrast.name == "contr.sdif":
        return deparse(Call("C", (column, Argument(Call("contr.sdif", (), "MASS")), *rest))).replace("sdif()", "sdif")
    if isinstance(contrast, Call) and contrast.function == "contr.treatment":
        base = next((a.value for a in contrast.arguments if a.keyword == "base"), None)
        if base is not None and isinstance(without_parens(base), String):
            return deparse(Call("relevel", (column, Argument(base, "ref"))))
        rest = rest if base is None else [*rest, Argument(base, "base")]
        given = Argument(Name("contr.treatment"))
    elif isinstance(contrast, Call) and contrast.function in CONTRASTS:
        given = Argument(Name(contrast.function))
    return deparse(Call("C", (column, given, *rest)))
