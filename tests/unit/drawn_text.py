"""The texts of a figure as they are drawn:
where they are, which overlap, which leave the figure.
"""

from itertools import combinations
from typing import Any

from matplotlib.figure import Figure
from matplotlib.text import Text


def drawn_texts(figure: Figure) -> list[Text]:
    """Every text that a reader sees."""
    texts: list[Any] = list(figure.texts)
    for ax in figure.axes:
        texts += [ax.title, ax._left_title, ax._right_title, *ax.texts]  # type: ignore[attr-defined]
        if ax.axison:
            for axis, limits in ((ax.xaxis, ax.get_xlim()), (ax.yaxis, ax.get_ylim())):
                low, high = sorted(limits)
                slack = 1e-9 * (high - low)
                ticks = [t for t in axis.get_major_ticks() if low - slack <= t.get_loc() <= high + slack]
                texts += [axis.label, *(t.label1 for t in ticks), axis.offsetText]
        legend = ax.get_legend()
        if legend is not None:
            texts += [*legend.get_texts(), legend.get_title()]
    return [t for t in texts if t.get_visible() and t.get_text().strip()]


def lay_out(figure: Figure) -> None:
    """Put every text where it is drawn; nothing is painted, and nothing is done twice."""
    if figure.stale:
        figure.draw_without_rendering()


def overlaps(figure: Figure) -> list[tuple[str, str]]:
    """Pairs of texts that are drawn over each other (by more than a pixel)."""
    lay_out(figure)
    boxes = [(t.get_text(), t.get_window_extent().padded(-1.0)) for t in drawn_texts(figure)]
    return [(a, b) for (a, x), (b, y) in combinations(boxes, 2) if x.overlaps(y)]


def outside(figure: Figure) -> list[str]:
    """Texts that are not wholly inside the figure."""
    lay_out(figure)
    width, height = figure.canvas.get_width_height()
    return [
        t.get_text()
        for t in drawn_texts(figure)
        if (b := t.get_window_extent()).x0 < -1 or b.y0 < -1 or b.x1 > width + 1 or b.y1 > height + 1
    ]
