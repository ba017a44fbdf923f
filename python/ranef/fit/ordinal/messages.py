"""What the user should know of the thresholds of a model with nominal effects: where they cross."""

import numpy as np
from numpy.typing import NDArray

from ranef.design.parts import DesignPart

Floats = NDArray[np.float64]

#: Thresholds that are this close are one.
SAME = 1e-6


def crossing_thresholds(thresholds: Floats, names: tuple[str, ...], nominal: DesignPart) -> str | None:
    """Where thresholds are not in order among the rows of a fit, in a sentence; None where they are
    everywhere.

    Parameters
    ----------
    thresholds : (n, m) array
        Of every row.
    names : tuple of str
        Of the m thresholds.
    nominal : DesignPart
        The columns that move them.
    """
    falls = np.diff(thresholds, axis=1) < -SAME
    rows = np.asarray(falls.any(axis=1))
    if not rows.any():
        return None
    k = int(np.argmax(falls.sum(axis=0)))
    terms = ", ".join(nominal.terms)
    middle = names[k].split("|")[1]
    count = int(rows.sum())
    return (
        f"the thresholds {names[k]} and {names[k + 1]} cross {_where(nominal, rows)} ({count} of {len(rows)} rows): "
        f"category {middle} has a negative probability there, and the others add up to more than one, so that neither "
        f"likelihood nor predictions hold. Leave {terms} out of nominal, or join categories that do not occur there."
    )


def _where(nominal: DesignPart, rows: NDArray[np.bool_]) -> str:
    """In which rows, by a column that tells them from all others."""
    for name, x in zip(nominal.x_names, nominal.x.T, strict=True):
        inside, outside = x[rows], x[~rows]
        variable, _, level = name.partition("[")
        if set(np.unique(x).tolist()) <= {0.0, 1.0}:
            value = float(inside[0])
            if (inside == value).all() and not (outside == value).any():
                shown = level.removeprefix("T.").removesuffix("]")
                if not level:
                    return f"where {variable} = {value:g}"
                return f"where {variable} = {shown}" if value else f"where {variable} is not {shown}"
            continue
        if not len(outside):
            continue
        if inside.min() > outside.max():
            return f"where {name} is {inside.min():.4g} or more"
        if inside.max() < outside.min():
            return f"where {name} is {inside.max():.4g} or less"
    return "in some rows"
