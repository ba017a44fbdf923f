"""How effects of a model are worded: as differences, or after a logarithm or logit as factors."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ranef.estimates.rates import UNKNOWN_UNIT, exposure_of
from ranef.fit.record import MixedFit
from ranef.formula import deparse
from ranef.presentation.report.phrases import number
from ranef.presentation.term_labels import label_of
from ranef.translation import ModelDescription

#: Names of families as a sentence has them.
_FAMILIES = {
    "poisson": "Poisson",
    "inverse.gaussian": "inverse Gaussian",
    "gaussian": "normal",
    "nbinom1": "negative binomial",
    "nbinom2": "negative binomial",
    "genpois": "generalized Poisson",
    "compois": "Conway-Maxwell-Poisson",
    "betabinomial": "beta-binomial",
    "ordbeta": "ordered beta",
    "zoib": "zero-one-inflated beta",
    "tweedie": "Tweedie",
    "skewnormal": "skew normal",
    "t": "Student t",
    "lognormal": "log-normal",
}


def family_name(fit: MixedFit) -> str:
    """The family as a sentence has it."""
    name = fit.family.argument
    plain = name.removeprefix("truncated_")
    return f"{'truncated ' if plain != name else ''}{_FAMILIES.get(plain, plain)}"


@dataclass(frozen=True, slots=True)
class EffectScale:
    """On what the effects of a model work.

    Attributes
    ----------
    response : str
        Name of the response.
    target : str
        What the predictors change: ``"normexam"``, ``"the odds of use = Y"``,
        ``"the expected count total.fruits"``.
    ratio : str
        What ``exp(coefficient)`` is called, such as ``"odds ratio"``; empty where effects are
        differences.
    link : str
        The scale of the differences, such as ``"probit"``; empty where that is the scale of the
        response.
    kind : str
        ``"linear"``, ``"odds"``, ``"factor"`` or ``"link"``.
    unit : str
        What rates are for, such as ``"unit of area"``, where an offset makes them; else empty.
    random : bool
        Whether there are random effects.
    """

    response: str
    target: str
    ratio: str
    link: str
    kind: str
    unit: str = ""
    random: bool = True

    @property
    def multiplies(self) -> bool:
        """Whether effects are factors."""
        return bool(self.ratio)

    def expected(self, eta: float) -> str:
        """What the model expects at a value of the linear predictor,
        where there are words for it.
        """
        if self.kind == "odds":
            return (
                f"the probability of {self.target.removeprefix('the odds of ')} is {number(1 / (1 + math.exp(-eta)))}"
            )
        if self.kind == "factor":
            return f"{self.target} is {number(math.exp(eta))}"
        if self.kind == "link":
            return f"{self.target} is {number(eta)}"
        return f"the expected {self.target} is {number(eta)}"


def effect_scale(fit: MixedFit, model: ModelDescription | None, labels: Mapping[str, str]) -> EffectScale:
    """The scale of a fit.

    Parameters
    ----------
    fit : MixedFit
    model : ModelDescription or None
        None where the model has no description.
    labels : mapping
        The user's labels, of the response among others.
    """
    formula = fit.design.formula
    response = "the response" if formula.response is None else label_of(formula.response.name, labels)
    if fit.identity_scale and fit.family.support == "real":
        return EffectScale(response, response, "", "", "linear", random=bool(fit.terms))
    if fit.probability_types:
        return latent_scale(fit, response)
    trials = model is not None and model.response.trials is not None
    if trials and model is not None:
        response = label_of(deparse(model.response.expr), labels)
    link, family = fit.family.link, fit.family
    proportion = family.support == "proportion"
    levels = fit.design.response_levels
    event = f"{response} = {levels[1]}" if levels else response if trials or not proportion else f"{response} = 1"
    if fit.response_kind == "proportion" and not trials:
        event = f"a success ({response})"
    if link == "logit" and proportion:
        return EffectScale(response, f"the odds of {event}", "odds ratio", "", "odds")
    if link == "log":
        exposure = exposure_of(fit)
        unit = "" if exposure is None else _unit(exposure.unit, labels)
        per = f" per {unit}" if unit else ""
        if family.support == "count":
            counted = response if response.lower().startswith(("count", "number")) else f"count {response}"
            return EffectScale(response, f"the expected {counted}{per}", "rate ratio", "", "factor", unit)
        if proportion:
            return EffectScale(response, f"the probability of {event}", "ratio of probabilities", "", "factor")
        return EffectScale(response, f"the mean of {response}{per}", "ratio of means", "", "factor", unit)
    if link == "identity":
        return EffectScale(response, f"mean of {response}", "", "", "linear")
    if link == "logit":
        return EffectScale(response, f"the logit of the mean of {response}", "", "logit", "link")
    of = f"the probability of {event}" if proportion else f"the mean of {response}"
    name = {"1/mu^2": "inverse square", "sqrt": "square root"}.get(str(link), str(link))
    return EffectScale(response, f"the {name} of {of}", "", name, "link")


def latent_scale(fit: MixedFit, response: str) -> EffectScale:
    """The scale of effects on the location of ordered categories."""
    random = bool(fit.terms)
    if fit.family.link == "logit":
        return EffectScale(response, f"the odds of a higher {response}", "odds ratio", "", "odds", random=random)
    return EffectScale(response, f"the latent variable of {response}", "", "latent variable", "link", random=random)


def _unit(name: str, labels: Mapping[str, str]) -> str:
    return name if name == UNKNOWN_UNIT else f"unit of {label_of(name, labels)}"


def base_of(fit: MixedFit, scale: EffectScale) -> float | None:
    """The probability or mean of the data from which an example of a ratio starts; None where there
    is none.
    """
    if fit.probability_types or fit.design.sums is not None:
        return None
    y, weights = fit.design.y, fit.design.weights
    if scale.kind == "odds":
        shares = weights if weights is not None and fit.family.support == "proportion" else np.ones(len(y))
        base = float(shares @ y / shares.sum())
        return base if 0 < base < 1 else None
    if scale.kind != "factor":
        return None
    exposure = exposure_of(fit)
    base = float(y.sum() / (len(y) if exposure is None else exposure.values.sum()))
    return base if base > 0 else None
