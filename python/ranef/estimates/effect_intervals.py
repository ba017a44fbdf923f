"""Random effects as rows, with normal intervals."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.errors import OptionError
from ranef.estimates.intervals import normal_multiplier

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

#: Share of the variance of a random effect below which its modes have none.
NONE_LEFT = 1e-9


def effect_intervals(effects: "Mapping[str, tuple[pd.DataFrame, Floats]]", level: object = 0.95) -> "pd.DataFrame":
    """List conditional modes with intervals from their conditional variances.

    The intervals hold theta and the fixed effects to be known.

    Parameters
    ----------
    effects : mapping
        For each grouping factor the frame (levels × effects) and the covariances (levels, k, k), as
        ``ranef(condvar=True)`` gives them.
    level : float
        Level of the intervals.

    Returns
    -------
    DataFrame
        Columns ``group, level, effect, estimate, std_error, lower, upper``, a row for each effect
        of each level.
    """
    import pandas as pd

    multiplier = normal_multiplier(level)
    if not effects:
        raise OptionError("the model has no random effects.")
    parts = []
    for group, (modes, covariance) in effects.items():
        sd = np.sqrt(np.maximum(np.diagonal(covariance, axis1=1, axis2=2), 0.0))
        for j, name in enumerate(modes.columns):
            estimate = modes.iloc[:, j].to_numpy(dtype=float)
            parts.append(
                pd.DataFrame(
                    {
                        "group": group,
                        "level": modes.index.astype(str),
                        "effect": str(name),
                        "estimate": estimate,
                        "std_error": sd[:, j],
                        "lower": estimate - multiplier * sd[:, j],
                        "upper": estimate + multiplier * sd[:, j],
                    }
                )
            )
    return pd.concat(parts, ignore_index=True)


def standardized_effects(
    effects: "Mapping[str, tuple[pd.DataFrame, Floats]]", variances: Mapping[str, Floats]
) -> "pd.DataFrame":
    """Divide conditional modes by the standard deviation that the model gives them,
    ``sqrt(S_jj - condvar_jj)``.

    Conditional modes of groups with few rows lie closer to zero than those of groups with many; so
    divided they are comparable, and about standard normal if the model is correct.

    Parameters
    ----------
    effects : mapping
        As in :func:`effect_intervals`.
    variances : mapping
        For each grouping factor the variances (levels, k) of its effects, or (1, k) where levels
        have the same.

    Returns
    -------
    DataFrame
        Columns ``group, level, effect, estimate, std_dev, standardized``; NaN where the estimated
        variance is zero.
    """
    import pandas as pd

    parts = []
    for group, (modes, covariance) in effects.items():
        own = np.diagonal(covariance, axis1=1, axis2=2)
        for j, name in enumerate(modes.columns):
            variance = np.broadcast_to(variances[group][:, j], len(own))
            # What is left by rounding of an effect that the data say nothing of is zero.
            left = variance - own[:, j]
            sd = np.sqrt(np.where((left > NONE_LEFT * variance) & (variance > 0), left, np.nan))
            estimate = modes.iloc[:, j].to_numpy(dtype=float)
            parts.append(
                pd.DataFrame(
                    {
                        "group": group,
                        "level": modes.index.astype(str),
                        "effect": str(name),
                        "estimate": estimate,
                        "std_dev": sd,
                        "standardized": estimate / sd,
                    }
                )
            )
    return pd.concat(parts, ignore_index=True)
