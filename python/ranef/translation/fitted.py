"""The description of a fitted model: what its data add to its formula."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ranef.design.structures import kind_of
from ranef.errors import FormulaError, OptionError, TranslationError
from ranef.formula import Formula, formula_text, parse_expression
from ranef.formula.deparse import deparse, quoted_name
from ranef.formula.syntax import Call, Expr, Name, without_parens
from ranef.translation.codings import column_codings, other_codings, reference_levels
from ranef.translation.component_response import ComponentResponse, OtherPredictor
from ranef.translation.description import Block, Categorical, ModelDescription, describe
from ranef.translation.ordered_response import OrderedResponse
from ranef.translation.repeated import Repeated

if TYPE_CHECKING:
    from ranef.design.record import Design
    from ranef.fit.record import MixedFit
    from ranef.fit.request import ModelRequest


def describe_fit(
    fit: "MixedFit", request: "ModelRequest", data: str | None = None, *, named: bool = True
) -> ModelDescription:
    """Describe a fitted model, linear or generalized.

    Parameters
    ----------
    fit : MixedFit
    request : ModelRequest
        Its call; a family and a number of nodes are taken from it if it has them.
    data : str, optional
        Name of the data.
    named : bool
        Whether weights, offset and subset must be columns or expressions; otherwise those that are
        not are left out.

    Raises
    ------
    TranslationError
        With ``named``, if one of them was given as values.
    """
    design = fit.design
    if fit.why_not_translated is not None:
        raise OptionError(fit.why_not_translated)
    family = getattr(request, "family", None)
    formula = design.formula
    described = describe(
        _without_dot(formula) if formula.has_dot else formula.code,
        reml=bool(getattr(request, "reml", False)),
        family=_family_name(family),
        link=None if family is None else _link(family),
        n_quad=int(getattr(request, "n_quad", 1)),
        weights=_argument("weights", request.weights, named),
        offset=_argument("offset", request.offset, named),
        subset=_argument("subset", request.subset, named),
        categorical=_categories(design),
        levels_known=True,
        contrasts=other_codings(design),
        event=design.response_levels[1] if design.response_levels else "1",
        data=_data_name(data),
        residual=None if design.residual is None or fit.is_of_visits else design.residual.expr,
        repeated=_repeated(fit),
        bars=not any(p.terms for p in fit.predictors[1:]),
    )
    described = _with_columns(described, design)
    return replace(described, ddf=getattr(request, "ddf", None) or "satterthwaite", ordered=_ordered(fit))


def _with_columns(described: ModelDescription, design: "Design") -> ModelDescription:
    """The same with the columns of its terms."""
    columns = _fixed_columns(design, described) | _random_columns(design, described.blocks)
    return replace(
        described,
        codings=column_codings(design),
        columns=tuple(columns.items()),
        constant_within=tuple(_constant_within(design, described).items()),
    )


def describe_parts(fit: "MixedFit", request: "ModelRequest") -> ModelDescription:
    """Describe a model of several linear predictors: that of one with the same mean, and what
    belongs to the others.

    Parameters
    ----------
    fit : MixedFit
    request : ModelRequest
    """
    design, family, formula = fit.design, fit.family, fit.design.formula
    of_trials = family.support == "proportion"
    described = describe(
        _without_dot(formula) if formula.has_dot else formula.code,
        family="binomial" if of_trials else "poisson",
        weights=_argument("weights", request.weights, False) if of_trials else None,
        offset=_argument("offset", request.offset, False),
        categorical=_categories(design),
        levels_known=True,
        bars=bool(design.random),
    )
    return replace(_with_columns(described, design), link=str(family.link), components=_components(fit))


#: Names of distributions by those that the core has.
_DISTRIBUTIONS = {
    "poisson": "Poisson",
    "nbinom2": "NegativeBinomial",
    "nbinom1": "NegativeBinomial1",
    "genpois": "GeneralizedPoisson",
    "compois": "ConwayMaxwellPoisson",
    "binomial": "Binomial",
    "betabinomial": "BetaBinomial",
    "beta": "Beta",
    "ordbeta": "OrderedBeta",
    "zoib": "ZeroOneInflatedBeta",
    "gamma": "Gamma",
    "gaussian": "Normal",
    "t": "StudentT",
    "skewnormal": "SkewNormal",
    "lognormal": "LogNormal",
    "lognormal_response": "LogNormal",
    "tweedie": "Tweedie",
}

#: Distributions whose dispersion is a standard deviation.
_WITH_SIGMA = ("Gamma", "Normal", "StudentT", "SkewNormal", "LogNormal")


def _components(fit: "MixedFit") -> ComponentResponse:
    """What belongs to the other predictors."""
    family, keys = fit.family, fit.components
    name = _DISTRIBUTIONS.get(family.kernel, str(family.name))
    symbol = None if "disp" not in keys else "sigma" if name in _WITH_SIGMA else "phi"
    made = []
    for key, own, link, letters in (("zi", "pi", "logit", ("zeta", "z")), ("disp", symbol, "log", ("delta", "d"))):
        p = keys.get(key)
        if p is None or own is None or (key == "disp" and p.formula is None):
            continue
        blocks = [b for b in fit.covariance_blocks() if any(n.startswith("cond.") for n in b.term.names)]
        shared = tuple(b.term.group for b in blocks if any(n.startswith(f"{key}.") for n in b.term.names))
        effects = tuple((term.group, tuple(term.names)) for term in p.terms)
        offsets = tuple(_text_of_offset(v.expr) for v in p.design.formula.offsets)
        made.append(OtherPredictor(own, link, *letters, p.x_names, effects, shared, offsets))
    shapes = tuple(fit.family_params)
    return ComponentResponse(name, "zi" in keys, bool(family.truncated), symbol, shapes, tuple(made))


def _text_of_offset(expr: Expr) -> str:
    inner = without_parens(expr)
    return deparse(without_parens(inner.arguments[0].value) if isinstance(inner, Call) else inner)


def _ordered(fit: "MixedFit") -> OrderedResponse | None:
    """What belongs to ordered categories."""
    if not fit.probability_types:
        return None
    nominal = next((part.names for part in fit.part_effects() if part.name == "nominal"), ())
    columns = tuple(dict.fromkeys(name.split(".", 1)[1] for name in nominal))
    scale = fit.components.get("scale")
    names = len(fit.categories), str(fit.family.link), columns
    if scale is None:
        return OrderedResponse(*names)
    effects = tuple((term.group, tuple(term.names)) for term in scale.terms)
    shared = tuple(b.term.group for b in fit.covariance_blocks() if any(n.startswith("scale.") for n in b.term.names))
    return OrderedResponse(*names, scale.x_names, effects, shared)


def named_arguments(request: "ModelRequest", data: str | None) -> dict[str, str | None]:
    """Name of the data, and texts of the columns that a call names."""
    out: dict[str, str | None] = {"data": _data_name(data)}
    for name in ("weights", "offset", "subset"):
        out[name] = _argument(name, getattr(request, name), True)
    return out


def _repeated(fit: "MixedFit") -> Repeated | None:
    """The structure of a model for repeated measures."""
    residual = fit.design.residual
    c = None if residual is None else residual.expr.correlation
    if not fit.is_of_visits or c is None:
        return None
    name = {"exp": "sp_exp", "gau": "sp_gau"}.get(c.structure, c.structure)
    name += "h" if not c.homogeneous and name != "us" else ""
    by = {v.name for v in c.by}
    subject = tuple(v.name for v in c.subject if v.name not in by)
    return Repeated(name, tuple(v.name for v in c.coordinates), subject, tuple(v.name for v in c.by))


def _family_name(family: Any) -> str | None:
    """The family's name; R has one name for both kinds of negative binomial distributions."""
    if family is None:
        return None
    if family.name == "cumulative":  # written as the binary model that its commands extend
        return "binomial"
    return "nbinom1" if getattr(family, "type", None) == 1 else str(family.name)


def _link(family: Any) -> str:
    """The link; of ordered categories one that the binary model has."""
    has = ("logit", "probit", "cloglog")
    return str(family.link) if family.name != "cumulative" or family.link in has else "logit"


def _argument(name: str, value: Any, named: bool) -> str | None:
    if value is None:
        return None
    if isinstance(value, str):
        try:
            parse_expression(value)
        except FormulaError:  # a column's name that no expression could be
            return quoted_name(value)
        return value
    if not named:
        return None
    raise TranslationError(
        "Other programs",
        f"the {name}",
        "they were given as values, which have no name; put them into the data and name the column.",
    )


def _data_name(name: str | None) -> str:
    stem = (name or "").rsplit("/", 1)[-1].split(".", 1)[0]
    return stem if stem.isidentifier() else "data"


def _without_dot(formula: Formula) -> str:
    terms = [t.label for t in formula.fixed] + [v.label for v in formula.offsets]
    terms += [kind_of(r.structure).call.format(r.text) for r in formula.random]
    return formula_text(
        None if formula.response is None else formula.response.label, terms, intercept=formula.intercept
    )


def _column(expr: Expr) -> str | None:
    """The column inside ``factor(column)``."""
    inner = without_parens(expr)
    while isinstance(inner, Call) and inner.arguments:
        inner = without_parens(inner.arguments[0].value)
    return inner.name if isinstance(inner, Name) else None


def _categories(design: "Design") -> list[Categorical]:
    out = {}
    references = reference_levels(design)
    for label, levels in design.encoder.levels.items():
        name = _column(parse_expression(label))
        if name is not None:
            out[name] = Categorical(name, tuple(map(str, levels)), references.get(label))
    return list(out.values())


def _fixed_columns(design: "Design", model: ModelDescription) -> dict[str, tuple[str, ...]]:
    out = {}
    for number, term in enumerate(model.fixed, start=1):
        names = tuple(n for n, t in zip(design.x_names, design.x_assign, strict=True) if t == number)
        if names and names != (term.label,):
            out[term.label] = names
    return out


def _random_columns(design: "Design", blocks: tuple[Block, ...]) -> dict[str, tuple[str, ...]]:
    out: dict[str, tuple[str, ...]] = {}
    for block in blocks:
        for random in design.random:
            if set(random.factors) != {quoted_name(g) for g in block.group} and set(random.factors) != set(block.group):
                continue
            labels = list(dict.fromkeys(x for x in random.labels if x != "(Intercept)"))
            for label, term in zip(labels, block.terms, strict=False):
                if len(labels) != len(block.terms):
                    continue
                names = tuple(n for n, x in zip(random.names, random.labels, strict=True) if x == label)
                if names != (term.label,):
                    out[f"{term.label} | {block.label}"] = names
    return out


def _constant_within(design: "Design", model: ModelDescription) -> dict[str, str]:
    """The columns that do not vary within a grouping factor,
    with the one that has the fewest levels; none where there are no rows to see it in.
    """
    if design.rows is None:
        return {}
    one_level = {r.group: r for r in design.random if r.has_one_level}
    groups = sorted(one_level.values(), key=lambda r: len(r.levels))
    out = {}
    for number, term in enumerate(model.fixed, start=1):
        if len(term.variables) != 1:
            continue
        x = design.x[:, [j for j, t in enumerate(design.x_assign) if t == number]]
        group = next((r for r in groups if _is_constant(x, r.codes)), None)
        if group is not None:
            block = next((b for b in model.blocks if set(b.group) == {f.strip("`") for f in group.factors}), None)
            if block is not None:
                out[term.variables[0].name] = block.label
    return out


def _is_constant(x: NDArray[np.float64], codes: NDArray[np.int32]) -> bool:
    if not x.shape[1] or not len(codes):
        return False
    first = np.zeros(int(codes.max()) + 1, dtype=np.intp)
    # Written backwards, so that the first row of each level stays.
    first[codes[::-1]] = np.arange(len(codes))[::-1]
    return bool(np.array_equal(x, x[first[codes]]))


def why_unwritten(design: "Design", language: str) -> tuple[str, str] | None:
    """The part of a fit without which its model would be another one in every language, and what to
    do; None where there is none. Models of brms have priors of their own.
    """
    if design.sampling is not None:
        return "sampling_weights", "they are not written, and without them the estimates are others; fit without them."
    if design.priors and language.lower() != "brms":
        return "prior", "it is not written, and without it the estimates are others; in 'brms' brm() takes priors."
    return None
