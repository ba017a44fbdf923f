"""Bootstrap distributions of several quantities, one above the other."""

from typing import TYPE_CHECKING, Any

import numpy as np

from ranef.errors import OptionError
from ranef.plots.canvas import finish, one_axes
from ranef.plots.labels import label_rows, thinning
from ranef.plots.palette import palette_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

#: Ridges of one picture.
MOST = 40

#: How far a ridge may rise into the next row.
_HEIGHT = 0.9

_REACH = 4.0


def bootstrap_ridge(frame: "pd.DataFrame", observed: "pd.Series[float]", ax: Any = None) -> "Axes":
    """Draw the density of the replicates of each quantity around its estimate,
    in bootstrap standard deviations.

    So quantities on different scales share an axis, and bias, skewness and a heap at a boundary are
    seen. The normal density is dashed.

    Parameters
    ----------
    frame : DataFrame
        A column for each quantity, a row for each replicate; NaN are left out.
    observed : Series
        Estimates by quantity.
    ax : Axes, optional

    Returns
    -------
    Axes
        ``data``: ``quantity, estimate, mean, std_dev, n``, and ``position`` from below.
    """
    import pandas as pd
    from scipy.stats import gaussian_kde

    names = list(frame.columns)
    if not names:
        raise OptionError("there are no quantities to draw.")
    if len(names) > MOST:
        raise OptionError(f"there are {len(names)} quantities, and one picture shows at most {MOST}: choose fewer.")
    axes = one_axes(ax, (7.0, min(10.0, max(2.6, 1.4 + 0.5 * len(names)))))
    look = palette_of(axes)
    grid = np.linspace(-_REACH, _REACH, 301)
    normal = np.exp(-0.5 * grid**2)
    rows = []
    for position, name in enumerate(names[::-1]):
        values = frame[name].to_numpy(dtype=float)
        values = values[np.isfinite(values)]
        estimate = float(observed[name])
        sd = float(values.std(ddof=1)) if len(values) > 1 else 0.0
        rows.append((str(name), estimate, float(values.mean()) if len(values) else np.nan, sd, len(values), position))
        axes.plot(grid, position + 0.5 * _HEIGHT * normal, color=look.quiet, linewidth=0.8, linestyle="--", zorder=2)
        if sd > 0 and len(values) > 2:
            scaled = (values - estimate) / sd
            # The normal density has the height 1 / sqrt(2 pi), which is drawn as half a row.
            height = np.minimum(gaussian_kde(scaled)(grid) * np.sqrt(2 * np.pi), 2.0) * 0.5 * _HEIGHT
            axes.fill_between(grid, position, position + height, color=look.main, alpha=0.35, linewidth=0, zorder=1)
            axes.plot(grid, position + height, color=look.main, linewidth=1.2, zorder=3)
            middle = float(np.clip(scaled.mean(), -_REACH, _REACH))
            axes.plot([middle] * 2, [position, position + 0.3], color=look.contrast, linewidth=1.8, zorder=4)
        axes.axhline(position, color=look.quiet, linewidth=0.5, zorder=0)
    axes.axvline(0.0, color=look.ink, linewidth=0.8)
    step = label_rows(axes, names[::-1])
    axes.set_ylim(-0.2, len(names) + 0.05)
    axes.set_xlim(-_REACH, _REACH)
    data = pd.DataFrame(rows, columns=["quantity", "estimate", "mean", "std_dev", "n", "position"])
    label = "(replicate - estimate) / bootstrap standard deviation\nshort line: mean of the replicates; dashed: normal"
    finish(axes, data, label, "" if step == 1 else thinning(step, "quantity"))
    axes.grid(axis="y", visible=False)
    return axes
