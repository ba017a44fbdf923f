"""Bends on the diagnostic panel: residuals, and the curve that would take a bend out of them."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.diagnostics.bend import Bend, bend
from ranef.diagnostics.bend_sentence import bend_sentence
from ranef.diagnostics.check_part import CheckPart
from ranef.diagnostics.residual_frames import curve_frame
from ranef.estimates.residuals import residual_values
from ranef.fit.record import MixedFit

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

#: Groups of rows whose mean working residuals are drawn.
BINS = 40


def bend_part(fit: MixedFit) -> CheckPart:
    """Residuals along the linear predictor or a covariate, and the curve that lies there.

    Those of linear models are in units of sigma; those of others are means of working residuals of
    neighbouring rows, on the scale of the linear predictor, as the curve is.
    """
    found = bend(fit)
    unit = fit.sigma if fit.normal_responses else 1.0
    predictor = "fitted value, random effects zero" if fit.identity_scale else "linear predictor, random effects zero"
    along = predictor if found is None or found.name is None else found.name
    places = fit.fixed_part() if found is None else found.along
    name = "fitted values" if fit.identity_scale else "the linear predictor"
    title = f"Residuals along {name if found is None or found.name is None else found.name}"
    if fit.normal_responses:
        values, label = residual_values(fit, "scaled"), "residual / sigma"
        at = places
    else:
        at, values = _binned(fit, places)
        label = "mean working residual"
    return CheckPart("residuals", title, label, _frame(at, values, found, unit), bend_sentence(fit, found), along)


def _frame(at: Floats, values: Floats, found: Bend | None, unit: float) -> "pd.DataFrame":
    """Residuals, and after them the points of the curve, which has no residuals there."""
    if found is None:
        nothing = np.full(1, np.nan)
        return curve_frame(at, values, "residual", np.zeros(1), nothing, 0.0, nothing)
    if len(at) < len(found.along):
        at, values = np.append(at, found.x), np.append(values, np.full(len(found.x), np.nan))
    return curve_frame(at, values, "residual", found.x, found.y / unit, 0.0, found.limit / unit)


def _binned(fit: MixedFit, places: Floats) -> tuple[Floats, Floats]:
    """Means of the working residuals of neighbouring rows, by the weights of the last step."""
    values, weights = fit.working_residuals()
    usable = np.isfinite(weights) & np.isfinite(values) & (weights > 0)
    edges = np.unique(np.quantile(places, np.linspace(0, 1, BINS + 1)))
    bins = np.clip(np.searchsorted(edges, places, side="right") - 1, 0, max(len(edges) - 2, 0))[usable]
    total = np.bincount(bins, weights[usable])
    some = total > 0
    return tuple(  # type: ignore[return-value]
        np.bincount(bins, weights[usable] * v[usable])[some] / total[some] for v in (places, values)
    )
