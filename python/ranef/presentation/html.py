"""A document as an HTML fragment or as a page of its own, and the style that fragments bring along.

A fragment reads well on a page that has no style, light or dark. In a notebook, whose own style is
to hold, none of its rules applies.
"""

import html as _html
from collections.abc import Sequence

from ranef.presentation.document import Document, Grid

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ margin: 1rem; background: #fff; }}
@media (prefers-color-scheme: dark) {{ body {{ background: #0d1117; }} }}
</style>
</head>
<body>
{body}
</body>
</html>
"""

#: A fragment where no notebook (Jupyter, nbconvert, VS Code, a page by myst-nb) has rules for it.
_ALONE = (
    ".ranef:not(.jp-RenderedHTMLCommon *,.rendered_html *,.output_html *,.cell_output *,[data-vscode-theme-kind] *)"
)

#: The part of a rule that chooses what it is for, its declarations; colours are those of the page.
_RULES = (
    ("", "overflow-x:auto;padding:.75em 1em;font:14px/1.5 system-ui,sans-serif;color:#1f2328;background:#fff"),
    # A page without a doctype does not hand colour and font down to tables.
    (" table", "color:inherit;font:inherit;font-variant-numeric:tabular-nums;border-collapse:collapse"),
    (" table", "margin:.5em 0 1em"),
    (" :is(td,th)", "padding:.15em .7em;white-space:nowrap;font-weight:400"),
    (" tbody tr.section th", "padding-top:.6em;font-weight:600"),
    (" thead th", "border-bottom:1px solid;font-weight:600"),
    (" tbody tr:last-child>*", "border-bottom:1px solid"),
    (" caption", "text-align:left;font-weight:600;padding:.15em .7em"),
    (" h3", "font-size:1.1em;margin:0 0 .5em"),
    (" dl", "display:grid;grid-template-columns:max-content 1fr;gap:.15em 1em;margin:0"),
    (" dt", "opacity:.75"),
    (" dd", "margin:0"),
    (" p", "margin:.25em 0"),
)
_STYLE = (
    "<style>"
    + "".join(f"{_ALONE}{chosen}{{{rules}}}" for chosen, rules in _RULES)
    + f"@media(prefers-color-scheme:dark){{{_ALONE}{{color:#e6edf3;background:#0d1117}}}}"
    + "</style>"
)

#: What cells of a table for publication have wherever it is shown.
_OWN = ";padding:.15em .5em;vertical-align:top"


def fragment(kind: str, parts: Sequence[str]) -> str:
    """Put parts into one ``div`` with its style.

    Parameters
    ----------
    kind : str
        What it is, for the class ``ranef-kind``.
    parts : sequence of str
        HTML, with every text escaped.
    """
    return "\n".join([f'<div class="ranef ranef-{kind}">', _STYLE, *parts, "</div>"])


def html(document: Document) -> str:
    """Return the document as one ``div``; every text is escaped."""
    parts = [f"<h3>{_escape(document.title)}</h3>"] if document.title else []
    if document.facts:
        facts = [f"<dt>{_escape(label)}</dt><dd><code>{_escape(text)}</code></dd>" for label, text in document.facts]
        parts += ["<dl>", *facts, "</dl>"]
    for grid in document.grids:
        parts += _table(grid)
    lead = f"<em>{_escape(document.lead)}</em> " if document.lead else ""
    parts += [f"<p>{lead if i == 0 else ''}{_escape(remark)}</p>" for i, remark in enumerate(document.remarks)]
    return fragment("summary", parts)


def html_page(document: Document) -> str:
    """Return the document as a whole page with a small style of its own."""
    return _PAGE.format(title=_escape(document.title), body=html(document))


def _table(grid: Grid) -> list[str]:
    lines = ["<table>", *([f"<caption>{_escape(grid.caption)}</caption>"] if grid.caption else []), "<thead>"]
    heads = [f"<em>{_escape(t)}</em>" if j in grid.symbols else _escape(t) for j, t in enumerate(grid.columns)]
    own = _OWN if grid.aligned else ""
    lines.append("<tr>" + "".join(_cell(text, "th", j >= grid.labels, own) for j, text in enumerate(heads)) + "</tr>")
    lines += ["</thead>", "<tbody>"]
    for i, (row, rooms) in enumerate(zip(grid.rows, grid.tails(), strict=True)):
        section = i in grid.sections
        # pages differ in whether labels of rows are bold
        weight = f"{own};font-weight:{600 if section else 400}" if own else ""
        cells = [
            _cell(_escape(text) + _room(room), "th" if j < grid.labels else "td", j >= grid.labels, weight)
            for j, (text, room) in enumerate(zip(row, rooms, strict=True))
        ]
        lines.append(('<tr class="section">' if section else "<tr>") + "".join(cells) + "</tr>")
    lines += ["</tbody>", "</table>"]
    if grid.remark:
        lines.append(f"<p>{_escape(grid.remark)}</p>")
    return lines


def _cell(inside: str, tag: str, number: bool, own: str = "") -> str:
    style = ("text-align:right" + ";white-space:nowrap" * bool(own)) if number else "text-align:left"
    return f'<{tag} style="{style}{own}">{inside}</{tag}>'


def _room(text: str) -> str:
    """Room as wide as a text that is not seen, read aloud or copied."""
    return f'<span style="visibility:hidden" aria-hidden="true">{_escape(text)}</span>' if text else ""


def _escape(text: str) -> str:
    return _html.escape(text, quote=True)
