"""Sums of smaller models of the same rows, taken from those of the larger model."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ranef.design.model_sums import ColumnBasis, no_rows
from ranef.design.record import Design, RandomTerm, random_shape
from ranef.fit.order import order_terms
from ranef.fit.system import sums_of


def with_some_columns(
    design: Design, columns: Sequence[int], random: Sequence[tuple[int, Sequence[int]]], terms: Sequence[RandomTerm]
) -> Design:
    """A design that has sums, with some of its columns and effects.

    Parameters
    ----------
    design : Design
    columns : sequence of int
        Which of the fixed effects are kept; names are left to the caller.
    random : sequence of (int, sequence of int)
        For every random term that is left its number in the design, and which of its effects.
    terms : sequence of RandomTerm
        These terms, without rows.

    Raises
    ------
    DataError
        If the sums were formed about the constant of a term that loses it, or are not kept.
    """
    held = design.sums
    if held is None or held.values is None:
        raise no_rows()
    before = order_terms(design.random)
    whole = sums_of(design, before)
    sums = replace(
        held,
        x=_some(held.x, columns),
        random=tuple(_some(held.random[i], effects) for i, effects in random),
        shape=random_shape(terms),
        values=None,
        of_levels=None,
    )
    smaller = replace(design, random=tuple(terms), sums=sums)
    after = order_terms(smaller.random)
    factors = []
    for members in after.factors:
        first = random[members[0]][0]
        f = next(f for f, old in enumerate(before.factors) if first in old)
        start, at = {}, 0
        for i in before.factors[f]:
            start[i] = at
            at += len(design.random[i].names)
        factors.append((f, [start[random[m][0]] + e for m in members for e in random[m][1]]))
    part = sums_of(smaller, after)
    part.take_part(whole, list(columns), factors)
    values = np.frombuffer(part.to_bytes(rounded=True), dtype=np.uint8)
    return replace(smaller, sums=replace(sums, values=values))


def _some(basis: ColumnBasis, kept: Sequence[int]) -> ColumnBasis:
    if basis.intercept is not None and basis.intercept not in kept:
        raise no_rows()
    intercept = None if basis.intercept is None else list(kept).index(basis.intercept)
    return ColumnBasis(intercept, tuple(basis.shift[j] for j in kept), tuple(basis.scale[j] for j in kept))
