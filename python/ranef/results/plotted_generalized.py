"""Pictures of a fitted generalized model: those of ``m.plot`` and the diagnostic panel."""

from typing import Any

from ranef.plots.canvas import AxesArray, require_matplotlib
from ranef.results.generalized_plots import GeneralizedPlots
from ranef.results.refitted_generalized import RefittedGeneralizedModel


class PlottedGeneralizedModel(RefittedGeneralizedModel):
    """Pictures of a generalized linear mixed model."""

    @property
    def plot(self) -> GeneralizedPlots:
        """Pictures: ``m.plot.caterpillar()``, ``.shrinkage()``, ``.fitted()``, ``.residuals()``, ``.qq()``, ``.predictions(x, by)`` and more; needs matplotlib (``ranef[plot]``)."""
        return GeneralizedPlots(self)

    def check(self, *, rng: Any = None, size: tuple[float, float] | None = None, ax: Any = None) -> AxesArray:
        """Draw the diagnostic panel: six pictures, each with a sentence on what it shows.

        Simulated residuals, and these along the linear predictor; the spread of the Pearson residuals among simulations (of responses of 0 and 1, which cannot be
        overdispersed, shares of successes along the probability); the number of zeros (where there can be none, the distribution of the response); the random effect that
        looks least normal; and what quadrature changes of the likelihood.

        Parameters
        ----------
        rng : int, numpy.random.Generator or None
            Seed or generator of the simulated responses; None takes a fresh seed.
        size : tuple of float, optional
            Width and height of the figure in inches; 13 by 9.4 by default.
        ax : array of 6 Axes, optional

        Returns
        -------
        array of Axes
            Each has ``data``, the frame drawn, and ``sentence``.

        Examples
        --------
        >>> from ranef import glmer, load_dataset
        >>> m = glmer("cbind(incidence, size - incidence) ~ period + (1 | herd)", load_dataset("cbpp"), family="binomial")
        >>> axes = m.check(rng=1)
        >>> axes[5].sentence
        "Laplace's approximation is close: ..."
        """
        require_matplotlib()
        from ranef.diagnostics.glmm_check import check_glmm
        from ranef.plots.check_panel import check_panel

        return check_panel(check_glmm(self._fit, rng), size, ax)
