"""What the diagnostic panel shows: six frames, each with a sentence."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.diagnostics.check_sentences import (
    FEW_LEVELS,
    bend_sentence,
    distribution_sentence,
    effect_shape_sentence,
    influence_sentence,
    residual_shape_sentence,
    spread_sentence,
)
from ranef.diagnostics.influence import Influence, influence
from ranef.diagnostics.leverage import studentized_residuals
from ranef.diagnostics.normal_quantiles import normal_quantiles
from ranef.diagnostics.residual_frames import trend_frame
from ranef.estimates.effect_intervals import standardized_effects
from ranef.estimates.random_effects import conditional_covariances, random_effects
from ranef.estimates.residuals import residual_values
from ranef.estimates.simulate import simulated_responses
from ranef.estimates.varcorr import varcorr
from ranef.fit.linear import LmmFit
from ranef.fit.record import MixedFit

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

#: Simulated responses of the last picture.
SIMULATIONS = 49

_POINTS = 100


@dataclass(frozen=True, slots=True, eq=False)
class CheckPart:
    """One picture of the panel.

    Attributes
    ----------
    kind : str
        ``"residuals"``, ``"scale"``, ``"residual_quantiles"``, ``"effect_quantiles"``, ``"influence"`` or ``"distribution"``; of generalized models also
        ``"uniform_quantiles"``, ``"residuals_along"``, ``"simulated_statistic"``, ``"calibration"`` or ``"laplace"``.
    title, label : str
        The title, and what the picture's sample or factor is called.
    frame : DataFrame
        The numbers drawn; without rows where there is nothing to draw.
    sentence : str
    """

    kind: str
    title: str
    label: str
    frame: "pd.DataFrame"
    sentence: str


def check(fit: LmmFit, hat: Floats, rng: object = None) -> tuple[CheckPart, ...]:
    """Compute the diagnostic panel.

    Parameters
    ----------
    fit : LmmFit
    hat : (n,) array
        Hat values.
    rng : int, Generator or None
        For the simulated responses.
    """
    fitted = fit.means()
    residuals = residual_values(fit, "scaled", fitted)
    standard = studentized_residuals(fit, hat)
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
        effects_part(fit),
        _influence(fit),
        _distribution(fit, rng),
    )


def _slope(fitted: Floats, residuals: Floats) -> float:
    """Slope of the residuals along the conditional fitted values.

    At an inner REML optimum without weights it is exactly ``sigma² (tr H - p) / S`` with H the hat matrix and S the sum of squares of the fitted values around their
    mean, whatever the data: the part of H that belongs to effects drawn towards zero. So it tells nothing of the model's faults.
    """
    centred = fitted - fitted.mean()
    total = float(centred @ centred)
    return float(centred @ residuals) / total if total > 0 else 0.0


def standardized_modes(fit: MixedFit) -> "pd.DataFrame":
    """Conditional modes divided by the standard deviations that the model gives them; columns as in :func:`standardized_effects`."""
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
        if len(known) >= 3
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
    """How far a sample is from normal: by its skewness and tails, or by its outermost value where there are few."""
    from scipy.stats import kurtosistest, skewtest

    known = values[~np.isnan(values)]
    if len(known) < 3:
        return -1.0
    if len(known) < FEW_LEVELS:
        return float(np.max(np.abs(known))) / 100
    return float(max(abs(skewtest(known).statistic), abs(kurtosistest(known).statistic)))


def largest_changes(fit: LmmFit, group: str | None = None) -> "pd.DataFrame":
    """The fixed effect that moves most without each level of a grouping factor.

    Parameters
    ----------
    fit : LmmFit
    group : str, optional
        By default the factor with fewest levels, whose levels weigh most.

    Returns
    -------
    DataFrame
        Columns ``level, term, change``: the change in standard errors, NaN where some fixed effect loses its estimate. Attribute ``group``.
    """
    sizes = {t.group: len(t.levels) for t in fit.terms}
    chosen = min(sizes, key=lambda g: sizes[g]) if group is None else group
    frame = changes_of(influence(fit, chosen))
    frame.attrs["group"] = chosen
    return frame


def changes_of(found: Influence) -> "pd.DataFrame":
    """For each level the fixed effect that moves most without it: columns ``level, term, change``, as in :func:`largest_changes`."""
    import pandas as pd

    broken = np.isnan(found.scaled_change).any(axis=1)
    size = np.where(np.isnan(found.scaled_change), -1.0, np.abs(found.scaled_change))
    at = np.argmax(size, axis=1)
    change = np.where(broken, np.nan, found.scaled_change[np.arange(len(at)), at])
    return pd.DataFrame(
        {"level": found.index.astype(str), "term": [found.names[j] for j in at.tolist()], "change": change}
    )


def _influence(fit: LmmFit) -> CheckPart:
    import pandas as pd

    if not len(fit.beta):
        nothing = pd.DataFrame({"level": [], "term": [], "change": []})
        return CheckPart(
            "influence", "Influence of groups", "", nothing, "The model has no fixed effects that groups could move."
        )
    frame = largest_changes(fit)
    group = frame.attrs["group"]
    return CheckPart("influence", f"Influence of {group}", group, frame, influence_sentence(frame, group))


def _distribution(fit: LmmFit, rng: object) -> CheckPart:
    import pandas as pd

    draws = np.sort(simulated_responses(fit, SIMULATIONS, "new", rng), axis=0)
    y = np.sort(fit.design.y)
    points = np.linspace(min(y[0], np.median(draws[0])), max(y[-1], np.median(draws[-1])), _POINTS)
    shares = np.stack([np.searchsorted(d, points, side="right") for d in draws.T]) / len(y)
    frame = pd.DataFrame(
        {
            "y": points,
            "observed": np.searchsorted(y, points, side="right") / len(y),
            "lower": shares.min(axis=0),
            "upper": shares.max(axis=0),
        }
    )
    formula = fit.design.formula
    response = "the response" if formula.response is None else formula.response.name
    sentence = distribution_sentence(frame, SIMULATIONS, response)
    return CheckPart("distribution", "Observed and simulated responses", response, frame, sentence)
