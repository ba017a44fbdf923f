"""Power along a design, as a frame that can be drawn."""

from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class PowerCurve(pd.DataFrame):
    """Power for several numbers of groups or rows. Made by ``ranef.power_curve``.

    It is an ordinary frame, whose ``plot`` draws the curve; what is taken from it is a frame with
    pandas' own ``plot``.
    """

    def plot(self, *, target: float = 0.8, ax: Any = None) -> "Axes":  # type: ignore[override]
        """Draw power along the numbers, with its limits from the simulations.

        Parameters
        ----------
        target : float
            Power that is marked.
        ax : Axes, optional

        Returns
        -------
        Axes
            ``data`` is this frame.
        """
        from ranef.plots.canvas import require_matplotlib
        from ranef.plots.power_curve import power_curve

        require_matplotlib()
        axes = power_curve(pd.DataFrame(self), str(self.attrs["along"]), None, target, ax)
        axes.set_xlabel(self.attrs["label"])
        return axes
