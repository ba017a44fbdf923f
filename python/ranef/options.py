"""Choices that occur in several places, and their checks."""

from typing import Literal, cast, get_args

from ranef.errors import ArgumentTypeError, OptionError

Ddf = Literal["satterthwaite", "kenward-roger", "residual", "none"]
"""Methods of the degrees of freedom of tests of fixed effects."""


def checked_ddf(ddf: object, default: Ddf = "satterthwaite") -> Ddf:
    """Check the name of a method of degrees of freedom; None is the default."""
    if ddf is None:
        return default
    if not isinstance(ddf, str):
        raise ArgumentTypeError(f"ddf must be one of {', '.join(map(repr, get_args(Ddf)))}, not {ddf!r}.")
    if ddf not in get_args(Ddf):
        raise OptionError(f"ddf must be one of {', '.join(map(repr, get_args(Ddf)))}, not {ddf!r}.")
    return cast(Ddf, ddf)


def normal_ddf(ddf: object) -> Ddf:
    """Check ``ddf`` of a model whose tests are normal: it can be None or ``"none"`` only."""
    if checked_ddf(ddf, "none") != "none":
        raise OptionError(
            f"ddf={ddf!r} is for linear models: tests of generalized models are normal and have no degrees of freedom. "
            "Leave ddf out."
        )
    return "none"
