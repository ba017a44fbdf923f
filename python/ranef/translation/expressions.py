"""Arithmetic and conditions in other programs' languages,
to the syntax tree of a formula and back.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ranef.errors import TranslationError
from ranef.formula.deparse import deparse, number_text
from ranef.formula.syntax import (
    Argument,
    Binary,
    Call,
    Expr,
    Name,
    Number,
    Paren,
    String,
    Unary,
    names_in,
    walk,
    without_parens,
)
from ranef.translation.scanner import Reader, Token

_STRENGTH = {"|": 1, "&": 2, "==": 4, "!=": 4, "<": 4, ">": 4, "<=": 4, ">=": 4, "+": 5, "-": 5, "*": 6, "/": 6, "^": 8}
_NOT, _SIGN = 3, 7


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a language writes arithmetic and conditions.

    Attributes
    ----------
    language : str
    functions : mapping
        R's names of functions and the language's.
    operators : mapping
        R's operators and the language's where they differ, also ``!``.
    spellings : mapping
        Further spellings that are understood, by the language's operator or function, to R's.
    quote : str
    tight_not : bool
        Whether "not" binds more tightly than a comparison; in R it does not.
    """

    language: str
    functions: Mapping[str, str]
    operators: Mapping[str, str] = field(default_factory=dict)
    spellings: Mapping[str, str] = field(default_factory=dict)
    quote: str = '"'
    tight_not: bool = True

    def write(self, node: Expr, part: str | None = None) -> str:
        """Write an expression.

        Raises
        ------
        TranslationError
            For a function that the language does not have.
        """
        return self._written(node, 0, part or deparse(node))

    def _written(self, node: Expr, outer: int, part: str) -> str:
        node = without_parens(node)
        if isinstance(node, Name):
            return node.name
        if isinstance(node, Number):
            return number_text(node.value)
        if isinstance(node, String):
            return f"{self.quote}{node.value.replace(self.quote, self.quote * 2)}{self.quote}"
        if isinstance(node, Binary) and node.operator in _STRENGTH:
            strength = _STRENGTH[node.operator]
            # Languages differ in how they group repeated powers, so those are bracketed on both
            # sides.
            left = self._written(node.left, strength + (node.operator == "^"), part)
            right = self._written(node.right, strength + 1, part)
            sign = self.operators.get(node.operator, node.operator)
            space = "" if node.operator == "^" else " "
            return _bracketed(f"{left}{space}{sign}{space}{right}", strength < outer)
        if isinstance(node, Unary) and node.operator in "+-!":
            sign = self.operators.get(node.operator, node.operator)
            if node.operator == "!":
                # What "not" takes differs between languages; in brackets it is clear.
                return f"{sign}{' ' * sign.isalpha()}{_not_operand(self._written(node.operand, 0, part), node.operand)}"
            return _bracketed(f"{sign}{self._written(node.operand, _SIGN, part)}", outer > _SIGN)
        if isinstance(node, Call) and node.function == "I" and len(node.arguments) == 1:
            return self._written(node.arguments[0].value, outer, part)
        if (
            isinstance(node, Call)
            and node.function in self.functions
            and len(node.arguments) == 1
            and not node.arguments[0].keyword
        ):
            return f"{self.functions[node.function]}({self._written(node.arguments[0].value, 0, part)})"
        what = f"{node.function}()" if isinstance(node, Call) else "this expression"
        raise TranslationError(
            self.language,
            part,
            f"{what} cannot be written there; make a column of its values in the data and use that column in the "
            "formula.",
        )

    def read(self, reader: Reader, weakest: int = 0) -> Expr:
        """Read an expression up to where none continues."""
        node = self._prefix(reader)
        while True:
            operator = self._operator(reader.token)
            strength = _STRENGTH.get(operator or "")
            if operator is None or strength is None or strength <= weakest:
                return node
            reader.take()
            node = Binary(operator, node, self.read(reader, strength - 1 if operator == "^" else strength))

    def read_all(self, reader: Reader) -> Expr:
        """Read an expression that must be all there is."""
        node = self.read(reader)
        if not reader.done:
            reader.fail("this cannot be understood in an expression.")
        return node

    def _operator(self, token: Token) -> str | None:
        if token.kind not in ("symbol", "word"):
            return None
        own = {v: k for k, v in self.operators.items()} | dict(self.spellings)
        found = own.get(token.lower, token.value if token.kind == "symbol" else None)
        return found if found in _STRENGTH or found == "!" else None

    def _prefix(self, reader: Reader) -> Expr:
        token = reader.token
        operator = self._operator(token)
        if operator in ("-", "+", "!"):
            reader.take()
            if operator != "!":
                return Unary(operator, self.read(reader, _SIGN - 1))
            operand = self.read(reader, _SIGN - 1 if self.tight_not else _NOT)
            # In R everything up to the next "and" belongs to "not", so brackets keep what was
            # meant.
            return (
                Paren(Unary("!", operand))
                if self.tight_not and not isinstance(operand, Paren | Call)
                else Unary("!", operand)
            )
        if reader.sees("("):
            return Paren(self.read_all(reader.inside()))
        reader.take()
        if token.kind == "number":
            return Number(float(token.value))
        if token.kind == "string":
            return String(token.value)
        if token.kind != "word":
            reader.fail("this cannot be understood in an expression.", token)
        if not reader.sees("("):
            return Name(token.value)
        own = {v.lower(): k for k, v in self.functions.items()} | dict(self.spellings)
        function = own.get(token.lower)
        if function is None:
            reader.fail(
                "this function has no translation; compute the column in the data and use it in the model.",
                token,
                f"{token.value}()",
            )
        return Call(function, (Argument(self.read_all(reader.inside())),))


def _not_operand(text: str, node: Expr) -> str:
    return text if isinstance(without_parens(node), Call) else f"({text})"


def _bracketed(text: str, needed: bool) -> str:
    return f"({text})" if needed else text


def replace_names(node: Expr, values: Mapping[str, Expr]) -> Expr:
    """Put expressions in place of names."""
    if isinstance(node, Name):
        value = values.get(node.name, node)
        return Paren(value) if isinstance(value, Binary | Unary) else value
    if isinstance(node, Paren):
        return Paren(without_parens(replace_names(node.inner, values)))
    if isinstance(node, Unary):
        return Unary(node.operator, replace_names(node.operand, values))
    if isinstance(node, Binary):
        return Binary(node.operator, replace_names(node.left, values), replace_names(node.right, values))
    if isinstance(node, Call):
        arguments = tuple(Argument(without_parens(replace_names(a.value, values)), a.keyword) for a in node.arguments)
        return Call(node.function, arguments, node.package)
    return node


def column_name(node: Expr, taken: set[str], longest: int = 32) -> str:
    """A name for a column computed by an expression."""
    words = [n.function for n in walk(node) if isinstance(n, Call) and n.function != "I"]
    words += names_in(node)
    base = (
        "_".join("".join(c if c.isalnum() and c.isascii() else "_" for c in w).strip("_") for w in words) or "computed"
    )
    base = (base if base[0].isalpha() else f"v_{base}")[: longest - 3]
    name, i = base, 2
    while name.lower() in taken:
        name, i = f"{base}_{i}", i + 1
    return name
