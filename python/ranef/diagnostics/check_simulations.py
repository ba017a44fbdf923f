"""What simulations say on the diagnostic panel of a generalized model,
and the accuracy of its likelihood.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.diagnostics.chance import count_chance, largest_chance
from ranef.diagnostics.check_distribution import distribution_part
from ranef.diagnostics.check_effects import effects_part
from ranef.diagnostics.check_part import CheckPart, Finding
from ranef.diagnostics.check_sentences import (
    calibration_sentence,
    dispersion_sentence,
    equal_levels_sentence,
    uniformity_sentence,
    zeros_sentence,
)
from ranef.diagnostics.dispersion import enlarged_sum, pearson_sum
from ranef.diagnostics.rank_residuals import rank_residuals
from ranef.diagnostics.residual_frames import uniform_quantiles
from ranef.errors import OptionError
from ranef.estimates.simulate import random_generator, simulated_responses
from ranef.fit.record import MixedFit
from ranef.fit.refits.modes import OtherModes, modes_of

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

#: Simulated responses, and those whose ranks are compared; fewer where there are many rows.
SIMULATIONS, RANKED, FEWEST = 250, 99, 49
MOST_NUMBERS, MOST_RANKED = 1_500_000, 500_000

#: Simulated responses whose modes are found again, and most rows of them together.
MODES, FEWEST_MODES, MOST_ROWS = 80, 39, 300_000

#: Groups of rows with similar probabilities.
BINS = 10


def simulation_parts(fit: MixedFit, rng: object) -> tuple[CheckPart, CheckPart, CheckPart | None, CheckPart | None]:
    """Simulated residuals, the spread of the responses, their zeros or distribution, and the modes
    of the random effects, where the first linear predictor has some.

    Parameters
    ----------
    fit : MixedFit
        A generalized one.
    rng : int, Generator or None
    """
    generator = random_generator(rng)
    rows = max(fit.nobs, 1)
    draws = simulated_responses(fit, max(FEWEST, min(SIMULATIONS, MOST_NUMBERS // rows)), "new", generator)
    uniform = _uniformity(fit, draws[:, : max(FEWEST, min(RANKED, MOST_RANKED // rows))], generator)
    again = [(y, modes_of(fit, y)) for y in draws[:, : max(FEWEST_MODES, min(MODES, MOST_ROWS // rows))].T]
    effects = effects_part(fit, [modes.effects for _, modes in again]) if fit.terms else None
    if fit.response_kind == "binary":
        return uniform, _calibration(fit, draws), _equal_levels(fit, draws), effects
    counted = fit.family.support in ("count", "proportion")
    return (
        uniform,
        _dispersion(fit, again),
        _zeros(fit, draws) if counted else distribution_part(fit, draws),
        effects,
    )


def _uniformity(fit: MixedFit, draws: Floats, generator: np.random.Generator) -> CheckPart:
    residuals = rank_residuals(fit.design.y, draws, generator)
    own, simulated = residuals.uniformity()
    p, critical = largest_chance(own, simulated)
    return CheckPart(
        "uniform_quantiles",
        "Simulated residuals",
        "",
        uniform_quantiles(residuals.values, critical),
        uniformity_sentence(own, p),
    )


def _dispersion(fit: MixedFit, again: list[tuple[Floats, OtherModes]]) -> CheckPart:
    title = "Spread of the responses"
    try:
        own = enlarged_sum(fit)
        simulated = np.array([pearson_sum(fit, y, modes.fitted) for y, modes in again])
    except OptionError as problem:  # a family of the user's own without a variance function
        return CheckPart("simulated_statistic", title, "", _nothing(), Finding(str(problem)))
    mean = float(simulated.mean())
    ratio = own / mean if mean > 0 else float("nan")
    return CheckPart(
        "simulated_statistic",
        title,
        "sum of squared Pearson residuals",
        statistic_frame(own, simulated),
        dispersion_sentence(ratio, count_chance(own, simulated)),
    )


def _zeros(fit: MixedFit, draws: Floats) -> CheckPart:
    own = int(np.count_nonzero(fit.design.y == 0))
    simulated = np.count_nonzero(draws == 0, axis=0).astype(np.float64)
    return CheckPart(
        "simulated_statistic",
        "Zeros",
        "number of zeros",
        statistic_frame(float(own), simulated),
        zeros_sentence(own, float(simulated.mean()), fit.nobs, count_chance(own, simulated)),
    )


def _equal_levels(fit: MixedFit, draws: Floats) -> CheckPart | None:
    """Levels of the largest grouping factor in which all responses are the same; None where rows
    have parts of several levels of every factor.
    """
    grouping = [t for t in fit.terms if t.has_one_level]
    if not grouping:
        return None
    term = max(grouping, key=lambda t: len(t.levels))
    counts = np.bincount(term.codes, minlength=len(term.levels))
    several = counts > 1

    def equal(y: Floats) -> int:
        sums = np.bincount(term.codes, y, minlength=len(counts))
        return int(np.count_nonzero(several & ((sums == 0) | (sums == counts))))

    own, simulated = equal(fit.design.y), np.array([equal(d) for d in draws.T], dtype=np.float64)
    finding = equal_levels_sentence(
        own, float(simulated.mean()), int(np.count_nonzero(several)), count_chance(own, simulated), term.group
    )
    frame = statistic_frame(float(own), simulated)
    label = f"levels of {term.group} with one kind of response"
    return CheckPart("simulated_statistic", "Levels with only 0 or only 1", label, frame, finding)


def statistic_frame(observed: float, simulated: Floats) -> "pd.DataFrame":
    """A statistic of the data and of simulations, as rows.

    Returns
    -------
    DataFrame
        Columns ``part`` ("observed", then "simulated") and ``value``.
    """
    import pandas as pd

    return pd.DataFrame(
        {"part": ["observed", *["simulated"] * len(simulated)], "value": np.concatenate([[observed], simulated])}
    )


def _nothing() -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame({"part": [], "value": []})


def _calibration(fit: MixedFit, draws: Floats) -> CheckPart:
    """Shares of successes of rows with similar probabilities,
    beside those of simulations with new random effects.
    """
    import pandas as pd

    eta = fit.fixed_part()
    edges = np.unique(np.quantile(eta, np.linspace(0, 1, BINS + 1)))
    bins = np.clip(np.searchsorted(edges, eta, side="right") - 1, 0, max(len(edges) - 2, 0))
    counts = np.bincount(bins).astype(np.float64)
    used = counts > 0
    shares = np.stack([np.bincount(bins, y)[used] for y in (fit.design.y, *draws.T)]) / counts[used]
    expected, spread = shares.mean(axis=0), np.maximum(shares.std(axis=0), 1.0 / fit.nobs)
    farthest = np.max(np.abs(shares - expected) / spread, axis=1)
    p, critical = largest_chance(float(farthest[0]), farthest[1:])
    frame = pd.DataFrame(
        {
            "expected": expected,
            "observed": shares[0],
            "lower": np.maximum(expected - critical * spread, 0.0),
            "upper": np.minimum(expected + critical * spread, 1.0),
            "n": counts[used].astype(np.int64),
        }
    )
    at = int(np.argmax(np.abs(shares[0] - expected) / spread))
    finding = calibration_sentence(float(shares[0][at]), float(expected[at]), len(frame), p)
    return CheckPart("calibration", "Probabilities", "", frame, finding)
