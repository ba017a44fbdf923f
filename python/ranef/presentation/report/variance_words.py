"""The variance components in words."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranef.estimates.varcorr import VarCorr
from ranef.fit.record import MixedFit
from ranef.presentation.report.category_words import latent_sentence
from ranef.presentation.report.phrases import listed, number, percent, sentence
from ranef.presentation.report.roles import Role
from ranef.presentation.report.scale_words import EffectScale, family_name
from ranef.presentation.term_labels import label_of

#: A normal variable is so many standard deviations or less from its mean with a probability of
#: 95 %.
_Z = 1.959964

#: Random effects that are put into words one by one.
MOST = 12


def noun(group: str, labels: Mapping[str, str]) -> str:
    """A grouping factor as a sentence names it."""
    parts = group.split(":")
    if group in labels or len(parts) == 1:
        return label_of(group, labels)
    return f"combination of {listed([label_of(p, labels) for p in parts])}"


def variance_sentences(
    fit: MixedFit,
    components: VarCorr,
    roles: Sequence[Role],
    scale: EffectScale,
    labels: Mapping[str, str],
    rest: bool = True,
) -> list[str]:
    """Each standard deviation and correlation in words, and with ``rest`` what varies from row to
    row.

    Parameters
    ----------
    fit : MixedFit
    components : VarCorr
    roles : sequence of Role
        Of the fixed effects.
    scale : EffectScale
    labels : mapping
        The user's labels of effects and groups.
    """
    fixed = {r.name: (float(b), r) for r, b in zip(roles, fit.beta, strict=True)}
    slopes = _slopes(components)
    out: list[str] = []
    for block in list(components.values()):
        for name, sd in zip(block.names, block.sd.tolist(), strict=True):
            if len(out) >= MOST:
                break
            out.append(sentence(_effect(name, float(sd), block.group, slopes, fixed, scale, labels)))
        if len(block.names) > 1:
            zeros = [_zero(n, fixed, labels) for n in slopes[block.group]]
            out += _relations(block.names, block.sd, block.corr, block.group, block.diagonal, zeros, labels)
    return [*out, *_rest(fit, scale)] if rest else out


def _slopes(components: VarCorr) -> dict[str, list[str]]:
    """By grouping factor the names of the effects besides the intercept."""
    out: dict[str, list[str]] = {}
    for block in components.values():
        out.setdefault(block.group, []).extend(n for n in block.names if n != "(Intercept)")
    return out


def _zero(name: str, fixed: dict[str, tuple[float, Role]], labels: Mapping[str, str]) -> str:
    """Where a column of a random effect is zero."""
    role = fixed[name][1] if name in fixed else None
    places = [p.origin for p in role.pieces] if role is not None else []
    return listed(places, "or") if places and all(places) else f"{label_of(name, labels)} is 0"


def _effect(
    name: str,
    sd: float,
    group: str,
    slopes: dict[str, list[str]],
    fixed: dict[str, tuple[float, Role]],
    scale: EffectScale,
    labels: Mapping[str, str],
) -> str:
    one, whole = noun(group, labels), label_of(group, labels)
    intercept = name == "(Intercept)"
    what = "the intercept" if intercept else f"the effect of {label_of(name, labels)}"
    if sd == 0:
        return (
            f"no variance of {what} between the levels of {whole} was found: the estimate is exactly zero, the edge of "
            "what is possible. That does not prove that there is none."
        )
    at = f" where {listed([_zero(s, fixed, labels) for s in slopes[group]])}" if intercept and slopes[group] else ""
    if intercept:
        return _level(sd, one, at, scale)
    return _slope(label_of(name, labels), sd, one, fixed.get(name), scale)


def _level(sd: float, one: str, at: str, scale: EffectScale) -> str:
    reach = _Z * sd
    if scale.multiplies:
        whose = {"odds": "log odds", "factor": "logarithms of what is expected"}[scale.kind]
        return (
            f"from one {one} to another the {whose} differ with a standard deviation of {number(sd)}{at}. One standard "
            f"deviation above the typical {one}, {scale.target} {'are' if scale.kind == 'odds' else 'is'} "
            f"{number(math.exp(min(sd, 700)))} times the typical value; 95 % of the groups lie between "
            f"{number(math.exp(-reach))} and {number(math.exp(min(reach, 700)))} times it."
        )
    on = f" (on the scale of the {scale.link})" if scale.link else ""
    return (
        f"from one {one} to another the level of {scale.response}{on} differs with a standard deviation of "
        f"{number(sd)}{at}: 95 % of the groups lie within {number(reach)} above or below what the fixed effects say."
    )


def _slope(name: str, sd: float, one: str, known: tuple[float, Role] | None, scale: EffectScale) -> str:
    said = f"the effect of {name} differs from one {one} to another with a standard deviation of {number(sd)}"
    if known is None:
        return f"{said}; it has no fixed effect of this name around which it would vary."
    average, role = known
    where = f", where {listed(role.where)}," if role.where else ""
    low, high = average - _Z * sd, average + _Z * sd
    share = 0.5 * math.erfc(abs(average) / sd / math.sqrt(2))
    if scale.multiplies:
        low, high = math.exp(max(min(low, 700), -700)), math.exp(max(min(high, 700), -700))
        average_text = (
            f"around the typical {scale.ratio} of {number(math.exp(min(average, 700)))}{where} 95 % of the groups have "
            f"one between {number(low)} and {number(high)}"
        )
    else:
        average_text = (
            f"around the average of {number(average)}{where} 95 % of the groups have an effect between {number(low)} "
            f"and {number(high)}"
        )
    direction = (
        f"; in about {percent(share)} it would have the opposite direction"
        if share >= 0.005
        else "; practically all have the same direction"
    )
    return (
        f"{said}{' (on the scale of the link)' if scale.multiplies or scale.link else ''}: {average_text}{direction}."
    )


def _relations(
    names: Sequence[str],
    sd: "NDArray[np.float64]",
    corr: "NDArray[np.float64]",
    group: str,
    diagonal: bool,
    zeros: list[str],
    labels: Mapping[str, str],
) -> list[str]:
    texts = [n if n == "(Intercept)" else label_of(n, labels) for n in names]
    if diagonal:
        return [f"The formula takes {_together(texts)} of {label_of(group, labels)} as uncorrelated."]
    out: list[str] = []
    for i in range(len(names)):
        for j in range(i + 1, len(names)):
            if sd[i] == 0 or sd[j] == 0 or len(out) >= 6:
                continue
            out.append(_relation(texts[i], texts[j], float(corr[j, i]), noun(group, labels), zeros))
    return out


def _together(names: Sequence[str]) -> str:
    return listed(["the intercept" if n == "(Intercept)" else f"the effect of {n}" for n in names])


def _relation(first: str, second: str, r: float, one: str, zeros: list[str]) -> str:
    a = "intercept" if first == "(Intercept)" else f"effect of {first}"
    b = f"effect of {second}"
    at = f" (the level where {listed(zeros)})" if first == "(Intercept)" else ""
    if abs(r) > 1 - 1e-6:
        return (
            f"The correlation of the {a}{at} and the {b} is estimated as exactly {'1' if r > 0 else '-1'}, the edge of "
            "what is possible: the data cannot tell the two apart."
        )
    if abs(r) < 0.1:
        return f"The {a}{at} and the {b} hardly go together (correlation {r:.2f})."
    size = "weak" if abs(r) < 0.3 else "moderate" if abs(r) < 0.6 else "strong"
    return (
        f"From one {one} to another, a higher {a}{at} tends to go with a {'higher' if r > 0 else 'lower'} {b}: "
        f"correlation {r:.2f}, a {size} one."
    )


def _rest(fit: MixedFit, scale: EffectScale) -> list[str]:
    """The residual in words, or the spread that belongs to the family."""
    if fit.identity_scale and fit.family.support == "real":
        weighted = (
            " For rows of weight 1; the variance of others is divided by their weight."
            if fit.design.encoder.weights is not None
            else ""
        )
        return [
            f"What is left, from row to row with the same predictors{' and random effects' * bool(fit.terms)}, has a "
            f"standard deviation of {number(fit.sigma)} (residual): 95 % of the rows lie within "
            f"{number(_Z * fit.sigma)} of what the model expects for them.{weighted}"
        ]
    if fit.probability_types:
        return [latent_sentence(fit)]
    name, value = family_name(fit), fit.spread
    if fit.spread_of_predictors:
        return []  # dispersion and shape are parts with words of their own
    if fit.family.dispersion_name is None:
        return [f"The {name} distribution has no variance of its own to estimate: its spread follows from its mean."]
    how = "" if fit.spread_name is not None else " (given, not estimated)"
    if fit.family.scaled:
        return [f"The scale of the {name} distribution is {number(fit.sigma)}{how}."]
    if fit.family.support == "count" and getattr(fit.family, "type", None) != 1:
        return [
            f"The size of the negative binomial distribution is {number(value)}{how}: counts with a mean of m have the "
            f"variance m + m² / {number(value)}, where a Poisson distribution has m."
        ]
    return [f"The {fit.family.dispersion_name} of the {name} distribution is {number(value)}{how}."]


@dataclass(frozen=True, slots=True)
class Shares:
    """Intraclass correlations and R².

    Attributes
    ----------
    adjusted, marginal, conditional : float
    by_group : tuple of pairs
        Adjusted share of every grouping factor.
    """

    adjusted: float
    marginal: float
    conditional: float
    by_group: tuple[tuple[str, float], ...]


def share_sentences(shares: Shares, fit: MixedFit, scale: EffectScale, labels: Mapping[str, str]) -> list[str]:
    """The shares of variance in words.

    Parameters
    ----------
    shares : Shares
    fit : MixedFit
    scale : EffectScale
    labels : mapping
        The user's labels of groups.
    """
    linear = fit.identity_scale
    on = "" if linear else " on the scale of the link"
    simple = all(t.names == ("(Intercept)",) for t in fit.terms)
    groups = [g for g, _ in shares.by_group]
    if not groups:
        return []
    one, whole = noun(groups[0], labels), label_of(groups[0], labels)
    averaged = (
        ""
        if simple
        else " With random slopes this share depends on the predictors; it is given as its average over the rows."
    )
    out = []
    if len(groups) == 1:
        alike = (
            f" It is also the correlation to be expected of two rows of the same {one} after allowing for "
            "the predictors."
            if simple and linear
            else ""
        )
        out.append(
            f"Intraclass correlation: of the variance that the fixed effects leave{on}, {percent(shares.adjusted)} "
            f"lies between the levels of {whole} and {percent(1 - shares.adjusted)} within them.{alike}{averaged}"
        )
    else:
        each = listed([f"{percent(share)} to {label_of(g, labels)}" for g, share in shares.by_group])
        out.append(
            f"Intraclass correlation: of the variance that the fixed effects leave{on}, {percent(shares.adjusted)} "
            f"belongs to the grouping factors together ({each}) and {percent(1 - shares.adjusted)} to the single "
            f"rows.{averaged}"
        )
    if not any(n != "(Intercept)" for n in fit.x_names):
        return out
    out.append(
        f"R²: the fixed effects account for {percent(shares.marginal)} of the variance of {scale.response}{on} "
        f"(marginal R²), fixed and random effects together for {percent(shares.conditional)} (conditional R², "
        "Nakagawa's)."
    )
    return out
