"""A document as an HTML fragment, or as a page of its own."""

import html as _html

from ranef.presentation.document import Document, Grid

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ font-family: system-ui, sans-serif; margin: 2rem; color: #1a1a1a; background: #fff; }}
table {{ border-collapse: collapse; border-top: 1.5px solid; border-bottom: 1.5px solid; margin: 1rem 0; }}
thead th {{ border-bottom: 1px solid; }}
th, td {{ padding: 0.2rem 0.7rem; font-weight: normal; }}
tbody tr.section th, thead th {{ font-weight: 600; }}
tbody tr.section th {{ padding-top: 0.6rem; }}
p, dl {{ max-width: 46rem; font-size: 0.9rem; }}
dt {{ float: left; margin-right: 0.5rem; }}
</style>
</head>
<body>
{body}
</body>
</html>
"""


def html(document: Document) -> str:
    """Return the document as one ``div``; every text is escaped."""
    parts = ['<div class="ranef-summary">', f"<h3>{_escape(document.title)}</h3>"]
    if document.facts:
        facts = [f"<dt>{_escape(label)}</dt><dd><code>{_escape(text)}</code></dd>" for label, text in document.facts]
        parts += ["<dl>", *facts, "</dl>"]
    for grid in document.grids:
        parts += _table(grid)
    lead = f"<em>{_escape(document.lead)}</em> " if document.lead else ""
    parts += [f"<p>{lead if i == 0 else ''}{_escape(remark)}</p>" for i, remark in enumerate(document.remarks)]
    parts.append("</div>")
    return "\n".join(parts)


def html_page(document: Document) -> str:
    """Return the document as a whole page with a small style of its own."""
    return _PAGE.format(title=_escape(document.title), body=html(document))


def _table(grid: Grid) -> list[str]:
    lines = ["<table>", *([f"<caption>{_escape(grid.caption)}</caption>"] if grid.caption else []), "<thead>"]
    heads = [f"<em>{_escape(t)}</em>" if j in grid.symbols else _escape(t) for j, t in enumerate(grid.columns)]
    lines.append("<tr>" + "".join(_cell(text, "th", j >= grid.labels) for j, text in enumerate(heads)) + "</tr>")
    lines += ["</thead>", "<tbody>"]
    for i, (row, rooms) in enumerate(zip(grid.rows, grid.tails(), strict=True)):
        cells = [
            _cell(_escape(text) + _room(room), "th" if j < grid.labels else "td", j >= grid.labels, grid.aligned)
            for j, (text, room) in enumerate(zip(row, rooms, strict=True))
        ]
        lines.append(('<tr class="section">' if i in grid.sections else "<tr>") + "".join(cells) + "</tr>")
    lines += ["</tbody>", "</table>"]
    if grid.remark:
        lines.append(f"<p>{_escape(grid.remark)}</p>")
    return lines


def _cell(inside: str, tag: str, number: bool, whole: bool = False) -> str:
    style = ("text-align:right" + ";white-space:nowrap" * whole) if number else "text-align:left"
    return f'<{tag} style="{style}">{inside}</{tag}>'


def _room(text: str) -> str:
    """Room as wide as a text that is not seen, read aloud or copied."""
    return f'<span style="visibility:hidden" aria-hidden="true">{_escape(text)}</span>' if text else ""


def _escape(text: str) -> str:
    return _html.escape(text, quote=True)
