"""Tables of means and contrasts as text and HTML,
a block for each group, laid out as emmeans prints them.
"""

import math
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from ranef.estimates.estimable import departures
from ranef.fit.record import MixedFit
from ranef.inference.marginal_means.grid import ReferenceGrid
from ranef.inference.marginal_means.table import MeansTable
from ranef.inference.marginal_means.variables import level_text
from ranef.presentation.document import Document, Grid
from ranef.presentation.html import fragment
from ranef.presentation.numbers import format_fixed, format_numbers
from ranef.presentation.text_table import align, terminal_width, text_width, wrapped

if TYPE_CHECKING:
    import pandas as pd

#: The smallest p-value that is printed in full.
_SMALLEST = 1e-4


def means_frame(table: MeansTable) -> "pd.DataFrame":
    """A plain frame: columns of labels,
    then ``estimate, std_error, df, statistic, p_value, lower, upper``.
    """
    import pandas as pd

    columns = {name: _labels(values) for name, values in table.labels.items()}
    for name in ("estimate", "std_error", "df", "statistic", "p_value", "lower", "upper"):
        columns[name] = getattr(table, name)
    frame = pd.DataFrame(columns)
    frame.attrs = {"quantity": table.quantity, "notes": (*table.notes, *table.test_notes, *table.interval_notes)}
    return frame


def _labels(values: Sequence[object]) -> "pd.Series[float] | pd.Series[str]":
    """Numbers stay numbers, so that they can be plotted; everything else is text."""
    import pandas as pd

    if all(isinstance(v, float) for v in values):
        return pd.Series(list(values), dtype=float)
    return pd.Series([level_text(v) for v in values], dtype=object)


def means_text(table: MeansTable) -> str:
    """Lay out as text."""
    lines: list[str] = []
    width = terminal_width()
    for heading, header, rows in _blocks(table):
        if heading:
            lines.append(f"{heading}:")
        lines += _aligned(header, rows, _label_count(table), width)
        lines.append("")
    lines += wrapped(_notes(table), width)
    return "\n".join(lines).rstrip()


def means_document(tables: Sequence[MeansTable]) -> Document:
    """Lay out as a document: a table for each group, with the notes of all below."""
    grids = [
        Grid(heading, tuple(header), tuple(tuple(cell.strip() for cell in row) for row in rows), _label_count(table))
        for table in tables
        for heading, header, rows in _blocks(table)
    ]
    return Document("", (), tuple(grids), tuple(dict.fromkeys(note for table in tables for note in _notes(table))))


def means_html(table: MeansTable) -> str:
    """Lay out as HTML."""
    parts: list[str] = []
    count = _label_count(table)
    for heading, header, rows in _blocks(table):
        if heading:
            parts.append(f"<p>{escape(heading)}</p>")
        sides = ["left" if j < count else "right" for j in range(len(header))]
        head = "".join(f'<th style="text-align:{s}">{escape(c)}</th>' for s, c in zip(sides, header, strict=True))
        body = "".join(
            "<tr>"
            + "".join(f'<td style="text-align:{s}">{escape(c)}</td>' for s, c in zip(sides, row, strict=True))
            + "</tr>"
            for row in rows
        )
        parts.append(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")
    parts += [f"<p>{escape(note)}</p>" for note in _notes(table)]
    return fragment("means", parts)


def _shows_tests(table: MeansTable) -> bool:
    """Contrasts are shown with their tests, means and trends with their intervals."""
    return table.quantity in ("contrast", "ratio", "odds ratio")


def _notes(table: MeansTable) -> list[str]:
    return [*table.notes, *(table.test_notes if _shows_tests(table) else table.interval_notes)]


def _label_count(table: MeansTable) -> int:
    return len([c for c in table.labels if c not in table.by])


def _blocks(table: MeansTable) -> list[tuple[str, list[str], list[list[str]]]]:
    """Heading, names of the columns and cells of every group.

    All groups have the same decimals.
    """
    shown = [c for c in table.labels if c not in table.by]
    columns: dict[str, list[str]] = {c: [level_text(v) for v in table.labels[c]] for c in shown}
    name = {"mean": "emmean", "contrast": "estimate", "odds ratio": "odds.ratio", "probability": "prob"}.get(
        table.quantity, table.quantity
    )
    # What differs from zero by rounding only is shown as zero, and must not add decimals to the
    # column.
    zero = np.abs(table.estimate) < 1e-10 * table.std_error
    columns[name] = _numbers(np.where(zero, 0.0, table.estimate).tolist(), 3)
    columns["SE"] = _numbers(table.std_error.tolist(), 3)
    asymptotic = all(math.isinf(v) for v in table.df.tolist() if not math.isnan(v))
    columns["df"] = [_df(v) for v in _numbers(table.df.tolist(), 3)]
    if _shows_tests(table):
        columns["z.ratio" if asymptotic else "t.ratio"] = format_fixed(np.where(zero, 0.0, table.statistic).tolist(), 3)
        columns["p.value"] = [_p_text(p) for p in table.p_value.tolist()]
    else:
        lower, upper = ("asymp.LCL", "asymp.UCL") if asymptotic else ("lower.CL", "upper.CL")
        columns[lower] = _numbers(table.lower.tolist(), 3)
        columns[upper] = _numbers(table.upper.tolist(), 3)
    header = list(columns)
    out = []
    for key, rows in table.groups():
        heading = ", ".join(f"{c} = {level_text(v)}" for c, v in zip(table.by, key, strict=True))
        cells = [[_shown(columns[c][i]) for c in header] for i in rows]
        out.append((heading, header, cells))
    return out


def _numbers(values: list[float], digits: int) -> list[str]:
    finite = [v for v in values if math.isfinite(v)]
    texts = iter(format_numbers(finite, digits))
    return [next(texts) if math.isfinite(v) else "nonEst" if math.isnan(v) else "Inf" for v in values]


def _df(text: str) -> str:
    return "" if text == "nonEst" else text


def _p_text(p: float) -> str:
    if math.isnan(p):
        return ""
    return "<.0001" if p < _SMALLEST else f"{p:.4f}"


def _shown(text: str) -> str:
    return "" if text.strip().lower() == "nan" else text


def _aligned(header: list[str], rows: list[list[str]], labels: int, width: int | None) -> list[str]:
    """Lines of a table; columns that do not fit continue below, beside the labels."""
    widths = [max(text_width(r[j]) for r in [header, *rows]) for j in range(len(header))]
    leading = sum(w + 1 for w in widths[:labels])
    parts: list[list[int]] = [[]]
    used = leading
    for j in range(labels, len(header)):
        if width is not None and parts[-1] and used + 1 + widths[j] > width:
            parts.append([])
            used = leading
        parts[-1].append(j)
        used += 1 + widths[j]
    return [
        " " + " ".join(align(row[j], widths[j], j >= labels) for j in [*range(labels), *part]).rstrip()
        for part in parts
        for row in [header, *rows]
    ]


def grid_frame(fit: MixedFit, grid: ReferenceGrid) -> "pd.DataFrame":
    """The reference grid as a frame, with predictions."""
    import pandas as pd

    columns = {name: _labels([grid.values_of(name)[i] for i in grid.column(name).tolist()]) for name in grid.names}
    estimate = grid.x[:, list(fit.kept)] @ fit.beta + grid.offset
    estimate[(departures(fit, grid.x) > 1.0).any(axis=1)] = math.nan
    frame = pd.DataFrame({**columns, "estimate": estimate, "frequency": grid.frequency})
    frame.attrs = {"nesting": grid.nesting}
    return frame
