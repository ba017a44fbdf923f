"""What a user asked ``clmm`` for."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from ranef.design.part_design import apart
from ranef.design.parts import without_response
from ranef.design.record import Design
from ranef.errors import DesignError, FormulaError, OptionError
from ranef.families.cumulative import Cumulative, threshold_map
from ranef.fit.approximation import AUTO, settled_n_quad
from ranef.fit.components.design import Predictor
from ranef.fit.control import FitControl, refuse_iterative
from ranef.fit.enough_nodes import fit_with_enough_nodes
from ranef.fit.likelihood import Likelihood
from ranef.fit.order import TermOrder
from ranef.fit.ordinal.fit import fit_ordinal
from ranef.fit.outcome import Kind
from ranef.fit.progress import Report
from ranef.fit.record import MixedFit
from ranef.fit.request import ModelRequest, requested_design
from ranef.fit.start import parse_glmm_start
from ranef.fit.sums.fewer_terms import has_constant
from ranef.formula import parse_formula
from ranef.formula.formula import Formula

#: Arguments that are formulas of their own.
PARTS = ("nominal", "scale")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class OrdinalRequest(ModelRequest):
    """The arguments of one call of ``clmm``."""

    link: str = "logit"
    threshold: str = "flexible"
    nominal: str | None = None
    scale: str | None = None
    n_quad: int | str = 1

    _verb = "clmm"
    _other_names = ("nAGQ",)
    _new_fields: ClassVar[Mapping[str, Any]] = {}

    # A frozen dataclass with slots gets methods of its own for pickles unless it names them.
    __getstate__ = ModelRequest.__getstate__
    __setstate__ = ModelRequest.__setstate__

    def __post_init__(self) -> None:
        super(OrdinalRequest, self).__post_init__()
        for name in PARTS:
            given = getattr(self, name)
            if given is not None:
                without_response(name, given)
        _ = self.family

    @property
    def family(self) -> Cumulative:
        """Link and thresholds."""
        return Cumulative(self.link, self.threshold)

    def parts(self) -> dict[str, Formula]:
        """The formulas of nominal and scale effects that have terms."""
        found = {}
        for name in PARTS:
            text = getattr(self, name)
            if text is None:
                continue
            part = parse_formula(without_response(name, text))
            if part.has_dot:
                raise FormulaError(f"the formula of {name} has no dot to stand for other terms.", text, 0, len(text))
            if part.random and name != "scale":
                raise FormulaError(
                    f"random effects in {name} are not fitted; location and scale can have some, in the model's "
                    "formula and in scale.",
                    part.text,
                    *part.random[0].span,
                )
            if part.offsets:
                raise FormulaError(f"the formula of {name} takes no offset.", part.text, 0, len(part.text))
            if part.fixed or part.random:
                found[name] = part
        return found

    def _names_in_use(self) -> tuple[str, ...]:
        return tuple(name for part in self.parts().values() for name in part.names)

    def _found_within(self, sums: Design | None, control: FitControl, n_threads: int) -> MixedFit:
        found = ModelRequest._found_within
        if self.n_quad == AUTO:
            return fit_with_enough_nodes(lambda n: found(replace(self, n_quad=n), sums, control, n_threads))
        return found(self, sums, control, n_threads)

    def _design(self) -> tuple[Design, Kind]:
        parts = self.parts()
        design = requested_design(self, "ordinal", parts=parts)
        _check_parts(design.formula, parts)
        levels = design.response_levels
        assert levels is not None
        thresholds = threshold_map(self.threshold, levels)  # which may need more categories
        if has_constant(thresholds.matrix):
            _check_constant(design)
        return design.with_rows(y=design.y + 1.0), "category"

    def _start(self, order: TermOrder, design: Design) -> Any:
        if any(part.random for part in design.parts) and self.start is not None:
            raise OptionError("start= is for models without random effects in the scale.")
        return parse_glmm_start(self.start, order, design)

    def _fitted(
        self,
        design: Design,
        kind: Kind,
        order: TermOrder,
        start: Any,
        control: FitControl,
        show: Report | None,
        n_threads: int,
    ) -> MixedFit:
        refuse_iterative(control, "clmm")
        if self.n_quad == 0:
            raise OptionError("clmm has Laplace's approximation, n_quad=1, or quadrature with more nodes.")
        likelihood = Likelihood(self.family, kind, int(self.n_quad))
        location, scale = apart(design, "scale")
        predictors = [Predictor("cond", location, None)]
        if scale is not None:
            predictors.append(Predictor("scale", scale, scale.formula.text))
        theta = None if start.theta is None else start.theta[order.core_of_theta]
        return fit_ordinal(tuple(predictors), likelihood, (theta, None), control, show, n_threads)

    def _settled(self, changed: dict[str, Any]) -> dict[str, Any]:
        return settled_n_quad(changed, with_auto=True)


def _check_parts(formula: Formula, parts: Mapping[str, Formula]) -> None:
    """Refuse terms that are in the location and nominal: the thresholds move with them anyway."""
    nominal = parts.get("nominal")
    if nominal is None:
        return
    both = [t.label for t in nominal.fixed if t.label in {f.label for f in formula.fixed}]
    if both:
        raise OptionError(
            f"{', '.join(both)} {'is' if len(both) == 1 else 'are'} in the formula and in nominal: effects on every "
            "threshold contain an effect on the location. Leave it out of one of the two."
        )


def _check_constant(design: Design) -> None:
    """Refuse columns of the location that add up to a constant, as the thresholds move with it."""
    x = design.x
    if not isinstance(x, np.ndarray) or not has_constant(x):
        return
    alone = [name for name, column in zip(design.x_names, x.T, strict=True) if np.ptp(column) == 0 and column[0] != 0]
    if alone:
        raise DesignError(
            f"{alone[0]} is the same in all rows that are used: thresholds hold a constant already. Leave it out."
        )
    raise DesignError(
        f"the columns {', '.join(design.x_names[:8])} add up to a constant, which the thresholds hold already: leave "
        "one of them out."
    )
