"""What the diagnostic panel of a generalized model shows: six frames, each with a sentence."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.diagnostics.check import CheckPart, effects_part
from ranef.diagnostics.check_sentences import distribution_sentence
from ranef.diagnostics.glmm_check_sentences import (
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
from ranef.diagnostics.glmm_dispersion import pearson_sums, two_sided
from ranef.diagnostics.rank_residuals import RankResiduals, rank_residuals
from ranef.diagnostics.residual_frames import local_quartiles, uniform_quantiles
from ranef.errors import OptionError
from ranef.estimates.simulate import random_generator, simulated_responses
from ranef.fit.generalized import GlmmFit
from ranef.fit.quadrature import check_quadrature

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

_BINS = 10
_POINTS = 100


def check_glmm(fit: GlmmFit, rng: object = None) -> tuple[CheckPart, ...]:
    """Compute the diagnostic panel.

    Parameters
    ----------
    fit : GlmmFit
    rng : int, Generator or None
        For the simulated responses.
    """
    generator = random_generator(rng)
    n = max(FEWEST, min(SIMULATIONS, MOST_NUMBERS // max(fit.nobs, 1)))
    draws = simulated_responses(fit, n, "new", generator)
    residuals = rank_residuals(fit.design.y, draws, generator)
    if fit.response_kind == "binary":
        spread, zeros = _calibration(fit, draws), _equal_levels(fit, draws)
    else:
        spread = _dispersion(fit, max(FEWEST, min(n, MOST_ROWS // fit.nobs)), generator)
        zeros = _zeros(fit, draws) if fit.family.support in ("count", "proportion") else _responses(fit, draws)
    return _uniformity(residuals), _trend(fit, residuals), spread, zeros, effects_part(fit), _laplace(fit)


def _uniformity(residuals: RankResiduals) -> CheckPart:
    return CheckPart(
        "uniform_quantiles",
        "Simulated residuals",
        "",
        uniform_quantiles(residuals.values),
        uniformity_sentence(*residuals.uniformity()),
    )


def _trend(fit: GlmmFit, residuals: RankResiduals) -> CheckPart:
    eta = fit.fixed_part()
    return CheckPart(
        "residuals_along",
        "Residuals along the linear predictor",
        "",
        local_quartiles(eta, residuals.values),
        trend_sentence(*residuals.trend(eta)),
    )


def _dispersion(fit: GlmmFit, n: int, rng: np.random.Generator) -> CheckPart:
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


def _zeros(fit: GlmmFit, draws: Floats) -> CheckPart:
    own = int(np.count_nonzero(fit.design.y == 0))
    simulated = np.count_nonzero(draws == 0, axis=0).astype(np.float64)
    return CheckPart(
        "simulated_statistic",
        "Zeros",
        "number of zeros",
        statistic_frame(float(own), simulated),
        zeros_sentence(own, float(simulated.mean()), two_sided(own, simulated)),
    )


def _equal_levels(fit: GlmmFit, draws: Floats) -> CheckPart:
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


def _calibration(fit: GlmmFit, draws: Floats) -> CheckPart:
    """Shares of successes of rows with similar probabilities, beside those of simulations with new random effects."""
    import pandas as pd

    eta = fit.fixed_part()
    edges = np.unique(np.quantile(eta, np.linspace(0, 1, _BINS + 1)))
    bins = np.clip(np.searchsorted(edges, eta, side="right") - 1, 0, max(len(edges) - 2, 0))
    counts = np.bincount(bins).astype(np.float64)
    used = counts > 0
    shares = np.stack([np.bincount(bins, d)[used] for d in draws.T]) / counts[used]
    frame = pd.DataFrame(
        {
            "expected": shares.mean(axis=0),
            "observed": np.bincount(bins, fit.design.y)[used] / counts[used],
            "lower": np.quantile(shares, 0.005, axis=0),
            "upper": np.quantile(shares, 0.995, axis=0),
            "n": counts[used].astype(np.int64),
        }
    )
    outside = int(((frame["observed"] < frame["lower"]) | (frame["observed"] > frame["upper"])).sum())
    largest = float((frame["observed"] - frame["expected"]).abs().max())
    return CheckPart("calibration", "Probabilities", "", frame, calibration_sentence(outside, len(frame), largest))


def _responses(fit: GlmmFit, draws: Floats) -> CheckPart:
    """The distribution of the response beside simulated ones."""
    import pandas as pd

    own, simulated = np.sort(fit.design.y), np.sort(draws[:, :FEWEST], axis=0)
    points = np.linspace(min(own[0], np.median(simulated[0])), max(own[-1], np.median(simulated[-1])), _POINTS)
    shares = np.stack([np.searchsorted(d, points, side="right") for d in simulated.T]) / len(own)
    frame = pd.DataFrame(
        {
            "y": points,
            "observed": np.searchsorted(own, points, side="right") / len(own),
            "lower": shares.min(axis=0),
            "upper": shares.max(axis=0),
        }
    )
    formula = fit.design.formula
    response = "the response" if formula.response is None else formula.response.name
    return CheckPart(
        "distribution",
        "Observed and simulated responses",
        response,
        frame,
        distribution_sentence(frame, simulated.shape[1], response),
    )


def _laplace(fit: GlmmFit) -> CheckPart:
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
    nodes = sorted({k for k in NODES if effects < 3 or k <= 11} | {max(fit.n_quad, 1)})
    values = {k: fit.objective_at(k) for k in nodes}
    best, laplace = values[nodes[-1]], values[1]
    frame = pd.DataFrame({"nodes": nodes, "change": [values[k] - laplace for k in nodes]})
    if fit.n_quad > 1:
        sentence = quadrature_sentence(best - values[fit.n_quad], fit.n_quad, nodes[-1], best - laplace)
    else:
        enough = next(k for k in nodes if k > 1 and abs(values[k] - best) < ENOUGH)
        sentence = laplace_sentence(best - laplace, nodes[-1], enough)
    return CheckPart("laplace", title, "", frame, sentence)
