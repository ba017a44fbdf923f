r"""A document as LaTeX, for ``\usepackage{booktabs}``."""

from collections.abc import Sequence
from dataclasses import replace

from ranef.presentation.alignment import NEGATIVE
from ranef.presentation.document import Document, Grid

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "`": r"\textasciigrave{}",
}


def latex(document: Document) -> str:
    """Return one ``table`` environment for each table; every text is escaped.

    A single table without a caption has the title for it, and the facts below.
    """
    single = len(document.grids) == 1 and not document.grids[0].caption
    facts = [f"{_escape(label)}: \\texttt{{{_escape(text)}}}\\\\" for label, text in document.facts]
    parts = ["% needs \\usepackage{booktabs}"]
    if single:
        parts += [*_table(replace(document.grids[0], caption=document.title)), *(f"\\noindent {f}" for f in facts)]
    else:
        parts += [f"\\paragraph{{{_escape(document.title)}}}", *facts]
        for grid in document.grids:
            parts += _table(grid)
    lead = f"\\emph{{{_escape(document.lead)}}} " if document.lead else ""
    remarks = [f"{lead if i == 0 else ''}{_escape(remark)}" for i, remark in enumerate(document.remarks)]
    parts += [f"\\noindent {remark}\n" for remark in remarks]
    return "\n".join(parts)


def _table(grid: Grid) -> list[str]:
    columns = "".join("l" if j < grid.labels else "r" for j in range(len(grid.columns)))
    lines = ["\\begin{table}[ht]", "\\centering"]
    lines += [f"\\caption{{{_escape(grid.caption)}}}"] if grid.caption else []
    heads = [f"\\emph{{{_escape(t)}}}" if j in grid.symbols else _escape(t) for j, t in enumerate(grid.columns)]
    lines += [f"\\begin{{tabular}}{{{columns}}}", "\\toprule", _row(heads), "\\midrule"]
    for i, (row, rooms) in enumerate(zip(grid.rows, grid.tails(), strict=True)):
        if i in grid.sections:
            lines += ["\\addlinespace"] if i else []
            lines.append(_row([f"\\emph{{{_escape(t)}}}" if t else "" for t in row]))
        else:
            lines.append(
                _row([_cell(t, room, j >= grid.labels) for j, (t, room) in enumerate(zip(row, rooms, strict=True))])
            )
    lines += ["\\bottomrule", "\\end{tabular}"]
    if grid.remark:
        lines.append(f"\\par {_escape(grid.remark)}")
    lines.append("\\end{table}")
    return lines


def _cell(text: str, room: str, number: bool) -> str:
    shown = NEGATIVE.sub("$-$", _escape(text)) if number else _escape(text)
    return shown + (f"\\phantom{{{_escape(room)}}}" if room else "")


def _row(cells: Sequence[str]) -> str:
    # An empty group keeps a bracket at the start of a row from being read as an argument of the
    # line break before it.
    first = "{}" if cells[0].startswith(("[", "*")) else ""
    return first + " & ".join(cells) + r" \\"


def _escape(text: str) -> str:
    return "".join(_ESCAPES.get(c, c) for c in " ".join(text.split()))
