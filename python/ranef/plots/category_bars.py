"""Probabilities of ordered categories as stacked bars, from the lowest category to the highest."""

from typing import TYPE_CHECKING, Any

import numpy as np

from ranef.plots.canvas import add_legend, finish, one_axes
from ranef.plots.labels import label_columns, shortened, thinning
from ranef.plots.palette import palette_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

#: Names of the colour map on light and on dark paper: lightness alone tells the order.
_LIGHT, _DARK = "YlGnBu", "cividis"
#: Share of the map that is used: its ends are too near to the paper or to the ink.
_FROM, _TO = 0.15, 0.9


def category_bars(frame: "pd.DataFrame", category: str, x: str, label: str, ax: Any = None) -> "Axes":
    """Draw a bar for each value of x.

    Parameters
    ----------
    frame : DataFrame
        Columns ``label`` (of the bar), the category, and ``estimate``; categories in their order.
    category : str
        The column of categories.
    x : str
        What the bars are of.
    label : str
        The column of the bars' labels.
    ax : Axes, optional

    Returns
    -------
    Axes
        ``data`` is the frame with ``bottom`` and ``position``.
    """
    from matplotlib import colormaps

    drawn = frame.reset_index(drop=True)
    bars = list(dict.fromkeys(drawn[label]))
    drawn["position"] = [bars.index(v) for v in drawn[label]]
    drawn["bottom"] = drawn.groupby("position")["estimate"].transform(lambda p: p.cumsum() - p)
    axes = one_axes(ax, (7.0, 4.6))
    look = palette_of(axes)
    levels = list(dict.fromkeys(drawn[category]))
    colours = colormaps[_LIGHT if look.paper == "#FFFFFF" else _DARK](np.linspace(_FROM, _TO, len(levels)))
    for level, colour in zip(levels, colours, strict=True):
        own = drawn[drawn[category] == level]
        axes.bar(
            own["position"], own["estimate"], bottom=own["bottom"], width=0.72, color=colour, label=str(level),
            edgecolor=look.paper, linewidth=0.6,
        )  # fmt: skip
    step = label_columns(axes, bars)
    axes.set_xlim(-0.6, len(bars) - 0.4)
    axes.set_ylim(0.0, 1.0)
    finish(axes, drawn, thinning(step, shortened([x], 60)[0]), "probability")
    axes.grid(axis="x", visible=False)
    add_legend(axes, title=shortened([category], 20)[0], reverse=True)
    return axes
