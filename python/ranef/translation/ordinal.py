"""Models of ordered categories in other programs: ``clmm`` of R's ordinal, Stata's ``meologit`` and
its kin, SAS's ``PROC GLIMMIX``.

Random and fixed effects are written as those of the binary model with the same predictors, whose
commands these programs extend.
"""

import re
from typing import TYPE_CHECKING

from ranef.errors import TranslationError
from ranef.formula import parse_formula
from ranef.translation.codings import formula_in_r
from ranef.translation.description import ModelDescription
from ranef.translation.languages import write

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
            str(to), "ordered categories", "to_syntax() writes them for R ('lme4'), Stata ('stata') and SAS ('sas')."
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
    text = write(model, language, notes=notes)
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
