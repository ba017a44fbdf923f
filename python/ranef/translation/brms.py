"""Models of every kind as calls of R's brms, which has the same formulas."""

from collections.abc import Mapping

from ranef.design.record import Design
from ranef.errors import TranslationError
from ranef.families.cumulative import Cumulative
from ranef.families.family import Family
from ranef.formula import Formula, parse_expression, parse_formula, require_response
from ranef.formula.deparse import deparse
from ranef.translation.codings import column_codings, formula_in_r
from ranef.translation.description import response_of

LANGUAGE = "brms"

#: Families by the name that the core has for the distribution: what brms calls it, with extra
#: zeros, as a hurdle, and its parameter of dispersion.
_FAMILIES: dict[str, tuple[str, str | None, str | None, str | None]] = {
    "gaussian": ("gaussian", None, None, "sigma"),
    "t": ("student", None, None, "sigma"),
    "skewnormal": ("skew_normal", None, None, "sigma"),
    "poisson": ("poisson", "zero_inflated_poisson", "hurdle_poisson", None),
    "nbinom2": ("negbinomial", "zero_inflated_negbinomial", "hurdle_negbinomial", "shape"),
    "binomial": ("binomial", "zero_inflated_binomial", None, None),
    "betabinomial": ("beta_binomial", "zero_inflated_beta_binomial", None, "phi"),
    "beta": ("Beta", None, "zero_inflated_beta", "phi"),
    "zoib": ("zero_one_inflated_beta", None, None, "phi"),
    "gamma": ("Gamma", None, "hurdle_gamma", "shape"),
    "inverse_gaussian": ("inverse.gaussian", None, None, None),
    "lognormal": ("lognormal", None, "hurdle_lognormal", "sigma"),
}

#: Links of ordered categories.
_ORDERED = ("logit", "probit", "cloglog", "cauchit")

_POSTERIOR = "brms draws from a posterior distribution; with much data its means are near the estimates here."


def write_brms(
    design: Design,
    family: Family | None,
    formulas: Mapping[str, str | None],
    given: Mapping[str, str | None],
    *,
    notes: bool = True,
) -> str:
    """Write a model.

    Parameters
    ----------
    design : Design
        Of the first linear predictor.
    family : Family or None
        None for a linear model.
    formulas : mapping
        Texts of the formulas of ``zero`` and ``dispersion``, or ``nominal`` and ``scale``; None
        where there is none.
    given : mapping
        ``data``, and texts of ``weights``, ``offset`` and ``subset``.
    notes : bool
        Whether to say in comments what differs there.

    Raises
    ------
    TranslationError
        For what brms does not have.
    """
    if design.residual is not None:
        raise TranslationError(LANGUAGE, "the covariance of the rows", "correlations of rows are not written for brms.")
    _check_terms(design.formula)
    data = given["data"] or "data"
    if given.get("subset"):
        data = f"subset({data}, {deparse(parse_expression(given['subset'] or ''))})"
    left, right = _sides(design, family, formulas, given)
    said = [_POSTERIOR]
    if isinstance(family, Cumulative):
        words, parts = _ordered(family, formulas, said)
    else:
        words, parts = _numbers(family, formulas, said, any("trials(" in a for a in left[1]))
    whole = f"{left[0]} {'| ' + ' + '.join(left[1]) + ' ' if left[1] else ''}~ {right}"
    more = [part for part in parts if part.startswith("lf(")]
    parts = [part for part in parts if part not in more]
    formula = " + ".join([f"bf({', '.join([whole, *parts])})", *more]) if parts or more else whole
    before = [line for coding in column_codings(design) for line in coding.lines(given["data"] or "data")]
    call = f"brm({formula}, data = {data}, family = {words})"
    return "\n".join([*(f"# {note}" for note in said if notes), *before, call])


def _check_terms(formula: Formula) -> None:
    for bar in formula.random:
        if bar.structure not in ("unstructured", "diagonal") or bar.known is not None or bar.members is not None:
            raise TranslationError(LANGUAGE, f"({bar.text})", "covariance structures of levels are not written there.")


def _sides(
    design: Design, family: Family | None, formulas: Mapping[str, str | None], given: Mapping[str, str | None]
) -> tuple[tuple[str, list[str]], str]:
    """The response with what stands behind its bar, and the right side."""
    of_trials = family is not None and family.support == "proportion"
    weights = given.get("weights")
    expr = None if weights is None else parse_expression(weights)
    response, _ = response_of(require_response(design.formula).expr, "binomial" if of_trials else None, expr)
    beside = []
    if response.trials is not None:
        beside.append(f"trials({deparse(response.trials)})")
    elif weights is not None:
        beside.append(f"weights({deparse(parse_expression(weights))})")
    if family is not None and family.truncated and not formulas.get("zero"):
        beside.append("trunc(lb = 1)")
    _, _, right = formula_in_r(design.formula.code).partition(" ~ ")
    if given.get("offset"):
        right += f" + offset({deparse(parse_expression(given['offset'] or ''))})"
    return (deparse(response.expr), beside), right


def _part(text: str) -> str:
    _check_terms(parse_formula(text))
    return formula_in_r(text)


def _numbers(
    family: Family | None, formulas: Mapping[str, str | None], said: list[str], trials: bool
) -> tuple[str, list[str]]:
    """The family, and formulas of zeros and dispersion."""
    if family is None:
        return "gaussian()", []
    name = "nbinom1" if getattr(family, "type", None) == 1 else family.kernel
    if name not in _FAMILIES:
        raise TranslationError(LANGUAGE, f"the {family.name} family", "brms does not have it.")
    plain, inflated, hurdle, dispersion = _FAMILIES[name]
    zero, spread = formulas.get("zero"), formulas.get("dispersion")
    words, parts = plain, []
    if zero:
        is_hurdle = family.truncated or family.support in ("positive", "open_unit")
        found = hurdle if is_hurdle else inflated
        if found is None:
            raise TranslationError(LANGUAGE, "zi_formula", f"brms has no zeros beside the {family.name} family.")
        words = found
        parts.append(f"{'hu' if found.startswith('hurdle') else 'zi'} {_part(zero)}")
    elif plain == "binomial" and not trials:
        words = "bernoulli"
    if spread:
        assert dispersion is not None
        parts.append(f"{dispersion} {_part(spread)}")
        if dispersion == "shape" and name == "gamma":
            said.append("shape is 1 / sigma^2: its coefficients there are -2 times those of disp_formula.")
    return f'{words}(link = "{family.link}")', parts


def _ordered(family: Cumulative, formulas: Mapping[str, str | None], said: list[str]) -> tuple[str, list[str]]:
    """The family of ordered categories, and the formula of their scale."""
    if formulas.get("nominal"):
        raise TranslationError(LANGUAGE, "nominal effects", "brms has them for sequential models, not for cumulative.")
    if family.link not in _ORDERED:
        raise TranslationError(LANGUAGE, f"the {family.link} link", f"it has {', '.join(_ORDERED)}.")
    if family.threshold not in ("flexible", "equidistant"):
        raise TranslationError(LANGUAGE, f"threshold={family.threshold!r}", "it has flexible and equidistant ones.")
    options = [f'link = "{family.link}"']
    if family.threshold != "flexible":
        options.append(f'threshold = "{family.threshold}"')
    parts = []
    if scale := formulas.get("scale"):
        text = _part(scale).removeprefix("~").strip()
        parts.append(f"lf(disc ~ 0 + {text}, cmc = FALSE)")
        said.append("disc is the inverse of the scale: its coefficients have the other sign than those of scale here.")
    return f"cumulative({', '.join(options)})", parts
