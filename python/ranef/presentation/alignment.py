"""Alignment of the numbers of a column by their decimal points, and their minus signs."""

import re
from collections.abc import Sequence

#: A number with what may stand around it: a bracket, "p =", marks of significance.
_NUMBER = re.compile(r"[<(\[p=\s−-]*(?:\d[\d,]*)?(?:\.(?P<decimals>\d+))?(?P<after>[^\w\s.,]*)")

#: A minus before a number at the start of a text, or after a bracket or blank.
NEGATIVE = re.compile(r"(?<![^\s\[(])-(?=[\d.I])")


def tails(cells: Sequence[str]) -> list[str]:
    """What each cell of a column lacks at its right for its decimal point to stand below the
    others.

    A text to take the room of, empty for cells that are no single numbers: set invisibly, or
    counted as blanks.

    Parameters
    ----------
    cells : sequence of str
        Such as ``"251.41***"``, ``"(6.82)"``, ``"180"``.
    """
    found = [_NUMBER.fullmatch(c) if any(x.isdigit() for x in c) else None for c in cells]
    most = max((len(m["decimals"] or "") for m in found if m is not None), default=0)
    longest = max((m["after"] for m in found if m is not None), key=len, default="")
    return ["" if m is None else _tail(m["decimals"] or "", m["after"], most, longest) for m in found]


def _tail(decimals: str, after: str, most: int, longest: str) -> str:
    point = "." if most and not decimals else ""
    return point + "0" * (most - len(decimals)) + longest[len(after) :]
