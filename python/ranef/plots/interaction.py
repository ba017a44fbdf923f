"""Marginal means along a factor, a line for each level of another."""

from typing import TYPE_CHECKING, Any

import numpy as np

from ranef.data.labels import natural_order
from ranef.errors import OptionError
from ranef.plots.canvas import add_legend, finish, one_axes
from ranef.plots.labels import WIDTH, label_columns, shortened, thinning, wrapped
from ranef.plots.palette import DASHES, MARKERS, MOST_SERIES, palette_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def interaction(
    frame: "pd.DataFrame", x: str, by: "list[str] | None" = None, label: str = "marginal mean", ax: Any = None
) -> "Axes":
    """Draw means with intervals.

    Parameters
    ----------
    frame : DataFrame
        Columns of factors, and ``estimate, lower, upper``.
    x : str
        The column along the axis.
    by : list of str, optional
        Columns whose combinations have lines of their own.
    label : str
        What the estimates are.
    ax : Axes, optional

    Returns
    -------
    Axes
        ``data`` is the frame with ``position``.
    """
    names = [x, *(by or [])]
    absent = [n for n in names if n not in frame.columns]
    if absent:
        raise OptionError(
            f"the means have no variable {absent[0]!r}; theirs are {', '.join(map(repr, _factors(frame)))}."
        )
    if len(frame.drop_duplicates(names)) < len(frame):
        left = [n for n in _factors(frame) if n not in names]
        raise OptionError(f"the means vary over {', '.join(map(repr, left))} too: give it in by, or average over it.")
    drawn = frame.reset_index(drop=True)
    series = [", ".join(map(str, row)) for row in drawn[by].itertuples(index=False)] if by else [""] * len(drawn)
    lines = natural_order(series)
    if len(lines) > MOST_SERIES:
        raise OptionError(f"one picture can tell {MOST_SERIES} lines apart, and there are {len(lines)}.")
    places = {v: i for i, v in enumerate(natural_order(drawn[x]))}
    slot = min(0.14, 0.6 / len(lines))
    shift = {v: (i - 0.5 * (len(lines) - 1)) * slot for i, v in enumerate(lines)}
    drawn["position"] = [places[v] + shift[s] for v, s in zip(drawn[x], series, strict=True)]
    axes = one_axes(ax, (7.0, 4.6))
    look = palette_of(axes)
    size = min(6.5, max(2.0, 260 / len(drawn)))
    which = np.array(series, dtype=object)
    for i, (line, name) in enumerate(zip(lines, wrapped(lines, WIDTH, 3), strict=True)):
        own = drawn[which == line].sort_values("position")
        axes.vlines(
            own["position"],
            own["lower"],
            own["upper"],
            color=look.series[i],
            linewidth=min(1.6, max(0.5, 90 / len(drawn))),
        )
        axes.plot(
            own["position"],
            own["estimate"],
            marker=MARKERS[i],
            linestyle=DASHES[i] if by else "",
            color=look.series[i],
            markersize=size,
            linewidth=1.2,
            label=name,
        )
    step = label_columns(axes, list(places))
    axes.set_xlim(-0.6, len(places) - 0.4)
    finish(axes, drawn, thinning(step, shortened([x], 60)[0]), label)
    axes.grid(axis="x", visible=False)
    if by:
        add_legend(axes, title=shortened([", ".join(by)], 20)[0])
    return axes


def _factors(frame: "pd.DataFrame") -> list[str]:
    numbers = {"estimate", "std_error", "df", "statistic", "p_value", "lower", "upper"}
    return [str(c) for c in frame.columns if c not in numbers]
