"""The random terms of location and scale of ordered categories, put together."""

from dataclasses import dataclass, replace

import numpy as np

from ranef.design.parts import DesignPart
from ranef.design.record import Design
from ranef.fit.component_design import Piece, Predictor, together


@dataclass(frozen=True, slots=True, eq=False)
class JoinedTerms:
    """The random terms of location and scale together.

    Attributes
    ----------
    design : Design
        That of the location with all of them.
    pieces : tuple of tuple of Piece
        What location (0) and scale (1) have in each.
    own : tuple of Design
        Those of location and scale.
    """

    design: Design
    pieces: tuple[tuple[Piece, ...], ...]
    own: tuple[Design, Design]


def scale_part(design: Design) -> DesignPart | None:
    """The part of the scale; None without one."""
    return next((p for p in design.parts if p.name == "scale"), None)


def joined_terms(design: Design) -> JoinedTerms | None:
    """Put the terms of location and scale together; None where the scale has none."""
    part = scale_part(design)
    if part is None or not part.random:
        return None
    assert part.expr is not None
    own = replace(
        design,
        formula=part.expr,
        x_names=part.x_names,
        x_assign=part.x_assign,
        fixed_terms=part.terms,
        random=part.random,
        parts=(),
    ).with_rows(x=np.asfortranarray(part.x), offset=None)
    terms, pieces = together((Predictor("cond", design, None), Predictor("scale", own, part.formula)))
    return JoinedTerms(replace(design, random=terms), pieces, (design, own))
