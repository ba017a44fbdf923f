"""Names of models: those of the variables that hold them where a verb is called."""

import ast
import linecache
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from types import FrameType
from typing import Any

from ranef.inference.coefficient_rows import model_names

_PACKAGE = str(Path(__file__).resolve().parents[1])


def named_models(names: object, models: Sequence[object]) -> list[str]:
    """Names of the models of a comparison or a table.

    Parameters
    ----------
    names : sequence of str or None
        What the user gave.
    models : sequence

    Returns
    -------
    list of str
        As given; else the names of the caller's variables, with a number where a model comes more
        than once; ``m1, m2, …`` where not every model has a variable.
    """
    if names is not None:
        return model_names(names, len(models))
    found = _variables(models)
    if found is None:
        return model_names(None, len(models))
    seen: dict[str, int] = {}
    out = []
    for name in found:
        seen[name] = seen.get(name, 0) + 1
        out.append(name if found.count(name) == 1 else f"{name} ({seen[name]})")
    return out


def _variables(models: Sequence[object]) -> list[str] | None:
    """A variable for every model, None where some model has none."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    if frame is None:
        return None
    spaces = [frame.f_locals, frame.f_globals]
    written = _written(frame)
    if len(written) == len(models) and all(
        any(space.get(name) is m for space in spaces) for name, m in zip(written, models, strict=True)
    ):
        return written
    held = dict(_held(spaces, {id(m) for m in models}))
    found = [held.get(id(m)) for m in models]
    return None if None in found else [str(name) for name in found]


def _written(frame: FrameType) -> list[str]:
    """The arguments of the running call as its source has them, where these are names: a model may
    have several variables.
    """
    first, last, start, end = next(islice(frame.f_code.co_positions(), frame.f_lasti // 2, None), (None,) * 4)
    if first is None or last is None or start is None or end is None:
        return []
    lines = [line.encode() for line in linecache.getlines(frame.f_code.co_filename, frame.f_globals)[first - 1 : last]]
    if not lines:
        return []
    # The columns are those of bytes, and the last is of the last line.
    lines[-1] = lines[-1][:end]
    lines[0] = lines[0][start:]
    try:
        call = ast.parse(b"".join(lines).decode(), mode="eval").body
    except (SyntaxError, ValueError):
        return []
    arguments = call.args if isinstance(call, ast.Call) else []
    return [a.id for a in arguments if isinstance(a, ast.Name)]


def _held(spaces: Sequence[Mapping[str, Any]], wanted: set[int]) -> Iterator[tuple[int, str]]:
    """The first variable of each object; names with an underscore in front are a shell's own."""
    met: set[int] = set()
    for space in spaces:
        for name, value in list(space.items()):
            if id(value) in wanted and id(value) not in met and not name.startswith("_"):
                met.add(id(value))
                yield id(value), name
