"""Model matrices of shorter formulas, made from the matrix of the whole formula."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.design.coding import Coded, Layout, fill, full_codings
from ranef.design.contrasts import full_columns
from ranef.formula.terms import Term

Floats = NDArray[np.float64]

#: What is left of a column that is a combination of others.
ROUNDING = 1e-9


def shorter_layout(
    whole: Layout, terms: Sequence[Term], levels: Mapping[str, NDArray[np.object_]], number: int
) -> Layout:
    """The columns without one term, by R's rules of coding.

    Parameters
    ----------
    whole : Layout
    terms : sequence of Term
        Those of the layout.
    levels : mapping
        Of the factors, by label.
    number : int
        The term, from 1.

    Returns
    -------
    Layout
    """
    left = [t for i, t in enumerate(terms, start=1) if i != number]
    parts = [list(p) for i, p in enumerate(whole.terms, start=1) if i != number]
    factors = {c.label for term in whole.terms for c in term if c.basis is not None}
    full = full_codings(left, whole.intercept or whole.beside, lambda v: v.label in factors)
    indicators: dict[str, Coded] = {}
    names: list[str] = ["(Intercept)"] if whole.intercept else []
    assign = [0] if whole.intercept else []
    for i, (coded, wanted) in enumerate(zip(parts, full, strict=True)):
        for j, c in enumerate(coded):
            if c.label in wanted:
                if c.label not in indicators:
                    basis, suffixes = full_columns(levels[c.label].tolist())
                    indicators[c.label] = replace(c, basis=basis, suffixes=suffixes)
                coded[j] = indicators[c.label]
        columns = list(coded[0].columns)
        for c in coded[1:]:
            columns = [f"{a}:{b}" for b in c.columns for a in columns]
        names.extend(columns)
        assign.extend([i + 1] * len(columns))
    return Layout(whole.intercept, tuple(tuple(p) for p in parts), tuple(names), tuple(assign), whole.beside)


def recoding(whole: Layout, other: Layout) -> Floats | None:
    """The matrix by which one multiplies a model matrix to have
    that of another layout of the same variables.

    Parameters
    ----------
    whole, other : Layout

    Returns
    -------
    (p, q) array or None
        None when the columns of the other layout are no combinations of those of the first,
        whatever the data.
    """
    # What holds for all data is found from some: levels and numbers at random, enough for every
    # combination of levels that has a column.
    rng = np.random.default_rng(0)
    n = 40 * (len(whole.names) + len(other.names)) + 200
    values: dict[str, NDArray[Any]] = {}
    for coded in (c for layout in (whole, other) for term in layout.terms for c in term):
        if coded.label in values:
            continue
        if coded.basis is not None:
            values[coded.label] = rng.integers(0, len(coded.basis), n)
        else:
            size = len(coded.suffixes)
            values[coded.label] = rng.normal(size=n if size == 1 else (n, size))
    source, target = fill(whole, values, n), fill(other, values, n)
    found = np.asarray(np.linalg.lstsq(source, target, rcond=None)[0], dtype=np.float64)
    if np.abs(target - source @ found).max(initial=0.0) > ROUNDING:
        return None
    # Sums and differences of columns, as most are, are exact.
    whole_numbers: Floats = np.rint(found)
    return np.where(np.abs(found - whole_numbers) < ROUNDING, whole_numbers, found)
