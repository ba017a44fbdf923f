"""Levels of grouping factors that come and go: more than a recipe has, and those without rows."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ranef.data.labels import as_objects
from ranef.design.grouping import Grouping
from ranef.design.record import Design
from ranef.errors import DataError
from ranef.formula.syntax import Name
from ranef.formula.terms import Variable

Ints = NDArray[np.int64]


def with_levels(design: Design, term: Sequence[int], labels: Sequence[str]) -> tuple[Design, Ints]:
    """A design without rows whose random terms have other levels.

    Parameters
    ----------
    design : Design
    term : sequence of int
        The terms on one grouping factor.
    labels : sequence of str
        Its levels, in any order.

    Returns
    -------
    design : Design
    order : int64 ndarray
        Places of the levels, as they are ordered now, in ``labels``.
    """
    grouping, order = _grouping(design.encoder.random[term[0]].grouping, labels)
    encoders, terms = list(design.encoder.random), list(design.random)
    for i in term:
        encoders[i] = replace(encoders[i], grouping=grouping)
        terms[i] = replace(terms[i], levels=grouping.levels)
    return replace(design, encoder=replace(design.encoder, random=tuple(encoders)), random=tuple(terms)), order


def _grouping(known: Grouping, labels: Sequence[str]) -> tuple[Grouping, Ints]:
    variables = known.variables
    if len(variables) == 1:
        levels = _ordered(known.parts[0], labels)
        place = {label: i for i, label in enumerate(labels)}
        found = as_objects(levels)
        return Grouping(variables, found, (found,)), np.array([place[v] for v in levels], dtype=np.int64)
    rows = [_split(label, known) for label in labels]
    parts = [_ordered(part, dict.fromkeys(r[i] for r in rows)) for i, part in enumerate(known.parts)]
    cells = np.zeros(len(rows), dtype=np.int64)
    for i, part in enumerate(parts):
        place = {label: k for k, label in enumerate(part)}
        cells = cells * len(part) + np.array([place[r[i]] for r in rows], dtype=np.int64)
    order = np.argsort(cells, kind="stable").astype(np.int64)
    joined = as_objects([labels[i] for i in order.tolist()])
    return Grouping(variables, joined, tuple(map(as_objects, parts)), cells[order]), order


def _split(label: str, known: Grouping) -> tuple[str, ...]:
    """The levels of the variables of an interaction."""
    out = tuple(label.split(":"))
    if len(out) != len(known.variables):
        raise DataError(
            f"levels of {':'.join(v.name for v in known.variables)} have colons in them ({label!r}), so that no more "
            "levels can be added or left out; survey all parts."
        )
    return out


def _ordered(known: NDArray[np.object_], labels: Iterable[str]) -> list[str]:
    """Labels in the order of the known ones; others among them where these are sorted, else after
    them.
    """
    wanted = dict.fromkeys(labels)
    before = known.tolist()
    same = [v for v in before if v in wanted]
    new = wanted.keys() - set(same)
    if not new:
        return same
    if all(map(_is_number, before)) and all(map(_is_number, new)):
        key: Callable[[str], float | str] = float
    else:
        key = str
    if sorted(before, key=key) == before:
        return sorted([*same, *new], key=key)
    return [*same, *sorted(new)]


def _is_number(label: str) -> bool:
    try:
        return label == label.strip() and np.isfinite(float(label))
    except ValueError:
        return False


def is_column(variable: Variable) -> bool:
    """Whether a variable of a grouping factor is a column as it is."""
    return isinstance(variable.expr, Name)
