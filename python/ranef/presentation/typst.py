"""A document as Typst markup."""

from ranef.presentation.alignment import NEGATIVE
from ranef.presentation.document import Document, Grid

_SPECIAL = frozenset("\\#*_`$<>@~[]\"'/+-=")


def typst(document: Document) -> str:
    """Return the document: a figure for each table, then facts and remarks; every text is escaped.

    Rules are those of booktabs; cells use the font of the text around them.
    """
    parts = []
    for i, grid in enumerate(document.grids):
        caption = ". ".join(t for t in ((document.title if i == 0 else ""), grid.caption) if t)
        parts.append(_figure(grid, caption))
    parts += [f"{_escape(label)}: {_escape(text)}" for label, text in document.facts]
    lead = f"_{_escape(document.lead)}_ " if document.lead else ""
    parts += [f"{lead if i == 0 else ''}{_escape(remark)}" for i, remark in enumerate(document.remarks)]
    parts += [_escape(grid.remark) for grid in document.grids if grid.remark]
    return "\n\n".join(parts) + "\n"


def _figure(grid: Grid, caption: str) -> str:
    sides = ", ".join("left" if j < grid.labels else "right" for j in range(len(grid.columns)))
    heads = [f"[_{_escape(t)}_]" if j in grid.symbols and t else f"[{_escape(t)}]" for j, t in enumerate(grid.columns)]
    lines = [
        "#figure(",
        "  kind: table,",
        *([f"  caption: figure.caption(position: top)[{_escape(caption)}],"] if caption else []),
        "  table(",
        f"    columns: {len(grid.columns)}, align: ({sides}), stroke: none, inset: (x: 6pt, y: 3pt),",
        f"    table.hline(stroke: 1pt), table.header({', '.join(heads)}), table.hline(stroke: 0.5pt),",
    ]
    for i, (row, rooms) in enumerate(zip(grid.rows, grid.tails(), strict=True)):
        section = i in grid.sections
        cells = [
            _cell(text, room, j >= grid.labels, section) for j, (text, room) in enumerate(zip(row, rooms, strict=True))
        ]
        lines.append(f"    {', '.join(cells)},")
    return "\n".join([*lines, "    table.hline(stroke: 1pt),", "  ),", ")"])


def _cell(text: str, room: str, number: bool, section: bool) -> str:
    shown = _escape(NEGATIVE.sub("−", text) if number else text)
    hidden = f"#hide[{_escape(room)}]" if room else ""
    return f"[{f'_{shown}_' if section and shown else shown}{hidden}]"


def _escape(text: str) -> str:
    return "".join(f"\\{c}" if c in _SPECIAL else c for c in " ".join(text.split()))
