"""Pieces of formulas, each of which can be written as LaTeX, as MathML and as plain text."""

from dataclasses import dataclass
from html import escape

_GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "zeta": "ζ", "eta": "η", "epsilon": "ε",
    "lambda": "λ", "mu": "μ", "pi": "π", "rho": "ρ", "sigma": "σ", "Sigma": "Σ", "tau": "τ", "phi": "φ",
}  # fmt: skip
_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}",
    # Quotes of a formula's language; LaTeX would print an opening quotation mark.
    "`": "",
}  # fmt: skip
_OPERATORS = {
    "+": "+",
    "=": "=",
    "~": r"\sim",
    "*": r"\cdot",
    "(": "(",
    ")": ")",
    ",": ",",
    "|": r"\mid",
    "-": "-",
    "/": "/",
    "≤": r"\le",
    "…": r"\dots",
}
_SIGNS = {"~": "∼", "*": "·", "-": "−"}


def latex_text(text: str) -> str:
    """Text with LaTeX's special characters escaped."""
    return "".join(_LATEX.get(c, c) for c in " ".join(text.split()))


@dataclass(frozen=True, slots=True)
class Symbol:
    """A letter of mathematics, in italics; Greek ones by their English names."""

    name: str

    def latex(self) -> str:
        """As LaTeX."""
        return f"\\{self.name}" if self.name in _GREEK else self.name

    def mathml(self) -> str:
        """As MathML."""
        return f"<mi>{_GREEK.get(self.name, escape(self.name))}</mi>"

    def text(self) -> str:
        """As plain text."""
        return _GREEK.get(self.name, self.name)


@dataclass(frozen=True, slots=True)
class Word:
    """Upright text: the name of a column, or a function's."""

    value: str

    def latex(self) -> str:
        """As LaTeX."""
        return f"\\text{{{latex_text(self.value)}}}"

    def mathml(self) -> str:
        """As MathML."""
        return f"<mtext>{escape(self.value)}</mtext>"

    def text(self) -> str:
        """As plain text."""
        return self.value


@dataclass(frozen=True, slots=True)
class Digits:
    """A number, or digits of an index."""

    value: str

    def latex(self) -> str:
        """As LaTeX."""
        return self.value

    def mathml(self) -> str:
        """As MathML."""
        return f"<mn>{escape(self.value)}</mn>"

    def text(self) -> str:
        """As plain text."""
        return self.value


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator, relation or bracket."""

    sign: str

    def latex(self) -> str:
        """As LaTeX."""
        return _OPERATORS[self.sign]

    def mathml(self) -> str:
        """As MathML."""
        return f"<mo>{escape(_SIGNS.get(self.sign, self.sign))}</mo>"

    def text(self) -> str:
        """As plain text."""
        sign = _SIGNS.get(self.sign, self.sign) if self.sign != "~" else "~"
        return ", " if self.sign == "," else sign if self.sign in "()/…" else f" {sign} "


@dataclass(frozen=True, slots=True)
class Row:
    """Pieces side by side."""

    parts: "tuple[Node, ...]"

    def latex(self) -> str:
        """As LaTeX."""
        return " ".join(p.latex() for p in self.parts)

    def mathml(self) -> str:
        """As MathML."""
        return f"<mrow>{''.join(p.mathml() for p in self.parts)}</mrow>"

    def text(self) -> str:
        """As plain text."""
        out = ""
        for part in self.parts:
            piece = part.text()
            between = out and out[-1].isalnum() and piece[:1].isalnum()
            out += f" {piece}" if between else piece
        return out


@dataclass(frozen=True, slots=True)
class Indexed:
    """A symbol with an index, an exponent or both."""

    base: "Node"
    index: "Node | None" = None
    exponent: "Node | None" = None

    def latex(self) -> str:
        """As LaTeX."""
        low = (
            ""
            if self.index is None
            else f"_{{{self.index.latex().replace(' ', '')}}}"
            if not _has_words(self.index)
            else f"_{{{self.index.latex()}}}"
        )
        high = "" if self.exponent is None else f"^{{{self.exponent.latex()}}}"
        return f"{self.base.latex()}{low}{high}"

    def mathml(self) -> str:
        """As MathML."""
        base = self.base.mathml()
        # Brackets of an index shall not grow.
        index = "" if self.index is None else self.index.mathml().replace("<mo>", '<mo stretchy="false">')
        if self.index is not None and self.exponent is not None:
            return f"<msubsup>{base}{index}{self.exponent.mathml()}</msubsup>"
        if self.index is not None:
            return f"<msub>{base}{index}</msub>"
        return base if self.exponent is None else f"<msup>{base}{self.exponent.mathml()}</msup>"

    def text(self) -> str:
        """As plain text."""
        low = "" if self.index is None else f"_{self.index.text().replace(' ', '')}"
        high = "" if self.exponent is None else {"2": "²"}.get(self.exponent.text(), f"^{self.exponent.text()}")
        return f"{self.base.text()}{high}{low}"


@dataclass(frozen=True, slots=True)
class Matrix:
    """A matrix in round brackets."""

    rows: "tuple[tuple[Node, ...], ...]"

    def latex(self) -> str:
        """As LaTeX."""
        body = r" \\ ".join(" & ".join(cell.latex() for cell in row) for row in self.rows)
        return f"\\begin{{pmatrix}} {body} \\end{{pmatrix}}"

    def mathml(self) -> str:
        """As MathML."""
        body = "".join(f"<mtr>{''.join(f'<mtd>{cell.mathml()}</mtd>' for cell in row)}</mtr>" for row in self.rows)
        return f"<mrow><mo>(</mo><mtable>{body}</mtable><mo>)</mo></mrow>"

    def text(self) -> str:
        """As plain text."""
        return f"[{'; '.join(', '.join(cell.text() for cell in row) for row in self.rows)}]"


Node = Symbol | Word | Digits | Operator | Row | Indexed | Matrix


def _has_words(node: Node) -> bool:
    return isinstance(node, Word) or (isinstance(node, Row) and any(map(_has_words, node.parts)))
