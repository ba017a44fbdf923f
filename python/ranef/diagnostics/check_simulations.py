"""What simulations say on the diagnostic panel of a generalized model,
and the accuracy of its likelihood.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.diagnostics.check_distribution import distribution_part
from ranef.diagnostics.check_part import CheckPart
from ranef.diagnostics.check_sentences import (
    calibration_sentence,
    dispersion_sentence,
    equal_levels_sentence,
    laplace_sentence,
    no_quadrature_sentence,
    quadrature_sentence,
    trend_sentence,
    uniformity_sentence,
    zeros_sentence,
)
from ranef.diagnostics.dispersion import pearson_sums, two_sided
from ranef.diagnostics.rank_residuals import RankResiduals, rank_residuals
from ranef.diagnostics.residual_frames import local_quartiles, uniform_quantiles
from ranef.errors import OptionError
from ranef.estimates.simulate import random_generator, simulated_responses
from ranef.fit.quadrature import check_quadrature
from ranef.fit.record import MixedFit

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

#: Simulated responses, fewer where there are so many rows that they would not fit in memory.
SIMULATIONS = 250
FEWEST = 49
MOST_NUMBERS = 20_000_000

#: Nodes with which Laplace's approximation is compared; the last is taken for the truth.
NODES = (1, 5, 7, 9, 11, 15, 21)

#: So close to the last of them others are good enough.
ENOUGH = 0.05

#: Rows of all simulations together whose modes are found again.
MOST_ROWS = 1_000_000

#: Groups of rows with similar probabilities, and the quantiles of simulated shares between which
#: nearly all lie.
BINS, NEARLY_ALL = 10, (0.005, 0.995)

#: Most nodes with several random effects for each level, from so many effects on.
MOST_NODES, SEVERAL = 11, 3


def simulation_parts(fit: MixedFit, rng: object) -> tuple[CheckPart, CheckPart, CheckPart, CheckPart]:
    """Simulated residuals, their trend,
    the spread of the responses, and their zeros or distribution.

    Parameters
    ----------
    fit : MixedFit
        A generalized one.
    rng : int, Generator or None
    """
    generator = random_generator(rng)
    n = max(FEWEST, min(SIMULATIONS, MOST_NUMBERS // max(fit.nobs, 1)))
    draws = simulated_responses(fit, n, "new", generator)
    residuals = rank_residuals(fit.design.y, draws, generator)
    if fit.response_kind == "binary":
        spread, zeros = _calibration(fit, draws), _equal_levels(fit, draws)
    else:
        spread = _dispersion(fit, max(FEWEST, min(n, MOST_ROWS // fit.nobs)), generator)
        zeros = _zeros(fit, draws) if fit.family.support in ("count", "proportion") else distribution_part(fit, draws)
    return _uniformity(residuals), _trend(fit, residuals), spread, zeros


def _uniformity(residuals: RankResiduals) -> CheckPart:
    return CheckPart(
        "uniform_quantiles",
        "Simulated residuals",
        "",
        uniform_quantiles(residuals.values),
        uniformity_sentence(*residuals.uniformity()),
    )


def _trend(fit: MixedFit, residuals: RankResiduals) -> CheckPart:
    eta = fit.fixed_part()
    return CheckPart(
        "residuals_along",
        "Residuals along the linear predictor",
        "",
        local_quartiles(eta, residuals.values),
        trend_sentence(*residuals.trend(eta)),
    )


def _dispersion(fit: MixedFit, n: int, rng: np.random.Generator) -> CheckPart:
    try:
        own, simulated = pearson_sums(fit, n, rng)
    except OptionError as problem:  # a family of the user's own without a variance function
        return CheckPart("simulated_statistic", "Spread of the responses", "", _nothing(), str(problem))
    mean = float(simulated.mean())
    ratio = own / mean if mean > 0 else float("nan")
    return CheckPart(
        "simulated_statistic",
        "Spread of the responses",
        "sum of squared Pearson residuals",
        statistic_frame(own, simulated),
        dispersion_sentence(ratio, two_sided(own, simulated)),
    )


def _zeros(fit: MixedFit, draws: Floats) -> CheckPart:
    own = int(np.count_nonzero(fit.design.y == 0))
    simulated = np.count_nonzero(draws == 0, axis=0).astype(np.float64)
    return CheckPart(
        "simulated_statistic",
        "Zeros",
        "number of zeros",
        statistic_frame(float(own), simulated),
        zeros_sentence(own, float(simulated.mean()), two_sided(own, simulated)),
    )


def _equal_levels(fit: MixedFit, draws: Floats) -> CheckPart:
    """Levels of the largest grouping factor in which all responses are the same."""
    term = max(fit.terms, key=lambda t: len(t.levels))
    counts = np.bincount(term.codes, minlength=len(term.levels))
    several = counts > 1

    def equal(y: Floats) -> int:
        sums = np.bincount(term.codes, y, minlength=len(counts))
        return int(np.count_nonzero(several & ((sums == 0) | (sums == counts))))

    own, simulated = equal(fit.design.y), np.array([equal(d) for d in draws.T], dtype=np.float64)
    sentence = equal_levels_sentence(own, float(simulated.mean()), two_sided(own, simulated), term.group)
    frame = statistic_frame(float(own), simulated)
    label = f"levels of {term.group} with one kind of response"
    return CheckPart("simulated_statistic", "Levels with only 0 or only 1", label, frame, sentence)


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
    shares = np.stack([np.bincount(bins, d)[used] for d in draws.T]) / counts[used]
    frame = pd.DataFrame(
        {
            "expected": shares.mean(axis=0),
            "observed": np.bincount(bins, fit.design.y)[used] / counts[used],
            "lower": np.quantile(shares, NEARLY_ALL[0], axis=0),
            "upper": np.quantile(shares, NEARLY_ALL[1], axis=0),
            "n": counts[used].astype(np.int64),
        }
    )
    outside = int(((frame["observed"] < frame["lower"]) | (frame["observed"] > frame["upper"])).sum())
    largest = float((frame["observed"] - frame["expected"]).abs().max())
    return CheckPart("calibration", "Probabilities", "", frame, calibration_sentence(outside, len(frame), largest))


def accuracy_part(fit: MixedFit) -> CheckPart:
    """What quadrature with more nodes makes of -2 log-likelihood."""
    import pandas as pd

    title = "Accuracy of Laplace's approximation"
    try:
        check_quadrature(NODES[-1], fit.order, fit.design)
    except OptionError:
        groups = len(fit.order.factors)
        rows = fit.nobs / max(len(t.levels) for t in fit.terms)
        nothing = pd.DataFrame({"nodes": [], "change": []})
        return CheckPart("laplace", title, "", nothing, no_quadrature_sentence(groups, rows))
    effects = sum(s.size for s in fit.order.spans)
    nodes = sorted({k for k in NODES if effects < SEVERAL or k <= MOST_NODES} | {max(fit.n_quad, 1)})
    values = {k: fit.objective_at(k) for k in nodes}
    best, laplace = values[nodes[-1]], values[1]
    frame = pd.DataFrame({"nodes": nodes, "change": [values[k] - laplace for k in nodes]})
    if fit.n_quad > 1:
        sentence = quadrature_sentence(best - values[fit.n_quad], fit.n_quad, nodes[-1], best - laplace)
    else:
        enough = next(k for k in nodes if k > 1 and abs(values[k] - best) < ENOUGH)
        sentence = laplace_sentence(best - laplace, nodes[-1], enough)
    return CheckPart("laplace", title, "", frame, sentence)
