"""Factors and their interactions as tables of means, tests, and sentences."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ranef.presentation.document import Grid
from ranef.presentation.report.phrases import decimals_for, listed, number, p_cell, p_words, percent, sentence
from ranef.presentation.report.scale_words import EffectScale

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class FactorMeans:
    """The section of a report on the means of its factors.

    Attributes
    ----------
    about : tuple of str
        What the means are.
    tests : Grid or None
    means : tuple of Grid
    sentences : tuple of str
        Interactions and simple effects.
    overview : str
        Which terms have an effect, in a sentence.
    remark : str
    """

    about: tuple[str, ...]
    tests: Grid | None
    means: tuple[Grid, ...]
    sentences: tuple[str, ...]
    overview: str = ""
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Test:
    """A test of several effects together: F, or chi-square where ``den_df`` is NaN."""

    value: float
    num_df: float
    den_df: float
    p_value: float

    __test__ = False  # no test of this package, though its name starts so

    def words(self) -> str:
        """The test as a sentence has it."""
        if math.isnan(self.den_df):
            return f"χ²({self.num_df:.0f}) = {self.value:.2f}, {p_words(self.p_value)}"
        return f"F({self.num_df:.0f}, {_df(self.den_df)}) = {self.value:.2f}, {p_words(self.p_value)}"


@dataclass(frozen=True, slots=True)
class SimpleEffect:
    """Differences between the levels of a factor where others have given levels.

    Attributes
    ----------
    factor : str
    levels : int
        How many are compared.
    where : tuple of (str, str)
        The other factors with their levels.
    test : Test
        Of all differences together.
    high, low : str
        The two levels that are farthest apart.
    estimate, lower, upper, p_value : float
        The first of these two minus, or divided by, the second.
    """

    factor: str
    levels: int
    where: tuple[tuple[str, str], ...]
    test: Test
    high: str
    low: str
    estimate: float
    lower: float
    upper: float
    p_value: float


def means_grid(frame: "pd.DataFrame", factors: Sequence[str], title: str, head: str, level: float) -> Grid:
    """The table of the means of one term.

    Parameters
    ----------
    frame : DataFrame
        Columns of the factors, and ``estimate, std_error, lower, upper``.
    factors : sequence of str
    title, head : str
        What the table is, and its column of means.
    level : float
        Of the intervals.
    """
    known = [float(s) for s in frame["std_error"] if math.isfinite(s) and s > 0]
    places = decimals_for(min(known, default=math.nan))
    numbers = ("estimate", "std_error", "lower", "upper")
    rows = tuple(
        (*(str(row[f]) for f in factors), *(_fixed(float(row[n]), places) for n in numbers))
        for row in frame.to_dict("records")
    )
    heads = (*factors, head, "standard error", f"{percent(level)} from", f"{percent(level)} to")
    return Grid(title, heads, rows, len(factors))


def tests_grid(terms: Mapping[str, Test]) -> Grid:
    """The table of tests of terms, by their names."""
    normal = all(math.isnan(t.den_df) for t in terms.values())
    rows = []
    for name, t in terms.items():
        df = (f"{t.num_df:.0f}",) if normal else (f"{t.num_df:.0f}", _df(t.den_df))
        rows.append((name, *df, _fixed(t.value, 2), p_cell(t.p_value)))
    heads = ("term", "df", "χ²", "p") if normal else ("term", "df", "df of the error", "F", "p")
    return Grid("Tests of terms (type III)", heads, tuple(rows), 1)


def about_means(
    scale: EffectScale, *, several: bool, covariates: Sequence[str], response: bool, at_one: bool, transformed: bool
) -> tuple[str, ...]:
    """What the means are.

    Parameters
    ----------
    scale : EffectScale
    several : bool
        Whether there are other factors over which they are averaged.
    covariates : sequence of str
        Numeric variables, held at their means.
    response : bool
        Whether the link is undone.
    at_one : bool
        Whether rates are those of one unit of exposure.
    transformed : bool
        Whether the means are on the scale of a transformed response.
    """
    how = []
    if several:
        how.append("the levels of other factors having the same weight")
    if covariates:
        how.append(f"{listed(covariates)} being at {'its' if len(covariates) == 1 else 'their'} mean")
    conditions = f", {listed(how)}" if how else ""
    out = [f"What the model expects on average for the levels of factors{conditions} (marginal means)."]
    if response:
        out.append(
            "They are means for a typical group, whose random effects are zero, on the scale of the response"
            + ("; averages over factors are taken on the scale of the link." if several else ".")
        )
    if scale.unit:
        out.append(
            f"They are rates per {scale.unit}."
            if at_one
            else "They are for the average of the offset, and not rates for one unit."
        )
    if transformed:
        out.append(f"They are on the scale of {scale.response}, as the model is.")
    return tuple(out)


def terms_sentence(terms: Mapping[str, Test], level: float) -> str:
    """Which terms have effects that the data distinguish from none, by their tests."""
    clear = [name for name, t in terms.items() if t.p_value < 1 - level]
    vague = [name for name, t in terms.items() if not t.p_value < 1 - level]
    found = f"Tests of terms find effects of {listed(clear)} (p < {1 - level:.3g})" if clear else ""
    if not vague:
        return f"{found}."
    if not clear:
        return f"Tests of terms find no clear effect of {listed(vague, 'or')}: the data leave it open."
    return f"{found}; the data leave effects of {listed(vague)} open."


def interaction_sentence(factors: Sequence[str], test: Test, level: float) -> str:
    """Whether the differences between levels of a factor depend on other factors."""
    unknown = "" if test.p_value < 1 - level else "the data leave open whether "
    return (
        f"The interaction of {listed(factors)} ({test.words()}): {unknown}differences between the levels of one depend "
        f"on the level{'' if len(factors) == 2 else 's'} of the other{'' if len(factors) == 2 else 's'}."
    )


def simple_sentence(effect: SimpleEffect, scale: EffectScale, level: float) -> str:
    """A simple effect in words."""
    where = f"where {listed([f'{f} is {v}' for f, v in effect.where])}"
    interval = f"{percent(level)} interval {number(effect.lower)} to {number(effect.upper)}"
    if effect.levels == 2:
        size = _compared(effect, scale)
        null = 1.0 if scale.multiplies else 0.0
        known = math.isfinite(effect.lower) and math.isfinite(effect.upper)
        open_ = " The interval includes no difference." if known and effect.lower <= null <= effect.upper else ""
        return f"{sentence(where)}, {size} ({interval}, {p_words(effect.p_value)}).{open_}"
    what = "ratio" if scale.multiplies else "difference"
    differ = f"the means of the {effect.levels} levels of {effect.factor} differ"
    said = differ if effect.test.p_value < 1 - level else f"the data leave open whether {differ}"
    by = "divided by" if scale.multiplies else "minus"
    kind = f"largest {scale.ratio if scale.multiplies else what}"
    return (
        f"{sentence(where)}, {said} ({effect.test.words()}); the {kind}, {effect.high} {by} {effect.low}, is "
        f"{number(effect.estimate)} ({interval})."
    )


def _compared(effect: SimpleEffect, scale: EffectScale) -> str:
    """The difference between two levels in words."""
    if scale.multiplies:
        verb = "are" if scale.kind == "odds" else "is"
        return (
            f"{scale.target} {verb} {number(effect.estimate)} times as high with {effect.factor} {effect.high} as with "
            f"{effect.low}"
        )
    return (
        f"{scale.target} is higher by {number(effect.estimate)} with {effect.factor} {effect.high} than with "
        f"{effect.low}"
    )


def _df(x: float) -> str:
    return "∞" if math.isinf(x) else f"{x:.0f}" if x >= 100 or abs(x - round(x)) < 0.05 else f"{x:.1f}"


def _fixed(x: float, places: int) -> str:
    return f"{x:.{places}f}" if math.isfinite(x) else "not estimable" if math.isnan(x) else "∞" if x > 0 else "-∞"
