"""Wald intervals of the components of a model with several linear predictors."""

from typing import TYPE_CHECKING

import numpy as np

from ranef.errors import OptionError
from ranef.estimates.intervals import normal_multiplier
from ranef.fit.record import MixedFit

if TYPE_CHECKING:
    import pandas as pd


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

    parts = {p.name: p for p in fit.part_effects()}
    found = fit.parameters()
    if found is None and (component in parts or (component == "all" and parts)):
        return _of_parts(fit, component, method, level)
    if found is None:
        raise OptionError(f"component={component!r} is for models with several linear predictors.")
    if method != "wald":
        raise OptionError("intervals of components are by method='wald' or 'profile'.")
    names, values, covariance = found
    half = normal_multiplier(level) * np.sqrt(np.diagonal(covariance))
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


def _of_parts(fit: MixedFit, component: str, method: str, level: float) -> "pd.DataFrame":
    """The same of ordered categories: fixed effects, thresholds, nominal and scale effects."""
    import pandas as pd

    if method != "wald":
        raise OptionError("intervals of components are Wald intervals: method='wald'.")
    blocks = [("cond", fit.x_names, fit.beta, fit.vcov)]
    blocks += [(p.name, p.names, p.estimates, p.covariance) for p in fit.part_effects()]
    frames = {}
    for key, names, values, covariance in blocks:
        half = normal_multiplier(level) * np.sqrt(np.diagonal(covariance))
        frames[key] = pd.DataFrame({"lower": values - half, "upper": values + half}, index=pd.Index(names))
    if component != "all":
        return frames[component]
    made: pd.DataFrame = pd.concat(frames, names=["component", "name"])
    return made
