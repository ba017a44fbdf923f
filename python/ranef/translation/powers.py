"""Powers of columns in expressions."""

from ranef.formula.syntax import Binary, Call, Expr, Name, Number, without_parens


def power_of(expr: Expr) -> tuple[str, int] | None:
    """Column and exponent of ``I(x^2)`` and the like; a column itself has exponent 1."""
    inner = without_parens(expr)
    if isinstance(inner, Name):
        return inner.name, 1
    if isinstance(inner, Call) and inner.function == "I" and len(inner.arguments) == 1:
        body = without_parens(inner.arguments[0].value)
        if (
            isinstance(body, Binary)
            and body.operator == "^"
            and isinstance(body.left, Name)
            and isinstance(body.right, Number)
        ):
            exponent = body.right.value
            if exponent == int(exponent) and 2 <= exponent <= 9:
                return body.left.name, int(exponent)
    return None
