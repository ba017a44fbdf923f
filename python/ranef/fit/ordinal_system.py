"""The core's system of a model of ordered categories: location, thresholds and log scale are linear
predictors of a row.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.design.record import Design
from ranef.families.cumulative import Cumulative, threshold_map
from ranef.fit.order import TermOrder
from ranef.fit.row_arguments import core_factors, row_weights
from ranef.fit.scale_terms import JoinedTerms, joined_terms

if TYPE_CHECKING:
    from ranef._core import GlmmSystem

Floats = NDArray[np.float64]

#: Numbers of the linear predictors in the core.
LOCATION, SCALE = 0, 3


def build_ordinal_system(
    design: Design, order: TermOrder, family: Cumulative, all_columns: bool = False
) -> "GlmmSystem":
    """Hand the arrays of a design to the core; its response numbers the categories from 1.

    Coefficients are those of the location, of the thresholds, of nominal effects and of the log
    scale, one after the other.

    Parameters
    ----------
    design : Design
    order : TermOrder
        Of the random terms of location and scale together.
    family : Cumulative
    all_columns : bool
        Whether columns are kept that depend on others, for evaluations alone.
    """
    from ranef._core import GlmmSystem, RowKernel

    assert design.response_levels is not None
    n = len(design.y)
    weights = row_weights(design)
    weights = np.ones(n) if weights is None else np.ascontiguousarray(weights)
    matrix = np.ascontiguousarray(threshold_map(family.threshold, design.response_levels).matrix)
    columns = {p.name: np.asfortranarray(p.x) for p in design.parts}
    joined = joined_terms(design)
    none = np.empty((n, 0), order="F")
    fixed = [[(LOCATION, np.asfortranarray(design.x))]]
    offsets = [None if design.offset is None else np.ascontiguousarray(design.offset), None, None]
    if "scale" in columns:
        fixed.append([(SCALE, columns["scale"])])
        offsets.append(None)
    kernel = RowKernel.ordinal(family.link, len(matrix), "scale" in columns)
    factors = core_factors(design if joined is None else joined.design, order)
    of = [
        [p for i in members for p in (_predictors(joined, i) if joined else [LOCATION] * len(design.random[i].names))]
        for members in order.factors
    ]
    thresholds = (1, matrix, columns.get("nominal", none))
    y = np.ascontiguousarray(design.y - 1.0)
    return GlmmSystem.several(y, weights, fixed, offsets, factors, of, kernel, thresholds, all_columns)


def _predictors(joined: JoinedTerms, term: int) -> list[int]:
    """The predictor of every effect of a term."""
    return [SCALE if piece.predictor else LOCATION for piece in joined.pieces[term] for _ in range(piece.size)]
