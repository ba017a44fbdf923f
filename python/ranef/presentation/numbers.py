"""Numbers as text, by the rules R prints them with.

A vector of numbers is printed with one common number of decimals: the smallest with which the
element that needs most of them still shows ``digits`` significant digits (trailing zeros do not
count as needed). Scientific notation is used only where fixed notation would be wider. These two
rules decide most of what a printed model looks like.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

#: A double has no more significant digits than this.
MAX_DIGITS = 15

_LOG10_2 = math.log10(2.0)

#: Upper limits of the p-values that earn each mark, and the marks.
STAR_LIMITS = (0.0, 0.001, 0.01, 0.05, 0.1, 1.0)
STAR_MARKS = ("***", "**", "*", ".", " ")
STAR_LEGEND = "0 ‘***’ 0.001 ‘**’ 0.01 ‘*’ 0.05 ‘.’ 0.1 ‘ ’ 1"

#: The distance from 1 to the next double: smaller p-values are printed as "<2e-16".
EPSILON = 2.220446049250313e-16


@dataclass(frozen=True, slots=True)
class _Shape:
    """How one number looks at a given number of significant digits."""

    negative: bool
    exponent: int  # of the leading digit after rounding
    significant: int  # digits left when trailing zeros are dropped
    left: int  # digits before the decimal point in fixed notation (0 or less: below one)


def _shape(x: float, digits: int) -> _Shape:
    if x == 0.0:
        return _Shape(False, 0, 1, 1)
    mantissa, _, power = f"{abs(x):.{digits - 1}e}".partition("e")
    exponent = int(power)
    left = exponent + 1
    # Rounding to `digits` digits may carry into a new leading digit (9996 -> 1.00e4) where fixed
    # notation, which never rounds in front of the decimal point, does not: then no room is needed
    # for that digit.
    if exponent > 0 and abs(x) < 10.0**exponent - 0.5 / 10.0 ** max(0, digits - exponent):
        left -= 1
    return _Shape(x < 0, exponent, max(1, len(mantissa.replace(".", "").rstrip("0"))), left)


def _special(x: float, na: str) -> str:
    return na if math.isnan(x) else ("Inf" if x > 0 else "-Inf")


def format_numbers(values: Iterable[float], digits: int = 7, nsmall: int = 0, *, na: str = "NaN") -> list[str]:
    """Format numbers together, padded on the left to one width.

    Parameters
    ----------
    values : iterable of float
        The numbers.
    digits : int, default 7
        Significant digits that at least the element in need of most decimals shows.
    nsmall : int, default 0
        Least number of decimals in fixed notation.
    na : str, default "NaN"
        Text of a missing number.

    Returns
    -------
    list of str
        One text for each number, all of the same width.
    """
    numbers = [float(v) for v in values]
    digits = min(max(digits, 1), MAX_DIGITS)
    shapes = [_shape(x, digits) for x in numbers if math.isfinite(x)]
    decimals, scientific, width = 0, False, 0
    if shapes:
        decimals = max(0, *(s.significant - s.exponent - 1 for s in shapes))
        integer_width = max(s.negative + max(s.left, 1) for s in shapes)
        fixed_width = integer_width + decimals + (decimals > 0)
        mantissa = max(s.significant for s in shapes) - 1
        exponent_digits = 3 if max(abs(s.exponent) for s in shapes) >= 100 else 2
        scientific_width = any(s.negative for s in shapes) + 1 + (mantissa > 0) + mantissa + 2 + exponent_digits
        scientific = fixed_width > scientific_width
        decimals = mantissa if scientific else max(decimals, nsmall)
        width = scientific_width if scientific else integer_width + decimals + (decimals > 0)
    kind = "e" if scientific else "f"
    # Adding zero turns minus zero into zero.
    texts = [f"{x + 0.0:.{decimals}{kind}}" if math.isfinite(x) else _special(x, na) for x in numbers]
    return pad(texts, width)


def format_number(x: float, digits: int = 7) -> str:
    """Format one number on its own."""
    return format_numbers([x], digits)[0].strip()


def format_fixed(values: Iterable[float], decimals: int, *, na: str = "NaN") -> list[str]:
    """Round to a number of decimals and show exactly those, padded to one width."""
    return format_numbers([round_decimals(v, decimals) for v in values], nsmall=decimals, na=na)


def pad(texts: Sequence[str], width: int = 0) -> list[str]:
    """Right-align texts to a width, or to that of the widest where it is larger."""
    width = max(width, *(len(t) for t in texts)) if texts else width
    return [t.rjust(width) for t in texts]


def round_decimals(x: float, decimals: int) -> float:
    """Round to a number of decimals:
    the nearer of the two candidates, the even one when both are equally near.
    """
    if not math.isfinite(x) or x == 0.0:
        return x
    if decimals == 0:
        return math.copysign(float(round(x)), x)
    # The number of digits in front of the decimal point, from the binary exponent.
    leading = (math.frexp(x)[1] - 0.5) * _LOG10_2
    if decimals + leading > MAX_DIGITS:
        return x  # a double carries no more digits than are kept
    if abs(decimals) > 300:
        return 0.0 if decimals < 0 else x
    scale = 10.0 ** abs(decimals)
    size = abs(x)
    scaled = size * scale if decimals >= 0 else size / scale
    if not math.isfinite(scaled):
        return x
    low, high = math.floor(scaled), math.ceil(scaled)
    below = low / scale if decimals >= 0 else low * scale
    above = high / scale if decimals >= 0 else high * scale
    to_below, to_above = size - below, above - size
    rounded = below if to_below < to_above or (to_below == to_above and low % 2 == 0) else above
    return math.copysign(rounded, x)


def zap_small(values: Iterable[float], digits: int = 7) -> list[float]:
    """Round so that the largest number keeps about `digits` significant digits.

    What is tiny beside it becomes zero.
    """
    numbers = [float(v) for v in values]
    known = [abs(x) for x in numbers if not math.isnan(x)]
    largest = max(known, default=0.0)
    if math.isinf(largest):
        decimals = 0
    else:
        decimals = max(0, math.floor(digits - math.log10(largest) + 0.5)) if largest > 0 else digits
    return [round_decimals(x, decimals) for x in numbers]


def format_p_values(values: Iterable[float], digits: int = 3, eps: float = EPSILON, *, na: str = "NA") -> list[str]:
    """Format p-values: large ones in fixed, small ones in scientific notation, tiny ones as "<eps".

    Parameters
    ----------
    values : iterable of float
        The p-values.
    digits : int, default 3
        Significant digits.
    eps : float
        Values below it are shown as "<eps".
    na : str, default "NA"
        Text of a missing value.

    Returns
    -------
    list of str
        One text for each value, of whatever width each group of them needs.
    """
    numbers = [float(v) for v in values]
    texts = [na] * len(numbers)
    known = [i for i, p in enumerate(numbers) if not math.isnan(p)]
    shown = [i for i in known if numbers[i] >= eps]
    # Below this, scientific notation is the shorter one.
    smallest_fixed = -4 if digits > 1 else -3
    plain = [i for i in shown if numbers[i] == 0.0 or math.floor(math.log10(numbers[i])) >= smallest_fixed]
    small = [i for i in shown if i not in plain]
    for group in (plain, small):
        for i, text in zip(group, format_numbers([numbers[i] for i in group], digits), strict=True):
            texts[i] = text
    tiny = [i for i in known if numbers[i] < eps]
    if tiny:
        limit_digits = max(1, digits - 2)
        gap = "" if limit_digits == 1 else " "
        if shown:
            width = max(len(texts[i]) for i in shown)
            if limit_digits > 1 and limit_digits + 6 > width:
                limit_digits = max(1, width - 7)
            gap = "" if limit_digits == 1 and width <= 6 else " "
        for i in tiny:
            texts[i] = f"<{gap}{format_number(eps, limit_digits)}"
    return texts


def format_table_p_values(values: Iterable[float], digits: int = 4) -> list[str]:
    """Format p-values as :func:`format_p_values` does, with all tiny ones as "<2e-16"."""
    limit = f"<{format_number(EPSILON, 1)}"
    return [limit if text.startswith("<") else text for text in format_p_values(values, digits)]


def format_degrees_of_freedom(values: Iterable[float], digits: int = 4) -> list[str]:
    """Format in fixed notation whatever the size, with the decimals of the one that needs most."""
    numbers = [float(v) for v in values]
    alone = [format_number(v, digits) for v in numbers if math.isfinite(v)]
    return format_fixed(numbers, max((len(t.partition(".")[2]) for t in alone if "e" not in t), default=0))


def stars(p: float) -> str:
    """Return the mark of a p-value:
    three stars below 0.001, two below 0.01, one below 0.05, a dot below 0.1.
    """
    if math.isnan(p):
        return ""
    for (_, upper), mark in zip(pairwise(STAR_LIMITS), STAR_MARKS, strict=True):
        if p <= upper:
            return mark
    return "?"
