"""Spellings of patsy, formulaic, numpy and pandas:
what they mean here, or what to write instead.
"""

from dataclasses import replace

from ranef.formula.syntax import Argument, Call, Constant, Expr, Name, String
from ranef.formula.tokens import fail

_NUMPY = ("np", "numpy")

#: Functions of numpy and what they are called here; others have the same name.
_NUMPY_NAMES = {
    "absolute": "abs",
    "arccos": "acos",
    "arcsin": "asin",
    "arctan": "atan",
    "ceil": "ceiling",
    "fabs": "abs",
    "std": "sd",
}

#: Contrasts of patsy.
_CONTRASTS = {
    "Treatment": "contr.treatment",
    "Sum": "contr.sum",
    "Helmert": "contr.helmert",
    "Poly": "contr.poly",
    "Diff": "contr.sdif",
}

_TENSOR = "Tensor products of splines are not known; ns(x, df = 3) * ns(z, df = 3) comes near."

#: What to write instead of a function that is not known here.
_INSTEAD = {
    "np.power": "A power is written x**2 or I(x^2).",
    "np.square": "A square is written x**2 or I(x^2).",
    "np.where": "Write ifelse(condition, a, b).",
    "standardize": (
        "scale(x) centres x and divides it by its standard deviation (with n - 1; standardize of patsy divides by n)."
    ),
    "cr": "Natural cubic splines are ns(x, df = 3); B-splines bs(x, df = 5).",
    "cc": "Cyclic splines are not known; natural cubic splines are ns(x, df = 3).",
    "s": (
        "Smooths of mgcv are not known: ns(x, df = 3) is a natural spline of x, and (1 | g) is what s(g, bs = 're') "
        "means."
    ),
    "te": _TENSOR,
    "ti": _TENSOR,
    "t2": _TENSOR,
    "hashed": "Make a column of the values that are wanted.",
    "lag": "Make a column of the values that are wanted.",
    "pow": "A power is written x**2 or I(x^2).",
}

#: Words of Python's and pandas' conditions.
WORDS = {
    "and": "'and' is written & here: (x > 1) & (y == 'a').",
    "or": "'or' is written | here: (x > 1) | (y == 'a').",
    "not": "'not' is written ! here: !(x > 1).",
    "in": "'in' is written %in% here: x %in% c('a', 'b').",
    "is": "'is' is written == here.",
}


#: What to write instead of a list in brackets.
BRACKETS = (
    "several constants are written c('b', 'a', 'c'). Another order of levels is factor(f, levels = c('b', 'a', 'c')), "
    "another reference level C(f, contr.treatment(base = 'b'))."
)


def understood(call: Call, text: str) -> Expr:
    """A call as it is written here: ``np.log(x)`` is ``log(x)``, ``Q("a b")``
    the name `a b`, ``center(x)`` is ``scale(x, scale = FALSE)``,
    ``Treatment("b")`` is ``contr.treatment(base = "b")``.

    Raises
    ------
    FormulaError
        For a function that is not known but has a counterpart.
    """
    function = call.function
    if function == "Q" and len(call.arguments) == 1 and isinstance(call.arguments[0].value, String):
        return Name(call.arguments[0].value.value, call.span)
    if function in _CONTRASTS or function == "contr.treatment":
        call = replace(call, function=_CONTRASTS.get(function, function))
        return _with_reference(call) if call.function == "contr.treatment" else call
    if function == "C":
        return _with_contrasts_of_r(call)
    if function == "center" and len(call.arguments) == 1:
        return replace(call, function="scale", arguments=(*call.arguments, Argument(Constant("FALSE"), "scale")))
    module, _, bare = function.partition(".")
    known = f"np.{bare}" if module in _NUMPY and bare else function
    if known in _INSTEAD:
        fail(f"there is no function {function}() in a formula. {_INSTEAD[known]}", text, *call.function_span)
    if known != function or module in _NUMPY:
        return replace(call, function=_NUMPY_NAMES.get(bare, bare))
    return call


def _with_contrasts_of_r(call: Call) -> Call:
    """``C(f, Sum)`` is ``C(f, contr.sum)``."""
    arguments = tuple(
        replace(a, value=Name(_CONTRASTS[a.value.name], a.value.span))
        if i > 0 and isinstance(a.value, Name) and a.value.name in _CONTRASTS
        else a
        for i, a in enumerate(call.arguments)
    )
    return replace(call, arguments=arguments)


def _with_reference(call: Call) -> Call:
    """The reference level as the argument ``base``,
    where it is a text without a name or has patsy's name.
    """
    arguments = tuple(
        Argument(a.value, "base")
        if a.keyword in ("ref", "reference") or (a.keyword is None and isinstance(a.value, String))
        else a
        for a in call.arguments
    )
    return replace(call, arguments=arguments)
