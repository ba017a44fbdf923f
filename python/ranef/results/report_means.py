"""The means of factors and of their interactions that a report shows: computed by the model's own
methods, put into words by the presentation.
"""

import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ranef.data.labels import natural_order
from ranef.design.coding import Coded
from ranef.errors import RanefError
from ranef.estimates.rates import UNKNOWN_UNIT, exposure_of
from ranef.fit.record import MixedFit
from ranef.fit.sums.absent_data import AbsentData
from ranef.formula import parse_expression
from ranef.formula.syntax import names_in
from ranef.inference.marginal_means.scale import transformed_response
from ranef.presentation.report.category_words import probability_grids
from ranef.presentation.report.means_words import (
    FactorMeans,
    SimpleEffect,
    Test,
    about_means,
    interaction_sentence,
    means_grid,
    simple_sentence,
    terms_sentence,
    tests_grid,
)
from ranef.presentation.report.page import Subject
from ranef.presentation.report.phrases import listed
from ranef.presentation.report.scale_words import EffectScale, effect_scale
from ranef.presentation.term_labels import label_of

if TYPE_CHECKING:
    import pandas as pd

    from ranef.results.means import MarginalMeans
    from ranef.results.model.tables import TablesChapter

#: Terms with tables of their own; combinations of levels that a table has; simple effects that are
#: put into words.
MOST_TERMS, MOST_MEANS, MOST_SENTENCES = 3, 36, 8


@dataclass(frozen=True, slots=True)
class TermMeans:
    """The means of one term.

    Attributes
    ----------
    factors : tuple of str
        As they are shown.
    frame : DataFrame
        Columns of the factors, and ``estimate, std_error, lower, upper``.
    head : str
        What the means are.
    """

    factors: tuple[str, ...]
    frame: "pd.DataFrame"
    head: str


def factor_means(model: "TablesChapter", subject: Subject, level: float) -> tuple[FactorMeans, list[TermMeans]] | None:
    """Means, tests and simple effects of the most important terms that are made of factors.

    Terms with more factors come first, and among others those with the smaller p-value of the type
    III test.

    Parameters
    ----------
    model : TablesChapter
    subject : Subject
    level : float
        Of intervals.

    Returns
    -------
    (FactorMeans, list of TermMeans) or None
        Words and tables, and the means to draw; None without factors, or where all have too many
        levels.
    """
    fit, labels = model._fit, subject.labels
    terms = _factor_terms(fit)
    if not terms:
        return None
    if fit.probability_types:
        return _category_means(model, terms, labels, level), []
    scale = effect_scale(fit, subject.description, labels)
    try:
        tests = _tests(model)
        by_size = sorted(terms, key=lambda name: (-len(terms[name]), tests[name].p_value if name in tests else 1.0))
        maker = _Means(model, labels, level)
        shown: dict[str, TermMeans] = {}
        large: list[str] = []
        for name in by_size:
            if len(shown) == MOST_TERMS:
                break
            if math.prod(maker.levels(v) for v in terms[name]) > MOST_MEANS:
                large.append(label_of(name, labels))
                continue
            shown[name] = maker.of(terms[name])
        sentences = _sentences(maker, terms, next(iter(shown), None), tests, scale)
    except RanefError as problem:
        data = model._request.data
        reason = f"{data.reason}." if isinstance(data, AbsentData) else str(problem)
        return FactorMeans((f"Means are not available: {reason}",), None, (), ()), []
    if not shown:
        return None
    remark = ""
    if large:
        remark = (
            f"{listed(large)} {'has' if len(large) == 1 else 'have'} more than {MOST_MEANS} means, which a page does "
            "not show; emmeans() in Python lists them. "
        )
    grids = [means_grid(m.frame, m.factors, f"Means by {listed(m.factors)}", m.head, level) for m in shown.values()]
    factors = {v for names in terms.values() for v in names}
    about = about_means(
        scale,
        several=len(factors) > min(len(terms[name]) for name in shown),
        covariates=[label_of(v, labels) for v in _covariates(fit, factors)],
        response=maker.type == "response",
        at_one=bool(maker.at),
        transformed=transformed_response(fit) is not None,
    )
    if any("largest" in s for s in sentences):
        remark += "p-values and intervals of differences are Tukey's within each sentence."
    table = tests_grid({label_of(n, labels): t for n, t in tests.items()}) if tests else None
    overview = terms_sentence({label_of(n, labels): t for n, t in tests.items()}, level) if tests else ""
    return FactorMeans(about, table, tuple(grids), tuple(sentences), overview, remark), _to_draw(shown, terms)


def _category_means(
    model: "TablesChapter", terms: Mapping[str, tuple[str, ...]], labels: Mapping[str, str], level: float
) -> FactorMeans:
    """Tests of the terms, and probabilities of ordered categories."""
    fit = model._fit
    response = fit.design.formula.response
    category = "category" if response is None else response.name
    frames: list[tuple[tuple[str, ...], Any]] = []
    most = MOST_MEANS * len(fit.categories)
    try:
        tests = _tests(model)
        for factors in sorted(terms.values(), key=lambda own: -len(own))[:MOST_TERMS]:
            frame = model.emmeans([*factors, category], mode="prob", level=level).to_frame()
            if len(frame) <= most:
                named = {f: label_of(f, labels) for f in factors}
                frames.append((tuple(named.values()), _with_texts(frame, factors).rename(columns=named)))
    except RanefError as problem:
        data = model._request.data
        reason = f"{data.reason}." if isinstance(data, AbsentData) else str(problem)
        return FactorMeans((f"Means are not available: {reason}",), None, (), ())
    about = (
        "Probabilities of the categories with random effects of zero, averaged over the levels of other factors, each "
        "counting the same; numbers are held at their means."
    )
    named_tests = {label_of(n, labels): t for n, t in tests.items()}
    grids = probability_grids(frames, category)
    return FactorMeans((about,), tests_grid(named_tests), grids, (), terms_sentence(named_tests, level), "")


def _to_draw(shown: Mapping[str, TermMeans], terms: Mapping[str, tuple[str, ...]]) -> list[TermMeans]:
    """The means that no other picture has."""
    out: list[TermMeans] = []
    seen: list[set[str]] = []
    for name, means in shown.items():
        if not any(set(terms[name]) <= s for s in seen):
            out.append(means)
            seen.append(set(terms[name]))
    return out


def _factor_terms(fit: MixedFit) -> dict[str, tuple[str, ...]]:
    """By name of a term of the fixed effects that is made of factors the columns of the data."""
    out = {}
    for term in fit.design.encoder.fixed.terms:
        names = [_column(c) for c in term]
        if term and all(n is not None for n in names):
            out[":".join(c.name for c in term)] = tuple(n for n in names if n is not None)
    return out


def _column(coded: Coded) -> str | None:
    """The column of a factor."""
    names = names_in(parse_expression(coded.label))
    return names[0] if coded.basis is not None and len(names) == 1 else None


def _covariates(fit: MixedFit, factors: set[str]) -> list[str]:
    return list(
        dict.fromkeys(
            name
            for term in fit.design.encoder.fixed.terms
            for coded in term
            if coded.basis is None
            for name in names_in(parse_expression(coded.label))
            if name not in factors
        )
    )


def _tests(model: "TablesChapter") -> dict[str, Test]:
    """Type III tests of the terms, by name."""
    frame = model.anova(type=3)
    return {str(name): _test(row) for name, row in zip(frame.index, frame.to_dict("records"), strict=True)}


def _test(row: Mapping[Any, Any]) -> Test:
    if "chisq" in row:
        return Test(float(row["chisq"]), float(row["df"]), math.nan, float(row["p_value"]))
    return Test(float(row["f_value"]), float(row["num_df"]), float(row["den_df"]), float(row["p_value"]))


class _Means:
    """Makes means of one model, as its report shows them."""

    def __init__(self, model: "TablesChapter", labels: Mapping[str, str], level: float):
        fit = model._fit
        self.model, self.labels, self.level = model, labels, level
        self.type: Any = "link" if fit.identity_scale else "response"
        exposure = exposure_of(fit)
        effects = {n for t in fit.design.formula.fixed for v in t.variables for n in names_in(v.expr)}
        one = exposure is not None and exposure.unit != UNKNOWN_UNIT and exposure.unit not in effects
        #: Rates are those of one unit of what the offset is the logarithm of.
        self.at: dict[str, Any] = {exposure.unit: 1.0} if exposure is not None and one else {}
        self._found: dict[tuple[str, ...], MarginalMeans] = {}
        self._levels = {
            name: len(c.basis)
            for t in fit.design.encoder.fixed.terms
            for c in t
            if c.basis is not None and (name := _column(c)) is not None
        }

    def levels(self, factor: str) -> int:
        """How many levels a factor has."""
        return self._levels[factor]

    def table(self, factors: tuple[str, ...]) -> "MarginalMeans":
        if factors not in self._found:
            self._found[factors] = self.model.emmeans(
                list(factors), at=self.at or None, level=self.level, type=self.type
            )
        return self._found[factors]

    def of(self, factors: tuple[str, ...]) -> TermMeans:
        frame = _with_texts(self.table(factors).to_frame(), factors)
        head = {"mean": "mean", "rate": "rate" if self.at else "expected count"}
        named = {f: label_of(f, self.labels) for f in factors}
        quantity = str(frame.attrs["quantity"])
        return TermMeans(tuple(named.values()), frame.rename(columns=named), head.get(quantity, quantity))

    def simple(self, factors: tuple[str, ...], compared: str) -> list[SimpleEffect]:
        """Differences between the levels of a factor, by the levels of the others."""
        contrasts = self.table(factors).contrast("pairwise", simple=compared)
        others = [f for f in factors if f != compared]
        frame = _with_texts(contrasts.to_frame(), others)
        levels = list(dict.fromkeys(_with_texts(self.table(factors).to_frame(), factors)[compared]))
        pairs = list(itertools.combinations(levels, 2))
        tests = contrasts.test(joint=True)
        out = []
        for row, (key, own) in zip(
            tests.to_dict("records"), frame.groupby(others, sort=False, dropna=False), strict=True
        ):
            if len(own) != len(pairs) or not np.isfinite(own["estimate"].to_numpy(dtype=float)).all():
                continue
            ratio = "ratio" in str(frame.attrs["quantity"])
            sizes = own["estimate"].to_numpy(dtype=float)
            place = int(np.argmax(np.abs(np.log(sizes) if ratio else sizes)))
            first, second = pairs[place]
            estimate, lower, upper, p = (float(own[c].iloc[place]) for c in ("estimate", "lower", "upper", "p_value"))
            if (estimate < 1) if ratio else (estimate < 0):
                first, second = second, first
                estimate, lower, upper = (1 / estimate, 1 / upper, 1 / lower) if ratio else (-estimate, -upper, -lower)
            values = key if isinstance(key, tuple) else (key,)
            where = tuple((label_of(f, self.labels), str(v)) for f, v in zip(others, values, strict=True))
            out.append(
                SimpleEffect(
                    label_of(compared, self.labels), len(levels), where, _test(row), first, second,
                    estimate, lower, upper, p,
                )
            )  # fmt: skip
        return out


def _with_texts(frame: "pd.DataFrame", factors: Iterable[str]) -> "pd.DataFrame":
    """The frame with levels as texts, also those of factors made of numbers."""
    texts = {f: [f"{v:.10g}" if isinstance(v, float) else str(v) for v in frame[f]] for f in factors}
    out = frame.assign(**texts)
    out.attrs = frame.attrs
    return out


def drawn_factors(means: TermMeans, most: int) -> tuple[str, list[str]] | None:
    """The factor along the axis of a picture, and those with lines of their own; None where these
    are too many.

    Parameters
    ----------
    means : TermMeans
    most : int
        Lines that can be told apart.
    """
    sizes = {f: len(natural_order(means.frame[f])) for f in means.factors}
    along = max(means.factors, key=lambda f: sizes[f])
    lines = [f for f in means.factors if f != along]
    return (along, lines) if math.prod(sizes[f] for f in lines) <= most else None


def _sentences(
    maker: _Means,
    terms: Mapping[str, tuple[str, ...]],
    first: str | None,
    tests: Mapping[str, Test],
    scale: EffectScale,
) -> list[str]:
    """The interactions, and the simple effects of the first term."""
    sets = [set(v) for v in terms.values()]
    crossed = [
        name
        for name, factors in terms.items()
        if len(factors) > 1 and all({*part} in sets for part in itertools.combinations(factors, len(factors) - 1))
    ]
    out = [
        interaction_sentence([label_of(f, maker.labels) for f in terms[name]], tests[name], maker.level)
        for name in sorted(crossed, key=lambda name: -len(terms[name]))
        if name in tests and math.isfinite(tests[name].p_value)
    ]
    if first is None or first not in crossed:
        return out
    factors = terms[first]
    number = {f: math.prod(maker.levels(g) for g in factors if g != f) for f in factors}
    left = MOST_SENTENCES
    for factor in sorted(factors, key=lambda f: number[f]):
        if number[factor] <= left and (left == MOST_SENTENCES or len(factors) == 2):
            left -= number[factor]
            out += [simple_sentence(e, scale, maker.level) for e in maker.simple(factors, factor)]
    return out
