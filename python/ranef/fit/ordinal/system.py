"""The core's system of a model of ordered categories: location, thresholds and log scale are linear
predictors of a row.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from ranef.families.cumulative import Cumulative, threshold_map
from ranef.fit.components.design import Predictor, together
from ranef.fit.components.system import JoinedModel
from ranef.fit.ending.refused_arrays import cannot_be_set_up
from ranef.fit.order import TermOrder, order_terms
from ranef.fit.prior import NamedCoefficients, core_prior
from ranef.fit.refits.row_subset import design_of_rows
from ranef.fit.row_arguments import core_factors, level_weights, row_weights

if TYPE_CHECKING:
    from ranef._core import GlmmSystem

Floats = NDArray[np.float64]

#: Numbers of the linear predictors in the core.
LOCATION, SCALE = 0, 3


@dataclass(frozen=True, slots=True, eq=False)
class OrdinalModel(JoinedModel):
    """A model of ordered categories; its response numbers them from 1.

    Coefficients are those of the location, of the thresholds, of nominal effects (the part of that
    name of the design) and of the log scale, one after the other.

    Attributes
    ----------
    family : Cumulative
    scale : (n, k) array or None
        Fixed effects on the log scale; None where it does not vary.
    scale_names : tuple of str
        Of its columns.
    """

    family: Cumulative
    scale: Floats | None
    scale_names: tuple[str, ...] = ()

    @property
    def nominal(self) -> Floats | None:
        """Columns (n, k) of nominal effects."""
        return next((p.x for p in self.design.parts if p.name == "nominal"), None)

    @property
    def widths(self) -> tuple[int, ...]:
        """How many coefficients there are of the location, of thresholds with nominal effects, and
        of the scale.
        """
        assert self.design.response_levels is not None
        k = len(threshold_map(self.family.threshold, self.design.response_levels).names)
        columns = 0 if self.nominal is None else self.nominal.shape[1]
        scale = () if self.scale is None else (self.scale.shape[1],)
        return (len(self.design.x_names), k * (1 + columns), *scale)

    @property
    def n_columns(self) -> int:
        """Number of coefficients of all predictors, those that others determine too."""
        return sum(self.widths)

    @property
    def other_coefficients(self) -> dict[str, NamedCoefficients]:
        """Threshold parameters, nominal effects and effects on the log scale."""
        assert self.design.response_levels is not None
        names = threshold_map(self.family.threshold, self.design.response_levels).names
        k, first = len(names), self.widths[0]
        out = {"thresholds": NamedCoefficients(names, first)}
        nominal = next((p for p in self.design.parts if p.name == "nominal"), None)
        if nominal is not None:
            held = tuple(f"{a}.{column}" for column in nominal.x_names for a in names)
            out["nominal"] = NamedCoefficients(held, first + k, np.repeat(nominal.x, k, axis=1))
        if self.scale is not None and self.scale.shape[1]:
            held = self.scale_names
            out["scale"] = NamedCoefficients(held, first + self.widths[1], self.scale)
        return out

    def with_first(self, x: Floats) -> Self:
        """The model with other columns (n, p) of the location, and without priors."""
        names = tuple(str(j) for j in range(x.shape[1]))
        return replace(self, design=replace(self.design.with_rows(x=x), x_names=names, priors=()))

    def of_rows(self, rows: NDArray[np.intp]) -> Self:
        """The model of some of its rows, with the same coefficients."""
        scale = None if self.scale is None else np.asfortranarray(self.scale[rows])
        return replace(self, design=design_of_rows(self.design, rows), scale=scale)

    def system(self, all_columns: bool = False) -> "GlmmSystem":
        """Hand the arrays to the core.

        Parameters
        ----------
        all_columns : bool
            Whether columns are kept that depend on others, for evaluations alone.
        """
        from ranef._core import GlmmSystem, RowKernel

        design, n = self.design, len(self.design.y)
        assert design.response_levels is not None
        weights = row_weights(design)
        weights = np.ones(n) if weights is None else np.ascontiguousarray(weights)
        matrix = np.ascontiguousarray(threshold_map(self.family.threshold, design.response_levels).matrix)
        nominal = np.empty((n, 0)) if self.nominal is None else self.nominal
        fixed = [[(LOCATION, np.asfortranarray(design.x))]]
        offsets = [None if design.offset is None else np.ascontiguousarray(design.offset), None, None]
        if self.scale is not None:
            fixed.append([(SCALE, np.asfortranarray(self.scale))])
            offsets.append(None)
        y = np.ascontiguousarray(design.y - 1.0)
        thresholds = (1, matrix, np.asfortranarray(nominal))
        try:
            kernel = RowKernel.ordinal(self.family.link, len(matrix), self.scale is not None)
            factors = core_factors(design, self.order)
            of = self.numbers((LOCATION, SCALE))
            beside = (
                core_prior(self.named(("cond", "scale")), self.order, None, self.other_coefficients),
                level_weights(design, self.order),
            )
            return GlmmSystem.several(y, weights, fixed, offsets, factors, of, kernel, thresholds, all_columns, *beside)
        except ValueError as problem:
            raise cannot_be_set_up(design, problem) from None


def ordinal_model(predictors: Sequence[Predictor], family: Cumulative, order: TermOrder | None = None) -> OrdinalModel:
    """Put location and scale together.

    Parameters
    ----------
    predictors : sequence of Predictor
        Of the location and, where it varies, of the log scale.
    family : Cumulative
    order : TermOrder, optional
        Of the random terms of both, when already known.
    """
    terms, pieces = together(predictors)
    design = replace(predictors[0].design, random=terms)
    varies = len(predictors) > 1
    scale = predictors[1].design.x if varies else None
    names = predictors[1].design.x_names if varies else ()
    return OrdinalModel(design, order or order_terms(terms), pieces, family, scale, names)
