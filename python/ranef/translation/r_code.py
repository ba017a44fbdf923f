"""Calls in R code: found, parsed, and their arguments matched as R does."""

import re
from typing import get_args

from ranef.errors import TranslationError
from ranef.formula import deparse, parse_expression
from ranef.formula.syntax import Binary, Call, Constant, Expr, Name, Number, String, without_parens
from ranef.formula.tokens import tokenize
from ranef.options import ContrastKind
from ranef.translation.composition import Reading

KINDS = get_args(ContrastKind)

_OF_COLUMN = re.compile(
    r"""contrasts\(\s*[\w.]+(?:\$|\[\[["'])(?P<name>`[^`]+`|[\w.]+)(?:["']\]\])?[^)]*\)"""
    r"""\s*(?:<-|=)\s*["']?(?P<kind>[\w.:]+)"""
)
_OF_SESSION = re.compile(r"""options\(\s*contrasts\s*=\s*(?P<kinds>c\([^)]*\)|["'][\w.]+["'])""")


def find_call(text: str, functions: tuple[str, ...], language: str) -> Call:
    """Find the first call of one of some functions.

    Parameters
    ----------
    text : str
        R code: comments, assignments and other calls may stand around it.
    functions : tuple of str
    language : str
        For messages.
    """
    tokens = tokenize(text)
    for i, token in enumerate(tokens[:-1]):
        opening = tokens[i + 1]
        if token.kind != "name" or token.value not in functions or (opening.kind, opening.value) != ("operator", "("):
            continue
        depth = 0
        for closing in tokens[i + 1 :]:
            if closing.kind == "operator":
                depth += {"(": 1, ")": -1}.get(closing.value, 0)
                if depth == 0:
                    found = parse_expression(text[token.start : closing.stop])
                    assert isinstance(found, Call)
                    return found
        raise TranslationError(
            language, token.value, "its parenthesis is never closed.", text.count("\n", 0, token.start) + 1
        )
    raise TranslationError(
        language, "the text", f"there is no call of {' or '.join(f'{f}()' for f in functions)} in it."
    )


def arguments(node: Call, parameters: tuple[str, ...], language: str) -> dict[str, Expr]:
    """Match arguments: full names, then beginnings of names, then by position."""
    out: dict[str, Expr] = {}
    rest: list[Expr] = []
    for argument in node.arguments:
        if argument.keyword is None:
            rest.append(argument.value)
            continue
        full = [p for p in parameters if p == argument.keyword] or [
            p for p in parameters if p.startswith(argument.keyword)
        ]
        if len(full) != 1:
            raise TranslationError(
                language,
                f"the argument {argument.keyword}",
                f"{node.function}() has no such argument here; it has {', '.join(parameters)}.",
            )
        out[full[0]] = argument.value
    free = [p for p in parameters if p not in out]
    if len(rest) > len(free):
        raise TranslationError(language, deparse(rest[-1]), f"{node.function}() has no further argument.")
    out.update(zip(free, rest, strict=False))
    return out


def require_formula(node: Expr | None, language: str, what: str = "the formula") -> Binary:
    """See that an argument is a formula with two sides."""
    inner = None if node is None else without_parens(node)
    if isinstance(inner, Call) and inner.function in ("formula", "as.formula") and len(inner.arguments) == 1:
        inner = without_parens(inner.arguments[0].value)
    if not isinstance(inner, Binary) or inner.operator != "~":
        shown = "nothing" if inner is None else deparse(inner)
        raise TranslationError(language, what, f"it must be written in the call, as in y ~ x; this is {shown}.")
    return inner


def data_of(node: Expr | None) -> str:
    """The name of the data."""
    return node.name if isinstance(node, Name) else "data"


def truth(node: Expr, part: str, language: str) -> bool:
    """The value of TRUE or FALSE."""
    inner = without_parens(node)
    if isinstance(inner, Constant) and inner.word in ("TRUE", "FALSE"):
        return inner.word == "TRUE"
    if isinstance(inner, Name) and inner.name in ("T", "F"):
        return inner.name == "T"
    raise TranslationError(language, part, f"it must be TRUE or FALSE, not {deparse(node)}.")


def whole_number(node: Expr, part: str, language: str) -> int:
    """The value of a whole number."""
    inner = without_parens(node)
    if isinstance(inner, Number) and inner.value == int(inner.value):
        return int(inner.value)
    raise TranslationError(language, part, f"it must be a whole number, not {deparse(node)}.")


def word(node: Expr) -> str:
    """A name, quoted or not."""
    inner = without_parens(node)
    return inner.value if isinstance(inner, String) else inner.name if isinstance(inner, Name) else deparse(inner)


def is_null(node: Expr) -> bool:
    """Whether an argument is NULL."""
    return isinstance(node, Constant) and node.word == "NULL"


def read_rows(reading: Reading, given: dict[str, Expr]) -> None:
    """Read the arguments weights, subset and offset, and say which were left out."""
    for name in ("weights", "subset"):
        if name in given and not is_null(given[name]):
            setattr(reading, name, deparse(given[name]))
    if "offset" in given and not is_null(given["offset"]):
        reading.formula += f" + offset({deparse(given['offset'])})"
    for name in ("control", "start", "na.action"):
        if name in given:
            reading.note(f"{name} was left out; the call here has its own.")


def one_sided(node: Expr | None, what: str, language: str) -> str | None:
    """The text of a formula without a response; None where it is none, or has no terms."""
    if node is None or is_null(node):
        return None
    text = deparse(without_parens(node))
    if not text.startswith("~"):
        raise TranslationError(language, what, f"it must be a formula such as ~ x, not {text}.")
    text = f"~ {text.removeprefix('~').strip()}"
    return None if text.replace(" ", "") in ("~0", "~-1") else text


def contrasts_before(text: str, reading: Reading) -> None:
    """Read contrasts that are set before the call: ``contrasts(d$f) <- contr.sum(3)`` of a column,
    and ``options(contrasts = c("contr.sum", "contr.poly"))`` of the session.
    """
    for match in _OF_COLUMN.finditer(text):
        name = match["name"].strip("`")
        kind = match["kind"].removeprefix("contr.")
        if kind not in KINDS:
            raise TranslationError(
                reading.language,
                f"the contrasts of {name}",
                "only contrasts by name are translated, such as contr.sum; give a matrix as contrasts={...}.",
            )
        reading.contrasts[name] = kind
    for match in _OF_SESSION.finditer(text):
        names = [word.removeprefix("contr.") for word in re.findall(r"contr\.\w+", match["kinds"])]
        if names and names != ["treatment", "poly"]:
            shown = repr(names[0]) if len(names) == 1 or names[1] == "poly" else repr(tuple(names))
            reading.note(f"the contrasts of the session are ranef.options(contrasts={shown}) here.")


def contrasts_of(node: Expr, language: str) -> dict[str, str]:
    """``list(f = "contr.sum")`` as a dict of names of codings."""
    inner = without_parens(node)
    if isinstance(inner, Constant) and inner.word == "NULL":
        return {}
    if isinstance(inner, Call) and inner.function == "list":
        out = {a.keyword: word(a.value).removeprefix("contr.") for a in inner.arguments if a.keyword}
        if len(out) == len(inner.arguments) and set(out.values()) <= set(KINDS):
            return out
    raise TranslationError(language, "contrasts", 'only contrasts by name are translated, as in list(f = "contr.sum").')
