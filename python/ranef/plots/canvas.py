"""Axes to draw on: the user's, or new ones; and what all pictures have in common.

The only place that imports pyplot, and only when no Axes are given: a picture in the user's own
Axes leaves pyplot's state alone. Nothing here or elsewhere changes ``rcParams`` or shows a figure.
"""

import importlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ranef.errors import ArgumentTypeError, MissingExtraError, OptionError
from ranef.plots.labels import FONT, length_of
from ranef.plots.palette import palette_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

AxesArray = NDArray[np.object_]

MISSING = "plots need matplotlib, which is not installed. Install it with: pip install 'ranef[plot]'"

#: Points of a picture that can leave room for a legend beside it.
_BESIDE = 250.0

#: More panels than this are not drawn into one figure.
MOST_PANELS = 6


def require_matplotlib() -> None:
    """Raise an error that names the extra when matplotlib is missing."""
    try:
        importlib.import_module("matplotlib")
    except ImportError:
        raise MissingExtraError(MISSING) from None


@dataclass(frozen=True, slots=True)
class NewFigure:
    """A new figure of a size that is asked for, in the place of Axes.

    Attributes
    ----------
    size : tuple of float
        Width and height in inches.
    """

    size: tuple[float, float]


def place(ax: Any, figsize: object) -> Any:
    """Where to draw: in the Axes given, in a new figure of a size, or in one of the picture's own
    size (None).

    Parameters
    ----------
    ax : Axes, sequence or array of Axes, or None
    figsize : tuple of float, optional
        Width and height of the whole figure in inches.
    """
    if figsize is None:
        return ax
    if ax is not None:
        raise OptionError("figsize is for a new figure, and ax has one already: give one of them.")
    numbers = tuple(figsize) if isinstance(figsize, tuple | list) else ()
    if len(numbers) != 2 or any(isinstance(s, bool) or not isinstance(s, int | float) for s in numbers):
        raise ArgumentTypeError(f"figsize must be width and height in inches, such as (7, 4.5), not {figsize!r}.")
    if not all(0 < s < 1000 for s in numbers):
        raise OptionError(f"figsize must be two positive numbers of inches, not {figsize!r}.")
    return NewFigure((float(numbers[0]), float(numbers[1])))


def one_axes(ax: Any, size: tuple[float, float] = (6.4, 4.4)) -> "Axes":
    """Return the Axes given, or those of a new figure.

    Parameters
    ----------
    ax : Axes, NewFigure or None
    size : tuple of float
        Width and height in inches of a new figure that has no size of its own.
    """
    return several_axes(ax, 1, 1, size)[0]  # type: ignore[no-any-return]


def several_axes(ax: Any, count: int, columns: int, panel: tuple[float, float], *, sharey: bool = False) -> AxesArray:
    """Return as many Axes as there are panels: those given, or those of a new figure.

    Parameters
    ----------
    ax : Axes, sequence or array of Axes, NewFigure or None
    count, columns : int
        Panels, and how many stand side by side.
    panel : tuple of float
        Width and height in inches of a panel of a new figure that has no size of its own.
    sharey : bool
        Whether panels of a new figure have one y axis.

    Returns
    -------
    (count,) array of Axes
    """
    require_matplotlib()
    from matplotlib.axes import Axes

    if ax is not None and not isinstance(ax, NewFigure):
        given = [ax] if isinstance(ax, Axes) else list(ax) if isinstance(ax, Iterable) else []
        flat = [a for entry in given for a in (entry.ravel().tolist() if isinstance(entry, np.ndarray) else [entry])]
        if not flat or not all(isinstance(a, Axes) for a in flat):
            raise ArgumentTypeError(f"ax must be matplotlib Axes, or an array of them, not {type(ax).__name__}.")
        if len(flat) != count:
            raise OptionError(
                f"the picture has {count} {'panel' if count == 1 else 'panels'} and ax has {len(flat)}: give as many "
                "Axes, or choose what is drawn."
            )
        return axes_array(flat)
    from matplotlib import pyplot

    columns = min(columns, count)
    rows = math.ceil(count / columns)
    figure, made = pyplot.subplots(
        rows,
        columns,
        figsize=ax.size if isinstance(ax, NewFigure) else (panel[0] * columns, panel[1] * rows),
        layout="constrained",
        squeeze=False,
        sharey=sharey,
    )
    flat = made.ravel().tolist()
    for spare in flat[count:]:
        figure.delaxes(spare)
    return axes_array(flat[:count])


def axes_array(axes: Sequence[Any]) -> AxesArray:
    """Put Axes into an array of one dimension."""
    out = np.empty(len(axes), dtype=object)
    out[:] = axes
    return out


def finish(ax: "Axes", frame: "pd.DataFrame", x: str, y: str, title: str | None = None) -> "Axes":
    """Name the axes, set the quiet style of all pictures, and attach the numbers as ``ax.data``."""
    look, around = palette_of(ax), palette_of(ax, outside=True)
    ax.set_xlabel(x, fontsize=10, color=around.ink)
    ax.set_ylabel(y, fontsize=10, color=around.ink)
    if title is not None:
        ax.set_title(title, fontsize=11, color=around.ink, loc="left")
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(around.quiet)
    ax.tick_params(labelsize=FONT, colors=around.ink, color=around.quiet)
    ax.grid(True, color=look.grid, linewidth=0.6)
    ax.set_axisbelow(True)
    ax.data = frame  # type: ignore[attr-defined]
    return ax


def add_legend(ax: "Axes", title: str | None = None, **arguments: Any) -> None:
    """Put the legend beside a wide picture whose layout makes room for it,
    else where it hides least.
    """
    figure = ax.get_figure(root=True)
    arguments = {"frameon": False, "fontsize": FONT, "title": title, "title_fontsize": FONT, **arguments}
    roomy = figure is not None and length_of(ax, "x") > _BESIDE
    if roomy and figure is not None and figure.get_layout_engine() is not None:
        arguments |= {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0), "borderaxespad": 0.0}
    else:
        arguments |= {"frameon": True, "framealpha": 0.85, "edgecolor": "none"}
    look = palette_of(ax, outside=not arguments["frameon"])
    legend = ax.legend(labelcolor=look.ink, facecolor=look.paper, **arguments)
    legend.get_title().set_color(look.ink)
    legend.set_alignment("left")
    for line in legend.get_lines():
        line.set_alpha(1.0)


def cloud(count: int) -> dict[str, Any]:
    """Size and opacity of the points of a cloud, so that many of them show their density."""
    crowd = math.sqrt(max(count, 1) / 200)
    return {
        "s": min(22.0, max(4.0, 22.0 / crowd)),
        "alpha": min(0.8, max(0.04, 0.8 / crowd)),
        "linewidths": 0,
        "rasterized": count > 5000,
    }


def empty(ax: "Axes", frame: "pd.DataFrame", sentence: str, title: str | None = None) -> "Axes":
    """Say in the place of a picture why there is none."""
    import textwrap

    finish(ax, frame, "", "", title)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.grid(False)
    ax.text(
        0.5,
        0.5,
        textwrap.fill(sentence, 36),
        ha="center",
        va="center",
        transform=ax.transAxes,
        fontsize=10,
        color=palette_of(ax).ink,
    )
    return ax
