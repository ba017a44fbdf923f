"""Tokens to the syntax tree, with R's operator precedence."""

from typing import NoReturn

from ranef.formula.dialects import WORDS, listed, understood
from ranef.formula.syntax import Argument, Binary, Call, Constant, Expr, Name, Number, Paren, String, Unary
from ranef.formula.tokens import Token, fail, tokenize

# Strength with which an operator binds, weakest first: as in R.
_TILDE, _BAR, _AND, _NOT, _COMPARE, _ADD, _MULTIPLY, _INFIX, _COLON, _SIGN, _POWER = range(10, 120, 10)
_BINARY = {
    "~": _TILDE, "|": _BAR, "||": _BAR, "&": _AND, "&&": _AND,
    "==": _COMPARE, "!=": _COMPARE, "<": _COMPARE, ">": _COMPARE, "<=": _COMPARE, ">=": _COMPARE,
    "+": _ADD, "-": _ADD, "*": _MULTIPLY, "/": _MULTIPLY, ":": _COLON, "^": _POWER, "**": _POWER,
}  # fmt: skip
_UNARY = {"-": _SIGN, "+": _SIGN, "!": _NOT, "~": _TILDE}
_INFIX_KNOWN = ("%in%", "%%", "%/%")
_COMMA = "a comma separates the arguments of a function, and there is none here; several constants are c(2, 3)."
_UNUSABLE = {
    "$": "write the column's name alone: the data are given by the argument `data`.",
    "@": "write the column's name alone: the data are given by the argument `data`.",
    "[": "a formula has no indexing; make a column of the values that are wanted.",
    "]": "a formula has no indexing; make a column of the values that are wanted.",
    "<-": "a formula has no assignment.",
    "->": "a formula has no assignment.",
    "|>": "a formula has no pipes.",
    "{": "braces have no meaning in a formula; arithmetic is written I(x * z).",
    "}": "braces have no meaning in a formula; arithmetic is written I(x * z).",
    "\\": "a formula cannot define functions.",
    ";": "a formula is one expression.",
    "?": "a question mark has no meaning in a formula.",
}


def parse_expression(text: str) -> Expr:
    """Parse any expression or formula.

    Parameters
    ----------
    text : str
        As in R; Python's ``**``, ``True``, ``False`` and ``None`` are understood too.

    Returns
    -------
    Expr
        The syntax tree.

    Raises
    ------
    FormulaError
        If the text cannot be understood; a caret marks the culprit.
    """
    try:
        return _Parser(text).whole()
    except RecursionError:
        fail("the formula is nested too deeply.", text, 0)


class _Parser:
    """Precedence climbing over the tokens of one text."""

    def __init__(self, text: str):
        self.text = text
        self.tokens = tokenize(text)
        self.at = 0
        self.open: list[Token] = []

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    def whole(self) -> Expr:
        if self.token.kind == "end":
            fail("the formula is empty.", self.text, 0)
        node = self.expression(0)
        token = self.token
        if token.kind != "end":
            if token.value == ")" and token.kind == "operator":
                fail(
                    "this parenthesis closes nothing: a '(' is missing before it, or it is one too many.",
                    self.text,
                    token.start,
                )
            if token.value == "," and token.kind == "operator":
                fail(
                    _COMMA,
                    self.text,
                    token.start,
                )
            self.unexpected(token)
        return node

    def expression(self, weakest: int) -> Expr:
        node = self.prefix()
        while True:
            token = self.token
            strength = self.strength(token)
            if strength is None or strength <= weakest:
                return node
            self.at += 1
            operator = "^" if token.value == "**" else token.value
            self.require_operand(token)
            # `^` groups from the right, everything else from the left.
            right = self.expression(strength - 1 if strength == _POWER else strength)
            if strength == _COMPARE and isinstance(node, Binary) and _BINARY.get(node.operator) == _COMPARE:
                fail("comparisons cannot be chained; write (a < b) & (b < c).", self.text, token.start, token.stop)
            node = Binary(operator, node, right, (node.span[0], right.span[1]), (token.start, token.stop))

    def strength(self, token: Token) -> int | None:
        if token.kind != "operator":
            return None
        if token.value[0] == "%":
            if token.value not in _INFIX_KNOWN:
                fail(
                    f"there is no operator {token.value}; a formula knows {', '.join(_INFIX_KNOWN)}.",
                    self.text,
                    token.start,
                    token.stop,
                )
            return _INFIX
        return _BINARY.get(token.value)

    def prefix(self) -> Expr:
        token = self.token
        if token.kind == "operator":
            if token.value == "(":
                return self.parenthesis(token)
            if token.value == "[":
                return self.brackets(token)
            if token.value not in _UNARY:
                self.misplaced(token)
            strength = _UNARY[token.value]
            self.at += 1
            self.require_operand(token)
            operand = self.expression(strength - 1)
            return Unary(token.value, operand, (token.start, operand.span[1]))
        if token.kind == "end":
            fail("the formula ends too early.", self.text, max(0, len(self.text.rstrip()) - 1))
        self.at += 1
        span = (token.start, token.stop)
        if token.kind == "string":
            return String(token.value, span)
        if token.kind == "constant":
            return Constant(token.value, span)
        if token.kind in ("number", "integer"):
            hexadecimal = token.value[:2].lower() == "0x"
            return Number(
                float(int(token.value, 16)) if hexadecimal else float(token.value), token.kind == "integer", span
            )
        return self.named(token)

    def named(self, token: Token) -> Expr:
        package = None
        if self.is_operator("::"):
            package, colons = token.value, self.token
            self.at += 1
            if self.token.kind != "name":
                fail("a function's name is missing after '::'.", self.text, colons.start, colons.stop)
            token = self.token
            self.at += 1
            if not self.is_operator("("):
                fail(
                    "'::' stands between a package and a function: splines::ns(x, 3).",
                    self.text,
                    colons.start,
                    colons.stop,
                )
        if self.is_operator("("):
            first = token.start if package is None else self.text.rindex(package, 0, token.start)
            return self.call(token, package, first)
        return Name(token.value, (token.start, token.stop))

    def parenthesis(self, opening: Token) -> Expr:
        self.open.append(opening)
        self.at += 1
        if self.is_operator(")"):
            fail("there is nothing between these parentheses.", self.text, opening.start, self.token.stop)
        inner = self.expression(0)
        closing = self.close(opening)
        return Paren(inner, (opening.start, closing.stop))

    def brackets(self, opening: Token) -> Expr:
        """A list of constants, as Python writes it."""
        self.at += 1
        values: list[Expr] = []
        while not self.is_operator("]"):
            values.append(self.expression(0))
            if not self.is_operator(","):
                break
            self.at += 1
        closing = self.token
        if not self.is_operator("]"):
            if closing.kind != "end":
                self.unexpected(closing)
            fail("this bracket is never closed.", self.text, opening.start)
        if not values:
            fail("there is nothing between these brackets.", self.text, opening.start, closing.stop)
        self.at += 1
        return listed(values, (opening.start, closing.stop))

    def call(self, function: Token, package: str | None, first: int) -> Expr:
        opening = self.token
        self.open.append(opening)
        self.at += 1
        arguments: list[Argument] = []
        while not self.is_operator(")"):
            keyword = None
            if self.token.kind in ("name", "string") and self.is_operator("=", ahead=1):
                keyword = self.token.value
                self.at += 1
                equals = self.token
                self.at += 1
                self.require_operand(equals)
            if self.is_operator(","):
                fail("an argument is missing before this comma.", self.text, self.token.start)
            arguments.append(Argument(self.expression(0), keyword))
            if not self.is_operator(","):
                break
            comma = self.token
            self.at += 1
            if self.is_operator(")"):
                fail("an argument is missing after this comma.", self.text, comma.start)
        closing = self.close(opening)
        span, name = (first, closing.stop), (function.start, function.stop)
        return understood(Call(function.value, tuple(arguments), package, span, name), self.text)

    def close(self, opening: Token) -> Token:
        token = self.token
        if token.kind == "end":
            fail("this parenthesis is never closed.", self.text, opening.start)
        if not self.is_operator(")"):
            self.unexpected(token)
        self.open.pop()
        self.at += 1
        return token

    def is_operator(self, value: str, ahead: int = 0) -> bool:
        token = self.tokens[min(self.at + ahead, len(self.tokens) - 1)]
        return token.kind == "operator" and token.value == value

    def require_operand(self, operator: Token) -> None:
        """See that something follows an operator,
        so that the operator itself can be marked when nothing does.
        """
        following = self.token
        ends = following.kind == "end" or (following.kind == "operator" and following.value in ("),"))
        if not ends:
            return
        if operator.value == "~":
            fail("there is nothing to the right of '~'; the intercept alone is written 1.", self.text, operator.start)
        if operator.value in ("|", "||"):
            fail("the grouping factor is missing after the bar.", self.text, operator.start, operator.stop)
        fail(f"something is missing after {operator.value!r}.", self.text, operator.start, operator.stop)

    def misplaced(self, token: Token) -> NoReturn:
        """Raise the error for an operator that stands where an operand should."""
        if token.value in _UNUSABLE:
            fail(_UNUSABLE[token.value], self.text, token.start, token.stop)
        if token.value == ")":
            if self.open:
                fail("something is missing before this parenthesis.", self.text, token.start)
            fail(
                "this parenthesis closes nothing: a '(' is missing before it, or it is one too many.",
                self.text,
                token.start,
            )
        if token.value in ("|", "||"):
            fail(
                "the effects are missing before the bar; an intercept for each group is (1 | group).",
                self.text,
                token.start,
                token.stop,
            )
        before = self.tokens[self.at - 1] if self.at else None
        if token.value == "/" and before is not None and before.value == "/":
            fail("whole division is written %/%: I(x %/% 2).", self.text, before.start, token.stop)
        fail(f"something is missing before {token.value!r}.", self.text, token.start, token.stop)

    def unexpected(self, token: Token) -> NoReturn:
        """Raise the error for a token that cannot follow what stands before it."""
        if token.kind == "operator":
            if token.value == "=":
                fail(
                    "a single '=' has no meaning here: write '~' between response and predictors, '==' to compare.",
                    self.text,
                    token.start,
                )
            if token.value in _UNUSABLE:
                fail(_UNUSABLE[token.value], self.text, token.start, token.stop)
            if token.value == "!":
                fail("an operator is missing before '!'.", self.text, token.start, token.stop)
            if token.value == "(":
                fail("an operator is missing before this parenthesis.", self.text, token.start)
            if token.value == ",":
                fail(
                    _COMMA,
                    self.text,
                    token.start,
                )
        before = self.tokens[self.at - 1]
        for word in (token, before):
            if word.kind == "name" and word.value in WORDS:
                fail(WORDS[word.value], self.text, word.start, word.stop)
        fail(
            f"an operator is missing between {self.text[before.start : before.stop]!r} and "
            f"{self.text[token.start : token.stop]!r}; terms are joined by '+', and a name with spaces stands in "
            "back-quotes.",
            self.text,
            token.start,
            token.stop,
        )
