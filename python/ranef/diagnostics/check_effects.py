"""Random effects on the diagnostic panel:
conditional modes in units of the spread that the model gives them.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.diagnostics.check_part import CheckPart
from ranef.diagnostics.check_sentences import FEW_LEVELS, effect_shape_sentence
from ranef.diagnostics.normal_quantiles import normal_quantiles
from ranef.estimates.effect_intervals import standardized_effects
from ranef.estimates.random_effects import conditional_covariances, random_effects
from ranef.estimates.varcorr import varcorr
from ranef.fit.record import MixedFit

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

#: Fewer modes than this have no shape.
FEWEST_MODES = 3

#: Divisor that puts factors with few levels behind all others in the order of departures.
FAR_BEHIND = 100


def standardized_modes(fit: MixedFit) -> "pd.DataFrame":
    """Conditional modes divided by the standard deviations that the model gives them.

    Columns as in :func:`standardized_effects`.
    """
    variances: dict[str, list[float]] = {}
    for block in varcorr(fit).values():
        variances.setdefault(block.group, []).extend(np.diagonal(block.cov).tolist())
    modes = {
        g.group: (_frame(g.values, g.levels, g.names), c)
        for g, c in zip(random_effects(fit), conditional_covariances(fit), strict=True)
    }
    return standardized_effects(modes, {g: np.array(v) for g, v in variances.items()})


def _frame(values: Floats, levels: "NDArray[np.object_]", names: tuple[str, ...]) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame(values, index=pd.Index(levels), columns=pd.Index(names))


def effects_part(fit: MixedFit) -> CheckPart:
    """The random effect whose modes look least normal."""
    import pandas as pd

    modes = standardized_modes(fit)
    samples = {
        (str(g), str(e)): part["standardized"].to_numpy()
        for (g, e), part in modes.groupby(["group", "effect"], sort=False)
    }
    (group, effect), values = max(samples.items(), key=lambda item: _departure(item[1]))
    known = values[~np.isnan(values)]
    frame = (
        normal_quantiles(known)
        if len(known) >= FEWEST_MODES
        else pd.DataFrame(columns=["theoretical", "sample", "line", "lower", "upper"], dtype=float)
    )
    return CheckPart(
        "effect_quantiles",
        f"Random effects: {effect} of {group}",
        "standardised mode",
        frame,
        effect_shape_sentence(values, effect, group, len(samples)),
    )


def _departure(values: Floats) -> float:
    """How far a sample is from normal:
    by its skewness and tails, or by its outermost value where there are few.
    """
    from scipy.stats import kurtosistest, skewtest

    known = values[~np.isnan(values)]
    if len(known) < FEWEST_MODES:
        return -1.0
    if len(known) < FEW_LEVELS:
        return float(np.max(np.abs(known))) / FAR_BEHIND
    return float(max(abs(skewtest(known).statistic), abs(kurtosistest(known).statistic)))
