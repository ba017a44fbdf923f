"""Likelihood-ratio tests between models with zeros, dispersion and shape: what is tested in each
linear predictor, and whether it lies on a boundary.

A probability of extra zeros cannot be negative, so that the test of one probability for all rows
against none has the mixture of a variance (Self and Liang 1987). So has the test of a dispersion
whose limit is the Poisson distribution.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ranef.fit.record import MixedFit
from ranef.inference.variance_tests import ChiBarSquare, product_of, variance_mixture

#: Half of the chance lies where the parameter would leave its range.
HALF = ChiBarSquare((0.5, 0.5), "exact")

#: Distributions that tend to a simpler one where their dispersion, or the degrees of freedom of t,
#: end: by the core's names.
TEND_TO = {"nbinom1": "poisson", "nbinom2": "poisson", "betabinomial": "binomial", "t": "gaussian"}

#: Distributions that the Poisson distribution is inside of, with more variance on one side of it
#: and less on the other.
AROUND_POISSON = ("genpois", "compois")


@dataclass(frozen=True, slots=True)
class PartsTest:
    """The test of a model with several linear predictors against a smaller one.

    Attributes
    ----------
    mixture : ChiBarSquare or None
        None where the smaller model is not seen to be a special case, or no distribution is known.
    at_bound : tuple of str
        What is tested at its bound.
    why : str
        Why there is no distribution, where that is to be said.
    """

    mixture: ChiBarSquare | None
    at_bound: tuple[str, ...] = ()
    why: str = ""


def parts_test(
    larger: MixedFit, smaller: MixedFit, within: Callable[[MixedFit, MixedFit], ChiBarSquare | None]
) -> PartsTest:
    """What is tested in every predictor.

    Parameters
    ----------
    larger, smaller : MixedFit
        The larger one of several linear predictors.
    within : callable
        The mixture for one predictor of both.
    """
    ours, theirs = larger.components, smaller.components
    if not set(theirs) <= set(ours):
        return PartsTest(None)
    mixtures: list[ChiBarSquare] = []
    at_bound: list[str] = []
    names, others = ([b.term.names for b in fit.covariance_blocks()] for fit in (larger, smaller))
    shared = any(n.startswith(tuple(f"{key}." for key in ours)) for term in names for n in term)
    if shared and names != others:  # a covariance matrix of several predictors, of which a part is left
        return PartsTest(None)
    for key, own in ours.items():
        if key in theirs:
            found = within(own, theirs[key])
            if found is None:
                return PartsTest(None)
            mixtures.append(found)
            if found.at_boundary:
                at_bound.append("variances")
            continue
        if own.zero_without:
            found = variance_mixture(own.design.random, ())
            if found is None:
                return PartsTest(None)
            mixtures.append(ChiBarSquare((0.0,) * len(own.beta) + found.weights, found.kind))
            if found.at_boundary:
                at_bound.append("variances")
            continue
        alone = own.x_names == ("(Intercept)",) and not own.terms
        if key == "zi":
            if not alone:
                return PartsTest(
                    None,
                    why="without extra zeros effects on their probability have no meaning, so that the statistic has "
                    "no chi-square distribution; simulations from the smaller model give its distribution",
                )
            mixtures.append(HALF)
            at_bound.append("the probability of an extra zero")
        elif key == "disp" and smaller.spread_name is not None:
            # one number there is an intercept here
            if np.ptp(own.x[:, 0]) != 0:
                return PartsTest(None)
            mixtures.append(ChiBarSquare((0.0,) * (len(own.beta) - 1) + (1.0,), "exact"))
        elif key == "disp" and alone and tends_to(larger, smaller):
            mixtures.append(HALF)
            at_bound.append("the dispersion")
        elif key == "disp" and alone and _is_around(larger, smaller):
            mixtures.append(ChiBarSquare((1.0,), "exact"))
        elif key == "log_df" and tends_to(larger, smaller):
            mixtures.append(HALF)
            at_bound.append("the reciprocal of the degrees of freedom")
        else:
            return PartsTest(None)
    return PartsTest(product_of(mixtures), tuple(dict.fromkeys(at_bound)))


def tends_to(larger: MixedFit, smaller: MixedFit) -> bool:
    """Whether the distribution of a fit tends to that of a smaller one."""
    return TEND_TO.get(larger.family.kernel) == smaller.family.kernel and _same_cut(larger, smaller)


def _is_around(larger: MixedFit, smaller: MixedFit) -> bool:
    around = larger.family.kernel in AROUND_POISSON and smaller.family.kernel == "poisson"
    return around and _same_cut(larger, smaller)


def _same_cut(a: MixedFit, b: MixedFit) -> bool:
    return a.family.truncated == b.family.truncated
