"""What was fitted, in words."""

from collections.abc import Mapping

from ranef.design.record import RandomTerm
from ranef.design.structures import kind_of
from ranef.fit.record import MixedFit
from ranef.presentation.model_summary import beside_the_likelihood
from ranef.presentation.report.correlated_words import beside_effects, correlation_paragraph, subject_of
from ranef.presentation.report.phrases import count, listed, sentence, with_article
from ranef.presentation.report.scale_words import EffectScale, family_name
from ranef.presentation.report.variance_words import noun
from ranef.presentation.term_labels import label_of


def model_sentence(fit: MixedFit, scale: EffectScale, labels: Mapping[str, str]) -> str:
    """Response, predictors and groups in one sentence."""
    terms = [label_of(t, labels) for t in fit.design.fixed_terms if t]
    on = listed(terms) if terms else ""
    groups = listed([label_of(g, labels) for g in dict.fromkeys(t.group for t in fit.terms)], "or")
    goal = scale.target if scale.kind != "linear" else scale.response
    if fit.columns_are_slopes:
        return f"The model describes {goal} by {_curve(fit, labels)}. Rows of the same {groups} may be alike."
    explained = f" by {on}" if on else ", without predictors,"
    if not groups:
        subject = subject_of(fit, labels)
        alike = f" and lets rows of the same {subject} be correlated" if subject else ""
        return f"The model explains {goal}{explained}{alike}."
    return f"The model explains {goal}{explained} and lets rows of the same {groups} be alike."


def _curve(fit: MixedFit, labels: Mapping[str, str]) -> str:
    """The curve, and what its parameters depend on."""
    rows = fit.curve_rows
    assert rows is not None
    curve = rows.curve
    depend = []
    for name in curve.parameters:
        own = [t.removeprefix(f"{name}.") for t in fit.design.fixed_terms if t.startswith(f"{name}.")]
        on = [label_of(t, labels) for t in own if t != "(Intercept)"]
        if on:
            depend.append(f"{label_of(name, labels)} depends on {listed(on)}")
    return f"the curve {curve.text}{', in which ' if depend else ''}{listed(depend) if depend else ''}"


def paragraphs(fit: MixedFit, labels: Mapping[str, str]) -> list[str]:
    """What a mixed model is, what varies here, and how it was estimated."""
    if fit.design.residual is not None and not fit.terms:
        return [correlation_paragraph(fit, labels), _method(fit)]
    out = [
        "A mixed model has fixed effects, which hold for the whole population, and random effects, by which groups "
        "deviate from it. The deviations of the groups are not estimated one by one as separate parameters; the model "
        "estimates how much they vary, and from that and the data what each group's deviation is likely to be."
    ]
    curve = fit.columns_are_slopes
    out += [*(_term(t, labels, curve) for t in fit.terms), *beside_effects(fit, labels)]
    return [*out, _method(fit), *(sentence(text) for text in beside_the_likelihood(fit))]


def _term(term: RandomTerm, labels: Mapping[str, str], curve: bool) -> str:
    effects = [
        "the intercept (the level)"
        if n == "(Intercept)"
        # the mean of a parameter, or an effect on it
        else label_of(n.removesuffix(".(Intercept)"), labels)
        if curve
        else f"the effect of {label_of(n, labels)}"
        for n in term.names
    ]
    shown = effects if len(effects) <= 6 else [*effects[:5], f"{len(effects) - 5} more"]
    relation = ""
    if len(effects) > 1:
        relation = {
            "unstructured": ", and these deviations may be correlated",
            "diagonal": ", independently of each other",
        }.get(term.structure, f", {kind_of(term.structure).relation}")
    one = noun(term.group, labels)
    own = f"Each {one} ({count(len(term.levels), 'level')}) has its own deviation in {listed(shown)}{relation}."
    if not term.has_one_level:
        return f"{own} A row belongs to several of them, and has the weighted sum of their deviations."
    if term.relation is None:
        return own
    what = "the pedigree" if term.relation.is_pedigree else f"the matrix {term.relation.name}"
    return f"{own} Related levels have similar ones: {what} gives the correlations between them."


def _method(fit: MixedFit) -> str:
    if not fit.integral_exact:
        family = ""
        if fit.columns_are_slopes:
            family = "Given the random effects, the response is normally distributed around the curve."
        elif not fit.probability_types:
            family = (
                f"Given the random effects, the response has {with_article(family_name(fit))} distribution, whose mean "
                f"depends on the predictors by {with_article(fit.family.link)} link."
            )
        how = {
            0: "by a fast penalised form of the likelihood, which is biased",
            1: "by maximum likelihood with Laplace's approximation of the integral over the random effects",
        }.get(
            fit.n_quad,
            f"by maximum likelihood with adaptive Gauss-Hermite quadrature over the random effects ({fit.n_quad} "
            "nodes)",
        )
        return f"{family} The parameters were estimated {how}.".strip()
    taken = f"Residuals{' and random effects' * bool(fit.terms)} are taken as normally distributed."
    if fit.reml:
        return (
            f"{taken} The variances were estimated by "
            "restricted maximum likelihood (REML), which allows for the estimation of the fixed effects. Criteria "
            "such as AIC of REML fits must not be compared between models with different fixed effects."
        )
    return (
        f"{taken} The model was fitted by maximum likelihood "
        "(ML), so that its criteria can be compared with those of other models of the same data; its variances are "
        "somewhat smaller than those of REML."
    )


def symbols(fit: MixedFit) -> str:
    """How to read the equations."""
    residual = "" if fit.family_shown else ", e what is left in single rows"
    if fit.probability_types:
        residual = ", τ the thresholds, η the location and σ the scale of the latent variable"
    return (
        "The index i counts rows, and j, k … the groups. β are coefficients of the rows; those that vary between "
        "groups have equations of their own. γ (or the coefficients without a group's index) are fixed effects, u (v, "
        f"w …) the deviations of the groups{residual}; N(0, σ²) is a normal distribution with mean 0 and "
        "variance σ²."
    )
