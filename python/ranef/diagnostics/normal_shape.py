"""How the shape of a sample differs from a normal one."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Fewer values than this do not show the shape of a distribution.
FEW = 20

#: Least divisor.
TINY = 1e-12


@dataclass(frozen=True, slots=True)
class Shape:
    """Skewness and tails.

    Attributes
    ----------
    skewness, excess : float
        Third and fourth standardised moments, the latter minus 3.
    skew_size, tail_size : float
        Both as values of a standard normal variable if the sample is normal (D'Agostino 1970,
        Anscombe and Glynn 1983).
    """

    skewness: float
    excess: float
    skew_size: float
    tail_size: float

    @property
    def p_values(self) -> tuple[float, float]:
        """Chance of as large a skewness and excess in normal samples, each times two as there are
        two of them.
        """
        from scipy.special import ndtr

        skew, tail = (float(min(1.0, 4.0 * ndtr(-abs(s)))) for s in (self.skew_size, self.tail_size))
        return skew, tail


def shape(values: Floats) -> Shape:
    """Describe a sample of 20 values or more, not all equal."""
    n = len(values)
    centred = values - values.mean()
    square = centred * centred
    variance = float(square.mean())
    skewness = float((square * centred).mean()) / variance**1.5
    excess = float((square * square).mean()) / variance**2 - 3.0
    return Shape(skewness, excess, _skew_size(skewness, n), _tail_size(excess, n))


def _skew_size(skewness: float, n: int) -> float:
    """D'Agostino's transformation of a skewness to a standard normal variable."""
    y = skewness * math.sqrt((n + 1) * (n + 3) / (6 * (n - 2)))
    fourth = 3 * (n**2 + 27 * n - 70) * (n + 1) * (n + 3) / ((n - 2) * (n + 5) * (n + 7) * (n + 9))
    square = math.sqrt(2 * (fourth - 1)) - 1
    return math.asinh(y / math.sqrt(2 / (square - 1))) / math.sqrt(0.5 * math.log(square))


def _tail_size(excess: float, n: int) -> float:
    """Anscombe and Glynn's transformation of an excess kurtosis."""
    mean = 3 * (n - 1) / (n + 1) - 3
    variance = 24 * n * (n - 2) * (n - 3) / ((n + 1) ** 2 * (n + 3) * (n + 5))
    x = (excess - mean) / math.sqrt(variance)
    skewness = 6 * (n**2 - 5 * n + 2) / ((n + 7) * (n + 9)) * math.sqrt(6 * (n + 3) * (n + 5) / (n * (n - 2) * (n - 3)))
    a = 6 + 8 / skewness * (2 / skewness + math.sqrt(1 + 4 / skewness**2))
    below = 1 + x * math.sqrt(2 / (a - 4))
    root = math.copysign(((1 - 2 / a) / max(abs(below), TINY)) ** (1 / 3), below)
    return (1 - 2 / (9 * a) - root) / math.sqrt(2 / (9 * a))
