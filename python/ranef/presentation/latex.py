r"""A document as LaTeX, for ``\usepackage{booktabs}``."""

import re

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

# A minus at the start of a number, also after a bracket or a blank.
_NEGATIVE = re.compile(r"(?<![^\s\[(])-(?=[\dI])")


def latex(document: Document) -> str:
    """Return one ``table`` environment for each table; every text is escaped."""
    parts = ["% needs \\usepackage{booktabs}", f"\\paragraph{{{_escape(document.title)}}}"]
    parts += [f"{_escape(label)}: \\texttt{{{_escape(text)}}}\\\\" for label, text in document.facts]
    for grid in document.grids:
        parts += _table(grid)
    parts += [f"\\noindent {_escape(remark)}\n" for remark in document.remarks]
    return "\n".join(parts)


def _table(grid: Grid) -> list[str]:
    columns = "".join("l" if j < grid.labels else "r" for j in range(len(grid.columns)))
    lines = ["\\begin{table}[ht]", "\\centering", f"\\caption{{{_escape(grid.caption)}}}"]
    lines += [f"\\begin{{tabular}}{{{columns}}}", "\\toprule", _row(grid.columns, len(grid.columns)), "\\midrule"]
    lines += [_row(row, grid.labels) for row in grid.rows]
    lines += ["\\bottomrule", "\\end{tabular}"]
    if grid.remark:
        lines.append(f"\\par {_escape(grid.remark)}")
    lines.append("\\end{table}")
    return lines


def _row(cells: tuple[str, ...], labels: int) -> str:
    texts = [_escape(cell) if j < labels else _NEGATIVE.sub("$-$", _escape(cell)) for j, cell in enumerate(cells)]
    # An empty group keeps a bracket at the start of a row from being read as an argument of the
    # line break before it.
    first = "{}" if texts[0].startswith(("[", "*")) else ""
    return first + " & ".join(texts) + r" \\"


def _escape(text: str) -> str:
    return "".join(_ESCAPES.get(c, c) for c in " ".join(text.split()))
