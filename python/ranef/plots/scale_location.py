"""Size of the residuals along the fitted values."""

from typing import TYPE_CHECKING, Any

from ranef.plots.canvas import cloud, finish, one_axes
from ranef.plots.palette import palette_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def scale_location(frame: "pd.DataFrame", ax: Any = None, title: str | None = None) -> "Axes":
    """Draw the square root of the absolute standardised residuals against the fitted values,
    with their local mean.

    Parameters
    ----------
    frame : DataFrame
        Columns ``fitted, root_residual``, and ``trend`` (NaN where there is none).
    ax : Axes, optional
    title : str, optional
    """
    axes = one_axes(ax)
    look = palette_of(axes)
    axes.scatter(frame["fitted"], frame["root_residual"], color=look.main, **cloud(len(frame)))
    line = frame.dropna().sort_values("fitted")
    if len(line):
        axes.plot(line["fitted"], line["trend"], color=look.contrast, linewidth=2.0)
    axes.set_ylim(bottom=0.0)
    return finish(axes, frame, "fitted value", "√ |std. residual|", title)
