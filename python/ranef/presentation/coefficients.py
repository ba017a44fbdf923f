"""The table of fixed effects: which columns are rounded together, and how far.

Estimates, standard errors and degrees of freedom share one number of decimals, set by the smallest
of them; test statistics are rounded to a fixed number of decimals; p-values come last, with their
marks.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranef.presentation.numbers import (
    EPSILON,
    STAR_LEGEND,
    format_numbers,
    format_p_values,
    round_decimals,
    stars,
)
from ranef.presentation.text_table import table_lines


@dataclass(frozen=True, slots=True, eq=False)
class CoefficientTable:
    """Fixed effects with their standard errors and tests.

    Attributes
    ----------
    names : tuple of str
        The coefficients.
    columns : tuple of str
        Headings: "Estimate", "Std. Error", then what was computed of "df", "t value" or "z value",
        "Pr(>|t|)" or "Pr(>|z|)".
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
    estimates = np.concatenate([table.column(c) for c in together]).tolist()
    sizes = [abs(x) for x in estimates if math.isfinite(x) and x != 0.0]
    smallest = 1 + math.floor(math.log10(min(sizes))) if sizes else 0
    rounded = [round_decimals(x, max(1, digits - smallest)) for x in estimates]
    texts = _show_nonzero(estimates, format_numbers(rounded, digits), max(1, digits - 1))
    for i, heading in enumerate(together):
        cells[heading] = texts[i * len(table.names) : (i + 1) * len(table.names)]
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


def _show_nonzero(values: Sequence[float], texts: Sequence[str], digits: int) -> list[str]:
    """Replace texts that read as zero by ones that show the number, where it is not zero."""
    hidden = [i for i, x in enumerate(values) if math.isfinite(x) and x != 0.0 and float(texts[i]) == 0.0]
    out = list(texts)
    for i, text in zip(hidden, format_numbers([values[i] for i in hidden], digits), strict=True):
        out[i] = text
    return out


def coefficient_lines(table: CoefficientTable, digits: int = 4, *, legend: bool = True) -> list[str]:
    """Lay out the table of fixed effects as text,
    with the legend of the marks when there are any.
    """
    rows = format_coefficients(table, digits)
    marked = has_marks(table)
    columns = [*table.columns, *([""] if marked else [])]
    lines = table_lines(table.names, columns, rows, right=True)
    if legend and marked:
        lines += ["---", f"Signif. codes:  {STAR_LEGEND}"]
    return lines
