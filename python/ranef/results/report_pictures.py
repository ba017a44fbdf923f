"""The pictures of a report."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ranef.errors import RanefError
from ranef.estimates.effect_intervals import effect_intervals
from ranef.inference.wald import wald_intervals
from ranef.presentation.report.names import predictor_names
from ranef.presentation.report.page import Picture, Subject
from ranef.presentation.report.phrases import listed, number, percent
from ranef.presentation.report.scale_words import effect_scale
from ranef.presentation.term_labels import label_of
from ranef.results.report_means import TermMeans, drawn_factors

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ranef.fit.record import MixedFit
    from ranef.results.model.tables import TablesChapter

#: Inches of a picture; texts of 9 points are then read well on a telephone and two side by side on
#: a screen.
_SIZE = (4.9, 3.5)

#: Height of a picture with nothing to draw.
_EMPTY = 1.2

#: Characters of a label beside a picture that stand on one line.
_ONE_LINE = 18

_MOST_EFFECTS = 2
_MOST_GROUPS = 3


def report_pictures(
    model: "TablesChapter", subject: Subject, means: Sequence[TermMeans], level: float, rng: Any
) -> list[Picture]:
    """Draw the pictures of a report.

    Parameters
    ----------
    model : TablesChapter
    subject : Subject
    means : sequence of TermMeans
        Those to draw.
    level : float
        Of intervals.
    rng : int, Generator or None
    """
    gallery = _Gallery(model, subject)
    gallery.response()
    gallery.effects(level)
    gallery.lines()
    gallery.probabilities()
    gallery.means(means, level)
    if gallery.fit.terms:
        gallery.groups(level)
    if gallery.fit.design.residual is None:  # the checks are for rows that are independent
        gallery.checks(rng)
    return gallery.pictures


class _Gallery:
    """Draws pictures one after the other, each in a figure of its own that pyplot does not know."""

    def __init__(self, model: "TablesChapter", subject: Subject):
        self.model = model
        self.fit = model._fit
        self.labels = subject.labels
        self.pictures: list[Picture] = []
        self.scale = effect_scale(model._fit, subject.description, subject.labels)

    def figure(self, columns: int = 1, height: float = _SIZE[1]) -> "tuple[Figure, list[Axes]]":
        from matplotlib.figure import Figure

        figure = Figure(figsize=(_SIZE[0], height), layout="constrained")
        axes = figure.subplots(1, columns, squeeze=False)
        return figure, axes.ravel().tolist()

    def add(
        self, place: str, figure: "Figure", title: str, caption: str, description: str, concern: bool = False
    ) -> None:
        from ranef.plots.svg import figure_svg
        from ranef.plots.thinning import thin

        reduced = thin(figure)
        if reduced is not None:
            caption = f"{caption} {reduced[0]:,} of {reduced[1]:,} points are drawn."
        name = f"picture{len(self.pictures) + 1}"
        self.pictures.append(Picture(place, title, caption, figure_svg(figure, name, title, description), concern))

    def response(self) -> None:
        from ranef.plots.histogram import histogram

        if self.fit.design.sums is not None:  # the checks say what is missing
            return
        y = self.fit.design.y
        name = self.scale.response
        if self.fit.response_kind in ("binary", "category"):  # the table has it
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
                ("", label_of(n, self.labels), float(b), float(low), float(high))
                for n, b, (low, high) in zip(names, self.fit.beta, limits, strict=True)
                if n != "(Intercept)" and np.isfinite([low, high]).all()
            ],
            columns=["model", "term", "estimate", "lower", "upper"],
        )
        if not 1 <= len(frame) <= 40:
            return
        each = 0.32 if max(map(len, frame["term"])) <= _ONE_LINE else 0.48
        figure, axes = self.figure(height=max(1.9, min(7.0, 1.1 + each * len(frame))))
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
        along = axes[0].get_xlabel().split("\n")[0]
        if along not in predictor_names(self.fit):  # the offset alone has numbers
            return
        _relabel(axes[0], self.labels, self.fit)
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

    def probabilities(self) -> None:
        if not self.fit.probability_types:
            return
        for name in predictor_names(self.fit)[:_MOST_EFFECTS]:
            figure, axes = self.figure()
            try:
                drawn: Any = self.model.plot.probabilities(name, ax=axes[0])
            except RanefError:  # no data in a loaded model
                return
            _relabel(axes[0], self.labels, self.fit)
            shown = label_of(name, self.labels)
            self.add(
                "fixed",
                figure,
                f"Probabilities of {self.scale.response} by {shown}",
                "Each bar has the probabilities of all categories, the lowest at the bottom, with random effects of "
                "zero and other predictors averaged.",
                f"Stacked bars of {len(self.fit.categories)} probabilities at {drawn.data['bar'].nunique()} values of "
                f"{shown}.",
            )

    def means(self, means: Sequence[TermMeans], level: float) -> None:
        from ranef.plots.interaction import interaction
        from ranef.plots.palette import MOST_SERIES

        for term in means:
            place = drawn_factors(term, MOST_SERIES)
            if place is None:
                continue
            along, lines = place
            figure, axes = self.figure()
            interaction(term.frame, along, lines, self._of_means(term.head), axes[0])
            estimates = term.frame["estimate"].to_numpy(dtype=float)
            top, bottom = (term.frame.iloc[int(i)] for i in (np.nanargmax(estimates), np.nanargmin(estimates)))
            high, low = (", ".join(str(row[f]) for f in term.factors) for row in (top, bottom))
            self.add(
                "means",
                figure,
                f"Means by {listed(term.factors)}",
                f"Points are marginal means, lines through them {percent(level)} intervals. Whether two means differ "
                "is not seen from whether their intervals overlap, but from the sentences and tests.",
                (
                    f"{len(term.frame)} means: the highest, of {high}, is {number(float(top['estimate']))}, the "
                    f"lowest, of {low}, {number(float(bottom['estimate']))}."
                ),
            )

    def _of_means(self, head: str) -> str:
        """What means are called on the axis of a picture."""
        if head == "mean":
            return f"mean of {self.scale.response}"
        if self.scale.kind == "odds":
            return f"probability of {self.scale.target.removeprefix('the odds of ')}"
        return f"{self.scale.response} per {self.scale.unit}" if head == "rate" else f"{head} of {self.scale.response}"

    def groups(self, level: float) -> None:
        from ranef.plots.caterpillar import caterpillar

        if not self.fit.terms:
            return
        frame = effect_intervals(self.model.ranef(condvar=True), level)
        for group in list(dict.fromkeys(frame["group"]))[:_MOST_GROUPS]:
            own = frame[frame["group"] == group]
            effects = list(dict.fromkeys(own["effect"]))[:_MOST_EFFECTS]
            own = own[own["effect"].isin(effects)]
            n = own["level"].nunique()
            if n == self.fit.nobs:  # an effect for every row shows nothing that residuals do not
                continue
            figure, axes = self.figure(len(effects), max(2.2, min(5.5, 1.2 + 0.17 * n)))
            shown = label_of(group, self.labels)
            texts = {e: label_of(e, self.labels) for e in effects}
            drawn = caterpillar(own.assign(group=shown, effect=own["effect"].map(texts)), axes)
            for ax in axes:
                ax.set_xlabel("deviation", fontsize=9)
                ax.locator_params(axis="x", nbins=4)
            top, bottom = drawn[0].data.iloc[-1], drawn[0].data.iloc[0]
            self.add(
                "random",
                figure,
                f"Deviations of the levels of {shown}",
                (
                    f"Each row is a level with its deviation from the population and a {percent(level)} interval; "
                    "coloured where it excludes zero. The intervals do not compare levels with each other."
                ),
                (
                    f"{n} levels in order of {texts[effects[0]]}: the highest is {top['level']} "
                    f"({number(float(top['estimate']))}), the lowest {bottom['level']} "
                    f"({number(float(bottom['estimate']))})."
                ),
            )

    def checks(self, rng: Any) -> None:
        from ranef.plots.check_panel import draw_part

        if self.fit.design.residual is not None:
            return
        for part in self.model._check_parts(rng):
            figure, axes = self.figure(height=_SIZE[1] if len(part.frame) else _EMPTY)
            draw_part(axes[0], part)
            axes[0].set_title("", loc="left")
            _relabel(axes[0], self.labels, self.fit)
            title = _titled(part.title, self.labels, self.fit)
            self.add("check", figure, title, part.sentence, part.sentence, part.finding.concern)


def _relabel(ax: "Axes", labels: Mapping[str, str], fit: "MixedFit") -> None:
    """Put the user's labels in the place of names at the axes and above the legend."""
    if not labels:
        return
    name, *rest = ax.get_xlabel().split("\n")
    ax.set_xlabel("\n".join([label_of(name, labels), *rest]))
    response = fit.design.formula.response
    if response is not None and response.name in labels:
        ax.set_ylabel(ax.get_ylabel().replace(response.name, labels[response.name]))
    legend = ax.get_legend()
    if legend is not None:
        legend.set_title(label_of(legend.get_title().get_text(), labels))


def _titled(title: str, labels: Mapping[str, str], fit: "MixedFit") -> str:
    """The title of a check, with the labels of what it is of."""
    for term in fit.terms:
        group = label_of(term.group, labels)
        if title == f"Influence of {term.group}":
            return f"Influence of {group}"
        for name in term.names:
            if title == f"Random effects: {name} of {term.group}":
                return f"Random effects: {label_of(name, labels)} of {group}"
    return title
