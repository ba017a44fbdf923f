"""nlme's spellings of correlation structures and variance functions, in those used here.

``corAR1(form = ~ time | id)`` becomes ``ar1(time | id)``; starting values are left out.
"""

from ranef.formula.syntax import Argument, Binary, Call, Constant, Expr, Name, Unary, without_parens

_CORRELATIONS = {
    "corAR1": "ar1",
    "corCAR1": "car1",
    "corCompSymm": "cs",
    "corSymm": "us",
    "corARMA": "arma",
    "corExp": "exp",
    "corGaus": "gau",
    "corLin": "linear",
    "corSpher": "spherical",
    "corRatio": "rational_quadratic",
}
_VARIANCES = {
    "varIdent": "by_group",
    "varPower": "power",
    "varExp": "exponential",
    "varConstPower": "const_power",
    "varFixed": "fixed",
}
#: Arguments that have the same meaning here.
_KEPT = ("p", "q", "nugget", "metric")


def from_nlme(node: Expr) -> Expr:
    """The same in the words of this package; what is not nlme's stays as it is."""
    inner = without_parens(node)
    if not isinstance(inner, Call):
        return node
    if inner.function == "varComb" and inner.arguments:
        parts = [from_nlme(a.value) for a in inner.arguments]
        out = parts[0]
        for part in parts[1:]:
            out = Binary("*", out, part, inner.span, inner.span)
        return out
    name = _CORRELATIONS.get(inner.function) or _VARIANCES.get(inner.function)
    if name is None:
        return node
    form = _form(inner)
    kept = [Argument(_truth(a.value), a.keyword) for a in inner.arguments if a.keyword in _KEPT]
    body: list[Argument] = []
    if form is None and name in ("power", "exponential", "const_power"):
        form = Name("fitted")
    if form is not None:
        if name == "by_group":
            form = form.right if isinstance(form, Binary) and form.operator == "|" else form
        elif name in _CORRELATIONS.values() and isinstance(form, Binary) and form.operator == "|":
            form = Binary("|", form.left, _nested(form.right), form.span, form.operator_span)
        body = [Argument(form)]
    if inner.function == "corSymm":
        kept.append(Argument(Constant("TRUE"), "hom"))
    return Call(name, (*body, *kept), None, inner.span, inner.function_span)


def _nested(group: Expr) -> Expr:
    """Blocks ``b`` within ``a``: nlme's a/b. Here a/b are blocks b, with parameters for each a."""
    inner = without_parens(group)
    if isinstance(inner, Binary) and inner.operator == "/":
        return Binary(":", _nested(inner.left), inner.right, inner.span, inner.operator_span)
    return inner


def _truth(value: Expr) -> Expr:
    """R's abbreviations T and F in full."""
    inner = without_parens(value)
    if isinstance(inner, Name) and inner.name in ("T", "F"):
        return Constant("TRUE" if inner.name == "T" else "FALSE")
    return value


def _form(call: Call) -> Expr | None:
    """The one-sided formula of a call."""
    for a in call.arguments:
        value = without_parens(a.value)
        if isinstance(value, Unary) and value.operator == "~":
            return without_parens(value.operand)
        # `~ a | b` may be read with the tilde below the bar
        if isinstance(value, Binary) and isinstance(value.left, Unary) and value.left.operator == "~":
            return Binary(value.operator, value.left.operand, value.right, value.span, value.operator_span)
    return None
