"""The diagnostic panel: a picture for each check, and a sentence under it."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ranef.plots.calibration import calibration
from ranef.plots.canvas import AxesArray, NewFigure, axes_array, empty, require_matplotlib, several_axes
from ranef.plots.group_influence import group_influence
from ranef.plots.labels import shortened
from ranef.plots.laplace_accuracy import laplace_accuracy
from ranef.plots.left_correlation import left_correlation
from ranef.plots.palette import palette_of
from ranef.plots.quantiles import quantiles
from ranef.plots.residuals_fitted import residuals_fitted
from ranef.plots.response_distribution import response_distribution
from ranef.plots.scale_location import scale_location
from ranef.plots.simulated_residuals import residual_quantiles
from ranef.plots.simulated_statistic import simulated_statistic

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ranef.diagnostics.check_part import CheckPart

_COLUMNS = 3
_FONT = 9.5

#: Points that a character takes on average.
_CHARACTER = 0.56 * _FONT


def check_panel(panels: "Sequence[CheckPart]", ax: Any = None) -> AxesArray:
    """Draw the panel.

    Parameters
    ----------
    panels : sequence of CheckPart
    ax : array of Axes or NewFigure, optional
        One for each picture; the sentence then stands below the name of the x axis.

    Returns
    -------
    array of Axes
        Each with ``data`` and ``sentence``.
    """
    if ax is not None and not isinstance(ax, NewFigure):
        axes = several_axes(ax, len(panels), _COLUMNS, (4.0, 4.0))
        for plot, panel in zip(axes, panels, strict=True):
            draw_part(plot, panel)
            room = max(20, int(plot.get_position().width * _inches(plot) * 72 / _CHARACTER))
            plot.set_xlabel(f"{plot.get_xlabel()}\n{textwrap.fill(_plain(panel.sentence), room)}", fontsize=_FONT)
        return axes
    require_matplotlib()
    from matplotlib import pyplot

    width, height = (13.0, 9.4) if ax is None else ax.size
    columns = _COLUMNS if width >= 9 else 2
    rows = math.ceil(len(panels) / columns)
    per_line = max(20, int((width / columns - 0.8) * 72 / _CHARACTER))
    texts = [textwrap.fill(_plain(p.sentence), per_line) for p in panels]
    figure = pyplot.figure(figsize=(width, height), layout="constrained")
    # What the longest sentence of each row of pictures takes; the pictures have the rest.
    needed = [
        max(t.count("\n") + 1 for t in texts[i * columns : (i + 1) * columns]) * 1.2 * _FONT / 72 + 0.05
        for i in range(rows)
    ]
    ratios = [r for n in needed for r in (max(0.6, height / rows - n), n)]
    grid = figure.add_gridspec(2 * rows, columns, height_ratios=ratios)
    out = []
    for i, (panel, text) in enumerate(zip(panels, texts, strict=True)):
        plot = figure.add_subplot(grid[2 * (i // columns), i % columns])
        below = figure.add_subplot(grid[2 * (i // columns) + 1, i % columns])
        below.axis("off")
        ink = palette_of(below, outside=True).ink
        below.text(0.0, 1.0, text, fontsize=_FONT, color=ink, va="top", ha="left", transform=below.transAxes)
        draw_part(plot, panel)
        out.append(plot)
    return axes_array(out)


def _inches(plot: "Axes") -> float:
    figure = plot.get_figure(root=True)
    return 4.0 if figure is None else float(figure.get_figwidth())


def _plain(sentence: str) -> str:
    return sentence.replace("$", r"\$")


def draw_part(plot: "Axes", panel: "CheckPart") -> None:
    """Draw one picture of the panel; ``plot.sentence`` is what is said of it."""
    title = shortened([panel.title], 44)[0]
    drawers: Mapping[str, Any] = {
        "residuals": lambda: residuals_fitted(panel.frame, panel.label, plot, title, panel.along),
        "scale": lambda: scale_location(panel.frame, plot, title, panel.along),
        "residual_quantiles": lambda: quantiles(panel.frame, panel.label, plot, title),
        "effect_quantiles": lambda: quantiles(panel.frame, panel.label, plot, title),
        "influence": lambda: group_influence(panel.frame, panel.label, plot, title),
        "distribution": lambda: response_distribution(panel.frame, panel.label, plot, title),
        "uniform_quantiles": lambda: residual_quantiles(panel.frame, plot, title),
        "simulated_statistic": lambda: simulated_statistic(panel.frame, panel.label, plot, title),
        "calibration": lambda: calibration(panel.frame, plot, title),
        "autocorrelation": lambda: left_correlation(panel.frame, plot, title),
        "semivariogram": lambda: left_correlation(panel.frame, plot, title),
        "laplace": lambda: laplace_accuracy(panel.frame, plot, title),
    }
    if len(panel.frame):
        drawers[panel.kind]()
    else:
        empty(plot, panel.frame, "nothing to draw", title)
    plot.sentence = panel.sentence  # type: ignore[attr-defined]
