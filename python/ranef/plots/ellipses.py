"""Random effects in pairs, with the ellipses of their estimated covariance."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ranef.plots.canvas import AxesArray, cloud, finish, several_axes
from ranef.plots.labels import shortened
from ranef.plots.palette import DASHES, palette_of

if TYPE_CHECKING:
    import pandas as pd


def ellipses(frames: "Sequence[pd.DataFrame]", ax: Any = None) -> AxesArray:
    """Draw a panel for each pair of effects.

    Parameters
    ----------
    frames : sequence of DataFrame
        For each pair: columns ``part`` ("mode", or the probability of an ellipse as text),
        ``level, x, y``, and attributes ``names`` (two) and ``correlation``.
    ax : Axes or array of Axes, optional
        One for each pair.

    Returns
    -------
    array of Axes
    """
    axes = several_axes(ax, len(frames), 3, (4.8, 4.2))
    look = palette_of(axes[0])
    for plot, frame in zip(axes, frames, strict=True):
        modes = frame[frame["part"] == "mode"]
        plot.axhline(0, color=look.grid, linewidth=1)
        plot.axvline(0, color=look.grid, linewidth=1)
        plot.scatter(modes["x"], modes["y"], color=look.main, zorder=3, **cloud(len(modes)))
        parts = [p for p in dict.fromkeys(frame["part"]) if p != "mode"]
        for i, part in enumerate(parts):
            line = frame[frame["part"] == part]
            plot.plot(
                line["x"],
                line["y"],
                color=look.contrast if i else look.ink,
                linestyle=DASHES[i],
                linewidth=1.3,
                label=f"{100 * float(part):.0f} % of the population",
            )
        x, y = frame.attrs["names"]
        title = f"correlation {frame.attrs['correlation']:.2f}"
        finish(plot, frame, shortened([x], 36)[0], shortened([y], 36)[0], title)
        if parts:
            # Below the picture's top edge there is always room, as the axis is made longer by a
            # quarter.
            low, high = plot.get_ylim()
            plot.set_ylim(low, high + 0.25 * (high - low))
            plot.legend(loc="upper left", frameon=False, fontsize=8.5)
    return axes
