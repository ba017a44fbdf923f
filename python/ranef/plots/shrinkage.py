"""What each group would say on its own, and what the model makes of it."""

from typing import TYPE_CHECKING, Any

import numpy as np

from ranef.errors import OptionError
from ranef.plots.canvas import add_legend, empty, finish, one_axes
from ranef.plots.labels import label_rows, shortened, thinning
from ranef.plots.palette import CONTRAST, INK, MAIN, QUIET

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_LABELS = ("separate fit", "mixed model", "population")


def shrinkage(frame: "pd.DataFrame", effects: "list[str] | None" = None, ax: Any = None) -> "Axes":
    """Draw the way from separate fits to partial pooling.

    Parameters
    ----------
    frame : DataFrame
        Columns ``group, level, effect, n, separate, pooled, population`` of one grouping factor.
    effects : list of str, optional
        One effect, which is drawn with a row for each level, or two, which span the plane; by
        default the first two there are.
    ax : Axes, optional

    Returns
    -------
    Axes
        ``data`` has the rows drawn; with one effect in the order from below, with ``position``.
    """
    there = list(dict.fromkeys(frame["effect"]))
    chosen = there[:2] if effects is None else effects
    if not 1 <= len(chosen) <= 2 or len(set(chosen)) < len(chosen) or any(e not in there for e in chosen):
        raise OptionError(f"effects must be one or two of {', '.join(map(repr, there))}, not {effects!r}.")
    frame = frame[frame["effect"].isin(chosen)]
    group = str(frame["group"].iloc[0])
    determined = frame[~frame["separate"].isna()]
    if determined.empty:
        return empty(
            one_axes(ax),
            frame,
            f"No level of {shortened([group])[0]} has rows enough for a fit of its own.",
        )
    if len(chosen) == 1:
        return _rows(frame, group, chosen[0], ax)
    return _plane(frame, group, chosen, ax)


def _rows(frame: "pd.DataFrame", group: str, effect: str, ax: Any) -> "Axes":
    n = len(frame)
    drawn = frame.iloc[np.argsort(frame["pooled"].to_numpy(), kind="stable")].reset_index(drop=True)
    drawn["position"] = np.arange(n)
    axes = one_axes(ax, (7.0, min(9.0, max(2.6, 1.3 + 0.22 * n))))
    size = min(5.0, max(1.6, 150 / n))
    axes.axvline(float(drawn["population"].iloc[0]), color=INK, linewidth=0.9, linestyle="--", label=_LABELS[2])
    axes.hlines(drawn["position"], drawn["separate"], drawn["pooled"], color=QUIET, linewidth=0.7)
    axes.plot(
        drawn["separate"],
        drawn["position"],
        "o",
        color=CONTRAST,
        markersize=size,
        markerfacecolor="white",
        label=_LABELS[0],
    )
    axes.plot(drawn["pooled"], drawn["position"], "o", color=MAIN, markersize=size, label=_LABELS[1])
    step = label_rows(axes, list(drawn["level"]))
    axes.set_ylim(-0.8, n - 0.2)
    finish(axes, drawn, shortened([effect], 60)[0], thinning(step, shortened([group])[0]))
    axes.grid(axis="y", visible=False)
    add_legend(axes)
    return axes


def _plane(frame: "pd.DataFrame", group: str, effects: list[str], ax: Any) -> "Axes":
    x, y = (frame[frame["effect"] == e].reset_index(drop=True) for e in effects)
    n = len(x)
    axes = one_axes(ax, (7.4, 5.0))
    size = min(26.0, max(5.0, 1800 / n))
    for i in range(n):
        axes.plot(
            [x["separate"][i], x["pooled"][i]],
            [y["separate"][i], y["pooled"][i]],
            color=QUIET,
            linewidth=0.7,
            alpha=min(1.0, max(0.25, 60 / n)),
            zorder=1,
        )
    axes.scatter(
        x["separate"], y["separate"], s=size, facecolors="white", edgecolors=CONTRAST, linewidths=0.9, label=_LABELS[0]
    )
    axes.scatter(x["pooled"], y["pooled"], s=size, color=MAIN, linewidths=0, label=_LABELS[1], zorder=3)
    axes.plot(
        x["population"][0], y["population"][0], "+", color=INK, markersize=13, markeredgewidth=2, label=_LABELS[2]
    )
    finish(axes, frame.reset_index(drop=True), *shortened(effects, 44))
    add_legend(axes, title=shortened([group], 20)[0])
    return axes
