"""The data in numbers: rows, missing values,
groups and how they lie in each other, the response, the predictors.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranef.design.model_sums import NO_ROWS
from ranef.design.record import RandomTerm
from ranef.fit.record import MixedFit
from ranef.presentation.document import Grid
from ranef.presentation.report.category_words import category_grid
from ranef.presentation.report.phrases import count, listed, number, percent
from ranef.presentation.report.roles import Role
from ranef.presentation.report.scale_words import EffectScale
from ranef.presentation.rows_used import n_missing
from ranef.presentation.term_labels import label_of


@dataclass(frozen=True, slots=True)
class Overview:
    """The data of a fit.

    Attributes
    ----------
    sentences : tuple of str
    groups, response, predictors : Grid
    """

    sentences: tuple[str, ...]
    groups: Grid
    response: Grid
    predictors: Grid | None


def overview(fit: MixedFit, roles: list[Role], scale: EffectScale, labels: Mapping[str, str]) -> Overview:
    """Describe the data of a fit.

    Parameters
    ----------
    fit : MixedFit
    roles : list of Role
        Of the fixed effects.
    scale : EffectScale
    labels : mapping
        The user's labels of variables and groups.
    """
    if fit.design.sums is not None:
        return _of_sums(fit, scale, labels)
    return Overview(
        (*_rows(fit, labels), *_relations(_factors(fit), labels), *_kind(fit, scale)),
        _groups(fit, labels),
        _response(fit, scale),
        _predictors(fit, roles),
    )


def _of_sums(fit: MixedFit, scale: EffectScale, labels: Mapping[str, str]) -> Overview:
    """What is known without the rows."""
    levels = tuple((label_of(t.group, labels), f"{len(t.levels):,}") for t in _factors(fit))
    spread = fit.column_spread
    sd = "not known" if spread is None else number(spread.response)
    return Overview(
        (
            *_rows(fit, labels),
            "Distributions of the variables and numbers of rows in each group are not shown: " + NO_ROWS,
        ),
        Grid("Groups", ("grouping factor", "levels"), levels, 1),
        Grid(f"Distribution of {scale.response}", ("rows", "standard deviation"), ((f"{fit.nobs:,}", sd),), 0),
        None,
    )


def _rows(fit: MixedFit, labels: Mapping[str, str]) -> list[str]:
    design = fit.design
    missing = n_missing(fit)
    other = design.n_input - fit.nobs - missing
    if fit.nobs == design.n_input:
        return [
            f"All {count(fit.nobs, 'row')} of the data were used; none has a missing value in the variables of the "
            "model."
        ]
    out = [
        f"{count(fit.nobs, 'row')} of {count(design.n_input, 'row')} were used ({percent(fit.nobs / design.n_input)})."
    ]
    if missing:
        where = ", ".join(f"{label_of(name, labels)} {n:,}" for name, n in design.missing_counts)
        out.append(
            f"{count(missing, 'row')} {'was' if missing == 1 else 'were'} left out because a value is missing"
            f"{f' ({where})' if where else ''}. That is harmless if values are missing by chance given the variables "
            "of the model."
        )
    if other > 0:
        out.append(
            f"{count(other, 'row')} {'was' if other == 1 else 'were'} left out by the choice of rows (subset) or a "
            "weight of zero."
        )
    return out


def _factors(fit: MixedFit) -> list[RandomTerm]:
    """One term for each grouping factor."""
    return list({t.group: t for t in fit.terms}.values())


def _relations(factors: list[RandomTerm], labels: Mapping[str, str]) -> list[str]:
    out = []
    for i, first in enumerate(factors):
        for second in factors[i + 1 :]:
            if not (first.has_one_level and second.has_one_level):
                continue
            few, many = sorted((first, second), key=lambda t: len(t.levels))
            pairs = _pairs(few, many)
            one, other = (label_of(t.group, labels) for t in (few, many))
            if pairs == len(many.levels):
                out.append(f"The levels of {other} are nested in {one}: each lies in one level of it.")
            elif pairs == len(many.levels) * len(few.levels):
                out.append(
                    f"{one} and {other} are fully crossed: every level of one occurs with every level of the other."
                )
            else:
                share = pairs / (len(many.levels) * len(few.levels))
                out.append(
                    f"{one} and {other} are crossed: {percent(share)} of the combinations of their levels occur."
                )
    return out


def rows_of_levels(term: RandomTerm) -> NDArray[np.intp]:
    """Number of rows of each level; of several levels of a row each counts."""
    rows = term.rows
    if rows is not None and rows.codes is None and rows.members is not None:
        return np.bincount(rows.members.level, minlength=len(term.levels))
    return np.bincount(term.codes, minlength=len(term.levels))


def _pairs(first: RandomTerm, second: RandomTerm) -> int:
    """Pairs of levels that occur."""
    return len(np.unique(first.codes.astype(np.int64) * len(second.levels) + second.codes))


def _kind(fit: MixedFit, scale: EffectScale) -> list[str]:
    if fit.response_kind == "binary":
        return [f"The response has two values; the model is of {scale.target}."] if scale.kind == "odds" else []
    if fit.family.support == "proportion" and fit.design.weights is not None:
        trials = float(fit.trials.sum())
        hits = float((fit.trials * fit.design.y).sum())
        return [
            f"The rows have {trials:.10g} trials together, of which {hits:.10g} ({percent(hits / trials)}) are a "
            f"success ({scale.response})."
        ]
    return []


def _groups(fit: MixedFit, labels: Mapping[str, str]) -> Grid:
    rows = []
    for term in _factors(fit):
        sizes = rows_of_levels(term)
        rows.append(
            (
                label_of(term.group, labels),
                str(len(term.levels)),
                str(sizes.min()),
                f"{float(np.median(sizes)):g}",
                str(sizes.max()),
            )
        )
    return Grid(
        "Groups and the number of rows in each",
        ("grouping factor", "levels", "smallest", "median", "largest"),
        tuple(rows),
        1,
    )


def _response(fit: MixedFit, scale: EffectScale) -> Grid:
    y = fit.design.y
    title = f"Distribution of {scale.response}"
    if fit.probability_types:
        return category_grid(fit, title)
    if fit.response_kind == "binary":
        levels = fit.design.response_levels or ("0", "1")
        ones = int(np.count_nonzero(y))
        rows = tuple(
            (str(v), str(n), percent(n / len(y))) for v, n in zip(levels[:2], (len(y) - ones, ones), strict=False)
        )
        return Grid(title, ("value", "rows", "share"), rows, 1)
    if fit.family.support == "proportion":
        title = f"Distribution of the share of {scale.response} over the rows"
    names = ("minimum", "lower quartile", "median", "mean", "upper quartile", "maximum", "standard deviation")
    quartiles = np.quantile(y, [0.0, 0.25, 0.5, 0.75, 1.0])
    spread = float(np.std(y, ddof=1)) if len(y) > 1 else float("nan")
    values = (*quartiles[:3], float(y.mean()), *quartiles[3:], spread)
    return Grid(title, names, (tuple(number(float(v)) for v in values),), 0)


def _predictors(fit: MixedFit, roles: list[Role]) -> Grid | None:
    if fit.columns_are_slopes:
        return None
    rows: list[tuple[str, ...]] = []
    for role, column in zip(roles, fit.x.T, strict=True):
        if len(role.pieces) != 1:
            continue
        piece = role.pieces[0]
        if piece.kind == "level":
            n = int(np.count_nonzero(column))
            note = (
                f"{piece.level} against {piece.reference}: {count(n, 'row')} ({percent(n / len(column))}) are "
                f"{piece.level}"
            )
            rows.append((piece.name, note, "", "", "", ""))
        else:
            rows.append((role.text, "number" if piece.kind == "number" else "column of a coding", *_spread(column)))
    if not rows:
        return None
    names = ("predictor", "kind", "mean", "standard deviation", "minimum", "maximum")
    if not any(r[2] for r in rows):
        return Grid("Predictors as the model takes them", names[:2], tuple(r[:2] for r in rows), 2)
    return Grid("Predictors as the model takes them", names, tuple(rows), 2)


def _spread(column: NDArray[np.float64]) -> tuple[str, ...]:
    sd = float(np.std(column, ddof=1)) if len(column) > 1 else float("nan")
    mean = float(column.mean())
    # The columns of a coding often add up to zero but for rounding.
    mean = 0.0 if abs(mean) < 1e-12 * float(np.abs(column).max()) else mean
    return tuple(number(v) for v in (mean, sd, float(column.min()), float(column.max())))


def used_sentence(fit: MixedFit, labels: Mapping[str, str]) -> str:
    """Rows and groups in one sentence."""
    groups = listed([f"{count(len(t.levels), 'level')} of {label_of(t.group, labels)}" for t in _factors(fit)])
    return f"It was fitted to {count(fit.nobs, 'row')}{f' in {groups}' if groups else ''}."
