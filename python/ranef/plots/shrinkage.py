"""What each group would say on its own, and what the model makes of it."""

from typing import TYPE_CHECKING, Any

import numpy as np

from ranef.errors import OptionError
from ranef.plots.canvas import add_legend, empty, finish, one_axes
from ranef.plots.labels import label_rows, shortened, thinning
from ranef.plots.palette import palette_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_LABELS = ("separate fit", "mixed model", "population")

#: Quartile distances beyond the quartiles within which separate fits are drawn in their place.
_REACH = 3.0


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
    look = palette_of(axes)
    size = min(5.0, max(1.6, 150 / n))
    low, high = _range(drawn)
    at = drawn["separate"].clip(low, high)
    inside = (drawn["separate"] == at).to_numpy()
    axes.axvline(float(drawn["population"].iloc[0]), color=look.ink, linewidth=0.9, linestyle="--", label=_LABELS[2])
    axes.hlines(drawn["position"], at, drawn["pooled"], color=look.quiet, linewidth=min(0.7, max(0.15, 60 / n)))
    axes.plot(
        at[inside],
        drawn["position"][inside],
        "o",
        color=look.contrast,
        markersize=size,
        markerfacecolor=look.paper,
        label=_LABELS[0],
    )
    for mark, beyond in (("<", drawn["separate"] < low), (">", drawn["separate"] > high)):
        axes.plot(at[beyond], drawn["position"][beyond], mark, color=look.contrast, markersize=max(3.0, size))
    axes.plot(drawn["pooled"], drawn["position"], "o", color=look.main, markersize=size, label=_LABELS[1])
    step = label_rows(axes, list(drawn["level"]))
    axes.set_ylim(-0.8, n - 0.2)
    margin = 0.04 * (high - low)
    axes.set_xlim(low - margin, high + margin)
    name = shortened([effect], 60)[0] + _beyond(int((drawn["separate"].notna() & ~inside).sum()))
    finish(axes, drawn, name, thinning(step, shortened([group])[0]))
    axes.grid(axis="y", visible=False)
    add_legend(axes)
    return axes


def _plane(frame: "pd.DataFrame", group: str, effects: list[str], ax: Any) -> "Axes":
    x, y = (frame[frame["effect"] == e].reset_index(drop=True) for e in effects)
    n = len(x)
    axes = one_axes(ax, (7.4, 5.0))
    look = palette_of(axes)
    size = min(26.0, max(5.0, 1800 / n))
    ranges = (_range(x), _range(y))
    at_x, at_y = (part["separate"].clip(*limits) for part, limits in zip((x, y), ranges, strict=True))
    inside = ((at_x == x["separate"]) & (at_y == y["separate"])).to_numpy()
    outside = (x["separate"].notna() & y["separate"].notna()).to_numpy() & ~inside
    for i in range(n):
        axes.plot(
            [at_x[i], x["pooled"][i]],
            [at_y[i], y["pooled"][i]],
            color=look.quiet,
            linewidth=0.7,
            alpha=min(1.0, max(0.08, 60 / n)),
            zorder=1,
        )
    axes.scatter(
        at_x[inside],
        at_y[inside],
        s=size,
        facecolors=look.paper,
        edgecolors=look.contrast,
        linewidths=min(0.9, max(0.3, 200 / n)),
        label=_LABELS[0],
    )
    for i in np.flatnonzero(outside).tolist():
        # The arrow points from the mixed model's place to where the separate fit lies.
        across = x["separate"][i] - at_x[i], y["separate"][i] - at_y[i]
        mark = (">" if across[0] > 0 else "<") if across[0] else ("^" if across[1] > 0 else "v")
        axes.plot(at_x[i], at_y[i], mark, color=look.contrast, markersize=max(4.0, np.sqrt(size)), zorder=2)
    axes.scatter(x["pooled"], y["pooled"], s=size, color=look.main, linewidths=0, label=_LABELS[1], zorder=3)
    axes.plot(
        x["population"][0], y["population"][0], "+", color=look.ink, markersize=13, markeredgewidth=2, label=_LABELS[2]
    )
    (left, right), (bottom, top) = ((a - 0.04 * (b - a), b + 0.04 * (b - a)) for a, b in ranges)
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)
    names = shortened(effects, 44)
    finish(axes, frame.reset_index(drop=True), names[0] + _beyond(int(outside.sum())), names[1])
    add_legend(axes, title=shortened([group], 20)[0])
    return axes


def _range(part: "pd.DataFrame") -> tuple[float, float]:
    """From where to where an effect is drawn: all estimates of the mixed model, and separate fits
    up to three quartile distances beyond their quartiles, for a few of these can be so far away
    that nothing else would be seen.
    """
    separate = part["separate"].dropna().to_numpy(dtype=float)
    whole = np.concatenate([separate, part["pooled"].to_numpy(dtype=float), part["population"].to_numpy(dtype=float)])
    lower, upper = np.quantile(separate, [0.25, 0.75]) if len(separate) else (0.0, 0.0)
    reach = _REACH * (upper - lower)
    kept = [v for v in separate if lower - reach <= v <= upper + reach]
    shown = np.concatenate([kept, whole[len(separate) :]])
    low, high = float(shown.min()), float(shown.max())
    return (low, high) if low < high else (low - 0.5, high + 0.5)


def _beyond(count: int) -> str:
    """What the axis says of separate fits that are not drawn in their place."""
    return "" if not count else f"\narrows: {count} separate {'fit' if count == 1 else 'fits'} beyond the picture"
