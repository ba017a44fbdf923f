"""nlme's corStruct and varFunc objects, and the covariance structures of rows here."""

from collections.abc import Callable
from typing import Any

from ranef.errors import FormulaError, TranslationError
from ranef.formula import deparse
from ranef.formula.residual import CorrelationExpr, ResidualExpr, VarianceExpr
from ranef.formula.residual_nlme import from_nlme
from ranef.formula.syntax import Argument, Binary, Call, Expr, Number, without_parens
from ranef.formula.terms import Variable
from ranef.translation.repeated import Repeated, structure_text

LANGUAGE = "nlme"

_CORRELATIONS = {
    "us": "corSymm",
    "cs": "corCompSymm",
    "ar1": "corAR1",
    "arma": "corARMA",
    "car1": "corCAR1",
    "exp": "corExp",
    "gau": "corGaus",
    "linear": "corLin",
    "spherical": "corSpher",
    "rational_quadratic": "corRatio",
}
_VARIANCES = {
    "by_group": "varIdent",
    "power": "varPower",
    "exponential": "varExp",
    "const_power": "varConstPower",
    "fixed": "varFixed",
}


def residual_part(parse: Callable[[str], Any], node: Expr, argument: str) -> str:
    """The text here of nlme's ``correlation`` or ``weights``."""
    text = deparse(node)
    try:
        found = parse(text)
    except FormulaError as problem:
        raise TranslationError(LANGUAGE, f"{argument} = {text}", str(problem).split("\n", 1)[0]) from None
    return found.code if isinstance(found, CorrelationExpr) else " * ".join(f.code for f in found)


def within_groups(node: Expr, groups: Expr) -> Expr:
    """A correlation with these blocks where it names none: nlme's default beside random effects."""
    call = without_parens(from_nlme(node))
    if not isinstance(call, Call) or call is without_parens(node):  # unknown to nlme
        return node
    plain = [a.value for a in call.arguments if a.keyword is None]
    if any(isinstance(value, Binary) and value.operator == "|" for value in plain):
        return node
    position = plain[-1] if plain else Number(1.0)
    options = [a for a in call.arguments if a.keyword is not None]
    return Call(call.function, (Argument(Binary("|", position, groups)), *options))


def residual_arguments(expr: ResidualExpr) -> list[str]:
    """The arguments ``correlation`` and ``weights`` of nlme."""
    out, functions = [], [_variance(f) for f in expr.variance]
    c = expr.correlation
    if c is not None:
        out.append(f"correlation = {_correlation(c)}")
        if not c.homogeneous:
            if not c.coordinates:
                raise TranslationError(
                    LANGUAGE,
                    c.code,
                    "a variance for each position needs a column that names it; nlme's varIdent takes one.",
                )
            functions.append(f"varIdent(form = ~ 1 | {c.coordinates[0].label})")
    return [*out, *weights_argument(functions)]


def repeated_arguments(repeated: Repeated) -> tuple[str, list[str]]:
    """The argument ``correlation`` of a model for repeated measures, and its variance functions."""
    heterogeneous = repeated.structure != "us" and repeated.structure.endswith("h")
    structure = _CORRELATIONS.get(repeated.structure.removesuffix("h").removeprefix("sp_"))
    if structure is None or repeated.group:
        what = "groups with parameters of their own" if repeated.group else f"the structure {repeated.structure}()"
        raise TranslationError(
            LANGUAGE, structure_text(repeated, None), f"nlme has no words for {what}; to_syntax('r') writes mmrm's."
        )
    if len(repeated.subject) != 1:
        raise TranslationError(
            LANGUAGE, ":".join(repeated.subject), "blocks are the levels of one column in nlme; make a column of them."
        )
    spatial = repeated.structure.startswith("sp_")
    position = " + ".join(repeated.visits) if spatial else f"as.integer({repeated.visits[0]})"
    position = "1" if structure == "corCompSymm" else position
    by_visit = heterogeneous or repeated.structure == "us"
    correlation = f"correlation = {structure}(form = ~ {position} | {repeated.subject[0]})"
    return correlation, [f"varIdent(form = ~ 1 | {repeated.visits[0]})"] if by_visit else []


def weights_argument(functions: list[str]) -> list[str]:
    """The argument ``weights`` of nlme for a product of variance functions; none without any."""
    if len(functions) < 2:
        return [f"weights = {f}" for f in functions]
    return [f"weights = varComb({', '.join(functions)})"]


def _correlation(c: CorrelationExpr) -> str:
    if c.structure not in _CORRELATIONS or c.by:
        what = "groups with parameters of their own" if c.by else f"the structure {c.structure}()"
        raise TranslationError(LANGUAGE, c.code, f"nlme has no words for {what}.")
    names = [_whole(v) if c.structure == "us" else v.label for v in c.coordinates]
    left = " + ".join(names) if names and c.structure != "cs" else "1"
    form = f"form = ~ {left}" + (f" | {_crossed(c.subject)}" if c.subject else "")
    more = []
    if c.structure == "arma":
        more += [f"p = {c.orders[0]}", f"q = {c.orders[1]}"]
    if c.nugget:
        more.append("nugget = TRUE")
    if c.metric != "euclidean":
        more.append(f'metric = "{c.metric}"')
    return f"{_CORRELATIONS[c.structure]}({', '.join([form, *more])})"


def _whole(v: Variable) -> str:
    """corSymm numbers its positions."""
    return f"as.integer({v.label})"


def _crossed(variables: tuple[Variable, ...]) -> str:
    if len(variables) > 1:
        raise TranslationError(
            LANGUAGE,
            ":".join(v.label for v in variables),
            "blocks are the levels of one column in nlme; make a column of the combinations.",
        )
    return variables[0].label


def _variance(f: VarianceExpr) -> str:
    by = " * ".join(v.label for v in f.by)
    if f.function == "by_group":
        return f"varIdent(form = ~ 1 | {by})"
    of = "fitted(.)" if f.of is None else f.of.label
    if f.function == "fixed":
        return f"varFixed(~ {of})"
    return f"{_VARIANCES[f.function]}(form = ~ {of}{f' | {by}' if by else ''})"
