"""Contrasts of the fixed effects, written as text, as coefficients by name, or as a matrix."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.errors import ArgumentTypeError, OptionError

Floats = NDArray[np.float64]

_NUMBER = re.compile(r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")


@dataclass(frozen=True, slots=True, eq=False)
class Contrasts:
    """Linear hypotheses ``rows @ beta = values``.

    Attributes
    ----------
    rows : (k, p) array
    values : (k,) array
    labels : tuple of str
    """

    rows: Floats
    values: Floats
    labels: tuple[str, ...]


def parse_contrasts(L: Any, names: tuple[str, ...]) -> Contrasts:
    """Read hypotheses.

    Parameters
    ----------
    L : str, mapping, array, or sequence of these
        Text such as ``"standLRT = 0.5"`` or ``"a - 2*b"`` (equal to zero where nothing is said),
        names with coefficients, a vector of length p or a matrix k × p.
    names : tuple of str
        The fixed effects.

    Returns
    -------
    Contrasts
    """
    if isinstance(L, str):
        return _stack([_from_text(L, names)])
    if isinstance(L, Mapping):
        return _stack([_from_mapping(L, names)])
    if isinstance(L, Sequence) and len(L) and all(isinstance(item, str | Mapping) for item in L):
        return _stack([_from_text(i, names) if isinstance(i, str) else _from_mapping(i, names) for i in L])
    return _from_array(L, names)


def _stack(found: list[tuple[Floats, float, str]]) -> Contrasts:
    rows = np.array([f[0] for f in found])
    return Contrasts(rows, np.array([f[1] for f in found]), tuple(f[2] for f in found))


def _from_array(L: Any, names: tuple[str, ...]) -> Contrasts:
    p = len(names)
    try:
        rows = np.array(L, dtype=np.float64)
    except (TypeError, ValueError):
        raise ArgumentTypeError(
            f"L must be text such as '{names[-1] if names else 'x'} = 0', a dict of coefficients by name, or a matrix "
            f"of numbers, not {L!r}."
        ) from None
    if rows.ndim not in (1, 2) or rows.shape[-1] != p:
        raise OptionError(
            f"L has the shape {rows.shape}; it needs one column for each of the {p} fixed effects: {', '.join(names)}."
        )
    rows = np.atleast_2d(rows)
    if len(rows) == 0 or not np.isfinite(rows).all():
        raise OptionError("L must have at least one row, and finite numbers only.")
    _no_zero_rows(rows)
    labels = tuple(_label(row, names) for row in rows)
    return Contrasts(rows, np.zeros(len(rows)), labels)


def _no_zero_rows(rows: Floats) -> None:
    if not rows.any(axis=1).all():
        raise OptionError("a contrast has only zeros as coefficients, so it tests nothing.")


def _label(row: Floats, names: tuple[str, ...]) -> str:
    """Write a row as text."""
    text = ""
    for value, name in zip(row, names, strict=True):
        if value != 0.0:
            sign = (" - " if value < 0 else " + ") if text else ("-" if value < 0 else "")
            text += sign + (name if abs(value) == 1.0 else f"{abs(value):.6g}*{name}")
    return text


def _from_mapping(mapping: Mapping[Any, Any], names: tuple[str, ...]) -> tuple[Floats, float, str]:
    row = np.zeros(len(names))
    for name, value in mapping.items():
        if name not in names:
            raise OptionError(f"L names no fixed effect: {name!r}. They are {', '.join(names)}.")
        try:
            row[names.index(name)] = float(value)
        except (TypeError, ValueError):
            raise ArgumentTypeError(f"the coefficient of {name!r} in L must be a number, not {value!r}.") from None
    if not np.isfinite(row).all():
        raise OptionError("the coefficients in L must be finite.")
    _no_zero_rows(row[np.newaxis])
    return row, 0.0, _label(row, names)


def _from_text(text: str, names: tuple[str, ...]) -> tuple[Floats, float, str]:
    sides = _Reader(text, names).sides()
    row = sides[0][0] - sides[1][0]
    _no_zero_rows(row[np.newaxis])
    return row, sides[1][1] - sides[0][1], text.strip()


class _Reader:
    """Reads ``a - 2*b = 0.5``.

    Names of coefficients may hold blanks, brackets and operators, so the longest name that fits is
    taken first.
    """

    def __init__(self, text: str, names: tuple[str, ...]):
        self.text, self.names, self.at = text, names, 0
        self.by_length = sorted(names, key=len, reverse=True)

    def sides(self) -> list[tuple[Floats, float]]:
        """Coefficients and constants of the two sides; an absent right side is zero."""
        out = [self._sum()]
        if self._take("==") or self._take("="):
            out.append(self._sum())
        else:
            out.append((np.zeros(len(self.names)), 0.0))
        self._blanks()
        if self.at < len(self.text):
            raise self._problem("cannot be read from here")
        return out

    def _sum(self) -> tuple[Floats, float]:
        row, constant = np.zeros(len(self.names)), 0.0
        first = True
        while True:
            sign = -1.0 if self._take("-") else 1.0 if self._take("+") or first else None
            if sign is None:
                return row, constant
            first = False
            factor, name = self._product()
            if name is None:
                constant += sign * factor
            else:
                row[name] += sign * factor

    def _product(self) -> tuple[float, int | None]:
        factor, name = self._atom()
        while (divide := self._take("/")) or self._take("*"):
            other, second = self._atom()
            if (name is not None and second is not None) or (divide and (second is not None or other == 0.0)):
                raise self._problem("is not linear in the fixed effects")
            factor = factor / other if divide else factor * other
            name = second if name is None else name
        return factor, name

    def _atom(self) -> tuple[float, int | None]:
        self._blanks()
        rest = self.text[self.at :]
        for name in self.by_length:
            for form in (f"`{name}`", name):
                if rest.startswith(form) and not _continues(form, rest[len(form) : len(form) + 1]):
                    self.at += len(form)
                    return 1.0, self.names.index(name)
        number = _NUMBER.match(rest)
        if number:
            self.at += number.end()
            return float(number.group()), None
        raise self._problem("names no fixed effect here")

    def _take(self, symbol: str) -> bool:
        self._blanks()
        if self.text.startswith(symbol, self.at):
            self.at += len(symbol)
            return True
        return False

    def _blanks(self) -> None:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1

    def _problem(self, what: str) -> OptionError:
        return OptionError(
            f"the contrast {what}:\n    {self.text}\n    {' ' * self.at}^\nThe fixed effects are "
            f"{', '.join(self.names)}; write their sums and differences, as in 'a - 2*b = 0.5'."
        )


def _continues(name: str, following: str) -> bool:
    """Whether a name goes on after the text that was found,
    as ``age`` does in ``age2``, ``age:sex`` or ``age[T.old]``.
    """
    return bool(following) and (following in ":[" or (_word(name[-1]) and _word(following)))


def _word(character: str) -> bool:
    return character.isalnum() or character in "_."
