"""One plain sentence on each picture of the diagnostic panel, from what was computed for it.

A sentence says what is seen, how large it is, and whether chance alone often gives as much. Nothing
is called right: a picture can show a fault, not its absence.
"""

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.diagnostics.local_trend import LocalTrend

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

#: A local mean so many standard errors off a straight line, anywhere, is seldom chance: of fits to
#: data simulated from their own model fewer than one in a hundred get there.
BEND = 2.5

#: A test that rejects at this level is called more than chance.
ALPHA = 0.01

#: An error of -2 log-likelihood that a likelihood-ratio test would notice.
NOTABLE_ERROR = 0.5

#: Fewer levels than this do not show the shape of a distribution.
FEW_LEVELS = 20


def bend_sentence(trend: LocalTrend | None, slope: float, spread: float) -> str:
    """On residuals, in units of sigma, along fitted values.

    Parameters
    ----------
    trend : LocalTrend or None
    slope : float
        Of the straight line through the residuals.
    spread : float
        Standard deviation of the fitted values.
    """
    rise = slope * spread
    if rise < 0.1:
        return _bend(trend)
    return (
        f"{_bend(trend)} That they rise ({rise:.2f} for each standard deviation of the fitted values) comes from "
        "shrinkage of the random effects and is no fault."
    )


def _bend(trend: LocalTrend | None) -> str:
    if trend is None:
        return "The fitted values take fewer than ten different values: a bend could not be seen."
    size = trend.bend
    if trend.bend_ratio < BEND:
        return (
            f"No clear bend: the local mean of the residuals leaves a straight line by at most {size:.2f} residual "
            "standard deviations, which chance can do."
        )
    where = (
        f"near a fitted value of {trend.bend_at:.3g} the local mean is {size:.2f} residual standard deviations off a "
        "straight line"
    )
    if size < 0.1:
        return f"A slight bend: {where}, which is more than chance gives but small."
    return f"A bend: {where}, more than chance gives; a curved term or an interaction may be missing."


def spread_sentence(fitted: Floats, residuals: Floats) -> str:
    """On the size of standardised residuals along fitted values."""
    from scipy.stats import spearmanr

    n = len(fitted)
    if n < 12 or len(np.unique(fitted)) < 3:
        return "There are too few different fitted values to compare the spread of the residuals."
    low, high = np.quantile(fitted, [1 / 3, 2 / 3])
    lower, upper = (float(np.sqrt(np.mean(residuals[part] ** 2))) for part in (fitted <= low, fitted >= high))
    ratio = upper / lower if lower > 0 else np.inf
    sizes = np.abs(residuals)
    p = float(spearmanr(sizes, fitted).pvalue) if np.ptp(sizes) > 0 else 1.0
    compared = f"residuals in the upper third of the fitted values are {ratio:.2f} times as large as in the lower third"
    if p >= ALPHA:
        if 0.8 <= ratio <= 1.25:
            return f"The spread looks even: {compared}."
        return (
            f"The spread is not clearly uneven: {compared}, but their sizes follow no steady trend beyond chance (p = "
            f"{p:.2g})."
        )
    if 0.9 <= ratio <= 1.11:
        return f"The spread changes little: {compared}, though there is a trend beyond chance (p = {p:.2g})."
    direction = "grows" if ratio > 1 else "shrinks"
    return (
        f"The spread {direction} with the fitted values: {compared} (p = {p:.2g}); weights or a transformed response "
        "may be needed."
    )


def shape_words(values: Floats) -> tuple[bool, str]:
    """Whether a sample departs from a normal shape beyond chance, and how, in words."""
    from scipy.stats import kurtosis, kurtosistest, skew, skewtest

    skewness, excess = float(skew(values)), float(kurtosis(values))
    words = []
    if float(skewtest(values).pvalue) < ALPHA:
        size = "somewhat " if abs(skewness) < 0.5 else ""
        words.append(f"{size}skewed to the {'right' if skewness > 0 else 'left'} (skewness {skewness:.2f})")
    if float(kurtosistest(values).pvalue) < ALPHA:
        size = "somewhat " if abs(excess) < 1 else ""
        words.append(f"{size}{'heavy' if excess > 0 else 'light'} in the tails (excess kurtosis {excess:.2f})")
    if words:
        return True, " and ".join(words)
    return False, f"skewness {skewness:.2f}, excess kurtosis {excess:.2f}"


def residual_shape_sentence(values: Floats) -> str:
    """On the normal quantiles of standardised residuals."""
    n = len(values)
    if n < FEW_LEVELS or np.ptp(values) == 0:
        return f"With {n} residuals nothing can be said about their distribution."
    beyond, expected = int(np.count_nonzero(np.abs(values) > 3)), 0.0026998 * n
    count = f"{beyond} of {n} lie beyond 3 standard deviations, where a normal distribution puts {expected:.1f}"
    departs, words = shape_words(values)
    if departs:
        return (
            f"The residuals are {words}; {count}. Estimates suffer little from this, prediction intervals and "
            "simulations do."
        )
    return f"No clear departure from a normal distribution ({words}); {count}."


def effect_shape_sentence(values: Floats, effect: str, group: str, looked_at: int) -> str:
    """On the normal quantiles of the modes of one random effect."""
    name = f"{effect} of {group}"
    chosen = f" Of {looked_at} random effects the one that departs most is drawn." if looked_at > 1 else ""
    known = values[~np.isnan(values)]
    if len(known) < 3:
        return (
            f"The variance of {name} is estimated as zero, or estimated from too few levels: its distribution cannot "
            "be judged."
        )
    largest = float(np.max(np.abs(known)))
    if len(known) < FEW_LEVELS:
        return (
            f"{len(known)} levels are too few to judge the distribution of {name}; the outermost lies {largest:.1f} "
            f"standard deviations from zero.{chosen}"
        )
    departs, words = shape_words(known)
    if departs:
        return (
            f"The modes of {name} are {words}; the outermost of {len(known)} lies {largest:.1f} standard deviations "
            f"from zero.{chosen}"
        )
    return f"No clear departure from a normal distribution in {name} ({words}, {len(known)} levels).{chosen}"


def influence_sentence(frame: "pd.DataFrame", group: str) -> str:
    """On the change of the fixed effects without each level.

    Parameters
    ----------
    frame : DataFrame
        Columns ``level, term, change``.
    group : str
    """
    lost = frame[frame["change"].isna()]
    if len(lost) == len(frame):
        return f"Without any one level of {group} some fixed effect cannot be estimated."
    known = frame.dropna(subset=["change"])
    top = known.iloc[int(known["change"].abs().argmax())]
    size = abs(float(top["change"]))
    said = (
        f"Without {group} {top['level']} the coefficient {top['term']} moves by {size:.2f} of its standard errors, and "
        "no other level matters more"
    )
    many = int(np.count_nonzero(known["change"].abs() > 1))
    if many == 0:
        out = f"{said}: no single level decides a result."
    else:
        out = (
            f"{said}; {many} {'level moves' if many == 1 else 'levels move'} a coefficient by more than one standard "
            "error and should be looked at."
        )
    if len(lost):
        out += f" Without {group} {lost['level'].iloc[0]} some fixed effect cannot be estimated."
    return out


def distribution_sentence(frame: "pd.DataFrame", n_simulations: int, response: str) -> str:
    """On the response beside simulated responses.

    Parameters
    ----------
    frame : DataFrame
        Columns ``y, observed, lower, upper``.
    n_simulations : int
    response : str
    """
    outside = (frame["observed"] < frame["lower"]) | (frame["observed"] > frame["upper"])
    share = float(np.mean(~outside))
    said = (
        f"the observed distribution stays within {n_simulations} simulated ones over {100 * share:.0f} % of the range "
        f"of {response}"
    )
    if share >= 0.9:
        return f"The model produces responses like those observed: {said}."
    gap = np.maximum(frame["lower"] - frame["observed"], frame["observed"] - frame["upper"])
    return (
        f"The model does not produce responses like those observed: {said}, and is furthest off near "
        f"{float(frame['y'][int(gap.argmax())]):.3g}."
    )


def uniformity_sentence(distance: float, p: float) -> str:
    """On the distribution of simulated residuals."""
    size = f"{distance:.2f} from the uniform distribution at most"
    if p >= ALPHA:
        return (
            f"No clear departure: simulated residuals are {size}, and {_often(p)} of responses simulated from the "
            "model get as far."
        )
    return (
        f"The responses are not distributed as the model says: simulated residuals are {size}, which responses "
        f"simulated from it do not reach by chance (p = {p:.2g}); spread, zeros or the family may be wrong."
    )


def trend_sentence(mean: float, place: float, p: float) -> str:
    """On simulated residuals along the linear predictor."""
    where = f"mean is {mean:.2f} instead of 0.50 near a linear predictor of {place:.3g}"
    if p >= ALPHA:
        return (
            f"No clear trend of the residuals: where it is most striking their {where}, and {_often(p)} of responses "
            "simulated from the model get as far."
        )
    return (
        f"The residuals do not lie evenly: their {where}, more than chance gives (p = {p:.2g}); a curved term, an "
        "interaction or another link may be missing."
    )


def dispersion_sentence(ratio: float, p: float) -> str:
    """On the spread of the Pearson residuals.

    Parameters
    ----------
    ratio : float
        Their sum of squares, over what simulations give on average.
    p : float
    """
    said = f"Pearson residuals vary {ratio:.2f} times as much as in responses simulated from the model"
    if p >= ALPHA:
        return f"No clear over- or underdispersion: {said}, which chance can do (p = {p:.2g})."
    if ratio > 1:
        return (
            f"Overdispersion: {said} (p = {p:.2g}); standard errors are too small. A negative binomial family, or a "
            "random effect for each observation, accounts for it."
        )
    return f"Underdispersion: {said} (p = {p:.2g}); standard errors are too large."


def zeros_sentence(observed: int, expected: float, p: float) -> str:
    """On the number of zeros."""
    said = f"{observed} responses are zero, and {expected:.1f} in simulations on average"
    if p >= ALPHA:
        return f"The number of zeros is no surprise: {said} (p = {p:.2g})."
    if observed > expected:
        return (
            f"Too many zeros: {said} (p = {p:.2g}); overdispersion alone can do this, or a separate process produces "
            "some of the zeros (zero inflation)."
        )
    return f"Too few zeros: {said} (p = {p:.2g})."


def equal_levels_sentence(observed: int, expected: float, p: float, group: str) -> str:
    """On levels of a grouping factor in which all responses of 0 and 1 are the same."""
    said = (
        f"{observed} levels of {group} have only responses of 0 or only of 1, and {expected:.1f} in simulations on "
        "average"
    )
    if p >= ALPHA:
        return f"The levels vary as the model says: {said} (p = {p:.2g})."
    more = "more" if observed > expected else "less"
    return f"The levels vary {more} than the model says: {said} (p = {p:.2g}); their effects may not be normal."


def calibration_sentence(outside: int, bins: int, largest: float) -> str:
    """On shares of successes along the fitted probability.

    Parameters
    ----------
    outside, bins : int
        Groups of rows whose share lies outside nearly all simulations, and all groups.
    largest : float
        The largest distance from the mean of the simulations.
    """
    said = f"observed shares of successes are within {largest:.2f} of what the model gives"
    if outside <= 1:
        return (
            f"The probabilities are not clearly off: {said}, and {bins - outside} of {bins} groups of rows lie where "
            "simulations do. That the spread is right cannot be seen from responses of 0 and 1."
        )
    return f"The probabilities are off: {outside} of {bins} groups of rows lie where simulations seldom do; {said}."


def laplace_sentence(error: float, nodes: int, enough: int) -> str:
    """On what quadrature adds to -2 log-likelihood of a fit by Laplace's approximation.

    Parameters
    ----------
    error : float
    nodes : int
        Of the quadrature.
    enough : int
        Nodes that would do.
    """
    said = f"quadrature with {nodes} nodes changes -2 log-likelihood at the estimates by {error:.3f}"
    if abs(error) < NOTABLE_ERROR:
        return f"Laplace's approximation is close: {said}, less than a test would notice."
    return f"Laplace's approximation is rough: {said}. Fit again with n_quad={enough}: variances may come out larger."


def quadrature_sentence(error: float, used: int, nodes: int, laplace: float) -> str:
    """On the nodes that a fit by quadrature used."""
    said = f"{nodes} nodes instead of {used} change -2 log-likelihood at the estimates by {error:.3f}"
    other = f"Laplace's approximation would be off by {abs(laplace):.3f}"
    if abs(error) < NOTABLE_ERROR:
        return f"The number of quadrature nodes is sufficient: {said}; {other}."
    return f"The number of quadrature nodes is too small: {said}; {other}."


def no_quadrature_sentence(groups: int, rows: float) -> str:
    """Where there is nothing to compare Laplace's approximation with."""
    if groups > 1:
        return (
            f"With {groups} grouping factors there is no quadrature to compare Laplace's approximation with; the "
            f"levels of the finest have {rows:.1f} rows on average, and with few rows of 0 and 1 variances come out "
            "too small."
        )
    return "With so many random effects for a level there is no quadrature to compare Laplace's approximation with."


def _often(p: float) -> str:
    return f"{max(1, math.floor(100 * p + 0.5))} %"


#: How sentences begin, or what they have in them, that call for caution.
_BEGINNINGS = (
    "A bend:",
    "The spread grows",
    "The spread shrinks",
    "The model does not produce",
    "The responses are not distributed",
    "The residuals do not lie evenly",
    "Overdispersion",
    "Underdispersion",
    "Too many zeros",
    "Too few zeros",
    "The levels vary more",
    "The levels vary less",
    "The probabilities are off",
    "Laplace's approximation is rough",
    "The number of quadrature nodes is too small",
)
_WITHIN = "should be looked at"


def calls_for_caution(sentence: str) -> bool:
    """Whether a sentence of the panel names a fault that matters;
    a distribution that is not quite normal is none.

    Parameters
    ----------
    sentence : str
        Of one of the functions above.
    """
    return sentence.startswith(_BEGINNINGS) or _WITHIN in sentence
