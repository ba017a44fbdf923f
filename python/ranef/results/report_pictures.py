"""The pictures of a report."""

from typing import TYPE_CHECKING, Any

import numpy as np

from ranef.errors import RanefError
from ranef.estimates.effect_intervals import effect_intervals
from ranef.inference.wald import wald_intervals
from ranef.presentation.report.page import Picture
from ranef.presentation.report.phrases import number, percent
from ranef.presentation.report.scale_words import effect_scale

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ranef.results.model.tables import TablesChapter

#: Inches of a picture; texts of 9 points are then read well on a telephone and two side by side on
#: a screen.
_SIZE = (4.9, 3.5)

_MOST_EFFECTS = 2
_MOST_GROUPS = 3


def report_pictures(model: "TablesChapter", level: float, rng: Any) -> list[Picture]:
    """Draw the pictures of a report.

    Parameters
    ----------
    model : TablesChapter
    level : float
        Of intervals.
    rng : int, Generator or None
    """
    gallery = _Gallery(model)
    gallery.response()
    gallery.effects(level)
    gallery.lines()
    gallery.groups(level)
    gallery.checks(rng)
    return gallery.pictures


class _Gallery:
    """Draws pictures one after the other, each in a figure of its own that pyplot does not know."""

    def __init__(self, model: "TablesChapter"):
        self.model = model
        self.fit = model._fit
        self.pictures: list[Picture] = []
        try:
            described = model._described(False)
        except RanefError:
            described = None
        self.scale = effect_scale(model._fit, described)

    def figure(self, columns: int = 1, height: float = _SIZE[1]) -> "tuple[Figure, list[Axes]]":
        from matplotlib.figure import Figure

        figure = Figure(figsize=(_SIZE[0], height), layout="constrained")
        axes = figure.subplots(1, columns, squeeze=False)
        return figure, axes.ravel().tolist()

    def add(
        self, place: str, figure: "Figure", title: str, caption: str, description: str, concern: bool = False
    ) -> None:
        from ranef.plots.svg import figure_svg

        name = f"picture{len(self.pictures) + 1}"
        self.pictures.append(Picture(place, title, caption, figure_svg(figure, name, title, description), concern))

    def response(self) -> None:
        from ranef.plots.histogram import histogram

        y = self.fit.design.y
        name = self.scale.response
        if self.fit.response_kind == "binary":
            return
        if self.fit.family.support == "proportion":
            name = f"share of {name}"
        figure, axes = self.figure(height=2.9)
        histogram(y, name, axes[0])
        self.add(
            "response",
            figure,
            f"Distribution of {name}",
            f"The {len(y)} rows by their value.",
            (
                f"Histogram of {name}: {len(y)} rows from {number(float(y.min()))} to {number(float(y.max()))}, median "
                f"{number(float(np.median(y)))}."
            ),
        )

    def effects(self, level: float) -> None:
        import pandas as pd

        from ranef.plots.forest import forest

        names, limits = wald_intervals(self.model._tests, level, None, self.model.ddf)
        frame = pd.DataFrame(
            [
                ("", n, float(b), float(low), float(high))
                for n, b, (low, high) in zip(names, self.fit.beta, limits, strict=True)
                if n != "(Intercept)" and np.isfinite([low, high]).all()
            ],
            columns=["model", "term", "estimate", "lower", "upper"],
        )
        if not 1 <= len(frame) <= 40:
            return
        figure, axes = self.figure(height=max(1.9, min(7.0, 1.1 + 0.32 * len(frame))))
        forest(frame, axes[0])
        axes[0].set_xlabel("coefficient" if self.fit.identity_scale else "coefficient (scale of the link)")
        clear = frame[(frame["lower"] > 0) | (frame["upper"] < 0)]["term"].tolist()
        self.add(
            "fixed",
            figure,
            "Effects with intervals",
            (
                f"Each line is a {percent(level)} interval; one that does not reach zero tells the effect from none. "
                "Effects of predictors in different units cannot be compared by their size."
            ),
            (
                f"Estimates and intervals of {len(frame)} effects; those of {', '.join(clear) if clear else 'none'} "
                "exclude zero."
            ),
        )

    def lines(self) -> None:
        figure, axes = self.figure()
        try:
            drawn: Any = self.model.plot.fitted(ax=axes[0])
        except RanefError:  # no numeric predictor, or no data in a loaded model
            return
        data: pd.DataFrame = drawn.data
        lines = int(data.loc[data["part"] == "group", "level"].nunique())
        self.add(
            "fixed",
            figure,
            "Data and fitted lines",
            (
                "Points are rows, thin lines the groups as the model sees them, the thick line the population; other "
                "predictors are held at what is typical of the group."
            ),
            (
                f"Scatter plot of {self.scale.response} along {axes[0].get_xlabel()} with {lines} fitted lines of "
                "groups "
                "and the line of the population."
            ),
        )

    def groups(self, level: float) -> None:
        from ranef.plots.caterpillar import caterpillar

        frame = effect_intervals(self.model.ranef(condvar=True), level)
        for group in list(dict.fromkeys(frame["group"]))[:_MOST_GROUPS]:
            own = frame[frame["group"] == group]
            effects = list(dict.fromkeys(own["effect"]))[:_MOST_EFFECTS]
            own = own[own["effect"].isin(effects)]
            n = own["level"].nunique()
            if n == self.fit.nobs:  # an effect for every row shows nothing that residuals do not
                continue
            figure, axes = self.figure(len(effects), max(2.2, min(5.5, 1.2 + 0.17 * n)))
            drawn = caterpillar(own, axes)
            for ax in axes:
                ax.set_xlabel("deviation", fontsize=9)
                ax.locator_params(axis="x", nbins=4)
            top, bottom = drawn[0].data.iloc[-1], drawn[0].data.iloc[0]
            self.add(
                "random",
                figure,
                f"Deviations of the levels of {group}",
                (
                    f"Each row is a level with its deviation from the population and a {percent(level)} interval; "
                    "coloured where it excludes zero. The intervals do not compare levels with each other."
                ),
                (
                    f"{n} levels in order of {effects[0]}: the highest is {top['level']} "
                    f"({number(float(top['estimate']))}), the lowest {bottom['level']} "
                    f"({number(float(bottom['estimate']))})."
                ),
            )

    def checks(self, rng: Any) -> None:
        from ranef.plots.check_panel import draw_part

        for part in self.model._check_parts(rng):
            figure, axes = self.figure()
            draw_part(axes[0], part)
            axes[0].set_title("", loc="left")
            self.add("check", figure, part.title, part.sentence, part.sentence, part.finding.concern)
