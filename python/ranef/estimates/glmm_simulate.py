"""New responses drawn from a generalized model."""

import numpy as np
from numpy.typing import NDArray

from ranef.errors import OptionError, RanefError
from ranef.estimates.fitted import population_values, random_part
from ranef.estimates.glmm_values import response_of
from ranef.estimates.simulate import check_draws, random_generator
from ranef.fit.glmm_record import GlmmFit

Floats = NDArray[np.float64]


def glmm_draws(fit: GlmmFit, n: int, re: str, rng: object) -> Floats:
    """Draw responses in the form that the fit keeps: of a binomial model proportions.

    Parameters
    ----------
    fit : GlmmFit
    n : int
        Number of draws.
    re : {"new", "conditional"}
        Draw random effects anew for every response, or keep their conditional modes.
    rng : int, Generator or None

    Returns
    -------
    (rows, n) array
    """
    check_draws(n, re)
    family = fit.family
    weights = fit.weights
    if family.support == "proportion" and np.any(np.abs(weights - np.rint(weights)) > 1e-6):
        raise OptionError("the numbers of trials (the weights) are not whole, so that no responses can be drawn.")
    generator = random_generator(rng)
    base = population_values(fit) if re == "new" else fit.eta
    terms = list(zip(fit.terms, fit.relative_factors, strict=True)) if re == "new" else []
    out = np.empty((fit.nobs, int(n)), order="F")
    # One draw after the other: draw number i is the same whatever n is.
    for i in range(int(n)):
        eta = base
        for term, factor in terms:
            u = generator.standard_normal((len(term.levels), factor.shape[0]))
            eta = eta + random_part(term.codes, term.z, u @ factor.T)
        mu = fit.mu if re == "conditional" else family.mean(eta)
        try:
            out[:, i] = family.draw(generator, mu, weights, fit.dispersion)
        except RanefError:
            raise
        except ValueError:
            raise OptionError(
                f"some means of a draw are outside what the {family.name} family can have: with the {family.link} link random effects can lead there. "
                "re='conditional' keeps the means of the fit."
            ) from None
    return out


def simulated_glmm(fit: GlmmFit, n: int, re: str, rng: object) -> Floats:
    """Draw responses as the user gave them: numbers of successes for ``cbind(successes, failures)``."""
    return response_of(fit, glmm_draws(fit, n, re, rng))
