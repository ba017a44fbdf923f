"""Values of variables at which bars of categories are drawn."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ranef.errors import OptionError
from ranef.fit.record import MixedFit
from ranef.inference.marginal_means.variables import grid_variables

#: Bars along a number.
BARS = 9


def grid_for_bars(
    fit: MixedFit, data: Any, names: Sequence[str], at: Mapping[str, Any] | None
) -> dict[str, Any] | None:
    """The values that are asked for, with those of the numbers that bars are of."""
    variables = {v.name: v for v in grid_variables(fit.grid_predictors, data)}
    out = dict(at or {})
    for name in names:
        if name not in variables:
            known = ", ".join(map(repr, variables)) or "none"
            raise OptionError(f"the model has no variable {name!r}; it has {known}.")
        if name not in out and not variables[name].is_factor:
            low, high = variables[name].range
            out[name] = np.linspace(low, high, BARS).tolist()
    return out or None
