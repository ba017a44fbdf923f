"""Size of the residuals along the fitted values."""

from typing import TYPE_CHECKING, Any

from ranef.plots.canvas import cloud, finish, one_axes
from ranef.plots.labels import shortened
from ranef.plots.palette import palette_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def scale_location(
    frame: "pd.DataFrame", ax: Any = None, title: str | None = None, along: str = "fitted value"
) -> "Axes":
    """Draw the square root of the absolute standardised residuals against the fitted values,
    with their local mean.

    Parameters
    ----------
    frame : DataFrame
        Columns ``fitted, root_residual``, and ``trend`` (NaN where there is none);
        ``lower, upper``, if there, are a band in which the trend stays by chance.
    ax : Axes, optional
    title : str, optional
    along : str
        Name of the x axis.
    """
    axes = one_axes(ax)
    look = palette_of(axes)
    axes.scatter(frame["fitted"], frame["root_residual"], color=look.main, **cloud(len(frame)))
    line = frame.dropna(subset=["trend"]).sort_values("fitted")
    if len(line):
        if "lower" in line:
            axes.fill_between(line["fitted"], line["lower"], line["upper"], color=look.ink, alpha=0.12, linewidth=0)
        axes.plot(line["fitted"], line["trend"], color=look.contrast, linewidth=2.0)
    axes.set_ylim(bottom=0.0)
    return finish(axes, frame, shortened([along], 44)[0], "√ |std. residual|", title)
