"""Numbers of successes whose probability varies from row to row."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ranef.families.family import Family, Support
from ranef.families.link import Floats


@dataclass(frozen=True, slots=True)
class BetaBinomial(Family):
    """Successes in a number of trials, more variable than binomial ones.

    With ``n`` trials the variance is ``n mu (1 - mu) (1 + (n - 1) / (phi + 1))``; the precision
    ``phi`` is the exponential of the dispersion predictor, as in glmmTMB.

    Parameters
    ----------
    link : {"logit", "probit", "cloglog", "loglog", "cauchit"}

    Examples
    --------
    >>> from ranef import BetaBinomial
    >>> BetaBinomial().link
    'logit'
    """

    link: str = "logit"
    name: ClassVar[str] = "betabinomial"
    links: ClassVar[tuple[str, ...]] = ("logit", "probit", "cloglog", "loglog", "cauchit")
    support: ClassVar[Support] = "proportion"
    dispersion_name: ClassVar[str | None] = "precision"
    predictors: ClassVar[tuple[str, ...]] = ("disp",)
    by_predictors: ClassVar[bool] = True

    def moments(self, mu: Floats, at: Mapping[str, Floats], weights: Floats) -> tuple[Floats, Floats]:
        """Mean and variance of the proportion."""
        phi = np.exp(at["disp"])
        return mu, mu * (1 - mu) / weights * (1 + (weights - 1) / (phi + 1))

    def zero_probability(self, mu: Floats, at: Mapping[str, Floats], weights: Floats) -> Floats:
        """Probability of no success."""
        from scipy.special import betaln

        phi = np.exp(at["disp"])
        b = (1 - mu) * phi
        return np.asarray(np.exp(betaln(mu * phi, b + weights) - betaln(mu * phi, b)))

    def cumulative_with(self, y: Floats, mu: Floats, at: Mapping[str, Floats], weights: Floats) -> Floats:
        """Probability of a proportion up to ``y``, summed over the successes."""
        from scipy.special import betaln, gammaln

        phi, trials = np.exp(at["disp"]), np.rint(weights)
        a, b, last = mu * phi, (1 - mu) * phi, np.rint(y * weights)
        total = np.zeros_like(mu)
        for k in range(int(last.max(initial=-1.0)) + 1):
            some = last >= k
            n, p, q = trials[some], a[some], b[some]
            choose = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
            total[some] += np.exp(choose + betaln(p + k, q + n - k) - betaln(p, q))
        return np.minimum(total, 1.0)

    def draw_with(self, rng: np.random.Generator, mu: Floats, at: Mapping[str, Floats], weights: Floats) -> Floats:
        """Draw proportions."""
        phi = np.exp(at["disp"])
        p = rng.beta(np.maximum(mu * phi, 1e-300), np.maximum((1 - mu) * phi, 1e-300))
        return np.asarray(rng.binomial(np.rint(weights).astype(np.int64), p) / weights)
