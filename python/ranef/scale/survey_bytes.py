"""A survey as bytes."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from ranef.data.labels import as_objects
from ranef.errors import DataError
from ranef.scale.asked import Asked
from ranef.scale.columns import Raw, RawColumn
from ranef.scale.learned import Ordered, Polynomials
from ranef.scale.moments import Moments
from ranef.scale.order_statistics import OrderStatistics
from ranef.scale.power_sums import PowerSums
from ranef.scale.sealed import opened, sealed

KIND = "Survey"
VERSION = 1

#: Records that may be read; those of other packages are known to the archive.
_RECORDS: dict[str, type[Any]] = {
    t.__name__: t for t in (Asked, RawColumn, Moments, Polynomials, PowerSums, Ordered, OrderStatistics)
}

#: Attributes that follow from the others.
_DERIVED = ("calls", "found")


def survey_bytes(attributes: Mapping[str, Any]) -> bytes:
    """The attributes of a survey, sealed."""
    found = attributes["found"]
    return sealed(
        KIND, VERSION, {"survey": _plain(attributes), "found": None if found is None else _plain(vars(found))}
    )


def read_survey(content: bytes) -> dict[str, Any]:
    """What `survey_bytes` was given; the earlier survey as a dict of its attributes."""
    held = opened(KIND, VERSION, content)
    found = held["found"]
    return {**_whole(held["survey"]), "found": None if found is None else _whole(found)}


def _plain(attributes: Mapping[str, Any]) -> dict[str, Any]:
    out = {k: v for k, v in attributes.items() if k not in _DERIVED}
    out["cover"] = [_put_together(out["cover"])] if out["cover"] else []
    out["seen"] = {k: as_objects(sorted(v)) for k, v in out["seen"].items()}
    return {k: _written(v) for k, v in out.items()}


def _whole(held: dict[str, Any]) -> dict[str, Any]:
    out = {k: _read(v) for k, v in held.items()}
    out["seen"] = {k: set(v.tolist()) for k, v in out["seen"].items()}
    return out


def _written(value: Any) -> Any:
    if is_dataclass(value) and type(value).__name__ in _RECORDS:
        own = {f.name: _written(getattr(value, f.name)) for f in fields(value)}
        return {"a record": type(value).__name__, "fields": own}
    if isinstance(value, Mapping):
        return {k: _written(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(map(_written, value))
    return value


def _read(value: Any) -> Any:
    if isinstance(value, dict):
        if value.keys() == {"a record", "fields"}:
            if value["a record"] not in _RECORDS:
                raise DataError(f"the survey has a record of unknown type {value['a record']!r}.")
            return _RECORDS[value["a record"]](**{k: _read(v) for k, v in value["fields"].items()})
        return {k: _read(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(map(_read, value))
    return value


def _put_together(parts: list[Raw]) -> Raw:
    """Rows of several batches as one."""
    return {name: _joined([p[name] for p in parts]) for name in parts[0]}


def _joined(parts: list[RawColumn]) -> RawColumn:
    exact = [p.exact for p in parts if p.exact is not None]
    whole = np.concatenate(exact) if len(exact) == len(parts) else None
    return RawColumn(parts[0].kind, np.concatenate([p.values for p in parts]), whole, parts[0].ordered)
