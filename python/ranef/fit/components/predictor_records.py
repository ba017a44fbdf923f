"""What the core found, taken apart by linear predictor."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ranef.fit.beside import effects_of
from ranef.fit.components.design import Piece, Predictor
from ranef.fit.components.system import JoinedModel
from ranef.fit.order import TermOrder, by_term, relative_factor, theta_of_factors

if TYPE_CHECKING:
    from ranef import _core

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Block:
    """Some of the coefficients that a model could have.

    Attributes
    ----------
    kept : tuple of int
        Numbers within the block of those in use.
    place : slice
        Where these are among all coefficients in use.
    """

    kept: tuple[int, ...]
    place: slice


def blocks_of(kept: Sequence[int], widths: Sequence[int]) -> list[Block]:
    """Blocks of such widths, one after the other, of which the core keeps some columns."""
    out = []
    first = at = 0
    for width in widths:
        own = tuple(int(j) - first for j in kept if first <= j < first + width)
        out.append(Block(own, slice(at, at + len(own))))
        first, at = first + width, at + len(own)
    return out


def predictor_fields(
    number: int,
    predictor: Predictor,
    block: Block,
    order: TermOrder,
    model: JoinedModel,
    solution: "_core.GeneralizedSolution",
    covariance: Floats | None,
) -> dict[str, Any]:
    """The fields of a record that are found in the same way for all predictors.

    Parameters
    ----------
    number : int
    predictor : Predictor
    block : Block
        Its coefficients.
    order : TermOrder
        Of its random terms.
    model : JoinedModel
    solution : GeneralizedSolution
    covariance : (k, k) array or None
        Of all parameters, theta first.
    """
    theta = solution.theta[model.order.theta_of_core]
    factors = {s.formula: relative_factor(s, theta) for s in model.order.spans}
    b, u = (effects_of(model.design, model.order, by_term(model.order, v)) for v in (solution.b, solution.u))
    effects = {s.formula: (b[i], u[i]) for i, s in enumerate(model.order.spans)}
    shapes, modes, spherical = own_effects(number, model.pieces, factors, effects)
    k, names = len(block.kept), predictor.design.x_names
    vcov = np.full((k, k), np.nan)
    if covariance is not None:
        place = len(theta) + np.arange(block.place.start, block.place.stop)
        vcov = covariance[np.ix_(place, place)]
    return {
        "key": predictor.key,
        "formula": predictor.formula,
        "design": predictor.design,
        "order": order,
        "theta": theta if model.is_of_first and number == 0 else theta_of_factors(order, shapes),
        "kept": block.kept,
        "dropped": tuple(name for j, name in enumerate(names) if j not in block.kept),
        "beta": np.ascontiguousarray(solution.beta[block.place]),
        "b": tuple(modes[s.formula] for s in order.spans),
        "u": tuple(spherical[s.formula] for s in order.spans),
        "vcov_beta": vcov,
    }


def own_effects(
    number: int,
    pieces: tuple[tuple[Piece, ...], ...],
    factors: Mapping[int, Floats],
    effects: Mapping[int, tuple[Floats, Floats]],
) -> tuple[dict[int, Floats], dict[int, Floats], dict[int, Floats]]:
    """Relative factors and modes of the terms of one predictor, by their place in its formula."""
    shapes: dict[int, Floats] = {}
    modes: dict[int, Floats] = {}
    spherical: dict[int, Floats] = {}
    for i, parts in enumerate(pieces):
        for piece in parts:
            if piece.predictor != number:
                continue
            own = slice(piece.start, piece.start + piece.size)
            shapes[piece.term], turned = own_factor(factors[i], own)
            spherical[piece.term] = effects[i][1] if turned is None else effects[i][1] @ turned
            modes[piece.term] = np.ascontiguousarray(effects[i][0][:, own])
    return shapes, modes, spherical


def own_factor(factor: Floats, own: slice) -> tuple[Floats, Floats | None]:
    """A root of the part that some effects have in the covariance of a term, and what turns the
    spherical effects of the whole to theirs; None where they are the whole.
    """
    if own.stop - own.start == len(factor):
        return factor, None
    q, r = np.linalg.qr(factor[own].T)
    sign = np.where(np.diagonal(r) < 0, -1.0, 1.0)
    return (r * sign[:, None]).T, q * sign


def own_theta(number: int, order: TermOrder, model: JoinedModel, theta: Floats) -> Floats:
    """Covariance parameters of one predictor in lme4's order, from those of all in the core's."""
    values = theta[model.order.theta_of_core]
    if model.is_of_first and number == 0:
        return values
    factors = {s.formula: relative_factor(s, values) for s in model.order.spans}
    shapes = {
        piece.term: own_factor(factors[i], slice(piece.start, piece.start + piece.size))[0]
        for i, parts in enumerate(model.pieces)
        for piece in parts
        if piece.predictor == number
    }
    return theta_of_factors(order, shapes)
