"""Covariance parameters of terms that share their effects: those of one term, in equal parts.

The criterion is the same for every way of dividing the covariance of the shared effects, so that a
search ends at one that depends on where it began and on the order of the rows. It begins,
therefore, at the optimum of the model without the superfluous terms, divided equally.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ranef.design.record import Design
from ranef.design.shared_effects import SharedEffects
from ranef.fit.order import TermOrder, relative_factor, theta_of_factors

Floats = NDArray[np.float64]

#: Share of the largest eigenvalue of a covariance matrix below which it is zero.
ZERO = 1e-14


def null_directions(factor: Floats) -> int:
    """Number of directions without variance of a relative factor (k, k)."""
    values = np.linalg.eigvalsh(factor @ factor.T)
    return int(np.count_nonzero(values <= ZERO * max(values[-1], 0.0)))


def without_shared(design: Design, shared: Sequence[SharedEffects]) -> tuple[Design, tuple[int, ...]]:
    """The design without the superfluous terms, and the positions of its terms in the formula."""
    gone = {j for s in shared for j in s.others}
    places = tuple(i for i in range(len(design.random)) if i not in gone)
    return replace(design, random=tuple(design.random[i] for i in places)), places


def divided(
    shared: Sequence[SharedEffects],
    design: Design,
    order: TermOrder,
    places: Sequence[int],
    part: TermOrder,
    theta: Floats,
) -> Floats:
    """Theta of all terms from that of the terms that are needed.

    Parameters
    ----------
    shared : sequence of SharedEffects
    design : Design
    order : TermOrder
        Of all terms.
    places : sequence of int
        The positions in the formula of the terms that are needed.
    part : TermOrder
        Of these.
    theta : (q,) array
        Their parameters, in lme4's order.

    Returns
    -------
    (m,) array
        In lme4's order.
    """
    factors = {places[s.formula]: relative_factor(s, theta) for s in part.spans}
    for s in shared:
        whole = factors[s.base] @ factors[s.base].T
        pieces = [
            _piece(whole, m, design.random[j].structure == "diagonal") / (len(s.others) + 1)
            for j, m in zip(s.others, s.maps, strict=True)
        ]
        for j, m, piece in zip(s.others, s.maps, pieces, strict=True):
            factors[j] = _factor(piece)
            whole = whole - m @ piece @ m.T
        factors[s.base] = _factor(whole)
    return theta_of_factors(order, factors)


def _piece(whole: Floats, combine: Floats, diagonal: bool) -> Floats:
    """The largest covariance matrix S with ``whole - combine S combine'`` positive semidefinite, or
    a diagonal one of that kind.
    """
    values, vectors = np.linalg.eigh(whole)
    kept = values > ZERO * max(values[-1], 0.0)
    # A direction without variance cannot give any of it.
    if not kept.any() or np.abs(vectors[:, ~kept].T @ combine).max(initial=0.0) > 1e-7 * np.abs(combine).max():
        return np.zeros((combine.shape[1], combine.shape[1]))
    root = (vectors[:, kept] / np.sqrt(values[kept])).T @ combine
    inner = root.T @ root
    if diagonal:
        return np.diag(1.0 / np.diagonal(inner)) / (1 if np.count_nonzero(inner) == len(inner) else len(inner))
    return np.asarray(np.linalg.pinv(inner, hermitian=True))


def _factor(covariance: Floats) -> Floats:
    """Lower triangular factor of a positive semidefinite matrix."""
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    lower = np.asarray(np.linalg.qr(root.T, mode="r")).T
    out: Floats = lower * np.where(np.diagonal(lower) < 0, -1.0, 1.0)
    return out
