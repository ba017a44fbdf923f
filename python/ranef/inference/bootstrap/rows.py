"""Designs made of whole groups of the rows of another design."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ranef.data.labels import as_objects
from ranef.design.record import Design, RandomTerm, TermRows

Ints = NDArray[np.intp]


def rows_by_level(codes: NDArray[np.int32], n_levels: int) -> list[Ints]:
    """Row numbers of every level."""
    order = np.argsort(codes, kind="stable")
    return np.split(order, np.cumsum(np.bincount(codes, minlength=n_levels))[:-1])


def design_of_groups(design: Design, group: str, picks: Sequence[int]) -> Design:
    """The rows of the groups in ``picks``, where each copy of a group is a level of its own.

    Levels of other factors that lie within one group are new in each copy too; those that lie
    across groups stay what they are.

    Parameters
    ----------
    design : Design
    group : str
        A grouping factor.
    picks : sequence of int
        Its levels, which may be repeated.
    """
    return designs_of_groups((design,), group, picks)[0]


def designs_of_groups(designs: Sequence[Design], group: str, picks: Sequence[int]) -> tuple[Design, ...]:
    """The same of the designs of several linear predictors, the first of which has the factor."""
    own = next(t for t in designs[0].random if t.group == group)
    parts = rows_by_level(own.codes, len(own.levels))
    index = np.concatenate([parts[g] for g in picks])
    copy = np.repeat(np.arange(len(picks)), [len(parts[g]) for g in picks]).astype(np.int64)
    return tuple(design_of_rows(design, index, {group: copy}, own.codes) for design in designs)


def design_of_rows(
    design: Design, index: Ints, copies: dict[str, NDArray[np.int64]], codes_of_group: NDArray[np.int32] | None = None
) -> Design:
    """A design of picked rows.

    Parameters
    ----------
    design : Design
    index : (m,) int array
        Row numbers, which may be repeated.
    copies : dict
        For the grouping factor whose groups were copied, the number of the copy that each new row
        belongs to.
    codes_of_group : (n,) array, optional
        Levels of that factor, where the design does not have it.
    """
    group, copy = next(iter(copies.items())) if copies else (None, np.zeros(len(index), dtype=np.int64))
    own = codes_of_group
    if own is None and group is not None:
        own = next(t for t in design.random if t.group == group).codes
    made: dict[str, tuple[NDArray[np.int32], NDArray[np.object_]]] = {}
    for t in design.random:
        if t.group in made:
            continue
        codes = t.codes[index].astype(np.int64)
        if t.group == group:
            made[t.group] = copy.astype(np.int32), as_objects([str(i + 1) for i in range(int(copy.max()) + 1)])
            continue
        if own is not None and _within(t.codes, own):
            keys = copy * len(t.levels) + codes
        else:
            keys = codes
        present, new = np.unique(keys, return_inverse=True)
        if keys is codes:
            levels = t.levels[present]
        else:
            levels = as_objects([f"{t.levels[k % len(t.levels)]}.{k // len(t.levels) + 1}" for k in present.tolist()])
        made[t.group] = new.reshape(-1).astype(np.int32), levels
    random: list[RandomTerm] = []
    for t in design.random:
        codes32, levels = made[t.group]
        random.append(
            replace(t, levels=levels, rows=TermRows(np.ascontiguousarray(codes32), np.asfortranarray(t.z[index])))
        )
    return replace(design, random=tuple(random), **design.beside_random(index, copy)).with_rows(
        y=np.ascontiguousarray(design.y[index]),
        x=np.asfortranarray(design.x[index]),
        weights=None if design.weights is None else np.ascontiguousarray(design.weights[index]),
        repeats=None if design.repeats is None else np.ascontiguousarray(design.repeats[index]),
        offset=None if design.offset is None else np.ascontiguousarray(design.offset[index]),
        n_input=len(index),
        kept=None,
        row_index=None,
        missing=None,
    )


def _within(inner: NDArray[np.int32], outer: NDArray[np.int32]) -> bool:
    """Whether every level of one factor lies within one level of the other."""
    pairs = np.unique(inner.astype(np.int64) * (int(outer.max()) + 1) + outer)
    return len(pairs) == len(np.unique(inner))
