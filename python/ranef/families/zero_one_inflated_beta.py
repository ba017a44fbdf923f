"""Proportions whose zeros and ones have probabilities of their own."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ranef.families.family import Family, Support
from ranef.families.link import Floats

#: Logit of a probability that is zero or one: the difference is below 1e-13.
_FAR = 30.0


@dataclass(frozen=True, slots=True)
class ZeroOneInflatedBeta(Family):
    """Proportions of 0 or 1 with a probability (``zoi``), 1 among these with another (``coi``),
    else beta distributed; brms's ``zero_one_inflated_beta``.

    Parameters
    ----------
    link : {"logit", "probit", "cloglog", "loglog", "cauchit"}

    Examples
    --------
    >>> from ranef import ZeroOneInflatedBeta
    >>> ZeroOneInflatedBeta().name
    'zoib'
    """

    link: str = "logit"
    name: ClassVar[str] = "zoib"
    links: ClassVar[tuple[str, ...]] = ("logit", "probit", "cloglog", "loglog", "cauchit")
    support: ClassVar[Support] = "unit"
    dispersion_name: ClassVar[str | None] = "precision"
    predictors: ClassVar[tuple[str, ...]] = ("disp", "zoi", "coi")
    by_predictors: ClassVar[bool] = True

    def held_by(self, y: Floats) -> tuple[dict[str, float], str | None]:
        """Probabilities of ends that do not occur."""
        zeros, ones = bool((y <= 0).any()), bool((y >= 1).any())
        if zeros and ones:
            return {}, None
        if not zeros and not ones:
            held = {"zoi": -_FAR, "coi": 0.0}
            return held, "the response has neither zeros nor ones: the fit is that of family='beta'."
        there, absent = ("ones", "zeros") if ones else ("zeros", "ones")
        value = _FAR if ones else -_FAR
        return {"coi": value}, f"the response has no {absent}: all of its ends are {there}, and coi is {int(ones)}."

    def natural(self, shapes: Mapping[str, float]) -> dict[str, float]:
        """Both probabilities."""
        found = {name: float(1 / (1 + np.exp(-shapes[name]))) for name in ("zoi", "coi")}
        return {name: round(p) if abs(shapes[name]) >= _FAR else p for name, p in found.items()}

    def moments(self, mu: Floats, at: Mapping[str, Floats], weights: Floats) -> tuple[Floats, Floats]:
        """Mean and variance of a response."""
        edge, one = 1 / (1 + np.exp(-at["zoi"])), 1 / (1 + np.exp(-at["coi"]))
        mean = edge * one + (1 - edge) * mu
        square = edge * one + (1 - edge) * (mu * (1 - mu) / (1 + np.exp(at["disp"])) + mu**2)
        return mean, square - mean**2

    def zero_probability(self, mu: Floats, at: Mapping[str, Floats], weights: Floats) -> Floats:
        """Probability of zero."""
        return np.asarray(1 / (1 + np.exp(-at["zoi"])) / (1 + np.exp(at["coi"])))

    def one_probability(self, mu: Floats, at: Mapping[str, Floats]) -> Floats:
        """Probability of one."""
        return np.asarray(1 / (1 + np.exp(-at["zoi"])) / (1 + np.exp(-at["coi"])))

    def cumulative_with(self, y: Floats, mu: Floats, at: Mapping[str, Floats], weights: Floats) -> Floats:
        """Probability of a proportion up to ``y``."""
        from scipy.special import betainc

        phi, zero = np.exp(at["disp"]), self.zero_probability(mu, at, weights)
        inner = betainc(mu * phi, (1 - mu) * phi, np.clip(y, 0.0, 1.0))
        return np.where(y >= 1, 1.0, zero + (1 - zero - self.one_probability(mu, at)) * inner)

    def draw_with(self, rng: np.random.Generator, mu: Floats, at: Mapping[str, Floats], weights: Floats) -> Floats:
        """Draw whether it is an end, and which; else a proportion."""
        phi = np.exp(at["disp"])
        edge, one = 1 / (1 + np.exp(-at["zoi"])), 1 / (1 + np.exp(-at["coi"]))
        ends = np.where(rng.random(len(mu)) < one, 1.0, 0.0)
        inner = np.clip(rng.beta(mu * phi, (1 - mu) * phi), 1e-12, 1 - 1e-12)
        return np.where(rng.random(len(mu)) < edge, ends, inner)
