"""Fitted models in files."""

import os
from dataclasses import MISSING, fields
from typing import Any

from ranef.errors import DataError
from ranef.fit.archive import read_archive, write_archive
from ranef.fit.glmm import is_custom
from ranef.fit.glmm_record import GlmmFit
from ranef.fit.glmm_system import LazyGlmmSystem
from ranef.fit.record import LmmFit, MixedFit
from ranef.fit.request import GlmmRequest, LmmRequest, ModelRequest
from ranef.fit.system import LazySystem

#: The record that belongs to every kind of request.
_RECORDS: dict[type[ModelRequest], type[MixedFit]] = {LmmRequest: LmmFit, GlmmRequest: GlmmFit}


def save_fit(path: str | os.PathLike[str], kind: str, fit: MixedFit, request: ModelRequest) -> None:
    """Write a fit and what was asked for, without the data and without the core's system."""
    if isinstance(fit, GlmmFit) and is_custom(fit.family):
        raise DataError(
            "a model with a family of Python functions cannot be saved in a file, which holds no code; pickle it instead."
        )
    record = {f.name: getattr(fit, f.name) for f in fields(fit) if f.name != "system"}
    write_archive(path, kind, {"fit": record, "request": request.without_data()})


def load_fit(path: str | os.PathLike[str]) -> tuple[str, Any, Any]:
    """Read what :func:`save_fit` wrote: its kind, the fit and the request."""
    kind, content = read_archive(path)
    record: Any = content.get("fit")
    request = content.get("request")
    made = _RECORDS.get(type(request)) if isinstance(request, ModelRequest) else None
    known = {} if made is None else {f.name: f.default for f in fields(made) if f.name != "system"}
    # a field that is newer than the file has its default
    needed = {name for name, default in known.items() if default is MISSING}
    if not isinstance(record, dict) or made is None or not needed <= set(record) <= set(known):
        raise DataError(f"{os.fspath(path)!r} holds a {kind}, which this ranef does not know.")
    if made is GlmmFit:
        system = LazyGlmmSystem(record["design"], record["order"], record["family"])
        return kind, GlmmFit(system=system, **record), request
    return kind, LmmFit(system=LazySystem(record["design"], record["order"]), **record), request
