"""How far the fixed effects move without each group."""

from typing import TYPE_CHECKING, Any

import numpy as np

from ranef.plots.canvas import finish, one_axes
from ranef.plots.labels import length_of, shortened
from ranef.plots.palette import palette_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

#: Levels that are named.
NAMED = 3


def group_influence(frame: "pd.DataFrame", group: str, ax: Any = None, title: str | None = None) -> "Axes":
    """Draw the largest change of any fixed effect, in standard errors, when each level is left out.

    Parameters
    ----------
    frame : DataFrame
        Columns ``level, term, change``: the fixed effect that moves most, and by how many standard
        errors (NaN where one loses its estimate).
    group : str
        The grouping factor.
    ax : Axes, optional
    title : str, optional

    Returns
    -------
    Axes
        ``data`` is the frame by increasing size of the change, with ``position``.
    """
    drawn = frame.iloc[np.argsort(frame["change"].abs().fillna(np.inf).to_numpy(), kind="stable")].reset_index(
        drop=True
    )
    n = len(drawn)
    drawn["position"] = np.arange(n)
    axes = one_axes(ax)
    look = palette_of(axes)
    size = drawn["change"].abs()
    known = drawn[~size.isna()]
    axes.vlines(known["position"], 0, size[known.index], color=look.quiet, linewidth=min(1.5, max(0.4, 60 / n)))
    axes.plot(known["position"], size[known.index], "o", color=look.main, markersize=min(5.0, max(1.8, 150 / n)))
    top = known.tail(NAMED)
    axes.plot(top["position"], size[top.index], "o", color=look.contrast, markersize=min(6.0, max(3.0, 150 / n)))
    axes.axhline(1.0, color=look.ink, linewidth=0.8, linestyle="--")
    named = _named(axes, list(top["level"])[::-1])
    axes.set_xticks([])
    axes.set_ylim(0, max(1.15, 1.15 * float(size.max(skipna=True)) if len(known) else 1.15))
    label = f"levels of {shortened([group], 20)[0]}, by size"
    return finish(axes, drawn, label + (f"\nlargest: {named}" if named else ""), "largest change (SE)", title)


def _named(axes: "Axes", levels: list[str]) -> str:
    """The names of the largest, as many as stand below the picture on one line."""
    room = int(length_of(axes, "x") / 6.2) - len("largest: ")
    names = shortened(levels, max(8, min(24, room)))
    while len(names) > 1 and len(", ".join(names)) > room:
        names.pop()
    return ", ".join(names)
