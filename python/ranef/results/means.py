"""Marginal means and what is made of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ranef.errors import ArgumentTypeError, OptionError
from ranef.estimates.intervals import checked_level
from ranef.inference.distributions import checked_alternative
from ranef.inference.fixed_effect_tests import FixedEffectTests
from ranef.inference.marginal_means.adjustments import checked_adjust
from ranef.inference.marginal_means.contrast import checked_by, contrasts_of
from ranef.inference.marginal_means.estimands import Estimands, joint_test
from ranef.inference.marginal_means.scale import transformed_response
from ranef.inference.marginal_means.table import MeansTable, means_table
from ranef.known_arguments import known_members
from ranef.known_names import unknown_member
from ranef.options import Ddf
from ranef.results.mean_followups import (
    NO_CONTRASTS,
    MeanFollowUps,
    checked_margin,
    mean_of,
    total_sd,
    why_not_undone,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


@known_members
@dataclass(frozen=True, eq=False)
class MarginalMeans(MeanFollowUps):
    """Marginal means, trends, or contrasts of them. Made by ``emmeans``, ``emtrends`` and their own
    methods, not directly.

    Attributes
    ----------
    estimands : Estimands
        The linear functions of the fixed effects.
    ddf : str
        Method of the degrees of freedom.
    level : float
        Level of the intervals.
    adjust : str
        Adjustment of p-values and intervals within each group.
    type : {"link", "response"}
        Whether a transformation of the response is undone.
    alternative : {"two-sided", "greater", "less"}
        Of tests and intervals.
    correction : float or None
        Standard deviation of the random effects for which means on the scale of the response are
        corrected.
    """

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            raise unknown_member(self, name, NO_CONTRASTS if name == "contrasts" else None)

    estimands: Estimands
    tests: FixedEffectTests
    ddf: Ddf
    level: float
    adjust: str
    type: str
    asked: "MarginalMeans | None" = None
    alternative: str = "two-sided"
    correction: float | None = None

    @property
    def contrasts(self) -> "MarginalMeans":
        """The contrasts that were asked for together with the means, as by ``"pairwise ~ f"``."""
        if self.asked is None:
            raise AttributeError  # with the sentence of __getattr__
        return self.asked

    @cached_property
    def _table(self) -> MeansTable:
        return self._made(self.level, self.adjust, 0.0)

    def _made(
        self, level: float, adjust: str, null: Any, alternative: object = None, delta: float | None = None
    ) -> MeansTable:
        side = self.alternative if alternative is None else checked_alternative(alternative)
        return means_table(
            self.estimands,
            self.tests,
            self.ddf,
            level,
            adjust,
            null,
            self.type,
            alternative=side,
            correction=self.correction,
            delta=delta,
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """How the numbers were computed, in words."""
        t = self._table
        return (*t.notes, *t.test_notes, *t.interval_notes)

    def to_frame(self) -> "pd.DataFrame":
        """The table as a plain frame, ready for plotting.

        Returns
        -------
        DataFrame
            The variables (or ``contrast``), then ``estimate, std_error, df, statistic, p_value,
            lower, upper``. NaN where the data do not determine a mean. ``attrs["quantity"]`` says
            what the estimates are, ``attrs["notes"]`` how they were computed.

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("angle ~ recipe * temperature + (1 | recipe:replicate)", load_dataset("cake"))
        >>> m.emmeans("recipe").to_frame()[["recipe", "estimate", "df"]].round(2)
          recipe  estimate    df
        0      A     33.12  42.0
        1      B     31.64  42.0
        2      C     31.60  42.0
        """
        from ranef.presentation.means_text import means_frame

        return means_frame(self._table)

    def contrast(
        self,
        method: Any = "pairwise",
        *,
        adjust: str | None = None,
        by: Any = ...,
        reverse: bool = False,
        ref: int | str | None = None,
        level: float | None = None,
        interaction: Any = None,
        simple: str | list[str] | None = None,
        exclude: Any = None,
        alternative: Literal["two-sided", "greater", "less"] = "two-sided",
    ) -> "MarginalMeans":
        """Contrasts of the means of each group.

        Parameters
        ----------
        method : str, dict or array
            ``"pairwise"``, ``"revpairwise"``, ``"trt.vs.ctrl"`` (the first mean is the control, or
            that of ``ref``), ``"trt.vs.ctrlk"`` (the last is), ``"consec"`` (each minus the one
            before), ``"mean_chg"``, ``"eff"`` (each minus the mean of all), ``"del.eff"`` (each
            minus the mean of the others), ``"poly"`` (orthogonal polynomials in whole numbers) or
            ``"identity"``; a dict of coefficients by name; or a matrix with one contrast a row.
        adjust : str, optional
            ``"tukey"``, ``"mvt"`` (the largest of correlated t statistics, exact for any contrasts;
            for comparisons with a control this is Dunnett's test), ``"holm"``, ``"hochberg"``,
            ``"hommel"``, ``"bonferroni"``, ``"sidak"``, ``"fdr"``, ``"BY"``, ``"scheffe"`` or
            ``"none"``. By default Tukey's for pairwise differences, ``"mvt"`` for ``trt.vs.ctrl``
            and ``consec``, ``"fdr"`` for effects, none for polynomials and custom contrasts. Each
            group is a family.
        by : str or list of str, optional
            The variables whose combinations make groups; by default those of the means, and None is
            a single group.
        reverse : bool
            Whether to change the direction of all differences.
        ref : int or str, optional
            The control: its label, or its place from 0.
        level : float, optional
            Level of the intervals.
        interaction : str, list or dict, optional
            Contrasts of contrasts, in place of ``method``: the family of each variable of the
            means, by name in a dict, in order in a list, or one for all. So ``"pairwise"`` gives
            differences of differences. Their p-values are not adjusted by default.
        simple : str or list of str, optional
            The variables to compare, within each combination of the others; ``"each"`` compares
            every variable so, one family for each group.
        exclude : int, str or list of these, optional
            Means of each group that take no part: their labels, or their places from 0.
        alternative : {"two-sided", "greater", "less"}
            One-sided tests are of contrasts above or below zero, with intervals that have one end.
            Tukey's and Scheffé's adjustments, which are for two-sided tests, become Šidák's;
            ``"mvt"`` is exact for one side too.

        Returns
        -------
        MarginalMeans

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("angle ~ recipe + temperature + (1 | recipe:replicate)", load_dataset("cake"))
        >>> c = m.emmeans("temperature").contrast("trt.vs.ctrl")
        >>> c.to_frame().loc[[0, 4], ["contrast", "estimate", "p_value"]].round(4)
                              contrast  estimate  p_value
        0  temperature185 - temperature175   ...

        Does the difference between recipes depend on the temperature?

        >>> m = lmer("angle ~ recipe * temperature + (1 | recipe:replicate)", load_dataset("cake"))
        >>> families = {"recipe": "pairwise", "temperature": "poly"}
        >>> c = m.emmeans(["recipe", "temperature"]).contrast(interaction=families)
        >>> c.to_frame().iloc[:3, :3].round(2)
          recipe_pairwise temperature_poly  estimate
        0           A - B           linear     -3.80
        1           A - C           linear     -0.73
        2           B - C           linear      3.07
        """
        if simple is not None and (by is not ... or interaction is not None):
            raise OptionError("simple chooses the groups itself: leave out by and interaction.")
        if simple == "each":
            from ranef.inference.marginal_means.followups import each_simple

            found = each_simple(self.estimands, method, ref, reverse, exclude)
        elif interaction is None:
            if simple is not None:
                compared = checked_by(simple, self.estimands)
                by = [n for n in self.estimands.labels if n not in compared]
            found = contrasts_of(self.estimands, method, by, ref, reverse, exclude)
        else:
            from ranef.inference.marginal_means.interaction import interaction_contrasts

            if not (isinstance(method, str) and method == "pairwise") or not (ref is exclude is None):
                raise OptionError("interaction takes the place of method, ref and exclude; leave these out.")
            found = interaction_contrasts(self.estimands, interaction, by, reverse)
        return MarginalMeans(
            found,
            self.tests,
            self.ddf,
            checked_level(level, self.level),
            checked_adjust(adjust, found.adjust),
            self.type,
            alternative=checked_alternative(alternative),
            correction=self.correction,
        )

    def pairs(self, *, adjust: str | None = None, by: Any = ..., reverse: bool = False) -> "MarginalMeans":
        """All differences between the means of each group.

        Parameters
        ----------
        adjust : str, optional
            By default Tukey's method.
        by : str or list of str, optional
            As in ``contrast``.
        reverse : bool
            Whether to change the direction of all differences.

        Returns
        -------
        MarginalMeans
        """
        return self.contrast("pairwise", adjust=adjust, by=by, reverse=reverse)

    def test(
        self,
        *,
        joint: bool = False,
        null: Any = 0.0,
        adjust: str | None = None,
        by: Any = ...,
        alternative: Literal["two-sided", "greater", "less"] | None = None,
        delta: float | None = None,
    ) -> "pd.DataFrame":
        """Test against given values.

        Parameters
        ----------
        joint : bool
            Whether to test all rows of a group together, by F (of a generalized model by a
            chi-square).
        null : float or array
            What they equal under the hypothesis, on the scale of the model.
        adjust : str, optional
            Adjustment of the p-values of single tests.
        by : str or list of str, optional
            Groups of a joint test; by default those of the means.
        alternative : {"two-sided", "greater", "less"}, optional
            Side of single tests, with intervals that have one end; that of the contrasts by
            default.
        delta : float, optional
            A margin. Two-sided tests are then of equivalence: small p-values say that the
            difference lies within ``delta`` on both sides. ``"greater"`` tests that it is not below
            ``-delta`` (non-inferiority), ``"less"`` that it is not above ``delta``.

        Returns
        -------
        DataFrame
            For single tests the frame of ``to_frame`` with a column ``null``; for joint ones the
            variables of the groups and ``num_df, den_df, f_value, p_value``, of a generalized model
            ``chisq, df, p_value``.
        """
        import pandas as pd

        from ranef.presentation.printed_frame import printed

        if not isinstance(joint, bool | np.bool_):
            raise ArgumentTypeError(f"joint must be True or False, not {joint!r}.")
        if not joint:
            from ranef.presentation.means_text import means_frame

            table = self._made(
                self.level, checked_adjust(adjust, self.adjust), null, alternative, checked_margin(delta)
            )
            frame = means_frame(table)
            if delta is not None:
                frame = frame.drop(columns=["lower", "upper"])  # those of tests without a margin
            frame.insert(list(frame.columns).index("statistic"), "null", table.null)
            return printed(frame)
        if delta is not None or self.estimands.base is not None:
            raise OptionError(
                "a joint test has no margin: leave out delta."
                if delta is not None
                else "joint tests are of means on the scale of the model: ask for them before regrid() or eff_size()."
            )
        if alternative not in (None, "two-sided"):
            checked_alternative(alternative)
            raise OptionError(f"a joint test has no sides: leave out alternative={alternative!r} or joint=True.")
        if not isinstance(null, int | float):
            raise ArgumentTypeError(f"null of a joint test must be one number, not {null!r}.")
        from ranef.inference.marginal_means.variables import level_text
        from ranef.presentation.anova_table import joint_test_columns

        groups = self.estimands.by if by is ... else checked_by(by, self.estimands)
        rows = []
        notes = list(self.tests.notes(self.ddf))
        for key, members in self.estimands.groups(groups):
            test, reduced, partial = joint_test(self.estimands, members, self.tests, self.ddf, float(null))
            labels = dict(zip(groups, map(level_text, key), strict=True))
            rows.append({**labels, **joint_test_columns(test, self.tests.reference(self.ddf))})
            if reduced and "some rows are combinations of others." not in notes:
                notes.append("some rows are combinations of others.")
            if partial:
                notes.append("some rows are not estimable; the test is of what the data determine.")
        frame = pd.DataFrame(rows)
        frame.attrs = {"notes": tuple(dict.fromkeys(notes))}
        return printed(frame)

    def conf_int(self, level: float | None = None, *, adjust: str | None = None) -> "pd.DataFrame":
        """Confidence intervals.

        Parameters
        ----------
        level : float, optional
        adjust : str, optional
            As in ``contrast``; methods without intervals of their own give Bonferroni's.

        Returns
        -------
        DataFrame
            The variables, then ``estimate, std_error, df, lower, upper``.
        """
        from ranef.presentation.means_text import means_frame
        from ranef.presentation.printed_frame import printed

        table = self._made(checked_level(level, self.level), checked_adjust(adjust, self.adjust), 0.0)
        frame = means_frame(table)
        frame.attrs["notes"] = (*table.notes, *table.interval_notes)
        return printed(frame.drop(columns=["statistic", "p_value"]))

    def response(self, *, bias_correct: bool = False, sigma: float | None = None) -> "MarginalMeans":
        """The same on the scale of the response: the link, or the transformation on the left of the
        formula, undone.

        Parameters
        ----------
        bias_correct : bool
            Whether means are those over all groups, to second order in the random effects, and not
            those of the typical group, whose random effects are zero. Ratios and odds ratios stay
            as they are.
        sigma : float, optional
            Standard deviation of what is averaged over; by default of all random effects together,
            averaged over the observations, and, where a transformation of the response is undone,
            of the residual.

        Returns
        -------
        MarginalMeans
            Estimates are back-transformed, standard errors by the delta method, limits at both
            ends. On a scale of logarithms differences become ratios, on one of logits odds ratios.
        """
        return self._as_type("response", bias_correct, sigma)

    def _as_type(
        self, type: Literal["link", "response"], bias_correct: object = False, sigma: object = None
    ) -> "MarginalMeans":
        if not isinstance(bias_correct, bool | np.bool_):
            raise ArgumentTypeError(f"bias_correct must be True or False, not {bias_correct!r}.")
        if sigma is not None and not bias_correct:
            raise OptionError("sigma is for the correction of bias: give bias_correct=True too, or leave it out.")
        if bias_correct and type != "response":
            raise OptionError("bias_correct is for means on the scale of the response: give type='response' too.")
        if type == "response" and self.estimands.kind == "means" and self.estimands.scale is None:
            if transformed_response(self.tests.fit) is None and not bias_correct:
                return self  # which is on the scale of the response
            raise OptionError(why_not_undone(self.tests.fit))
        correction = total_sd(self.tests.fit, sigma) if bias_correct else None
        inner = None if self.asked is None else replace(self.asked, type=type, correction=correction)
        return replace(self, type=type, asked=inner, correction=correction)

    def plot(
        self,
        x: str | None = None,
        by: str | Sequence[str] | None = None,
        *,
        ax: Any = None,
        figsize: tuple[float, float] | None = None,
    ) -> "Axes":
        """Draw means or trends along a variable with a line for each combination of the others, or
        contrasts below each other, with their intervals.

        Parameters
        ----------
        x : str, optional
            The variable along the axis: the first by default. Contrasts have none.
        by : str or list of str, optional
            The variables whose combinations have lines of their own: all others by default.
        ax : Axes, optional
        figsize : tuple of float, optional
            Width and height of a new figure in inches.

        Returns
        -------
        Axes
            ``data``: the frame of ``to_frame`` with ``position``; of contrasts ``model`` (the
            group), ``term, estimate, lower, upper, position``.

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("angle ~ recipe * temperature + (1 | recipe:replicate)", load_dataset("cake"))
        >>> ax = m.emmeans(["temperature", "recipe"]).plot()
        >>> len(ax.lines), ax.data["estimate"].round(2).tolist()[:2]
        (3, [29.13, 31.53])
        """
        from ranef.plots.canvas import place, require_matplotlib

        require_matplotlib()
        ax = place(ax, figsize)
        frame = self.to_frame()
        if np.isinf(frame[["lower", "upper"]].to_numpy(dtype=float)).any():
            raise OptionError("one-sided intervals have one end only and are not drawn; leave out alternative=.")
        labels = list(self._table.labels)
        quantity = str(frame.attrs["quantity"])
        if self.estimands.kind == "contrasts":
            if x is not None or by is not None:
                raise OptionError("contrasts are drawn below each other: x and by are for means and trends.")
            return self._drawn_contrasts(frame, labels, quantity, ax)
        from ranef.plots.interaction import interaction

        for name in [n for n in (x, *([by] if isinstance(by, str) else by or ())) if n is not None]:
            if name not in labels:
                raise OptionError(f"there is no variable {name!r}; there are {', '.join(map(repr, labels))}.")
        own = [n for n in labels if n not in self.estimands.by] or labels
        along = own[0] if x is None else x
        lines = [n for n in labels if n != along] if by is None else [by] if isinstance(by, str) else list(by)
        label = {"mean": "marginal mean", "trend": "slope", "response": mean_of(self.tests.fit)}.get(quantity, quantity)
        return interaction(frame, along, lines, label, ax)

    def _drawn_contrasts(self, frame: "pd.DataFrame", labels: list[str], quantity: str, ax: Any) -> "Axes":
        from ranef.plots.forest import forest

        by = list(self.estimands.by)
        joined = {
            "model": frame[by].astype(str).agg(", ".join, axis=1) if by else "",
            "term": frame[[n for n in labels if n not in by]].astype(str).agg(", ".join, axis=1),
        }
        drawn = frame[["estimate", "lower", "upper"]].assign(**joined)
        null = 1.0 if "ratio" in quantity else 0.0
        return forest(
            drawn[["model", "term", "estimate", "lower", "upper"]],
            ax,
            label=quantity,
            null=null,
            legend=", ".join(by) or None,
        )

    def __str__(self) -> str:
        from ranef.presentation.means_text import means_text

        text = means_text(self._table)
        return text if self.asked is None else f"{text}\n\n{self.asked}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from ranef.presentation.means_text import means_html

        html = means_html(self._table)
        return html if self.asked is None else f"{html}\n{self.asked._repr_html_()}"
