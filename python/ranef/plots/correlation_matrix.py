"""The estimated correlations of the positions of correlated rows."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ranef.plots.canvas import AxesArray, finish, several_axes
from ranef.plots.palette import palette_of

if TYPE_CHECKING:
    import pandas as pd

#: More positions than this have no numbers in their cells.
MOST_NUMBERS = 12

#: Correlations beyond this have a dark cell.
DARK = 0.6


def correlation_matrix(frames: "Sequence[pd.DataFrame]", ax: Any = None) -> AxesArray:
    """Draw a matrix for each group with parameters of its own.

    Parameters
    ----------
    frames : sequence of DataFrame
        Correlations with labels, and attributes ``group`` and ``sd`` (standard deviations).
    ax : Axes or array of Axes, optional
        One for each group.

    Returns
    -------
    array of Axes
    """
    axes = several_axes(ax, len(frames), 3, (5.0, 4.6))
    for plot, frame in zip(axes, frames, strict=True):
        look = palette_of(plot)
        k = len(frame)
        image = plot.imshow(frame.to_numpy(), cmap="RdBu_r", vmin=-1, vmax=1, interpolation="nearest")
        finish(plot, frame, "", "", frame.attrs["group"] or "Correlations of rows of a block")
        plot.grid(False)
        every = max(1, -(-k // MOST_NUMBERS))
        plot.set_xticks(range(0, k, every), [str(v) for v in frame.columns[::every]])
        plot.set_yticks(range(0, k, every), [str(v) for v in frame.index[::every]])
        plot.figure.colorbar(image, ax=plot, shrink=0.8).ax.tick_params(labelsize=8, colors=look.ink)
        if k > MOST_NUMBERS:
            continue
        values = frame.to_numpy(dtype=float)
        for i in range(k):
            for j in range(k):
                value = float(values[i, j])
                text = f"sd {frame.attrs['sd'][i]:.3g}" if i == j and frame.attrs["sd"] is not None else f"{value:.2f}"
                color = "#FFFFFF" if abs(value) > DARK else "#222222"
                plot.text(j, i, text, ha="center", va="center", fontsize=9, color=color)
    return axes
