"""Residuals against fitted values."""

from typing import TYPE_CHECKING, Any

from ranef.plots.canvas import cloud, finish, one_axes
from ranef.plots.palette import palette_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def residuals_fitted(
    frame: "pd.DataFrame", label: str = "residual", ax: Any = None, title: str | None = None
) -> "Axes":
    """Draw residuals against fitted values with their local mean.

    Parameters
    ----------
    frame : DataFrame
        Columns ``fitted, residual``, and ``trend`` (NaN where there is none).
    label : str
        What the residuals are.
    ax : Axes, optional
    title : str, optional
    """
    axes = one_axes(ax)
    look = palette_of(axes)
    axes.scatter(frame["fitted"], frame["residual"], color=look.main, **cloud(len(frame)))
    axes.axhline(0.0, color=look.ink, linewidth=0.8)
    line = frame.dropna().sort_values("fitted")
    if len(line):
        axes.plot(line["fitted"], line["trend"], color=look.contrast, linewidth=2.0)
    return finish(axes, frame, "fitted value", label, title)
