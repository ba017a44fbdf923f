"""R's glmmTMB: models of one linear predictor and of several, in both directions."""

import re
from collections.abc import Mapping

from ranef.design.record import Design
from ranef.design.structures import kind_of
from ranef.errors import TranslationError
from ranef.families.family import Family
from ranef.families.names import parse_family
from ranef.formula import parse_expression, parse_formula
from ranef.formula.deparse import deparse
from ranef.formula.syntax import Call, Expr, String, without_parens
from ranef.formula.vocabulary import is_positioned
from ranef.translation.codings import column_codings, formula_in_r
from ranef.translation.composition import Reading, quoted
from ranef.translation.description import ModelDescription
from ranef.translation.family_names import FAMILY_LINKS
from ranef.translation.naming import refuse_rows
from ranef.translation.r_code import (
    arguments,
    contrasts_before,
    contrasts_of,
    data_of,
    find_call,
    is_null,
    one_sided,
    read_rows,
    require_formula,
    truth,
    word,
)

LANGUAGE = "glmmTMB"

#: What `to_syntax` calls R.
NAMES = ("r", "lme4", "glmmtmb")

#: glmmTMB's families by the name that the core has for the distribution.
_FAMILIES = {
    "poisson": "poisson",
    "nbinom1": "nbinom1",
    "nbinom2": "nbinom2",
    "compois": "compois",
    "genpois": "genpois",
    "binomial": "binomial",
    "betabinomial": "betabinomial",
    "beta": "beta_family",
    "gamma": "Gamma",
    "gaussian": "gaussian",
    "tweedie": "tweedie",
    "ordbeta": "ordbeta",
    "t": "t_family",
    "lognormal_response": "lognormal",
    "skewnormal": "skewnormal",
}

#: The links that these have where none is given.
_LINKS = {"binomial": "logit", "beta_family": "logit", "betabinomial": "logit", "ordbeta": "logit"}
_LINKS |= {"gaussian": "identity", "t_family": "identity", "skewnormal": "identity", "Gamma": "inverse"}

#: Structures with an argument ``hom`` here.
_HOMOGENEOUS = {
    "homogeneous_diagonal": "homdiag",
    "homogeneous_compound_symmetry": "homcs",
    "homogeneous_toeplitz": "homtoep",
    "heterogeneous_ar1": "hetar1",
}
_POSITIONS = re.compile(r"numFactor\(([^()]*)\)")


def write_parts(
    design: Design,
    family: Family,
    formulas: Mapping[str, str | None],
    given_arguments: Mapping[str, str | None],
    n_quad: int,
    to: str,
    *,
    notes: bool = True,
) -> str:
    """Write a model with zeros, dispersion or a family of several parameters.

    Parameters
    ----------
    design : Design
        Of the conditional predictor.
    family : Family
    formulas : mapping
        Texts of the formulas of ``zero`` and ``dispersion``, None where there is none.
    given_arguments : mapping
        ``data``, and texts of ``weights``, ``offset`` and ``subset``.
    n_quad : int
    to : {"r", "lme4", "glmmTMB"}
        Others have no such models.
    notes : bool
        Whether to say in comments what differs there.

    Raises
    ------
    TranslationError
        For other languages, and what glmmTMB does not have.
    """
    if to.lower() not in NAMES:
        what = "zi_formula" if formulas.get("zero") else "disp_formula" if formulas.get("dispersion") else "the family"
        raise TranslationError(
            to,
            what,
            "models with several linear predictors are written for R's glmmTMB ('r') and brms ('brms').",
        )
    if n_quad != 1:
        raise TranslationError(LANGUAGE, f"n_quad={n_quad}", "it has Laplace's approximation only.")
    texts = {"formula": design.formula.code, "ziformula": formulas.get("zero")}
    texts["dispformula"] = formulas.get("dispersion")
    written = {}
    for name, text in texts.items():
        if text is None:
            continue
        parsed = design.formula if name == "formula" else parse_formula(text)
        shared = next((bar for bar in parsed.random if bar.shared is not None), None)
        if shared is not None:
            raise TranslationError(
                LANGUAGE, f"({shared.text})", "random effects are not correlated across its linear predictors."
            )
        written[name] = _with_structures(formula_in_r(text))
    given = {name: value for name, value in given_arguments.items() if name != "data" and value is not None}
    # a response of trials has its trials as weights there, too
    options = [
        written.pop("formula"),
        f"data = {given_arguments['data'] or 'data'}",
        f"family = {_family(family, formulas)}",
    ]
    options += [f"{name} = {text}" for name, text in written.items()]
    options += [f"{name} = {deparse(parse_expression(text))}" for name, text in given.items()]
    before = [line for coding in column_codings(design) for line in coding.lines(given_arguments["data"] or "data")]
    said = []
    if family.kernel in ("gaussian", "gamma"):
        said.append("glmmTMB before 1.1.9 has variances where later versions and ranef have standard deviations.")
    if family.truncated:
        said.append("predictions of truncated families in glmmTMB before 1.1.5 leave the truncation out.")
    return "\n".join([*(f"# {note}" for note in said if notes), *before, f"glmmTMB({', '.join(options)})"])


def _family(family: Family, formulas: Mapping[str, str | None]) -> str:
    name = _FAMILIES.get(family.kernel)
    if name is None:
        raise TranslationError(LANGUAGE, f"the {family.name} family", "glmmTMB does not have it.")
    if family.truncated:
        name = f"truncated_{name}"
    default = _LINKS.get(name, "log")
    if name == "Gamma" and formulas.get("zero"):
        name = "ziGamma"
    call = "()" if name.endswith("_family") or name == "ziGamma" else ""
    return f"{name}{call}" if family.link == default else f'{name}(link = "{family.link}")'


def _with_structures(formula: str) -> str:
    """A formula with the structures of its random effects as they are called there."""
    for bar in sorted(parse_formula(formula).random, key=lambda bar: bar.span, reverse=True):
        name, *options = bar.structure.split(":")
        if is_positioned(name):
            if options:
                raise TranslationError(
                    LANGUAGE,
                    kind_of(bar.structure).call.format(bar.text),
                    "its distances are Euclidean and have no nugget, for which (1 | position) stands there.",
                )
            left, _, group = bar.text.rpartition("|")
            places = [part.strip() for part in left.replace("- 1", "").split("+") if part.strip() != "0"]
            term = f"{name}(numFactor({', '.join(places)}) + 0 | {group.strip()})"
        elif name in _HOMOGENEOUS:
            term = f"{_HOMOGENEOUS[name]}({bar.text})"
        else:
            continue
        formula = f"{formula[: bar.span[0]]}{term}{formula[bar.span[1] :]}"
    return formula


def write(model: ModelDescription) -> tuple[list[str], list[str]]:
    """Write a model of one linear predictor."""
    refuse_rows(model, LANGUAGE)
    if model.n_quad != 1:
        raise TranslationError(LANGUAGE, f"n_quad={model.n_quad}", "it has Laplace's approximation only.")
    written = parse_formula(model.formula)
    options = [f"data = {model.data}"]
    if model.family is None:
        options += ["REML = TRUE"] * model.reml
    else:
        name = {"beta": "beta_family", "inverse.gaussian": "inverse.gaussian"}.get(model.family, model.family)
        default = _LINKS.get(name, "1/mu^2" if name == "inverse.gaussian" else "log")
        call = "()" if name.endswith("_family") else ""
        options.append(f"family = {name}{call}" if model.link == default else f'family = {name}(link = "{model.link}")')
    weights = model.weights
    response = "" if written.response is None else deparse(written.response.expr)
    if model.response.trials is not None and not response.startswith("cbind("):
        weights = model.response.trials
    if weights is not None:
        options.append(f"weights = {deparse(weights)}")
    if extra := model.offsets[len(written.offsets) :]:
        options.append(f"offset = {' + '.join(map(deparse, extra))}")
    if model.subset is not None:
        options[0] = f"data = subset({model.data}, {deparse(model.subset)})"
    before = [line for coding in model.codings for line in coding.lines(model.data)]
    return [*before, f"glmmTMB({_with_structures(formula_in_r(model.formula))}, {', '.join(options)})"], []


_ARGUMENTS = (
    "formula",
    "data",
    "family",
    "ziformula",
    "dispformula",
    "weights",
    "offset",
    "contrasts",
    "na.action",
    "se",
    "verbose",
    "doFit",
    "control",
    "REML",
    "start",
    "map",
    "sparseX",
    "priors",
    "subset",
)


def _with_coordinates(formula: str) -> str:
    """A formula with the coordinates of its positions."""
    return _POSITIONS.sub(lambda found: " + ".join(part.strip() for part in found[1].split(",")), formula)


def read(text: str) -> Reading:
    """Read the first call of ``glmmTMB``."""
    node = find_call(text, ("glmmTMB",), LANGUAGE)
    given = arguments(node, _ARGUMENTS, LANGUAGE)
    formula = require_formula(given.get("formula"), LANGUAGE)
    reading = Reading(
        LANGUAGE, formula=_with_coordinates(deparse(formula)), data=data_of(given.get("data")), reml=False
    )
    name, link = _read_family(given.get("family"))
    parts = {
        "zi_formula": one_sided(given.get("ziformula"), "ziformula", LANGUAGE),
        "disp_formula": one_sided(given.get("dispformula"), "dispformula", LANGUAGE),
    }
    if "dispformula" in given and parts["disp_formula"] is None:
        raise TranslationError(LANGUAGE, "dispformula = ~ 0", "a dispersion that is fixed has no formula here.")
    if (parts["disp_formula"] or "").replace(" ", "") == "~1":
        parts["disp_formula"] = None
    for key, part in parts.items():
        if part == "~ ." and "offset" in given:
            # which is that of the conditional part alone
            parts[key] = f"~ {deparse(formula.right)}"
    if "map" in given and not is_null(given["map"]):
        raise TranslationError(
            LANGUAGE,
            "map",
            "parameters that are held are stated by the family here, as StudentT(df=4) and Tweedie(power=1.5), or not "
            "at all.",
        )
    if "priors" in given:
        reading.note("priors were left out; here they are prior={...} with the densities of ranef.priors.")
    reml = "REML" in given and truth(given["REML"], "REML", LANGUAGE)
    ours = _OURS.get(name, name)
    if not any(parts.values()) and ours in FAMILY_LINKS:
        if ours == "gaussian" and link == "identity":
            reading.reml = reml
        else:
            reading.family, reading.link = ours, link
    else:
        reading.verb, reading.family, reading.link = "glmer", ours, link
        reading.own["family"] = _family_code(ours, link)
        reading.own |= {key: quoted(part) for key, part in parts.items() if part is not None}
    if reml and reading.reml is False:
        reading.note("REML = TRUE was left out; models that are not linear are fitted by maximum likelihood.")
    contrasts_before(text, reading)
    if "contrasts" in given:
        reading.contrasts |= contrasts_of(given["contrasts"], LANGUAGE)
    read_rows(reading, given)
    if parts["disp_formula"] is not None and ours == "Gamma":
        reading.note(
            "glmmTMB's dispersion of Gamma is the logarithm of the shape: its coefficients are -2 times those here, of "
            "log sigma."
        )
    if parts["disp_formula"] is not None and ours == "gaussian":
        reading.note("before version 1.1.9 glmmTMB's dispersion is that of the variance: twice the effects here.")
    return reading


#: Families by their names here.
_OURS = {theirs: ours for ours, theirs in _FAMILIES.items()}
_OURS |= {"beta_family": "beta", "Gamma": "Gamma", "ziGamma": "Gamma", "t_family": "t"}
_KNOWN = (*_OURS, *(f"truncated_{name}" for name in ("poisson", "nbinom1", "nbinom2", "genpois", "compois")))


def _read_family(node: Expr | None) -> tuple[str, str]:
    """Name and link of a family as glmmTMB has it."""
    inner = None if node is None else without_parens(node)
    link = None
    name = "gaussian"
    if isinstance(inner, Call):
        name = inner.function
        link = next((word(a.value) for a in inner.arguments if a.keyword in (None, "link")), None)
    elif inner is not None:
        name = inner.value if isinstance(inner, String) else word(inner)
    name = {"beta": "beta_family", "t": "t_family", "inverse.gaussian": "inverse.gaussian"}.get(name, name)
    if name not in _KNOWN and name != "inverse.gaussian":
        raise TranslationError(LANGUAGE, f"the family {name}", f"known are {', '.join(sorted(_KNOWN))}.")
    default = {"ziGamma": "inverse", "inverse.gaussian": "1/mu^2"}.get(name, _LINKS.get(name, "log"))
    return name, link or default


def _family_code(name: str, link: str) -> str:
    if name == "lognormal_response":
        return 'LogNormal(scale="response")'
    return quoted(name if parse_family(name).link == link else f"{name}({link})")
