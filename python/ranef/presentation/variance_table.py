"""Variance components on their own, as text and HTML."""

from ranef.estimates.varcorr import VarCorr as Components
from ranef.presentation.document import Document, variance_grid
from ranef.presentation.html import html
from ranef.presentation.random_effects import variance_blocks, variance_lines
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
        lines = variance_lines(variance_blocks(self), self.sigma, _DIGITS, width=terminal_width() or WIDTH)
        return "\n".join(line.rstrip() for line in lines)

    def _repr_html_(self) -> str:
        return html(Document("", (), (variance_grid("", variance_blocks(self), self.sigma, _DIGITS),), ()))
