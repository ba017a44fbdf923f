"""One plain sentence on each picture of the diagnostic panel of a generalized model.

As in :mod:`ranef.diagnostics.check_sentences`: what is seen, how large it is, whether chance alone often gives as much.
"""

import math

from ranef.diagnostics.check_sentences import ALPHA

#: An error of -2 log-likelihood that a likelihood-ratio test would notice.
NOTABLE_ERROR = 0.5


def uniformity_sentence(distance: float, p: float) -> str:
    """On the distribution of simulated residuals."""
    size = f"{distance:.2f} from the uniform distribution at most"
    if p >= ALPHA:
        return f"No clear departure: simulated residuals are {size}, and {_often(p)} of responses simulated from the model get as far."
    return f"The responses are not distributed as the model says: simulated residuals are {size}, which responses simulated from it do not reach by chance (p = {p:.2g}); spread, zeros or the family may be wrong."


def trend_sentence(mean: float, place: float, p: float) -> str:
    """On simulated residuals along the linear predictor."""
    where = f"mean is {mean:.2f} instead of 0.50 near a linear predictor of {place:.3g}"
    if p >= ALPHA:
        return f"No clear trend of the residuals: where it is most striking their {where}, and {_often(p)} of responses simulated from the model get as far."
    return f"The residuals do not lie evenly: their {where}, more than chance gives (p = {p:.2g}); a curved term, an interaction or another link may be missing."


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
        return f"Overdispersion: {said} (p = {p:.2g}); standard errors are too small. A negative binomial family, or a random effect for each observation, accounts for it."
    return f"Underdispersion: {said} (p = {p:.2g}); standard errors are too large."


def zeros_sentence(observed: int, expected: float, p: float) -> str:
    """On the number of zeros."""
    said = f"{observed} responses are zero, and {expected:.1f} in simulations on average"
    if p >= ALPHA:
        return f"The number of zeros is no surprise: {said} (p = {p:.2g})."
    if observed > expected:
        return f"Too many zeros: {said} (p = {p:.2g}); overdispersion alone can do this, or a separate process produces some of the zeros (zero inflation)."
    return f"Too few zeros: {said} (p = {p:.2g})."


def equal_levels_sentence(observed: int, expected: float, p: float, group: str) -> str:
    """On levels of a grouping factor in which all responses of 0 and 1 are the same."""
    said = f"{observed} levels of {group} have only responses of 0 or only of 1, and {expected:.1f} in simulations on average"
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
        return f"The probabilities are not clearly off: {said}, and {bins - outside} of {bins} groups of rows lie where simulations do. That the spread is right cannot be seen from responses of 0 and 1."
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
        return f"With {groups} grouping factors there is no quadrature to compare Laplace's approximation with; the levels of the finest have {rows:.1f} rows on average, and with few rows of 0 and 1 variances come out too small."
    return "With so many random effects for a level there is no quadrature to compare Laplace's approximation with."


def _often(p: float) -> str:
    return f"{max(1, math.floor(100 * p + 0.5))} %"


#: How sentences begin that name a fault.
_FAULTS = (
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


def fault_of_generalized(sentence: str) -> bool:
    """Whether a sentence of the panel names a fault that matters.

    Parameters
    ----------
    sentence : str
        Of one of the functions above.
    """
    return sentence.startswith(_FAULTS)
