"""The tree of a formula: what the parser makes and everything else reads.

Two nodes are equal when they say the same; where they stood in the text (`span`) does not matter.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

Span = tuple[int, int]
"""Character range in the formula's text: first, and one past the last."""


@dataclass(frozen=True, slots=True)
class Name:
    """A column, or a constant such as ``pi`` where no column has that name."""

    name: str
    span: Span = field(default=(0, 0), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Number:
    """A number; `integer` if written as in ``2L``."""

    value: float
    integer: bool = False
    span: Span = field(default=(0, 0), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class String:
    """A quoted text."""

    value: str
    span: Span = field(default=(0, 0), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Constant:
    """A reserved word: TRUE, FALSE, NULL, NA, NaN or Inf."""

    word: str
    span: Span = field(default=(0, 0), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of a call, with its keyword if it has one."""

    value: "Expr"
    keyword: str | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """A function applied to arguments; `package` is what stands before ``::``."""

    function: str
    arguments: tuple[Argument, ...]
    package: str | None = None
    span: Span = field(default=(0, 0), compare=False, repr=False)
    function_span: Span = field(default=(0, 0), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Unary:
    """An operator before its only operand: ``-``, ``+``, ``!`` or ``~``."""

    operator: str
    operand: "Expr"
    span: Span = field(default=(0, 0), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Binary:
    """An operator between two operands. ``|`` and ``||`` are the bars of random-effects terms."""

    operator: str
    left: "Expr"
    right: "Expr"
    span: Span = field(default=(0, 0), compare=False, repr=False)
    operator_span: Span = field(default=(0, 0), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Paren:
    """An expression in parentheses, kept because the text is printed as it was written."""

    inner: "Expr"
    span: Span = field(default=(0, 0), compare=False, repr=False)


Expr = Name | Number | String | Constant | Call | Unary | Binary | Paren


def children(node: Expr) -> tuple[Expr, ...]:
    """The expressions directly inside a node, from left to right."""
    if isinstance(node, Binary):
        return (node.left, node.right)
    if isinstance(node, Call):
        return tuple(a.value for a in node.arguments)
    if isinstance(node, Unary):
        return (node.operand,)
    if isinstance(node, Paren):
        return (node.inner,)
    return ()


def walk(node: Expr) -> Iterator[Expr]:
    """The node and everything inside it, from left to right."""
    waiting = [node]
    while waiting:
        current = waiting.pop()
        yield current
        waiting.extend(reversed(children(current)))


def names_in(node: Expr) -> tuple[str, ...]:
    """The distinct names in an expression, in order of appearance."""
    return tuple(dict.fromkeys(n.name for n in walk(node) if isinstance(n, Name)))


def without_parens(node: Expr) -> Expr:
    """The expression inside any number of parentheses."""
    while isinstance(node, Paren):
        node = node.inner
    return node


def is_bar(node: Expr) -> bool:
    """Whether the node is ``effects | group`` or ``effects || group``."""
    return isinstance(node, Binary) and node.operator in ("|", "||")


def is_named_bar(node: Expr) -> bool:
    """Whether a bar has a name, as in ``(x |p| g)``; with spaces, ``(1 | g | h)``, it is a slip."""
    if not isinstance(node, Binary) or node.operator != "|":
        return False
    left = node.left
    if not isinstance(left, Binary) or left.operator != "|" or not isinstance(left.right, Name):
        return False
    return left.operator_span[1] == left.right.span[0] and left.right.span[1] == node.operator_span[0]
