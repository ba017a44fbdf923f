"""Families of contrasts: their coefficients and labels for k means in order."""

import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from math import lcm
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.errors import ArgumentTypeError, OptionError

Floats = NDArray[np.float64]
Made = tuple[Floats, list[str]]

#: Default adjustment for multiplicity of every family, by name.
DEFAULT_ADJUST = {
    "pairwise": "tukey",
    "revpairwise": "tukey",
    "trt.vs.ctrl": "mvt",
    "trt.vs.ctrl1": "mvt",
    "trt.vs.ctrlk": "mvt",
    "dunnett": "mvt",
    "consec": "mvt",
    "mean_chg": "mvt",
    "eff": "fdr",
    "del.eff": "fdr",
    "poly": "none",
    "identity": "none",
}

#: Means of one group above which contrasts are refused: all pairs would not fit in memory.
MOST_MEANS = 300

_DEGREES = ("linear", "quadratic", "cubic", "quartic")
_OPERATORS = re.compile(r"[-+*/]")


def contrast_family(method: Any, labels: Sequence[str], ref: Any, reverse: bool) -> tuple[Floats, list[str], str]:
    """Coefficients of contrasts.

    Parameters
    ----------
    method : str, mapping, or array
        The name of a family; coefficients by label; or a matrix with one contrast a row.
    labels : sequence of str
        Of the means.
    ref : int, str or None
        The control of ``trt.vs.ctrl``: its place from 0, or its label.
    reverse : bool
        Whether to change all signs.

    Returns
    -------
    coefficients : (m, k) array
    names : list of str
    family : str
        Name of the family, or ``"custom"``.
    """
    k = len(labels)
    if k > MOST_MEANS:
        raise OptionError(
            f"a group has {k:,} means, and contrasts of more than {MOST_MEANS} are not made; choose fewer by at=, or "
            "groups by by=."
        )
    plain = [_marked(label) for label in labels]
    if isinstance(method, str):
        if method not in _FAMILIES:
            raise OptionError(
                f"method must be one of {', '.join(map(repr, _FAMILIES))}, a dict or a matrix, not {method!r}."
            )
        if ref is not None and method not in ("trt.vs.ctrl", "dunnett"):
            raise OptionError("ref is for the method 'trt.vs.ctrl'.")
        if method in ("trt.vs.ctrl", "dunnett"):
            rows, names = _against(plain, _control(ref, labels))
        else:
            rows, names = _FAMILIES[method](plain)
        if reverse:
            rows, names = -rows, [_turned(n) for n in names]
        return rows, names, {"revpairwise": "pairwise"}.get(method, method)
    if ref is not None:
        raise OptionError("ref is for the method 'trt.vs.ctrl'.")
    rows, names = _custom(method, k)
    return (-rows if reverse else rows), names, "custom"


def _marked(label: str) -> str:
    """A label in parentheses if it could be read as an operation."""
    return f"({label})" if _OPERATORS.search(label) else label


def _turned(name: str) -> str:
    first, minus, second = name.partition(" - ")
    return f"{second} - {first}" if minus and " - " not in second else f"-[{name}]"


def _difference(k: int, plus: int, minus: int) -> Floats:
    row = np.zeros(k)
    row[plus], row[minus] = 1.0, -1.0
    return row


def _stack(rows: list[Floats], k: int) -> Floats:
    return np.array(rows).reshape(len(rows), k)


def _pairwise(labels: Sequence[str]) -> Made:
    k = len(labels)
    pairs = list(itertools.combinations(range(k), 2))
    return _stack([_difference(k, i, j) for i, j in pairs], k), [f"{labels[i]} - {labels[j]}" for i, j in pairs]


def _revpairwise(labels: Sequence[str]) -> Made:
    k = len(labels)
    pairs = [(i, j) for i in range(1, k) for j in range(i)]
    return _stack([_difference(k, i, j) for i, j in pairs], k), [f"{labels[i]} - {labels[j]}" for i, j in pairs]


def _against(labels: Sequence[str], control: int) -> Made:
    k = len(labels)
    others = [i for i in range(k) if i != control]
    rows = [_difference(k, i, control) for i in others]
    return _stack(rows, k), [f"{labels[i]} - {labels[control]}" for i in others]


def _control(ref: Any, labels: Sequence[str]) -> int:
    if ref is None:
        return 0
    if isinstance(ref, str) and ref in labels:
        return list(labels).index(ref)
    if isinstance(ref, int | np.integer) and not isinstance(ref, bool) and -len(labels) <= ref < len(labels):
        return int(ref) % len(labels)
    raise OptionError(
        f"ref must be the label of a mean, or its place from 0, not {ref!r}. The means are "
        f"{', '.join(map(repr, labels))}."
    )


def _consec(labels: Sequence[str]) -> Made:
    k = len(labels)
    rows = [_difference(k, i + 1, i) for i in range(k - 1)]
    return _stack(rows, k), [f"{labels[i + 1]} - {labels[i]}" for i in range(k - 1)]


def _mean_change(labels: Sequence[str]) -> Made:
    k = len(labels)
    rows = [np.where(np.arange(k) < i, -1.0 / i, 1.0 / (k - i)) for i in range(1, k)]
    return _stack(rows, k), [f"{labels[i - 1]}|{labels[i]}" for i in range(1, k)]


def _effects(labels: Sequence[str]) -> Made:
    k = len(labels)
    return np.eye(k) - 1.0 / k, [f"{label} effect" for label in labels]


def _deleted_effects(labels: Sequence[str]) -> Made:
    k = len(labels)
    if k == 1:
        return np.empty((0, 1)), []
    return (np.eye(k) - 1.0 / k) * k / (k - 1), [f"{label} effect" for label in labels]


def _polynomials(labels: Sequence[str]) -> Made:
    """Orthogonal polynomials of equally spaced points,
    in the smallest whole numbers, up to degree 6.
    """
    k = len(labels)
    basis: list[list[Fraction]] = [[Fraction(1)] * k]
    for degree in range(1, min(6, k - 1) + 1):
        row = [Fraction(i) ** degree for i in range(k)]
        for other in basis:
            part = Fraction(sum(a * b for a, b in zip(row, other, strict=True)), sum(b * b for b in other))
            row = [a - part * b for a, b in zip(row, other, strict=True)]
        common = lcm(*(a.denominator for a in row))
        whole = [int(a * common) for a in row]
        divisor = int(np.gcd.reduce([abs(a) for a in whole]))
        basis.append([Fraction(a // divisor) for a in whole])
    names = [_DEGREES[d] if d < len(_DEGREES) else f"degree {d + 1}" for d in range(len(basis) - 1)]
    return _stack([np.array(row, dtype=np.float64) for row in basis[1:]], k), names


def _identity(labels: Sequence[str]) -> Made:
    return np.eye(len(labels)), list(labels)


_FAMILIES: dict[str, Callable[[Sequence[str]], Made]] = {
    "pairwise": _pairwise,
    "revpairwise": _revpairwise,
    "trt.vs.ctrl": lambda labels: _against(labels, 0),
    "trt.vs.ctrl1": lambda labels: _against(labels, 0),
    "trt.vs.ctrlk": lambda labels: _against(labels, len(labels) - 1),
    "dunnett": lambda labels: _against(labels, 0),
    "consec": _consec,
    "mean_chg": _mean_change,
    "eff": _effects,
    "del.eff": _deleted_effects,
    "poly": _polynomials,
    "identity": _identity,
}


def _custom(method: Any, k: int) -> Made:
    if isinstance(method, Mapping):
        names, rows = [str(n) for n in method], list(method.values())
    else:
        rows = method
        names = []
    try:
        matrix = np.array(rows, dtype=np.float64)
    except (TypeError, ValueError):
        raise ArgumentTypeError(
            "contrasts must be numbers: a dict of names with one coefficient for each mean, or a matrix with one "
            "contrast a row, all of one length."
        ) from None
    if matrix.ndim == 1 and not isinstance(method, Mapping):
        matrix = matrix[np.newaxis]
    if matrix.ndim != 2 or matrix.shape[1] != k or not len(matrix):
        raise OptionError(
            f"the contrasts have the shape {matrix.shape}; they need one coefficient for each of the {k} means (of a "
            "group), in their order."
        )
    if not np.isfinite(matrix).all() or not matrix.any(axis=1).all():
        raise OptionError("the coefficients of a contrast must be finite and not all zero.")
    return matrix, names or [f"c({', '.join(f'{v:.4g}' for v in row)})" for row in matrix]
