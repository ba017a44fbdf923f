"""What a user asked ``lmer`` or ``glmer`` for: checked once, kept with the model, changed by
``update``.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from ranef.data.selection import selected_columns
from ranef.data.table import Table
from ranef.design.build import build_design
from ranef.design.checks import Model
from ranef.design.coding_rules import LME4_RULES, CodingRules
from ranef.design.contrasts import parse_contrast
from ranef.design.known_matrix import read_known
from ranef.design.memory import memory_limit
from ranef.design.record import Design
from ranef.design.rows import argument_names
from ranef.design.sampling import SamplingRequest, read_sampling
from ranef.errors import ArgumentTypeError, DataError, FormulaError, MemoryLimitError, OptionError
from ranef.families.family import Family
from ranef.families.names import parse_family
from ranef.fit.approximation import AUTO, checked_curvature, settled_n_quad
from ranef.fit.beside import see_that_ml_is_fitted, see_that_tests_are_by, with_beside
from ranef.fit.components.request import fitted_components, has_several_predictors, part_formula
from ranef.fit.control import FitControl, parse_control
from ranef.fit.correlated.record import fit_linear
from ranef.fit.correlated.row_structure_request import RowStructureRequest
from ranef.fit.ending.warned import warn_once
from ranef.fit.enough_nodes import fit_with_enough_nodes
from ranef.fit.iterative.modes import fit_by_solver
from ranef.fit.likelihood import Likelihood
from ranef.fit.named_values import column_or_values
from ranef.fit.order import TermOrder, order_terms
from ranef.fit.outcome import Kind, outcome_of
from ranef.fit.prior import read_prior
from ranef.fit.progress import Progress, Report, reported
from ranef.fit.record import MixedFit
from ranef.fit.refits.replaced_response import replaced_response
from ranef.fit.reml import choose_reml
from ranef.fit.request_types import check_types
from ranef.fit.start import parse_glmm_start, parse_start
from ranef.fit.sums.absent_data import AbsentData
from ranef.fit.threads import parse_n_threads
from ranef.formula import expand_dot, parse_formula, require_random, update_formula
from ranef.formula.formula import Formula
from ranef.formula.residual import ResidualExpr
from ranef.options import Ddf, is_data_kept

#: Fields that pickles of earlier versions do not have.
_LATER: dict[str, Any] = {"prior": None, "sampling_weights": None, "strata": None}
_LATER |= {"weight_scaling": "none", "weights_are": "conditional"}

#: Arguments that do not decide about columns and rows.
OF_FIT = frozenset({"REML", "method", "start", "control", "progress", "n_threads", "ddf"})


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ModelRequest:
    """The arguments that ``lmer``, ``glmer`` and their kin have in common, as given in one call.

    ``data`` is the user's own object, which copies share. Saved files leave it out unless it is a
    path, and so do pickles unless ``ranef.options(keep_data=True)`` asks for the columns in use.
    ``coding`` is that of the session when the model was made, which updates keep. ``response``
    holds, for models made by ``refit``, the values that took the place of the formula's response
    (one for each input row, NaN where a row was not used).
    """

    formula: str
    data: Any
    weights: Any = None
    offset: Any = None
    subset: Any = None
    na_action: str = "omit"
    contrasts: Mapping[str, Any] | None = None
    start: Any = None
    control: Mapping[str, Any] | None = None
    progress: Progress = False
    n_threads: int | None = None
    response: NDArray[np.float64] | None = None
    ddf: Ddf = "satterthwaite"
    coding: CodingRules | None = None
    prior: Any = None
    sampling_weights: Any = None
    weight_scaling: str = "none"
    weights_are: str = "conditional"
    strata: Any = None

    #: The verb; fields that are no arguments of it, and arguments that are no fields.
    _verb: ClassVar[str]
    _hidden: ClassVar[tuple[str, ...]] = ()
    _other_names: ClassVar[tuple[str, ...]] = ()
    #: Of one kind of request, fields that pickles of earlier versions do not have.
    _new_fields: ClassVar[Mapping[str, Any]] = {}

    def __post_init__(self) -> None:
        check_types(self)
        for name in ("weights", "offset", "subset"):
            object.__setattr__(self, name, column_or_values(name, getattr(self, name), self.data))
        if self.coding is None:
            object.__setattr__(self, "coding", CodingRules.of_session())
        object.__setattr__(self, "prior", read_prior(self.prior) or None)
        self._sampling()
        if self.contrasts:
            # A matrix is read now: a file does not keep the labels of a frame.
            read = {str(k): v if isinstance(v, str) else parse_contrast(v, str(k)) for k, v in self.contrasts.items()}
            object.__setattr__(self, "contrasts", read)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self  # nothing in it is changed by a model, so that copies share the data

    def __getstate__(self) -> dict[str, Any]:
        kept = self._columns_in_use() if is_data_kept() else None
        return self._state("pickled") if kept is None else {**self._state("pickled"), "data": kept}

    def _state(self, how: str) -> dict[str, Any]:
        state = {f.name: getattr(self, f.name) for f in fields(self)}
        data = os.fspath(self.data) if isinstance(self.data, str | os.PathLike) else AbsentData.of(self.data, how)
        return {**state, "data": data, "progress": False}

    def _columns_in_use(self) -> Any:
        """The data in columns that the model uses; None where that is no frame in memory."""
        if isinstance(self.data, AbsentData | str | os.PathLike):
            return None
        parsed = parse_formula(self.fixed_formula)
        table = Table.from_data(self.data)
        if parsed.has_dot:
            parsed = expand_dot(parsed, table.names)
        used = {*parsed.names, *self._names_in_use(), *argument_names(table, self.weights, self.offset, self.subset)}
        used |= {v for v in (*(self.sampling_weights or {}).values(), self.strata) if isinstance(v, str)}
        return selected_columns(self.data, used.__contains__)

    def _names_in_use(self) -> tuple[str, ...]:
        """Columns beside those of the formula and the arguments that all models have."""
        return ()

    def without_data(self, how: Literal["saved", "resampled"]) -> Self:
        """The same request in a model that is saved in a file, or in one of other rows."""
        out: Self = object.__new__(type(self))
        out.__setstate__(self._state(how))
        return out

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = {
            "ddf": "satterthwaite",
            "coding": None,
            **_LATER,
            **self._new_fields,
            **state,
        }  # pickles of earlier versions do not have them
        for name, value in state.items():
            object.__setattr__(self, name, value)

    @property
    def coding_rules(self) -> CodingRules:
        """How factors are coded for which nothing is given, as the settings were at the first fit;
        files of earlier versions do not have it.
        """
        return LME4_RULES if self.coding is None else self.coding

    @property
    def design_arguments(self) -> dict[str, Any]:
        """Arguments of `build_design` that all verbs have."""
        names = ("weights", "offset", "subset", "na_action", "contrasts")
        return {name: getattr(self, name) for name in names} | {"coding": self.coding_rules}

    def fitted(self, sums: Design | None = None, checkpoint: Path | None = None) -> MixedFit:
        """Parse, build the design (or take the one of a model without rows), fit, and issue at most
        one warning; ``checkpoint`` is where a search is kept.
        """
        try:
            fit = self._found(sums, checkpoint)
        except MemoryError as problem:
            if isinstance(problem, MemoryLimitError):
                raise
            asked = f": {problem}" if str(problem) else ""
            raise MemoryLimitError(
                f"the model does not fit into the memory that is free{asked}. Use fewer levels, or for groups among "
                "the fixed effects a random effect."
            ) from None
        warn_once(fit.messages)
        return fit

    def _found(self, sums: Design | None, checkpoint: Path | None) -> MixedFit:
        control = replace(parse_control(self.control), checkpoint=checkpoint)
        with memory_limit(control.memory):
            return self._found_within(sums, control, parse_n_threads(self.n_threads))

    def _found_within(self, sums: Design | None, control: FitControl, n_threads: int) -> MixedFit:
        kind: Kind = "value"
        design = sums
        if design is None:
            design, kind = self._design()
        design = self.with_beside(design)
        if self.response is not None:
            design = design.with_rows(y=replaced_response(self.response, design))
        order = order_terms(design.random)
        start = self._start(order, design)
        with reported(self.progress, "evaluations") as show:
            return self._fitted(design, kind, order, start, control, show, n_threads)

    def _sampling(self) -> SamplingRequest | None:
        return read_sampling(self.sampling_weights, self.weight_scaling, self.weights_are, self.strata)

    def with_beside(self, design: Design) -> Design:
        """The design with priors and sampling weights."""
        return with_beside(design, self.data, self.prior or (), self._sampling())

    def _design(self) -> tuple[Design, Kind]:
        raise NotImplementedError

    def _start(self, order: TermOrder, design: Design) -> Any:
        raise NotImplementedError

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
        raise NotImplementedError

    def changed(self, formula: str | None = None, needs_rows: bool = True, /, **changed: Any) -> Self:
        """The request of ``update``: a formula that may use ``.`` for the old one, and other
        arguments of the verb. Without its rows a model can be fitted by another criterion.
        """
        allowed = [f.name for f in fields(self) if f.name not in ("formula", "response", "coding", *self._hidden)]
        allowed += self._other_names
        unknown = [k for k in changed if k not in allowed]
        if unknown:
            raise OptionError(
                f"{self._verb} has no argument {', '.join(map(repr, unknown))}; update can change formula, "
                f"{', '.join(allowed)}."
            )
        changed = self._settled(changed)
        if "data" in changed:
            changed["response"] = None
        elif needs_rows and isinstance(self.data, AbsentData):
            raise DataError(f"{self.data.reason}; give them again: update(..., data=...).")
        if formula is not None:
            if not isinstance(formula, str):
                raise ArgumentTypeError(f"formula must be text such as '. ~ . + x', not {type(formula).__name__}.")
            changed["formula"] = self._updated(formula)
            if "start" not in changed:
                changed["start"] = None  # the old theta need not fit the new random terms
            if self.contrasts and "contrasts" not in changed:
                changed["contrasts"] = {
                    k: v for k, v in self.contrasts.items() if _has_variable(self._fixed_part(changed["formula"]), k)
                }
        return replace(self, **{"coding": self.coding_rules, **changed})

    @property
    def fixed_formula(self) -> str:
        """The formula without what only this verb has in it."""
        return self._fixed_part(self.formula)

    @staticmethod
    def _fixed_part(formula: str) -> str:
        return formula

    @property
    def tests_give_errors(self) -> bool:
        """Whether standard errors of the model are those of its tests."""
        return False

    @property
    def robust(self) -> str | None:
        """The robust covariance that the model uses where none is asked for; None without one."""
        return None

    def _updated(self, change: str) -> str:
        """The formula after a change in which ``.`` may stand for the old one."""
        return str(update_formula(self.formula, change))

    def _settled(self, changed: dict[str, Any]) -> dict[str, Any]:
        """Arguments of the verb as fields of the request."""
        return changed

    def refitted(self, response: NDArray[np.float64]) -> Self:
        """The request of a model made by ``refit``: later updates keep the new response."""
        return replace(self, response=response, coding=self.coding_rules)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class LmmRequest(RowStructureRequest, ModelRequest):
    """The arguments of one call of ``lmer``.

    ``correlation`` and ``variance`` are the text of the covariance structure of the rows, ``known``
    the matrices of the formula as they were read; ``streams`` fits models whose data are read in
    batches.
    """

    reml: bool = True
    correlation: Any = None
    variance: Any = None
    known: Any = None
    streams: "Callable[[LmmRequest], MixedFit] | None" = None

    _verb = "lmer"
    _hidden: ClassVar[tuple[str, ...]] = ("reml", "streams")
    _other_names = ("REML", "method")
    _new_fields: ClassVar[Mapping[str, Any]] = {"streams": None, "correlation": None, "variance": None}

    # A frozen dataclass with slots gets methods of its own for pickles unless it names them.
    __getstate__ = ModelRequest.__getstate__
    __setstate__ = ModelRequest.__setstate__

    def __post_init__(self) -> None:
        super(LmmRequest, self).__post_init__()
        object.__setattr__(self, "known", read_known(self.known) or None)
        self._hold_structure_as_text()

    @property
    def may_be_streamed(self) -> bool:
        """Whether sums over the rows are all that the model needs."""
        related = any(b.known is not None or b.members is not None for b in parse_formula(self.formula).random)
        beside = self.prior or self.sampling_weights is not None
        return self.residual is None and not related and not beside

    def _names_in_use(self) -> tuple[str, ...]:
        return self._names_in_structure()

    def fitted(self, sums: Design | None = None, checkpoint: Path | None = None) -> MixedFit:
        """The fit, of data that are read in batches where they were so before."""
        beside = self.residual is not None or self.prior or self.sampling_weights is not None
        if sums is None and self.streams is not None and not beside:
            return self.streams(self)
        return ModelRequest.fitted(self, sums, checkpoint)

    def _state(self, how: str) -> dict[str, Any]:
        state = ModelRequest._state(self, how)
        if self.streams is None or (how == "pickled" and isinstance(state["data"], str)):
            return state
        return {**state, "data": AbsentData({}, how), "streams": None}  # a file holds no function

    def _columns_in_use(self) -> Any:
        return None if self.streams is not None else ModelRequest._columns_in_use(self)

    def _design(self) -> tuple[Design, Kind]:
        see_that_ml_is_fitted(self.sampling_weights, self.reml, self.weights)
        see_that_tests_are_by(self.ddf, self.prior, self.sampling_weights)
        return requested_design(self, "lmm", self.residual), "value"

    def _start(self, order: TermOrder, design: Design) -> Any:
        return parse_start(self.start, order, design.random)

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
        if design.residual is not None and control.solver == "iterative":
            raise OptionError(
                "control['solver'] 'iterative' is for rows that are independent given the random effects."
            )
        return fit_linear(design, self.reml, start, control, show, n_threads, order)

    def _settled(self, changed: dict[str, Any]) -> dict[str, Any]:
        if "REML" in changed or "method" in changed:
            changed["reml"] = choose_reml(changed.pop("REML", None), changed.pop("method", None), self.reml)
        return changed


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class GlsRequest(LmmRequest):
    """The arguments of one call of ``gls``."""

    _verb = "gls"
    _hidden: ClassVar[tuple[str, ...]] = ("reml", "streams", *_LATER)

    __getstate__ = ModelRequest.__getstate__
    __setstate__ = ModelRequest.__setstate__

    def _design(self) -> tuple[Design, Kind]:
        return requested_design(self, "lmm", self.residual, bars=False), "value"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class GlmmRequest(ModelRequest):
    """The arguments of one call of ``glmer``; ``known`` has the matrices of the formula as read."""

    family: Family
    n_quad: int | str = 1
    curvature: str = "observed"
    zi_formula: str | None = None
    disp_formula: str | None = None
    known: Any = None

    _verb = "glmer"
    _other_names = ("nAGQ",)
    _new_fields: ClassVar[Mapping[str, Any]] = {"zi_formula": None, "disp_formula": None, "known": None}

    __getstate__ = ModelRequest.__getstate__
    __setstate__ = ModelRequest.__setstate__

    def __post_init__(self) -> None:
        super(GlmmRequest, self).__post_init__()
        object.__setattr__(self, "known", read_known(self.known) or None)

    def _names_in_use(self) -> tuple[str, ...]:
        return tuple(n for t in (self.zi_formula, self.disp_formula) if t for n in parse_formula(t).names)

    def _found_within(self, sums: Design | None, control: FitControl, n_threads: int) -> MixedFit:
        if self.n_quad == AUTO:
            given = sums, control, n_threads
            return fit_with_enough_nodes(lambda nodes: replace(self, n_quad=nodes)._found_within(*given))
        several = has_several_predictors(self.family, self.zi_formula, self.disp_formula)
        found = ModelRequest._found_within
        return fitted_components(self, control, n_threads) if several else found(self, sums, control, n_threads)

    def _design(self) -> tuple[Design, Kind]:
        return outcome_of(requested_design(self, "glmm"), self.family)

    def _start(self, order: TermOrder, design: Design) -> Any:
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
        likelihood = Likelihood(self.family, kind, int(self.n_quad), self.curvature)
        return fit_by_solver(design, likelihood, start, control, show, n_threads, order)

    def _settled(self, changed: dict[str, Any]) -> dict[str, Any]:
        if "family" in changed:
            changed["family"] = parse_family(changed["family"])
        for name in ("zi_formula", "disp_formula"):
            if name in changed:
                changed[name] = part_formula(name, changed[name])
        if "curvature" in changed:
            changed["curvature"] = checked_curvature(changed["curvature"])
        return settled_n_quad(changed, with_auto=True)


def requested_design(
    request: ModelRequest,
    model: Model,
    residual: ResidualExpr | None = None,
    bars: bool = True,
    parts: Mapping[str, Formula] | None = None,
) -> Design:
    """Parse the formula and build the design; a response given by ``refit`` is not put in yet.

    ``residual`` is the covariance structure of the rows; ``bars`` is whether there must be random
    terms, or else must not be; ``parts`` are formulas of further columns.
    """
    formula = parse_formula(request.fixed_formula)
    if not bars and formula.random:
        raise FormulaError(
            "gls() has no random effects; with bars the verb is lmer().", formula.text, *formula.random[0].span
        )
    bars = bars and residual is None and not any(part.random for part in (parts or {}).values())
    if bars:
        require_random(formula)
    return build_design(
        formula,
        Table.from_data(request.data),
        known=getattr(request, "known", None),
        model=model,
        residual=residual,
        bars=bars,
        parts=parts,
        **request.design_arguments,
    )


def _has_variable(formula: str, name: str) -> bool:
    parsed = parse_formula(formula)
    return name in parsed.names or any(name == v.label for t in parsed.fixed for v in t.variables)
