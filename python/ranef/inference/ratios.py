"""Fixed effects as ratios: what ``exp(estimate)`` is called, and where it has no meaning."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranef.errors import ArgumentTypeError, OptionError
from ranef.fit.record import MixedFit
from ranef.inference.marginal_means.scale import fit_scale, transformed_response

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RatioScale:
    """How effects of a model become ratios.

    Attributes
    ----------
    head : str
        Heading of their column, such as "OR".
    ratio : str
        The same in words, with a plural in s.
    baseline : str
        What the exponential of the intercept is.
    rate : float
        Natural logarithm of the ratio for an effect of 1; not 1 for logarithms to another base.
    """

    head: str
    ratio: str
    baseline: str
    rate: float = 1.0

    def of(self, values: Floats) -> Floats:
        """Ratios of effects; infinite where they are too large for a number."""
        with np.errstate(over="ignore"):
            return np.asarray(np.exp(self.rate * values))

    def std_error(self, estimates: Floats, std_errors: Floats) -> Floats:
        """Standard errors of ratios by the delta method: the ratio times that of its logarithm."""
        return np.asarray(self.of(estimates) * self.rate * std_errors)

    @property
    def note(self) -> str:
        """What must be known of a table of ratios."""
        return (
            f"{self.head}: {self.ratio}s, the exponentials of the estimates ((Intercept): {self.baseline}); standard "
            "errors are by the delta method, tests are those of the estimates"
        )


#: Heading, words, and what the intercept becomes, by link; of the log link by the support of the
#: family.
_LINKS = {
    "logit": RatioScale("OR", "odds ratio", "the odds"),
    "cloglog": RatioScale("HR", "hazard ratio", "the cumulative hazard"),
}
_LOG = {
    "count": RatioScale("IRR", "incidence rate ratio", "the rate"),
    "proportion": RatioScale("RR", "probability ratio", "the probability"),
}
_MEANS = RatioScale("Ratio", "mean ratio", "the mean")


def ratio_scale(fit: MixedFit) -> RatioScale:
    """What the effects of a fit are once they are exponentiated.

    Raises
    ------
    OptionError
        Where the exponential of an effect has no meaning.
    """
    link = fit.family.link
    if fit.why_no_ratios is not None:
        raise OptionError(fit.why_no_ratios)
    if not fit.identity_scale:
        if link == "log":
            return _LOG.get(fit.family.support, _MEANS)
        if link in _LINKS:
            return _LINKS[link]
        raise OptionError(
            f"exponentiate=True has no meaning with the {link} link: the exponential of an effect is a ratio with the "
            "links log, logit and cloglog only."
        )
    scale = fit_scale(fit)
    contrasts = None if scale is None else scale.of_contrasts()
    if scale is None or contrasts is None:
        response = transformed_response(fit)
        found = (
            "the response is not transformed and the link is the identity"
            if response is None
            else f"{response} is not the logarithm or logit of a column"
        )
        raise OptionError(
            f"exponentiate=True has no meaning here, as effects are differences and not logarithms of ratios: {found}."
        )
    if contrasts.quantity == "odds ratio":
        return _LINKS["logit"]
    base = scale.base or math.e
    return RatioScale("Ratio", "geometric mean ratio", "the geometric mean", math.log(base))


def asked_ratios(exponentiate: object, fit: MixedFit) -> RatioScale | None:
    """Check the argument ``exponentiate``; None where estimates stay as they are."""
    if not isinstance(exponentiate, bool | np.bool_):
        raise ArgumentTypeError(f"exponentiate must be True or False, not {exponentiate!r}.")
    return ratio_scale(fit) if exponentiate else None
