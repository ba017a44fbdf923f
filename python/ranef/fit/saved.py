"""Fitted linear mixed models in files."""

import os
from dataclasses import fields
from typing import Any

from ranef.errors import DataError
from ranef.fit.archive import read_archive, write_archive
from ranef.fit.record import LmmFit
from ranef.fit.request import LmmRequest
from ranef.fit.system import LazySystem


def save_lmm(path: str | os.PathLike[str], kind: str, fit: LmmFit, request: LmmRequest) -> None:
    """Write a fit and what was asked for, without the data and without the core's system."""
    record = {f.name: getattr(fit, f.name) for f in fields(LmmFit) if f.name != "system"}
    write_archive(path, kind, {"fit": record, "request": request.without_data()})


def load_lmm(path: str | os.PathLike[str]) -> tuple[str, LmmFit, LmmRequest]:
    """Read what :func:`save_lmm` wrote: its kind, the fit and the request."""
    kind, content = read_archive(path)
    record: Any = content.get("fit")
    request = content.get("request")
    if (
        not isinstance(record, dict)
        or not isinstance(request, LmmRequest)
        or {*record, "system"} != {f.name for f in fields(LmmFit)}
    ):
        raise DataError(f"{os.fspath(path)!r} holds a {kind}, which this ranef does not know.")
    return kind, LmmFit(system=LazySystem(record["design"], record["order"]), **record), request
