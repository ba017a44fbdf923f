"""Wald intervals of the components of a model with several linear predictors."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.errors import OptionError
from ranef.estimates.intervals import checked_level
from ranef.fit.record import MixedFit
from ranef.inference.distributions import t_multiplier

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]


def component_intervals(fit: MixedFit, component: str, method: str, level: float) -> "pd.DataFrame":
    """Intervals of the fixed effects of one component, or of all with theta.

    Parameters
    ----------
    fit : MixedFit
    component : str
        Its key, or ``"all"``.
    method : {"wald"}
    level : float

    Returns
    -------
    DataFrame
        Columns ``lower, upper``; for all with two levels of rows.
    """
    import pandas as pd

    found = fit.parameters() or _parameters_of_parts(fit)
    if found is None:
        raise OptionError(f"component={component!r} is for models with several linear predictors.")
    if method != "wald":
        raise OptionError("intervals of components are by method='wald' or 'profile'.")
    names, values, covariance = found
    multiplier = t_multiplier(checked_level(level), np.array(np.inf if fit.cluster_df is None else fit.cluster_df))
    half = multiplier * np.sqrt(np.diagonal(covariance))
    index = pd.MultiIndex.from_tuples(names, names=["component", "name"])
    frame = pd.DataFrame({"lower": values - half, "upper": values + half}, index=index)
    if component == "all":
        return frame
    rows = [i for i, (key, _) in enumerate(names) if key == component]
    keys = list(dict.fromkeys(key for key, _ in names if key != "theta"))
    if component not in keys:
        raise OptionError(f"the model has no component {component!r}; its components are {', '.join(map(repr, keys))}.")
    own = pd.Index([names[i][1] for i in rows])
    return pd.DataFrame({"lower": (values - half)[rows], "upper": (values + half)[rows]}, index=own)


def _parameters_of_parts(fit: MixedFit) -> tuple[list[tuple[str, str]], Floats, Floats] | None:
    """Component and name of the fixed effects and of those of parts, such as thresholds, with their
    estimates and variances; None where there are no parts.
    """
    parts = fit.part_effects()
    if not parts:
        return None
    blocks = [("cond", tuple(fit.x_names), fit.beta, fit.vcov)]
    blocks += [(p.name, p.names, p.estimates, p.covariance) for p in parts]
    names = [(key, name) for key, own, _, _ in blocks for name in own]
    variances = np.concatenate([np.diagonal(covariance) for *_, covariance in blocks])
    return names, np.concatenate([values for _, _, values, _ in blocks]), np.diag(variances)
