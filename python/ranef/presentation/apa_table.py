"""One model as the American Psychological Association has tables of regressions: coefficients with
standard errors, intervals and tests side by side, random effects and fit below, one note.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ranef.presentation.column_rows import (
    LEAST,
    UNDEFINED_NOTE,
    fit_rows,
    fixed_text,
    random_rows,
    row_decimals,
    unled,
    without_correlation,
)
from ranef.presentation.document import Document, Grid
from ranef.presentation.forms import TableForms
from ranef.presentation.model_column import ModelColumn, PartColumn
from ranef.presentation.regression_table import RegressionTable
from ranef.presentation.term_labels import label_of

if TYPE_CHECKING:
    import pandas as pd

#: Decimals of test statistics and their degrees of freedom, and the smallest p-value in figures.
_TEST, _SMALLEST = 2, 0.001

#: Headings that are statistical symbols.
_SYMBOLS = ("b", "SE", "t", "z", "df", "p")

_DEGREES = {
    "satterthwaite": "by Satterthwaite's method",
    "kenward-roger": "by Kenward and Roger's method",
    "kenward-roger-linear": "by Kenward and Roger's linear method",
    "between-within": "between or within subjects",
    "residual": "those of the residuals",
    "clusters": "the number of clusters less one",
}


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ApaTable(TableForms):
    """One model in the layout of the American Psychological Association.

    It has the forms of a `RegressionTable`.

    Attributes
    ----------
    model : ModelColumn
        Its limits go by the distribution of its tests.
    labels : mapping
        Text for names of coefficients, effects and grouping factors.
    level : float
        Level of intervals.
    digits : int
        Significant digits of a standard error; all numbers of its row have as many decimals, at
        least two.
    statistics : tuple of str
        The statistics below.
    title : str
    """

    model: ModelColumn
    labels: Mapping[str, str]
    level: float
    digits: int
    statistics: tuple[str, ...]
    title: str

    def to_frame(self) -> "pd.DataFrame":
        """Return the numbers.

        Returns
        -------
        DataFrame
            As of a `RegressionTable`, with ``statistic`` and ``df`` before ``p_value`` where there
            are any.
        """
        m = self.model
        whole = RegressionTable((m,), self.labels, "ci", self.level, {}, self.digits, self.statistics, self.title)
        frame = whole.to_frame().drop(columns="model")
        if m.tests is None:
            return frame
        tests = [m.tests, *(part.tests for part in m.parts if part.tests is not None)]
        for name in ("statistic",) if m.ddf == "none" else ("statistic", "df"):
            values = np.concatenate([getattr(t, name) for t in tests])
            column = np.full(len(frame), np.nan)
            column[: len(values)] = values  # effects come first
            frame.insert(frame.columns.tolist().index("p_value"), name, column)
        return frame

    @property
    def notes(self) -> tuple[str, ...]:
        """What must be known to read the table, in one paragraph."""
        m = self.model
        text = [f"CI = confidence interval; SD = standard deviation. The model is {m.formula}."]
        family = f"; {m.family}" if m.family else ""
        text.append(f"Estimated by {m.method}{family}.")
        if m.ddf is not None and m.ddf != "none":
            text.append(f"Degrees of freedom are {_DEGREES[m.ddf]}.")
        if m.ratios is not None:
            text.append(f"{m.ratios.note}.")
        text += [f"{remark[0].upper()}{remark[1:]}" for remark in m.remarks]
        if without_correlation([m]):
            text.append(UNDEFINED_NOTE)
        return (" ".join(text),)

    def _document(self) -> Document:
        m = self.model
        columns = self._columns()
        blank = ("",) * (len(columns) - 1)
        parts = [
            (m.heading, self._effects(m)),
            *((p.heading, self._effects(p)) for p in m.parts),
            ("Random effects", [(t, (c[0], *blank)) for t, c in random_rows([m], self.labels, self.digits, apa=True)]),
            (
                "Fit",
                [(t, (c[0], *blank)) for t, c in fit_rows([m], self.labels, self.statistics, self.digits, apa=True)],
            ),
        ]
        rows: list[tuple[str, ...]] = []
        sections = []
        for label, below in parts:
            if below:
                sections.append(len(rows))
                rows += [(label, "", *blank), *((text, *cells) for text, cells in below)]
        symbols = tuple(j + 1 for j, c in enumerate(columns) if c in _SYMBOLS)
        grid = Grid("", ("", *columns), tuple(rows), 1, sections=tuple(sections), symbols=symbols, aligned=True)
        return Document(self.title, (), (grid,), self.notes, lead="Note.")

    def _columns(self) -> tuple[str, ...]:
        m = self.model
        head = "b" if m.ratios is None else m.ratios.head
        columns = [head, "SE", f"{100 * self.level:g} % CI"]
        if m.tests is not None:
            degrees = m.ddf != "none"
            columns += ["t", "df", "p"] if degrees else ["z", "p"]
        return tuple(columns)

    def _effects(self, m: ModelColumn | PartColumn) -> list[tuple[str, tuple[str, ...]]]:
        rows = []
        for j, term in enumerate(m.terms):
            decimals = row_decimals([float(m.std_error[j])], self.digits, LEAST)
            b, se, low, high = (fixed_text(float(v[j]), decimals) for v in (m.estimate, m.std_error, m.lower, m.upper))
            cells = [b, se, f"[{low}, {high}]"]
            if m.tests is not None and m.p_value is not None:
                cells.append(fixed_text(float(m.tests.statistic[j]), _TEST))
                cells += [] if self.model.ddf == "none" else [fixed_text(float(m.tests.df[j]), _TEST)]
                cells.append(_p_text(float(m.p_value[j])))
            rows.append((label_of(term, self.labels), tuple(cells)))
        return rows


def _p_text(p: float) -> str:
    if math.isnan(p):
        return ""
    return "< .001" if p < _SMALLEST else unled(fixed_text(p, 3))


def apa_title(m: ModelColumn) -> str:
    """What the table is called by default."""
    kind = f"{m.kind[0].upper()}{m.kind[1:]}"
    return f"{kind} of {m.response}" if m.response else kind
