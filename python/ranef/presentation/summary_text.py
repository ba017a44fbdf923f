"""A summary as text, line by line as lme4 prints it.

Two things are added to lme4's lines: below the header AIC, BIC, log-likelihood and the deviances of
both criteria, as early versions of lme4 printed them; at the end remarks and the verdict on the
fit.
"""

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ranef.presentation.abbreviate import abbreviate
from ranef.presentation.coefficients import coefficient_lines
from ranef.presentation.formula_lines import LIMIT, formula_lines
from ranef.presentation.numbers import format_fixed, format_number, format_numbers, round_decimals, zap_small
from ranef.presentation.random_effects import STD_DEV, VARIANCE, variance_lines
from ranef.presentation.text_table import (
    WIDTH,
    filled_lines,
    named_lines,
    table_lines,
    terminal_width,
    text_width,
    wrapped,
)
from ranef.presentation.titles import title_lines

if TYPE_CHECKING:
    from ranef.presentation.summary import Criteria, ModelCall, Summary

QUANTILE_NAMES = ("Min", "1Q", "Median", "3Q", "Max")

#: Width to which labels of the rows and columns of the correlation matrix are shortened.
ROW_LABEL, COLUMN_LABEL = 11, 6

#: Between two parameters of a covariance structure, whose names may have commas in brackets.
_PARAMETERS = re.compile(r", (?![^()]*\))")

#: The level of a factor in the name of a column: ``[T.Low]``, ``[.L]``, ``[a]``.
_LEVEL = re.compile(r"\[(?:[A-Z]\.)?([^\[\]]*)\](?=:|$)")

#: Decimals of criteria in a summary.
CRITERION_DECIMALS = 1

#: Decimals of the correlations of fixed effects.
CORRELATION_DECIMALS = 3

#: Significant digits of a number that is printed in running text.
_RUNNING_DIGITS = 7

#: A formula's line may end once it is longer than the width less this.
_FORMULA_MARGIN = 20


def summary_text(summary: "Summary", digits: int, width: int | None = None) -> str:
    """Return the whole text, in lines of a width; None is that of the terminal."""
    return "\n".join(line for _, lines in summary_blocks(summary, digits, width) for line in lines)


def summary_blocks(summary: "Summary", digits: int, width: int | None = None) -> list[tuple[str, list[str]]]:
    """Return the parts of the text in order, each with a name.

    Blank lines belong to the part they follow or lead to. Tables always fit into the width, which
    is 80 where no terminal is printed to; sentences are broken only where it is known.
    """
    known = terminal_width() if width is None else width
    width = WIDTH if known is None else known
    c = summary.criteria
    blocks = [("header", header_lines(summary, width)), ("deviances", deviance_lines(c, width))]
    # All that lme4's table of a fit by maximum likelihood has is in the line above it.
    own = criterion_lines(c, CRITERION_DECIMALS, width) if c.reml or c.ml_deviance is None else []
    blocks.append(("criterion", ["", *own, ""] if own else [""]))
    if summary.residual_quantiles is not None:
        blocks.append(("residuals", ["Scaled residuals: ", *quantile_lines(summary, digits, width), ""]))
    blocks += random_blocks(summary, digits, width)
    if summary.fixed.names:
        blocks.append(
            ("fixed", ["", f"{summary.fixed_heading}:", *coefficient_lines(summary.fixed, digits, width=width)])
        )
    for heading, table in summary.parts:
        blocks.append(("part", ["", f"{heading}:", *coefficient_lines(table, digits, width=width)]))
    if summary.visits is not None:
        blocks.append(("visits", summary.visits.lines(digits, width)))
    if summary.correlation_shown:
        blocks.append(("correlation", ["", "Correlation of Fixed Effects:", *correlation_lines(summary, width)]))
    sentences = [*(f"note: {note}" for note in summary.remarks), summary.verdict]
    blocks.append(("verdict", ["", *wrapped(sentences, known)]))
    return blocks


def random_blocks(summary: "Summary", digits: int, width: int) -> list[tuple[str, list[str]]]:
    """Random effects and the numbers of rows and levels, or of subjects and visits."""
    if summary.visits is not None:
        left_out = [] if summary.rows_used is None else filled_lines(summary.rows_used.split(" "), width=width)
        counts = f"Number of obs: {summary.n_obs}, subjects: {summary.visits.subjects}"
        return [("groups", [counts, *(t.rstrip() for t in left_out)])]
    return [
        ("random", variance_block(summary, digits, width=width)),
        ("groups", group_lines(summary.n_obs, summary.groups, summary.rows_used, width)),
    ]


def variance_block(
    summary: "Summary", digits: int, components: Sequence[str] = (VARIANCE, STD_DEV), width: int = WIDTH
) -> list[str]:
    """The variance components with their heading; one line where only the residual's is there."""
    if not summary.random and summary.sigma is not None:
        return [f"Residual standard deviation: {format_number(summary.sigma, digits)}"]
    return ["Random effects:", *variance_lines(summary.random, summary.sigma, digits, components, width)]


def header_lines(summary: "Summary", width: int = WIDTH) -> list[str]:
    """Lay out title, family, formula, data and other arguments."""
    lines = title_lines(summary.title, width)
    if summary.family is not None:
        lines.append(f" Family: {summary.family}")
    lines += call_lines(summary.call, width)
    return lines if summary.visits is None else [*lines, f"Covariance: {summary.visits.structure}"]


def call_lines(call: "ModelCall", width: int = WIDTH) -> list[str]:
    """Lay out formula, data and other arguments."""
    lines = filled_lines(["Formula:", *formula_lines(call.formula, min(LIMIT, width - _FORMULA_MARGIN))], width=width)
    for label, text in call.labelled():
        items = _PARAMETERS.split(text) if label == "Structure" else [text]
        lines += filled_lines([f"{label:>7}: {items[0]}", *items[1:]], separator=", ", width=width)
    return lines


def deviance_lines(criteria: "Criteria", width: int = WIDTH) -> list[str]:
    """Lay out information criteria and both deviances, where there are both."""
    if criteria.ml_deviance is None or criteria.reml_deviance is None:
        return []
    values = {
        "AIC": criteria.aic,
        "BIC": criteria.bic,
        "logLik": criteria.log_lik,
        "MLdeviance": criteria.ml_deviance,
        "REMLdeviance": criteria.reml_deviance,
    }
    values = {name: v for name, v in values.items() if not math.isnan(v)}
    cells = [format_fixed(values.values(), CRITERION_DECIMALS)]
    return table_lines([""], list(values), cells, right=True, width=width)


def criterion_lines(criteria: "Criteria", decimals: int, width: int = WIDTH) -> list[str]:
    """Lay out the REML criterion or, for maximum likelihood, the table of information criteria."""
    if criteria.reml:
        value = format_number(round_decimals(criteria.objective, decimals), _RUNNING_DIGITS)
        return [f"REML criterion at convergence: {value}"]
    known = {
        "AIC": criteria.aic,
        "BIC": criteria.bic,
        "logLik": criteria.log_lik,
        "deviance": criteria.objective,
        "df.resid": criteria.df_resid,
    }
    # a pseudo-likelihood has no information criteria
    values = {name: v for name, v in known.items() if not math.isnan(v)}
    texts = format_numbers([round_decimals(v, decimals) for v in values.values()])
    # The whole number takes part in the common format, so it can widen the columns, but it is shown
    # without decimals.
    texts[-1] = str(criteria.df_resid)
    return named_lines(list(values), texts, width=width)


def quantile_lines(summary: "Summary", digits: int, width: int = WIDTH) -> list[str]:
    """Lay out the quantiles of the scaled residuals."""
    quantiles = np.asarray(summary.residual_quantiles, dtype=np.float64).tolist()
    return named_lines(QUANTILE_NAMES, format_numbers(zap_small(quantiles, digits + 1), digits), width=width)


def group_lines(
    n_obs: int, groups: tuple[tuple[str, int], ...], rows_used: str | None = None, width: int = WIDTH
) -> list[str]:
    """Lay out the numbers of observations and of levels, and which rows were left out."""
    items = [f"{name}, {count}" for name, count in groups]
    counts = "; ".join(items)
    lead = f"Number of obs: {n_obs}, groups: " if groups else f"Number of obs: {n_obs}"
    left_out = [] if rows_used is None else [t.rstrip() for t in filled_lines(rows_used.split(" "), width=width)]
    if text_width(lead) + 1 + text_width(counts) > width:
        fits = text_width(counts) <= width
        return [f"{lead} ", *([counts] if fits else filled_lines(items, separator="; ", width=width)), *left_out]
    return [f"{lead} {counts}".rstrip(), *left_out]


def correlation_cells(summary: "Summary") -> list[list[str]]:
    """Return the strict lower triangle of the correlations as texts, without the first row."""
    p = len(summary.fixed.names)
    texts = format_fixed(
        np.asarray(summary.correlation, dtype=np.float64).ravel().tolist(), CORRELATION_DECIMALS, na="NaN"
    )
    return [texts[i * p : i * p + i] for i in range(1, p)]


def correlation_lines(summary: "Summary", width: int = WIDTH) -> list[str]:
    """Lay out the correlations of the fixed effects under shortened labels."""
    names = _unmarked(summary.fixed.names)
    rows = abbreviate(names, ROW_LABEL)[1:]
    columns = abbreviate(names, COLUMN_LABEL)[:-1]
    cells = [row + [""] * (len(columns) - len(row)) for row in correlation_cells(summary)]
    return table_lines(rows, columns, cells, right=False, width=width)


def _unmarked(names: Sequence[str]) -> list[str]:
    """Put the levels of factors behind their names without brackets,
    as R does, so that short labels keep more.
    """
    plain = [_LEVEL.sub(r"\1", name) for name in names]
    return plain if len(set(plain)) == len(set(names)) else list(names)
