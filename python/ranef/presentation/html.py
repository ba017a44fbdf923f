"""A document as an HTML fragment."""

import html as _html

from ranef.presentation.document import Document, Grid


def html(document: Document) -> str:
    """Return the document as one ``div``; every text is escaped."""
    parts = ['<div class="ranef-summary">', f"<h3>{_escape(document.title)}</h3>", "<dl>"]
    parts += [f"<dt>{_escape(label)}</dt><dd><code>{_escape(text)}</code></dd>" for label, text in document.facts]
    parts.append("</dl>")
    for grid in document.grids:
        parts += _table(grid)
    parts += [f"<p>{_escape(remark)}</p>" for remark in document.remarks]
    parts.append("</div>")
    return "\n".join(parts)


def _table(grid: Grid) -> list[str]:
    lines = ["<table>", f"<caption>{_escape(grid.caption)}</caption>", "<thead>"]
    lines.append("<tr>" + "".join(_cell(text, "th", j >= grid.labels) for j, text in enumerate(grid.columns)) + "</tr>")
    lines += ["</thead>", "<tbody>"]
    for row in grid.rows:
        cells = [_cell(text, "th" if j < grid.labels else "td", j >= grid.labels) for j, text in enumerate(row)]
        lines.append("<tr>" + "".join(cells) + "</tr>")
    lines += ["</tbody>", "</table>"]
    if grid.remark:
        lines.append(f"<p>{_escape(grid.remark)}</p>")
    return lines


def _cell(text: str, tag: str, number: bool) -> str:
    return f'<{tag} style="text-align:{"right" if number else "left"}">{_escape(text)}</{tag}>'


def _escape(text: str) -> str:
    return _html.escape(text, quote=True)
