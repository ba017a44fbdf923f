"""Models with several linear predictors as calls of R's glmmTMB."""

from collections.abc import Mapping

from ranef.design.record import Design
from ranef.errors import TranslationError
from ranef.families.family import Family
from ranef.formula import parse_expression, parse_formula
from ranef.formula.deparse import deparse
from ranef.translation.codings import column_codings, formula_in_r

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


def write_parts(
    design: Design,
    family: Family,
    formulas: Mapping[str, str | None],
    arguments: Mapping[str, str | None],
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
    arguments : mapping
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
            to, what, "models with several linear predictors are written for R's glmmTMB only: to_syntax('r')."
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
        written[name] = formula_in_r(text)
    given = {name: value for name, value in arguments.items() if name != "data" and value is not None}
    # a response of trials has its trials as weights there, too
    options = [written.pop("formula"), f"data = {arguments['data'] or 'data'}", f"family = {_family(family, formulas)}"]
    options += [f"{name} = {text}" for name, text in written.items()]
    options += [f"{name} = {deparse(parse_expression(text))}" for name, text in given.items()]
    before = [line for coding in column_codings(design) for line in coding.lines(arguments["data"] or "data")]
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
