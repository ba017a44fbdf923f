"""Fitted lines of the groups over the data."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ranef.plots.canvas import AxesArray, add_legend, cloud, finish, several_axes
from ranef.plots.labels import shortened
from ranef.plots.palette import DASHES, palette_of

if TYPE_CHECKING:
    import pandas as pd

#: Groups that are told apart by colour in one picture.
NAMED = 6

#: Panels of single groups in one figure.
MOST_GROUPS = 20


def fitted_lines(frame: "pd.DataFrame", x: str, y: str, group: str, ax: Any = None, *, note: str = "") -> AxesArray:
    """Draw data, the line of every group, and that of the population in one picture.

    Parameters
    ----------
    frame : DataFrame
        Columns ``part`` ("data", "group", "population"), ``level, x, y``; the rows of a line in the
        order of x.
    x, y, group : str
        Names for the axes and the legend.
    ax : Axes, optional
    note : str
        What stands below the name of the x axis.

    Returns
    -------
    (1,) array of Axes
    """
    axes = several_axes(ax, 1, 1, (7.2, 4.8))
    from matplotlib.collections import LineCollection

    look = palette_of(axes[0])
    data, lines, population = (frame[frame["part"] == p] for p in ("data", "group", "population"))
    levels = list(dict.fromkeys(lines["level"]))
    named = len(levels) <= NAMED
    plot = axes[0]
    if len(data):
        colours = {level: look.series[i] for i, level in enumerate(levels)} if named else {}
        plot.scatter(
            data["x"],
            data["y"],
            c=[colours.get(v, look.quiet) for v in data["level"]] if named else look.quiet,
            **cloud(len(data)),
        )
    names = shortened(levels)
    paths = _paths(lines)
    if named:
        for i, path in enumerate(paths):
            style = {"color": look.series[i], "linestyle": DASHES[i], "linewidth": 1.5, "label": names[i]}
            plot.plot(path[:, 0], path[:, 1], **style)
    else:
        alpha = min(0.8, max(0.12, 30 / len(levels)))
        label = f"each of {len(levels)}"
        plot.add_collection(LineCollection(paths, colors=look.main, linewidths=0.9, alpha=alpha, label=label))
        plot.autoscale_view()
    plot.plot(population["x"], population["y"], color=look.ink, linewidth=2.6, label="population")
    finish(
        plot, frame.reset_index(drop=True), shortened([x], 60)[0] + (f"\n{note}" if note else ""), shortened([y], 40)[0]
    )
    add_legend(plot, title=shortened([group], 20)[0])
    return axes


def _paths(lines: "pd.DataFrame") -> list[NDArray[np.float64]]:
    """The (m, 2) points of each line, in the order in which their levels come."""
    codes, levels = lines["level"].factorize()
    rows = np.argsort(codes, kind="stable")
    points = lines[["x", "y"]].to_numpy(dtype=float)[rows]
    return np.split(points, np.searchsorted(codes[rows], np.arange(1, len(levels))))


def fitted_panels(frame: "pd.DataFrame", x: str, y: str, ax: Any = None, *, note: str = "") -> AxesArray:
    """Draw a panel for each group: its data, its line, and that of the population.

    Parameters
    ----------
    frame : DataFrame
        As for :func:`fitted_lines`, of at most 20 groups, with the line of the population for each
        of them.
    x, y : str
        Names for the axes.
    ax : array of Axes, optional
        One for each group.
    note : str
        What stands below a new figure.

    Returns
    -------
    array of Axes
    """
    levels = list(dict.fromkeys(frame.loc[frame["part"] == "group", "level"]))
    columns = min(5, max(1, math.ceil(math.sqrt(len(levels)))))
    axes = several_axes(ax, len(levels), columns, (2.3, 1.95), sharey=True)
    look = palette_of(axes[0])
    low, high = np.nanmin(frame["y"]), np.nanmax(frame["y"])
    left, right = np.nanmin(frame["x"]), np.nanmax(frame["x"])
    margin, margin_x = 0.05 * (high - low), 0.05 * (right - left)
    for i, (plot, level, name) in enumerate(zip(axes, levels, shortened(levels, 18), strict=True)):
        own = frame[frame["level"] == level]
        data, line, population = (own[own["part"] == p] for p in ("data", "group", "population"))
        plot.scatter(data["x"], data["y"], color=look.ink, **{**cloud(4 * len(data) + 200), "alpha": 0.6})
        plot.plot(
            population["x"], population["y"], color=look.contrast, linewidth=1.1, linestyle="--", label="population"
        )
        plot.plot(line["x"], line["y"], color=look.main, linewidth=1.8, label="this group")
        finish(plot, own.reset_index(drop=True), "", "", None)
        plot.set_title(name, fontsize=9, loc="left")
        plot.set_ylim(low - margin, high + margin)
        plot.set_xlim(left - margin_x, right + margin_x)
        plot.locator_params(axis="both", nbins=4)
        plot.tick_params(labelsize=8, labelbottom=i + columns >= len(levels), labelleft=i % columns == 0)
        if i + columns >= len(levels):
            plot.set_xlabel(shortened([x], 18)[0], fontsize=9)
        if i % columns == 0:
            plot.set_ylabel(shortened([y], 18)[0], fontsize=9)
    figure = axes[0].get_figure(root=True)
    if ax is None:
        legend = {"color": look.ink, "fontsize": 9}
        figure.supxlabel("solid: the group, dashed: the population" + (f"; {note}" if note else ""), **legend)
    return axes
