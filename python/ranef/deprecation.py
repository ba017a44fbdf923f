"""What is going away: it works as before, with a warning that names what takes its place.

Versions and the policy are on the page "Versions" of the documentation.
"""

import functools
import re
import warnings
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from ranef.errors import RanefWarning

P = ParamSpec("P")
R = TypeVar("R")

#: What is marked, with the version in which it went out of use and that which no longer has it.
MARKED: dict[str, tuple[str, str]] = {}


class RanefDeprecationWarning(RanefWarning, FutureWarning):
    """Something will be gone in a later version; the message says what to write instead."""


def deprecated(since: str, removed_in: str, instead: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Mark a function or method that a later version will not have.

    Parameters
    ----------
    since : str
        Version from which on it warns, such as ``"0.3"``.
    removed_in : str
        The first version without it. A test fails when that version comes and it is still there.
    instead : str
        What to write, as the end of the sentence "use …".
    """
    if _numbers(removed_in) <= _numbers(since):
        raise ValueError(f"what goes out of use in {since} cannot be gone in {removed_in} already")

    def mark(function: Callable[P, R]) -> Callable[P, R]:
        name = function.__qualname__
        text = f"{name}() is deprecated since ranef {since} and will be gone in {removed_in}: use {instead}."
        MARKED[f"{function.__module__}.{name}"] = (since, removed_in)

        @functools.wraps(function)
        def warned(*args: P.args, **kwargs: P.kwargs) -> R:
            warnings.warn(text, RanefDeprecationWarning, stacklevel=2)
            return function(*args, **kwargs)

        warned.__deprecated__ = text  # type: ignore[attr-defined]
        note = f".. deprecated:: {since}\n    It will be gone in {removed_in}: use {instead}."
        summary, _, rest = (function.__doc__ or "").partition("\n\n")
        indent = min(re.findall(r"^ +(?=\S)", rest, flags=re.MULTILINE), key=len, default="    ")
        note = "\n".join(indent + line for line in note.splitlines())
        warned.__doc__ = f"{summary}\n\n{note}\n\n{rest}"
        return warned

    return mark


def overdue(version: str) -> list[str]:
    """What should no longer be there in a version."""
    return [name for name, (_, gone) in MARKED.items() if _numbers(gone) <= _numbers(version)]


def _numbers(version: str) -> tuple[int, ...]:
    """A version as numbers that compare: 1.0 and 1.0.0 are one."""
    parts = [int(p) for p in re.findall(r"\d+", version)[:3]]
    return tuple(parts + [0] * (3 - len(parts)))
