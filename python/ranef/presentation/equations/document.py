"""All equations of a model as one text."""

from html import escape

from ranef.presentation.equations.levels import Equation, Level, levels_of
from ranef.presentation.equations.symbols import Node, Operator, latex_text
from ranef.translation.description import ModelDescription

_TERMS_A_LINE = 6
_WIDE = 78


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

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {_latex(self.levels, 'aligned')}$"


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
    lines: list[list[Node]] = []
    for at in range(0, max(1, len(equation.right)), _TERMS_A_LINE):
        line: list[Node] = []
        for i, term in enumerate(equation.right[at : at + _TERMS_A_LINE]):
            line += [Operator("+"), term] if i or at else [term]
        lines.append(line)
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
