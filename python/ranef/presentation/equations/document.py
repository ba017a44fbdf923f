"""All equations of a model as one text."""

import re
from html import escape

from ranef.presentation.equations.levels import Equation, Level, levels_of
from ranef.presentation.equations.symbols import Node, Operator, latex_text
from ranef.translation.description import ModelDescription

_TERMS_A_LINE = 6
_WIDE = 78

#: A text in LaTeX, and what is escaped in it.
_TEXT = re.compile(r"(\\text(?:bf)?)\{((?:[^{}\\]|\\[{}$&#%_]|\\text[a-z]+\{\})*)\}")
_ESCAPE = re.compile(r"(\\[{}$&#%_]|\\text[a-z]+\{\})")

#: Escapes that are something else outside of texts.
_IN_MATHEMATICS = {
    r"\textbackslash{}": r"{\backslash}",
    r"\textasciicircum{}": r"{\wedge}",
    r"\textasciitilde{}": r"{\sim}",
    r"\textless{}": r"{\lt}",
    r"\textgreater{}": r"{\gt}",
    r"\textbar{}": r"{\vert}",
}


class Equations(str):
    """The equations of a model; the text itself is LaTeX, an ``align*`` environment of amsmath.

    Made by ``m.equations()``.
    """

    levels: tuple[Level, ...]

    def __new__(cls, levels: tuple[Level, ...]) -> "Equations":
        made = super().__new__(cls, _latex(levels, "align*"))
        made.levels = levels
        return made

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.levels,))

    def to_mathml(self) -> str:
        """The equations as MathML.

        Returns
        -------
        str
            One ``math`` element for HTML; browsers show it without a library.
        """
        rows = "".join(_mathml_level(level) for level in self.levels)
        return (
            '<math xmlns="http://www.w3.org/1998/Math/MathML" display="block">'
            f'<mtable columnalign="right center left" rowspacing="0.6ex">{rows}</mtable></math>'
        )

    def to_text(self) -> str:
        """The equations as plain text.

        Returns
        -------
        str
        """
        return "\n".join(
            line
            for level in self.levels
            for line in (level.title, *(f"  {t}" for e in level.equations for t in _text_lines(e)))
        )

    def __repr__(self) -> str:
        return self.to_text()

    def _repr_latex_(self) -> str:
        return f"$$\n{_for_notebooks(_latex(self.levels, 'aligned'))}\n$$"


def equations_of(model: ModelDescription) -> Equations:
    """The equations of a model.

    Parameters
    ----------
    model : ModelDescription

    Returns
    -------
    Equations

    Examples
    --------
    >>> from ranef.translation import describe
    >>> print(equations_of(describe("y ~ x + (x | g)")).to_text())
    Level 1 (rows)
      y_ij = β_0j + β_1j x_ij + e_ij
      e_ij ~ N(0, σ²)
    Level 2 (g)
      β_0j = γ_00 + u_0j
      β_1j = γ_10 + u_1j
      [u_0j; u_1j] ~ N([0; 0], [σ²_u0, σ_u01; σ_u01, σ²_u1])
    """
    return Equations(levels_of(model))


def _lines(equation: Equation) -> list[list[Node]]:
    """The right side in lines of a few terms, each line after the first starting with a plus."""
    lines: list[list[Node]] = [[]]
    terms = used = 0
    for i, term in enumerate(equation.right):
        size = len(term.text())
        if terms == _TERMS_A_LINE or (terms and used + size > _WIDE):
            lines.append([])
            terms = used = 0
        lines[-1] += [Operator("+"), term] if i else [term]
        terms, used = terms + 1, used + size
    return lines


def _latex(levels: tuple[Level, ...], environment: str) -> str:
    rows = []
    for level in levels:
        rows.append(f"&\\textbf{{{latex_text(level.title)}}}")
        for equation in level.equations:
            first, *others = _lines(equation)
            relation = Operator(equation.relation).latex()
            rows.append(f"{equation.left.latex()} &{relation} {' '.join(n.latex() for n in first)}")
            rows += [f"&\\quad {' '.join(n.latex() for n in line)}" for line in others]
    body = " \\\\\n".join(rows)
    return f"\\begin{{{environment}}}\n{body}\n\\end{{{environment}}}"


def _for_notebooks(latex: str) -> str:
    """The same for MathJax and KaTeX, which show an escape in the middle of a text as it is:
    it stands between texts, as mathematics.
    """
    return _TEXT.sub(_taken_apart, latex)


def _taken_apart(match: re.Match[str]) -> str:
    command, inside = match.groups()
    parts = _ESCAPE.split(inside)
    return "".join(
        (f"{command}{{{part}}}" if part else "") if i % 2 == 0 else _IN_MATHEMATICS.get(part, part)
        for i, part in enumerate(parts)
    )


def _mathml_level(level: Level) -> str:
    rows = [
        '<mtr><mtd columnspan="3" columnalign="left"><mtext '
        f'mathvariant="bold">{escape(level.title)}</mtext></mtd></mtr>'
    ]
    for equation in level.equations:
        first, *others = _lines(equation)
        rows.append(_mathml_row(equation.left.mathml(), Operator(equation.relation).mathml(), first))
        rows += [_mathml_row("", "", line) for line in others]
    return "".join(rows)


def _mathml_row(left: str, relation: str, right: list[Node]) -> str:
    body = "".join(n.mathml() for n in right)
    return f"<mtr><mtd>{left}</mtd><mtd>{relation}</mtd><mtd><mrow>{body}</mrow></mtd></mtr>"


def _text_lines(equation: Equation) -> list[str]:
    left = f"{equation.left.text()} {equation.relation} "
    out = [left]
    for i, term in enumerate(equation.right):
        piece = f" + {term.text()}" if i else term.text()
        if len(out[-1]) + len(piece) > _WIDE and i:
            out.append(" " * (len(left) - 2))
            piece = piece[1:]
        out[-1] += piece
    return out
