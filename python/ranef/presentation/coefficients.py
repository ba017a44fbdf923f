"""The table of fixed effects: which columns are rounded together, and how far.

Estimates, standard errors and degrees of freedom share one number of decimals, set by the smallest
of them, as in R; where that would take scientific notation, degrees of freedom are in fixed
notation with decimals of their own. A column never has both notations, but for p-values. Test
statistics are rounded to a fixed number of decimals; p-values come last, with their marks.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranef.presentation.abbreviate import abbreviate
from ranef.presentation.numbers import (
    EPSILON,
    STAR_LEGEND,
    format_degrees_of_freedom,
    format_numbers,
    format_p_values,
    round_decimals,
    stars,
)
from ranef.presentation.text_table import WIDTH, broken_label, filled_lines, table_lines, text_width

#: The legend of the marks, in parts that stay on one line.
_LEGEND = f"Signif. codes:  {STAR_LEGEND}".replace("’ ", "’\n").splitlines()


@dataclass(frozen=True, slots=True, eq=False)
class CoefficientTable:
    """Fixed effects with their standard errors and tests.

    Attributes
    ----------
    names : tuple of str
        The coefficients.
    columns : tuple of str
        Headings: "Estimate" (of ratios "OR" and the like), "Std. Error", then what was computed of
        "df", "t value" or "z value", "Pr(>|t|)" or "Pr(>|z|)".
    values : ndarray, shape (p, columns)
        The numbers.
    """

    names: tuple[str, ...]
    columns: tuple[str, ...]
    values: NDArray[np.float64]

    def column(self, heading: str) -> NDArray[np.float64]:
        """Return one column."""
        return np.asarray(self.values[:, self.columns.index(heading)], dtype=np.float64)

    @property
    def p_column(self) -> str | None:
        """Heading of the p-values, None without."""
        return next((c for c in self.columns if c.startswith("Pr(")), None)


def has_marks(table: CoefficientTable) -> bool:
    """Whether some p-value is small enough to be marked."""
    return table.p_column is not None and any(stars(p).strip() for p in table.column(table.p_column).tolist())


def format_coefficients(table: CoefficientTable, digits: int = 4) -> list[list[str]]:
    """Return the cells of the table, one list for each row;
    the marks of p-values, if any, make a last, extra column.

    Parameters
    ----------
    table : CoefficientTable
        The numbers.
    digits : int, default 4
        Significant digits of estimates.
    """
    if not table.names:
        return []
    test_decimals = max(1, min(5, digits - 1))
    cells: dict[str, list[str]] = {}
    together = [c for c in table.columns if c != table.p_column and not c.endswith(" value")]
    estimates = [c for c in together if c != "df"]
    cells |= _formatted(table, together, digits)
    if "df" in together and _scientific(cells["df"]):
        # Large degrees of freedom beside small estimates.
        cells |= _formatted(table, estimates, digits)
        cells["df"] = format_degrees_of_freedom(table.column("df").tolist(), digits)
    for heading in table.columns:
        values = table.column(heading).tolist()
        if heading == table.p_column:
            cells[heading] = format_p_values(values, test_decimals, EPSILON, na="NaN")
        elif heading not in cells:
            cells[heading] = format_numbers([round_decimals(x, test_decimals) for x in values], digits)
    rows = [list(row) for row in zip(*(cells[c] for c in table.columns), strict=True)]
    if has_marks(table):
        marks = [stars(p) for p in table.column(str(table.p_column)).tolist()]
        width = max(len(m) for m in marks)
        for row, mark in zip(rows, marks, strict=True):
            row.append(mark.ljust(width))
    return rows


def _formatted(table: CoefficientTable, headings: Sequence[str], digits: int) -> dict[str, list[str]]:
    """Texts of columns that share one number of decimals."""
    values = np.concatenate([table.column(c) for c in headings]).tolist()
    sizes = [abs(x) for x in values if math.isfinite(x) and x != 0.0]
    smallest = 1 + math.floor(math.log10(min(sizes))) if sizes else 0
    texts = format_numbers([round_decimals(x, max(1, digits - smallest)) for x in values], digits)
    n = len(table.names)
    return {c: texts[i * n : (i + 1) * n] for i, c in enumerate(headings)}


def _scientific(texts: Sequence[str]) -> bool:
    return any("e" in text for text in texts)


def coefficient_lines(
    table: CoefficientTable, digits: int = 4, *, legend: bool = True, width: int = WIDTH
) -> list[str]:
    """Lay out the table of fixed effects as text,
    with the legend of the marks when there are any.

    Columns that do not fit into the width continue below, as in R, but names of more than half a
    line are broken instead. Where that is not enough they are shortened to leave room for a column.
    """
    rows = format_coefficients(table, digits)
    marked = has_marks(table)
    columns = [*table.columns, *([""] if marked else [])]
    beside = sum(1 + max(map(text_width, column)) for column in zip(columns, *rows, strict=True)) if rows else 0
    broken = [broken_label(name, width - 1 - beside) for name in table.names]
    if max(map(text_width, table.names), default=0) > width // 2 and any(len(lines) > 1 for lines in broken):
        labels = [line for lines in broken for line in lines]
        below = [""] * len(columns)
        cells = [c for lines, row in zip(broken, rows, strict=True) for c in [row, *[below] * (len(lines) - 1)]]
        return [*table_lines(labels, columns, cells, right=True, width=width), *_legend(legend and marked, width)]
    room = width - 2 - max((text_width(text) for row in (columns, *rows) for text in row), default=0)
    names = abbreviate(table.names, room) if max(map(text_width, table.names), default=0) > room else table.names
    return [*table_lines(names, columns, rows, right=True, width=width), *_legend(legend and marked, width)]


def _legend(shown: bool, width: int) -> list[str]:
    return ["---", *filled_lines(_LEGEND, width=width)] if shown else []
