"""Tables of plain text: aligned columns that continue below each other when a line is full."""

import re
import shutil
import sys
import unicodedata
from collections.abc import Sequence
from numbers import Integral

from ranef.errors import ArgumentTypeError, OptionError

#: Width of a line where it is not that of a terminal.
WIDTH = 80

#: The narrowest line that tables are laid out for.
NARROWEST = 40

#: Columns that labels are broken for at least; with less room the numbers continue below.
NARROWEST_LABEL = 20


def terminal_width() -> int | None:
    """Columns of the terminal that is printed to; None where output goes elsewhere."""
    try:
        shown = sys.stdout.isatty()
    except (AttributeError, ValueError):  # there is no output, or it is closed
        return None
    return max(NARROWEST, shutil.get_terminal_size((WIDTH, 24)).columns) if shown else None


def checked_width(width: object) -> int | None:
    """Check the width of lines that is asked for; None is that of the terminal."""
    if width is None:
        return None
    if isinstance(width, bool) or not isinstance(width, Integral):
        raise ArgumentTypeError(f"width must be a whole number of columns, not {width!r}.")
    if width < NARROWEST:
        raise OptionError(f"width must be {NARROWEST} columns or more, not {width}: tables need the room.")
    return int(width)


#: Where a label can be broken: after blanks, and between the parts of an interaction.
_BREAKS = re.compile(r"(?<=\s)|(?<=\]:)")


def printable(text: str) -> str:
    """Show line breaks, tabs and other control characters of a label by their escapes,
    so that they cannot break a table.
    """
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def text_width(text: str) -> int:
    """Return the columns a text takes on a terminal:
    East Asian wide characters take two, combining marks none.
    """
    text = printable(text)
    if text.isascii():
        return len(text)
    return sum(_columns(c) for c in text)


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def align(text: str, width: int, right: bool) -> str:
    """Fill a text with blanks to a width."""
    text = printable(text)
    blanks = " " * (width - text_width(text))
    return blanks + text if right else text + blanks


def table_lines(
    rows: Sequence[str],
    columns: Sequence[str],
    cells: Sequence[Sequence[str]],
    *,
    right: bool,
    width: int = WIDTH,
) -> list[str]:
    """Lay out a table with labels for rows and columns.

    Parameters
    ----------
    rows, columns : sequence of str
        Labels. Row labels are left-aligned.
    cells : sequence of sequences of str
        The cells of each row.
    right : bool
        Align cells and column labels right instead of left.
    width : int
        Width of a line; columns that do not fit continue below, after the last row.

    Returns
    -------
    list of str
    """
    label_width = max((text_width(r) for r in rows), default=0)
    widths = [
        max(text_width(label), *(text_width(row[j]) for row in cells)) if cells else text_width(label)
        for j, label in enumerate(columns)
    ]
    lines: list[str] = []
    start = 0
    while start < len(columns):
        used = label_width + 1 + widths[start]
        stop = start + 1
        while stop < len(columns) and used + 1 + widths[stop] < width:
            used += 1 + widths[stop]
            stop += 1
        shown = range(start, stop)
        for label, row in zip(["", *rows], [columns, *cells], strict=True):
            lines.append(
                " ".join([align(label, label_width, False), *(align(row[j], widths[j], right) for j in shown)])
            )
        start = stop
    return lines


def broken_label(text: str, room: int) -> list[str]:
    """Break a label into lines that fit into so many columns, the later ones indented; a label for
    which there is too little room stays whole.
    """
    if text_width(text) <= room or room < NARROWEST_LABEL:
        return [text]
    lines, start = [""], True
    for piece in _BREAKS.split(printable(text)):
        if not start and text_width(lines[-1] + piece.rstrip()) > room:
            lines[-1] = lines[-1].rstrip()
            lines.append("  ")
        for character in piece:  # a piece that is longer than a line is broken anywhere
            if text_width(lines[-1] + character.rstrip()) > room:
                lines.append("  ")
            lines[-1] += character
        start = False
    return [*lines[:-1], lines[-1].rstrip()]


def named_lines(names: Sequence[str], texts: Sequence[str], *, gap: int = 1, width: int = WIDTH) -> list[str]:
    """Lay out values below their names, as many side by side as a line holds.

    Parameters
    ----------
    names, texts : sequence of str
        The names and the values.
    gap : int
        Blanks after each field.
    width : int
        Width of a line.

    Returns
    -------
    list of str
        Lines of names and of values by turns.
    """
    field = max((text_width(t) for t in (*names, *texts)), default=0)
    per_line = max(1, width // (field + gap))
    lines: list[str] = []
    for start in range(0, len(names), per_line):
        span = slice(start, start + per_line)
        lines += ["".join(align(t, field, True) + " " * gap for t in row[span]) for row in (names, texts)]
    return lines


def filled_lines(items: Sequence[str], *, separator: str = " ", width: int = WIDTH) -> list[str]:
    """Write items one after the other,
    starting a new line before an item that would not fit with the separator after it.

    The separator between two items stays at the end of its line.
    """
    lines = [""]
    for i, item in enumerate(items):
        if lines[-1] and text_width(lines[-1] + item + separator) > width:
            lines.append("")
        lines[-1] += item + (separator if i < len(items) - 1 else "")
    return lines


def wrapped(sentences: Sequence[str], width: int | None) -> list[str]:
    """Break sentences into lines of a width, the later ones of each indented; None leaves them."""
    if width is None or all(text_width(s) <= width for s in sentences):
        return list(sentences)
    from textwrap import wrap

    return [
        line
        for s in sentences
        for line in wrap(s, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    ]
