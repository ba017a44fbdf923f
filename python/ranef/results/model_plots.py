"""The pictures of a fitted linear model, as ``m.plot`` offers them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ranef.diagnostics.leverage import studentized_residuals
from ranef.errors import OptionError
from ranef.estimates.residuals import residual_values
from ranef.plots.canvas import AxesArray, require_matplotlib
from ranef.results.diagnosed import DiagnosedModel
from ranef.results.effect_plots import EffectPlots, named, one_of, unwrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def _not_simulated(n: object, rng: object) -> None:
    """Refuse what is for simulated residuals."""
    for name, value in (("n", n), ("rng", rng)):
        if value is not None:
            raise OptionError(
                f"{name} is for generalized models, whose usual residuals are simulated; of a linear model plot.simulated_residuals() draws those."
            )


class ModelPlots(EffectPlots):
    """Pictures of one linear model, as ``m.plot``.

    Every method returns matplotlib Axes, or an array of them where there are several panels. ``ax.data`` is the frame that was drawn. Without ``ax`` a new figure is
    made; nothing is shown, and ``rcParams`` stay as they are. Needs matplotlib, which ``pip install 'ranef[plot]'`` brings.
    """

    _model: DiagnosedModel

    def __init__(self, model: DiagnosedModel):
        self._model = model

    # ---- random effects

    def shrinkage(
        self, group: str | None = None, effects: str | Sequence[str] | None = None, *, ax: Any = None
    ) -> "Axes":
        """Draw what each level says on its own, by least squares, and where the model puts it.

        Parameters
        ----------
        group : str, optional
            Grouping factor; by default the one with most levels.
        effects : str or list of str, optional
            One effect, drawn with a row for each level, or two, which span a plane; by default the first two there are.
        ax : Axes, optional

        Returns
        -------
        Axes
            ``data``: ``group, level, effect, n, separate, pooled, population``; ``separate`` is NaN where the rows of a level do not determine its coefficients.
        """
        require_matplotlib()
        from ranef.estimates.separate_fits import separate_fits
        from ranef.plots.shrinkage import shrinkage

        wanted = named("effects", effects)
        return shrinkage(separate_fits(self._model._fit, group), wanted, ax)

    # ---- fit and residuals

    def residuals(
        self,
        type: Literal["response", "pearson", "scaled"] = "response",
        *,
        n: int | None = None,
        rng: Any = None,
        ax: Any = None,
    ) -> "Axes":
        """Draw residuals against fitted values, with their local mean.

        Shrinkage alone makes residuals rise slightly along conditional fitted values; look for bends.

        Parameters
        ----------
        type : {"response", "pearson", "scaled"}
            As in ``m.residuals``.
        n, rng : optional
            For generalized models, whose usual residuals are simulated; ``simulated_residuals`` draws those of a linear model.
        ax : Axes, optional

        Returns
        -------
        Axes
            ``data``: ``fitted, residual, trend``.
        """
        _not_simulated(n, rng)
        require_matplotlib()
        from ranef.diagnostics.residual_frames import trend_frame
        from ranef.plots.residuals_fitted import residuals_fitted

        model = self._model
        frame, _ = trend_frame(model._fit.means(), residual_values(model._fit, type), "residual")
        label = {"response": "residual", "pearson": "Pearson residual", "scaled": "residual / sigma"}.get(
            type, "residual"
        )
        return residuals_fitted(frame, label, ax)

    def scale_location(self, *, ax: Any = None) -> "Axes":
        """Draw the square root of the absolute standardised residuals against the fitted values, with their local mean.

        Parameters
        ----------
        ax : Axes, optional

        Returns
        -------
        Axes
            ``data``: ``fitted, root_residual, trend``; residuals are those of ``m.rstudent()``.
        """
        require_matplotlib()
        from ranef.diagnostics.residual_frames import trend_frame
        from ranef.plots.scale_location import scale_location

        model = self._model
        frame, _ = trend_frame(
            model._fit.means(), np.sqrt(np.abs(studentized_residuals(model._fit, model._hat))), "root_residual"
        )
        return scale_location(frame, ax)

    def qq(
        self,
        of: str = "residuals",
        effect: str | None = None,
        *,
        n: int | None = None,
        rng: Any = None,
        ax: Any = None,
    ) -> "Axes | AxesArray":
        """Draw normal quantiles of the residuals or of the random effects.

        Parameters
        ----------
        of : str
            ``"residuals"``: those of ``m.rstudent()``. The name of a grouping factor: its conditional modes, each divided by the standard deviation that the model gives
            it, so that levels with few and many rows compare.
        effect : str, optional
            One random effect of the factor; by default all, a panel for each.
        n, rng : optional
            For generalized models, whose usual residuals are simulated.
        ax : Axes or array of Axes, optional

        Returns
        -------
        Axes or array of Axes
            ``data``: ``theoretical, sample, line, lower, upper``, sorted; the line goes through the quartiles, the limits are pointwise 95 %.
        """
        _not_simulated(n, rng)
        require_matplotlib()
        from ranef.diagnostics.check import standardized_modes
        from ranef.diagnostics.normal_quantiles import normal_quantiles
        from ranef.plots.quantiles import effect_quantiles, quantiles

        model = self._model
        if of == "residuals":
            if effect is not None:
                raise OptionError("effect is for random effects: name their grouping factor in of.")
            return quantiles(
                normal_quantiles(studentized_residuals(model._fit, model._hat)), "standardised residual", ax
            )
        frame = standardized_modes(model._fit)
        groups = list(dict.fromkeys(frame["group"]))
        if of not in groups:
            raise OptionError(
                f"of must be 'residuals' or a grouping factor, {', '.join(map(repr, groups))}, not {of!r}."
            )
        frame = frame[frame["group"] == of]
        effects = list(dict.fromkeys(frame["effect"]))
        wanted = effects if effect is None else [one_of("effect", effect, effects)]
        return unwrapped(effect_quantiles(frame, wanted, ax))

    def simulated_residuals(self, n: int = 250, *, rng: Any = None, ax: Any = None) -> AxesArray:
        """Draw simulated residuals: their distribution, and along the fitted values.

        Parameters
        ----------
        n : int
            Number of simulations.
        rng : int, numpy.random.Generator or None
            Seed or generator; None takes a fresh seed.
        ax : array of 2 Axes, optional

        Returns
        -------
        array of 2 Axes
            ``data`` of the first: ``expected, residual, lower, upper``; of the second: ``fitted, residual, q25, q50, q75``.
        """
        require_matplotlib()
        from ranef.diagnostics.residual_frames import local_quartiles, uniform_quantiles
        from ranef.diagnostics.simulated_residuals import simulated_residuals as simulate
        from ranef.plots.simulated_residuals import simulated_residuals

        found = simulate(self._model._fit, n, rng=rng)
        along = local_quartiles(self._model._fit.fixed_part(), found.values)
        return simulated_residuals(uniform_quantiles(found.values), along, found.to_frame(), ax)

    def influence(self, group: str | None = None, *, ax: Any = None) -> "Axes":
        """Draw how far the fixed effects move without each level of a grouping factor.

        Parameters
        ----------
        group : str, optional
            By default the factor with fewest levels.
        ax : Axes, optional

        Returns
        -------
        Axes
            ``data``: ``level, term, change, position``: for every level the fixed effect that moves most, and by how many standard errors.
        """
        require_matplotlib()
        from ranef.diagnostics.check import largest_changes
        from ranef.plots.group_influence import group_influence

        if not len(self._model._fit.beta):
            raise OptionError("the model has no fixed effects that could move.")
        frame = largest_changes(self._model._fit, group)
        return group_influence(frame, frame.attrs["group"], ax)
