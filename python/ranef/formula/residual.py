"""Covariance of the rows given the random effects: ``correlation=`` and ``variance=`` taken apart.

``"ar1(time | id)"`` is a correlation structure over positions within blocks of rows,
``"power(x) * by_group(sex)"`` a product of variance functions.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ranef.errors import ArgumentTypeError
from ranef.formula.deparse import deparse
from ranef.formula.parser import parse_expression
from ranef.formula.residual_nlme import from_nlme
from ranef.formula.syntax import (
    Binary,
    Call,
    Constant,
    Expr,
    Name,
    Number,
    String,
    Unary,
    names_in,
    walk,
    without_parens,
)
from ranef.formula.terms import Variable
from ranef.formula.tokens import fail
from ranef.formula.vocabulary import ELSEWHERE, METRICS, check_calls

#: Options that a structure may have, with their defaults.
_SPATIAL: dict[str, Any] = {"nugget": False, "metric": "euclidean"}


@dataclass(frozen=True, slots=True)
class StructureKind:
    """A correlation structure as users write it.

    Attributes
    ----------
    name : str
        What the core calls it.
    options : mapping
        The options it takes, and their defaults.
    whole : bool
        Whether positions are whole numbers whose gaps count.
    spatial : bool
        Whether it is a function of the distance between positions, of any number of coordinates.
    order_matters : bool
        Whether rows of a block have positions at all.
    levels : bool
        Whether positions are levels, numbers too.
    keep : bool
        Whether levels that do not occur keep their place between others.
    """

    name: str
    options: Mapping[str, Any]
    whole: bool = False
    spatial: bool = False
    order_matters: bool = True
    levels: bool = False
    keep: bool = False


#: Of ``lmer`` and ``gls``, with nlme's defaults.
CORRELATIONS = {
    "us": StructureKind("us", {"hom": False}, levels=True),
    "cs": StructureKind("cs", {"hom": True}, order_matters=False),
    "ar1": StructureKind("ar1", {"hom": True}, whole=True),
    "arma": StructureKind("arma", {"p": 1, "q": 0}, whole=True),
    "toep": StructureKind("toep", {"hom": True}, whole=True),
    "ad": StructureKind("ad", {"hom": True}, levels=True),
    "car1": StructureKind("car1", {}, spatial=True),
    "exp": StructureKind("exp", _SPATIAL, spatial=True),
    "gau": StructureKind("gau", _SPATIAL, spatial=True),
    "mat": StructureKind("mat", _SPATIAL, spatial=True),
    "linear": StructureKind("linear", _SPATIAL, spatial=True),
    "spherical": StructureKind("spherical", _SPATIAL, spatial=True),
    "rational_quadratic": StructureKind("rational_quadratic", _SPATIAL, spatial=True),
}

#: Names written out, as the constructors have them.
_LONG = {
    "unstructured": "us",
    "compound_symmetry": "cs",
    "toeplitz": "toep",
    "antedependence": "ad",
    "exponential": "exp",
    "gaussian": "gau",
    "matern": "mat",
}

#: Variance functions, and whether they have a covariate.
VARIANCES = {"by_group": False, "power": True, "exponential": True, "const_power": True, "fixed": True}


@dataclass(frozen=True, slots=True)
class CorrelationExpr:
    """A correlation structure of the rows.

    Attributes
    ----------
    structure : str
        What the core calls it.
    coordinates : tuple of Variable
        Position of a row within its block; none where it is the order of the rows.
    subject : tuple of Variable
        What makes the blocks, of several variables their combinations; none where all rows are one.
    by : tuple of Variable
        Groups with parameters of their own.
    homogeneous : bool
        Whether all positions have one variance.
    nugget : bool
        Whether the correlation has a jump at distance zero.
    metric : {"euclidean", "manhattan", "maximum"}
    orders : (int, int)
        Orders p and q of an ARMA process.
    kind : StructureKind
    code : str
        As it is written.
    text : str
        As the user wrote it.
    """

    structure: str
    coordinates: tuple[Variable, ...]
    subject: tuple[Variable, ...]
    by: tuple[Variable, ...]
    homogeneous: bool
    nugget: bool
    metric: str
    orders: tuple[int, int]
    kind: StructureKind
    code: str
    text: str

    @property
    def variables(self) -> tuple[Variable, ...]:
        """All variables."""
        return tuple(dict.fromkeys((*self.coordinates, *self.subject, *self.by)))


@dataclass(frozen=True, slots=True)
class VarianceExpr:
    """A variance function.

    Attributes
    ----------
    function : str
    of : Variable or None
        Its covariate; None for that of groups, and where it is the fitted values.
    fitted : bool
        Whether the covariate is the fitted values.
    by : tuple of Variable
        Groups with parameters of their own; of ``by_group`` those with variances of their own.
    code : str
    """

    function: str
    of: Variable | None
    fitted: bool
    by: tuple[Variable, ...]
    code: str

    @property
    def variables(self) -> tuple[Variable, ...]:
        """All variables."""
        return (*(() if self.of is None else (self.of,)), *self.by)


@dataclass(frozen=True, slots=True)
class ResidualExpr:
    """Covariance of the rows given the random effects, relative to sigma squared.

    Attributes
    ----------
    correlation : CorrelationExpr or None
    variance : tuple of VarianceExpr
        Factors of a product.
    """

    correlation: CorrelationExpr | None
    variance: tuple[VarianceExpr, ...]

    @property
    def variables(self) -> tuple[Variable, ...]:
        """All variables."""
        parts = () if self.correlation is None else self.correlation.variables
        return tuple(dict.fromkeys((*parts, *(v for f in self.variance for v in f.variables))))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns in use."""
        return tuple(dict.fromkeys(n for v in self.variables for n in names_in(v.expr)))

    @property
    def has_fitted(self) -> bool:
        """Whether a variance depends on the fitted values."""
        return any(f.fitted for f in self.variance)

    @property
    def correlation_code(self) -> str | None:
        """The correlation as it is written."""
        return None if self.correlation is None else self.correlation.code

    @property
    def variance_code(self) -> str | None:
        """The variance as it is written."""
        return " * ".join(f.code for f in self.variance) if self.variance else None


def parse_residual(correlation: Any, variance: Any) -> ResidualExpr | None:
    """The record of the arguments of those names; None where neither is given.

    Parameters
    ----------
    correlation, variance : str, or a record that `ranef.structures` makes
    """
    if correlation is None and variance is None:
        return None
    parts = None if correlation is None else parse_correlation(correlation)
    return ResidualExpr(parts, () if variance is None else parse_variance(variance))


def parse_correlation(given: Any) -> CorrelationExpr:
    """A correlation structure of its text, such as ``"ar1(time | id)"``."""
    if isinstance(given, CorrelationExpr):
        return given
    if not isinstance(given, str):
        raise ArgumentTypeError(
            f"correlation must be text such as 'ar1(time | id)', not {type(given).__name__}; the functions of "
            "ranef.structures make it too."
        )
    node = from_nlme(without_parens(parse_expression(given)))
    if not isinstance(node, Call):
        fail(
            f"a correlation is a structure of positions and blocks, such as ar1(time | id); {_KNOWN}", given, *node.span
        )
    return correlation_of(node, given)


def parse_variance(given: Any) -> tuple[VarianceExpr, ...]:
    """A product of variance functions of its text, such as ``"power(x) * by_group(sex)"``."""
    if isinstance(given, VarianceExpr):
        return (given,)
    if isinstance(given, tuple | list) and given and all(isinstance(g, VarianceExpr) for g in given):
        return tuple(given)
    if not isinstance(given, str):
        raise ArgumentTypeError(
            f"variance must be text such as 'power(x) * by_group(sex)', not {type(given).__name__}; the functions of "
            "ranef.structures make it too."
        )
    found: list[VarianceExpr] = []
    waiting = [from_nlme(parse_expression(given))]
    while waiting:
        node = without_parens(waiting.pop())
        if isinstance(node, Binary) and node.operator in ("*", ":"):
            waiting += [node.right, node.left]
        elif isinstance(node, Binary) and node.operator == "+":
            fail("variance functions are multiplied: power(x) * by_group(g).", given, *node.operator_span)
        elif isinstance(node, Call):
            found.append(_variance_of(node, given))
        else:
            fail(f"a variance is a function such as power(x), or a product of several; {_KNOWN_V}", given, *node.span)
    return tuple(found)


_KNOWN = f"the structures are {', '.join(CORRELATIONS)}."
_KNOWN_V = f"the functions are {', '.join(VARIANCES)}."


def correlation_of(
    node: Call, text: str, kinds: Mapping[str, StructureKind] = CORRELATIONS, known: str = _KNOWN
) -> CorrelationExpr:
    """A correlation structure of its call.

    Parameters
    ----------
    node : Call
    text : str
        What it stands in, for messages.
    kinds : mapping
        Structures by the names that they have there.
    known : str
        A sentence that lists them.
    """
    name = node.function if node.function in kinds else _LONG.get(node.function, node.function)
    if name not in kinds:
        lower = node.function.lower()
        meant = [n for n in (lower, *ELSEWHERE.get(lower, ())) if n in kinds]
        close = meant or difflib.get_close_matches(lower, [*kinds, *_LONG], n=1)
        hint = f" Did you mean {close[0]}()?" if close else ""
        if node.function in VARIANCES:
            hint = f" {node.function}() is a variance function: variance={deparse(node)!r}."
        known = f"{known[0].upper()}{known[1:]}"
        fail(f"there is no correlation structure {node.function}().{hint} {known}", text, *node.function_span)
    kind = kinds[name]
    body, options = _arguments(node, text)
    by = tuple(_plain(part, text) for part in _parts(options.pop("by"), ":")) if "by" in options else ()
    values = _options(name, kind, options, text)
    left, subject = _sides(body, text)
    blocks = [] if subject is None else _nested(subject, text)
    if len(blocks) > 1:
        by = (*by, *blocks[0])
    subjects = tuple(dict.fromkeys(v for level in blocks for v in level))
    coordinates = _coordinates(left, subjects, kind, text)
    if len(coordinates) > 1 and (not kind.spatial or name == "car1"):
        fail(
            f"{name}() has one position a row; several coordinates are for exp, gau, mat and the like.",
            text,
            *node.span,
        )
    if name == "car1" and len(coordinates) > 1:
        fail("car1() has one time a row; several coordinates are for exp, gau, mat and the like.", text, *node.span)
    return CorrelationExpr(
        kind.name,
        coordinates,
        subjects,
        by,
        bool(values.get("hom", True)),
        bool(values.get("nugget", False)),
        str(values.get("metric", "euclidean")),
        (int(values.get("p", 0)), int(values.get("q", 0))),
        kind,
        deparse(node),
        text,
    )


def _arguments(node: Call, text: str) -> tuple[Expr | None, dict[str, Expr]]:
    """What stands by position (a comma between coordinates is a plus), and the options."""
    plain = [a.value for a in node.arguments if a.keyword is None]
    options: dict[str, Expr] = {}
    for a in node.arguments:
        if a.keyword is None:
            continue
        if a.keyword in options:
            fail(f"the option {a.keyword!r} of {node.function}() is given twice.", text, *a.value.span)
        options[a.keyword] = a.value
    if not plain:
        return None, options
    body = plain[-1]
    bar = body if isinstance(body, Binary) and body.operator == "|" else None
    left = body if bar is None else bar.left
    for part in reversed(plain[:-1]):
        left = Binary("+", part, left, (part.span[0], left.span[1]), part.span)
    return (left if bar is None else Binary("|", left, bar.right, bar.span, bar.operator_span)), options


def _options(name: str, kind: StructureKind, given: dict[str, Expr], text: str) -> dict[str, Any]:
    out = dict(kind.options)
    for key, node in given.items():
        if key not in kind.options:
            allowed = ", ".join([*kind.options, "by"])
            fail(f"{name}() has no option {key!r}; it has {allowed}.", text, *node.span)
        if key in ("hom", "nugget"):
            word = node.word if isinstance(node, Constant) else node.name if isinstance(node, Name) else ""
            if word.upper() not in ("TRUE", "FALSE"):
                fail(f"{key} is True or False.", text, *node.span)
            out[key] = word.upper() == "TRUE"
        elif key == "metric":
            if not isinstance(node, String) or node.value not in METRICS:
                fail(f"metric is one of {', '.join(map(repr, METRICS))}.", text, *node.span)
            out[key] = node.value
        else:
            if not isinstance(node, Number) or node.value != int(node.value) or not 0 <= node.value <= 20:
                fail(f"{key} is a whole number from 0 to 20.", text, *node.span)
            out[key] = int(node.value)
    if name == "arma" and out["p"] + out["q"] == 0:
        fail("arma() with p=0 and q=0 has no correlation; give p= or q=.", text, 0, len(text))
    return out


def _sides(body: Expr | None, text: str) -> tuple[Expr | None, Expr | None]:
    """What stands left and right of the bar; no bar, and 1 at its right, are one block."""
    if body is None:
        return None, None
    inner = without_parens(body)
    if not isinstance(inner, Binary) or inner.operator not in ("|", "||"):
        return inner, None
    if inner.operator == "||":
        fail("the bar of a correlation is a single one.", text, *inner.operator_span)
    right = without_parens(inner.right)
    if isinstance(right, Number):
        if right.value != 1:
            fail("to the right of the bar stands a column, or 1 for one block of all rows.", text, *right.span)
        return inner.left, None
    return inner.left, right


def _nested(node: Expr, text: str) -> list[tuple[Variable, ...]]:
    """Blocks from the outermost: ``arm/id`` is groups and the subjects in them."""
    inner = without_parens(node)
    if isinstance(inner, Binary) and inner.operator in ("/", "%in%"):
        outer, within = (inner.left, inner.right) if inner.operator == "/" else (inner.right, inner.left)
        return [*_nested(outer, text), *_nested(within, text)]
    return [tuple(_plain(part, text) for part in _parts(inner, ":"))]


def _parts(node: Expr, operator: str) -> list[Expr]:
    inner = without_parens(node)
    if isinstance(inner, Binary) and inner.operator == operator:
        return [*_parts(inner.left, operator), *_parts(inner.right, operator)]
    return [inner]


def _plain(node: Expr, text: str) -> Variable:
    if isinstance(node, Number | Constant | String) or (isinstance(node, Name) and node.name == "."):
        fail(f"{deparse(node)} is not a column.", text, *node.span)
    if isinstance(node, Unary) or any(isinstance(p, Binary) and p.operator in ("|", "||", "~") for p in walk(node)):
        fail("here stands the name of a column, or a function of columns.", text, *node.span)
    check_calls(node, text)
    return Variable.of(node)


def _coordinates(
    left: Expr | None, subjects: tuple[Variable, ...], kind: StructureKind, text: str
) -> tuple[Variable, ...]:
    """Position of a row; none for a 1, which is the order of the rows."""
    if left is None:
        return ()
    parts = [p for p in _parts(left, "+") if not (isinstance(p, Number) and p.value in (0, 1))]
    found = tuple(_plain(p, text) for p in parts)
    if not found and kind.spatial and kind.name != "car1" and not subjects and left is None:
        fail("positions are missing.", text, 0, len(text))
    return found


def _variance_of(node: Call, text: str) -> VarianceExpr:
    if node.function not in VARIANCES:
        close = difflib.get_close_matches(node.function, VARIANCES, n=1)
        hint = f" Did you mean {close[0]}()?" if close else ""
        known = f"{_KNOWN_V[0].upper()}{_KNOWN_V[1:]}"
        fail(f"there is no variance function {node.function}().{hint} {known}", text, *node.function_span)
    name = node.function
    body, options = _arguments(node, text)
    groups = options.pop("by", None)
    for key, value in options.items():
        fail(f"{name}() has no option {key!r}; it has by.", text, *value.span)
    if not VARIANCES[name]:
        if body is None or groups is not None:
            fail(f"{name}() takes the column of groups: {name}(sex).", text, *node.span)
        by = tuple(_plain(p, text) for part in _parts(body, "+") for q in _parts(part, "*") for p in _parts(q, ":"))
        return VarianceExpr(name, None, False, by, deparse(node))
    if body is None:
        fitted, of = True, None
    else:
        inner = without_parens(body)
        if isinstance(inner, Binary) and inner.operator == "|":
            groups, inner = inner.right, without_parens(inner.left)
        fitted = isinstance(inner, Name) and inner.name == "fitted"
        fitted = fitted or (isinstance(inner, Call) and inner.function == "fitted")
        of = None if fitted else _plain(inner, text)
    if name == "fixed" and (fitted or groups is not None):
        fail("fixed() takes one column, to which variances are proportional.", text, *node.span)
    by = () if groups is None else tuple(_plain(p, text) for p in _parts(groups, ":"))
    return VarianceExpr(name, of, fitted, by, deparse(node))
