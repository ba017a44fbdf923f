"""The origins of a report:
the call in several programs, what to cite, and the versions.
"""

import platform
from collections.abc import Mapping
from dataclasses import fields
from importlib import metadata
from typing import Any

from ranef.errors import TranslationError
from ranef.fit.record import MixedFit
from ranef.fit.request import ModelRequest
from ranef.options import R_DEFAULTS
from ranef.presentation.coding_text import coding_text
from ranef.translation import LANGUAGES, ModelDescription, write

#: Arguments that are formulas of other linear predictors, and what the record calls them.
_FORMULAS = {"zi_formula": "zero", "disp_formula": "dispersion", "nominal": "nominal", "scale": "scale"}

_LIBRARIES = ("numpy", "scipy", "pandas", "narwhals", "pyarrow", "matplotlib", "jinja2")

_LME4 = (
    "Bates, D., Mächler, M., Bolker, B. and Walker, S. (2015). Fitting linear mixed-effects models using lme4. "
    "Journal of Statistical Software 67(1), 1-48. doi:10.18637/jss.v067.i01 (the formulation of the model)."
)
_METHODS = {
    "satterthwaite": "Kuznetsova, A., Brockhoff, P. B. and Christensen, R. H. B. (2017). lmerTest package: tests in "
    "linear mixed effects models. Journal of Statistical Software 82(13), 1-26. "
    "doi:10.18637/jss.v082.i13 (Satterthwaite's degrees of freedom).",
    "kenward-roger": "Kenward, M. G. and Roger, J. H. (1997). Small sample inference for fixed effects from "
    "restricted maximum likelihood. Biometrics 53(3), 983-997. doi:10.2307/2533558 (degrees of "
    "freedom and standard errors).",
}
_METHODS["kenward-roger-linear"] = _METHODS["kenward-roger"]
_MCCULLAGH = (
    "McCullagh, P. (1980). Regression models for ordinal data. Journal of the Royal Statistical Society B 42(2), "
    "109-142. doi:10.1111/j.2517-6161.1980.tb01109.x (cumulative link models)."
)
_NAKAGAWA = (
    "Nakagawa, S., Johnson, P. C. D. and Schielzeth, H. (2017). The coefficient of determination R² and intra-class "
    "correlation coefficient from generalized linear mixed-effects models revisited and expanded. Journal of the "
    "Royal Society Interface 14, 20170213. doi:10.1098/rsif.2017.0213 (R² and intraclass correlation)."
)


#: Arguments of some verbs, each the name of a field of what was asked for.
_FURTHER = (
    "params", "curvature", "method", "correlation", "variance", "prior", "known", "sampling_weights", "weight_scaling",
    "weights_are", "strata",
)  # fmt: skip


def python_call(fit: MixedFit, request: ModelRequest, data: str) -> str:
    """The call that makes the same fit.

    Parameters
    ----------
    fit : MixedFit
    request : ModelRequest
    data : str
        Name of the data.
    """
    arguments = [_quoted(request.formula), data]
    if fit.family_shown:
        arguments += [f"{name}={_quoted(value)}" for name, value in fit.family.call_arguments.items()]
    for name, key in _FORMULAS.items():
        if (text := fit.part_formulas.get(key)) is not None:
            arguments.append(f"{name}={_quoted(text)}")
    if fit.n_quad != 1:
        arguments.append(f"n_quad={fit.n_quad}")
    if fit.both_criteria and not fit.reml:
        arguments.append("REML=False")
    for name in ("weights", "offset", "subset"):
        value = getattr(request, name)
        if value is not None:
            arguments.append(f"{name}={_quoted(value) if isinstance(value, str) else '...'}")
    if request.na_action != "omit":
        arguments.append(f"na_action={_quoted(request.na_action)}")
    if request.contrasts:
        arguments.append(f"contrasts={_contrasts(request.contrasts)}")
    arguments += _further(request)
    if request.control:
        arguments.append(f"control={dict(request.control)!r}")
    verb = fit.verb
    call = f"m = {verb}({', '.join(arguments)})"
    settings = "" if coding_text(fit) is None else _settings(request)
    if settings:
        within = f"with ranef.options({settings}):\n    {call.replace(verb, f'ranef.{verb}', 1)}"
        return f"import ranef\n\n{within}\nprint(m.summary())"
    return f"from ranef import {verb}\n\n{call}\nprint(m.summary())"


def _further(request: ModelRequest) -> list[str]:
    """Arguments that only some verbs have, where they are not the defaults; objects and arrays are
    dots.
    """
    out = []
    for field in fields(request):
        value = getattr(request, field.name)
        if field.name not in _FURTHER or value is None or (isinstance(value, str) and value == field.default):
            continue
        if isinstance(value, str):
            text = _quoted(value)
        elif isinstance(value, Mapping):
            parts = (f"{_quoted(str(k))}: {_quoted(v) if isinstance(v, str) else '...'}" for k, v in value.items())
            text = f"{{{', '.join(parts)}}}"
        else:
            text = "..."
        out.append(f"{field.name}={text}")
    return out


def _settings(request: ModelRequest) -> str:
    """Settings of the session at the fit, where they matter and are not those it starts with."""
    rules = request.coding_rules
    changed = []
    if (rules.unordered, rules.ordered) != R_DEFAULTS:
        changed.append(f"contrasts={(rules.unordered, rules.ordered)!r}")
    if request.contrasts and rules.random != "given":
        changed.append(f"random_contrasts={rules.random!r}")
    return ", ".join(changed)


def _contrasts(given: Mapping[str, Any]) -> str:
    return "{" + ", ".join(f"{k!r}: {v!r}" if isinstance(v, str) else f"{k!r}: ..." for k, v in given.items()) + "}"


def _quoted(text: str) -> str:
    return repr(text) if '"' in text else '"' + text.replace("\\", "\\\\") + '"'


def other_programs(model: ModelDescription | None, reason: str = "") -> list[tuple[str, str, bool]]:
    """Title, text and success of the model in every language.

    Parameters
    ----------
    model : ModelDescription or None
        None where the model has no description, for the reason given.
    reason : str
    """
    out = []
    for name, language in LANGUAGES.items():
        if model is None:
            out.append((language.title, reason, False))
            continue
        try:
            out.append((language.title, write(model, name), True))
        except TranslationError as problem:
            out.append((language.title, f"It cannot be written there: {problem.part}: {problem.reason}", False))
    return out


def citations(version: str, fit: MixedFit, ddf: str, about: Mapping[str, Any] | None, shares: bool) -> list[str]:
    """What to cite.

    Parameters
    ----------
    version : str
    fit : MixedFit
    ddf : str
        Method of the degrees of freedom.
    about : mapping or None
        ``title``, ``source`` and ``origin`` of bundled data.
    shares : bool
        Whether R² is shown.
    """
    out = [f"The ranef authors (2026). ranef: mixed-effects models in Python on a Rust core. Version {version}.", _LME4]
    if fit.probability_types:
        out.append(_MCCULLAGH)
    if ddf in _METHODS:
        out.append(_METHODS[ddf])
    if shares:
        out.append(_NAKAGAWA)
    if about is not None:
        out.append(f"Data: {about['title']}. {about['source']} (as distributed with {about['origin']}).")
    return out


def versions(version: str) -> list[tuple[str, str]]:
    """Names and versions of what computed the report."""
    out = [
        ("ranef", version),
        ("Python", platform.python_version()),
        ("system", f"{platform.system()} {platform.machine()}"),
    ]
    for name in _LIBRARIES:
        try:
            out.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            continue
    return out
