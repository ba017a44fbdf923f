"""Phrases that sentences on pictures share."""

import math

#: p-values below this are not written out.
LEAST = 0.001


def p_words(p: float) -> str:
    """A p-value in words."""
    return "p < 0.001" if p < LEAST else f"p = {p:.2g}"


def often(p: float) -> str:
    """A share of chance in words."""
    return f"{max(1, math.floor(100 * p + 0.5))} %"


def chance_words(p: float) -> str:
    """How often a correct model gives as much."""
    return f"in {often(p)} of data sets from a correct model chance gives as much"
