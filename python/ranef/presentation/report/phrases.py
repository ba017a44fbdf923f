"""Numbers and lists as a sentence has them."""

import math
from collections.abc import Sequence


def number(x: float, digits: int = 3) -> str:
    """A number to so many significant digits, without an exponent unless it is tiny or huge."""
    if not math.isfinite(x):
        return "not available" if math.isnan(x) else "infinite" if x > 0 else "minus infinity"
    if x == 0:
        return "0"
    exponent = math.floor(math.log10(abs(x)))
    if exponent < -4 or exponent > 7:
        return f"{x:.{digits - 1}e}"
    return f"{x:.{max(0, digits - 1 - exponent)}f}"


def decimals_for(scale: float, digits: int = 3, most: int = 8) -> int:
    """Decimals with which a number of this size shows so many significant digits."""
    if not math.isfinite(scale) or scale <= 0:
        return 3
    return min(most, max(0, digits - 1 - math.floor(math.log10(scale))))


def signed(x: float) -> str:
    """A number with its sign, also a plus."""
    return number(x) if x < 0 or not math.isfinite(x) else f"+{number(x)}"


def percent(share: float) -> str:
    """A share in per cent."""
    if not math.isfinite(share):
        return "an unknown share"
    value = 100 * share
    if value == 0:
        return "0 %"
    if 0 < value < 0.1:
        return "less than 0.1 %"
    return f"{value:.1f} %" if value < 10 else f"{value:.0f} %"


def p_cell(p: float) -> str:
    """A p-value as a table has it."""
    if math.isnan(p):
        return ""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def p_words(p: float) -> str:
    """A p-value as a sentence has it."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def with_article(noun: str) -> str:
    """A noun after "a" or "an"."""
    return f"an {noun}" if noun[:1].lower() in tuple("aeiou") else f"a {noun}"


def listed(items: Sequence[str], word: str = "and") -> str:
    """Items with commas, the last after a word."""
    if len(items) < 3:
        return f" {word} ".join(items)
    return f"{', '.join(items[:-1])} {word} {items[-1]}"


def count(n: int, singular: str, plural: str | None = None) -> str:
    """A number of things."""
    return f"{n} {singular if n == 1 else plural or singular + 's'}"


def sentence(text: str) -> str:
    """With a capital letter at its beginning."""
    return text[:1].upper() + text[1:]
