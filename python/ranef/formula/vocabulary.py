"""The functions a formula may call: their names and parameters.

What they compute is defined in `ranef.design`.
"""

import difflib
from dataclasses import dataclass

from ranef.formula.deparse import deparse
from ranef.formula.syntax import Argument, Call, Constant, Expr, Number, walk
from ranef.formula.tokens import fail


@dataclass(frozen=True, slots=True)
class Signature:
    """The parameters of a function in R's order.

    Parameters
    ----------
    parameters : tuple of str
        Names; those after the first `required` may be left out.
    required : int
        How many must be given.
    variadic : bool
        Whether it takes any number of unnamed arguments.
    positional : int, optional
        How many of the parameters can be given by position; the others must be named. By default
        all, and none of a variadic function.
    """

    parameters: tuple[str, ...] = ()
    required: int = 0
    variadic: bool = False
    positional: int | None = None


_ONE = Signature(("x",), 1)
_MANY = Signature(variadic=True, required=1)
_EXTREME = Signature(("na.rm",), variadic=True, required=1)

ELEMENTWISE = (
    "log2", "log10", "log1p", "exp", "expm1", "sqrt", "abs", "sign", "floor", "ceiling", "trunc",
    "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "sinpi", "cospi",
    "plogis", "qlogis", "pnorm", "qnorm", "gamma", "lgamma",
)  # fmt: skip
"""Functions of one number."""

SUMMARIES = ("mean", "median", "sd", "var", "min", "max", "sum")
"""Functions of a column whose value is one number, kept for new rows."""

CONTRASTS = ("contr.treatment", "contr.sum", "contr.helmert", "contr.poly", "contr.SAS", "contr.sdif")
"""Functions that make a contrast matrix; they stand inside ``C()``."""

SIGNATURES: dict[str, Signature] = {
    **dict.fromkeys(ELEMENTWISE, _ONE),
    **dict.fromkeys(("mean", "var"), Signature(("x", "na.rm"), 1, positional=1)),
    **dict.fromkeys(("median", "sd"), Signature(("x", "na.rm"), 1)),
    **dict.fromkeys(("min", "max", "sum", "pmin", "pmax"), _EXTREME),
    **dict.fromkeys(
        (
            "I",
            "as.factor",
            "as.ordered",
            "as.numeric",
            "as.double",
            "as.integer",
            "as.character",
            "as.logical",
            "as.vector",
        ),
        _ONE,
    ),
    **dict.fromkeys(("is.na", "levels", "rev", "droplevels", "length"), _ONE),
    **dict.fromkeys(("c", "cbind"), _MANY),
    **dict.fromkeys(CONTRASTS[1:], Signature(("n",))),
    "contr.treatment": Signature(("n", "base")),
    "log": Signature(("x", "base"), 1),
    "round": Signature(("x", "digits"), 1),
    "signif": Signature(("x", "digits"), 1),
    "poly": Signature(("x", "degree", "raw", "simple"), 1, variadic=True, positional=1),
    "scale": Signature(("x", "center", "scale"), 1),
    "bs": Signature(("x", "df", "knots", "degree", "intercept", "Boundary.knots"), 1),
    "ns": Signature(("x", "df", "knots", "intercept", "Boundary.knots"), 1),
    "quantile": Signature(("x", "probs"), 1),
    "seq": Signature(("from", "to", "by", "length.out"), 2),
    "factor": Signature(("x", "levels", "labels", "exclude", "ordered"), 1),
    "ordered": Signature(("x", "levels", "labels"), 1),
    "relevel": Signature(("x", "ref"), 2),
    "C": Signature(("object", "contr", "how.many", "base"), 1),
    "interaction": Signature(("sep", "drop", "lex.order"), required=1, variadic=True),
    "paste": Signature(("sep",), required=1, variadic=True),
    "paste0": _MANY,
    "cut": Signature(("x", "breaks", "labels", "include.lowest", "right", "dig.lab", "ordered_result"), 2),
    "ifelse": Signature(("test", "yes", "no"), 3),
    "dummy": Signature(("f", "levelsToKeep"), 1),
    "offset": Signature(("object",), 1),
    "ave": Signature(required=1, variadic=True),
}
"""Every function and its parameters."""

STRUCTURES = {
    "us": "unstructured",
    "diag": "diagonal",
    "cs": "compound_symmetry",
    "ar1": "ar1",
    "toep": "toeplitz",
    "exp": "exp",
    "gau": "gau",
    "mat": "mat",
}
"""Covariance structures that may stand around a bar term,
and what `RandomExpr.structure` calls them.
"""
HOMOGENEOUS = {
    "diag": "homogeneous_diagonal",
    "cs": "homogeneous_compound_symmetry",
    "ar1": "ar1",
    "toep": "homogeneous_toeplitz",
}
"""Structures with one standard deviation for all effects, by ``hom=True``."""
HETEROGENEOUS = {"diag": "diagonal", "cs": "compound_symmetry", "ar1": "heterogeneous_ar1", "toep": "toeplitz"}
"""Structures with a standard deviation for each effect, by ``hom=False``."""

POSITIONED = ("exp", "gau", "mat")
"""Structures over the coordinates that stand to the left of the bar."""

METRICS = ("euclidean", "manhattan", "maximum")
"""Distances between coordinates."""
NUGGET = "nugget"
"""What `RandomExpr.structure` has behind the name, after a colon, for ``nugget=True``."""


def is_positioned(structure: str) -> bool:
    """Whether a structure is over coordinates; options may stand behind its name."""
    return structure.partition(":")[0] in POSITIONED


_OF_LEVELS = {
    "known": "known() stands around a plain random-effects term and the name of a matrix, as known(1 | id, A).",
    "mm": "mm() stands alone to the right of a bar, as (1 | mm(t1, t2)), and its factor is neither nested nor crossed.",
}
"""What has its place in a random-effects term, and what to say of it elsewhere."""


_NAMED_FREELY = ("cbind", "c")


def check_calls(node: Expr, text: str) -> None:
    """See that every function in an expression exists and is called with arguments it has.

    Raises
    ------
    FormulaError
        With a caret under the first call that is wrong.
    """
    for part in walk(node):
        if isinstance(part, Call):
            if part.function not in SIGNATURES:
                unknown_function(part, text)
            match_arguments(part, text)


def unknown_function(call: Call, text: str) -> None:
    """Raise the error for a function that does not exist."""
    name = call.function
    if name in _OF_LEVELS:
        fail(_OF_LEVELS[name], text, *call.function_span)
    close = difflib.get_close_matches(name, SIGNATURES, n=3, cutoff=0.6)
    hint = f" Did you mean {' or '.join(f'{c}()' for c in close)}?" if close else ""
    advice = "" if close else " Compute it as a column of the data and use the column's name."
    if text[call.function_span[1] : call.function_span[1] + 1] == " ":  # as in the name of a column: "time (ms)"
        advice += f" A column of the name {(column := text[slice(*call.span)])!r} is written `{column}`."
    fail(f"there is no function {name}() in a formula.{hint}{advice}", text, *call.function_span)


def match_arguments(call: Call, text: str) -> tuple[dict[str, Expr], tuple[Argument, ...]]:
    """Match the arguments of a call to parameters, as R does:
    full names, then unambiguous beginnings of names, then by position.

    Returns
    -------
    named : dict
        Expression of every parameter that was given.
    rest : tuple of Argument
        The free arguments of a variadic function.
    """
    signature = SIGNATURES[call.function]
    named: dict[str, Expr] = {}
    rest: list[Argument] = []
    by_position: list[Argument] = []
    for argument in call.arguments:
        keyword = argument.keyword
        if keyword is None:
            by_position.append(argument)
            continue
        parameter = _parameter(keyword, signature)
        if parameter is None:
            if call.function in _NAMED_FREELY:
                rest.append(argument)
                continue
            allowed = ", ".join(signature.parameters) or "none"
            fail(f"{call.function}() has no argument {keyword!r}; it has: {allowed}.", text, *argument.value.span)
        if parameter in named:
            fail(f"the argument {parameter!r} of {call.function}() is given twice.", text, *argument.value.span)
        named[parameter] = argument.value
    positional = signature.positional
    if positional is None:
        positional = 0 if signature.variadic else len(signature.parameters)
    free = [p for p in signature.parameters[:positional] if p not in named]
    for parameter, argument in zip(free, by_position, strict=False):
        named[parameter] = argument.value
    beyond = by_position[len(free) :]
    if signature.variadic:
        rest.extend(beyond)
    elif beyond:
        fail(f"{call.function}() has no further argument for {deparse(beyond[0].value)}.", text, *beyond[0].value.span)
    if signature.variadic and not positional:
        if len(rest) < signature.required:
            fail(f"{call.function}() needs an argument.", text, *call.span)
    else:
        for parameter in signature.parameters[: signature.required]:
            if parameter not in named:
                fail(f"{call.function}() needs its argument {parameter!r}.", text, *call.span)
    if call.function == "poly":
        _check_variables_of_poly(named, rest, text)
    return named, tuple(rest)


def _check_variables_of_poly(named: dict[str, Expr], rest: list[Argument], text: str) -> None:
    """A number alone beside ``x`` is the degree, as in R.

    Beside further variables or a named degree it has no meaning.
    """
    if len(rest) < 2 and ("degree" not in named or not rest):
        return
    for argument in rest:
        if isinstance(argument.value, Number | Constant):
            what = deparse(argument.value)
            message = f"poly() takes several variables and then degree= and raw= by name; {what} is not a variable."
            fail(message, text, *argument.value.span)


def _parameter(keyword: str, signature: Signature) -> str | None:
    if keyword in signature.parameters:
        return keyword
    if signature.variadic and not signature.positional:
        return None
    begun = [p for p in signature.parameters if p.startswith(keyword)]
    return begun[0] if len(begun) == 1 else None


#: Names that other programs have, and what they are here: the first that the verb has.
ELSEWHERE = {
    "un": ("us",),
    "unr": ("us",),
    "symm": ("us",),
    "ar": ("ar1",),
    "arh": ("ar1h", "ar1"),
    "arh1": ("ar1h", "ar1"),
    "ante": ("ad",),
    "ad1": ("ad",),
    "tp": ("toep",),
    "tph": ("toeph", "toep"),
    "pow": ("sp_exp", "car1"),
    "sp_pow": ("sp_exp", "car1"),
    "exchangeable": ("cs",),
    "ou": ("car1", "sp_exp"),
    "hetar1": ("ar1h", "ar1"),
    "homtoep": ("toep",),
    "sph": ("spherical",),
}
