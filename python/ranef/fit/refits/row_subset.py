"""The design of some of the rows of a fit."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ranef.design.level_columns import LevelColumns
from ranef.design.record import Design, RandomTerm, TermRows

Ints = NDArray[np.intp]


def design_of_rows(design: Design, rows: Ints) -> Design:
    """Keep some rows; levels of grouping factors that do not occur in them go, columns of X stay as
    they are.

    Parameters
    ----------
    design : Design
    rows : (m,) int array
        Numbers among the rows used.

    Returns
    -------
    Design
        Fits of it take the order of the terms of the whole fit, which with other numbers of levels
        could be another one.
    """
    codes: dict[int, tuple[NDArray[np.int32], Ints]] = {}
    random = _terms_of_rows(design.random, rows, codes)
    columns = design.columns
    kept = rows.astype(np.int64) if design.kept is None else design.kept[rows]
    sampling = design.sampling
    if sampling is not None:
        of_group = {t.group: codes[id(t.codes)][1] for t in design.random if not t.has_members}
        sampling = sampling.take(rows, of_group)
    made = replace(design, random=random, sampling=sampling, **design.beside_random(rows))
    return made.with_rows(
        y=np.ascontiguousarray(design.y[rows]),
        x=columns.take(rows) if isinstance(columns, LevelColumns) else np.asfortranarray(columns[rows]),
        weights=None if design.weights is None else design.weights[rows],
        offset=None if design.offset is None else design.offset[rows],
        repeats=None if design.repeats is None else design.repeats[rows],
        kept=kept,
    )


def _terms_of_rows(
    terms: tuple[RandomTerm, ...], rows: Ints, codes: dict[int, tuple[NDArray[np.int32], Ints]]
) -> tuple[RandomTerm, ...]:
    """Random terms in some rows; ``codes`` collects the levels there by the array of the whole."""
    random: list[RandomTerm] = []
    for term in terms:
        if term.has_members:
            whole = term.rows
            assert whole is not None
            assert whole.members is not None
            codes_of_part = None if whole.codes is None else whole.codes[rows]
            part = TermRows(codes_of_part, np.asfortranarray(term.z[rows]), whole.members.take(rows))
            random.append(replace(term, rows=part))
            continue
        key = id(term.codes)
        if key not in codes:  # terms on the same factor share the array
            there, own = np.unique(term.codes[rows], return_inverse=True)
            codes[key] = own.reshape(-1).astype(np.int32), there.astype(np.intp)
        own_codes, levels = codes[key]
        random.append(
            replace(term, levels=term.levels[levels], rows=TermRows(own_codes, np.asfortranarray(term.z[rows])))
        )
    return tuple(random)
