"""The syntax tree back to R's text, as R's ``deparse`` would write it on one line."""

import math

from ranef.formula.syntax import (
    Argument,
    Binary,
    Call,
    Constant,
    Expr,
    Name,
    Number,
    Paren,
    String,
    Unary,
    is_named_bar,
)
from ranef.formula.tokens import is_syntactic

_TIGHT = frozenset((":", "^", "/", "%%", "%/%"))
_ESCAPED = {"\n": "\\n", "\t": "\\t", "\r": "\\r", '"': '\\"', "\\": "\\\\"}


def deparse(node: Expr) -> str:
    """Write an expression as R prints it.

    Parameters
    ----------
    node : Expr

    Returns
    -------
    str
        For example ``I(Days^2)`` for ``I(Days ** 2)``; this text names terms and columns.
    """
    if isinstance(node, Name):
        return quoted_name(node.name)
    if isinstance(node, Number):
        return number_text(node.value) + ("L" if node.integer else "")
    if isinstance(node, String):
        return '"' + "".join(_ESCAPED.get(c, c) for c in node.value) + '"'
    if isinstance(node, Constant):
        return node.word
    if isinstance(node, Paren):
        return f"({deparse(node.inner)})"
    if isinstance(node, Unary):
        return node.operator + deparse(node.operand)
    if isinstance(node, Binary):
        return _binary_text(node)
    return call_text(node)


def _binary_text(node: Binary) -> str:
    # A sum of thousands of columns is a chain to the left, too deep for recursion.
    pieces: list[str] = []
    left: Expr = node
    while isinstance(left, Binary):
        if is_named_bar(left):
            assert isinstance(left.left, Binary)
            pieces.append(f" |{deparse(left.left.right)}| {deparse(left.right)}")
            left = left.left.left
            continue
        space = "" if left.operator in _TIGHT else " "
        pieces.append(f"{space}{left.operator}{space}{deparse(left.right)}")
        left = left.left
    pieces.append(deparse(left))
    return "".join(reversed(pieces))


def call_text(node: Call) -> str:
    """Write a call."""
    package = f"{quoted_name(node.package)}::" if node.package else ""
    return f"{package}{quoted_name(node.function)}({', '.join(map(_argument_text, node.arguments))})"


def _argument_text(argument: Argument) -> str:
    value = deparse(argument.value)
    return value if argument.keyword is None else f"{quoted_name(argument.keyword)} = {value}"


def quoted_name(name: str) -> str:
    """A name, in back-quotes if it needs them."""
    if is_syntactic(name):
        return name
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def number_text(value: float) -> str:
    """Write a number with up to 15 significant digits,
    in the shorter of fixed and scientific notation.
    """
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Inf" if value > 0 else "-Inf"
    if value == 0:
        return "0"
    digits = next(d for d in range(1, 18) if d >= 15 or float(f"{value:.{d - 1}e}") == float(f"{value:.14e}"))
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    scientific = f"{mantissa}e{int(exponent):+03d}"
    fixed = f"{value:.{max(0, digits - 1 - int(exponent))}f}"
    return fixed if len(fixed) <= len(scientific) else scientific
