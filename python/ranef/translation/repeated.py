"""The covariance of the rows of a subject, as programs with a REPEATED statement have it."""

from dataclasses import dataclass, replace

from ranef.errors import TranslationError
from ranef.formula.residual import ResidualExpr
from ranef.formula.syntax import Call, Name, without_parens
from ranef.formula.terms import Variable


@dataclass(frozen=True, slots=True)
class Repeated:
    """How the rows of a subject are correlated.

    Attributes
    ----------
    structure : str
        By its name in ``mmrm``, such as ``ar1h``; ``vc`` and ``vch`` for independent rows with one
        variance or one for each visit, ``ushom`` with correlations only, ``arma11``, ``sp_...``.
    visits : tuple of str
        The column of the visit, or coordinates; none where the order of the rows is the position.
    subject, group : tuple of str
        Columns; those of groups with parameters of their own.
    """

    structure: str
    visits: tuple[str, ...]
    subject: tuple[str, ...]
    group: tuple[str, ...] = ()


#: Correlations over distances that other programs have too.
SPATIAL = {
    "car1": "sp_exp",
    "exp": "sp_exp",
    "gau": "sp_gau",
    "spherical": "sp_sph",
    "linear": "sp_lin",
    "mat": "sp_mat",
}


def beside_effects(term: str) -> str:
    """A structure term of ``mmrm`` as the argument ``correlation`` of ``lmer``."""
    if term.startswith("arma"):
        return term
    name, _, inside = term.partition("(")
    where, _, blocks = inside.removesuffix(")").partition(" | ")
    options = ""
    if "/" in blocks:
        group, blocks = blocks.split("/")
        options = f", by={group}"
    if name.startswith("sp_"):
        return f"{name.removeprefix('sp_')}({where} | {blocks}{options})"
    if name not in ("us", "cs", "toep", "ad", "ar1"):
        name, options = name.removesuffix("h"), f"{options}, hom=False"
    return f"{name}({where} | {blocks}{options})"


def rows_of(repeated: Repeated | None, expr: ResidualExpr | None, language: str) -> Repeated | None:
    """The covariance of the rows as one of visits; None where they are independent."""
    return repeated if repeated is not None or expr is None else repeated_rows(expr, language)


def structure_text(repeated: Repeated | None, expr: ResidualExpr | None) -> str:
    """The covariance structure of the rows as it is written; empty for independent rows."""
    if repeated is not None:
        where = "/".join((*repeated.group, *repeated.subject))
        return f"{repeated.structure}({', '.join(repeated.visits)} | {where})"
    return "" if expr is None else " * ".join(filter(None, (expr.correlation_code, expr.variance_code)))


def block_text(repeated: Repeated | None, expr: ResidualExpr | None) -> str:
    """What the rows share that are correlated; empty where all are, or none."""
    if repeated is not None:
        return ":".join(repeated.subject)
    c = None if expr is None else expr.correlation
    return "" if c is None else ":".join(v.label for v in c.subject)


def repeated_rows(expr: ResidualExpr, language: str) -> Repeated:
    """The covariance structure of ``gls`` and ``lmer`` as one of visits.

    Parameters
    ----------
    expr : ResidualExpr
    language : str
        For messages.

    Raises
    ------
    TranslationError
        For variances that depend on a covariate, and structures that are no type of REPEATED.
    """
    c = expr.correlation
    grouped: tuple[str, ...] = ()
    for f in expr.variance:
        if f.function != "by_group" or grouped:
            raise TranslationError(
                language, f.code, "there, variances of rows differ by groups only; to_syntax('nlme') writes this model."
            )
        grouped = tuple(_column(v, language) for v in f.by)
    if c is None:
        return Repeated("vc", (), (), grouped)
    visits = tuple(_column(v, language) for v in c.coordinates)
    by = tuple(_column(v, language) for v in c.by)
    subject = tuple(_column(v, language) for v in c.subject if v not in c.by)
    refused = TranslationError(language, c.code, "there is no such structure there; to_syntax('nlme') may have it.")
    if c.structure in SPATIAL:
        name = SPATIAL[c.structure]
        if c.nugget or c.metric != "euclidean":
            raise refused
    elif c.structure == "arma":
        if c.orders not in ((1, 0), (1, 1)):
            raise refused
        name = "ar1" if c.orders == (1, 0) else "arma11"
    elif c.structure in ("us", "cs", "ar1", "toep", "ad"):
        name = c.structure
    else:
        raise refused
    found = Repeated(name, visits, subject, by)
    if name == "us":
        found = replace(found, structure="ushom" if c.homogeneous else "us")
    elif not c.homogeneous:
        found = replace(found, structure=f"{name}h")
    if not grouped:
        return found
    if grouped == visits and found.structure in ("cs", "ar1", "toep", "ad", "ushom"):
        return replace(found, structure="us" if name == "us" else f"{name}h")
    raise TranslationError(
        language,
        expr.variance_code or "",
        "there, GROUP= gives the correlations their own values in each group too; to_syntax('nlme') writes this model.",
    )


def _column(v: Variable, language: str) -> str:
    """The column inside ``factor(column)``."""
    inner = without_parens(v.expr)
    while isinstance(inner, Call) and inner.function in ("factor", "as.factor") and len(inner.arguments) == 1:
        inner = without_parens(inner.arguments[0].value)
    if not isinstance(inner, Name):
        raise TranslationError(
            language, v.label, "positions and blocks are columns there; put this one into the data and name it."
        )
    return inner.name
