"""Colours that people with any colour vision tell apart, on light and on dark paper, and the marks
and dashes that go with them in print.

The colours are those of Okabe and Ito (Color Universal Design, 2008), with a grey in the place of
their yellow, which is too light for lines; on dark paper lighter ones of the same hues.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)), (0, (8, 2)), (0, (3, 3)))

#: More series than this cannot be told apart in one picture.
MOST_SERIES = 8

#: Paper darker than this share of white has the dark palette.
_DARK = 0.4


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours of a picture.

    Attributes
    ----------
    ink, quiet, grid, paper : str
        Of texts and lines that count, of what stands back, of the grid, and of the background.
    series : tuple of str
        Of series that are told apart; the first two are ``main`` and ``contrast``.
    """

    ink: str
    quiet: str
    grid: str
    paper: str
    series: tuple[str, ...]

    @property
    def main(self) -> str:
        """What the picture is about."""
        return self.series[0]

    @property
    def contrast(self) -> str:
        """What is set against it."""
        return self.series[1]


LIGHT = Palette(
    "#222222",
    "#8A8A8A",
    "#E4E4E4",
    "#FFFFFF",
    ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#7F7F7F"),
)
DARK = Palette(
    "#E8E8E8",
    "#9C9C9C",
    "#3C3C3C",
    "#000000",
    ("#56B4E9", "#FF8A3D", "#2FC796", "#E39BC4", "#F5C24A", "#A9D8F5", "#FFFFFF", "#B0B0B0"),
)


def palette_of(ax: "Axes", *, outside: bool = False) -> Palette:
    """The palette for the background of a picture, which its style or its figure chose.

    Parameters
    ----------
    ax : Axes
    outside : bool
        Whether for texts beside the axes, which lie on the figure and not on the axes' background.
    """
    from matplotlib import rcParams
    from matplotlib.colors import to_rgba

    red, green, blue = to_rgba(rcParams["text.color"])[:3]
    # What is behind a transparent figure is not known; the style's texts are to be read on it.
    behind = 0.0 if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 1 - _DARK else 1.0
    figure = ax.get_figure(root=True)
    for patch in (None if figure is None else figure.patch, None if outside else ax.patch):
        if patch is not None and patch.get_visible():
            red, green, blue, alpha = to_rgba(patch.get_facecolor())
            behind = alpha * (0.2126 * red + 0.7152 * green + 0.0722 * blue) + (1 - alpha) * behind
    return DARK if behind < _DARK else LIGHT
