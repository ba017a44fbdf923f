"""What a covariance structure leaves between normalized residuals, by lag or distance."""

from typing import TYPE_CHECKING, Any

from ranef.plots.canvas import finish, one_axes
from ranef.plots.palette import palette_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def left_correlation(frame: "pd.DataFrame", ax: Any = None, title: str | None = None) -> "Axes":
    """Draw values along lags or distances, with the range that data from the model have.

    Parameters
    ----------
    frame : DataFrame
        Columns ``lag, autocorrelation`` or ``distance, semivariance``, and
        ``pairs, mean, lower, upper``.
    ax : Axes, optional
    title : str, optional
    """
    axes = one_axes(ax)
    from matplotlib.ticker import MaxNLocator

    look = palette_of(axes)
    x, y = ("lag", "autocorrelation") if "lag" in frame else ("distance", "semivariance")
    axes.vlines(frame[x], frame["lower"], frame["upper"], color=look.ink, alpha=0.2, linewidth=6)
    if x == "lag":
        axes.axhline(0.0, color=look.ink, linewidth=0.9)
        axes.vlines(frame[x], 0.0, frame[y], color=look.main, linewidth=1.6)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    else:
        axes.plot(frame[x], frame["mean"], color=look.ink, linewidth=0.9)
        axes.set_ylim(bottom=0.0, top=max(1.6, 1.1 * float(frame[["upper", y]].max().max())))
        axes.plot(frame[x], frame[y], color=look.main, linewidth=1.0, alpha=0.6)
    axes.scatter(frame[x], frame[y], color=look.main, s=24, zorder=3)
    return finish(axes, frame, x, f"{y} of normalized residuals", title)
