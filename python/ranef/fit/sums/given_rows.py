"""Rows for a model that was made of sums over them."""

from dataclasses import replace
from typing import Any

import numpy as np

from ranef.data.table import Table
from ranef.design.evaluate import Evaluator
from ranef.design.membership import one_level
from ranef.design.record import Design, ModelRows, TermRows
from ranef.design.rows import subset_mask
from ranef.errors import DataError, NewLevelError
from ranef.fit.linear import LmmFit
from ranef.fit.record import MixedFit
from ranef.fit.system import LazySystem


def coded_rows(design: Design, table: Table, subset: Any) -> Design:
    """A design with the rows of a table, coded as those that it was made of.

    Parameters
    ----------
    design : Design
    table : Table
    subset : str or None
        The argument of the fit.

    Raises
    ------
    NewLevelError
        If a grouping factor has a level that the fit did not see.
    """
    new = design.encoder.new_rows(table, need_response=True, need_weights=True)
    assert new.y is not None
    missing = np.isnan(new.y)
    if new.missing is not None:
        missing |= new.missing
    if new.weights is not None:
        missing |= np.isnan(new.weights)
    for r in new.random:
        missing |= one_level(r.extended) < 0
    # a copy: what this expression alone learns is no part of the design
    ev = Evaluator(table, design.encoder.formula.text, dict(design.encoder.states))
    chosen = np.ones(len(missing), dtype=bool) if subset is None else subset_mask(subset, table, ev)
    missing &= chosen
    used = chosen & ~missing
    for r in new.random:
        if (one_level(r.codes)[used] < 0).any():
            group = design.random[r.term].group
            raise NewLevelError(
                f"the grouping factor {group!r} has the level {r.unseen[0]!r}, which the fit did not see."
            )
    kept = None if used.all() else np.flatnonzero(used)
    at: Any = slice(None) if kept is None else kept
    own = ModelRows(
        y=new.y[at],
        x=np.asfortranarray(new.x[at]),
        weights=None if new.weights is None else np.ascontiguousarray(new.weights[at]),
        offset=None if new.offset is None else new.offset[at],
        n_input=len(missing),
        kept=kept,
        row_index=new.row_index,
        missing=missing if missing.any() else None,
        missing_counts=design.missing_counts if int(missing.sum()) == design.n_missing else (),
    )
    codes: dict[str, Any] = {}  # terms on one grouping factor share the array
    random = tuple(
        replace(
            term,
            rows=TermRows(
                codes.setdefault(term.group, np.ascontiguousarray(one_level(r.codes)[at], dtype=np.int32)),
                np.asfortranarray(r.z[at]),
            ),
        )
        for term, r in zip(design.random, new.random, strict=True)
    )
    return replace(design, rows=own, random=random, sums=None)


def with_rows(fit: MixedFit, table: Table, subset: Any) -> MixedFit:
    """A fit with the rows of which its sums were made.

    Raises
    ------
    DataError
        If these are other rows.
    """
    assert isinstance(fit, LmmFit)
    design = coded_rows(fit.design, table, subset)
    see_same_rows(fit, design.n_used)
    refusal = None if fit.sampled is None else fit.sampled.refusal
    return replace(fit, design=design, system=LazySystem(design, fit.order, refusal=refusal))


def of_batch(fit: MixedFit, table: Table, subset: Any) -> MixedFit:
    """A fit that stands for some of its rows: for what is one number a row and needs no others."""
    return replace(fit, design=coded_rows(fit.design, table, subset))


def see_same_rows(fit: MixedFit, n: int) -> None:
    """Refuse data that are not those of the fit."""
    if n != fit.nobs:
        raise DataError(f"these data have {n:,} rows that can be used, and the model was made of {fit.nobs:,}.")
