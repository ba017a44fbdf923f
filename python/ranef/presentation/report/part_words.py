"""Zeros, dispersion and shape in words: the linear predictors beside the mean's."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ranef.estimates.varcorr import varcorr
from ranef.fit.part_effects import PartEffects
from ranef.fit.record import MixedFit
from ranef.inference.distributions import t_multiplier
from ranef.inference.part_coefficients import part_coefficients
from ranef.presentation.report.category_words import nominal_about, scale_about, thresholds_about
from ranef.presentation.report.fixed_words import Coefficient, fixed_sentences
from ranef.presentation.report.phrases import number, sentence, with_article
from ranef.presentation.report.roles import roles_of
from ranef.presentation.report.scale_words import EffectScale, family_name
from ranef.presentation.report.variance_words import variance_sentences
from ranef.presentation.term_labels import label_of


@dataclass(frozen=True, slots=True, eq=False)
class PartWords:
    """One part of a model on the page.

    Attributes
    ----------
    title : str
    about : str
        What it describes.
    scale : EffectScale
    coefficients : tuple of Coefficient
    sentences : tuple of str
        Its effects, then its random effects.
    """

    title: str
    about: str
    scale: EffectScale
    coefficients: tuple[Coefficient, ...]
    sentences: tuple[str, ...]


def zero_paragraph(fit: MixedFit, response: str) -> list[str]:
    """What becomes of zeros, for the description of the model; empty where they are like others."""
    zi = next((p for p in fit.part_effects() if p.name == "zi"), None)
    if zi is None:
        return []
    name = family_name(fit)
    if _is_hurdle(zi):
        return [
            f"The model has two parts. One is the probability that {response} is zero. The other, the conditional "
            f"part, has the distribution ({name}) of what is not zero. Fixed effects and means below are those of "
            "the conditional part, but where another is named."
        ]
    return [
        "A row has an extra zero with a probability of its own, which the zero part describes; otherwise "
        f"{response} has {with_article(name)} distribution, which may be zero too. Fixed effects and means below are "
        "those of the conditional part, of rows without an extra zero, but where another is named."
    ]


def _is_hurdle(part: PartEffects) -> bool:
    return part.heading.startswith("Hurdle")


def part_words(fit: MixedFit, response: str, labels: Mapping[str, str], level: float) -> list[PartWords]:
    """The parts whose predictors have effects, zeros first.

    Parameters
    ----------
    fit : MixedFit
    response : str
        What it is called.
    labels : mapping
        The user's labels.
    level : float
        Of the intervals.
    """
    out = []
    for part in fit.part_effects():
        if part.name in fit.components:
            if part.name in ("zi", "scale") or (part.name == "disp" and part.formula is not None):
                out.append(_words(fit, part, response, labels, level))
        elif fit.probability_types:
            out.append(_thresholds(fit, part, response, labels, level))
    return out


def shape_sentences(fit: MixedFit) -> list[str]:
    """Dispersion and shape that are one number, in a sentence each."""
    if not fit.spread_of_predictors:
        return []
    name, spread = family_name(fit), fit.spread
    out = []
    if fit.family.dispersion_name is None:
        out.append(f"The {name} distribution has no dispersion to estimate: its spread follows from its mean.")
    elif math.isfinite(spread):
        out.append(f"The {fit.family.dispersion_name} of the {name} distribution is {number(spread)}.")
    else:
        out.append(f"The {fit.family.dispersion_name} of the {name} distribution has a formula of its own, above.")
    return [*out, *(f"Its {key} is {number(value)}." for key, value in fit.family_params.items())]


def _coefficients(part: PartEffects, labels: Mapping[str, str], level: float) -> tuple[Coefficient, ...]:
    found = part_coefficients(part)
    half = t_multiplier(level, found.df) * found.std_error
    p_value = found.p_value if part.tested else np.full_like(found.statistic, np.nan)
    lower, upper = found.estimate - half, found.estimate + half
    numbers = (found.estimate, found.std_error, found.df, found.statistic, p_value, lower, upper)
    values = np.column_stack(numbers)
    return tuple(
        Coefficient(name, label_of(name, labels), *row) for name, row in zip(part.names, values.tolist(), strict=True)
    )


def _thresholds(fit: MixedFit, part: PartEffects, response: str, labels: Mapping[str, str], level: float) -> PartWords:
    """Thresholds and effects on them, which are a table."""
    about = nominal_about(fit) if part.tested else thresholds_about(fit)
    ratio = "odds ratio" if part.tested and fit.family.link == "logit" else ""
    scale = EffectScale(response, "the threshold", ratio, "", "odds" if ratio else "linear")
    return PartWords(part.heading, about, scale, _coefficients(part, labels, level), ())


def _words(fit: MixedFit, part: PartEffects, response: str, labels: Mapping[str, str], level: float) -> PartWords:
    own = fit.predictor(part.name)
    scale, about = _scale(fit, part, response)
    coefficients = _coefficients(part, labels, level)
    roles = roles_of(own, labels)
    sentences = fixed_sentences(coefficients, roles, scale, {}, level, False)
    random = [sentence(text) for text in variance_sentences(own, varcorr(own), roles, scale, labels, rest=False)]
    return PartWords(part.heading, about, scale, coefficients, (*sentences, *random))


def _scale(fit: MixedFit, part: PartEffects, response: str) -> tuple[EffectScale, str]:
    random = bool(fit.predictor(part.name).terms)
    if part.name == "zi":
        what = f"{response} being zero" if _is_hurdle(part) else "an extra zero"
        about = (
            f"Effects on the logit of the probability of {what}: a positive effect means more zeros. With "
            "exp(coefficient) the odds are multiplied."
        )
        return EffectScale(response, f"the odds of {what}", "odds ratio", "", "odds", random=random), about
    if part.name == "scale":
        what = "the scale of the latent variable"
        return EffectScale(response, what, "ratio of scales", "", "factor", random=random), scale_about()
    name = fit.family.dispersion_name or "dispersion"
    about = f"Effects on the logarithm of the {name} of the {family_name(fit)} distribution."
    return EffectScale(response, f"the {name}", f"ratio of {name}s", "", "factor", random=random), about
