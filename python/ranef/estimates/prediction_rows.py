"""The rows of a prediction: those of the fit, or new ones as the design encodes them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.design.encoder import ARRAY
from ranef.design.level_columns import LevelColumns, product, written_out
from ranef.design.membership import Places, without_level
from ranef.design.record import Elsewhere
from ranef.errors import NewLevelError
from ranef.estimates.between_positions import weights_between
from ranef.estimates.curve_prediction import CurvePoints, new_points, own_points
from ranef.estimates.estimable import not_estimable
from ranef.estimates.included_effects import Mask
from ranef.estimates.optional_groups import new_table
from ranef.fit.ending.warned import warn_once
from ranef.fit.record import MixedFit

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows to predict, random terms in lme4's order; rows with a missing value hold zeros.

    Attributes
    ----------
    columns : (m, p) array, or LevelColumns
        Of the fixed effects; ``x`` has them written out.
    offset : (m,) array or None
    codes : tuple of (m,) arrays, or Membership
        Level of every row, -1 where it is new.
    z : tuple of (m, k) arrays
    weights : (m,) array or None
    missing : (m,) bool array or None
    extended : tuple of (m,) arrays
        The codes with new levels numbered on from those of the fit, -1 where they are missing.
    parts : tuple of (m, k) arrays
        Columns of the parts of the design.
    between : tuple of (m,) arrays or None
        Of terms at positions, the variance that effects elsewhere have given those at the positions
        of the fit, in the unit of theta; empty where no row is elsewhere.
    elsewhere : tuple of (rows, places) or None
        Of terms at positions the rows that are elsewhere, and where.
    """

    columns: Floats | LevelColumns
    offset: Floats | None
    codes: tuple[Places, ...]
    z: tuple[Floats, ...]
    weights: Floats | None
    missing: Mask | None
    extended: tuple[Places, ...]
    parts: tuple[Floats, ...] = ()
    between: tuple[Floats | None, ...] = ()
    elsewhere: tuple[Elsewhere | None, ...] = ()

    @property
    def x(self) -> Floats:
        """Columns (m, p) of the fixed effects."""
        return written_out(self.columns)

    def fixed_sum(self, beta: Floats) -> Floats:
        """X times coefficients (m,)."""
        return product(self.columns, beta)


def only(z: Floats, mask: Mask) -> Floats:
    """Z with the columns outside the mask set to zero."""
    return z if mask.all() else z * mask


def own_rows(fit: MixedFit, masks: tuple[Mask, ...]) -> Rows:
    """The rows of the fit as rows to predict with the effects in ``masks``."""
    d = fit.design
    if fit.columns_are_slopes:
        return _of_points(fit, own_points(fit), masks)
    codes = tuple(t.places for t in fit.terms)
    z = tuple(t.z for t in fit.terms)
    return Rows(fit.columns, d.offset, codes, z, d.trials, None, codes, d.part_columns)


def new_rows(
    fit: MixedFit,
    newdata: Any,
    masks: tuple[Mask, ...],
    allow_unseen: bool,
    whole_variance: bool,
    offset: object,
    new_positions: bool = False,
) -> tuple[Rows, Any]:
    """New data as rows to predict, with their labels.

    What is not needed for the effects in ``masks`` is not read.
    """
    import pandas as pd

    if fit.columns_are_slopes:
        points, labels = new_points(fit, newdata, masks, allow_unseen, whole_variance)
        return _of_points(fit, points, masks), labels
    conditioned = [s.formula for s, mask in zip(fit.order.spans, masks, strict=True) if mask.any()]
    wanted = range(len(masks)) if whole_variance else sorted(conditioned)
    encoder = fit.design.encoder
    need_weights = whole_variance and encoder.weights is not None and encoder.weights != ARRAY
    new = encoder.new_rows(
        new_table(fit, newdata, conditioned),
        random=tuple(wanted),
        offset=offset,
        need_weights=need_weights,
        new_positions=new_positions,
    )
    found = {r.term: r for r in new.random}
    missing = new.missing
    codes: list[Places] = []
    extended: list[Places] = []
    z: list[Floats] = []
    between: list[Floats | None] = []
    elsewhere: list[Elsewhere | None] = []
    nowhere = np.full(len(new.x), -1, dtype=np.int32)
    for span, term, mask in zip(fit.order.spans, fit.terms, masks, strict=True):
        r = found.get(span.formula)
        between.append(None)
        elsewhere.append(None if r is None else r.elsewhere)
        if r is None:  # neither the prediction nor its variance needs this term
            codes.append(nowhere)
            extended.append(nowhere)
            z.append(np.zeros((len(nowhere), span.size)))
            continue
        if mask.any() and not allow_unseen:
            if r.unseen:
                raise NewLevelError(_unseen_text(term.group, r.unseen))
            if r.n_missing:  # a missing level is a missing value
                none = without_level(r.codes)
                missing = none if missing is None else missing | none
        codes.append(r.codes)
        extended.append(r.extended)
        z.append(r.z)
        if r.elsewhere is not None:
            at, where = r.elsewhere
            z[-1][at], left = weights_between(fit, span, where)
            own_left = np.zeros(len(new.x))
            own_left[at] = left
            between[-1] = own_left
    x, parts = new.x, new.parts
    if fit.dropped:
        broken = not_estimable(fit, x)
        if broken:
            warn_once((_not_estimable_text(fit, broken),))
        x = x[:, list(fit.kept)]
    weights = new.weights
    if missing is not None and missing.any():  # computed as zeros, given back as NaN
        x, z = _without(x, missing), [_without(a, missing) for a in z]
        parts = tuple(_without(a, missing) for a in parts)
        weights = None if weights is None else np.where(missing, 1.0, weights)
    index = pd.RangeIndex(len(x)) if new.row_index is None else new.row_index
    levels, more = tuple(codes), tuple(extended)
    at_positions = tuple(between), tuple(elsewhere)
    return Rows(x, new.offset, levels, tuple(z), weights, missing, more, parts, *at_positions), index


def _of_points(fit: MixedFit, points: CurvePoints, masks: tuple[Mask, ...]) -> Rows:
    """Rows of the linear model that has the curve and its slopes at the modes."""
    offset, x, z = points.linear(fit, masks)
    return Rows(x, offset, points.codes, z, points.weights, points.missing, points.extended)


def _without(a: Floats, rows: Mask) -> Floats:
    out = a.copy()
    out[rows] = 0.0
    return out


def _unseen_text(group: str, unseen: Any) -> str:
    shown = ", ".join(repr(u) for u in unseen[:5]) + (f" and {len(unseen) - 5} more" if len(unseen) > 5 else "")
    return (
        f"the new data have levels of {group!r} that were not in the data of the fit: {shown}. Use "
        "new_levels='population' to take their random effects to be zero, or re='population' to leave out all random "
        "effects."
    )


def _not_estimable_text(fit: MixedFit, rows: int) -> str:
    return (
        f"{rows} {'row' if rows == 1 else 'rows'} of the new data cannot be predicted reliably: the fit dropped "
        f"{', '.join(fit.dropped)} because other columns determined it in its data, and in these rows they do not."
    )
