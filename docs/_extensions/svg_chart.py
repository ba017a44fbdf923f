"""Charts of the site as SVG inside the page: colours are those of the theme, light and dark."""

import math
from collections.abc import Iterable, Sequence
from html import escape

WIDTH = 430
"""Units across, about the pixels of a phone, so that text keeps its size there."""


class Scale:
    """Positions along a logarithmic axis, between ``left`` and ``right``."""

    def __init__(self, low: float, high: float, left: float, right: float):
        self.low, self.high, self.left, self.right = low, high, left, right

    def __call__(self, value: float) -> float:
        value = min(max(value, self.low), self.high)
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return self.left + share * (self.right - self.left)


def text(x: float, y: float, words: str, anchor: str = "start", kind: str = "") -> str:
    """Words at a place."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{kind}">{escape(words)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """A straight line."""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def dot(x: float, y: float, radius: float, kind: str, says: str = "") -> str:
    """A dot, with words for the pointer."""
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" class="{kind}"><title>{escape(says)}</title></circle>'


def beyond(x: float, y: float, kind: str, says: str = "") -> str:
    """A mark for what lies to the right of a place."""
    points = f"{x - 3:.1f},{y - 4:.1f} {x + 4:.1f},{y:.1f} {x - 3:.1f},{y + 4:.1f}"
    return f'<polygon points="{points}" class="{kind} beyond"><title>{escape(says)}</title></polygon>'


def axis(scale: Scale, top: float, bottom: float, ticks: Iterable[tuple[float, str]]) -> str:
    """Light lines with their labels below."""
    return "".join(
        line(scale(value), top, scale(value), bottom, "grid") + text(scale(value), bottom + 13, label, "middle", "tick")
        for value, label in ticks
    )


def legend(entries: Sequence[tuple[str, str]], left: float, y: float, step: float = 6.4) -> str:
    """Dots with names, side by side."""
    drawn = ""
    for kind, name in entries:
        drawn += dot(left + 4, y - 4, 3.6, kind) + text(left + 12, y, name)
        left += 26 + step * len(name)
    return drawn


def svg(drawn: str, height: float, says: str, width: float = WIDTH) -> str:
    """The whole chart."""
    return (
        f'<svg class="chart" viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(says, quote=True)}">'
        f"{drawn}</svg>"
    )
