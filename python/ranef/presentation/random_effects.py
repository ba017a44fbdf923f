"""The table of variance components:
one row for each effect of each grouping factor, correlations beside them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ranef.estimates.varcorr import FEW, MOST
from ranef.estimates.varcorr import VarCorr as Components
from ranef.presentation.numbers import format_fixed, format_numbers
from ranef.presentation.text_table import (
    NARROWEST_LABEL,
    WIDTH,
    broken_label,
    table_lines,
    text_width,
)

VARIANCE = "Variance"
STD_DEV = "Std.Dev."


@dataclass(frozen=True, slots=True, eq=False)
class VarianceBlock:
    """Standard deviations and correlations of the effects of one random term.

    Attributes
    ----------
    group : str
        The grouping factor, with a suffix where it occurs again (``Subject.1``).
    names : tuple of str
        The k effects.
    sd : ndarray, shape (k,)
        Their standard deviations.
    corr : ndarray, shape (k, k), or None
        Their correlations; None where the model has none to estimate.
    parameters : dict of str to float
        Those of the structure of their covariance; empty where that is free.
    """

    group: str
    names: tuple[str, ...]
    sd: NDArray[np.float64]
    corr: NDArray[np.float64] | None = None
    parameters: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_shortened(self) -> bool:
        """Whether there are many effects, as positions of a field have, that few parameters tell
        all of.
        """
        return len(self.names) > MOST and 0 < len(self.parameters) < len(self.names)

    @property
    def shown(self) -> int:
        """How many effects have a row."""
        return FEW if self.is_shortened else len(self.names)


@dataclass(frozen=True, slots=True)
class VarianceRow:
    """One row of the table, as texts; `correlations` holds those with the effects above."""

    group: str
    name: str
    components: tuple[str, ...]
    correlations: tuple[str, ...]


def variance_blocks(components: Components) -> tuple[VarianceBlock, ...]:
    """Turn the variances and correlations of a fit into what is printed of them."""
    return tuple(
        VarianceBlock(
            key,
            block.names,
            block.sd,
            None if block.diagonal or len(block.names) == 1 else block.corr,
            block.parameters,
        )
        for key, block in components.items()
    )


def format_variances(
    blocks: Sequence[VarianceBlock],
    sigma: float | None,
    digits: int = 4,
    components: Sequence[str] = (VARIANCE, STD_DEV),
) -> list[VarianceRow]:
    """Format the variance components, every column to one number of decimals. Of a shortened block
    there are the first rows, and one with how many follow.

    Parameters
    ----------
    blocks : sequence of VarianceBlock
        The random terms.
    sigma : float or None
        Residual standard deviation; None leaves the row of the residual out.
    digits : int, default 4
        Significant digits.
    components : sequence of str
        "Variance", "Std.Dev." or both.

    Returns
    -------
    list of VarianceRow
    """
    sds = [float(s) for b in blocks for s in b.sd[: b.shown]] + ([] if sigma is None else [float(sigma)])
    columns = [format_numbers([s * s for s in sds] if c == VARIANCE else sds, digits) for c in components]
    numbers = iter(zip(*columns, strict=True))
    rows = []
    for b in blocks:
        correlations = _correlation_rows(b, max(2, digits - 2))
        rows += [
            VarianceRow(b.group if i == 0 else "", b.names[i], next(numbers), correlations[i]) for i in range(b.shown)
        ]
        if b.is_shortened:
            rows.append(VarianceRow("", f"… ({len(b.names) - b.shown} more)", ("",) * len(columns), ()))
    if sigma is not None:
        rows.append(VarianceRow("Residual", "", next(numbers), ()))
    return rows


def _correlation_rows(block: VarianceBlock, decimals: int) -> list[tuple[str, ...]]:
    k = block.shown
    if block.corr is None or k == 1:
        return [()] * k
    texts = format_fixed(np.asarray(block.corr[:k, :k], dtype=np.float64).ravel().tolist(), decimals)
    return [tuple(texts[i * k : i * k + i]) for i in range(k)]


def variance_lines(
    blocks: Sequence[VarianceBlock],
    sigma: float | None,
    digits: int = 4,
    components: Sequence[str] = (VARIANCE, STD_DEV),
    width: int = WIDTH,
) -> list[str]:
    """Lay out the variance components as text; parameters as in :func:`format_variances`.

    Columns that do not fit into the width continue below, as in R, but names of more than half a
    line are broken instead.
    """
    rows = format_variances(blocks, sigma, digits, components)
    most = max((len(row.correlations) for row in rows), default=0)
    headings = ["Groups", "Name", *components, *(["Corr"] + [""] * (most - 1) if most else [])]
    cells = [
        [row.group, row.name, *row.components, *row.correlations, *[""] * (most - len(row.correlations))]
        for row in rows
    ]
    cells = _broken_names(headings, cells, len(components), width)
    return table_lines([""] * len(cells), headings, cells, right=False, width=width)


def _broken_names(headings: list[str], cells: list[list[str]], components: int, width: int) -> list[list[str]]:
    """Rows whose names, in the second column, leave room for the numbers: all of them, or at least
    the variances.
    """
    if max((text_width(row[1]) for row in cells), default=0) <= width // 2:
        return cells
    widths = [1 + max(map(text_width, column)) for column in zip(headings, *cells, strict=True)]
    for columns in (len(headings), 2 + components):
        room = width - 2 - sum(widths[:columns]) + widths[1]
        if room >= NARROWEST_LABEL:
            break
    out = []
    for row in cells:
        first, *rest = broken_label(row[1], room)
        out.append([row[0], first, *row[2:]])
        out += [["", line, *[""] * (len(row) - 2)] for line in rest]
    return out
