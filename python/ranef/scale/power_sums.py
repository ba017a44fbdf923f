"""Sums of powers that can be merged, and the orthogonal polynomials that follow from them."""

import math
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.errors import DesignError

Floats = NDArray[np.float64]

#: Digits in which the recurrence is computed: it loses some for every degree.
_DIGITS = 120


@dataclass(frozen=True, slots=True, eq=False)
class PowerSums:
    """Sums of the powers of t = (x - shift) / scale over some values x.

    Attributes
    ----------
    degree : int
    what : str
        The variable, for messages.
    shift, scale : float
    high, low : tuple of float
        The sums of the powers 0 to 2 degree, each as a sum of two numbers.
    distinct : array
        Up to degree + 1 different values.
    """

    degree: int
    what: str
    shift: float
    scale: float
    high: tuple[float, ...]
    low: tuple[float, ...]
    distinct: Floats

    @classmethod
    def of(cls, x: Floats, degree: int, what: str, before: "PowerSums | None" = None) -> "PowerSums":
        """Of values without missing ones, with the shift and scale of sums that they will join."""
        if before is not None and before.high[0]:
            shift, scale = before.shift, before.scale
        elif len(x):
            shift = float(x.mean())
            size = float(np.abs(x - shift).max())
            scale = 2.0 ** math.floor(math.log2(size)) if size > 0 else 1.0
        else:
            shift, scale = 0.0, 1.0
        t = (x - shift) / scale
        power, sums = np.ones_like(t), [float(len(x))]
        for _ in range(2 * degree):
            power = power * t
            sums.append(float(power.sum()))
        return cls(degree, what, shift, scale, tuple(sums), (0.0,) * len(sums), np.unique(x)[: degree + 1])

    def merged(self, other: "PowerSums") -> "PowerSums":
        """Of both parts."""
        if not self.high[0]:
            return other
        if not other.high[0]:
            return self
        mine = [Fraction(a) + Fraction(b) for a, b in zip(self.high, self.low, strict=True)]
        theirs = [Fraction(a) + Fraction(b) for a, b in zip(other.high, other.low, strict=True)]
        if (other.shift, other.scale) != (self.shift, self.scale):
            # Their t is a times ours plus b.
            a = Fraction(other.scale) / Fraction(self.scale)
            b = (Fraction(other.shift) - Fraction(self.shift)) / Fraction(self.scale)
            theirs = [
                sum((math.comb(k, j) * a**j * b ** (k - j) * theirs[j] for j in range(k + 1)), Fraction(0))
                for k in range(len(theirs))
            ]
        both = [s + t for s, t in zip(mine, theirs, strict=True)]
        high = tuple(map(float, both))
        low = tuple(float(s - Fraction(h)) for s, h in zip(both, high, strict=True))
        distinct = np.unique(np.concatenate([self.distinct, other.distinct]))[: self.degree + 1]
        return PowerSums(self.degree, self.what, self.shift, self.scale, high, low, distinct)

    def recurrence(self) -> tuple[Floats, Floats]:
        """Coefficients as of `ranef.design.orthogonal.recurrence`."""
        if len(self.distinct) <= self.degree:
            raise DesignError(
                f"a polynomial of degree {self.degree} needs more than {self.degree} different values, and {self.what} "
                "has fewer."
            )
        with localcontext() as context:
            context.prec = _DIGITS
            moments = [Decimal(a) + Decimal(b) for a, b in zip(self.high, self.low, strict=True)]

            def product(p: list[Decimal], q: list[Decimal], more: int = 0) -> Decimal:
                return sum(
                    (a * b * moments[i + j + more] for i, a in enumerate(p) for j, b in enumerate(q)), Decimal(0)
                )

            before: list[Decimal] = [Decimal(0)]
            current: list[Decimal] = [Decimal(1)]
            norms, alphas = [product(current, current)], []
            for d in range(self.degree):
                alpha = product(current, current, 1) / norms[d]
                ratio = norms[d] / norms[d - 1] if d else Decimal(0)
                following = [Decimal(0), *current]
                for i, c in enumerate(current):
                    following[i] -= alpha * c
                for i, c in enumerate(before):
                    following[i] -= ratio * c
                before, current = current, following
                alphas.append(alpha)
                norms.append(product(current, current))
            shift, scale = Decimal(self.shift), Decimal(self.scale)
            alpha_x: list[Any] = [float(shift + scale * a) for a in alphas]
            norm_x: list[Any] = [float(n * scale ** (2 * k)) for k, n in enumerate(norms)]
        return np.array(alpha_x), np.array(norm_x)
