"""Spellings of patsy, formulaic, numpy and pandas:
what they mean here, or what to write instead.
"""

from dataclasses import replace

from ranef.formula.deparse import number_text
from ranef.formula.syntax import Argument, Call, Constant, Expr, Name, Number, String
from ranef.formula.tokens import fail
from ranef.formula.vocabulary import SIGNATURES

_NUMPY = ("np", "numpy", "math")

#: Functions of numpy and what they are called here; others have the same name.
_NUMPY_NAMES = {
    "absolute": "abs",
    "arccos": "acos",
    "arcsin": "asin",
    "arctan": "atan",
    "ceil": "ceiling",
    "fabs": "abs",
    "maximum": "pmax",
    "minimum": "pmin",
}

#: Contrasts of patsy.
_CONTRASTS = {
    "Treatment": "contr.treatment",
    "Sum": "contr.sum",
    "Helmert": "contr.helmert",
    "Poly": "contr.poly",
    "Diff": "contr.sdif",
}

#: Names of the argument that is the reference level.
_REFERENCE = ("ref", "reference", "base")

_SPLINES = "Natural cubic splines are ns(x, df = 3); B-splines bs(x, df = 5)."
_TENSOR = "Tensor products of splines are not known; ns(x, df = 3) * ns(z, df = 3) comes near."
_LEVELS = "factor(x) makes levels of the values of a column."
_SCALED = "scale(x) centres x and divides it by its standard deviation (with n - 1; {} divides by n)."
_COLUMN = "Make a column of the values that are wanted."
_POWER = "A power is written I(x**2)."

#: What to write instead of a function that is not known here; of a function of a module the name
#: alone is looked for too.
_INSTEAD = {
    "np.cbrt": "A cube root is written I(sign(x) * abs(x)^(1/3)).",
    "np.clip": "Write pmin(pmax(x, low), high).",
    "np.power": _POWER,
    "np.square": _POWER,
    "np.std": "It divides by n, and the standard deviation here, sd(x), by n - 1.",
    "np.var": "It divides by n, and the variance here, var(x), by n - 1.",
    "np.where": "Write ifelse(condition, a, b).",
    "astype": f"{_LEVELS} Numbers are as.numeric(x).",
    "bool": "Write as.logical(x).",
    "Categorical": _LEVELS,
    "categorical": _LEVELS,
    "category": _LEVELS,
    "cc": "Cyclic splines are not known; natural cubic splines are ns(x, df = 3).",
    "cr": _SPLINES,
    "demean": "center(x), or scale(x, scale = FALSE), subtracts the mean.",
    "expit": "The inverse logit is plogis(x).",
    "float": "Write as.numeric(x).",
    "hashed": _COLUMN,
    "int": "Write as.integer(x).",
    "inv_logit": "The inverse logit is plogis(x).",
    "invlogit": "The inverse logit is plogis(x).",
    "lag": _COLUMN,
    "ln": "The natural logarithm is log(x).",
    "logit": "The logit is qlogis(x).",
    "pow": _POWER,
    "pspline": _SPLINES,
    "qcut": "Quarters are cut(x, quantile(x, c(0, 0.25, 0.5, 0.75, 1)), include.lowest = TRUE).",
    "rank": _COLUMN,
    "rcs": _SPLINES,
    "shift": _COLUMN,
    "standardize": _SCALED.format("standardize of patsy"),
    "str": "Write as.character(x).",
    "s": (
        "Smooths of mgcv are not known: ns(x, df = 3) is a natural spline of x, and (1 | g) is what s(g, bs = 're') "
        "means."
    ),
    "te": _TENSOR,
    "ti": _TENSOR,
    "t2": _TENSOR,
    "zscore": _SCALED.format("zscore of scipy"),
}

#: Words of Python's and pandas' conditions.
WORDS = {
    "and": "'and' is written & here: (x > 1) & (y == 'a').",
    "or": "'or' is written | here: (x > 1) | (y == 'a').",
    "not": "'not' is written ! here: !(x > 1).",
    "in": "'in' is written %in% here: x %in% c('a', 'b').",
    "is": "'is' is written == here.",
    "if": "a choice is written ifelse(condition, a, b).",
}


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
    if function in SIGNATURES and function not in _SPECIAL:
        return call
    if function == "Q" and len(call.arguments) == 1 and isinstance(call.arguments[0].value, String):
        return Name(call.arguments[0].value.value, call.span)
    if function in _CONTRASTS or function in ("contr.treatment", "contr.sum"):
        return _contrasts(call, text)
    if function == "C":
        return _coded(call)
    if function in ("factor", "bs", "ns"):
        return _with_names_of_r(call, text)
    if function == "center" and len(call.arguments) == 1:
        return replace(call, function="scale", arguments=(*call.arguments, Argument(Constant("FALSE"), "scale")))
    module, _, bare = function.rpartition(".")
    if module in ("np", "numpy") and bare in ("array", "asarray") and len(call.arguments) == 1:
        return call.arguments[0].value
    known = f"np.{bare}" if module in _NUMPY else function
    if (advice := _INSTEAD.get(known) or _INSTEAD.get(bare)) is not None:
        fail(f"there is no function {function}() in a formula. {advice}", text, *call.function_span)
    if module in _NUMPY:
        return replace(call, function=_NUMPY_NAMES.get(bare, bare))
    if module and bare in SIGNATURES and not call.arguments:
        fail(f"there is no function {function}() in a formula. Write {bare}({module}).", text, *call.function_span)
    return call


#: Functions of R that other spellings come to.
_SPECIAL = ("C", "contr.treatment", "contr.sum", "factor", "bs", "ns")


def listed(values: list[Expr], span: tuple[int, int]) -> Call:
    """A list in brackets, which is written ``c(...)`` here;
    a list of rows of the same length is a matrix.
    """
    rows = [v for v in values if isinstance(v, Call) and v.function == "c"]
    if len(rows) == len(values) and len({len(row.arguments) for row in rows}) == 1:
        columns = zip(*(row.arguments for row in rows), strict=True)
        return Call(
            "cbind", tuple(Argument(Call("c", column, None, span, span)) for column in columns), None, span, span
        )
    return Call("c", tuple(map(Argument, values)), None, span, span)


def _contrasts(call: Call, text: str) -> Call:
    """Contrasts by R's name, and the reference level as the argument ``base``. patsy's is a level,
    also where it is a number, R's number is a place.
    """
    function = _CONTRASTS.get(call.function, call.function)
    by_level = call.function == "Treatment"
    if function == "contr.sum" and (
        left_out := [a for a in call.arguments if a.keyword == "omit" or isinstance(a.value, String)]
    ):
        fail(
            "the level that sum contrasts leave out is the last one; put another one there by the order of the "
            "levels: C(factor(f, levels = c('b', 'c', 'a')), Sum).",
            text,
            *left_out[0].value.span,
        )
    if function != "contr.treatment":
        return replace(call, function=function)
    arguments = tuple(
        Argument(_level(a.value) if by_level else a.value, "base")
        if a.keyword in _REFERENCE or (a.keyword is None and (by_level or isinstance(a.value, String)))
        else a
        for a in call.arguments
    )
    return replace(call, function=function, arguments=arguments)


def _level(node: Expr) -> Expr:
    """A level that was given as a number."""
    return String(number_text(node.value), node.span) if isinstance(node, Number) else node


def _coded(call: Call) -> Call:
    """``C(f, Sum)`` is ``C(f, contr.sum)``, ``C(f, ref = "b")`` is ``C(f, contr.treatment(base =
    "b"))``, and ``C(f, levels = ...)`` codes ``factor(f, levels = ...)``.
    """
    first, *rest = call.arguments or (None,)
    if first is None:
        return call
    levels = next((a for a in rest if a.keyword == "levels"), None)
    if levels is not None:
        rest.remove(levels)
        made = Call("factor", (first, levels), None, call.span, call.function_span)
        if not rest:
            return made
        first = Argument(made)
    if len(rest) == 1 and rest[0].keyword in _REFERENCE:
        reference = Argument(rest[0].value, "base")
        rest = [Argument(Call("contr.treatment", (reference,), None, call.span, call.function_span))]
    arguments = tuple(
        replace(a, value=Name(_CONTRASTS[a.value.name], a.value.span))
        if isinstance(a.value, Name) and a.value.name in _CONTRASTS
        else a
        for a in rest
    )
    return replace(call, arguments=(first, *arguments))


def _with_names_of_r(call: Call, text: str) -> Call:
    """Arguments by R's names; a reference level is given elsewhere."""
    if call.function == "factor":
        for argument in call.arguments:
            if argument.keyword in _REFERENCE:
                fail(
                    "another reference level is written relevel(f, ref = 'b') or C(f, Treatment('b')).",
                    text,
                    *argument.value.span,
                )
        return call
    arguments = (replace(a, keyword="intercept") if a.keyword == "include_intercept" else a for a in call.arguments)
    return replace(call, arguments=tuple(arguments))
