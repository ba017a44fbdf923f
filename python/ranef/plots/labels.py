"""Labels that fit: long ones wrapped or shortened, many of them thinned."""

import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Characters of the longest label that is shown in full, and of one in the margin of a picture.
WIDTH = 24
_MARGIN = 36

#: Points of tick labels, and the room one takes on its line.
FONT = 9.0
_LINE = 1.35 * FONT
_CHARACTER = 0.62 * FONT

#: Lines of a label, and characters of the narrowest line of one below a picture.
_LINES = 4
_NARROWEST = 7


def shortened(labels: Sequence[object], width: int = WIDTH) -> list[str]:
    """Shorten labels to a width by an ellipsis in their middle, keeping different ones different.

    Parameters
    ----------
    labels : sequence
        Shown as text, on one line.
    width : int
        The most characters, at least 8.

    Returns
    -------
    list of str
        In the same order. Labels that would become equal are numbered.
    """
    texts = [_plain(label) for label in labels]
    out: list[str] = []
    seen: dict[str, str] = {}
    for text in texts:
        short = text if len(text) <= width else _cut(text, width)
        number = 2
        while short in seen and seen[short] != text:
            mark = f"~{number}"
            short = _cut(text, width - len(mark)) + mark
            number += 1
        seen[short] = text
        out.append(short)
    return out


def _plain(label: object) -> str:
    # A pair of dollars would be read as mathematics.
    return " ".join(str(label).split()).replace("$", r"\$")


def _cut(text: str, width: int) -> str:
    if len(text) <= width:
        return text
    tail = (width - 1) // 3
    return f"{text[: width - 1 - tail]}…{text[len(text) - tail :]}"


def length_of(ax: "Axes", axis: str) -> float:
    """Points that an axis of a picture is long,
    with a reserve for what the layout may still take.
    """
    figure = ax.get_figure(root=True)
    assert figure is not None
    box = ax.get_position()
    inches = figure.get_figheight() * box.height if axis == "y" else figure.get_figwidth() * box.width
    return float(72 * inches * 0.95)


def _share(ax: "Axes", axis: str) -> int:
    """Characters of a label that stands across the end
    of an axis and shall leave most of it to the picture.
    """
    return max(8, min(_MARGIN, int(0.42 * length_of(ax, axis) / _CHARACTER)))


def wrapped(labels: Sequence[object], width: int, lines: int) -> list[str]:
    """Break labels between words into lines, and shorten what still does not fit.

    Parameters
    ----------
    labels : sequence
    width : int
        The most characters of a line, at least 7.
    lines : int
        The most lines.
    """
    short = shortened(labels, max(8, width * lines - lines * (lines > 1)))
    out = []
    for text in short:
        parts = textwrap.wrap(text, width, break_on_hyphens=True)
        if len(parts) > lines:  # words leave room unused: the last line takes what is left of it
            parts = [*parts[: lines - 1], _cut(" ".join(parts[lines - 1 :]), width)]
        out.append("\n".join(parts))
    return short if len(set(out)) < len(set(short)) else out


def label_rows(ax: "Axes", labels: Sequence[object]) -> int:
    """Label the rows 0, 1, … of a picture on its y axis, as many as there is room for, evenly.

    Returns
    -------
    int
        Every how many rows a label stands: 1 if all have theirs.
    """
    room = max(1, int(length_of(ax, "y") / _LINE))
    step = max(1, math.ceil(len(labels) / room))
    shown = range(0, len(labels), step)
    # A quarter stays for what the layout takes and for the space between labels.
    lines = max(1, min(_LINES, int(0.75 * room) // max(1, len(shown))))
    ax.set_yticks(list(shown), wrapped([labels[i] for i in shown], _share(ax, "x"), lines), fontsize=FONT)
    return step


def label_columns(ax: "Axes", labels: Sequence[object]) -> int:
    """Label the places 0, 1, … on the x axis:
    level and in lines if there is room, else turned, and thinned where even that does not fit.
    """
    length = length_of(ax, "x")
    wide = max((len(_plain(t)) for t in labels), default=0)
    each = int(length / (_CHARACTER * max(1, len(labels)))) - 2
    if wide <= each or each >= _NARROWEST:
        texts = shortened(labels) if wide <= min(each, WIDTH) else wrapped(labels, min(each, WIDTH), _LINES)
        ax.set_xticks(range(len(texts)), texts, fontsize=FONT)
        return 1
    texts = shortened(labels)
    room = max(1, int(length / _LINE))
    step = max(1, math.ceil(len(texts) / room))
    shown = range(0, len(texts), step)
    texts = shortened(labels, _share(ax, "y"))
    ax.set_xticks(list(shown), [texts[i] for i in shown], fontsize=FONT, rotation=90)
    return step


def thinning(step: int, noun: str) -> str:
    """Say how labels were thinned, as the axis shall say it."""
    return noun if step == 1 else f"{noun} (one label in {step})"
