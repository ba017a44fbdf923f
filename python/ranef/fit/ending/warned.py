"""The one warning of a fit."""

import sys
import warnings

from ranef.errors import RanefWarning


def warn_once(messages: tuple[str, ...]) -> None:
    """Issue the messages of one fit as one warning that points at the user's line."""
    if not messages:
        return
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("ranef."):
        frame = frame.f_back
        level += 1
    warnings.warn("\n".join(messages), RanefWarning, stacklevel=level)
