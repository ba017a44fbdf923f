"""A summary as a small document of titled tables, the common ground of HTML, Markdown and LaTeX."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ranef.presentation.alignment import tails
from ranef.presentation.coefficients import CoefficientTable, format_coefficients, has_marks
from ranef.presentation.numbers import STAR_LEGEND, format_fixed, format_numbers, zap_small
from ranef.presentation.random_effects import STD_DEV, VARIANCE, VarianceBlock, format_variances
from ranef.presentation.summary_text import QUANTILE_NAMES, correlation_cells

if TYPE_CHECKING:
    from ranef.presentation.summary import Summary


@dataclass(frozen=True, slots=True)
class Grid:
    """A table of texts.

    Attributes
    ----------
    caption : str
        What it shows.
    columns : tuple of str
        Headings.
    rows : tuple of tuples of str
        Cells, one tuple for each row, without padding.
    labels : int
        How many of the first columns are labels; the others hold numbers.
    remark : str
        The remark below it, or an empty text.
    sections : tuple of int
        Rows that head those below them.
    symbols : tuple of int
        Columns whose heading is a symbol, which is set in italics.
    aligned : bool
        Whether numbers of a column are aligned by their decimal points, else by their right ends.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    labels: int
    remark: str = ""
    sections: tuple[int, ...] = ()
    symbols: tuple[int, ...] = ()
    aligned: bool = False

    def tails(self) -> list[list[str]]:
        """The room that each cell of each row is given at its right (see `alignment`)."""
        if not self.aligned:
            return [[""] * len(row) for row in self.rows]
        columns = [
            tails([row[j] for row in self.rows]) if j >= self.labels else [""] * len(self.rows)
            for j in range(len(self.columns))
        ]
        return [list(row) for row in zip(*columns, strict=True)] if self.rows else []


@dataclass(frozen=True, slots=True)
class Document:
    """Title, facts with their labels, tables, and remarks at the end.

    Attributes
    ----------
    title : str
    facts : tuple of (str, str)
        Labels and texts.
    grids : tuple of Grid
    remarks : tuple of str
    lead : str
        A word in italics before the first remark, such as "Note.".
    """

    title: str
    facts: tuple[tuple[str, str], ...]
    grids: tuple[Grid, ...]
    remarks: tuple[str, ...]
    lead: str = ""


def summary_document(summary: "Summary") -> Document:
    """Arrange a summary as a document; labels are given in full."""
    facts = [("Formula", summary.call.formula), *summary.call.labelled()]
    if summary.family is not None:
        facts.insert(0, ("Family", " ".join(summary.family.split())))
    facts.append(("Observations", str(summary.n_obs) if summary.rows_used is None else summary.rows_used))
    if summary.visits is not None:
        facts += summary.visits.facts()
        middle = [_fixed(summary), *_visits(summary)]
    else:
        if summary.groups:
            facts.append(("Groups", "; ".join(f"{name}, {count}" for name, count in summary.groups)))
        middle = [_random(summary), _fixed(summary)]
    middle += [coefficient_grid(heading, table, summary.digits) for heading, table in summary.parts]
    grids = [_criteria(summary), _residuals(summary), *middle, _correlation(summary)]
    return Document(
        title=summary.title,
        facts=tuple(facts),
        grids=tuple(g for g in grids if g is not None),
        remarks=(*(f"note: {note}" for note in summary.remarks), summary.verdict),
    )


def _criteria(summary: "Summary") -> Grid:
    c = summary.criteria
    values = {"AIC": c.aic, "BIC": c.bic, "logLik": c.log_lik}
    if c.ml_deviance is not None and c.reml_deviance is not None:
        values |= {"MLdeviance": c.ml_deviance, "REMLdeviance": c.reml_deviance}
    else:
        values |= {"REML criterion" if c.reml else "deviance": c.objective}
    values = {name: v for name, v in values.items() if not math.isnan(v)}  # a pseudo-likelihood has no AIC
    cells = [text.strip() for v in values.values() for text in format_fixed([v], 1)]
    return Grid("Fit", (*values, "df.resid"), ((*cells, str(c.df_resid)),), 0)


def _residuals(summary: "Summary") -> Grid | None:
    if summary.residual_quantiles is None:
        return None
    quantiles = zap_small(np.asarray(summary.residual_quantiles, dtype=np.float64).tolist(), summary.digits + 1)
    return Grid("Scaled residuals", QUANTILE_NAMES, (_stripped(format_numbers(quantiles, summary.digits)),), 0)


def _random(summary: "Summary") -> Grid:
    caption = "Random effects" if summary.random else "Residual"
    return variance_grid(caption, summary.random, summary.sigma, summary.digits)


def _visits(summary: "Summary") -> list[Grid]:
    assert summary.visits is not None
    return [Grid(caption, columns, tuple(rows), 1) for caption, columns, rows in summary.visits.tables(summary.digits)]


def variance_grid(caption: str, blocks: Sequence[VarianceBlock], sigma: float | None, digits: int) -> Grid:
    """The variance components; parameters as of `format_variances`."""
    rows = format_variances(blocks, sigma, digits)
    width = max((len(row.correlations) for row in rows), default=0)
    columns = ("Groups", "Name", VARIANCE, STD_DEV, *(("Corr",) + ("",) * (width - 1) if width else ()))
    return Grid(
        caption,
        columns,
        tuple(
            _stripped(
                (r.group, r.name, *r.components, *r.correlations, *("" for _ in range(width - len(r.correlations))))
            )
            for r in rows
        ),
        2,
    )


def _fixed(summary: "Summary") -> Grid | None:
    return coefficient_grid(summary.fixed_heading, summary.fixed, summary.digits) if summary.fixed.names else None


def coefficient_grid(caption: str, table: CoefficientTable, digits: int) -> Grid:
    """A table of coefficients with their tests."""
    marked = has_marks(table)
    rows = format_coefficients(table, digits)
    return Grid(
        caption,
        ("", *table.columns, *(("",) if marked else ())),
        tuple((name, *_stripped(row)) for name, row in zip(table.names, rows, strict=True)),
        1,
        f"Signif. codes: {STAR_LEGEND}" if marked else "",
    )


def _correlation(summary: "Summary") -> Grid | None:
    if not summary.correlation_shown:
        return None
    names = summary.fixed.names
    p = len(names)
    rows = tuple(
        (names[i + 1], *_stripped(row), *("" for _ in range(p - 1 - len(row))))
        for i, row in enumerate(correlation_cells(summary))
    )
    return Grid("Correlation of fixed effects", ("", *names[:-1]), rows, 1)


def _stripped(cells: "list[str] | tuple[str, ...]") -> tuple[str, ...]:
    return tuple(cell.strip() for cell in cells)
