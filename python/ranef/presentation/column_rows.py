"""Rows of a table of models that all layouts share: random effects, statistics, and the decimals of
a row.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ranef.presentation.model_column import STATISTICS, ModelColumn
from ranef.presentation.numbers import format_fixed, round_decimals
from ranef.presentation.term_labels import label_of, same_group

#: Text of a correlation that does not exist.
UNDEFINED = "undefined"

#: What is known of them when a correlation does not exist.
UNDEFINED_NOTE = f"{UNDEFINED}: an effect whose variance is zero has no correlation."

#: Decimals of shares of variance and of criteria.
_SHARE, _CRITERION = 3, 1

#: Decimals that APA wants at least.
LEAST = 2

#: How many more decimals than its largest number a row may have for the sake of its smallest.
_FINER = 2

#: Decimals up to which a number below 1 is never written by a power of ten.
_MOST = 6

Row = tuple[str, tuple[str, ...]]


def row_decimals(values: Sequence[float], digits: int, least: int = 0) -> int:
    """Decimals of a row: those with which its smallest number shows its significant digits, and at
    least so many.
    """
    sizes = [abs(v) for v in values if math.isfinite(v) and v != 0]
    if not sizes:
        return max(digits, least)
    finest, coarsest = (digits - 1 - math.floor(math.log10(s)) for s in (min(sizes), max(sizes)))
    return min(12, max(least, min(finest, coarsest + _FINER)))


def fixed_text(x: float, decimals: int) -> str:
    """A number with just so many decimals; powers of ten are for what is very small or large."""
    rounded = round_decimals(x, decimals)
    if abs(rounded) < 1 and decimals <= _MOST:
        return f"{rounded + 0.0:.{decimals}f}"
    return format_fixed([rounded], decimals)[0]


def unled(text: str) -> str:
    """A number without the zero before its point, as APA has those that cannot exceed 1."""
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text


def random_rows(
    models: Sequence[ModelColumn], labels: Mapping[str, str], digits: int, *, apa: bool = False
) -> list[Row]:
    """Standard deviations and correlations of the random effects, a cell for each model."""
    found = [random_parameters(m) for m in models]
    pairs = _correlated(models)
    rows: list[Row] = []
    for key in sorted(dict.fromkeys(k for f in found for k in f), key=lambda k: k[1] == "Residual"):
        part, group, term = key
        values = [f.get(key) for f in found]
        if part == "correlation":
            first, second = (label_of(name, labels) for name in pairs[(group, term)])
            label = f"Correlation {first} with {second}, {label_of(group, labels)}"
            decimals, short = 2, apa
        elif part == "structure":
            label = f"{'SD' if term == 'sd' else term.capitalize()}, {label_of(group, labels)}"
            decimals, short = row_decimals([v for v in values if v is not None], digits, LEAST * apa), False
        else:
            residual = group == "Residual"
            label = "SD residual" if residual else f"SD {label_of(term, labels)}, {label_of(group, labels)}"
            decimals, short = row_decimals([v for v in values if v is not None], digits, LEAST * apa), False
        rows.append((label, tuple(_cell(v, decimals, short) for v in values)))
    return rows


def fit_rows(
    models: Sequence[ModelColumn],
    labels: Mapping[str, str],
    statistics: Sequence[str],
    digits: int,
    *,
    apa: bool = False,
) -> list[Row]:
    """The statistics of the models, a cell for each."""
    rows: list[Row] = []
    for name in statistics:
        if name == "groups":
            for group in dict.fromkeys(g for m in models for g, _ in m.groups):
                counts = [dict(m.groups).get(group) for m in models]
                cells = tuple("" if c is None else str(c) for c in counts)
                rows.append((f"Levels of {label_of(group, labels)}", cells))
            continue
        if name == "shape":
            for key in dict.fromkeys(k for m in models for k in m.shape):
                own = [m.shape.get(key) for m in models]
                decimals = row_decimals([v for v in own if v is not None], digits, LEAST * apa)
                rows.append((f"Shape: {label_of(key, labels)}", tuple(_cell(v, decimals, False) for v in own)))
            continue
        values = [m.statistics.get(name) for m in models]
        known = [v for v in values if v is not None]
        if not known:
            continue
        if name == "dispersion":
            decimals = row_decimals(known, digits, LEAST * apa)
        else:
            decimals = 0 if name == "nobs" else _CRITERION if name in ("llf", "aic", "bic") else _SHARE
        short = apa and name in ("icc", "r2_marginal", "r2_conditional")
        rows.append((STATISTICS[name], tuple(_cell(v, decimals, short) for v in values)))
    return rows


def method_rows(models: Sequence[ModelColumn]) -> list[Row]:
    """Family, where some model has one, and method of estimation."""
    families = [("Family", tuple(m.family or "gaussian" for m in models))] if any(m.family for m in models) else []
    return [*families, ("Estimated by", tuple(m.method for m in models))]


def random_parameters(m: ModelColumn) -> dict[tuple[str, str, str], float]:
    """Standard deviations and correlations by part, group and term; of many effects whose
    covariance has a structure its parameters.
    """
    out: dict[tuple[str, str, str], float] = {}
    for block in m.random:
        if block.is_shortened:
            out |= {("structure", block.group, name): float(value) for name, value in block.parameters.items()}
            continue
        for name, sd in zip(block.names, block.sd, strict=True):
            out[("sd", block.group, name)] = float(sd)
        if block.corr is not None:
            for i, first in enumerate(block.names):
                for j in range(i + 1, len(block.names)):
                    out[("correlation", block.group, f"{first}.{block.names[j]}")] = float(block.corr[j, i])
    if m.sigma is not None:
        out[("sd", "Residual", "")] = float(m.sigma)
    return out


def without_correlation(models: Sequence[ModelColumn]) -> bool:
    """Whether some correlation does not exist."""
    return any(math.isnan(v) for m in models for k, v in random_parameters(m).items() if k[0] == "correlation")


def names_of(models: Sequence[ModelColumn]) -> list[str]:
    """All names that can have a label."""
    effects = [(n, b.group) for m in models for b in m.random for n in b.names]
    groups = [g for m in models for g, _ in m.groups]
    terms = [t for m in models for t in (*m.terms, *(t for part in m.parts for t in part.terms))]
    return [*terms, *(k for m in models for k in m.shape), *(n for n, _ in effects), *(g for _, g in effects), *groups]


def with_common_groups(models: Sequence[ModelColumn]) -> list[ModelColumn]:
    """The models with one name for each grouping: ``class:school`` of one model and
    ``school:class`` of the next share their rows.
    """
    known: list[str] = []
    out = []
    for m in models:
        own = [group for group, _ in m.groups]
        names = {g: g if g in known else same_group(g, [k for k in known if k not in own]) for g in own}
        known += [n for n in names.values() if n not in known]
        random = tuple(replace(b, group=names.get(b.group, b.group)) for b in m.random)
        out.append(replace(m, random=random, groups=tuple((names[g], n) for g, n in m.groups)))
    return out


def _correlated(models: Sequence[ModelColumn]) -> dict[tuple[str, str], tuple[str, str]]:
    """The two effects of each correlation, by its group and term."""
    return {
        (b.group, f"{b.names[i]}.{b.names[j]}"): (b.names[i], b.names[j])
        for m in models
        for b in m.random
        if not b.is_shortened
        for i in range(len(b.names))
        for j in range(i + 1, len(b.names))
    }


def _cell(value: float | None, decimals: int, short: bool) -> str:
    if value is None:
        return ""
    if math.isnan(value):
        return UNDEFINED
    text = fixed_text(value, decimals)
    return unled(text) if short else text
