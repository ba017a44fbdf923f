"""What a user asked ``mmrm`` for."""

from dataclasses import dataclass, replace
from typing import Any, Literal, cast, get_args

from ranef.design.record import Design
from ranef.errors import ArgumentTypeError, OptionError
from ranef.fit.control import FitControl
from ranef.fit.correlated.repeated import fit_repeated
from ranef.fit.order import TermOrder
from ranef.fit.outcome import Kind
from ranef.fit.progress import Report
from ranef.fit.record import MixedFit
from ranef.fit.request import LmmRequest, ModelRequest, requested_design
from ranef.formula import update_formula
from ranef.formula.repeated import split_repeated

Vcov = Literal["model", "CR0", "CR2", "CR3"]
"""Covariances of the fixed effects: the model's, or robust to a wrong structure of the visits."""


def checked_vcov(vcov: object) -> Vcov:
    """Check the argument ``vcov``."""
    names = get_args(Vcov)
    if not isinstance(vcov, str):
        raise ArgumentTypeError(f"vcov must be one of {', '.join(map(repr, names))}, not {vcov!r}.")
    known = {"asymptotic": "model", **{n.lower(): n for n in names}}.get(vcov.lower())
    if known is None:
        raise OptionError(f"vcov must be one of {', '.join(map(repr, names))}, not {vcov!r}.")
    return cast(Vcov, known)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class RepeatedRequest(LmmRequest):
    """The arguments of one call of ``mmrm``."""

    vcov: Vcov = "model"
    drop_visit_levels: bool = True

    _verb = "mmrm"
    _hidden = (
        "reml",
        "correlation",
        "variance",
        "start",
        "prior",
        "sampling_weights",
        "weight_scaling",
        "weights_are",
        "strata",
    )

    __getstate__ = ModelRequest.__getstate__
    __setstate__ = ModelRequest.__setstate__

    def __post_init__(self) -> None:
        super(RepeatedRequest, self).__post_init__()
        split_repeated(self.formula)
        object.__setattr__(self, "vcov", checked_vcov(self.vcov))
        if not isinstance(self.drop_visit_levels, bool):
            raise ArgumentTypeError(f"drop_visit_levels must be True or False, not {self.drop_visit_levels!r}.")
        if self.ddf.startswith("kenward-roger"):
            if not self.reml:
                raise OptionError(
                    "Kenward-Roger is derived for REML; leave out method='ML', or take ddf='satterthwaite'."
                )
            if self.vcov != "model":
                raise OptionError(
                    f"Kenward-Roger adjusts the covariance of the model, and vcov={self.vcov!r} takes another one; "
                    "leave out one of them."
                )

    @property
    def residual(self) -> Any:
        """Covariance structure of the visits of a subject."""
        expr = split_repeated(self.formula)[1]
        if self.drop_visit_levels or expr.correlation is None:
            return expr
        kept = replace(expr.correlation, kind=replace(expr.correlation.kind, keep=True))
        return replace(expr, correlation=kept)

    @property
    def tests_give_errors(self) -> bool:
        """Standard errors are those of the tests."""
        return True

    @property
    def robust(self) -> str | None:
        """What ``vcov`` names."""
        return None if self.vcov == "model" else self.vcov

    @staticmethod
    def _fixed_part(formula: str) -> str:
        return split_repeated(formula)[0]

    def _design(self) -> tuple[Design, Kind]:
        return requested_design(self, "lmm", self.residual, bars=False), "value"

    def _start(self, order: TermOrder, design: Design) -> Any:
        return None

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
        return fit_repeated(design, self.reml, start, control, show, n_threads)

    def _updated(self, change: str) -> str:
        """A changed formula keeps the structure, unless the change has another one."""
        fixed, _, term = split_repeated(self.formula)
        if "|" in change:
            change, _, term = split_repeated(change, dots=True)
        return f"{update_formula(fixed, change)} + {term}"
