"""The structure term of ``mmrm``: ``y ~ arm * visit + us(visit | id)``."""

from functools import lru_cache

from ranef.formula.formula import sides
from ranef.formula.parser import parse_expression
from ranef.formula.residual import CorrelationExpr, ResidualExpr, StructureKind, correlation_of
from ranef.formula.syntax import Binary, Call, Name, is_bar, walk, without_parens
from ranef.formula.tokens import fail

#: Structures by the names that they have in R's mmrm. Without an h, and but for ``us``, there is
#: one variance for all visits.
STRUCTURES = {
    "us": StructureKind("us", {"hom": False}, levels=True),
    "cs": StructureKind("cs", {"hom": True}, levels=True),
    "csh": StructureKind("cs", {"hom": False}, levels=True),
    "ar1": StructureKind("ar1", {"hom": True}, levels=True),
    "ar1h": StructureKind("ar1", {"hom": False}, levels=True),
    "ad": StructureKind("ad", {"hom": True}, levels=True),
    "adh": StructureKind("ad", {"hom": False}, levels=True),
    "toep": StructureKind("toep", {"hom": True}, levels=True),
    "toeph": StructureKind("toep", {"hom": False}, levels=True),
    "sp_exp": StructureKind("exp", {}, spatial=True),
    "sp_gau": StructureKind("gau", {}, spatial=True),
}

_KNOWN = f"the structures are {', '.join(STRUCTURES)}."


@lru_cache(maxsize=64)
def split_repeated(text: str, dots: bool = False) -> tuple[str, ResidualExpr, str]:
    """Take the structure term out of a formula.

    Parameters
    ----------
    text : str
    dots : bool
        Whether it is a change of a formula, in which ``.`` stands for what was there.

    Returns
    -------
    fixed : str
        The formula without it; blanks stand in its place, so that positions are those of the text.
    residual : ResidualExpr
    term : str
        The structure term as written.

    Raises
    ------
    FormulaError
        Where there is not exactly one, or a random effect.
    """
    _, right = sides(parse_expression(text), text)
    found: list[tuple[Call, tuple[int, int]]] = []
    node, after = right, right.span[1]
    while True:
        inner = node
        last = inner.right if isinstance(inner, Binary) and inner.operator in ("+", "-") else inner
        call = without_parens(last)
        if is_bar(call):
            fail(
                "mmrm() has no random effects. Rows of a subject that are correlated beside random effects are fitted "
                "by lmer(..., correlation=).",
                text,
                *call.span,
            )
        if isinstance(call, Call) and any(is_bar(without_parens(a.value)) for a in call.arguments):
            # with the sign before it; of the first term with the sign after it
            start = inner.left.span[1] if inner is not last and isinstance(inner, Binary) else last.span[0]
            stop = last.span[1] if inner is not last else after
            found.append((call, (start, stop)))
        elif any(is_bar(part) for part in walk(last)):
            fail("a structure such as us(visit | id) is added to the other terms.", text, *last.span)
        if inner is last or not isinstance(inner, Binary):
            break
        node, after = inner.left, inner.right.span[0]
    if not found:
        fail(
            f"there is no structure of the visits of a subject, such as us(visit | id); {_KNOWN}",
            text,
            *right.span,
        )
    if len(found) > 1:
        fail("there is more than one structure; the visits of a subject have one.", text, *found[0][0].span)
    call, (start, stop) = found[0]
    for part in walk(right):
        if isinstance(part, Name) and part.name == "." and not dots:
            fail("'.' would take in the visit and the subject too; name the effects.", text, *part.span)
    expr = structure_of(call, text)
    rest = text[:start] + " " * (stop - start) + text[stop:]
    if not rest[right.span[0] :].strip():
        rest = text[:start] + "1".ljust(stop - start) + text[stop:]
    return rest, ResidualExpr(expr, ()), text[slice(*call.span)]


def structure_of(call: Call, text: str) -> CorrelationExpr:
    """The structure of its call."""
    for a in call.arguments:
        if a.keyword is not None:
            fail(f"structures of mmrm() have no options, but names: {_KNOWN}", text, *a.value.span)
    expr = correlation_of(call, text, STRUCTURES, _KNOWN)
    if not expr.coordinates:
        fail(f"the visits are missing: {call.function}(visit | subject).", text, *call.span)
    if not expr.subject:
        fail(f"the subjects are missing: {call.function}(visit | subject).", text, *call.span)
    return expr
