"""How a variable is distributed."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ranef.plots.canvas import finish, one_axes
from ranef.plots.labels import shortened
from ranef.plots.palette import palette_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Up to so many different whole numbers have bars of their own.
_MOST_VALUES = 40

_MOST_BINS = 60


def histogram(values: NDArray[np.float64], name: str, ax: Any = None) -> "Axes":
    """Draw how many rows have which values.

    Parameters
    ----------
    values : (n,) array
    name : str
        Of the variable.
    ax : Axes, optional

    Returns
    -------
    Axes
        ``data``: ``lower, upper, count`` of every bar; of whole numbers from half below to half
        above.
    """
    import pandas as pd

    axes = one_axes(ax)
    look = palette_of(axes)
    different = np.unique(values)
    whole = len(different) <= _MOST_VALUES and bool(np.all(different == np.round(different)))
    if whole and np.ptp(different) <= _MOST_VALUES:
        edges = np.arange(different[0], different[-1] + 2) - 0.5
    else:
        edges = (
            np.histogram_bin_edges(values, "fd") if len(different) > 1 else np.array([values[0] - 0.5, values[0] + 0.5])
        )
        if len(edges) > _MOST_BINS + 1:
            edges = np.linspace(values.min(), values.max(), _MOST_BINS + 1)
    counts, edges = np.histogram(values, edges)
    frame = pd.DataFrame({"lower": edges[:-1], "upper": edges[1:], "count": counts})
    width = np.diff(edges)
    gap = 0.8 if whole else 0.96
    axes.bar(edges[:-1] + 0.5 * width, counts, gap * width, color=look.main, linewidth=0)
    if whole:
        axes.locator_params(axis="x", integer=True)
    finish(axes, frame, shortened([name], 40)[0], "rows")
    axes.grid(axis="x", visible=False)
    return axes
