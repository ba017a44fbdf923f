"""Pictures of a fitted model: those of ``m.plot``, and the diagnostic panel."""

from typing import TYPE_CHECKING, Any

from ranef.plots.canvas import AxesArray, place, require_matplotlib
from ranef.results.model.diagnostics import DiagnosticsChapter
from ranef.results.model.estimates import EstimatesChapter
from ranef.results.model.rows import RowsChapter
from ranef.results.model_plots import ModelPlots

if TYPE_CHECKING:
    from ranef.diagnostics.check_part import CheckPart


class PlotsChapter(DiagnosticsChapter, RowsChapter, EstimatesChapter):
    """Pictures of a mixed model."""

    @property
    def plot(self) -> ModelPlots:
        """Pictures: ``m.plot.caterpillar()``, ``.shrinkage()``, ``.fitted()``, ``.residuals()``,
        ``.qq()``, ``.predictions(x, by)`` and more; needs matplotlib (``ranef[plot]``).
        """
        return ModelPlots(self)

    def check(self, *, rng: Any = None, ax: Any = None, figsize: tuple[float, float] | None = None) -> AxesArray:
        """Draw the diagnostic panel: six pictures, each with a sentence on what it shows.

        Of a linear model residuals along the fitted values or a covariate, with the curve that
        would take the most striking bend out of them; their spread and their distribution, the
        random effect that looks least normal, the levels that move the fixed effects most, and the
        distribution of the response among simulated ones. Of a generalized model simulated
        residuals; residuals with a curve as above; the spread of the Pearson residuals among
        simulations (of responses of 0 and 1, which cannot be overdispersed, shares of successes
        along the probability); the number of zeros (where there can be none, the distribution of
        the response); the random effect that looks least normal; and how far quadrature would move
        the estimates. With a zero part or a dispersion formula there are no curve and no
        quadrature, and the pictures are of the whole response, zeros included.

        Where rows have a covariance structure the pictures are of normalized residuals, which are
        uncorrelated in data from the model: the autocorrelation by lag and, where positions are
        numbers, the semivariogram by distance that are left, with the ranges that data from the
        model have; their spread and distribution, the random effect that looks least normal, and
        the distribution of the response.

        A model of sums, without rows, has a picture of each random effect (five at most), and a
        sentence on what is missing.

        A sentence calls what data from a correct model show in fewer than 1 % of cases, and calls
        it small where it hardly matters; bands in the pictures are those of the sentences.

        Parameters
        ----------
        rng : int, numpy.random.Generator or None
            Seed or generator of the simulated responses; None takes a fresh seed.
        ax : array of Axes, optional
            As many as there are pictures: 6; 4 to 6 where rows have a covariance structure, and 3
            or 4 of models with several linear predictors.
        figsize : tuple of float, optional
            Width and height of a new figure in inches; 13 by 9.4 by default.

        Returns
        -------
        array of Axes
            Each has ``data``, the frame drawn, and ``sentence``.

        Examples
        --------
        >>> from ranef import glmer, lmer, load_dataset
        >>> m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
        >>> axes = m.check(rng=1)
        >>> axes[4].sentence
        'Without Subject 335 ...'
        >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
        >>> g = glmer(formula, load_dataset("cbpp"), family="binomial")
        >>> axes = g.check(rng=1)
        >>> axes[5].sentence
        "Laplace's approximation is close: ..."
        """
        require_matplotlib()
        from ranef.plots.check_panel import check_panel

        return check_panel(self._check_parts(rng), place(ax, figsize))

    def _check_parts(self, rng: Any) -> "tuple[CheckPart, ...]":
        from ranef.diagnostics.check import check

        return check(self._fit, rng)
