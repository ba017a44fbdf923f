"""Random effects of every level with intervals, in order: a caterpillar."""

from typing import TYPE_CHECKING, Any

import numpy as np

from ranef.data.labels import natural_order
from ranef.errors import OptionError
from ranef.plots.canvas import MOST_PANELS, AxesArray, finish, several_axes
from ranef.plots.labels import label_rows, shortened, thinning
from ranef.plots.palette import palette_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def caterpillar(frame: "pd.DataFrame", ax: Any = None, *, order: str = "estimate", note: str = "") -> AxesArray:
    """Draw random effects of one grouping factor, a panel for each effect.

    Parameters
    ----------
    frame : DataFrame
        Columns ``group, level, effect, estimate, lower, upper`` of one grouping factor.
    ax : Axes or array of Axes, optional
        One for each effect.
    order : {"estimate", "level"}
        Rows by the estimates of the first effect, the largest on top, or by the order of the
        levels, the first on top (numbers within text as numbers, where nobody chose an order).
    note : str
        What stands below the name of the x axis.

    Returns
    -------
    array of Axes
        ``data`` of each has its rows of the frame in the order drawn from below, with ``position``.
    """
    if order not in ("estimate", "level"):
        raise OptionError(f"order must be 'estimate' or 'level', not {order!r}.")
    effects = list(dict.fromkeys(frame["effect"]))
    if len(effects) > MOST_PANELS:
        raise OptionError(
            f"there are {len(effects)} effects, and one figure shows at most {MOST_PANELS}: choose by effect=, for "
            f"example effect={effects[0]!r}."
        )
    blocks = [frame[frame["effect"] == e] for e in effects]
    first = blocks[0]
    n = len(first)
    place = {level: i for i, level in enumerate(natural_order(first["level"]))}
    by = first["estimate"].to_numpy() if order == "estimate" else -first["level"].map(place).to_numpy()
    rows = np.argsort(by, kind="stable")
    axes = several_axes(ax, len(effects), 3, (4.6 if len(effects) > 1 else 6.0, min(9.0, max(2.2, 1.3 + 0.22 * n))))
    look = palette_of(axes[0])
    group = str(first["group"].iloc[0])
    size = min(5.0, max(1.5, 140 / n))
    for panel, effect, block in zip(axes, effects, blocks, strict=True):
        drawn = block.iloc[rows].reset_index(drop=True)
        drawn["position"] = np.arange(n)
        excludes = (drawn["lower"] > 0) | (drawn["upper"] < 0)
        panel.axvline(0.0, color=look.ink, linewidth=0.8)
        for part, colour in ((~excludes, look.quiet), (excludes, look.main)):
            some = drawn[part]
            panel.hlines(
                some["position"], some["lower"], some["upper"], color=colour, linewidth=min(1.6, max(0.5, 60 / n))
            )
            panel.plot(some["estimate"], some["position"], "o", color=colour, markersize=size)
        beside = panel is not axes[0] and _beside(axes[0], panel)
        step = 1 if beside else label_rows(panel, list(drawn["level"]))
        panel.set_ylim(-0.8, n - 0.2)
        panel.margins(x=0.04)
        finish(
            panel,
            drawn,
            "deviation from the population" + (f"\n{note}" if note else ""),
            "" if beside else thinning(step, shortened([group])[0]),
            shortened([effect], 40)[0],
        )
        if beside:
            panel.set_yticks([])
        panel.grid(axis="y", visible=False)
    return axes


def _beside(first: "Axes", panel: "Axes") -> bool:
    """Whether a panel stands at the height of the first, whose labels then hold for it."""
    a, b = first.get_position(), panel.get_position()
    return bool(abs(a.y0 - b.y0) < 1e-6 and abs(a.y1 - b.y1) < 1e-6)
