"""Models of ordered categories in other programs: ``clmm`` of R's ordinal, Stata's ``meologit`` and
its kin, SAS's ``PROC GLIMMIX``.

Random and fixed effects are written as those of the binary model with the same predictors, whose
commands these programs extend.
"""

import re
from typing import TYPE_CHECKING

from ranef.errors import TranslationError
from ranef.formula import deparse, parse_formula
from ranef.translation.codings import formula_in_r
from ranef.translation.composition import Reading, quoted
from ranef.translation.description import ModelDescription
from ranef.translation.r_code import (
    arguments,
    data_of,
    find_call,
    one_sided,
    read_rows,
    require_formula,
    whole_number,
    word,
)
from ranef.translation.sas import write as write_sas
from ranef.translation.stata import write as write_stata

if TYPE_CHECKING:
    from ranef.fit.ordinal.request import OrdinalRequest

#: By link: Stata's command, or what meglm takes.
_STATA = {"logit": "meologit", "probit": "meoprobit", "cloglog": "meglm"}
_SAS = {"logit": "cumlogit", "probit": "cumprobit", "cloglog": "cumcll", "loglog": "cumloglog"}

#: ordinal's former function, which has nominal and scale effects, and its names of links.
_CLMM2 = {"logit": "logistic", "probit": "probit", "cloglog": "cloglog", "loglog": "loglog", "cauchit": "cauchit"}


def write_ordinal(model: ModelDescription, request: "OrdinalRequest", to: str, *, notes: bool = True) -> str:
    """Write a model of ordered categories in another program's language.

    Parameters
    ----------
    model : ModelDescription
        Of the binary model with the same predictors.
    request : OrdinalRequest
        Link, thresholds, nominal and scale effects.
    to : {"stata", "sas", "lme4"}
        ``"lme4"`` gives R's ordinal.
    notes : bool
        Whether to say in comments what differs there.
    """
    language = to.lower() if isinstance(to, str) else to
    if language in ("lme4", "ordinal", "r"):
        lines, said = _r(model, request)
        return "\n".join([*(f"# {note}" for note in said if notes), *lines])
    if language not in ("stata", "sas"):
        raise TranslationError(
            str(to),
            "ordered categories",
            "to_syntax() writes them for R ('r', 'brms'), Stata and SAS.",
        )
    name = "Stata" if language == "stata" else "SAS"
    for what, given in (("nominal effects", request.nominal), ("scale effects", request.scale)):
        if given is not None:
            raise TranslationError(name, what, "its commands with random effects do not have them.")
    if request.threshold != "flexible":
        raise TranslationError(name, f"threshold={request.threshold!r}", "its thresholds are always flexible.")
    known = _STATA if language == "stata" else _SAS
    if request.link not in known:
        raise TranslationError(name, f"the {request.link} link", f"it has {', '.join(known)}.")
    lines, said = (write_stata if language == "stata" else write_sas)(model)
    comment = "* {}" if language == "stata" else "/* {} */"
    text = "\n".join([*(comment.format(note) for note in said if notes), *lines])
    return _stata(text, request.link, notes) if language == "stata" else _sas(text, request.link, notes)


def _stata(text: str, link: str, notes: bool) -> str:
    command = _STATA[link]
    text = re.sub(r"^(melogit|meprobit|mecloglog) ", f"{command} ", text, flags=re.MULTILINE)
    if command == "meglm":
        text += " family(ordinal) link(cloglog)"
    said = "* the cut points are the thresholds here, with the same sign; so are the effects."
    return f"{said}\n{text}" if notes else text


def _sas(text: str, link: str, notes: bool) -> str:
    text = re.sub(r"\(event='[^']*'\)", "", text)
    text = re.sub(r"dist=binary link=\w+", f"dist=multinomial link={_SAS[link]}", text)
    said = (
        "/* GLIMMIX models the cumulated probabilities of the lower categories by threshold plus effects: the effects "
        "have the other sign than here, unless the response is given as (descending). */"
    )
    return f"{said}\n{text}" if notes else text


def _r(model: ModelDescription, request: "OrdinalRequest") -> tuple[list[str], list[str]]:
    before = [line for coding in model.codings for line in coding.lines(model.data)]
    formula = formula_in_r(model.formula)
    said = []
    scale = request.parts().get("scale")
    if scale is not None and scale.random:
        raise TranslationError("ordinal", "random effects in the scale", "neither clmm nor clmm2 has them.")
    if request.nominal is None and request.scale is None:
        options = [f"data = {model.data}"]
        if request.link != "logit":
            options.append(f'link = "{request.link}"')
        if request.threshold != "flexible":
            options.append(f'threshold = "{request.threshold}"')
        if request.n_quad != 1:
            options.append(f"nAGQ = {request.n_quad}")
        if request.link in ("cloglog", "loglog") and len(model.blocks) == 1 and model.blocks[0].scalar:
            said.append(
                "clmm of ordinal 2022.11-16 exchanges cloglog and loglog with one random intercept; "
                "control = clmm.control(useMatrix = TRUE) has them right."
            )
        return [*before, f"clmm({formula}, {', '.join(options)})"], said
    if len(model.blocks) != 1 or not model.blocks[0].scalar:
        raise TranslationError(
            "ordinal", "nominal or scale effects", "clmm2 has them with one random intercept only, and clmm not at all."
        )
    parsed = parse_formula(formula)
    location = f"{parsed.response.label if parsed.response else ''} ~ " + (
        " + ".join(t.label for t in parsed.fixed) or "1"
    )
    options = [f"location = {location}"]
    options += [f"{k} = {v}" for k, v in (("nominal", request.nominal), ("scale", request.scale)) if v is not None]
    options += [f"random = {model.blocks[0].label}", f"data = {model.data}", f'link = "{_CLMM2[request.link]}"']
    if request.threshold != "flexible":
        options.append(f'threshold = "{request.threshold}"')
    options.append("Hess = TRUE")
    if request.n_quad != 1:
        options.append(f"nAGQ = {request.n_quad}")
    if request.scale is not None and request.n_quad == 1:
        said.append(
            "with scale effects the Laplace approximation of clmm2 lacks a factor, and its log-likelihood is wrong; "
            "its quadrature, nAGQ above 1, is right."
        )
    return [*before, f"clmm2({', '.join(options)})"], said


_ROWS = ("data", "weights", "start", "subset", "na.action", "contrasts", "Hess", "model", "link")
_OF_CLMM = ("formula", *_ROWS, "doFit", "control", "nAGQ", "threshold")
_OF_CLMM2 = ("location", "scale", "nominal", "random", *_ROWS, "lambda", "doFit", "control", "nAGQ", "threshold")


def read(text: str) -> Reading:
    """Read the first call of ``clmm`` or ``clmm2`` of R's ordinal."""
    language = "ordinal"
    node = find_call(text, ("clmm", "clmm2"), language)
    former = node.function == "clmm2"
    given = arguments(node, _OF_CLMM2 if former else _OF_CLMM, language)
    formula = deparse(require_formula(given.get("location" if former else "formula"), language))
    reading = Reading(language, formula=formula, data=data_of(given.get("data")), reml=False, verb="clmm")
    if former:
        if "random" not in given:
            raise TranslationError(language, "clmm2()", "random, the grouping factor, is missing.")
        reading.formula += f" + (1 | {deparse(given['random'])})"
    link = word(given["link"]) if "link" in given else "logistic" if former else "logit"
    link = {"logistic": "logit"}.get(link, link)
    if link not in _CLMM2:
        raise TranslationError(language, f"the {link} link", f"clmm here has {', '.join(_CLMM2)}.")
    reading.link = link
    if link != "logit":
        reading.own["link"] = quoted(link)
    if "threshold" in given and word(given["threshold"]) != "flexible":
        reading.own["threshold"] = quoted(word(given["threshold"]))
    for name in ("nominal", "scale"):
        if (part := one_sided(given.get(name), name, language)) is not None:
            reading.own[name] = quoted(part)
    if "nAGQ" in given:
        reading.n_quad = whole_number(given["nAGQ"], "nAGQ", language)
    read_rows(reading, given)
    if link in ("cloglog", "loglog"):
        reading.note(
            "ordinal 2022.11-16 exchanges cloglog and loglog with one random intercept; here cloglog is "
            "1 - exp(-exp(t))."
        )
    if "scale" in reading.own and reading.n_quad == 1:
        reading.note(
            "with scale effects the Laplace approximation of clmm2 lacks a factor: its log-likelihood and estimates "
            "differ; its quadrature is right."
        )
    return reading
