"""Pictures of a fitted linear model: those of ``m.plot`` and the diagnostic panel."""

from typing import Any

from ranef.plots.canvas import AxesArray, require_matplotlib
from ranef.results.diagnosed import DiagnosedModel
from ranef.results.model_plots import ModelPlots


class PlottedModel(DiagnosedModel):
    """Pictures of a linear mixed model."""

    @property
    def plot(self) -> ModelPlots:
        """Pictures: ``m.plot.caterpillar()``, ``.shrinkage()``, ``.fitted()``, ``.residuals()``, ``.qq()``, ``.predictions(x, by)`` and more; needs matplotlib (``ranef[plot]``)."""
        return ModelPlots(self)

    def check(self, *, rng: Any = None, size: tuple[float, float] | None = None, ax: Any = None) -> AxesArray:
        """Draw the diagnostic panel: six pictures, each with a sentence on what it shows.

        Parameters
        ----------
        rng : int, numpy.random.Generator or None
            Seed or generator of the simulated responses of the last picture; None takes a fresh seed.
        size : tuple of float, optional
            Width and height of the figure in inches; 13 by 9.4 by default.
        ax : array of 6 Axes, optional

        Returns
        -------
        array of Axes
            Each has ``data``, the frame drawn, and ``sentence``.

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
        >>> axes = m.check(rng=1)
        >>> axes[4].sentence
        'Without Subject 335 ...'
        """
        require_matplotlib()
        from ranef.diagnostics.check import check
        from ranef.plots.check_panel import check_panel

        return check_panel(check(self._fit, self._hat, rng), size, ax)
