"""Data frames that print as tables: every column, in lines of the terminal's width, each number in
the notation that suits its column.
"""

import math
import os
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from ranef.presentation.document import Document, Grid
from ranef.presentation.forms import save_document
from ranef.presentation.html import fragment
from ranef.presentation.latex import latex
from ranef.presentation.numbers import (
    format_degrees_of_freedom,
    format_fixed,
    format_numbers,
    format_table_p_values,
    zap_small,
)
from ranef.presentation.text_table import align, table_lines, terminal_width, text_width, wrapped

#: Width of a line where no terminal is printed to.
WIDTH = 120

#: Significant digits of numbers that have no rule of their own, and of p-values.
_DIGITS = 4


def _sums_of_squares(values: list[float]) -> list[str]:
    """Five digits, where none is tiny beside the largest."""
    return format_numbers(zap_small(values, _DIGITS + 3), _DIGITS + 1)


#: How columns are shown that are not plain numbers, by their names.
_RULES: dict[str, Callable[[list[float]], list[str]]] = {
    "df": lambda v: format_degrees_of_freedom(v, _DIGITS),
    "den_df": lambda v: format_degrees_of_freedom(v, _DIGITS + 1),
    "num_df": lambda v: format_degrees_of_freedom(v, _DIGITS),
    "npar": lambda v: format_fixed(v, 0),
    "sum_sq": _sums_of_squares,
    "mean_sq": _sums_of_squares,
    "chisq": lambda v: format_fixed(v, 4),
    "f_value": lambda v: format_fixed(v, 4),
    "statistic": lambda v: format_fixed(v, 3),
    "alpha": lambda v: [f"{x:g}" for x in v],
    "power": lambda v: format_fixed(v, 3),
}
#: Information criteria and the like: as many decimals as the smallest needs for five digits.
_CRITERIA = frozenset(("aic", "bic", "llf", "deviance", "reml_criterion"))


#: Ends of intervals.
_LIMITS = ("lower", "upper", "conf_low", "conf_high")


#: The smallest p-value that is given in files.
_SMALLEST = 0.001

#: Headings in files, for names of columns; those that are symbols are set in italics.
_HEADS = {
    "npar": "Parameters",
    "aic": "AIC",
    "bic": "BIC",
    "llf": "Log-likelihood",
    "deviance": "Deviance",
    "chisq": "χ²",
    "p_value": "p",
    "p_value_boundary": "p (boundary)",
    "sum_sq": "Sum of squares",
    "mean_sq": "Mean square",
    "num_df": "df",
    "den_df": "Residual df",
    "f_value": "F",
    "estimate": "Estimate",
    "std_error": "SE",
    "statistic": "Statistic",
    "lower": "Lower",
    "upper": "Upper",
    "conf_low": "Lower",
    "conf_high": "Upper",
}
_SYMBOLS = frozenset(("df", "num_df", "p_value", "f_value", "std_error"))


class PrintedFrame(pd.DataFrame):
    """A data frame that prints all of its columns.

    It is an ordinary frame in everything but its printed form, which has the heading and the notes
    kept in ``attrs["heading"]`` and ``attrs["notes"]``. What is taken from it (rows, columns,
    results of arithmetic) is an ordinary frame.
    """

    @property
    def notes(self) -> tuple[str, ...]:
        """What has to be known to read the table, such as refits by ML."""
        return tuple(self.attrs.get("notes", ()))

    def _marks(self) -> list[str] | None:
        """A last column without a heading; None where there is none."""
        return None

    def _legend(self) -> str:
        """What stands below the table."""
        return ""

    def __repr__(self) -> str:
        return frame_text(self)

    __str__ = __repr__

    def _repr_html_(self) -> str:
        return frame_html(self)

    def to_latex(self, buf: Any = None, **arguments: Any) -> Any:
        r"""Return LaTeX as ``save`` writes it; the table needs ``\usepackage{booktabs}``. With any
        argument it is that of pandas, of the bare numbers.
        """
        if buf is not None or arguments:
            return super().to_latex(buf, **arguments)
        with pd.option_context("display.max_rows", None):
            return latex(_frame_document(self))

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the table to a file, in the form that its name ends with.

        Parameters
        ----------
        path : path
            Ending with ``.docx`` (Word, by python-docx: ``pip install 'ranef[tables]'``), ``.tex``,
            ``.typ``, ``.html``, ``.md``, ``.txt``, or ``.csv`` (the numbers, unrounded). A file
            that is there is replaced.

        Returns
        -------
        Path
            Of the file.
        """
        numbered = isinstance(self.index, pd.RangeIndex)
        numbers = pd.DataFrame(self) if numbered else pd.DataFrame(self).reset_index(names=self._index_names())
        with pd.option_context("display.max_rows", None):
            return save_document(path, _frame_document(self), numbers, lambda: frame_text(self))

    def _index_names(self) -> list[str]:
        return [str(name) if name is not None else "row" for name in self.index.names]


def printed(frame: pd.DataFrame) -> PrintedFrame:
    """The same frame, printed in full."""
    out = PrintedFrame(frame)
    out.attrs = dict(frame.attrs)
    return out


def frame_text(frame: PrintedFrame) -> str:
    """Lay out as text: heading, aligned columns, legend, notes."""
    known = terminal_width()
    width = WIDTH if known is None else known
    labels, columns, cells, left = _laid_out(frame)
    lines = wrapped(str(frame.attrs.get("heading", "")).splitlines(), known)
    # A blank before each column makes up for the label column where the rows have no labels.
    widths = [max(text_width(c), *(text_width(r[j]) for r in cells), 0) for j, c in enumerate(columns)]
    padded = [[align(t, widths[j], False) if left[j] else t for j, t in enumerate(row)] for row in (columns, *cells)]
    lines += [t.rstrip() for t in table_lines(labels, padded[0], padded[1:], right=True, width=width)]
    if legend := frame._legend():
        lines += ["---", *wrapped([legend], known)]
    if len(labels) < len(frame):
        lines.append(f"[{len(frame)} rows × {frame.shape[1]} columns]")
    return "\n".join([*lines, *wrapped([_note(note) for note in frame.notes], known)])


def _note(note: str) -> str:
    return note if note.startswith("Note:") else f"Note: {note}"


def frame_html(frame: PrintedFrame) -> str:
    """Lay out as HTML."""
    labels, columns, cells, left = _laid_out(frame)
    sides = ["left" if is_left else "right" for is_left in left]
    head = "".join(
        f'<th style="text-align:{side}">{escape(c.strip())}</th>'
        for side, c in zip(["left", *sides], ["", *columns], strict=True)
    )
    body = "".join(
        f'<tr><th style="text-align:left">{escape(label)}</th>'
        + "".join(
            f'<td style="text-align:{side}">{escape(text.strip())}</td>' for side, text in zip(sides, row, strict=True)
        )
        + "</tr>"
        for label, row in zip(labels, cells, strict=True)
    )
    count = [f"{len(frame)} rows × {frame.shape[1]} columns"] if len(labels) < len(frame) else []
    return fragment(
        "tests",
        [
            *(f"<p>{escape(line)}</p>" for line in str(frame.attrs.get("heading", "")).splitlines()),
            f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>",
            *(f"<p>{escape(line)}</p>" for line in (*count, *frame.notes)),
        ],
    )


def _frame_document(frame: PrintedFrame) -> Document:
    """The frame for a file: rows by their labels, or where these are numbers by the texts that come
    first; p-values with three decimals.
    """
    labels, columns, cells, left = _laid_out(frame)
    title, *lines = str(frame.attrs.get("heading", "")).splitlines() or [""]
    for j, name in enumerate(columns):
        if name.startswith("p_value"):
            for row, value in zip(cells, frame.iloc[:, j].tolist(), strict=True):
                row[j] = "" if math.isnan(value) else f"{value:.3f}" if value >= _SMALLEST else f"< {_SMALLEST}"
    heads = [_HEADS.get(name, name) for name in columns]
    symbols = [name in _SYMBOLS for name in columns]
    if isinstance(frame.index, pd.RangeIndex):
        named = next((j for j, is_left in enumerate(left) if not is_left), len(left))
    else:
        heads, symbols, named = ["", *heads], [False, *symbols], 1
        cells = [[label, *row] for label, row in zip(labels, cells, strict=True)]
    grid = Grid(
        "",
        tuple(heads),
        tuple(tuple(text.strip() for text in row) for row in cells),
        named,
        symbols=tuple(j for j, symbol in enumerate(symbols) if symbol),
        remark=frame._legend(),
        aligned=True,
    )
    return Document(title, (), (grid,), (*lines, *frame.notes))


def _laid_out(frame: PrintedFrame) -> tuple[list[str], list[str], list[list[str]], list[bool]]:
    """Labels of the rows, names of the columns, cells, and which columns are texts."""
    most, few = pd.get_option("display.max_rows"), pd.get_option("display.min_rows")
    shown = pd.DataFrame(frame)
    cut = 0
    if most and len(frame) > most:
        cut = max(1, min(few or most, most) // 2)
        shown = pd.concat([shown.iloc[:cut], shown.iloc[-cut:]])
    names = [_label(c) for c in frame.columns]
    left = [_is_text(shown.iloc[:, j]) for j in range(shown.shape[1])]
    columns = [_column(name, shown.iloc[:, j]) for j, name in enumerate(names)]
    _align_estimates(names, shown, columns)
    marks = frame._marks()
    if marks is not None:
        names, columns, left = [*names, ""], [*columns, [*marks[:cut], *marks[-cut:]] if cut else marks], [*left, True]
    labels = [_label(i) for i in shown.index]
    cells = [list(row) for row in zip(*columns, strict=True)]
    if cut:
        labels.insert(cut, "…")
        cells.insert(cut, ["…" if name else "" for name in names])
    return labels, names, cells, left


def _align_estimates(names: Sequence[str], shown: pd.DataFrame, columns: list[list[str]]) -> None:
    """Give estimates, standard errors and limits one number of decimals: what the first two need,
    or the limits where they stand alone.
    """
    places = [[names.index(n) for n in group if n in names] for group in (("estimate", "std_error"), _LIMITS)]
    leading = places[0] or places[1]
    values = {j: [float(v) for v in shown.iloc[:, j].tolist()] for j in [*places[0], *places[1]]}
    texts = format_numbers([v for j in leading for v in values[j] if math.isfinite(v)], _DIGITS)
    decimals = max((len(t.partition(".")[2]) for t in texts), default=0)
    if any("e" in t for t in texts):
        together = iter(format_numbers([v for numbers in values.values() for v in numbers], _DIGITS))
        shown_as = {j: [next(together) for _ in numbers] for j, numbers in values.items()}
    else:
        shown_as = {j: format_fixed(numbers, decimals) for j, numbers in values.items()}
    for j, numbers in values.items():
        columns[j] = ["" if math.isnan(v) else t for v, t in zip(numbers, shown_as[j], strict=True)]


def _label(label: object) -> str:
    return ", ".join(map(str, label)) if isinstance(label, tuple) else str(label)


def _is_text(column: "pd.Series[Any]") -> bool:
    return not (pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column))


def _column(name: str, column: "pd.Series[Any]") -> list[str]:
    missing = column.isna().tolist()
    if _is_text(column) or pd.api.types.is_bool_dtype(column):
        return ["" if no else str(v) for v, no in zip(column.tolist(), missing, strict=True)]
    if pd.api.types.is_integer_dtype(column) and name != "eliminated":
        return [str(v) for v in column.tolist()]
    values = [math.nan if no else float(v) for v, no in zip(column.tolist(), missing, strict=True)]
    return ["" if no else text for text, no in zip(number_column(name, values), missing, strict=True)]


def number_column(name: str, values: Sequence[float]) -> list[str]:
    """Numbers of a column as texts of one notation, by what the name says of them."""
    numbers = list(values)
    if name.startswith("p_value"):
        return format_table_p_values(numbers, _DIGITS)
    if name == "eliminated":
        return ["" if v == 0 else t for v, t in zip(numbers, format_fixed(numbers, 0), strict=True)]
    if name in _CRITERIA:
        size = min((abs(v) for v in numbers if math.isfinite(v) and v), default=1.0)
        return format_fixed(numbers, min(3, max(1, 4 - math.floor(math.log10(size)))))
    rule = _RULES.get(name)
    return format_numbers(numbers, _DIGITS) if rule is None else rule(numbers)
