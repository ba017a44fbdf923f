"""The pictures of a fitted model, as ``m.plot`` offers them: of its levels, its residuals and its
influential groups.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import numpy as np

from ranef.errors import ArgumentTypeError, OptionError
from ranef.estimates.residuals import residual_values
from ranef.fit.ordinal.refused import refuse_categories
from ranef.known_arguments import known_members
from ranef.known_names import unknown_member
from ranef.plots.canvas import AxesArray, place, require_matplotlib
from ranef.results.effect_plots import EffectPlots, named, one_of, unwrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Simulations where residuals are simulated and no number is asked for.
_SIMULATIONS = 250

#: Types of residuals and the labels of their axes: of models whose residuals are normal, and of the
#: others.
_NORMAL = {"response": "residual", "pearson": "Pearson residual", "scaled": "residual / sigma"}
_OTHERS = {
    "simulated": "simulated residual",
    "deviance": "deviance residual",
    "pearson": "Pearson residual",
    "scaled": "Pearson residual / scale",
    "response": "residual",
}


@known_members
class ModelPlots(EffectPlots):
    """Pictures of one model, as ``m.plot``.

    Every method returns matplotlib Axes, or an array of them where there are several panels.
    ``ax.data`` is the frame that was drawn. Without ``ax`` a new figure is made; nothing is shown,
    and ``rcParams`` stay as they are. Needs matplotlib, which ``pip install 'ranef[plot]'`` brings.

    Fitted lines and predictions are means on the scale of the response; random effects and
    coefficients of a generalized model are on that of the link.
    """

    def __call__(self, *args: Any, **given: Any) -> NoReturn:
        """Name the pictures."""
        pictures = [n for n in dir(type(self)) if not n.startswith("_")]
        raise ArgumentTypeError(f"choose a picture, such as m.plot.caterpillar(); there are {', '.join(pictures)}.")

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            raise unknown_member(self, name)

    def _simulations(self, n: int | None, rng: Any) -> int:
        """The number of simulations; n and rng are refused where residuals are not simulated."""
        if self._model._fit.normal_responses:
            for name, value in (("n", n), ("rng", rng)):
                if value is not None:
                    raise OptionError(
                        f"{name} is for generalized models, whose usual residuals are simulated; of a linear model "
                        "plot.simulated_residuals() draws those."
                    )
        return _SIMULATIONS if n is None else n

    # ---- random effects

    def shrinkage(
        self,
        group: str | None = None,
        effects: str | Sequence[str] | None = None,
        *,
        ax: Any = None,
        figsize: tuple[float, float] | None = None,
    ) -> "Axes":
        """Draw what each level says on its own, by least squares or maximum likelihood, and where
        the model puts it.

        Effects of a generalized model are on the scale of the link. Levels without a finite
        estimate of their own, as those with successes only, have none in the picture.

        Parameters
        ----------
        group : str, optional
            Grouping factor; by default the one with most levels.
        effects : str or list of str, optional
            One effect, drawn with a row for each level, or two, which span a plane; by default the
            first two there are.
        ax : Axes, optional
        figsize : tuple of float, optional
            Width and height of a new figure in inches.

        Returns
        -------
        Axes
            ``data``: ``group, level, effect, n, separate, pooled, population``; ``separate`` is NaN
            where the rows of a level do not determine its coefficients.

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
        >>> drawn = m.plot.shrinkage(effects="Days").data.query("level == '308'")
        >>> drawn[["separate", "pooled", "population"]].round(2).values.tolist()
        [[21.76, 19.67, 10.47]]
        """
        refuse_categories(self._model._fit, "shrinkage()", "caterpillar() draws the random effects")
        ax = place(ax, figsize)
        require_matplotlib()
        from ranef.estimates.separate_fits import separate_fits
        from ranef.plots.shrinkage import shrinkage

        wanted = named("effects", effects)
        return shrinkage(separate_fits(self._model._fit, group), wanted, ax)

    # ---- fit and residuals

    def residuals(
        self,
        type: Literal["simulated", "response", "deviance", "pearson", "scaled"] | None = None,
        *,
        n: int | None = None,
        rng: Any = None,
        ax: Any = None,
        figsize: tuple[float, float] | None = None,
    ) -> "Axes":
        """Draw residuals along fitted values or the linear predictor, with their local mean or
        quartiles.

        Shrinkage alone makes residuals rise slightly along conditional fitted values; look for
        bends.

        Parameters
        ----------
        type : {"simulated", "response", "deviance", "pearson", "scaled"}, optional
            As in ``m.residuals``, along the conditional means; with counts and responses of 0 and 1
            they show bands even where the model is correct. ``"response"`` is the default of a
            linear model. ``"simulated"``, the default of a generalized one and for these only:
            where each response lies among simulated ones, uniform between 0 and 1 if the model is
            correct, along the linear predictor without random effects.
        n : int, optional
            Number of simulations, 250 by default. For generalized models; ``simulated_residuals``
            draws those of a linear model.
        rng : int, numpy.random.Generator or None
            Seed or generator of the simulations; None takes a fresh seed.
        ax : Axes, optional
        figsize : tuple of float, optional
            Width and height of a new figure in inches.

        Returns
        -------
        Axes
            ``data``: ``fitted, residual, trend``, of simulated residuals ``fitted, residual, q25,
            q50, q75``.

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
        >>> m.plot.residuals().data.columns.tolist()
        ['fitted', 'residual', 'trend']
        """
        ax = place(ax, figsize)
        n = self._simulations(n, rng)
        require_matplotlib()
        from ranef.diagnostics.residual_frames import local_quartiles, trend_frame
        from ranef.plots.residuals_fitted import residuals_fitted
        from ranef.plots.simulated_residuals import ALONG_LINK, residuals_along

        model, labels = self._model, _NORMAL
        kind: str = model._fit.usual_residuals if type is None else type
        if not model._fit.normal_responses:
            labels = _OTHERS
            kind = one_of("type", type, list(labels))
            if kind == "simulated":
                found = model.simulated_residuals(n, rng=rng)
                along = local_quartiles(model._fit.fixed_part(), found.values)
                return residuals_along(along, ax, None, ALONG_LINK)
        frame = trend_frame(model._fitted_means, residual_values(model._fit, kind, model._fitted_means), "residual")
        return residuals_fitted(frame, labels.get(kind, "residual"), ax)

    def scale_location(self, *, ax: Any = None, figsize: tuple[float, float] | None = None) -> "Axes":
        """Draw the square root of the absolute standardised residuals against the fitted values,
        with their local mean.

        Parameters
        ----------
        ax : Axes, optional
        figsize : tuple of float, optional
            Width and height of a new figure in inches.

        Returns
        -------
        Axes
            ``data``: ``fitted, root_residual, trend``; residuals are those of ``m.rstudent()``, of
            a generalized model scaled Pearson residuals.

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
        >>> m.plot.scale_location().data.columns.tolist()
        ['fitted', 'root_residual', 'trend']
        """
        ax = place(ax, figsize)
        require_matplotlib()
        from ranef.diagnostics.residual_frames import trend_frame
        from ranef.plots.scale_location import scale_location

        model = self._model
        frame = trend_frame(model._fitted_means, np.sqrt(np.abs(model._standardized())), "root_residual")
        return scale_location(frame, ax)

    def qq(
        self,
        of: str = "residuals",
        effect: str | None = None,
        *,
        n: int | None = None,
        rng: Any = None,
        ax: Any = None,
        figsize: tuple[float, float] | None = None,
    ) -> "Axes | AxesArray":
        """Draw quantiles of the residuals or of the random effects.

        Parameters
        ----------
        of : str
            ``"residuals"``: those of ``m.rstudent()`` against the normal distribution, of a
            generalized model simulated ones against the uniform distribution. The name of a
            grouping factor: its conditional modes, each divided by the standard deviation that the
            model gives it, so that levels with few and many rows compare; with few rows of 0 and 1
            in a level modes take few values.
        effect : str, optional
            One random effect of the factor; by default all, a panel for each.
        n : int, optional
            Number of simulations, 250 by default; for generalized models, whose usual residuals are
            simulated.
        rng : int, numpy.random.Generator or None
            Seed or generator of the simulations; None takes a fresh seed.
        ax : Axes or array of Axes, optional
        figsize : tuple of float, optional
            Width and height of a new figure in inches.

        Returns
        -------
        Axes or array of Axes
            ``data``: ``theoretical, sample, line, lower, upper``, sorted; the line goes through the
            quartiles, the limits are pointwise 95 %. Of simulated residuals ``expected, residual,
            lower, upper``.

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
        >>> [ax.data.shape for ax in m.plot.qq("Subject")]
        [(18, 5), (18, 5)]
        """
        ax = place(ax, figsize)
        n = self._simulations(n, rng)
        require_matplotlib()
        from ranef.diagnostics.check_effects import standardized_modes
        from ranef.diagnostics.normal_quantiles import normal_quantiles
        from ranef.diagnostics.residual_frames import uniform_quantiles
        from ranef.plots.quantiles import effect_quantiles, quantiles
        from ranef.plots.simulated_residuals import residual_quantiles

        model = self._model
        if of == "residuals":
            if effect is not None:
                raise OptionError("effect is for random effects: name their grouping factor in of.")
            if not model._fit.normal_responses:
                return residual_quantiles(uniform_quantiles(model.simulated_residuals(n, rng=rng).values), ax)
            return quantiles(normal_quantiles(model._standardized()), "standardised residual", ax)
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

    def residual_correlation(self, *, ax: Any = None, figsize: tuple[float, float] | None = None) -> AxesArray:
        """Draw the fitted correlations of rows of a block, of models with a structure of the rows.

        Parameters
        ----------
        ax : Axes or array of Axes, optional
            One for each group with parameters of its own.
        figsize : tuple of float, optional
            Width and height of a new figure in inches.

        Returns
        -------
        array of Axes
            ``data``: the correlation matrix, positions by positions; the picture has standard
            deviations on the diagonal, where these do not depend on covariates.

        Examples
        --------
        >>> from ranef import load_dataset, mmrm
        >>> m = mmrm("distance ~ Sex * factor(age) + us(age | Subject)", load_dataset("orthodont"))
        >>> m.plot.residual_correlation()[0].data.iloc[0].round(2).tolist()
        [1.0, 0.57, 0.66, 0.52]
        """
        ax = place(ax, figsize)
        require_matplotlib()
        from ranef.estimates.residual_covariance import residual_correlations
        from ranef.plots.correlation_matrix import correlation_matrix

        return correlation_matrix(residual_correlations(self._model._fit), ax)

    def simulated_residuals(
        self, n: int = 250, *, rng: Any = None, ax: Any = None, figsize: tuple[float, float] | None = None
    ) -> AxesArray:
        """Draw simulated residuals: their distribution, and along the fitted values or the linear
        predictor.

        Parameters
        ----------
        n : int
            Number of simulations.
        rng : int, numpy.random.Generator or None
            Seed or generator; None takes a fresh seed.
        ax : array of 2 Axes, optional
        figsize : tuple of float, optional
            Width and height of a new figure in inches.

        Returns
        -------
        array of 2 Axes
            ``data`` of the first: ``expected, residual, lower, upper``; of the second: ``fitted,
            residual, q25, q50, q75``.

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
        >>> first, second = m.plot.simulated_residuals(rng=1)
        >>> second.data.columns.tolist()
        ['fitted', 'residual', 'q25', 'q50', 'q75']
        """
        ax = place(ax, figsize)
        require_matplotlib()
        from ranef.diagnostics.residual_frames import local_quartiles, uniform_quantiles
        from ranef.plots.simulated_residuals import ALONG_FITTED, ALONG_LINK, simulated_residuals

        fit = self._model._fit
        found = self._model.simulated_residuals(n, rng=rng)
        along = local_quartiles(fit.fixed_part(), found.values)
        label = ALONG_FITTED if fit.identity_scale else ALONG_LINK
        return simulated_residuals(uniform_quantiles(found.values), along, found.to_frame(), ax, label)

    def influence(
        self, group: str | None = None, *, ax: Any = None, figsize: tuple[float, float] | None = None
    ) -> "Axes":
        """Draw how far the fixed effects move without each level of a grouping factor, as
        ``m.influence`` has it.

        Parameters
        ----------
        group : str, optional
            By default the factor with fewest levels.
        ax : Axes, optional
        figsize : tuple of float, optional
            Width and height of a new figure in inches.

        Returns
        -------
        Axes
            ``data``: ``level, term, change, position``: for every level the fixed effect that moves
            most, and by how many standard errors.

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
        >>> m.plot.influence().data.columns.tolist()
        ['level', 'term', 'change', 'position']
        """
        ax = place(ax, figsize)
        require_matplotlib()
        from ranef.diagnostics.influence import changes_of, smallest_factor
        from ranef.plots.group_influence import group_influence

        fit = self._model._fit
        if not len(fit.beta):
            raise OptionError("the model has no fixed effects that could move.")
        chosen = smallest_factor(fit) if group is None else group
        return group_influence(changes_of(self._model.influence(chosen)), chosen, ax)
