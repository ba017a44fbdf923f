"""Stata's factor-variable notation: ``i.f``, ``c.x##i.f``, ``ib2.f``, ``i.(a b)``, and the older
``i.a*i.b`` of the prefix xi.
"""

import re

from ranef.translation.composition import Columns, Effect
from ranef.translation.scanner import Reader

Operand = list[tuple[tuple[str, str], ...]]
"""Columns of one factor of a product, each with its prefix: ``i``, ``c`` or none."""


def factor_terms(reader: Reader, columns: Columns) -> list[Effect]:
    """One word of a list of variables: a column, or a product in factor-variable notation."""
    operands = [_operand(reader, columns)]
    joins: list[str] = []
    while True:
        if _older_product(reader):
            # i.a|x are slopes over x that differ, from one intercept.
            joins.append("##" if reader.take().value == "*" else "|")
            # A column is a number there unless it has the prefix i.
            operands.append(_operand(reader, columns, "c"))
        elif sign := reader.accept("#", "##"):
            joins.append(sign.value)
            operands.append(_operand(reader, columns))
        else:
            break
    if not joins:
        # A column by itself is a number unless it has the prefix i.
        return [tuple(n for n, _ in o) for o in _marked(operands[0], columns, alone=True)]
    marked = [_marked(o, columns, alone=False) for o in operands]
    effects = [tuple(n for n, _ in o) for o in marked[0]]
    for join, right in zip(joins, marked[1:], strict=True):
        others = [tuple(n for n, _ in o) for o in right]
        both = [a + b for a in effects for b in others]
        effects = [*effects, *others, *both] if join == "##" else [*others, *both] if join == "|" else both
    return list(dict.fromkeys(effects))


def _older_product(reader: Reader) -> bool:
    """Whether the next token is the sign of a product of the older prefix xi, as in
    ``i.a*i.b`` or ``i.a|x``, and not of a pattern of names.
    """
    following = reader.ahead()
    return reader.sees("*", "|") and not reader.token.spaced and following.kind == "word" and not following.spaced


def _operand(reader: Reader, columns: Columns, prefix: str = "") -> Operand:
    """Columns with the kind that their prefix gives:
    ``i``, ``c`` or none; several in parentheses.
    """
    token = reader.take()
    if token.kind == "symbol" and token.value == "(":
        reader.at -= 1
        inner, out = reader.inside(), []
        while not inner.done:
            out += _operand(inner, columns, prefix)
            while inner.accept("#", "##"):
                inner.fail(
                    "a product inside parentheses has no translation; write the products out.", part="the parentheses"
                )
        return out
    if token.kind != "word":
        reader.fail("the name of a column is missing here.", token)
    if reader.sees(".") and not reader.token.spaced:
        kind = re.fullmatch(r"(i|c)|i?bn?(\d+)?", token.lower)
        level = None
        reader.take()
        if token.lower == "ib" and reader.sees("("):
            reader.fail("name the base level by its number, as in ib2.x.", token, "ib()")
        if kind is None:
            what = "time-series operators" if token.lower[0] in "lfds" else "single levels of factors"
            reader.fail(f"{what} have no translation; make a column of the values.", token, f"{token.value}.")
        level = kind[2]
        out = _operand(reader, columns, kind[1] or "i")
        if level is not None:
            for part in out:
                for name, _ in part:
                    columns.factors[columns.name(name)] = level
        return out
    if reader.sees("*") and not reader.token.spaced and (factor := _expanded(token.value, columns)):
        reader.take()
        return [((columns.name(factor), "i"),)]
    if reader.sees("-", "*", "?") and not reader.token.spaced and not (prefix == "i" and _older_product(reader)):
        reader.fail(
            "a range or pattern of columns depends on the file; name each column.",
            token,
            f"{token.value}{reader.token.value}",
        )
    return [((columns.name(token.value), prefix),)]


def _expanded(stub: str, columns: Columns) -> str | None:
    """The factor whose columns ``_Istub_*`` the command ``xi i.factor`` has made."""
    if not (stub.startswith("_I") and stub.endswith("_")):
        return None
    return next((name for name in columns.expanded if name.startswith(stub[2:-1])), None)


def _marked(operand: Operand, columns: Columns, alone: bool) -> Operand:
    """Note which columns are categorical:
    those with the prefix i, and in products those without c.
    """
    for part in operand:
        for name, prefix in part:
            if prefix == "i" or (not alone and not prefix and name not in columns.factors):
                columns.factors.setdefault(name, None)
    return operand
