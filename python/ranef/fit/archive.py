"""Records as a zip file of JSON and NumPy arrays, read back without running any code from the file.

A file holds ``model.json``, a tree of plain values and tagged nodes, and one ``.npy`` member for
each array. Reading makes only the record types listed by :func:`_record_types`, sets their fields,
and never unpickles.
"""

import dataclasses
import enum
import hashlib
import importlib
import io
import json
import math
import os
import pkgutil
import zipfile
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.errors import DataError
from ranef.formula import Formula, with_dot

FORMAT = "ranef model"
VERSION = 2

#: Versions that are read.
READ = (1, 2)

#: Fields of earlier files that records no longer have.
GONE = {"Design": ("call",), "DesignPart": ("expr",)}

#: Fields of version 1 that are now those of a record of their own: its type, and where it is kept.
MOVED = {
    "Design": (
        "ModelRows",
        ("y", "x", "weights", "offset", "n_input", "kept", "row_index", "missing"),
    ),
    "RandomTerm": ("TermRows", ("codes", "z")),
}

# Every record type a saved model may contain is a dataclass, or an enumeration, of one of these
# packages or modules.
_HOMES = (
    "ranef.status",
    "ranef.priors",
    "ranef.data",
    "ranef.formula",
    "ranef.curves",
    "ranef.design",
    "ranef.families",
    "ranef.fit",
)


@lru_cache(maxsize=1)
def _record_types() -> dict[str, type]:
    """Names of the types that may be read, such as ``Design``."""
    found: dict[str, type] = {}
    for home in _HOMES:
        package = importlib.import_module(home)
        names = [home] + [m.name for m in pkgutil.walk_packages(getattr(package, "__path__", []), home + ".")]
        for name in names:
            module = importlib.import_module(name)
            for value in vars(module).values():
                if (
                    isinstance(value, type)
                    and value.__module__ == name
                    and (dataclasses.is_dataclass(value) or issubclass(value, enum.Enum))
                ):
                    found[_type_name(value)] = value
    return found


def _type_name(t: type) -> str:
    # Without the module, so that a record may move; densities of priors have names of families.
    return f"priors.{t.__qualname__}" if t.__module__ == "ranef.priors" else t.__qualname__


def _bare(name: str) -> str:
    """The name of a type; files of version 1 have its module before it."""
    return name.rpartition(":")[2]


def write_archive(path: str | os.PathLike[str] | io.BytesIO, kind: str, content: dict[str, Any]) -> None:
    """Write named values; a file of that name is replaced only when everything is written.

    Parameters
    ----------
    path : path
    kind : str
        What the content is; :func:`read_archive` gives it back.
    content : dict
        Values made of plain Python values, arrays, pandas indexes and the package's records.
    """
    if isinstance(path, io.BytesIO):
        _write(path, kind, content)
        return
    target = os.fspath(path)
    temporary = f"{target}.partial"
    try:
        _write(temporary, kind, content)
        os.replace(temporary, target)
    except OSError as e:
        raise DataError(f"the model cannot be saved as {target!r}: {e.strerror or e}.") from None
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)


def _write(file: str | io.BytesIO, kind: str, content: dict[str, Any]) -> None:
    from ranef import __version__

    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        tree = _Encoder(archive).encode(content)
        header = {"format": FORMAT, "version": VERSION, "written_by": __version__, "kind": kind, "content": tree}
        header["digest"] = _digest(archive, header)
        archive.writestr("model.json", json.dumps(header, ensure_ascii=False))


def read_archive(path: str | os.PathLike[str] | io.BytesIO) -> tuple[str, dict[str, Any]]:
    """Read what :func:`write_archive` wrote: its kind and content."""
    target = "the bytes" if isinstance(path, io.BytesIO) else os.fspath(path)
    try:
        with zipfile.ZipFile(path) as archive:
            header = json.loads(archive.read("model.json"))
            if not isinstance(header, dict) or header.get("format") != FORMAT:
                raise DataError(f"{target!r} is not a model saved by ranef.")
            if header.get("version") not in READ:
                raise DataError(
                    f"{target!r} has file version {header.get('version')!r} (written by ranef "
                    f"{header.get('written_by')}); "
                    f"this ranef reads versions {', '.join(map(str, READ))}."
                )
            content = _Decoder(archive, header["version"]).decode(header["content"])
            if not isinstance(content, dict):
                raise DataError(f"{target!r} is not a model saved by ranef, or it is damaged.")
            # files of earlier versions have no digest
            if "digest" in header and header.pop("digest") != _digest(archive, header):
                raise DataError(
                    f"{target!r} was changed after ranef wrote it, and its parts may no longer go together; load the "
                    "file as it was written."
                )
            return str(header["kind"]), content
    except DataError:
        raise
    except OSError as e:
        raise DataError(f"the file {target!r} cannot be read: {e.strerror or e}.") from None
    except Exception:  # a part that is no longer what it was may fail anywhere, in NumPy and Arrow too
        raise DataError(f"{target!r} is not a model saved by ranef, or it is damaged.") from None


def _digest(archive: zipfile.ZipFile, header: dict[str, Any]) -> str:
    """A checksum of the values and of the checksums of the arrays.

    What was changed and packed again has other ones.
    """
    members = sorted((m.filename, m.CRC, m.file_size) for m in archive.infolist() if m.filename != "model.json")
    return hashlib.sha256(json.dumps([header, members], sort_keys=True).encode()).hexdigest()


class _Encoder:
    """Turns values into a tree for JSON and writes arrays beside it; an array met twice is written
    once.
    """

    def __init__(self, archive: zipfile.ZipFile):
        self._archive = archive
        self._written: dict[int, str] = {}
        self._alive: list[Any] = []  # keeps the ids in `_written` from being reused

    def encode(self, value: Any) -> Any:
        if value is None or isinstance(value, bool | str):
            return value
        if isinstance(value, np.generic):
            return {"scalar": self.encode(np.asarray(value))}
        if isinstance(value, enum.Enum):
            return {"enum": _type_name(type(value)), "value": self.encode(value.value)}
        if isinstance(value, int):
            return int(value)
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else {"float": repr(float(value))}
        if isinstance(value, np.ndarray):
            return self._array(value)
        if isinstance(value, tuple | list | set | frozenset):
            kind = next(t for t in (tuple, list, frozenset, set) if isinstance(value, t))
            items = sorted(value, key=repr) if kind in (set, frozenset) else value
            return {kind.__name__: [self.encode(v) for v in items]}
        if isinstance(value, dict):
            return {"dict": [[self.encode(k), self.encode(v)] for k, v in value.items()]}
        if isinstance(value, Formula):
            return {"formula": value.text, "dot": self.encode(value.dot)}
        if _type_name(type(value)) in _record_types():
            return {
                "record": _type_name(type(value)),
                "fields": {f.name: self.encode(getattr(value, f.name)) for f in dataclasses.fields(value)},
            }
        return self._foreign(value)

    def _foreign(self, value: Any) -> Any:
        import pandas as pd

        if isinstance(value, pd.Index):
            return self._index(value)
        if isinstance(value, pd.Series):
            return self.encode(value.to_numpy())
        to_numpy = getattr(value, "to_numpy", None)
        if to_numpy is not None:
            return self.encode(np.asarray(to_numpy()))
        raise DataError(f"a model that holds a {type(value).__name__} cannot be saved.")

    def _index(self, index: Any) -> Any:
        import pandas as pd
        import pyarrow as pa

        if isinstance(index, pd.RangeIndex):
            return {
                "range": [index.start, index.stop, index.step],
                "name": self.encode(index.name) if isinstance(index.name, str) else None,
            }
        try:
            table = pa.Table.from_pandas(pd.DataFrame(index=index), preserve_index=True)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
            table = pa.Table.from_pandas(
                pd.DataFrame(index=index.map(str)), preserve_index=True
            )  # labels of mixed types
        sink = io.BytesIO()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        return {"arrow_index": self._member(np.frombuffer(sink.getvalue(), dtype=np.uint8))}

    def _array(self, array: NDArray[Any]) -> Any:
        if id(array) in self._written:
            return json.loads(self._written[id(array)])
        node: dict[str, Any]
        if array.dtype.kind != "O":
            node = {"array": self._member(array), "writeable": bool(array.flags.writeable)}
        elif array.ndim == 1 and all(type(v) is str for v in array):
            encoded = [v.encode("utf-8", "surrogatepass") for v in array]
            ends = np.cumsum([len(e) for e in encoded], dtype=np.int64)
            node = {"texts": self._member(np.frombuffer(b"".join(encoded), dtype=np.uint8)), "ends": self._member(ends)}
        else:
            node = {"objects": [self.encode(v) for v in array.ravel()], "shape": list(array.shape)}
        self._written[id(array)] = json.dumps(node)
        self._alive.append(array)
        return node

    def _member(self, array: NDArray[Any]) -> str:
        name = f"arrays/{sum(n.startswith('arrays/') for n in self._archive.namelist())}.npy"
        with self._archive.open(name, "w", force_zip64=True) as f:
            np.lib.format.write_array(f, array, allow_pickle=False)
        return name


def _of_version_1(record: str, fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of a record of version 1 as they are today."""
    out = dict(fields)
    if record in MOVED:
        made, names = MOVED[record]
        out["rows"] = {"record": made, "fields": {k: out.pop(k) for k in names if k in out}}
    if record == "TermSpan":  # there were two structures
        out["structure"] = "diagonal" if out.pop("diagonal") else "unstructured"
    return out


class _Decoder:
    """Reads the tree back."""

    def __init__(self, archive: zipfile.ZipFile, version: int):
        self._archive = archive
        self._version = version
        self._read: dict[str, NDArray[Any]] = {}

    def decode(self, node: Any) -> Any:
        if not isinstance(node, dict):
            return node
        if "record" in node:
            return self._record(node)
        if "formula" in node:
            return with_dot(node["formula"], self.decode(node["dot"]))
        if "enum" in node:
            return self._type(node["enum"])(self.decode(node["value"]))
        if "float" in node:
            return float(node["float"])
        if "scalar" in node:
            return self.decode(node["scalar"])[()]
        for kind in (tuple, list, set, frozenset):
            if kind.__name__ in node:
                return kind(self.decode(v) for v in node[kind.__name__])
        if "dict" in node:
            return {self.decode(k): self.decode(v) for k, v in node["dict"]}
        return self._array(node)

    def _type(self, name: str) -> Any:
        try:
            known = _record_types()
            return known[_bare(name) if _bare(name) in known else f"priors.{_bare(name)}"]
        except KeyError:
            raise DataError(
                f"the file holds a record of unknown type {name!r}; it may come from a newer ranef."
            ) from None

    def _record(self, node: dict[str, Any]) -> Any:
        made = self._type(node["record"])
        fields = dataclasses.fields(made)
        names = {f.name for f in fields}
        name = _bare(node["record"])
        stored = {k: v for k, v in node["fields"].items() if k not in GONE.get(name, ())}
        if self._version != VERSION:
            stored = _of_version_1(name, stored)
        # a field that is newer than the file has its default
        missing = {f.name: f.default for f in fields if f.name not in stored}
        if not names.issuperset(stored) or dataclasses.MISSING in missing.values():
            raise DataError(
                f"the record {node['record']!r} in the file has other fields than this ranef knows; it may come from "
                "another version."
            )
        record = object.__new__(made)
        for name, value in stored.items():
            object.__setattr__(record, name, self.decode(value))
        for name, value in missing.items():
            object.__setattr__(record, name, value)
        return record

    def _array(self, node: dict[str, Any]) -> Any:
        import pandas as pd

        if "array" in node:
            array = self._member(node["array"])
            array.flags.writeable = node["writeable"]
            return array
        if "texts" in node:
            content, ends = self._member(node["texts"]).tobytes(), self._member(node["ends"]).tolist()
            out = np.empty(len(ends), dtype=object)
            out[:] = [content[a:b].decode("utf-8", "surrogatepass") for a, b in zip([0, *ends][:-1], ends, strict=True)]
            return out
        if "objects" in node:
            out = np.empty(len(node["objects"]), dtype=object)
            for i, v in enumerate(node["objects"]):
                out[i] = self.decode(v)
            return out.reshape(node["shape"])
        if "range" in node:
            start, stop, step = node["range"]
            return pd.RangeIndex(start, stop, step, name=node["name"])
        if "arrow_index" in node:
            import pyarrow as pa

            with pa.ipc.open_stream(self._member(node["arrow_index"]).tobytes()) as reader:
                return reader.read_all().to_pandas().index
        raise DataError("the file has a part that this ranef does not know; it may come from a newer version.")

    def _member(self, name: str) -> NDArray[Any]:
        if name not in self._read:
            with self._archive.open(name) as f:
                self._read[name] = np.lib.format.read_array(f, allow_pickle=False)
        return self._read[name]
