"""What a user asked ``lmer`` and its kin for: checked once, kept with the model, changed by ``update``."""

import os
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from ranef.data.table import Table
from ranef.design.build import build_design
from ranef.design.checks import Model
from ranef.design.record import Design
from ranef.errors import ArgumentTypeError, DataError, OptionError, RanefWarning
from ranef.fit.control import parse_control
from ranef.fit.lmm import fit_lmm
from ranef.fit.order import order_terms
from ranef.fit.progress import Progress, checked_progress, reported
from ranef.fit.record import LmmFit
from ranef.fit.start import parse_start
from ranef.fit.threads import parse_n_threads
from ranef.formula import parse_formula, require_random, update_formula
from ranef.options import Ddf, checked_ddf

R = TypeVar("R", bound="ModelRequest")

NA_ACTIONS = ("omit", "exclude", "error")


@dataclass(frozen=True, slots=True)
class AbsentData:
    """Stands in a saved or pickled model for data that are not kept in it; ``attrs`` holds their name, if they had one."""

    attrs: dict[str, str]

    @classmethod
    def of(cls, data: Any) -> "AbsentData":
        """What is kept of data."""
        if isinstance(data, AbsentData):
            return data
        attributes = getattr(data, "attrs", None)
        name = attributes.get("name") if isinstance(attributes, dict) else None
        return cls({"name": name} if isinstance(name, str) else {})


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ModelRequest:
    """The arguments that ``lmer``, ``glmer`` and their kin have in common, as given in one call.

    ``data`` is the user's own object and is left out of pickles and saved files unless it is a path. ``response`` holds, for models made by ``refit``, the values
    that took the place of the formula's response (one for each input row, NaN where a row was not used).
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

    def __post_init__(self) -> None:
        _check_types(self)

    def __getstate__(self) -> dict[str, Any]:
        state = {f.name: getattr(self, f.name) for f in fields(self)}
        data = os.fspath(self.data) if isinstance(self.data, str | os.PathLike) else AbsentData.of(self.data)
        return {**state, "data": data, "progress": False}

    def without_data(self) -> Self:
        """The same request as pickles and saved files keep it."""
        out: Self = object.__new__(type(self))
        out.__setstate__(self.__getstate__())
        return out

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = {"ddf": "satterthwaite", **state}  # files of earlier versions do not have it
        for name, value in state.items():
            object.__setattr__(self, name, value)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class LmmRequest(ModelRequest):
    """The arguments of one call of ``lmer``."""

    reml: bool = True

    # A frozen dataclass with slots gets methods of its own for pickles unless it names them.
    __getstate__ = ModelRequest.__getstate__
    __setstate__ = ModelRequest.__setstate__


def choose_reml(REML: object, method: object, default: bool = True) -> bool:
    """Settle ``REML`` and ``method``; ``None`` means not given."""
    if REML is not None and not isinstance(REML, bool | np.bool_):
        raise ArgumentTypeError(f"REML must be True or False, not {REML!r}.")
    if method is None:
        return default if REML is None else bool(REML)
    if not isinstance(method, str):
        raise ArgumentTypeError(f"method must be 'REML' or 'ML', not {method!r}.")
    if method not in ("REML", "ML"):
        raise OptionError(f"method must be 'REML' or 'ML', not {method!r}.")
    if REML is not None and bool(REML) != (method == "REML"):
        raise OptionError(f"REML={bool(REML)} and method={method!r} disagree; give one of them.")
    return method == "REML"


def requested_design(request: ModelRequest, model: Model) -> Design:
    """Parse the formula and build the design; a response given by ``refit`` is not put in yet."""
    formula = parse_formula(request.formula)
    require_random(formula)
    return build_design(
        formula,
        Table.from_data(request.data),
        weights=request.weights,
        offset=request.offset,
        subset=request.subset,
        na_action=request.na_action,
        contrasts=request.contrasts,
        model=model,
    )


def fit_request(request: LmmRequest) -> LmmFit:
    """Parse, build the design, fit, and issue at most one warning."""
    n_threads = parse_n_threads(request.n_threads)
    control = parse_control(request.control)
    design = requested_design(request, "lmm")
    if request.response is not None:
        design = design.with_rows(y=replaced_response(request.response, design))
    order = order_terms(design.random)
    start = parse_start(request.start, order, design.random)
    with reported(request.progress, "evaluations") as show:
        fit = fit_lmm(design, request.reml, start, control, show, n_threads, order)
    warn_once(fit.messages)
    return fit


def changed_request(request: LmmRequest, formula: str | None, changed: dict[str, Any]) -> LmmRequest:
    """The request of ``update``: a formula that may use ``.`` for the old one, and other arguments of ``lmer``."""
    check_changes(request, changed, "lmer", hidden=("reml",), more=("REML", "method"))
    if "REML" in changed or "method" in changed:
        changed["reml"] = choose_reml(changed.pop("REML", None), changed.pop("method", None), request.reml)
    return replaced_request(request, formula, changed)


def check_changes(
    request: ModelRequest, changed: dict[str, Any], verb: str, hidden: tuple[str, ...] = (), more: tuple[str, ...] = ()
) -> None:
    """Refuse arguments of ``update`` that the verb does not have."""
    allowed = [f.name for f in fields(request) if f.name not in ("formula", "response", *hidden)] + list(more)
    unknown = [k for k in changed if k not in allowed]
    if unknown:
        raise OptionError(
            f"{verb} has no argument {', '.join(map(repr, unknown))}; update can change formula, {', '.join(allowed)}."
        )


def replaced_request(request: R, formula: str | None, changed: dict[str, Any]) -> R:
    """The request with a changed formula and other changed arguments, which have been checked."""
    if "data" in changed:
        changed["response"] = None
    elif isinstance(request.data, AbsentData):
        raise DataError("the data are not kept in a saved or pickled model; give them again: update(..., data=...).")
    if formula is not None:
        if not isinstance(formula, str):
            raise ArgumentTypeError(f"formula must be text such as '. ~ . + x', not {type(formula).__name__}.")
        changed["formula"] = str(update_formula(request.formula, formula))
        if "start" not in changed:
            changed["start"] = None  # the old theta need not fit the new random terms
        if request.contrasts and "contrasts" not in changed:
            changed["contrasts"] = {k: v for k, v in request.contrasts.items() if _has_variable(changed["formula"], k)}
    return replace(request, **changed)


def _has_variable(formula: str, name: str) -> bool:
    parsed = parse_formula(formula)
    return name in parsed.names or any(name == v.label for t in parsed.fixed for v in t.variables)


def warn_once(messages: tuple[str, ...]) -> None:
    """Issue the messages of one fit as one warning that points at the user's line."""
    if not messages:
        return
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("ranef."):
        frame = frame.f_back
        level += 1
    warnings.warn("\n".join(messages), RanefWarning, stacklevel=level)


def replaced_response(response: NDArray[np.float64], design: Design) -> NDArray[np.float64]:
    """The response of a model made by ``refit`` in the rows that are used."""
    y = response if design.kept is None else response[design.kept]
    if len(response) != design.n_input or np.isnan(y).any():
        raise DataError(
            "this model was made by refit, whose response has no value for some of the rows now used; give data= with a response column."
        )
    return np.ascontiguousarray(y)


def refitted_request(request: R, response: NDArray[np.float64]) -> R:
    """The request of a model made by ``refit``: later updates keep the new response."""
    return replace(request, response=response)


def _check_types(r: ModelRequest) -> None:
    if not isinstance(r.formula, str):
        raise ArgumentTypeError(f"formula must be text such as 'y ~ x + (1 | g)', not {_kind(r.formula)}.")
    if r.data is None:
        raise ArgumentTypeError("data must be given: a data frame, a dict of columns, or the path of a file.")
    for name in ("weights", "offset", "subset"):
        _check_column(name, getattr(r, name))
    if not isinstance(r.na_action, str):
        raise ArgumentTypeError(
            f"na_action must be one of {', '.join(map(repr, NA_ACTIONS))}, not {_kind(r.na_action)}."
        )
    if r.na_action not in NA_ACTIONS:
        raise OptionError(f"na_action must be one of {', '.join(map(repr, NA_ACTIONS))}, not {r.na_action!r}.")
    if r.contrasts is not None and not isinstance(r.contrasts, Mapping):
        raise ArgumentTypeError(f"contrasts must be a dict such as {{'f': 'sum'}}, not {_kind(r.contrasts)}.")
    object.__setattr__(r, "ddf", checked_ddf(r.ddf))
    checked_progress(r.progress)


def _check_column(name: str, value: object) -> None:
    """A column may be named by text or given as a one-dimensional array; its content is checked with the design."""
    if value is None or isinstance(value, str):
        return
    if isinstance(value, Mapping | bytes | bool | int | float) or not hasattr(value, "__len__") or callable(value):
        raise ArgumentTypeError(
            f"{name} must be the name of a column, an expression in columns, or an array of one value a row, not {_kind(value)}."
        )


def _kind(value: object) -> str:
    return (
        "None"
        if value is None
        else f"{type(value).__name__} {value!r:.60}"
        if isinstance(value, int | float | str)
        else type(value).__name__
    )
