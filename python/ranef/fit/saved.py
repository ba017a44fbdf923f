"""Fitted models in files."""

import os
from dataclasses import MISSING, fields, replace
from typing import Any

from ranef.design.record import Design
from ranef.errors import DataError
from ranef.families.custom import CustomFamily
from ranef.fit.archive import read_archive, write_archive
from ranef.fit.components.record import ComponentsFit
from ranef.fit.components.several import SeveralPredictorsFit
from ranef.fit.components.system import LazyWhole
from ranef.fit.correlated.record import CorrelatedFit
from ranef.fit.correlated.repeated import RepeatedFit
from ranef.fit.correlated.repeated_request import RepeatedRequest
from ranef.fit.generalized import GlmmFit
from ranef.fit.iterative.modes import SampledGlmmFit
from ranef.fit.linear import LmmFit
from ranef.fit.nonlinear.record import NonlinearCorrelatedFit, NonlinearFit
from ranef.fit.nonlinear.request import NonlinearRequest
from ranef.fit.order import TermOrder
from ranef.fit.ordinal.earlier import of_earlier_file
from ranef.fit.ordinal.record import OrdinalFit
from ranef.fit.ordinal.request import OrdinalRequest
from ranef.fit.record import MixedFit
from ranef.fit.request import GlmmRequest, GlsRequest, LmmRequest, ModelRequest
from ranef.fit.system import LazySystem

#: The record that belongs to every kind of request.
_RECORDS: dict[type[ModelRequest], Any] = {
    LmmRequest: LmmFit,
    GlsRequest: LmmFit,
    RepeatedRequest: RepeatedFit,
    GlmmRequest: GlmmFit,
    NonlinearRequest: NonlinearFit,
    OrdinalRequest: OrdinalFit,
}


def save_fit(path: str | os.PathLike[str], kind: str, fit: MixedFit, request: ModelRequest) -> None:
    """Write a fit and what was asked for, without the data and without the core's system."""
    if isinstance(fit.family, CustomFamily):
        raise DataError(
            "a model with a family of Python functions cannot be saved in a file, which holds no code; pickle it "
            "instead."
        )
    record = {f.name: getattr(fit, f.name) for f in fields(fit) if f.name != "system"}
    record["design"] = _without_functions(fit.design)
    write_archive(path, kind, {"fit": record, "request": request.without_data("saved")})


def _without_functions(design: Design) -> Design:
    """A design whose curve has no functions of the user's."""
    rows = design.curve
    if rows is None or not rows.curve.functions:
        return design
    return replace(design, curve=replace(rows, curve=replace(rows.curve, functions={})))


def load_fit(path: str | os.PathLike[str]) -> tuple[str, Any, Any]:
    """Read what :func:`save_fit` wrote: its kind, the fit and the request."""
    kind, content = read_archive(path)
    try:
        return kind, *_record_and_request(path, kind, content)
    except DataError:
        raise
    except Exception:  # records of the right names that hold other things
        raise DataError(f"{os.fspath(path)!r} is not a model saved by ranef, or it is damaged.") from None


def _record_and_request(path: str | os.PathLike[str], kind: str, content: dict[str, Any]) -> tuple[Any, Any]:
    record: Any = content.get("fit")
    request = content.get("request")
    made = _RECORDS.get(type(request)) if isinstance(request, ModelRequest) else None
    if made is GlmmFit and isinstance(record, dict) and "whole" in record:
        made = ComponentsFit
    if made is LmmFit and isinstance(record, dict) and "structure_names" in record:
        made = CorrelatedFit
    if made is NonlinearFit and isinstance(record, dict) and "structure_names" in record:
        made = NonlinearCorrelatedFit
    if made is GlmmFit and isinstance(record, dict) and "sampled" in record:
        made = SampledGlmmFit
    if made is OrdinalFit and isinstance(record, dict) and "coefficients" in record:
        return of_earlier_file(record), request
    known = {} if made is None else {f.name: f.default for f in fields(made) if f.name != "system"}
    if "extras" in known:
        known["extras"] = None  # it has a default, made anew
    # a field that is newer than the file has its default
    needed = {name for name, default in known.items() if default is MISSING}
    if not isinstance(record, dict) or made is None or not needed <= set(record) <= set(known):
        raise DataError(f"{os.fspath(path)!r} holds a {kind}, which this ranef does not know.")
    if not isinstance(record["design"], Design) or not isinstance(record["order"], TermOrder):
        raise DataError(f"{os.fspath(path)!r} is not a model saved by ranef, or it is damaged.")
    if made is not None and issubclass(made, SeveralPredictorsFit):
        whole: Any = LazyWhole(record["whole"])
        return made(system=whole, **record), request
    family = record["family"] if made is not None and issubclass(made, GlmmFit) else None
    sampled = record.get("sampled")
    refusal = None if sampled is None else sampled.refusal
    system: LazySystem[Any] = LazySystem(record["design"], record["order"], family, refusal=refusal)
    return made(system=system, **record), request
