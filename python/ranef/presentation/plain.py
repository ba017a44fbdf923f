"""A document as plain text, with its facts and remarks at the end."""

from ranef.presentation.document import Document, Grid
from ranef.presentation.text_table import table_lines

#: Width of a line.
WIDTH = 120


def plain(document: Document) -> str:
    """Return the document as text."""
    lines = [document.title]
    for grid in document.grids:
        lines += ["", *grid_lines(grid), *([grid.remark] if grid.remark else [])]
    lead = f"{document.lead} " if document.lead else ""
    remarks = [f"{lead if i == 0 else ''}{remark}" for i, remark in enumerate(document.remarks)]
    return "\n".join([*lines, "", *(f"{label}: {text}" for label, text in document.facts), *remarks])


def grid_lines(grid: Grid) -> list[str]:
    """Lay out a table with one column of labels."""
    cells = [
        [cell + " " * len(room) for cell, room in zip(row[1:], rooms[1:], strict=True)]
        for row, rooms in zip(grid.rows, grid.tails(), strict=True)
    ]
    lines = table_lines([row[0] for row in grid.rows], grid.columns[1:], cells, right=True, width=WIDTH)
    return [line.rstrip() for line in lines]
