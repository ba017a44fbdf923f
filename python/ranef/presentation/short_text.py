"""The short text of a fitted model: what ``print`` shows in lme4."""

import numpy as np

from ranef.presentation.numbers import format_numbers
from ranef.presentation.random_effects import STD_DEV
from ranef.presentation.summary import Summary
from ranef.presentation.summary_text import criterion_lines, group_lines, header_lines, variance_block
from ranef.presentation.text_table import WIDTH, named_lines, terminal_width, wrapped

#: Decimals of the criterion.
CRITERION_DECIMALS = 4


def short_text(summary: Summary, digits: int | None = None) -> str:
    """Return header, criterion, standard deviations,
    numbers of levels and fixed effects, without tests.

    Parameters
    ----------
    summary : Summary
        The model's numbers; of the fixed effects only the column "Estimate" is used, residuals and
        correlations are not.
    digits : int, optional
        Significant digits; by default those of the record, 4.
    """
    digits = summary.digits if digits is None else digits
    known = terminal_width() if summary.width is None else summary.width
    width = WIDTH if known is None else known
    lines = header_lines(summary, width)
    lines += criterion_lines(summary.criteria, CRITERION_DECIMALS)
    if summary.visits is None:
        lines += variance_block(summary, digits, (STD_DEV,), width)
        lines += group_lines(summary.n_obs, summary.groups, summary.rows_used, width)
    else:
        lines.append(f"Number of obs: {summary.n_obs}, subjects: {summary.visits.subjects}")
    if summary.fixed.names:
        estimates = np.asarray(summary.fixed.column("Estimate")).tolist()
        lines += [
            "Fixed Effects:",
            *named_lines(summary.fixed.names, format_numbers(estimates, digits), gap=2, width=width),
        ]
    else:
        lines.append("No fixed effect coefficients")
    lines += wrapped([*(f"note: {note}" for note in summary.notes), summary.verdict], known)
    return "\n".join(lines)
