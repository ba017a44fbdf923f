"""Rows of a nonlinear model to predict: the curve there, and the linear model with its slopes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.design.curve_rows import CurveRows
from ranef.design.encoder import ARRAY
from ranef.design.evaluate import Evaluator
from ranef.design.membership import Places, take, without_level
from ranef.design.values import missing_rows
from ranef.errors import ColumnNotFoundError, NewLevelError
from ranef.estimates.included_effects import Mask
from ranef.estimates.optional_groups import new_table
from ranef.fit.nonlinear.values import curve_derivatives, curve_of_design
from ranef.fit.random_part import random_part
from ranef.fit.record import MixedFit
from ranef.formula.syntax import names_in

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class CurvePoints:
    """Rows as they enter the parameters of a curve, random terms in lme4's order; rows with a
    missing value hold those of another.

    Attributes
    ----------
    curve : CurveRows
        With the columns of these rows.
    codes, extended : tuple of (m,) arrays
        As in `Rows` of predictions.
    weights : (m,) array or None
    missing : (m,) bool array or None
    """

    curve: CurveRows
    codes: tuple[Places, ...]
    extended: tuple[Places, ...]
    weights: Floats | None
    missing: Mask | None

    def values(self, fit: MixedFit, places: Sequence[Places], effects: Sequence[Floats], order: int = 0) -> Floats:
        """The curve with its derivatives (parts, m) for random effects in lme4's order."""
        rows = self.curve
        parameters = rows.fixed_parameters(fit.beta)
        for span, own, b in zip(fit.order.spans, places, effects, strict=True):
            z, of = rows.z[span.formula], rows.of[span.formula]
            for c in dict.fromkeys(of):
                parameters[c] += random_part(own, z * np.array([i == c for i in of]), b)
        return curve_derivatives(rows.curve, rows.covariates, parameters, order)

    def linear(self, fit: MixedFit, masks: tuple[Mask, ...]) -> tuple[Floats, Floats, tuple[Floats, ...]]:
        """Columns of the linear model at the modes of the effects in the masks: the offset (m,),
        those of the fixed effects, and those of every random term.
        """
        rows = self.curve
        effects = [b * mask for b, mask in zip(fit.b, masks, strict=True)]
        found = self.values(fit, self.codes, effects, 1)
        x, made = rows.linear_columns(found[1 : 1 + rows.n_parameters])
        z = tuple(made[s.formula] for s in fit.order.spans)
        rest = found[0] - x @ fit.beta
        for places, columns, b in zip(self.codes, z, effects, strict=True):
            rest = rest - random_part(places, columns, b)
        return rest, x, z

    def only(self, rows: Mask) -> "CurvePoints":
        """Some of the rows."""
        at = np.flatnonzero(rows)
        return CurvePoints(
            self.curve.take(at),
            tuple(take(c, rows) for c in self.codes),
            tuple(take(c, rows) for c in self.extended),
            None if self.weights is None else self.weights[rows],
            None,
        )


def own_points(fit: MixedFit) -> CurvePoints:
    """The rows of the fit."""
    codes = tuple(t.places for t in fit.terms)
    return CurvePoints(curve_of_design(fit.design), codes, codes, fit.design.weights, None)


def new_points(
    fit: MixedFit, newdata: Any, masks: tuple[Mask, ...], allow_unseen: bool, whole_variance: bool
) -> tuple[CurvePoints, Any]:
    """New data, with their labels. What is not needed for the effects in ``masks`` is not read."""
    import pandas as pd

    rows = curve_of_design(fit.design)
    conditioned = [s.formula for s, mask in zip(fit.order.spans, masks, strict=True) if mask.any()]
    wanted = range(len(masks)) if whole_variance else sorted(conditioned)
    table = new_table(fit, newdata, conditioned)
    missing: Mask | None = None

    def without(mask: Mask | None) -> None:
        nonlocal missing
        if mask is not None:
            missing = mask if missing is None else missing | mask

    parts: dict[tuple[int, int], Any] = {}
    columns, weights, index = [], None, None
    for c, encoder in enumerate(rows.encoder.parameters):
        own = tuple(sorted({i for t in wanted for p, i in rows.encoder.random[t] if p == c}))
        need = c == 0 and whole_variance and encoder.weights is not None and encoder.weights != ARRAY
        new = encoder.new_rows(table, random=own, need_weights=need)
        columns.append(new.x)
        parts |= {(c, r.term): r for r in new.random}
        without(new.missing)
        weights = new.weights if need else weights
        index = new.row_index
    m = len(columns[0])
    covariates = []
    ev = Evaluator(table, "", rows.encoder.states)
    for expr, known in zip(rows.curve.covariates, rows.covariates, strict=True):
        for name in names_in(expr):
            if name not in table:
                raise ColumnNotFoundError(name, table.names, "the new data")
        table.load(list(names_in(expr)))
        value = ev.numbers(expr)
        without(missing_rows(value))
        covariates.append(np.where(np.isnan(value.values), known[0], value.values))
    codes: list[Places] = []
    extended: list[Places] = []
    z = [np.zeros((m, len(of))) for of in rows.of]
    nowhere = np.full(m, -1, dtype=np.int32)
    for span, term, mask in zip(fit.order.spans, fit.terms, masks, strict=True):
        block = rows.encoder.random[span.formula]
        if block[0] not in parts:
            codes.append(nowhere)
            extended.append(nowhere)
            continue
        first = parts[block[0]]
        if mask.any() and not allow_unseen:
            if first.unseen:
                shown = ", ".join(map(repr, first.unseen[:5]))
                raise NewLevelError(
                    f"the new data have levels of {term.group!r} that were not in the data of the fit: {shown}. Use "
                    "new_levels='population' to take their random effects to be zero, or re='population' to leave out "
                    "all random effects."
                )
            if first.n_missing:
                without(without_level(first.codes))
        codes.append(first.codes)
        extended.append(first.extended)
        z[span.formula] = np.hstack([parts[p].z for p in block])
    x = np.hstack(columns)
    if missing is not None and missing.any():
        x[missing] = rows.x[0]
        for columns_of_term in z:
            columns_of_term[missing] = 0.0
        weights = None if weights is None else np.where(missing, 1.0, weights)
    made = replace(
        rows,
        covariates=tuple(np.ascontiguousarray(c) for c in covariates),
        x=np.asfortranarray(x),
        z=tuple(np.asfortranarray(c) for c in z),
    )
    labels = pd.RangeIndex(m) if index is None else index
    return CurvePoints(made, tuple(codes), tuple(extended), weights, missing), labels
