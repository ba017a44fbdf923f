"""Arrays that carry their first derivatives in some parameters, for functions written in NumPy."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def pair(i: int, j: int) -> int:
    """Place of two parameters among all pairs, in any order."""
    low, high = sorted((i, j))
    return high * (high + 1) // 2 + low


def triple(i: int, j: int, k: int) -> int:
    """Place of three parameters among all triples, in any order."""
    low, middle, high = sorted((i, j, k))
    return high * (high + 1) * (high + 2) // 6 + middle * (middle + 1) // 2 + low


def n_parts(p: int, order: int) -> int:
    """How many numbers a row has up to an order of derivatives in p parameters."""
    sizes = (1, p, p * (p + 1) // 2, p * (p + 1) * (p + 2) // 6)
    return sum(sizes[: order + 1])


class JetArray:
    """Values (n,) with their derivatives in p parameters.

    NumPy's ``+ - * / **``, comparisons (of the values) and elementwise functions take it, as does
    ``np.where``; what they cannot do with it is a TypeError.

    Parameters
    ----------
    parts : (m, n) array
        The values, then derivatives: p first ones, second ones by pair, third ones by triple.
    p, order : int
        Number of parameters, highest derivatives.
    """

    __slots__ = ("order", "p", "parts")
    __array_priority__ = 1000.0

    def __init__(self, parts: Floats, p: int, order: int):
        self.parts, self.p, self.order = parts, p, order

    @classmethod
    def variable(cls, values: Floats, i: int, p: int, order: int) -> "JetArray":
        """Parameter i."""
        parts = np.zeros((n_parts(p, order), len(values)))
        parts[0] = values
        if order > 0:
            parts[1 + i] = 1.0
        return cls(parts, p, order)

    @property
    def value(self) -> Floats:
        """The values (n,)."""
        out: Floats = self.parts[0]
        return out

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the values."""
        return (self.parts.shape[1],)

    @property
    def ndim(self) -> int:
        """One."""
        return 1

    def __len__(self) -> int:
        return int(self.parts.shape[1])

    def _g(self, i: int) -> Floats:
        out: Floats = self.parts[1 + i]
        return out

    def _h(self, i: int, j: int) -> Floats:
        out: Floats = self.parts[1 + self.p + pair(i, j)]
        return out

    def _places(self) -> list[tuple[int, tuple[int, ...]]]:
        """Place and parameters of every derivative."""
        p = self.p
        out: list[tuple[int, tuple[int, ...]]] = []
        if self.order > 0:
            out += [(1 + i, (i,)) for i in range(p)]
        if self.order > 1:
            out += [(1 + p + pair(i, j), (i, j)) for j in range(p) for i in range(j + 1)]
        if self.order > 2:
            base = 1 + p + p * (p + 1) // 2
            out += [(base + triple(i, j, k), (i, j, k)) for k in range(p) for j in range(k + 1) for i in range(j + 1)]
        return out

    def mapped(self, d: tuple[Any, ...]) -> "JetArray":
        """A function of it, from the function's value and three derivatives there."""
        out = np.empty_like(self.parts)
        out[0] = d[0]
        for at, which in self._places():
            total = d[1] * self.parts[at]
            if len(which) == 2:
                i, j = which
                total = total + d[2] * self._g(i) * self._g(j)
            elif len(which) == 3:
                i, j, k = which
                mixed = self._h(i, j) * self._g(k) + self._h(i, k) * self._g(j) + self._h(j, k) * self._g(i)
                total = total + d[2] * mixed + d[3] * self._g(i) * self._g(j) * self._g(k)
            out[at] = total
        return JetArray(out, self.p, self.order)

    def _times(self, other: "JetArray") -> "JetArray":
        a, b = self, other
        out = np.empty_like(a.parts)
        out[0] = a.value * b.value
        for at, which in a._places():
            total = a.parts[at] * b.value + a.value * b.parts[at]
            if len(which) == 2:
                i, j = which
                total = total + a._g(i) * b._g(j) + a._g(j) * b._g(i)
            elif len(which) == 3:
                i, j, k = which
                for x, (y, z) in ((i, (j, k)), (j, (i, k)), (k, (i, j))):
                    total = total + a._g(x) * b._h(y, z) + a._h(y, z) * b._g(x)
            out[at] = total
        return JetArray(out, a.p, a.order)

    def _with(self, other: Any) -> Any:
        """An operand: jets as they are, else numbers that broadcast to the rows."""
        return other if isinstance(other, JetArray) else np.asarray(other, dtype=np.float64)

    # ---- operators

    def __add__(self, other: Any) -> "JetArray":
        o = self._with(other)
        if isinstance(o, JetArray):
            return JetArray(self.parts + o.parts, self.p, self.order)
        parts = self.parts.copy()
        parts[0] = parts[0] + o
        return JetArray(parts, self.p, self.order)

    __radd__ = __add__

    def __neg__(self) -> "JetArray":
        return JetArray(-self.parts, self.p, self.order)

    def __pos__(self) -> "JetArray":
        return self

    def __sub__(self, other: Any) -> "JetArray":
        return self.__add__(-self._with(other))

    def __rsub__(self, other: Any) -> "JetArray":
        return self.__neg__().__add__(other)

    def __mul__(self, other: Any) -> "JetArray":
        o = self._with(other)
        return self._times(o) if isinstance(o, JetArray) else JetArray(self.parts * o, self.p, self.order)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> "JetArray":
        o = self._with(other)
        return self._times(_inverse(o)) if isinstance(o, JetArray) else self.__mul__(1.0 / o)

    def __rtruediv__(self, other: Any) -> "JetArray":
        return _inverse(self).__mul__(other)

    def __pow__(self, other: Any) -> "JetArray":
        o = self._with(other)
        if isinstance(o, JetArray):
            return (self.mapped(_log(self.value)) * o).mapped(_exp((self.mapped(_log(self.value)) * o).value))
        return self.mapped(_power(self.value, o))

    def __rpow__(self, other: Any) -> "JetArray":
        base = np.broadcast_to(np.asarray(other, dtype=np.float64), self.shape)
        v = base**self.value
        with np.errstate(divide="ignore", invalid="ignore"):
            log = np.log(base)
            d = tuple(np.where((base == 0) & (self.value > 0), 0.0, v * log**k) for k in range(4))
        return self.mapped(d)

    def __lt__(self, other: Any) -> Any:
        return self.value < _value(other)

    def __le__(self, other: Any) -> Any:
        return self.value <= _value(other)

    def __gt__(self, other: Any) -> Any:
        return self.value > _value(other)

    def __ge__(self, other: Any) -> Any:
        return self.value >= _value(other)

    def __abs__(self) -> "JetArray":
        return self * np.sign(self.value)

    # ---- NumPy

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method != "__call__" or kwargs:
            return NotImplemented
        if ufunc in _TWO:
            a, b = inputs
            return _TWO[ufunc](a, b)
        if ufunc in _ONE:
            (x,) = inputs
            return x.mapped(_ONE[ufunc](x.value))
        return NotImplemented

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function is np.where and len(args) == 3 and not kwargs:
            condition, a, b = args
            first = a if isinstance(a, JetArray) else _constant(a, self)
            second = b if isinstance(b, JetArray) else _constant(b, self)
            chosen = np.where(np.asarray(condition), first.parts, second.parts)
            return JetArray(chosen, self.p, self.order)
        return NotImplemented


def _constant(value: Any, like: JetArray) -> JetArray:
    parts = np.zeros_like(like.parts)
    parts[0] = value
    return JetArray(parts, like.p, like.order)


def _value(x: Any) -> Any:
    return x.value if isinstance(x, JetArray) else x


def _inverse(x: JetArray) -> JetArray:
    i = 1.0 / x.value
    return x.mapped((i, -(i**2), 2.0 * i**3, -6.0 * i**4))


def _power(x: Floats, exponent: Floats) -> tuple[Any, ...]:
    out, factor = [], np.ones(np.shape(exponent))
    for k in range(4):
        with np.errstate(divide="ignore", invalid="ignore"):
            # the derivatives of a whole power end, also where x is zero
            out.append(np.where(factor == 0, 0.0, factor * x ** np.where(factor == 0, 0.0, exponent - k)))
        factor = factor * (exponent - k)
    return tuple(out)


def _exp(x: Floats) -> tuple[Any, ...]:
    return (np.exp(x),) * 4


def _log(x: Floats, scale: float = 1.0) -> tuple[Any, ...]:
    i = 1.0 / x
    return np.log(x) * scale, i * scale, -(i**2) * scale, 2.0 * i**3 * scale


def _log1p(x: Floats) -> tuple[Any, ...]:
    i = 1.0 / (1.0 + x)
    return np.log1p(x), i, -(i**2), 2.0 * i**3


def _expm1(x: Floats) -> tuple[Any, ...]:
    e = np.exp(x)
    return np.expm1(x), e, e, e


def _sqrt(x: Floats) -> tuple[Any, ...]:
    s = np.sqrt(x)
    return s, 0.5 / s, -0.25 / (s * x), 0.375 / (s * x**2)


def _square(x: Floats) -> tuple[Any, ...]:
    return x**2, 2.0 * x, np.full_like(x, 2.0), np.zeros_like(x)


def _sin(x: Floats) -> tuple[Any, ...]:
    return np.sin(x), np.cos(x), -np.sin(x), -np.cos(x)


def _cos(x: Floats) -> tuple[Any, ...]:
    return np.cos(x), -np.sin(x), -np.cos(x), np.sin(x)


def _tan(x: Floats) -> tuple[Any, ...]:
    t = np.tan(x)
    u = 1.0 + t**2
    return t, u, 2.0 * t * u, 2.0 * u * (1.0 + 3.0 * t**2)


def _tanh(x: Floats) -> tuple[Any, ...]:
    t = np.tanh(x)
    u = 1.0 - t**2
    return t, u, -2.0 * t * u, -2.0 * u * (1.0 - 3.0 * t**2)


def _arctan(x: Floats) -> tuple[Any, ...]:
    u = 1.0 / (1.0 + x**2)
    return np.arctan(x), u, -2.0 * x * u**2, (6.0 * x**2 - 2.0) * u**3


_ONE: dict[Any, Callable[[Floats], tuple[Any, ...]]] = {
    np.exp: _exp,
    np.log: _log,
    np.log2: lambda x: _log(x, 1.0 / np.log(2.0)),
    np.log10: lambda x: _log(x, 1.0 / np.log(10.0)),
    np.log1p: _log1p,
    np.expm1: _expm1,
    np.sqrt: _sqrt,
    np.square: _square,
    np.sin: _sin,
    np.cos: _cos,
    np.tan: _tan,
    np.tanh: _tanh,
    np.arctan: _arctan,
    np.negative: lambda x: (-x, -np.ones_like(x), np.zeros_like(x), np.zeros_like(x)),
    np.positive: lambda x: (x, np.ones_like(x), np.zeros_like(x), np.zeros_like(x)),
    np.reciprocal: lambda x: (1.0 / x, -(x**-2.0), 2.0 * x**-3.0, -6.0 * x**-4.0),
    np.absolute: lambda x: (np.abs(x), np.sign(x), np.zeros_like(x), np.zeros_like(x)),
}


def _reflected(operation: str) -> Callable[[Any, Any], Any]:
    def apply(a: Any, b: Any) -> Any:
        if isinstance(a, JetArray):
            return getattr(a, f"__{operation}__")(b)
        return getattr(b, f"__r{operation}__")(a)

    return apply


_TWO: dict[Any, Callable[[Any, Any], Any]] = {
    np.add: _reflected("add"),
    np.subtract: _reflected("sub"),
    np.multiply: _reflected("mul"),
    np.true_divide: _reflected("truediv"),
    np.power: _reflected("pow"),
    np.float_power: _reflected("pow"),
    np.less: lambda a, b: np.less(_value(a), _value(b)),
    np.less_equal: lambda a, b: np.less_equal(_value(a), _value(b)),
    np.greater: lambda a, b: np.greater(_value(a), _value(b)),
    np.greater_equal: lambda a, b: np.greater_equal(_value(a), _value(b)),
}
