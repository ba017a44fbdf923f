"""A number computed from the data, among the same number of simulated responses."""

from typing import TYPE_CHECKING, Any

from ranef.plots.canvas import finish, one_axes
from ranef.plots.palette import palette_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def simulated_statistic(frame: "pd.DataFrame", label: str, ax: Any = None, title: str | None = None) -> "Axes":
    """Draw a histogram of the simulations with a line at the observed value.

    Parameters
    ----------
    frame : DataFrame
        Columns ``part`` ("observed", "simulated") and ``value``.
    label : str
        What the number is.
    ax : Axes, optional
    title : str, optional
    """
    import numpy as np

    axes = one_axes(ax)
    look = palette_of(axes)
    values = frame.loc[frame["part"] == "simulated", "value"].to_numpy()
    observed = float(frame.loc[frame["part"] == "observed", "value"].iloc[0])
    distinct = np.unique(values)
    # Whole numbers that are few have a bar each.
    whole = len(distinct) <= 25 and bool(np.all(distinct == np.round(distinct)))
    edges: Any = np.arange(distinct[0] - 0.5, distinct[-1] + 1.0) if whole and np.ptp(distinct) <= 40 else 20
    axes.hist(values, bins=edges, color=look.main, alpha=0.35, label="simulated")
    if whole:
        axes.locator_params(axis="x", integer=True)
    axes.axvline(observed, color=look.contrast, linewidth=2.0, label="observed")
    finish(axes, frame, label, "simulations", title)
    axes.legend(frameon=False, fontsize=9)
    return axes
