"""The pictures of a fitted generalized model, as ``m.plot`` offers them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ranef.diagnostics.glmm_residuals import simulated_glmm_residuals
from ranef.errors import OptionError
from ranef.estimates.residuals import residual_values
from ranef.plots.canvas import AxesArray, require_matplotlib
from ranef.results.effect_plots import EffectPlots, named, one_of, unwrapped
from ranef.results.refitted_generalized import RefittedGeneralizedModel

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_RESIDUALS = {
    "simulated": "simulated residual",
    "deviance": "deviance residual",
    "pearson": "Pearson residual",
    "scaled": "Pearson residual / scale",
    "response": "residual",
}


class GeneralizedPlots(EffectPlots):
    """Pictures of one generalized model, as ``m.plot``.

    Every method returns matplotlib Axes, or an array of them where there are several panels. ``ax.data`` is the frame that was drawn. Without ``ax`` a new figure is
    made; nothing is shown, and ``rcParams`` stay as they are. Needs matplotlib, which ``pip install 'ranef[plot]'`` brings.

    Fitted lines and predictions are means on the scale of the response; random effects and coefficients are on that of the link.
    """

    _model: RefittedGeneralizedModel

    def __init__(self, model: RefittedGeneralizedModel):
        self._model = model

    def _response(self) -> str:
        fit = self._model._fit
        response = fit.design.formula.response
        name = "" if response is None else response.name
        if fit.response_kind == "counts":
            return "proportion of successes"
        return f"probability of {name}" if fit.response_kind == "binary" else name

    def shrinkage(
        self, group: str | None = None, effects: str | Sequence[str] | None = None, *, ax: Any = None
    ) -> "Axes":
        """Draw what each level says on its own, by maximum likelihood, and where the model puts it, on the scale of the link.

        Levels without a finite estimate of their own, as those with successes only, have none in the picture.

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
            ``data``: ``group, level, effect, n, separate, pooled, population``; ``separate`` is NaN where a level has no finite estimate.
        """
        require_matplotlib()
        from ranef.estimates.separate_fits import separate_fits
        from ranef.plots.shrinkage import shrinkage

        wanted = named("effects", effects)
        return shrinkage(separate_fits(self._model._fit, group), wanted, ax)

    def residuals(
        self,
        type: Literal["simulated", "deviance", "pearson", "scaled", "response"] = "simulated",
        *,
        n: int = 250,
        rng: Any = None,
        ax: Any = None,
    ) -> "Axes":
        """Draw residuals along the linear predictor or the fitted values.

        Parameters
        ----------
        type : {"simulated", "deviance", "pearson", "scaled", "response"}
            ``"simulated"``: where each response lies among simulated ones, uniform between 0 and 1 if the model is right, along the linear predictor without random
            effects. Others as in ``m.residuals``, along the conditional means; with counts and responses of 0 and 1 they show bands even where the model is right.
        n : int
            Number of simulations.
        rng : int, numpy.random.Generator or None
            Seed or generator; None takes a fresh seed.
        ax : Axes, optional

        Returns
        -------
        Axes
            ``data``: ``fitted, residual, q25, q50, q75`` of simulated residuals, else ``fitted, residual, trend``.
        """
        require_matplotlib()
        from ranef.diagnostics.residual_frames import local_quartiles, trend_frame
        from ranef.plots.residuals_fitted import residuals_fitted
        from ranef.plots.simulated_residuals import ALONG_LINK, residuals_along

        fit = self._model._fit
        one_of("type", type, list(_RESIDUALS))
        if type == "simulated":
            found = simulated_glmm_residuals(fit, n, rng=rng)
            return residuals_along(local_quartiles(fit.fixed_part(), found.values), ax, None, ALONG_LINK)
        frame, _ = trend_frame(fit.mu, residual_values(fit, type), "residual")
        return residuals_fitted(frame, _RESIDUALS[type], ax)

    def scale_location(self, *, ax: Any = None) -> "Axes":
        """Draw the square root of the absolute scaled Pearson residuals against the conditional means, with their local mean.

        Parameters
        ----------
        ax : Axes, optional

        Returns
        -------
        Axes
            ``data``: ``fitted, root_residual, trend``.
        """
        require_matplotlib()
        from ranef.diagnostics.residual_frames import trend_frame
        from ranef.plots.scale_location import scale_location

        fit = self._model._fit
        frame, _ = trend_frame(fit.mu, np.sqrt(np.abs(residual_values(fit, "scaled"))), "root_residual")
        return scale_location(frame, ax)

    def qq(
        self, of: str = "residuals", effect: str | None = None, *, n: int = 250, rng: Any = None, ax: Any = None
    ) -> "Axes | AxesArray":
        """Draw quantiles of the simulated residuals or of the random effects.

        Parameters
        ----------
        of : str
            ``"residuals"``: simulated residuals, against the uniform distribution. The name of a grouping factor: its conditional modes, each divided by the standard
            deviation that the model gives it, against the normal distribution; with few rows of 0 and 1 in a level modes take few values.
        effect : str, optional
            One random effect of the factor; by default all, a panel for each.
        n : int
            Number of simulations for the residuals.
        rng : int, numpy.random.Generator or None
            Seed or generator; None takes a fresh seed.
        ax : Axes or array of Axes, optional

        Returns
        -------
        Axes or array of Axes
            ``data``: ``expected, residual, lower, upper`` of residuals; ``theoretical, sample, line, lower, upper`` of random effects, sorted.
        """
        require_matplotlib()
        from ranef.diagnostics.check import standardized_modes
        from ranef.diagnostics.residual_frames import uniform_quantiles
        from ranef.plots.quantiles import effect_quantiles
        from ranef.plots.simulated_residuals import residual_quantiles

        fit = self._model._fit
        if of == "residuals":
            if effect is not None:
                raise OptionError("effect is for random effects: name their grouping factor in of.")
            return residual_quantiles(uniform_quantiles(simulated_glmm_residuals(fit, n, rng=rng).values), ax)
        frame = standardized_modes(fit)
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
        """Draw simulated residuals: their distribution, and along the linear predictor.

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
        from ranef.plots.simulated_residuals import ALONG_LINK, simulated_residuals

        fit = self._model._fit
        found = simulated_glmm_residuals(fit, n, rng=rng)
        along = local_quartiles(fit.fixed_part(), found.values)
        return simulated_residuals(uniform_quantiles(found.values), along, found.to_frame(), ax, ALONG_LINK)

    def influence(self, group: str | None = None, *, ax: Any = None) -> "Axes":
        """Draw how far the fixed effects move without each level of a grouping factor, by a fit without each.

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
        from ranef.diagnostics.check import changes_of
        from ranef.plots.group_influence import group_influence

        fit = self._model._fit
        if not len(fit.beta):
            raise OptionError("the model has no fixed effects that could move.")
        sizes = {t.group: len(t.levels) for t in fit.terms}
        chosen = min(sizes, key=lambda g: sizes[g]) if group is None else group
        frame = changes_of(self._model.influence(chosen))
        return group_influence(frame, chosen, ax)
