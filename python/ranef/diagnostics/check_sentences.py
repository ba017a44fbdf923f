"""One plain sentence on each picture of the diagnostic panel, from what was computed for it.

A sentence says what is seen, how large it is, and whether chance alone often gives as much. What is
more than chance and too small to matter is called so. Nothing is called right: a picture can show a
fault, not its absence.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.diagnostics.chance import ALPHA
from ranef.diagnostics.check_part import Finding
from ranef.diagnostics.normal_shape import FEW, Shape, shape
from ranef.diagnostics.phrases import chance_words, often, p_words
from ranef.diagnostics.spread import SpreadTrend

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

#: A shift of an estimate, in standard errors, that readers would notice.
NOTABLE_STEP = 0.25

#: An error of -2 log-likelihood that a likelihood-ratio test would notice, where there are no
#: standard errors.
NOTABLE_ERROR = 0.5

#: Spread over its average between which unevenness is small, and between which it looks even.
EVEN, NEARLY_EVEN = (0.9, 1.11), (0.8, 1.25)

#: Skewness and excess kurtosis up to which a distribution is nearly normal.
SLIGHT_SKEWNESS, SLIGHT_EXCESS = 0.2, 0.4

#: Distances of distributions, in shares of the rows, that are small.
SMALL_SHARE = 0.02

#: Ratio of variances, and differences of shares, that are small.
SMALL_RATIO = 0.05


def spread_sentence(trend: SpreadTrend | None) -> Finding:
    """On the size of standardised residuals along fitted values."""
    if trend is None:
        return Finding("There are too few different fitted values to compare the spread of the residuals.")
    spread, p = trend.relative, trend.p_value
    low, high = int(np.argmin(spread)), int(np.argmax(spread))
    said = (
        f"residuals are from {spread[low]:.2f} times their average size (near a fitted value of {trend.x[low]:.3g}) to "
        f"{spread[high]:.2f} times (near {trend.x[high]:.3g})"
    )
    if p >= ALPHA:
        even = spread[low] >= NEARLY_EVEN[0] and spread[high] <= NEARLY_EVEN[1]
        return Finding(f"The spread {'looks ' if even else 'is not clearly un'}even: {said}; {chance_words(p)}.", p)
    if spread[low] >= EVEN[0] and spread[high] <= EVEN[1]:
        return Finding(f"The spread is uneven, detectably but little: {said} ({p_words(p)}).", p)
    third = len(spread) / 3
    if low < third and high >= 2 * third:
        direction = "grows with the fitted values"
    elif high < third and low >= 2 * third:
        direction = "shrinks with the fitted values"
    else:
        direction = "changes along the fitted values"
    return Finding(
        f"The spread {direction}: {said} ({p_words(p)}); weights or a transformed response may be needed.", p, True
    )


def shape_words(found: Shape, p: float) -> tuple[bool, str]:
    """Whether a shape departs from normal by more than chance, and how, in words."""
    words = []
    if p < ALPHA:
        # The kind of departure that is the more striking, and the other one if it is as striking.
        if abs(found.skew_size) >= min(abs(found.tail_size), -_quantile(ALPHA / 4)):
            size = "somewhat " if abs(found.skewness) < 0.5 else ""
            words.append(
                f"{size}skewed to the {'right' if found.skewness > 0 else 'left'} (skewness {found.skewness:.2f})"
            )
        if abs(found.tail_size) >= min(abs(found.skew_size), -_quantile(ALPHA / 4)):
            size = "somewhat " if abs(found.excess) < 1 else ""
            words.append(
                f"{size}{'heavy' if found.excess > 0 else 'light'} in the tails (excess kurtosis {found.excess:.2f})"
            )
    if words:
        return True, " and ".join(words)
    return False, f"skewness {found.skewness:.2f}, excess kurtosis {found.excess:.2f}"


def _quantile(tail: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(tail))


def _slight(found: Shape) -> bool:
    return abs(found.skewness) < SLIGHT_SKEWNESS and abs(found.excess) < SLIGHT_EXCESS


def residual_shape_sentence(values: Floats) -> Finding:
    """On the normal quantiles of standardised residuals."""
    n = len(values)
    if n < FEW or np.ptp(values) == 0:
        return Finding(f"With {n} residuals nothing can be said about their distribution.")
    found = shape(values)
    p = min(found.p_values)
    beyond, expected = int(np.count_nonzero(np.abs(values) > 3)), 0.0026998 * n
    count = f"{beyond} of {n} lie beyond 3 standard deviations, where a normal distribution puts {expected:.1f}"
    departs, words = shape_words(found, p)
    if not departs:
        return Finding(f"No clear departure from a normal distribution ({words}); {count}.", p)
    if _slight(found):
        return Finding(f"The residuals are detectably but only slightly not normal: {words}, {p_words(p)}; {count}.", p)
    return Finding(
        f"The residuals are {words}, {p_words(p)}; {count}. Estimates suffer little from this, prediction intervals "
        "and simulations do.",
        p,
    )


def effect_shape_sentence(values: Floats, found: Shape | None, p: float | None, name: str, looked_at: int) -> Finding:
    """On the normal quantiles of the modes of one random effect.

    Parameters
    ----------
    values : (levels,) array
        Standardised modes.
    found : Shape or None
    p : float or None
        Chance of such a shape in any of the effects looked at.
    name : str
        Of the effect.
    looked_at : int
    """
    chosen = f" Of {looked_at} random effects the one that departs most is drawn." if looked_at > 1 else ""
    n = len(values)
    if n < 3:
        return Finding(
            f"The variance of {name} is estimated as zero, or estimated from too few levels: its distribution cannot "
            "be judged."
        )
    largest = float(np.max(np.abs(values)))
    if found is None or p is None:
        return Finding(
            f"{n} levels are too few to judge the distribution of {name}; the outermost lies {largest:.1f} standard "
            f"deviations from zero.{chosen}"
        )
    departs, words = shape_words(found, p)
    if departs:
        return Finding(
            f"The modes of {name} are {words}, {p_words(p)}; the outermost of {n} lies {largest:.1f} standard "
            f"deviations from zero.{chosen}",
            p,
        )
    return Finding(f"No clear departure from a normal distribution in {name} ({words}, {n} levels).{chosen}", p)


def influence_sentence(frame: "pd.DataFrame", group: str, p: float | None) -> Finding:
    """On the change of the fixed effects without each level.

    Parameters
    ----------
    frame : DataFrame
        Columns ``level, term, change``.
    group : str
    p : float or None
        Chance of as large a change in a correct model.
    """
    lost = frame[frame["change"].isna()]
    if len(lost) == len(frame):
        return Finding(f"Without any one level of {group} some fixed effect cannot be estimated.")
    known = frame.dropna(subset=["change"])
    top = known.iloc[int(known["change"].abs().argmax())]
    size = abs(float(top["change"]))
    said = (
        f"Without {group} {top['level']} the coefficient {top['term']} moves by {size:.2f} of its standard errors, and "
        "no other level matters more"
    )
    many = int(np.count_nonzero(known["change"].abs() > 1))
    concern = many > 0 and p is not None and p < ALPHA
    if many == 0:
        out = f"{said}: no single level decides a result."
    elif concern:
        assert p is not None
        moved = f"{many} {'level moves' if many == 1 else 'levels move'} a coefficient by more than one standard error"
        out = f"{said}; {moved}, which is more than chance gives ({p_words(p)}), and should be looked at."
    else:
        out = (
            f"{said}; with {len(frame)} levels a correct model often has one that weighs so much (p = "
            f"{1.0 if p is None else p:.2g})."
        )
    if len(lost):
        out += f" Without {group} {lost['level'].iloc[0]} some fixed effect cannot be estimated."
    return Finding(out, p, concern)


def distribution_sentence(size: float, at: float, n_simulations: int, response: str, p: float) -> Finding:
    """On the response beside simulated responses.

    Parameters
    ----------
    size : float
        Largest difference of the shares of rows up to some value.
    at : float
        Where the most striking difference is.
    n_simulations : int
    response : str
    p : float
    """
    said = f"shares of the rows up to any value of {response} differ from those in {n_simulations} simulated responses"
    amount = f"by at most {100 * size:.2g} % of the rows"
    if p >= ALPHA:
        return Finding(f"The model produces responses like those observed: {said} {amount}; {chance_words(p)}.", p)
    if size < SMALL_SHARE:
        return Finding(
            f"The responses differ from those that the model produces detectably but little: {said} {amount}, most "
            f"clearly near {at:.3g} ({p_words(p)}).",
            p,
        )
    return Finding(
        f"The model does not produce responses like those observed: {said} {amount}, most clearly near {at:.3g} "
        f"({p_words(p)}).",
        p,
        True,
    )


def uniformity_sentence(distance: float, p: float) -> Finding:
    """On the distribution of simulated residuals."""
    size = f"{distance:.2g} from the uniform distribution at most"
    if p >= ALPHA:
        return Finding(
            f"No clear departure: simulated residuals are {size}, and {often(p)} of responses simulated from the model "
            "get as far.",
            p,
        )
    if distance < SMALL_SHARE:
        return Finding(f"A departure that is detectable but small: simulated residuals are {size} ({p_words(p)}).", p)
    return Finding(
        f"The responses are not distributed as the model has them: simulated residuals are {size}, farther than "
        f"chance takes responses simulated from it ({p_words(p)}); spread, zeros or the family may be wrong.",
        p,
        True,
    )


def dispersion_sentence(ratio: float, p: float) -> Finding:
    """On the spread of the Pearson residuals.

    Parameters
    ----------
    ratio : float
        Their sum of squares, over what simulations give on average.
    p : float
    """
    said = f"Pearson residuals vary {ratio:.2f} times as much as in responses simulated from the model"
    if p >= ALPHA:
        return Finding(f"No clear over- or underdispersion: {said}; {chance_words(p)}.", p)
    if abs(ratio - 1) < SMALL_RATIO:
        name = "overdispersion" if ratio > 1 else "underdispersion"
        return Finding(f"Detectable but small {name}: {said} ({p_words(p)}).", p)
    if ratio > 1:
        return Finding(
            f"Overdispersion: {said} ({p_words(p)}); standard errors are too small. A negative binomial family, or a "
            "random effect for each observation, accounts for it.",
            p,
            True,
        )
    return Finding(f"Underdispersion: {said} ({p_words(p)}); standard errors are too large.", p, True)


def zeros_sentence(observed: int, expected: float, rows: int, p: float) -> Finding:
    """On the number of zeros among some rows."""
    said = f"{observed} responses are zero, and {expected:.1f} in simulations on average"
    if p >= ALPHA:
        return Finding(f"The number of zeros is no surprise: {said}; {chance_words(p)}.", p)
    more = "many" if observed > expected else "few"
    if abs(observed - expected) < SMALL_SHARE * rows and abs(observed - expected) < 0.1 * max(expected, 1.0):
        return Finding(f"Detectably but slightly too {more} zeros: {said} ({p_words(p)}).", p)
    if observed > expected:
        return Finding(
            f"Too many zeros: {said} ({p_words(p)}); overdispersion alone can do this, or a separate process produces "
            "some of the zeros (zero inflation).",
            p,
            True,
        )
    return Finding(f"Too few zeros: {said} ({p_words(p)}).", p, True)


def equal_levels_sentence(observed: int, expected: float, levels: int, p: float, group: str) -> Finding:
    """On levels of a grouping factor in which all responses of 0 and 1 are the same."""
    said = (
        f"{observed} levels of {group} have only responses of 0 or only of 1, and {expected:.1f} in simulations on "
        "average"
    )
    if p >= ALPHA:
        return Finding(f"The levels vary as in the model: {said}; {chance_words(p)}.", p)
    more = "more" if observed > expected else "less"
    if abs(observed - expected) < SMALL_SHARE * levels:
        return Finding(f"The levels vary detectably but little {more} than in the model: {said} ({p_words(p)}).", p)
    return Finding(
        f"The levels vary {more} than in the model: {said} ({p_words(p)}); their effects may not be normal.", p, True
    )


def calibration_sentence(observed: float, expected: float, bins: int, p: float) -> Finding:
    """On shares of successes along the fitted probability.

    Parameters
    ----------
    observed, expected : float
        Share in the group of rows where the difference is most striking.
    bins : int
        Groups of rows.
    p : float
    """
    said = (
        f"of {bins} groups of rows with similar probabilities the one farthest off has {100 * observed:.3g} % "
        f"successes where the model gives {100 * expected:.3g} %"
    )
    if p >= ALPHA:
        return Finding(
            f"The probabilities are not clearly off: {said}; {chance_words(p)}. Overdispersion cannot be seen in "
            "responses of 0 and 1.",
            p,
        )
    if abs(observed - expected) < SMALL_SHARE:
        return Finding(f"The probabilities are off detectably but little: {said} ({p_words(p)}).", p)
    return Finding(f"The probabilities are off: {said} ({p_words(p)}).", p, True)


def quadrature_sentence(error: float, step: float, name: str, used: int, nodes: int, enough: int) -> Finding:
    """On what more quadrature nodes would change.

    Parameters
    ----------
    error : float
        Of -2 log-likelihood at the estimates.
    step : float
        Largest move of an estimate, in standard errors; NaN where there are none.
    name : str
        That parameter.
    used, nodes, enough : int
        Nodes of the fit (1 is Laplace's approximation), of the comparison, and such that would do.
    """
    if np.isnan(step):
        moved, rough = "", abs(error) >= NOTABLE_ERROR
    else:
        moved, rough = f"move estimates by {step:.2g} standard errors at most ({name}), and ", step >= NOTABLE_STEP
    said = f"{nodes} quadrature nodes would {moved}change -2 log-likelihood by {error:.2g}"
    if used == 1:
        if rough:
            return Finding(f"Laplace's approximation is rough: {said}. Fit again with n_quad={enough}.", None, True)
        return Finding(f"Laplace's approximation is close: {said}.")
    if rough:
        return Finding(f"{used} quadrature nodes are too few: {said}. Fit again with n_quad={enough}.", None, True)
    return Finding(f"{used} quadrature nodes are sufficient: {said}.")


def no_quadrature_sentence(groups: int, rows: float) -> Finding:
    """Where there is nothing to compare Laplace's approximation with."""
    if groups > 1:
        return Finding(
            f"With {groups} grouping factors there is no quadrature to compare Laplace's approximation with; the "
            f"levels of the finest have {rows:.1f} rows on average, and with few rows of 0 and 1 variances come out "
            "too small."
        )
    return Finding(
        "With so many random effects for a level there is no quadrature to compare Laplace's approximation with."
    )
