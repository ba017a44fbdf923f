"""Profile intervals of the fixed effects of a model with several linear predictors: each is held at
a value, as an offset, and all else is estimated again.
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ranef.errors import OptionError, RanefError
from ranef.estimates.intervals import normal_multiplier
from ranef.fit.component_fit import fit_components_held
from ranef.fit.control import FitControl

if TYPE_CHECKING:
    import pandas as pd

#: Fits for one limit, and how far from it the last one may be, on the scale of normal quantiles.
MOST_FITS, CLOSE = 25, 1e-4

#: A limit this many standard errors away is one that the data do not determine.
FAR = 200.0

#: A root that is as small is that of a flat profile.
FLAT = 1e-3

#: By how much a criterion below the minimum is taken for a lower one.
LOWER = 1e-4


def profile_intervals_of_parts(
    fit: Any, component: str, level: object, parm: object, control: FitControl, progress: Callable[[int, float], object]
) -> "pd.DataFrame":
    """Limits at which the deviance, all other parameters estimated, is the chi-square quantile
    above its minimum.

    Parameters
    ----------
    fit : ComponentsFit
    component : str
        Its key, or ``"all"``.
    level : float
    parm : str, list of str or None
        Fixed effects of it.
    control : FitControl
    progress : callable
        Called with the number of limits found and of all.

    Returns
    -------
    DataFrame
        Columns ``lower, upper``; for all components with two levels of rows.
    """
    import pandas as pd

    quantile = normal_multiplier(level)
    numbers = range(len(fit.predictors)) if component == "all" else [fit.predictors.index(fit.predictor(component))]
    wanted = [
        (number, column, fit.predictors[number].key, name)
        for number in numbers
        for column, name in enumerate(fit.predictors[number].x_names)
    ]
    if parm is not None:
        names = [parm] if isinstance(parm, str) else list(parm)  # type: ignore[call-overload]
        unknown = [n for n in names if n not in {w[3] for w in wanted}]
        if unknown:
            known = ", ".join(repr(w[3]) for w in wanted)
            raise OptionError(f"parm names {unknown[0]!r}; profiles are of the fixed effects, {known}.")
        wanted = [w for w in wanted if w[3] in names]
    limits = np.full((len(wanted), 2), np.nan)
    notes = []
    for i, (number, column, key, name) in enumerate(wanted):
        for side, sign in enumerate((-1.0, 1.0)):
            limits[i, side], trouble = _limit(fit, number, column, sign, quantile, control)
            if trouble:
                notes.append(f"{name} ({key}): {trouble}")
            progress(2 * i + side + 1, 2 * len(wanted))
    index = (
        pd.MultiIndex.from_tuples([w[2:] for w in wanted], names=["component", "name"])
        if component == "all"
        else pd.Index([w[3] for w in wanted])
    )
    frame = pd.DataFrame(limits, index=index, columns=["lower", "upper"])
    frame.attrs["notes"] = tuple(notes)
    return frame


def _limit(fit: Any, number: int, column: int, sign: float, quantile: float, control: FitControl) -> tuple[float, str]:
    """One end of an interval, by secants of the signed root of the rise of the deviance, and what
    is wrong with it.
    """
    own = fit.predictors[number]
    estimate, error = float(own.beta[column]), float(np.sqrt(own.vcov_beta[column, column]))
    if not (math.isfinite(error) and error > 0):
        return math.nan, "it has no standard error, from which its profile would start"
    inside, outside = (0.0, 0.0), (math.inf, math.inf)
    step, near = quantile, None
    for _ in range(MOST_FITS):
        try:
            near = fit_components_held(fit, number, column, estimate + sign * step * error, control, near)
        except RanefError:
            return math.nan, "there is no fit on the way to its limit"
        rise = near.objective - fit.objective
        if rise < -LOWER:
            return math.nan, f"the fit is not at the optimum: the deviance falls by {-rise:.3g} along the profile"
        root = math.sqrt(max(rise, 0.0))
        if abs(root - quantile) < CLOSE:
            return estimate + sign * step * error, ""
        if root < quantile:
            inside = (step, root)
            if step > FAR:
                return sign * math.inf, "the data do not determine this end of the interval"
        else:
            outside = (step, root)
        if math.isinf(outside[0]):
            # as if the root were a straight line, at most three times as far
            step = min(max(step * quantile / max(root, FLAT), 1.05 * step), 3.0 * step)
        else:
            share = (quantile - inside[1]) / (outside[1] - inside[1])
            step = inside[0] + min(max(share, 0.05), 0.95) * (outside[0] - inside[0])
    return estimate + sign * step * error, "its limit was not found to the usual accuracy"
