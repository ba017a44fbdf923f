"""Types of the arguments of a model."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ranef.errors import ArgumentTypeError, OptionError
from ranef.fit.progress import checked_progress
from ranef.options import checked_ddf

if TYPE_CHECKING:
    from ranef.fit.request import ModelRequest

NA_ACTIONS = ("omit", "exclude", "error")


def check_types(r: "ModelRequest") -> None:
    """Refuse arguments of wrong types."""
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
        raise ArgumentTypeError(
            f"contrasts must be a dict such as {{'f': 'sum'}}, not {_kind(r.contrasts)}. One coding for all factors is "
            "a setting: ranef.options(contrasts='sum')."
        )
    object.__setattr__(r, "ddf", checked_ddf(r.ddf))
    checked_progress(r.progress)


def _check_column(name: str, value: object) -> None:
    """A column may be named by text or given as a one-dimensional array; its content is checked
    with the design.
    """
    if value is None or isinstance(value, str):
        return
    if isinstance(value, Mapping | bytes | bool | int | float) or not hasattr(value, "__len__") or callable(value):
        raise ArgumentTypeError(
            f"{name} must be the name of a column, an expression in columns, or an array of one value a row, not "
            f"{_kind(value)}."
        )


def _kind(value: object) -> str:
    return (
        "None"
        if value is None
        else f"{type(value).__name__} {value!r:.60}"
        if isinstance(value, int | float | str)
        else type(value).__name__
    )
