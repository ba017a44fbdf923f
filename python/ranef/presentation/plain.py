"""A document as plain text, with its facts and remarks at the end."""

import textwrap

from ranef.presentation.document import Document, Grid
from ranef.presentation.text_table import broken_label, table_lines, terminal_width, text_width

#: Width of a line where it is not that of a terminal.
WIDTH = 120


def plain(document: Document, width: int | None = None) -> str:
    """Return the document as text.

    Parameters
    ----------
    document : Document
    width : int, optional
        Of a line; by default that of the terminal that is printed to, 120 elsewhere.
    """
    width = (terminal_width() or WIDTH) if width is None else width
    lines = [document.title]
    for grid in document.grids:
        lines += ["", *grid_lines(grid, width), *([grid.remark] if grid.remark else [])]
    lead = f"{document.lead} " if document.lead else ""
    remarks = [f"{lead if i == 0 else ''}{remark}" for i, remark in enumerate(document.remarks)]
    below = [f"{label}: {text}" for label, text in document.facts] + remarks
    return "\n".join([*lines, "", *(textwrap.fill(text, width, break_long_words=False) for text in below)])


def grid_lines(grid: Grid, width: int) -> list[str]:
    """Lay out a table with one column of labels, which are broken where lines are too long."""
    cells = [
        [cell + " " * len(room) for cell, room in zip(row[1:], rooms[1:], strict=True)]
        for row, rooms in zip(grid.rows, grid.tails(), strict=True)
    ]
    numbers = sum(1 + max(map(text_width, column)) for column in zip(grid.columns[1:], *cells, strict=True))
    room = width - numbers - 1
    labels, shown = [], []
    for row, own in zip(grid.rows, cells, strict=True):
        first, *rest = broken_label(row[0], room)
        labels += [first, *rest]
        shown += [own, *([""] * len(own) for _ in rest)]
    lines = table_lines(labels, grid.columns[1:], shown, right=True, width=width)
    return [line.rstrip() for line in lines]
