"""The response beside responses simulated from the model."""

from typing import TYPE_CHECKING, Any

from ranef.plots.canvas import finish, one_axes
from ranef.plots.labels import shortened
from ranef.plots.palette import palette_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def response_distribution(frame: "pd.DataFrame", y: str, ax: Any = None, title: str | None = None) -> "Axes":
    """Draw cumulative distributions: the band of the simulations and the line of the data.

    Parameters
    ----------
    frame : DataFrame
        Columns ``y, observed, lower, upper``: shares of the rows up to y, in the data and, as
        extremes, in the simulations.
    y : str
        Name of the response.
    ax : Axes, optional
    title : str, optional
    """
    axes = one_axes(ax)
    look = palette_of(axes)
    # a share holds from its value to the next one: between categories and counts nothing rises
    axes.fill_between(
        frame["y"], frame["lower"], frame["upper"],
        step="post", color=look.main, alpha=0.3, linewidth=0, label="simulated",
    )  # fmt: skip
    axes.plot(frame["y"], frame["observed"], drawstyle="steps-post", color=look.ink, linewidth=1.6, label="observed")
    axes.set_ylim(0, 1.02)
    finish(axes, frame, shortened([y], 40)[0], "share of the rows", title)
    axes.legend(loc="lower right", frameon=False, fontsize=9)
    return axes
