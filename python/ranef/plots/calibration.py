"""Observed shares of successes against probabilities."""

from typing import TYPE_CHECKING, Any

from ranef.plots.canvas import finish, one_axes
from ranef.plots.palette import palette_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def calibration(frame: "pd.DataFrame", ax: Any = None, title: str | None = None) -> "Axes":
    """Draw shares of groups of rows, with the range that simulations have.

    Parameters
    ----------
    frame : DataFrame
        Columns ``expected, observed, lower, upper``.
    ax : Axes, optional
    title : str, optional
    """
    axes = one_axes(ax)
    look = palette_of(axes)
    axes.vlines(frame["expected"], frame["lower"], frame["upper"], color=look.ink, alpha=0.25, linewidth=4)
    low, high = float(frame[["lower", "observed"]].min().min()), float(frame[["upper", "observed"]].max().max())
    axes.plot([low, high], [low, high], color=look.ink, linewidth=0.9)
    axes.scatter(frame["expected"], frame["observed"], color=look.main, s=26, zorder=3)
    return finish(axes, frame, "mean share in simulations", "observed share of successes", title)
