"""Power along a design."""

from typing import TYPE_CHECKING, Any

from ranef.errors import OptionError
from ranef.plots.canvas import add_legend, finish, one_axes
from ranef.plots.labels import shortened
from ranef.plots.palette import DASHES, MARKERS, MOST_SERIES, palette_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def power_curve(frame: "pd.DataFrame", x: str, by: str | None = None, target: float = 0.8, ax: Any = None) -> "Axes":
    """Draw power with its limits from the simulations.

    Parameters
    ----------
    frame : DataFrame
        Columns ``power, lower, upper``, and those named by ``x`` (numbers) and ``by``.
    x : str
        What varies, such as the number of groups.
    by : str, optional
        A column whose values have curves of their own.
    target : float
        Power that is marked.
    ax : Axes, optional
    """
    absent = [n for n in (x, by) if n is not None and n not in frame.columns]
    if absent:
        raise OptionError(
            f"the frame has no column {absent[0]!r}; its columns are {', '.join(map(repr, frame.columns))}."
        )
    axes = one_axes(ax, (6.6, 4.4))
    look = palette_of(axes)
    curves = [("", frame)] if by is None else list(frame.groupby(by, sort=False))
    if len(curves) > MOST_SERIES:
        raise OptionError(f"one picture can tell {MOST_SERIES} curves apart, and there are {len(curves)}.")
    for i, ((_, curve), name) in enumerate(zip(curves, shortened([v for v, _ in curves]), strict=True)):
        own = curve.sort_values(x)
        axes.fill_between(own[x], own["lower"], own["upper"], color=look.series[i], alpha=0.18, linewidth=0)
        axes.plot(
            own[x], own["power"], color=look.series[i], linestyle=DASHES[i], marker=MARKERS[i], markersize=5, label=name
        )
    axes.axhline(target, color=look.ink, linewidth=0.8, linestyle="--")
    axes.set_ylim(0.0, 1.02)
    finish(axes, frame.reset_index(drop=True), shortened([x], 60)[0], "power")
    if by is not None:
        add_legend(axes, title=shortened([by], 20)[0])
    return axes
