"""A document as a file of Word. Writing one needs python-docx (extra ``tables``)."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ranef.errors import MissingExtraError
from ranef.presentation.alignment import NEGATIVE
from ranef.presentation.document import Document, Grid

if TYPE_CHECKING:
    from docx.document import Document as WordDocument

#: Blanks as wide as a digit, and as a point or bracket.
_FIGURE, _POINT = "\u2007", "\u2008"

#: Points of notes, in eighths of a point the thickness of the rules.
_NOTE = 9.0
_THICK, _THIN = "12", "6"

#: Inches of text on a page, of a character and of the margins of a cell.
_PAGE, _CHARACTER, _MARGINS = 6.0, 0.075, 0.17


def save_word(document: Document, path: str | os.PathLike[str]) -> None:
    """Write the document.

    Raises
    ------
    MissingExtraError
        Without python-docx.
    """
    try:
        import docx
        from docx.shared import Pt
    except ImportError:
        raise MissingExtraError(
            "files of Word need python-docx, which is not installed. Install it with: pip install 'ranef[tables]'"
        ) from None
    file = docx.Document()
    file.core_properties.title = document.title
    file.core_properties.author = ""
    file.core_properties.comments = ""
    if document.title:
        file.add_paragraph().add_run(document.title).bold = True
    for grid in document.grids:
        if grid.caption:
            file.add_paragraph().add_run(grid.caption).italic = True
        _add_table(file, grid)
        if grid.remark:
            file.add_paragraph(grid.remark)
    remarks = [f"{label}: {text}" for label, text in document.facts]
    for i, remark in enumerate([*document.remarks, *remarks]):
        paragraph = file.add_paragraph()
        paragraph.paragraph_format.space_after = Pt(2)
        if document.lead and i == 0:
            lead = paragraph.add_run(f"{document.lead} ")
            lead.italic, lead.font.size = True, Pt(_NOTE)
        paragraph.add_run(remark).font.size = Pt(_NOTE)
    file.save(os.fspath(path))


def _add_table(file: "WordDocument", grid: Grid) -> None:
    from docx.shared import Inches

    table = file.add_table(rows=0, cols=len(grid.columns))
    _add_row(table, grid, grid.columns, [""] * len(grid.columns), grid.symbols)
    for i, (row, rooms) in enumerate(zip(grid.rows, grid.tails(), strict=True)):
        _add_row(table, grid, row, rooms, tuple(range(len(row))) if i in grid.sections else ())
    _repeat_header(table.rows[0])
    widths = [Inches(w) for w in _widths(grid)]
    last = len(table.rows) - 1
    for i, row in enumerate(table.rows):
        edges = {"top": _THICK, "bottom": _THIN} if i == 0 else {"bottom": _THICK} if i == last else {}
        for cell, width in zip(row.cells, widths, strict=True):
            cell.width = width
            if edges:
                _rule(cell, edges)


def _widths(grid: Grid) -> list[float]:
    """Inches of the columns: what their texts need, labels what is left of a page's width."""
    tails = grid.tails()
    needed = []
    for j, head in enumerate(grid.columns):
        longest = max([len(head), *(len(row[j]) + len(room[j]) for row, room in zip(grid.rows, tails, strict=True))])
        needed.append(_CHARACTER * longest + _MARGINS)
    left = max(_PAGE - sum(needed[grid.labels :]), 1.0) / max(grid.labels, 1)
    return [min(w, left) if j < grid.labels else w for j, w in enumerate(needed)]


def _add_row(table: Any, grid: Grid, texts: Sequence[str], rooms: Sequence[str], italic: tuple[int, ...]) -> None:
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.shared import Pt

    for j, (cell, text, room) in enumerate(zip(table.add_row().cells, texts, rooms, strict=True)):
        paragraph = cell.paragraphs[0]
        paragraph.paragraph_format.space_after = Pt(0)
        paragraph.paragraph_format.line_spacing = 1.0
        paragraph.paragraph_format.keep_with_next = True
        if j >= grid.labels:
            paragraph.alignment = WD_ALIGN_PARAGRAPH.RIGHT
            text = NEGATIVE.sub("−", text).replace(" ", "\u00a0") + "".join(
                _FIGURE if c == "0" else _POINT for c in room
            )
        paragraph.add_run(text).italic = j in italic or None


def _repeat_header(row: Any) -> None:
    """Repeat a row at the top of every page."""
    from docx.oxml import OxmlElement

    row._tr.get_or_add_trPr().append(OxmlElement("w:tblHeader"))


def _rule(cell: Any, edges: dict[str, str]) -> None:
    """Draw rules at edges of a cell; python-docx has no call for it."""
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    borders = OxmlElement("w:tcBorders")
    for edge, size in edges.items():
        line = OxmlElement(f"w:{edge}")
        for key, value in (("val", "single"), ("sz", size), ("space", "0"), ("color", "auto")):
            line.set(qn(f"w:{key}"), value)
        borders.append(line)
    cell._tc.get_or_add_tcPr().append(borders)
