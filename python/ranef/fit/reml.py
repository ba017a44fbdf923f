"""Whether a linear model is fitted by REML or ML: the arguments ``REML`` and ``method``."""

import numpy as np

from ranef.errors import ArgumentTypeError, OptionError


def choose_reml(REML: object, method: object, default: bool = True) -> bool:
    """Settle ``REML`` and ``method``; ``None`` means not given."""
    if REML is not None and not isinstance(REML, bool | np.bool_):
        raise ArgumentTypeError(f"REML must be True or False, not {REML!r}.")
    if method is None:
        return default if REML is None else bool(REML)
    if not isinstance(method, str):
        raise ArgumentTypeError(f"method must be 'REML' or 'ML', not {method!r}.")
    if method not in ("REML", "ML"):
        raise OptionError(f"method must be 'REML' or 'ML', not {method!r}.")
    if REML is not None and bool(REML) != (method == "REML"):
        raise OptionError(f"REML={bool(REML)} and method={method!r} disagree; give one of them.")
    return method == "REML"
