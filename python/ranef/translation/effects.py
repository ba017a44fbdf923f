"""Effects as SPSS and SAS write them:
``a``, ``a*b``, ``a BY b``, and ``a(b)`` for a nested in b.
"""

from ranef.translation.composition import Columns, Effect
from ranef.translation.naming import Product
from ranef.translation.scanner import Reader

INTERCEPTS = ("intercept", "int")


def read_effect(reader: Reader, columns: Columns, joined_by: tuple[str, ...] = ("*",)) -> Effect:
    """Read one effect; nesting is an interaction with what stands in parentheses."""
    names = [_column(reader, columns)]
    while True:
        if reader.accept(*joined_by):
            names.append(_column(reader, columns))
        elif reader.sees("("):
            inner = reader.inside()
            while not inner.done:
                names.append(_column(inner, columns))
                inner.accept(*joined_by)
        else:
            return tuple(names)


def read_subject(reader: Reader, columns: Columns) -> tuple[str, ...]:
    """Read grouping columns: an effect whose outer factors come first."""
    effect = read_effect(reader, columns, ("*", "by"))
    if not reader.done:
        reader.fail("this cannot be understood among the subjects.")
    return effect


def _column(reader: Reader, columns: Columns) -> str:
    token = reader.word("the name of a column")
    following = reader.token
    if following.lower == "to" and following.kind == "word":
        reader.fail("a range of columns depends on the file; name each column.", following, "TO")
    return columns.name(token.value)


def effect_text(product: Product, join: str = "*") -> str:
    """Write an effect."""
    return join.join(name for name, _ in product)
