"""Text of other programs to tokens: words, numbers, quoted texts and symbols.

Comments are blanked out first, so that positions stay.
"""

import re
from dataclasses import dataclass
from typing import Literal, NoReturn

from ranef.errors import TranslationError

Kind = Literal["word", "number", "string", "symbol", "end"]

_NUMBER = re.compile(r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_QUOTES = {"“": '"', "”": '"', "‘": "'", "’": "'"}


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a text; `value` of a quoted text is without its quotes.

    `spaced` is whether a blank stands before it.
    """

    kind: Kind
    value: str
    line: int
    start: int
    stop: int
    spaced: bool = False

    @property
    def lower(self) -> str:
        """In lower case, for keywords; empty for quoted texts, which are never keywords."""
        return "" if self.kind == "string" else self.value.lower()


@dataclass(frozen=True, slots=True)
class Lexicon:
    """How a language writes its tokens.

    Attributes
    ----------
    language : str
    symbols : tuple of str
        Of several characters, the longest first; every other character is a symbol itself.
    within : str
        What a word may contain besides letters and digits.
    quotes : str
    escape : bool
        Whether a backslash escapes inside quotes.
    """

    language: str
    symbols: tuple[str, ...] = ()
    within: str = "_"
    quotes: str = "\"'"
    escape: bool = False

    def scan(self, text: str, line: int = 1) -> list[Token]:
        """Split a text without comments into tokens; the last one is of kind ``"end"``."""
        text = "".join(_QUOTES.get(c, c) for c in text)
        tokens: list[Token] = []
        at, n, spaced = 0, len(text), False
        while at < n:
            c, start = text[at], at
            if c.isspace():
                line += c == "\n"
                at += 1
                spaced = True
                continue
            kind: Kind = "symbol"
            value = c
            at += 1
            if c.isalpha() or c in self.within:
                while at < n and (text[at].isalnum() or text[at] in self.within):
                    at += 1
                kind, value = "word", text[start:at]
            elif match := _NUMBER.match(text, start):
                kind, value, at = "number", match[0], match.end()
            elif c in self.quotes:
                kind, value, at = "string", *self._quoted(text, start, line)
            else:
                value = next((s for s in self.symbols if text.startswith(s, start)), c)
                at = start + len(value)
            tokens.append(Token(kind, value, line, start, at, spaced))
            line += text.count("\n", start, at)
            spaced = False
        tokens.append(Token("end", "", line, n, n, spaced))
        return tokens

    def _quoted(self, text: str, start: int, line: int) -> tuple[str, int]:
        quote, at, value = text[start], start + 1, ""
        while at < len(text):
            if self.escape and text[at] == "\\" and at + 1 < len(text):
                at += 1
            elif text[at] == quote:
                return value, at + 1
            value += text[at]
            at += 1
        raise TranslationError(self.language, text[start : start + 20], "this quote is not closed.", line)


class Reader:
    """A place in a list of tokens.

    Parameters
    ----------
    language : str
        For messages.
    tokens : list of Token
        With an end.
    """

    def __init__(self, language: str, tokens: list[Token]):
        self.language = language
        self.tokens = tokens
        self.at = 0

    @property
    def token(self) -> Token:
        """The next token."""
        return self.tokens[self.at]

    @property
    def done(self) -> bool:
        """Whether all are read."""
        return self.token.kind == "end"

    def ahead(self, by: int = 1) -> Token:
        """A later token."""
        return self.tokens[min(self.at + by, len(self.tokens) - 1)]

    def take(self) -> Token:
        """Read one."""
        token = self.token
        self.at += token.kind != "end"
        return token

    def remaining(self) -> list[Token]:
        """The tokens that are not read yet, without the end."""
        return self.tokens[self.at : -1]

    def sees(self, *values: str) -> bool:
        """Whether the next token is one of these symbols or words, in any case."""
        return self.token.kind in ("word", "symbol") and self.token.lower in values

    def accept(self, *values: str) -> Token | None:
        """Read the next token if it is one of these."""
        return self.take() if self.sees(*values) else None

    def expect(self, value: str) -> Token:
        """Read a symbol or word that must stand here."""
        if not self.sees(value):
            self.fail(f"{value!r} is missing here.")
        return self.take()

    def word(self, what: str) -> Token:
        """Read a word that must stand here."""
        if self.token.kind != "word":
            self.fail(f"{what} is missing here.")
        return self.take()

    def whole_number(self, largest: int) -> int:
        """Read a whole number."""
        token = self.take()
        if token.kind != "number" or not token.value.isdigit() or int(token.value) > largest:
            self.fail(f"a whole number up to {largest} is expected here.", token)
        return int(token.value)

    def fail(self, reason: str, token: Token | None = None, part: str | None = None) -> NoReturn:
        """Raise the error of a token, by default the next one."""
        token = token or self.token
        raise TranslationError(self.language, part or repr(token.value or "the end of the text"), reason, token.line)

    def inside(self) -> "Reader":
        """Read a text in parentheses; gives a reader of what stands between them."""
        opening = self.expect("(")
        depth, start = 1, self.at
        while depth:
            token = self.take()
            if token.kind == "end":
                self.fail("this parenthesis is never closed.", opening)
            if token.kind == "symbol":
                depth += {"(": 1, ")": -1}.get(token.value, 0)
        return Reader(self.language, [*self.tokens[start : self.at - 1], self._end(self.tokens[self.at - 1])])

    def until(self, *values: str) -> "Reader":
        """A reader of what stands before one
        of these symbols outside parentheses, or before the end.
        """
        depth, start = 0, self.at
        while not self.done:
            token = self.token
            if token.kind == "symbol":
                if depth == 0 and token.value in values:
                    break
                depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(token.value, 0)
            self.at += 1
        return Reader(self.language, [*self.tokens[start : self.at], self._end(self.token)])

    def split(self, value: str) -> "list[Reader]":
        """Readers of the parts between symbols that stand outside parentheses."""
        parts = [self.until(value)]
        while self.accept(value):
            parts.append(self.until(value))
        return parts

    @staticmethod
    def _end(token: Token) -> Token:
        return Token("end", "", token.line, token.start, token.start)


def blank(text: str, start: int, stop: int) -> str:
    """A text with blanks in place of a range, line ends kept."""
    return text[:start] + re.sub(r"[^\n]", " ", text[start:stop]) + text[stop:]


def without_comments(text: str, pattern: re.Pattern[str]) -> str:
    """Blank out comments.

    Parameters
    ----------
    pattern : Pattern
        Matches quoted texts and comments; a comment is its group ``comment``.
    """
    out = text
    for match in pattern.finditer(text):
        if match.group("comment") is not None:
            out = blank(out, match.start("comment"), match.end("comment"))
    return out
