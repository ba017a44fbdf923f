"""Contrast matrices of factors, as R's ``contr.*`` functions make them."""

import difflib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from ranef.design.orthogonal import orthogonal_polynomials
from ranef.errors import ArgumentTypeError, DesignError, FormulaError, OptionError
from ranef.formula.parser import parse_expression
from ranef.formula.syntax import Call, Name, Number, String
from ranef.formula.vocabulary import match_arguments
from ranef.options import CONTRAST_NAMES, ContrastKind

Floats = NDArray[np.float64]

KINDS: tuple[str, ...] = get_args(ContrastKind)
"""Names of contrasts."""


@dataclass(frozen=True, slots=True, eq=False)
class Contrast:
    """How the levels of a factor become columns.

    Parameters
    ----------
    kind : str
        One of `KINDS`, or ``"matrix"``.
    base : str or int, optional
        Reference level of treatment contrasts: its label, or its number from 1.
    matrix : ndarray, optional
        One row for each level.
    columns : tuple of str, optional
        Names of its columns.
    rows : tuple of str, optional
        Labels of its rows, if they have any.
    how_many : int, optional
        Number of columns to keep.
    """

    kind: str
    base: str | int | None = None
    matrix: Floats | None = None
    columns: tuple[str, ...] | None = None
    rows: tuple[str, ...] | None = None
    how_many: int | None = None


def contrast_kind(name: str) -> str | None:
    """The contrast that a name such as ``contr.sum``, ``sum`` or ``Sum`` stands for."""
    return CONTRAST_NAMES.get(name)


def parse_contrast(value: Any, factor: str) -> Contrast:
    """Take a contrast as given in the argument ``contrasts``.

    Parameters
    ----------
    value : str, array or DataFrame
        A name (``"sum"``, ``"contr.sum"``), a call (``"contr.treatment(base = 'b')"``), or a matrix
        with one row for each level.
    factor : str
        The factor it is for, for messages.
    """
    if isinstance(value, Contrast):
        return value
    if isinstance(value, str):
        return _from_text(value, factor)
    columns = rows = None
    if hasattr(value, "columns") and hasattr(value, "index") and hasattr(value, "to_numpy"):  # a pandas frame
        columns = tuple(str(c) for c in value.columns)
        rows = None if type(value.index).__name__ == "RangeIndex" else tuple(str(r) for r in value.index)
        value = value.to_numpy()
    if isinstance(value, Mapping) or not isinstance(value, np.ndarray | Sequence):
        raise ArgumentTypeError(
            f"the contrasts of {factor!r} are a {type(value).__name__}; give a name ({', '.join(map(repr, KINDS))}) or "
            "a matrix with a row for each level."
        )
    try:
        matrix = np.array(value, dtype=np.float64)
    except (ValueError, TypeError):
        raise ArgumentTypeError(f"the contrast matrix of {factor!r} does not hold numbers only.") from None
    # As in R, a matrix is used as it is, while a vector is completed to as many contrasts as the
    # factor has.
    how_many = matrix.shape[1] if matrix.ndim == 2 else None
    if matrix.ndim == 1:
        matrix = matrix[:, None]
    if matrix.ndim != 2 or matrix.shape[1] == 0:
        raise DesignError(
            f"the contrast matrix of {factor!r} has the shape {matrix.shape}; it needs a row for each level and at "
            "least one column."
        )
    if not np.isfinite(matrix).all():
        raise DesignError(f"the contrast matrix of {factor!r} holds values that are not finite.")
    return Contrast("matrix", matrix=matrix, columns=columns, rows=rows, how_many=how_many)


def _from_text(text: str, factor: str) -> Contrast:
    kind = contrast_kind(text)
    if kind is not None:
        return Contrast(kind)
    try:
        node = parse_expression(text)
    except FormulaError:
        node = None
    if isinstance(node, Call) and (kind := contrast_kind(node.function)) is not None:
        base = match_arguments(node, text)[0].get("base")
        if isinstance(base, String | Name):
            return Contrast(kind, base.value if isinstance(base, String) else base.name)
        return Contrast(kind, int(base.value) if isinstance(base, Number) else None)
    close = difflib.get_close_matches(text, CONTRAST_NAMES, n=1)
    hint = f" Did you mean {CONTRAST_NAMES[close[0]]!r}?" if close else ""
    raise OptionError(
        f"there are no contrasts {text!r} for {factor!r}.{hint} Available are {', '.join(map(repr, KINDS))}, or a "
        "matrix."
    )


def full_columns(levels: Sequence[str]) -> tuple[Floats, tuple[str, ...]]:
    """One indicator column for each level, and their suffixes ``[level]``."""
    return np.eye(len(levels)), tuple(f"[{level}]" for level in levels)


def contrast_columns(
    contrast: Contrast, levels: Sequence[str], name: str, used: NDArray[np.bool_] | None = None
) -> tuple[Floats, tuple[str, ...]]:
    """The contrast matrix of a factor.

    Parameters
    ----------
    contrast : Contrast
    levels : sequence of str
        The levels that occur.
    name : str
        The factor, for messages.
    used : ndarray of bool, optional
        Of all declared levels, those that occur; a matrix may have rows for all of them.

    Returns
    -------
    matrix : ndarray of shape (levels, columns)
    suffixes : tuple of str
        In formulaic's style: ``[T.b]``, ``[S.a]``, ``[H.b]``, ``[.L]``.
    """
    n = len(levels)
    if contrast.kind == "treatment":
        base = _base(contrast.base, levels, name)
        others = [i for i in range(n) if i != base]
        matrix, suffixes = np.eye(n)[:, others], tuple(f"[T.{levels[i]}]" for i in others)
    elif contrast.kind == "SAS":
        matrix, suffixes = np.eye(n)[:, :-1], tuple(f"[T.{level}]" for level in levels[:-1])
    elif contrast.kind == "sum":
        matrix, suffixes = np.vstack([np.eye(n - 1), -np.ones(n - 1)]), tuple(f"[S.{level}]" for level in levels[:-1])
    elif contrast.kind == "helmert":
        matrix = np.triu(-np.ones((n, n)))[:, 1:]
        matrix[np.arange(1, n), np.arange(n - 1)] = np.arange(1, n)
        suffixes = tuple(f"[H.{level}]" for level in levels[1:])
    elif contrast.kind == "sdif":
        row, column = np.arange(1, n + 1)[:, None], np.arange(1, n)
        matrix = np.where(row <= column, column - n, column) / n
        suffixes = tuple(f"[{b}-{a}]" for a, b in itertools.pairwise(levels))
    elif contrast.kind == "poly":
        matrix = polynomial_contrasts(n)
        suffixes = tuple(f"[{('.L', '.Q', '.C')[d - 1] if d < 4 else f'^{d}'}]" for d in range(1, n))
    else:
        matrix, suffixes = _given(contrast, levels, name, used)
    if contrast.how_many is not None:
        matrix, suffixes = matrix[:, : contrast.how_many], suffixes[: contrast.how_many]
    return np.ascontiguousarray(matrix, dtype=np.float64), suffixes


def _base(base: str | int | None, levels: Sequence[str], name: str) -> int:
    if base is None:
        return 0
    if isinstance(base, str):
        for i, level in enumerate(levels):
            if level == base:
                return i
        raise DesignError(
            f"the reference level {base!r} is not among the levels of {name!r}: {', '.join(map(str, levels[:20]))}."
        )
    if not 1 <= base <= len(levels):
        raise DesignError(f"the reference level of {name!r} is number {base}, but there are {len(levels)} levels.")
    return base - 1


def polynomial_contrasts(n: int) -> Floats:
    """Orthonormal polynomials of degree 1 to n - 1 in equally spaced scores, as columns."""
    scores = np.arange(n, dtype=np.float64) - (n - 1) / 2
    return orthogonal_polynomials(scores, n - 1)


def _given(
    contrast: Contrast, levels: Sequence[str], name: str, used: NDArray[np.bool_] | None
) -> tuple[Floats, tuple[str, ...]]:
    matrix = contrast.matrix
    assert matrix is not None
    n = len(levels)
    if contrast.rows is not None:
        place = {label: i for i, label in enumerate(contrast.rows)}
        absent = [level for level in levels if level not in place]
        if absent:
            raise DesignError(f"the contrast matrix of {name!r} has no row for the level {absent[0]!r}.")
        matrix = matrix[[place[level] for level in levels]]
    elif used is not None and matrix.shape[0] == len(used):
        matrix = matrix[used]
    if matrix.shape[0] != n:
        raise DesignError(
            f"the contrast matrix of {name!r} has {matrix.shape[0]} rows, but there are {n} levels: "
            f"{', '.join(map(str, levels[:20]))}."
        )
    given = matrix.shape[1]
    names = contrast.columns or tuple(str(j + 1) for j in range(given))
    if given >= n:
        return matrix[:, : n - 1], tuple(f"[{c}]" for c in names[: n - 1])
    if np.linalg.matrix_rank(np.column_stack([np.ones(n), matrix])) < given + 1:
        raise DesignError(
            f"the contrast matrix of {name!r} is singular: its columns and a column of ones depend on each other."
        )
    if given < min(n - 1, contrast.how_many or n):
        # Columns orthogonal to those given complete the space, so that the model stays the one that
        # the formula says.
        q = np.linalg.qr(np.column_stack([np.ones(n), matrix]), mode="complete")[0]
        matrix = np.column_stack([matrix, q[:, given + 1 :]])
        names = (*names, *(str(j + 1) for j in range(given, n - 1)))
    return matrix, tuple(f"[{c}]" for c in names)
