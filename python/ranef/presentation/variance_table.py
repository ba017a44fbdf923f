"""Variance components on their own, as text and HTML."""

from collections.abc import Sequence

from ranef.estimates.varcorr import VarCorr as Components
from ranef.presentation.document import Document, variance_grid
from ranef.presentation.html import html
from ranef.presentation.numbers import format_number
from ranef.presentation.random_effects import VarianceBlock, variance_blocks, variance_lines
from ranef.presentation.text_table import WIDTH, terminal_width

#: Significant digits.
_DIGITS = 5


class VarCorr(Components):
    """Variances and correlations that print as lme4 prints them."""

    @classmethod
    def of(cls, components: Components) -> "VarCorr":
        """The same components."""
        return cls(dict(components), components.sigma)

    def __repr__(self) -> str:
        blocks = variance_blocks(self)
        lines = variance_lines(blocks, self.sigma, _DIGITS, width=terminal_width() or WIDTH)
        return "\n".join([*(line.rstrip() for line in lines), *_structures(blocks)])

    def _repr_html_(self) -> str:
        blocks = variance_blocks(self)
        return html(Document("", (), (variance_grid("", blocks, self.sigma, _DIGITS),), _structures(blocks)))


def _structures(blocks: Sequence[VarianceBlock]) -> tuple[str, ...]:
    """A line for every term of which not all effects are shown, with what they follow from."""
    return tuple(
        f"{b.group}: {', '.join(f'{name} {format_number(value, _DIGITS)}' for name, value in b.parameters.items())}"
        for b in blocks
        if b.is_shortened
    )
