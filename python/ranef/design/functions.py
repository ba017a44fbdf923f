"""Functions of numbers and of constants in formulas.

Those of factors are in `factors`, bases of curves in `bases`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ranef.design.evaluate import Evaluator, State
from ranef.design.values import MOST_NUMBERS, Factor, Floats, Logical, Numeric, Scalar, Value, missing_rows
from ranef.formula.deparse import deparse
from ranef.formula.syntax import Argument, Call, Expr, Name
from ranef.formula.vocabulary import CONTRASTS, ELEMENTWISE, SUMMARIES, match_arguments

Named = dict[str, Expr]
Rest = tuple[Argument, ...]
Function = Callable[[Evaluator, Call, Named, Rest], Value]

#: Counts beyond this were not meant; nor were digits.
_LARGEST, _MOST_DIGITS = 10**9, 300

_UFUNCS: dict[str, Callable[[Any], Any]] = {
    "log2": np.log2, "log10": np.log10, "log1p": np.log1p, "exp": np.exp, "expm1": np.expm1, "sqrt": np.sqrt,
    "abs": np.abs, "sign": np.sign, "floor": np.floor, "ceiling": np.ceil, "trunc": np.trunc, "sin": np.sin,
    "cos": np.cos, "tan": np.tan, "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "sinh": np.sinh,
    "cosh": np.cosh, "tanh": np.tanh, "sinpi": lambda x: np.sin(np.pi * x), "cospi": lambda x: np.cos(np.pi * x),
}  # fmt: skip
_SPECIAL = {
    "plogis": "expit",
    "qlogis": "logit",
    "pnorm": "ndtr",
    "qnorm": "ndtri",
    "gamma": "gamma",
    "lgamma": "gammaln",
}


def call_function(ev: Evaluator, node: Call) -> Value:
    """Evaluate a call whose function and arguments were checked when the formula was parsed."""
    named, rest = match_arguments(node, ev.text)
    return function_table()[node.function](ev, node, named, rest)


_TABLE: dict[str, Function] = {}


def function_table() -> dict[str, Function]:
    """Every function of the formula language."""
    if not _TABLE:
        from ranef.design.bases import BASES
        from ranef.design.factors import FACTOR_FUNCTIONS

        _TABLE.update(dict.fromkeys(ELEMENTWISE, _elementwise))
        _TABLE.update(dict.fromkeys(SUMMARIES, _summary))
        _TABLE.update(dict.fromkeys(CONTRASTS, _contrast_outside))
        _TABLE.update(
            {
                "I": lambda ev, node, named, rest: ev.value(named["x"]),
                "as.vector": lambda ev, node, named, rest: ev.value(named["x"]),
                "offset": lambda ev, node, named, rest: ev.numbers(named["object"]),
                "log": _log,
                "round": _round,
                "signif": _signif,
                "c": _c,
                "rev": _rev,
                "seq": _seq,
                "length": lambda ev, node, named, rest: float(ev.table.n_rows),
                "quantile": _quantile,
                "cbind": _cbind,
                "pmin": _extreme,
                "pmax": _extreme,
                "ifelse": _ifelse,
                "is.na": _is_na,
            }
        )
        _TABLE.update(BASES)
        _TABLE.update(FACTOR_FUNCTIONS)
    return _TABLE


def number(ev: Evaluator, node: Expr, what: str) -> float:
    """A constant that must be a number."""
    value = ev.value(node)
    if isinstance(value, bool | float | int):
        return float(value)
    ev.fail(f"{what} must be a number.", node)


def whole(ev: Evaluator, node: Expr, what: str, least: int) -> int:
    """A constant that must be a whole number."""
    value = number(ev, node, what)
    if value % 1 != 0 or not least <= value <= _LARGEST:  # nor is what is not finite whole
        ev.fail(f"{what} must be a whole number from {least}.", node)
    return int(value)


def flag(ev: Evaluator, node: Expr | None, what: str, default: bool) -> bool:
    """A constant that must be TRUE or FALSE."""
    if node is None:
        return default
    value = ev.value(node)
    if isinstance(value, bool | float) and value in (0, 1):
        return bool(value)
    ev.fail(f"{what} must be TRUE or FALSE.", node)


def constants(ev: Evaluator, node: Expr, what: str) -> list[Scalar]:
    """One constant, or several in c(...)."""
    value = ev.value(node)
    if isinstance(value, list):
        return value
    if isinstance(value, Numeric | Logical | Factor):
        ev.fail(f"{what} must be constants, such as c(1, 2).", node)
    return [value]


def numbers_given(ev: Evaluator, node: Expr, what: str) -> Floats:
    """One number, or several in c(...)."""
    values = constants(ev, node, what)
    if any(v is None or isinstance(v, str) for v in values):
        ev.fail(f"{what} must be numbers.", node)
    return np.array([float(v) for v in values if v is not None], dtype=np.float64)


def _apply(ev: Evaluator, node: Expr, function: Callable[[Any], Any]) -> Value:
    value = ev.value(node)
    with np.errstate(all="ignore"):
        if isinstance(value, bool | float):
            return float(function(float(value)))
        numeric = ev.numbers_of(value, node)
        return Numeric(function(numeric.values), numeric.suffixes)


def _elementwise(ev: Evaluator, node: Call, named: Named, rest: Rest) -> Value:
    function = _UFUNCS.get(node.function)
    if function is None:
        from scipy import special

        function = getattr(special, _SPECIAL[node.function])
    return _apply(ev, named["x"], function)


def _log(ev: Evaluator, node: Call, named: Named, rest: Rest) -> Value:
    if "base" not in named:
        return _apply(ev, named["x"], np.log)
    base = number(ev, named["base"], "the base of a logarithm")
    exact = {2.0: np.log2, 10.0: np.log10}.get(base)
    if exact is not None:
        return _apply(ev, named["x"], exact)
    return _apply(ev, named["x"], lambda x: np.log(x) / np.log(base))


def _round(ev: Evaluator, node: Call, named: Named, rest: Rest) -> Value:
    digits = number(ev, named["digits"], "the number of digits") if "digits" in named else 0.0
    if not abs(digits) <= _MOST_DIGITS:
        ev.fail(f"the number of digits must lie between -{_MOST_DIGITS} and {_MOST_DIGITS}.", named["digits"])
    return _apply(ev, named["x"], lambda x: np.round(x, int(digits)))


def _signif(ev: Evaluator, node: Call, named: Named, rest: Rest) -> Value:
    digits = whole(ev, named["digits"], "the number of digits", 1) if "digits" in named else 6

    def function(x: Any) -> Any:
        magnitude = np.floor(np.log10(np.where(x == 0, 1.0, np.abs(x))))
        factor = 10.0 ** (digits - 1 - magnitude)
        return np.round(x * factor) / factor

    return _apply(ev, named["x"], function)


def _summary(ev: Evaluator, node: Call, named: Named, rest: Rest) -> Value:
    """One number for a column, from its values that are not missing.

    The number of the fit is used for new rows.
    """

    def learn() -> State:
        given = [named["x"]] if "x" in named else [argument.value for argument in rest]
        x = np.concatenate([ev.numbers(part).values.ravel() for part in given])
        x = x[~np.isnan(x)]
        if not len(x):
            return {"value": float("nan")}
        of: dict[str, Callable[[Floats], Any]] = {
            "mean": np.mean, "median": np.median, "min": np.min, "max": np.max, "sum": np.sum,
            "sd": lambda v: np.std(v, ddof=1) if len(v) > 1 else np.nan,
            "var": lambda v: np.var(v, ddof=1) if len(v) > 1 else np.nan,
        }  # fmt: skip
        with np.errstate(all="ignore"):
            return {"value": float(of[node.function](x))}

    return float(ev.state(node, learn)["value"])


def _quantile(ev: Evaluator, node: Call, named: Named, rest: Rest) -> Value:
    probabilities = numbers_given(ev, named["probs"], "the probabilities") if "probs" in named else np.linspace(0, 1, 5)
    if not all(0 <= p <= 1 for p in probabilities):
        ev.fail("the probabilities must lie between 0 and 1.", named["probs"])

    def learn() -> State:
        x = ev.numbers(named["x"]).values
        return {"values": np.quantile(x[~np.isnan(x)], probabilities)}

    return [float(v) for v in ev.state(node, learn)["values"]]


def _c(ev: Evaluator, node: Call, named: Named, rest: Rest) -> Value:
    if len(rest) == 1:
        # c(scale(x)) is a way of taking a column out of a matrix.
        value = ev.value(rest[0].value)
        return value if isinstance(value, Numeric | Logical | Factor | list) else [value]
    out: list[Any] = []
    for argument in rest:
        out.extend(constants(ev, argument.value, "the elements of c()"))
    return out


def _rev(ev: Evaluator, node: Call, named: Named, rest: Rest) -> Value:
    return constants(ev, named["x"], "what is reversed")[::-1]


def _seq(ev: Evaluator, node: Call, named: Named, rest: Rest) -> Value:
    first, last = number(ev, named["from"], "'from'"), number(ev, named["to"], "'to'")
    if "length.out" in named:
        steps: float = whole(ev, named["length.out"], "'length.out'", 1) - 1
    else:
        by = number(ev, named["by"], "'by'") if "by" in named else float(np.sign(last - first) or 1)
        if by == 0 or (last - first) / by < 0:
            ev.fail("this sequence never arrives.", node)
        steps = (last - first) / by
    if not steps < MOST_NUMBERS:  # nor is it finite where an end is not
        ev.fail(f"this sequence has over {MOST_NUMBERS:,} numbers.", node)
    if "length.out" in named:
        return [float(v) for v in np.linspace(first, last, int(steps) + 1)]
    return [first + by * i for i in range(int(steps + 1e-10) + 1)]


def _cbind(ev: Evaluator, node: Call, named: Named, rest: Rest) -> Value:
    columns: list[Floats] = []
    suffixes: list[str] = []
    for argument in rest:
        numeric = ev.vector(argument.value)
        if isinstance(numeric, Factor):
            ev.fail(f"cbind() puts numbers side by side, and {deparse(argument.value)} is a factor.", argument.value)
        values = ev.numbers_of(numeric, argument.value)
        if values.values.ndim == 2:
            columns.extend(values.values.T)
            suffixes.extend(values.suffixes or [""] * values.values.shape[1])
        else:
            columns.append(values.values)
            suffixes.append(argument.keyword or (argument.value.name if isinstance(argument.value, Name) else ""))
    if len(columns) == 1:
        return Numeric(columns[0])
    labels = tuple(s or str(i + 1) for i, s in enumerate(suffixes))
    return Numeric(np.asfortranarray(np.column_stack(columns)), labels)


def _extreme(ev: Evaluator, node: Call, named: Named, rest: Rest) -> Value:
    smaller, larger = (np.fmin, np.fmax) if flag(ev, named.get("na.rm"), "'na.rm'", False) else (np.minimum, np.maximum)
    function = smaller if node.function == "pmin" else larger
    out: Any = None
    for argument in rest:
        value = ev.value(argument.value)
        part = float(value) if isinstance(value, bool | float) else ev.numbers_of(value, argument.value).values
        out = part if out is None else function(out, part)
    return Numeric(out) if isinstance(out, np.ndarray) else float(out)


def _ifelse(ev: Evaluator, node: Call, named: Named, rest: Rest) -> Value:
    test = ev.truth(named["test"])
    yes, no = ev.value(named["yes"]), ev.value(named["no"])
    for value, part in ((yes, "yes"), (no, "no")):
        if isinstance(value, list) or value is None:
            ev.fail("ifelse() takes a column or one constant here.", named[part])
    if any(isinstance(v, Factor | str) for v in (yes, no)):
        from ranef.design.factors import labels_by_row

        return labels_by_row(ev, node, test, yes, no)
    a, b = (
        float(v) if isinstance(v, bool | float) else ev.numbers_of(v, named[part]).values
        for v, part in ((yes, "yes"), (no, "no"))
    )
    out = np.where(test.values, a, b).astype(np.float64)
    if test.absent is not None:
        out[test.absent] = np.nan
    if all(isinstance(v, bool | Logical) for v in (yes, no)):
        absent = np.isnan(out)
        return Logical(out == 1, absent if absent.any() else None)
    return Numeric(out)


def _is_na(ev: Evaluator, node: Call, named: Named, rest: Rest) -> Value:
    missing = missing_rows(ev.vector(named["x"]))
    return Logical(np.zeros(ev.table.n_rows, dtype=bool) if missing is None else missing)


def _contrast_outside(ev: Evaluator, node: Call, named: Named, rest: Rest) -> Value:
    ev.fail(f"{node.function}() says how a factor is coded and stands inside C(): C(f, {node.function}).", node)
