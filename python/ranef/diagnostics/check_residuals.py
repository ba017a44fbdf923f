"""Spread and shape of residuals, and influence, on the diagnostic panel of a linear model."""

import numpy as np
from numpy.typing import NDArray

from ranef.diagnostics.check_part import CheckPart, Finding
from ranef.diagnostics.check_sentences import influence_sentence, residual_shape_sentence, spread_sentence
from ranef.diagnostics.influence import can_leave_out, chance_of_largest, changes_of, influence, smallest_factor
from ranef.diagnostics.normal_quantiles import normal_quantiles
from ranef.diagnostics.residual_frames import curve_frame
from ranef.diagnostics.spread import fitted_apart, spread_trend
from ranef.fit.record import MixedFit

Floats = NDArray[np.float64]

#: Fewer residuals than this have no quantiles.
FEWEST = 3


def spread_part(fit: MixedFit, hat: Floats, standard: Floats) -> CheckPart:
    """Roots of absolute standardised residuals
    along the fitted values without what the residual of a row has in its own.

    Parameters
    ----------
    fit : MixedFit
    hat, standard : (n,) array
        Hat values and standardised residuals.
    """
    along = fitted_apart(fit, hat)
    known = ~np.isnan(standard)
    along, roots = along[known], np.sqrt(np.abs(standard[known]))
    trend = spread_trend(along, roots)
    if trend is None:
        nothing = np.full(1, np.nan)
        frame = curve_frame(along, roots, "root_residual", np.zeros(1), nothing, 0.0, nothing)
    else:
        frame = curve_frame(along, roots, "root_residual", trend.x, trend.y, trend.average, trend.limit)
    return CheckPart(
        "scale",
        "Spread of the residuals",
        "",
        frame,
        spread_sentence(trend),
        "fitted value, without the row's own residual",
    )


def shape_part(standard: Floats) -> CheckPart:
    """Quantiles of standardised residuals (n,)."""
    import pandas as pd

    known = standard[~np.isnan(standard)]
    frame = (
        normal_quantiles(known, None)
        if len(known) >= FEWEST
        else pd.DataFrame(columns=["theoretical", "sample", "line", "lower", "upper"], dtype=float)
    )
    return CheckPart(
        "residual_quantiles",
        "Distribution of the residuals",
        "standardised residual",
        frame,
        residual_shape_sentence(known),
    )


def influence_part(fit: MixedFit) -> CheckPart:
    """The fixed effect that moves most without each level of the grouping factor with fewest."""
    import pandas as pd

    if not len(fit.beta):
        nothing = pd.DataFrame({"level": [], "term": [], "change": []})
        finding = Finding("The model has no fixed effects that groups could move.")
        return CheckPart("influence", "Influence of groups", "", nothing, finding)
    if fit.sampled_likelihood is not None or not can_leave_out(fit):
        nothing = pd.DataFrame({"level": [], "term": [], "change": []})
        finding = Finding("What groups move is not known with sampling weights or a prior on fixed effects.")
        if fit.sampled_likelihood is not None:
            finding = Finding("What groups move needs an exact factor, which the iterative solver does not form.")
        return CheckPart("influence", "Influence of groups", "", nothing, finding)
    group = smallest_factor(fit)
    found = influence(fit, group)
    frame = changes_of(found)
    frame.attrs["group"] = group
    sentence = influence_sentence(frame, group, chance_of_largest(fit, found))
    return CheckPart("influence", f"Influence of {group}", group, frame, sentence)
