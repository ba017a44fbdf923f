"""Coefficients of several models with their intervals."""

from typing import TYPE_CHECKING, Any

import numpy as np

from ranef.errors import OptionError
from ranef.plots.canvas import add_legend, finish, one_axes
from ranef.plots.labels import label_rows, shortened, thinning
from ranef.plots.palette import MARKERS, MOST_SERIES, palette_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def forest(
    frame: "pd.DataFrame", ax: Any = None, *, label: str = "estimate", null: float = 0.0, legend: str | None = None
) -> "Axes":
    """Draw coefficients as rows, those of different models below each other in one row.

    Parameters
    ----------
    frame : DataFrame
        Columns ``model, term, estimate, lower, upper``.
    ax : Axes, optional
    label : str
        What the estimates are.
    null : float
        The value of no effect, which is marked.
    legend : str, optional
        What the models are.

    Returns
    -------
    Axes
        ``data`` is the frame with ``position``.
    """
    models = list(dict.fromkeys(frame["model"]))
    terms = list(dict.fromkeys(frame["term"]))
    if len(models) > MOST_SERIES:
        raise OptionError(f"one picture can tell {MOST_SERIES} models apart, and there are {len(models)}.")
    drawn = frame.reset_index(drop=True)
    slot = 0.8 / len(models)
    offsets = {m: (0.5 * (len(models) - 1) - i) * slot for i, m in enumerate(models)}
    rows = {t: len(terms) - 1 - i for i, t in enumerate(terms)}
    drawn["position"] = [rows[t] + offsets[m] for t, m in zip(drawn["term"], drawn["model"], strict=True)]
    height = 1.0 + len(terms) * max(0.3, 0.16 * len(models))
    axes = one_axes(ax, (7.0, min(10.0, max(2.4, height))))
    look = palette_of(axes)
    axes.axvline(null, color=look.ink, linewidth=0.8)
    crowd = max(1.0, len(drawn) / 60)
    for i, (model, name) in enumerate(zip(models, shortened(models), strict=True)):
        own = drawn[drawn["model"] == model]
        axes.hlines(own["position"], own["lower"], own["upper"], color=look.series[i], linewidth=max(0.5, 1.6 / crowd))
        axes.plot(
            own["estimate"],
            own["position"],
            MARKERS[i],
            color=look.series[i],
            markersize=max(1.8, 5.5 / np.sqrt(crowd)),
            label=name,
        )
    step = label_rows(axes, terms[::-1])
    axes.set_ylim(-0.7, len(terms) - 0.3)
    finish(axes, drawn, label, "" if step == 1 else thinning(step, "coefficient"))
    axes.grid(axis="y", visible=False)
    if len(models) > 1:
        add_legend(axes, title=None if legend is None else shortened([legend], 20)[0])
    return axes
