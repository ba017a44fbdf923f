"""Residuals against fitted values."""

from typing import TYPE_CHECKING, Any

from ranef.plots.canvas import cloud, finish, one_axes
from ranef.plots.labels import shortened
from ranef.plots.palette import palette_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def residuals_fitted(
    frame: "pd.DataFrame",
    label: str = "residual",
    ax: Any = None,
    title: str | None = None,
    along: str = "fitted value",
) -> "Axes":
    """Draw residuals against fitted values with their local mean.

    Parameters
    ----------
    frame : DataFrame
        Columns ``fitted, residual``, and ``trend`` (NaN where there is none);
        ``lower, upper``, if there, are a band in which the trend stays by chance.
    label : str
        What the residuals are.
    ax : Axes, optional
    title : str, optional
    along : str
        Name of the x axis.
    """
    axes = one_axes(ax)
    look = palette_of(axes)
    axes.scatter(frame["fitted"], frame["residual"], color=look.main, **cloud(len(frame)))
    axes.axhline(0.0, color=look.ink, linewidth=0.8)
    line = frame.dropna(subset=["trend"]).sort_values("fitted")
    if len(line):
        if "lower" in line:
            axes.fill_between(line["fitted"], line["lower"], line["upper"], color=look.ink, alpha=0.12, linewidth=0)
        axes.plot(line["fitted"], line["trend"], color=look.contrast, linewidth=2.0)
    return finish(axes, frame, shortened([along], 44)[0], label, title)
