"""What a user asked ``nlmer`` for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from ranef.curves.expression import checked_functions
from ranef.data.table import Table
from ranef.design.curve_design import CurveRequest, build_curve_design
from ranef.design.record import Design
from ranef.errors import ArgumentTypeError, OptionError
from ranef.fit.approximation import settled_n_quad
from ranef.fit.control import FitControl, refuse_iterative
from ranef.fit.correlated.row_structure_request import RowStructureRequest
from ranef.fit.nonlinear.fit import CurveStart, fit_nonlinear
from ranef.fit.nonlinear.record import Approximation
from ranef.fit.nonlinear.start import self_started, start_names, started
from ranef.fit.order import TermOrder
from ranef.fit.outcome import Kind
from ranef.fit.progress import Report
from ranef.fit.quadrature import check_quadrature
from ranef.fit.record import MixedFit
from ranef.fit.request import ModelRequest
from ranef.formula.nonlinear import NonlinearFormula, named_bars, parse_nonlinear
from ranef.formula.parser import parse_expression
from ranef.formula.syntax import names_in

METHODS = ("laplace", "linearized")
CURVATURES = ("observed", "gauss_newton")


def _choice(name: str, value: object, allowed: tuple[str, ...]) -> str:
    if not isinstance(value, str):
        raise ArgumentTypeError(f"{name} must be {' or '.join(map(repr, allowed))}, not {value!r}.")
    if value not in allowed:
        raise OptionError(f"{name} must be {' or '.join(map(repr, allowed))}, not {value!r}.")
    return value


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class NonlinearRequest(RowStructureRequest, ModelRequest):
    """The arguments of one call of ``nlmer``."""

    params: Mapping[str, str] | None = None
    functions: Mapping[str, Any] | None = None
    curvature: str = "observed"
    method: str = "laplace"
    n_quad: int = 1
    correlation: Any = None
    variance: Any = None
    read: NonlinearFormula = field(init=False)

    _verb: ClassVar[str] = "nlmer"
    _hidden: ClassVar[tuple[str, ...]] = ("offset", "read")
    _other_names: ClassVar[tuple[str, ...]] = ("nAGQ",)

    __getstate__ = ModelRequest.__getstate__

    def __post_init__(self) -> None:
        super(NonlinearRequest, self).__post_init__()
        object.__setattr__(self, "read", parse_nonlinear(self.formula))
        object.__setattr__(self, "functions", checked_functions(self.functions))
        _choice("method", self.method, METHODS)
        _choice("curvature", self.curvature, CURVATURES)
        if self.n_quad == 0:
            raise OptionError("nlmer has Laplace's approximation, n_quad=1, or quadrature with more nodes.")
        if self.method == "linearized" and self.n_quad != 1:
            raise OptionError("n_quad is for method='laplace'; the linearised model needs no quadrature.")
        if self.method == "linearized" and self.prior:
            raise OptionError("priors are for method='laplace'; nlme's turns have no criterion that one could join.")
        self._hold_structure_as_text()

    def __setstate__(self, state: dict[str, Any]) -> None:
        ModelRequest.__setstate__(self, state)
        object.__setattr__(self, "read", parse_nonlinear(self.formula))

    def _state(self, how: str) -> dict[str, Any]:
        state = {k: v for k, v in ModelRequest._state(self, how).items() if k != "read"}
        return {**state, "functions": {}} if how == "saved" else state

    @property
    def fixed_formula(self) -> str:
        """The response alone: all columns in use are in ``_names_in_use``."""
        return f"{self.read.response.label} ~ 1"

    @staticmethod
    def _fixed_part(formula: str) -> str:
        return f"{parse_nonlinear(formula).response.label} ~ 1"

    def _names_in_use(self) -> tuple[str, ...]:
        names = list(names_in(self.read.curve)) + [n for _, group, _ in self.read.effects for n in _variables(group)]
        for text in (self.params or {}).values():
            names += named_bars(text).formula.names
        return (*names, *self._names_in_structure())

    def changed(self, formula: str | None = None, needs_rows: bool = True, /, **changed: Any) -> Self:
        """The request of ``update``; starting values stay with a changed formula."""
        if formula is not None and "start" not in changed:
            changed["start"] = self.start
        return ModelRequest.changed(self, formula, needs_rows, **changed)

    def _updated(self, change: str) -> str:
        """A formula is given as a whole: there is no ``.``."""
        if "." in change.replace("~", " ").split():
            raise OptionError(
                "update of a nonlinear model takes a whole formula; '.' has no meaning in it. Effects of parameters "
                "are changed with update(params=...)."
            )
        return change

    def _settled(self, changed: dict[str, Any]) -> dict[str, Any]:
        return settled_n_quad(changed)

    def _found_within(self, sums: Design | None, control: FitControl, n_threads: int) -> MixedFit:
        if self.offset is not None:
            raise OptionError("nlmer has no offset: a known part of the response is a term of the curve.")
        refuse_iterative(control, "nlmer")
        return ModelRequest._found_within(self, sums, control, n_threads)

    def _design(self) -> tuple[Design, Kind]:
        asked = CurveRequest(self.read, self.params, start_names(self.start), dict(self.functions or {}))
        given = {name: value for name, value in self.design_arguments.items() if name != "offset"}
        return build_curve_design(asked, Table.from_data(self.data), residual=self.residual, **given), "value"

    def _start(self, order: TermOrder, design: Design) -> CurveStart:
        beta = started(self.start, design, self.read)
        other = None if self.start is None else self_started(design, self.read)
        return CurveStart(beta, other=other)

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
        check_quadrature(self.n_quad, order, design)
        how = Approximation(self.method, self.curvature, self.n_quad)
        return fit_nonlinear(design, how, start, control, show, n_threads, order)


def _variables(group: str) -> tuple[str, ...]:
    """The columns of a grouping factor written as text."""
    return names_in(parse_expression(group))
