"""Pictures that models of all kinds have: of their random effects, fitted lines, predictions and
coefficients.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from ranef.errors import ArgumentTypeError, OptionError
from ranef.fit.ordinal.refused import refuse_categories
from ranef.known_arguments import known_members
from ranef.plots.canvas import AxesArray, place, require_matplotlib
from ranef.results.model.fitted import FittedModel

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ranef.results.model.mixed import MixedModel
    from ranef.results.model.plots import PlotsChapter


@known_members
class EffectPlots:
    """Pictures of one model, as ``m.plot``.

    Every method returns matplotlib Axes, or an array of them where there are several panels.
    ``ax.data`` is the frame that was drawn. Without ``ax`` a new figure is made; nothing is shown,
    and ``rcParams`` stay as they are. Needs matplotlib, which ``pip install 'ranef[plot]'`` brings.
    """

    def __init__(self, model: "PlotsChapter"):
        self._model = model

    def __repr__(self) -> str:
        names = ", ".join(n for n in dir(type(self)) if not n.startswith("_"))
        return f"pictures of the model: {names}"

    def _response(self, per: str | None = None) -> str:
        """What the y axis of means, or of rates per unit of an exposure, is called."""
        fit = self._model._fit
        response = fit.design.formula.response
        name = "" if response is None else response.name
        if fit.response_kind == "counts":
            return "proportion of successes"
        name = name if per is None else f"{name} per {per}"
        return f"probability of {name}" if fit.response_kind == "binary" else name

    def caterpillar(
        self,
        group: str | None = None,
        effect: str | Sequence[str] | None = None,
        *,
        level: float = 0.95,
        order: Literal["estimate", "level"] = "estimate",
        ax: Any = None,
        figsize: tuple[float, float] | None = None,
    ) -> "Axes | AxesArray":
        """Draw the random effects of every level with intervals.

        Parameters
        ----------
        group : str, optional
            Grouping factor; by default the one with most levels.
        effect : str or list of str, optional
            The effects; by default all of the factor, a panel for each.
        level : float
            Level of the intervals, which take theta and the fixed effects as known.
        order : {"estimate", "level"}
            Rows by the first effect's estimates, or in the order of the levels.
        ax : Axes or array of Axes, optional
            One for each effect.
        figsize : tuple of float, optional
            Width and height of a new figure in inches.

        Returns
        -------
        Axes or array of Axes
            ``data``: ``group, level, effect, estimate, std_error, lower, upper, position``, from
            below. Levels whose interval excludes zero are coloured.

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
        >>> ax = m.plot.caterpillar(effect="Days")
        >>> ax.data[["level", "estimate"]].round(2).tail(2).values.tolist()
        [['337', 8.63], ['308', 9.2]]
        """
        ax = place(ax, figsize)
        require_matplotlib()
        from ranef.estimates.effect_intervals import effect_intervals
        from ranef.plots.caterpillar import caterpillar

        frame = effect_intervals(self._model.ranef(condvar=True), level)
        chosen = one_of("group", group, list(dict.fromkeys(frame["group"])))
        frame = frame[frame["group"] == chosen]
        effects = list(dict.fromkeys(frame["effect"]))
        wanted = named("effect", effect) or effects
        for e in wanted:
            one_of("effect", e, effects)
        frame = frame[frame["effect"].isin(wanted)]
        return unwrapped(caterpillar(frame, ax, order=order))

    def correlation(
        self, group: str | None = None, *, ax: Any = None, figsize: tuple[float, float] | None = None
    ) -> "Axes | AxesArray":
        """Draw pairs of correlated random effects with ellipses that hold 50 and 95 % of the
        estimated population.

        The modes vary less than the population, as each is drawn towards zero.

        Parameters
        ----------
        group : str, optional
            Grouping factor; all by default.
        ax : Axes or array of Axes, optional
            One for each pair.
        figsize : tuple of float, optional
            Width and height of a new figure in inches.

        Returns
        -------
        Axes or array of Axes
            ``data``: ``part`` ("mode", or the share inside an ellipse), ``level, x, y``.

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
        >>> m.plot.correlation().data.columns.tolist()
        ['part', 'level', 'x', 'y']
        """
        ax = place(ax, figsize)
        require_matplotlib()
        from ranef.estimates.effect_ellipses import effect_ellipses
        from ranef.plots.canvas import MOST_PANELS
        from ranef.plots.ellipses import ellipses

        if group is not None and not isinstance(group, str):
            raise ArgumentTypeError(f"group must be the name of a grouping factor, not {group!r}.")
        frames = effect_ellipses(self._model.ranef(), self._model.varcorr, group)
        if len(frames) > MOST_PANELS and ax is None:
            frames = sorted(frames, key=lambda f: -abs(f.attrs["correlation"]))[:MOST_PANELS]
        return unwrapped(ellipses(frames, ax))

    def fitted(
        self,
        x: str | None = None,
        group: str | None = None,
        *,
        levels: Sequence[str] | None = None,
        panels: bool = False,
        ax: Any = None,
        figsize: tuple[float, float] | None = None,
    ) -> "Axes | AxesArray":
        """Draw the fitted lines of the groups over the data.

        Other variables are held at their mean (their most frequent level) in each group. A line has
        the random effects of its group and of the groups that this lies in.

        Parameters
        ----------
        x : str, optional
            A numeric variable; by default the first that varies randomly over the groups, or else
            the first of the fixed effects.
        group : str, optional
            Grouping factor; by default the one with most levels.
        levels : list of str, optional
            Groups to draw; by default all (500 of them where there are more, 20 in panels).
        panels : bool
            Whether to draw a panel for each group.
        ax : Axes or array of Axes, optional
        figsize : tuple of float, optional
            Width and height of a new figure in inches.

        Returns
        -------
        Axes or array of Axes
            ``data``: ``part`` ("data", "group", "population"), ``level, x, y``.

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
        >>> m.plot.fitted(panels=True).shape
        (18,)
        """
        refuse_categories(self._model._fit, "fitted()", "probabilities() draws them")
        ax = place(ax, figsize)
        require_matplotlib()
        from ranef.estimates.group_lines import MOST_LINES, group_lines
        from ranef.plots.fitted_lines import MOST_GROUPS, fitted_lines, fitted_panels

        model = self._model
        found = group_lines(
            model._fit,
            model._request.data,
            x,
            group,
            levels,
            MOST_GROUPS if panels else MOST_LINES,
            own_population=panels,
        )
        cut = levels is None and found.shown < found.levels
        note = f"{found.shown} of {found.levels} levels of {found.group}" if cut else ""
        if panels:
            return fitted_panels(found.frame, found.x, self._response(found.per), ax, note=note)
        return unwrapped(fitted_lines(found.frame, found.x, self._response(found.per), found.group, ax, note=note))

    def coefficients(
        self,
        *others: "MixedModel",
        names: Sequence[str] | None = None,
        level: float = 0.95,
        intercept: bool = False,
        ax: Any = None,
        figsize: tuple[float, float] | None = None,
    ) -> "Axes":
        """Draw the fixed effects with Wald intervals, beside those of other models.

        Parameters
        ----------
        *others : LinearMixedModel or GeneralizedLinearMixedModel
            Models to compare.
        names : list of str, optional
            Names of the models; ``m1, m2, …`` by default.
        level : float
            Level of the intervals.
        intercept : bool
            Whether to draw the intercepts, whose size often hides the others.
        ax : Axes, optional
        figsize : tuple of float, optional
            Width and height of a new figure in inches.

        Returns
        -------
        Axes
            ``data``: ``model, term, estimate, lower, upper, position``.

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> sleep = load_dataset("sleepstudy")
        >>> m = lmer("Reaction ~ Days + (Days | Subject)", sleep)
        >>> other = lmer("Reaction ~ Days + (1 | Subject)", sleep)
        >>> ax = m.plot.coefficients(other, names=["slopes", "intercepts"])
        >>> ax.data[["model", "lower", "upper"]].round(2).values.tolist()
        [['slopes', 7.44, 13.5], ['intercepts', 8.89, 12.04]]
        """
        ax = place(ax, figsize)
        require_matplotlib()
        from ranef.inference.coefficient_rows import coefficient_rows
        from ranef.plots.forest import forest

        models = (self._model, *others)
        for model in others:
            if not isinstance(model, FittedModel):
                raise ArgumentTypeError(f"coefficients draws fitted models, not {type(model).__name__}.")
        return forest(coefficient_rows([m._fit for m in models], names, level, intercept), ax)

    def predictions(
        self,
        x: str,
        by: str | None = None,
        *,
        at: Mapping[str, Any] | None = None,
        interval: Literal["confidence", "prediction"] = "confidence",
        level: float = 0.95,
        points: bool = True,
        ax: Any = None,
        figsize: tuple[float, float] | None = None,
    ) -> "Axes":
        """Draw predictions for the population along a variable, with bands.

        Random effects are zero. Other variables have their mean, or their most frequent level.

        Parameters
        ----------
        x : str
            A variable of the fixed effects; points with bars are drawn along a factor.
        by : str, optional
            A second one: a line for each level, or for the mean of a number and a standard
            deviation around it.
        at : dict, optional
            Values at which to hold other variables.
        interval : {"confidence", "prediction"}
            For the mean of the population, or for a new observation of a new group.
        level : float
            Level of the bands.
        points : bool
            Whether to draw the observations.
        ax : Axes, optional
        figsize : tuple of float, optional
            Width and height of a new figure in inches.

        Returns
        -------
        Axes
            ``data``: ``x, by, fit, se, lower, upper``; ``data.attrs["held"]`` has the values of the
            other variables.

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("normexam ~ standLRT * schgend + (standLRT | school)", load_dataset("exam"))
        >>> ax = m.plot.predictions("standLRT", by="schgend")
        >>> sorted(set(ax.data["by"]))
        ['boys', 'girls', 'mixed']
        """
        refuse_categories(self._model._fit, "predictions()", "probabilities() draws them")
        ax = place(ax, figsize)
        require_matplotlib()
        from ranef.estimates.prediction_lines import prediction_lines
        from ranef.plots.palette import MOST_SERIES
        from ranef.plots.predictions import predictions

        model = self._model
        found = prediction_lines(model._fit, model._request.data, x, by, at, interval, level, MOST_SERIES)
        axes = predictions(
            found.frame, x, self._response(found.per), by, found.points if points else None, ax, found.note
        )
        axes.data.attrs["held"] = found.held  # type: ignore[attr-defined]
        return axes

    def probabilities(
        self,
        x: str,
        by: str | None = None,
        *,
        at: Mapping[str, Any] | None = None,
        ax: Any = None,
        figsize: tuple[float, float] | None = None,
    ) -> "Axes":
        """Draw the probabilities of ordered categories along a variable, as stacked bars.

        They are marginal means with random effects of zero, ``emmeans(mode="prob")``: averaged over
        the other factors, with covariates at their means.

        Parameters
        ----------
        x : str
            A variable of the model; a number has bars at nine values of its range.
        by : str, optional
            A second one: a bar for each combination.
        at : dict, optional
            Values of variables, as in ``emmeans``.
        ax : Axes, optional
        figsize : tuple of float, optional
            Width and height of a new figure in inches.

        Returns
        -------
        Axes
            ``data``: the variables, the categories, ``estimate, lower, upper, bottom, position``.

        Examples
        --------
        >>> from ranef import clmm, load_dataset
        >>> m = clmm("rating ~ temp + contact + (1 | judge)", load_dataset("wine"))
        >>> ax = m.plot.probabilities("temp", by="contact")
        >>> len(ax.data)
        20
        """
        ax = place(ax, figsize)
        require_matplotlib()
        from ranef.inference.marginal_means.category_grid import grid_for_bars
        from ranef.plots.category_bars import category_bars

        model = self._model
        if not model._fit.probability_types:
            raise OptionError("probabilities() is for ordered categories, as of clmm(); predictions() draws means.")
        response = model._fit.design.formula.response
        category = "category" if response is None else response.name
        values = grid_for_bars(model._fit, model._request.data, [x] if by is None else [x, by], at)
        specs = [x, *([] if by is None else [by]), category]
        frame = model.emmeans(specs, mode="prob", at=values).to_frame()  # type: ignore[attr-defined]
        names = [x] if by is None else [x, by]
        frame["bar"] = [", ".join(_bar_text(v) for v in row) for row in frame[names].itertuples(index=False)]
        return category_bars(frame, category, ", ".join(names), "bar", ax)


def _bar_text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def one_of(role: str, value: object, there: list[str]) -> str:
    """One of the names there are; the first by default."""
    if value is None:
        return there[0]
    if value not in there:
        raise OptionError(f"{role} must be one of {', '.join(map(repr, there))}, not {value!r}.")
    return str(value)


def named(role: str, value: object) -> list[str] | None:
    """A name or a sequence of names as a list; None where all are meant."""
    if value is None:
        return None
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, Sequence) or not names or not all(isinstance(n, str) for n in names):
        raise ArgumentTypeError(f"{role} must be a name or a list of names, not {value!r}.")
    return list(names)


def unwrapped(axes: AxesArray) -> "Axes | AxesArray":
    """A single panel is Axes."""
    return axes[0] if len(axes) == 1 else axes
