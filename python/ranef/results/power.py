"""Power along a design, as a frame that can be drawn."""

from typing import TYPE_CHECKING, Any

import pandas as pd

from ranef.presentation.printed_frame import PrintedFrame

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class PowerCurve(PrintedFrame):
    """Power for several numbers of groups or rows, or for a grid of two such numbers. Made by
    ``ranef.power_curve``.

    It is an ordinary frame, whose ``plot`` draws the curve; what is taken from it is a frame with
    pandas' own ``plot``.
    """

    def plot(  # type: ignore[override]
        self, *, target: float = 0.8, ax: Any = None, figsize: tuple[float, float] | None = None
    ) -> "Axes":
        """Draw power along the first numbers, with its limits from the simulations, and a line for
        each of the second ones.

        Parameters
        ----------
        target : float
            Power that is marked.
        ax : Axes, optional
        figsize : tuple of float, optional
            Width and height of a new figure in inches.

        Returns
        -------
        Axes
            ``data`` is this frame.
        """
        from ranef.plots.canvas import place, require_matplotlib
        from ranef.plots.power_curve import power_curve

        require_matplotlib()
        ax = place(ax, figsize)
        along, labels = self.attrs["along"], self.attrs["labels"]
        by = along[1] if len(along) > 1 else None
        axes = power_curve(pd.DataFrame(self), along[0], by, target, ax)
        axes.set_xlabel(labels[0])
        if by is not None and (legend := axes.get_legend()) is not None:
            legend.set_title(labels[1])
        return axes
