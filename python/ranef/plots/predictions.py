"""Predictions along a variable, with bands."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ranef.data.labels import natural_order
from ranef.plots.canvas import add_legend, cloud, finish, one_axes
from ranef.plots.labels import WIDTH, label_columns, shortened, thinning, wrapped
from ranef.plots.palette import DASHES, MARKERS, palette_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


Floats = NDArray[np.float64]


def predictions(
    frame: "pd.DataFrame",
    x: str,
    y: str,
    by: str | None = None,
    points: "pd.DataFrame | None" = None,
    ax: Any = None,
    note: str = "",
) -> "Axes":
    """Draw lines with bands along a number, or points with bars along a factor.

    Parameters
    ----------
    frame : DataFrame
        Columns ``x``, ``fit, lower, upper`` and, with ``by``, ``by``; along a number the rows of a
        line in the order of x.
    x, y : str
        Names for the axes.
    by : str, optional
        Name of the variable that tells the lines apart.
    points : DataFrame, optional
        Observations to draw behind, columns ``x, y``.
    ax : Axes, optional
    note : str
        What stands below the name of the x axis.
    """
    import pandas as pd

    axes = one_axes(ax, (7.0, 4.6))
    look = palette_of(axes)
    numeric = pd.api.types.is_float_dtype(frame["x"])
    places = {} if numeric else {v: i for i, v in enumerate(natural_order(frame["x"]))}
    if points is not None and len(points):
        at = points["x"] if numeric else points["x"].map(places).astype(float) + _jitter(len(points))
        axes.scatter(at, points["y"], color=look.quiet, zorder=1, **cloud(2 * len(points)))
    lines = [""] if by is None else natural_order(frame["by"])
    series = [(line, frame if by is None else frame[frame["by"] == line]) for line in lines]
    names = wrapped([v for v, _ in series], WIDTH, 3)
    step = 1
    for i, ((_, own), name) in enumerate(zip(series, names, strict=True)):
        if numeric:
            axes.fill_between(own["x"], own["lower"], own["upper"], color=look.series[i], alpha=0.18, linewidth=0)
            axes.plot(
                own["x"], own["fit"], color=look.series[i], linestyle=DASHES[i], linewidth=2.0, label=name, zorder=3
            )
            continue
        at = own["x"].map(places).astype(float) + (i - 0.5 * (len(series) - 1)) * min(0.16, 0.7 / len(series))
        size = min(6.0, max(2.0, 240 / len(frame)))
        axes.vlines(
            at,
            own["lower"],
            own["upper"],
            color=look.series[i],
            linewidth=min(1.8, max(0.6, 80 / len(frame))),
            zorder=3,
        )
        axes.plot(at, own["fit"], MARKERS[i], color=look.series[i], markersize=size, label=name, zorder=3)
    if not numeric:
        step = label_columns(axes, list(places))
        axes.set_xlim(-0.6, len(places) - 0.4)
    label = thinning(step, shortened([x], 60)[0])
    finish(axes, frame.reset_index(drop=True), label + (f"\n{note}" if note else ""), shortened([y], 40)[0])
    if by is not None:
        add_legend(axes, title=shortened([by], 20)[0])
    return axes


def _jitter(count: int) -> Floats:
    """Even steps in a scattered order, the same at every call."""
    return np.asarray(0.3 * ((np.arange(count) * 0.6180339887498949) % 1.0 - 0.5), dtype=np.float64)
