"""A document as Markdown with pipe tables."""

import re

from ranef.presentation.document import Document, Grid

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~$])")


def markdown(document: Document) -> str:
    """Return the document as Markdown; characters with a meaning are escaped."""
    parts = [f"### {_escape(document.title)}"] if document.title else []
    if document.facts:
        parts.append("\n".join(f"- {_escape(label)}: {_code(text)}" for label, text in document.facts))
    for grid in document.grids:
        parts += [*([f"**{_escape(grid.caption)}**"] if grid.caption else []), _table(grid)]
        if grid.remark:
            parts.append(_escape(grid.remark))
    lead = f"*{_escape(document.lead)}* " if document.lead else ""
    parts += [f"{lead if i == 0 else ''}{_escape(remark)}" for i, remark in enumerate(document.remarks)]
    return "\n\n".join(parts) + "\n"


def _table(grid: Grid) -> str:
    ruler = "|".join(":--" if j < grid.labels else "--:" for j in range(len(grid.columns)))
    heads = [f"*{_escape(t)}*" if j in grid.symbols else _escape(t) for j, t in enumerate(grid.columns)]
    rows = [[_escape(cell) for cell in row] for row in grid.rows]
    for i in grid.sections:
        rows[i] = [f"*{cell}*" if cell else "" for cell in rows[i]]
    lines = ["| " + " | ".join(row) + " |" for row in (heads, *rows)]
    return "\n".join([lines[0], f"|{ruler}|", *lines[1:]])


def _escape(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _code(text: str) -> str:
    """Return a code span, fenced by more back-ticks than the text has in a row."""
    text = " ".join(text.split())
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    blank = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{blank}{text}{blank}{fence}"
