"""The text of a formula to tokens."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal, NoReturn

from ranef.errors import FormulaError

TokenKind = Literal["name", "number", "integer", "string", "constant", "operator", "end"]

# The longest come first, so that `<=` is not read as `<` and `=`.
_OPERATORS = ("<-", "->", "|>", "<=", ">=", "==", "!=", "&&", "||", "**", "::", *"~+-*/^:|&!<>=(),[]{}$@\\;?")
_INFIX = re.compile(r"%[^%\n]*%")
_NUMBER = re.compile(r"(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(L?)")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
# Word processors and web pages change these characters; a formula pasted from there is still clear.
_TYPOGRAPHY = str.maketrans("−–∼˜∗“”„‘’", '--~~*"""\'\'')
_RESERVED = {"TRUE": "TRUE", "FALSE": "FALSE", "NULL": "NULL", "NA": "NA", "NaN": "NaN", "Inf": "Inf"}
# Python's spellings mean the same.
_RESERVED |= {
    "True": "TRUE",
    "False": "FALSE",
    "None": "NULL",
    "NA_real_": "NA",
    "NA_integer_": "NA",
    "NA_character_": "NA",
}


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the text: its kind, its value, and its character range."""

    kind: TokenKind
    value: str
    start: int
    stop: int


def fail(message: str, text: str, start: int, stop: int | None = None) -> NoReturn:
    """Raise a `FormulaError` whose caret stands under the culprit,
    also when the formula has several lines.
    """
    raise FormulaError(message, re.sub(r"\s", " ", text), start, start + 1 if stop is None else stop)


def tokenize(text: str) -> list[Token]:
    """Split the text of a formula into tokens; the last one is of kind ``"end"``."""
    source = text.translate(_TYPOGRAPHY)
    tokens: list[Token] = []
    at, n = 0, len(source)
    while at < n:
        character = source[at]
        if character.isspace():
            at += 1
        elif character == "#":
            line_end = source.find("\n", at)
            at = n if line_end < 0 else line_end
        elif _starts_name(source, at):
            stop = at + 1
            while stop < n and _continues_name(source[stop]):
                stop += 1
            word = source[at:stop]
            if word in _RESERVED:
                tokens.append(Token("constant", _RESERVED[word], at, stop))
            else:
                tokens.append(Token("name", word, at, stop))
            at = stop
        elif match := _NUMBER.match(source, at):
            if match.end() < n and _continues_name(source[match.end()]):
                stop = match.end()
                while stop < n and _continues_name(source[stop]):
                    stop += 1
                fail(
                    f"{source[at:stop]!r} is neither a number nor a name. A name that starts with a digit stands in "
                    f"back-quotes: `{source[at:stop]}`.",
                    text,
                    at,
                    stop,
                )
            tokens.append(Token("integer" if match[1] else "number", match[0].rstrip("L"), at, match.end()))
            at = match.end()
        elif character in "\"'`":
            value, stop = _quoted(source, text, at)
            tokens.append(Token("name" if character == "`" else "string", value, at, stop))
            at = stop
        elif character == "%":
            infix = _INFIX.match(source, at)
            if infix is None:
                fail("an operator such as %in% needs a second '%'; a remainder is written I(x %% 2).", text, at)
            tokens.append(Token("operator", infix[0], at, infix.end()))
            at = infix.end()
        else:
            operator = next((o for o in _OPERATORS if source.startswith(o, at)), None)
            if operator is None:
                fail(f"the character {character!r} has no meaning in a formula.", text, at)
            tokens.append(Token("operator", operator, at, at + len(operator)))
            at += len(operator)
    tokens.append(Token("end", "", n, n))
    return tokens


def _starts_name(source: str, at: int) -> bool:
    character = source[at]
    if character == ".":
        return not source[at + 1 : at + 2].isdigit()
    return character.isalpha() or character == "_"


def _continues_name(character: str) -> bool:
    # Marks are the accents of decomposed letters and the vowels of several scripts.
    return character.isalnum() or character in "._" or unicodedata.category(character).startswith("M")


def is_syntactic(name: str) -> bool:
    """Whether a name can be written without back-quotes."""
    return bool(name) and name not in _RESERVED and _starts_name(name, 0) and all(map(_continues_name, name))


def _quoted(source: str, text: str, start: int) -> tuple[str, int]:
    quote, at = source[start], start + 1
    value: list[str] = []
    while at < len(source):
        character = source[at]
        if character == quote:
            if quote == "`" and not value:
                fail("there is no name between the back-quotes.", text, start, at + 1)
            return "".join(value), at + 1
        if character == "\\" and at + 1 < len(source):
            at += 1
            value.append(_ESCAPES.get(source[at], source[at]))
        else:
            # Inside quotes the characters are the user's own: a level may well contain a dash.
            value.append(text[at])
        at += 1
    what = "back-quote" if quote == "`" else "quote"
    fail(f"this {what} is not closed.", text, start)
