"""Errors and warnings of the package.

Every mistake a user can make ends in a subclass of :class:`RanefError` whose message says what is
wrong, where, and what to do. Each is also a subclass of the built-in exception a caller would
expect (``ValueError``, ``KeyError`` or ``TypeError``).
"""

import difflib
from collections.abc import Iterable


class RanefError(Exception):
    """Base of all errors raised for input that cannot be used."""


class OptionError(RanefError, ValueError):
    """An argument has a value outside what is allowed."""


class ArgumentTypeError(RanefError, TypeError):
    """An argument has the wrong type."""


class FormulaError(RanefError, ValueError):
    """A formula cannot be understood.

    Parameters
    ----------
    message : str
        What is wrong and what to do.
    text : str, optional
        The formula as the user wrote it.
    start, stop : int, optional
        Character range of the culprit; it is marked under the formula in the message.
    """

    def __init__(self, message: str, text: str | None = None, start: int | None = None, stop: int | None = None):
        self.text, self.start, self.stop = text, start, stop
        if text is not None:
            message = f"{message}\n    {text}"
            if start is not None:
                width = max(1, (stop or start + 1) - start)
                message = f"{message}\n    {' ' * start}{'^' * width}"
        super().__init__(message)


class DataError(RanefError, ValueError):
    """The data cannot be used for the model asked for."""


class ColumnNotFoundError(RanefError, KeyError):
    """A name in a formula or argument is not a column of the data."""

    def __init__(self, name: str, available: Iterable[str], where: str = "the data"):
        self.name = name
        names = [str(n) for n in available]
        same = [n for n in names if n.casefold() == name.casefold()]
        close = same or difflib.get_close_matches(name, names, n=3, cutoff=0.6)
        hint = f" Did you mean {', '.join(repr(c) for c in close)}?" if close else ""
        shown = ", ".join(names[:20]) + (", …" if len(names) > 20 else "")
        held = f"Its columns are: {shown}." if names else "It has no columns."
        if not name.isascii() and (twin := _twin(name, names)):
            hint = (
                f" Its column {twin!r} looks the same, but its accents are characters of their own: bring both into "
                "one form, data.columns = data.columns.str.normalize('NFC'), and the formula likewise."
            )
        super().__init__(f"there is no column {name!r} in {where}.{hint} {held}")

    def __str__(self) -> str:
        return str(self.args[0])

    def __reduce__(self) -> tuple[object, ...]:
        return _as_it_was, (type(self), self.args, self.__dict__)


def _as_it_was(kind: type[Exception], arguments: tuple[object, ...], state: dict[str, object]) -> Exception:
    """An exception that came from another process."""
    made = kind.__new__(kind)
    made.args = arguments
    made.__dict__.update(state)
    return made


def _twin(name: str, names: list[str]) -> str | None:
    """A name that is written by other characters and looks the same."""
    import unicodedata

    form = unicodedata.normalize("NFC", name)
    return next((n for n in names if unicodedata.normalize("NFC", n) == form), None)


class UnknownMemberError(RanefError, AttributeError):
    """A model, or the package, has no attribute of this name."""


class UnknownKeyError(RanefError, KeyError):
    """A mapping of a model has no such key."""

    def __str__(self) -> str:
        return str(self.args[0])


class DesignError(RanefError, ValueError):
    """The model matrices cannot be built, or describe a model that cannot be fitted."""


class MemoryLimitError(DesignError, MemoryError):
    """What is asked for does not fit into the memory that is free.

    Parameters
    ----------
    message : str
    needed : float, optional
        Bytes that it takes.
    available : float, optional
        Bytes that can be taken.
    """

    def __init__(self, message: str, needed: float | None = None, available: float | None = None):
        super().__init__(message)
        self.needed = needed
        self.available = available


class NewLevelError(RanefError, ValueError):
    """New data contain a level of a grouping factor that was not in the data of the fit."""


class TranslationError(RanefError, ValueError):
    """A model cannot be said in another program's language,
    or a text of another program says what is not a model of this package.

    Parameters
    ----------
    language : str
        The program, as it writes its name.
    part : str
        The part of the model or of the text that is the reason.
    reason : str
        Why, and what to do.
    line : int, optional
        Line of the text, counted from one.
    """

    def __init__(self, language: str, part: str, reason: str, line: int | None = None):
        self.language, self.part, self.reason, self.line = language, part, reason, line
        where = "" if line is None else f", line {line}"
        super().__init__(f"{language}{where}: {part}: {reason}")

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.language, self.part, self.reason, self.line))


class MissingExtraError(RanefError, ImportError):
    """Something was asked for that needs an optional package which is not installed.

    The message has the command that installs it.
    """


class RanefWarning(UserWarning):
    """What a user should know about a fit that was nevertheless made; at most one for each fit."""
