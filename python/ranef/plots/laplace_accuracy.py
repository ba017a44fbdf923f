"""What quadrature changes of the likelihood, by the number of its nodes."""

from typing import TYPE_CHECKING, Any

from ranef.plots.canvas import finish, one_axes
from ranef.plots.palette import palette_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def laplace_accuracy(frame: "pd.DataFrame", ax: Any = None, title: str | None = None) -> "Axes":
    """Draw the change of -2 log-likelihood at the estimates.

    Parameters
    ----------
    frame : DataFrame
        Columns ``nodes, change``.
    ax : Axes, optional
    title : str, optional
    """
    axes = one_axes(ax)
    look = palette_of(axes)
    axes.axhline(0.0, color=look.ink, linewidth=0.8)
    axes.plot(frame["nodes"], frame["change"], color=look.main, marker="o", linewidth=1.4)
    # So that an error that matters to nobody does not fill the picture.
    reach = max(0.5, 1.15 * float(frame["change"].abs().max()))
    axes.set_ylim(-reach, reach)
    axes.set_xticks(frame["nodes"].tolist())
    return finish(axes, frame, "nodes of the quadrature (1: Laplace)", "change of -2 log-likelihood", title)
