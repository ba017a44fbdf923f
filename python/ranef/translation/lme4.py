"""lme4: ``lmer`` and ``glmer`` of R."""

from ranef.design.structures import kind_of
from ranef.errors import TranslationError
from ranef.formula import deparse, parse_formula
from ranef.formula.deparse import quoted_name
from ranef.formula.syntax import Call, Expr, String, without_parens
from ranef.translation.codings import coded_in_formula, formula_in_r
from ranef.translation.composition import Reading
from ranef.translation.description import ModelDescription
from ranef.translation.family_names import family_and_link
from ranef.translation.mmrm import read_mmrm, write_mmrm
from ranef.translation.naming import refuse_rows
from ranef.translation.r_code import (
    arguments,
    contrasts_before,
    contrasts_of,
    data_of,
    find_call,
    read_rows,
    require_formula,
    truth,
    whole_number,
    word,
)

LANGUAGE = "lme4"

_LMER = (
    "formula",
    "data",
    "REML",
    "control",
    "start",
    "verbose",
    "subset",
    "weights",
    "na.action",
    "offset",
    "contrasts",
    "devFunOnly",
    "method",
    "family",
)
_GLMER = (
    "formula",
    "data",
    "family",
    "control",
    "start",
    "verbose",
    "nAGQ",
    "subset",
    "weights",
    "na.action",
    "offset",
    "contrasts",
    "devFunOnly",
)


def write(model: ModelDescription) -> tuple[list[str], list[str]]:
    """Write a model.

    Returns
    -------
    lines, notes : list of str
    """
    if model.repeated is not None:
        return write_mmrm(model)
    refuse_rows(model, LANGUAGE)
    for block in model.blocks:
        kind = kind_of(block.structure)
        if kind.correlations in ("range", "distances"):
            raise TranslationError(
                LANGUAGE,
                kind.call.format(f"... | {block.label}"),
                "lme4 has no such covariance structure; its structures are us(), diag(), cs() and ar1().",
            )
    unknown = set(model.contrasts) - {c.column for c in model.codings} - coded_in_formula(model.formula)
    if unknown:
        raise TranslationError(
            LANGUAGE,
            f"the contrasts of {', '.join(sorted(unknown))}",
            'give them to the call as contrasts = list(f = "contr.sum").',
        )
    written = parse_formula(model.formula)
    formula = formula_in_r(model.formula)
    extra = model.offsets[len(written.offsets) :]
    # A matrix of counts has the weights in it; a proportion needs them.
    weights = model.weights
    if (
        model.response.trials is not None
        and written.response is not None
        and not deparse(written.response.expr).startswith("cbind(")
    ):
        weights = model.response.trials
    options = [f"data = {model.data}"]
    if weights is not None:
        options.append(f"weights = {deparse(weights)}")
    if extra:
        options.append(f"offset = {' + '.join(map(deparse, extra))}")
    if model.subset is not None:
        options.append(f"subset = {deparse(model.subset)}")
    if model.family is None:
        call = "lmer"
        options += ["REML = FALSE"] * (not model.reml)
    else:
        call, options = _generalized(model, options)
    if of_fixed := [f"{quoted_name(c.column)} = {c.of_fixed}" for c in model.codings if c.of_fixed is not None]:
        options.append(f"contrasts = list({', '.join(of_fixed)})")
    before = [line for coding in model.codings for line in coding.lines(model.data)]
    return [*before, f"{call}({formula}, {', '.join(options)})"], [*_notes(model)]


def _generalized(model: ModelDescription, options: list[str]) -> tuple[str, list[str]]:
    assert model.family is not None
    if model.n_quad > 1 and (len(model.blocks) > 1 or not model.blocks[0].scalar):
        raise TranslationError(
            LANGUAGE,
            f"n_quad={model.n_quad}",
            "glmer has quadrature for one random intercept only; use Laplace's approximation, n_quad=1.",
        )
    options = options + [f"nAGQ = {model.n_quad}"] * (model.n_quad != 1)
    if model.family in ("beta", "nbinom1"):
        raise TranslationError(LANGUAGE, f"the {model.family} family", "glmer does not have it; glmmTMB does.")
    if model.family == "nbinom2":
        if model.link != "log":
            raise TranslationError(LANGUAGE, f"the {model.link} link", "glmer.nb has the log link.")
        return "glmer.nb", options
    default = family_and_link(model.family, None)[1]
    family = model.family if model.link == default else f'{model.family}(link = "{model.link}")'
    return "glmer", [*options[:1], f"family = {family}", *options[1:]]


def _notes(model: ModelDescription) -> list[str]:
    structured = ["diag(", "cs(", "ar1("]
    return [
        *_notes_on_family(model),
        *(f"{s}) is in lme4 from version 2.0 on." for s in structured if f" {s}" in model.formula),
    ]


def _notes_on_family(model: ModelDescription) -> list[str]:
    if model.family is not None:
        notes = ["glmer's standard errors come from differences of the likelihood, and their third digit may differ."]
        if model.n_quad > 1 and (model.family != "binomial" or model.response.trials is not None):
            notes.append(
                "with nAGQ above 1 older versions of lme4 leave a constant out of logLik and AIC; estimates are the "
                "same."
            )
        return notes
    return ["lme4 itself prints no p-values; lmerTest gives those of Satterthwaite's method, as ranef does."]


def read(text: str) -> Reading:
    """Read the first call of ``lmer``, ``glmer``, ``glmer.nb`` or ``mmrm``."""
    node = find_call(text, ("lmer", "glmer", "glmer.nb", "mmrm"), LANGUAGE)
    if node.function == "mmrm":
        return read_mmrm(node)
    given = arguments(node, _LMER if node.function == "lmer" else _GLMER, LANGUAGE)
    formula = require_formula(given.get("formula"), LANGUAGE)
    reading = Reading(LANGUAGE, formula=deparse(formula), data=data_of(given.get("data")))
    if "REML" in given:
        reading.reml = truth(given["REML"], "REML", LANGUAGE)
    if "method" in given:
        reading.reml = word(given["method"]).upper() == "REML"
    if node.function == "glmer.nb":
        reading.family, reading.link = "nbinom2", "log"
    elif "family" in given:
        reading.family, reading.link = read_family(given["family"])
    elif node.function == "glmer":
        raise TranslationError(LANGUAGE, "glmer()", "the family is missing; without one the model is lmer's.")
    if reading.family == "gaussian" and reading.link in (None, "identity"):
        reading.family = reading.link = None
    if "nAGQ" in given:
        reading.n_quad = whole_number(given["nAGQ"], "nAGQ", LANGUAGE)
    contrasts_before(text, reading)
    if "contrasts" in given:
        _note_random(reading, formula, contrasts_of(given["contrasts"], LANGUAGE))
        reading.contrasts |= contrasts_of(given["contrasts"], LANGUAGE)
    read_rows(reading, given)
    return reading


def _note_random(reading: Reading, formula: Expr, contrasts: dict[str, str]) -> None:
    """Say what the argument does to random effects, where it matters."""
    bars = [bar for bar in parse_formula(deparse(formula)).random if bar.structure != "unstructured"]
    variables = {v.name for bar in bars for term in bar.effects for v in term.variables}
    names = [name for name in contrasts if name in variables]
    if names:
        reading.note(
            f"lme4's contrasts= code the fixed effects only, and here the random effects of {', '.join(names)} too: "
            'ranef.options(random_contrasts="lme4") before the call has lme4\'s rule.'
        )


def read_family(node: Expr) -> tuple[str, str | None]:
    """Name and link of a family as R writes it."""
    inner = without_parens(node)
    link = None
    if isinstance(inner, Call):
        for argument in inner.arguments:
            if argument.keyword in (None, "link"):
                link = word(argument.value)
        name = inner.function
    elif isinstance(inner, String):
        name = inner.value
    else:
        name = word(inner)
    if name.startswith("quasi"):
        raise TranslationError(
            LANGUAGE, name, "quasi-families have no likelihood; use nbinom2 or a random effect for each row."
        )
    family, found = family_and_link(name, link)
    assert family is not None
    return family, found
