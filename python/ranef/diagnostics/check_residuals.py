"""Residuals and groups on the diagnostic panel of a linear model."""

import numpy as np
from numpy.typing import NDArray

from ranef.diagnostics.check_part import CheckPart
from ranef.diagnostics.check_sentences import (
    bend_sentence,
    influence_sentence,
    residual_shape_sentence,
    spread_sentence,
)
from ranef.diagnostics.influence import largest_changes
from ranef.diagnostics.leverage import studentized_residuals
from ranef.diagnostics.normal_quantiles import normal_quantiles
from ranef.diagnostics.residual_frames import trend_frame
from ranef.estimates.residuals import residual_values
from ranef.fit.record import MixedFit

Floats = NDArray[np.float64]


def residual_parts(fit: MixedFit) -> tuple[CheckPart, CheckPart, CheckPart]:
    """Residuals along fitted values, their spread, and their quantiles.

    Parameters
    ----------
    fit : MixedFit
        A linear one.
    """
    fitted = fit.means()
    residuals = residual_values(fit, "scaled", fitted)
    standard = studentized_residuals(fit, fit.hat_values())
    known = ~np.isnan(standard)
    frame, trend = trend_frame(fitted, residuals, "residual")
    slope = _slope(fitted, residuals)
    scale, _ = trend_frame(fitted, np.sqrt(np.abs(standard)), "root_residual")
    return (
        CheckPart(
            "residuals",
            "Residuals along fitted values",
            "residual / sigma",
            frame,
            bend_sentence(trend, slope, float(np.std(fitted))),
        ),
        CheckPart("scale", "Spread of the residuals", "", scale, spread_sentence(fitted[known], standard[known])),
        CheckPart(
            "residual_quantiles",
            "Distribution of the residuals",
            "standardised residual",
            normal_quantiles(standard),
            residual_shape_sentence(standard[known]),
        ),
    )


def _slope(fitted: Floats, residuals: Floats) -> float:
    """Slope of the residuals along the conditional fitted values.

    At an inner REML optimum without weights it is exactly ``sigma² (tr H - p) / S`` with H the hat
    matrix and S the sum of squares of the fitted values around their mean, whatever the data: the
    part of H that belongs to effects drawn towards zero. So it tells nothing of the model's faults.
    """
    centred = fitted - fitted.mean()
    total = float(centred @ centred)
    return float(centred @ residuals) / total if total > 0 else 0.0


def influence_part(fit: MixedFit) -> CheckPart:
    """The fixed effect that moves most without each level of the grouping factor with fewest."""
    import pandas as pd

    if not len(fit.beta):
        nothing = pd.DataFrame({"level": [], "term": [], "change": []})
        return CheckPart(
            "influence", "Influence of groups", "", nothing, "The model has no fixed effects that groups could move."
        )
    frame = largest_changes(fit)
    group = frame.attrs["group"]
    return CheckPart("influence", f"Influence of {group}", group, frame, influence_sentence(frame, group))
