"""How a text file is laid out: its encoding, what separates its columns, and its decimal mark.

Spreadsheets write CSV files by the conventions of the country: semicolons and decimal commas in
much of Europe.
"""

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

#: Characters that may separate columns, the usual one first.
SEPARATORS = (",", ";", "\t", "|")

#: Bytes of the beginning by which a layout is judged, and rows among them.
_SAMPLE_BYTES = 1 << 18
_SAMPLE_ROWS = 500

_CHUNK = 1 << 20

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

_WITH_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
_WITH_POINT = re.compile(r"[+-]?\d*\.\d+([eE][+-]?\d+)?")

_STATED = re.compile(r'"?sep=([,;\t|])"?\r?\n', re.I)

_WORDS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}


@dataclass(frozen=True, slots=True)
class TextLayout:
    """How to read a text file.

    Attributes
    ----------
    separator : str
    decimal : {".", ","}
    encoding : str
        ``utf-8``, ``utf-16`` or ``cp1252`` (Latin-1 as Windows has it).
    skip : int
        Lines before that with the names: Excel reads the separator from a first line ``sep=;``.
    """

    separator: str = ","
    decimal: str = "."
    encoding: str = "utf-8"
    skip: int = 0

    def differences(self, usual: "TextLayout") -> str:
        """What differs from the usual layout, in words; empty if nothing does."""
        parts = []
        if self.separator != usual.separator:
            parts.append(f"columns separated by {_WORDS[self.separator]}")
        if self.decimal != usual.decimal:
            parts.append("decimal commas")
        if self.encoding == "cp1252":
            parts.append("text in Latin-1 (it is not UTF-8)")
        elif self.encoding != usual.encoding:
            parts.append(f"text in {self.encoding.upper()}")
        return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else "".join(parts)


#: Read as missing, quoted or not, in columns of every kind: what R writes, and an empty field. The
#: other words that some programs take for missing (None, null, N/A) are as often names of levels,
#: whose rows would be lost without a word; NaN and nan are numbers in a column of numbers.
MISSING_TEXT = ["", "NA"]


def usual_layout(suffixes: Sequence[str]) -> TextLayout:
    """The layout that the endings of a file's name suggest."""
    return TextLayout() if ".csv" in [s.lower() for s in suffixes[-2:]] else TextLayout("\t")


def text_layout(stream: Any, usual: TextLayout) -> TextLayout:
    """Find the layout of a text file.

    Parameters
    ----------
    stream : binary file
        Read to its end.
    usual : TextLayout
        What the ending of the name suggests; kept wherever the file agrees with it.
    """
    start = stream.read(_SAMPLE_BYTES)
    encoding = _encoding(start, stream)
    sample = start.decode(encoding, errors="ignore").removeprefix("\ufeff")
    stated = _STATED.match(sample)
    if stated:
        sample, separator = sample[stated.end() :], stated[1]
    else:
        separator = _separator(sample, len(start) == _SAMPLE_BYTES, usual.separator)
    decimal = usual.decimal
    if separator != ",":
        fields = [f.strip() for row in _rows(sample, separator)[1:] for f in row]
        if any(map(_WITH_COMMA.fullmatch, fields)) and not any(map(_WITH_POINT.fullmatch, fields)):
            decimal = ","
    return TextLayout(separator, decimal, encoding, 1 if stated else 0)


def _encoding(start: bytes, rest: Any) -> str:
    for mark, name in _BYTE_ORDER_MARKS:
        if start.startswith(mark):
            return name
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for chunk in _chunks(start, rest):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _chunks(start: bytes, rest: Any) -> Iterator[bytes]:
    chunk = start
    while chunk:
        yield chunk
        chunk = rest.read(_CHUNK)


def _separator(sample: str, is_cut: bool, usual: str) -> str:
    """The character by which all rows have equally many fields, more than one.

    The usual one first.
    """
    found = usual
    most = 1
    for candidate in (usual, *(s for s in SEPARATORS if s != usual)):
        rows = _rows(sample, candidate)
        if is_cut and len(rows) < _SAMPLE_ROWS:
            rows = rows[:-1]  # the last one may be cut off
        sizes = {len(row) for row in rows}
        if len(sizes) == 1 and (size := sizes.pop()) > most:
            found, most = candidate, size
            if candidate == usual:
                break
    return found


def _rows(sample: str, separator: str) -> list[list[str]]:
    rows = []
    try:
        for row in csv.reader(io.StringIO(sample, newline=""), delimiter=separator):
            if row:
                rows.append(row)
            if len(rows) == _SAMPLE_ROWS:
                break
    except csv.Error:  # a field longer than the module allows
        pass
    return rows
