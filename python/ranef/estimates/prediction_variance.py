"""Variances of predicted linear predictors,
and of the random effects that a prediction leaves out.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.design.membership import for_core, size_of, unseen_of
from ranef.estimates.fixed_basis import fixed_basis
from ranef.estimates.included_effects import Mask
from ranef.estimates.prediction_rows import Rows, only
from ranef.fit.order import relative_factor
from ranef.fit.record import MixedFit

Floats = NDArray[np.float64]


def mean_variance(fit: MixedFit, rows: Rows, masks: tuple[Mask, ...]) -> Floats:
    """Variance (m,) of x'(beta^ - beta) + z'(b^ - b) over the chosen effects,
    those of unseen levels with their full variance.
    """
    if not any(mask.any() for mask in masks):
        if (basis := fixed_basis(fit)) is not None:
            return basis.variance_of(rows.x) * fit.sigma**2
        out: Floats = np.einsum("ij,jk,ik->i", rows.x, fit.vcov, rows.x)
        return out
    factors: list[tuple[Any, list[Floats]]] = []
    for f in range(len(fit.order.factors)):
        at = [i for i, s in enumerate(fit.order.spans) if s.factor == f]
        factors.append(
            (
                for_core(rows.codes[at[0]]),
                [np.asfortranarray(only(rows.z[i], masks[i])) for i in at],
            )
        )
    variance = fit.prediction_variance(np.asfortranarray(rows.x), factors)
    return np.asarray(variance) + unseen_random(fit, rows, masks) + between_positions(fit, rows, masks)


def between_positions(fit: MixedFit, rows: Rows, masks: tuple[Mask, ...], left_out: bool = False) -> Floats:
    """Variance (m,) of effects within the masks, or outside them, at places between the positions
    of the fit, given the effects at these.
    """
    out = np.zeros(len(rows.x))
    for own, mask in zip(rows.between, masks, strict=False):
        if own is not None and bool(mask.any()) != left_out:
            out += own
    return out * fit.random_scale**2


def left_out_random(fit: MixedFit, rows: Rows, masks: tuple[Mask, ...]) -> Floats:
    """Variance (m,) of the random effects outside the masks."""
    out = np.zeros(len(rows.x))
    for places, z, mask, factor in zip(rows.codes, rows.z, masks, fit.relative_factors, strict=True):
        if not mask.all():
            out += size_of(places) * own_variance(only(z, ~mask), factor)
    return out * fit.random_scale**2 + between_positions(fit, rows, masks, left_out=True)


def unseen_random(fit: MixedFit, rows: Rows, masks: tuple[Mask, ...]) -> Floats:
    """Variance (m,) of the random effects within the masks whose level was not
    in the data of the fit.
    """
    out = np.zeros(len(rows.x))
    for codes, z, mask, factor in zip(rows.codes, rows.z, masks, fit.relative_factors, strict=True):
        share = unseen_of(codes)
        unseen = share > 0
        if mask.any() and unseen.any():
            out[unseen] += share[unseen] * own_variance(only(z[unseen], mask), factor)
    return out * fit.random_scale**2


def covariance_over_predictors(
    fit: Any, theta: Floats, rows: Sequence[Rows], masks: Sequence[tuple[Mask, ...]], unseen: bool = False
) -> Floats:
    """Covariance (m, d, d) over d linear predictors of what they have of random effects outside the
    masks, or with ``unseen`` of those within whose level was not in the data of the fit.

    Parameters
    ----------
    fit : MixedFit
        Of several linear predictors.
    theta : (k,) array
        Covariance parameters of all of them, in the core's order.
    rows, masks : sequences
        Of every predictor.
    unseen : bool
    """
    order, d = fit.whole.order, len(fit.predictors)
    values = theta[order.theta_of_core]
    out = np.zeros((len(rows[0].x), d, d))
    places = [{s.formula: i for i, s in enumerate(p.order.spans)} for p in fit.predictors]
    for span in order.spans:
        factor = relative_factor(span, values)
        parts: list[tuple[int, Floats]] = []
        share: Any = 0.0
        for piece in fit.whole.pieces[span.formula]:
            c = piece.predictor
            i = places[c][piece.term]
            codes, mask = rows[c].codes[i], masks[c][i]
            share = unseen_of(codes) if unseen else size_of(codes)
            z = only(rows[c].z[i], mask if unseen else ~mask)
            parts.append((c, z @ factor[piece.start : piece.start + piece.size]))
        for c, a in parts:
            for e, b in parts:
                out[:, c, e] += share * np.einsum("ij,ij->i", a, b)
    if not unseen:
        for c, (p, own, mask) in enumerate(zip(fit.predictors, rows, masks, strict=True)):
            out[:, c, c] += between_positions(p, own, mask, left_out=True)
    return out


def own_variance(z: Floats, factor: Floats) -> Floats:
    """z' lambda lambda' z of every row."""
    scaled = z @ factor
    out: Floats = np.einsum("ij,ij->i", scaled, scaled)
    return out
