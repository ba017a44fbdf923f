"""Names of columns in languages that have no expressions in their models:
columns that a formula computes become columns of their own.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ranef.design.structures import kind_of
from ranef.errors import TranslationError
from ranef.formula import Term, deparse
from ranef.formula.syntax import Call, Expr, Name, walk, without_parens
from ranef.translation.description import Block, ModelDescription, columns_used
from ranef.translation.expressions import Dialect, column_name
from ranef.translation.powers import power_of
from ranef.translation.repeated import Repeated

_SPLINES = {
    "bs": "spline terms",
    "ns": "spline terms",
    "poly": "orthogonal polynomials",
    "scale": "columns scaled by their own mean and deviation",
}

Product = tuple[tuple[str, bool], ...]
"""The columns of a term, each with whether it is categorical; a power repeats its column."""


@dataclass(slots=True)
class Naming:
    """Names of the columns of one model in another language.

    Attributes
    ----------
    model : ModelDescription
    dialect : Dialect
    pattern : Pattern
        What names look like.
    longest : int
    fold : bool
        Whether upper and lower case are the same.
    computed : list of pairs
        Columns to compute first, with their expressions.
    """

    model: ModelDescription
    dialect: Dialect
    pattern: re.Pattern[str]
    longest: int = 32
    fold: bool = False
    computed: list[tuple[str, Expr]] = field(default_factory=list)

    def __post_init__(self) -> None:
        names = columns_used(self.model)
        for name in names:
            if not self.pattern.fullmatch(name) or len(name) > self.longest:
                raise TranslationError(
                    self.dialect.language,
                    f"the column {name!r}",
                    f"it cannot have this name there (up to {self.longest} letters, digits and underscores); rename it "
                    "in the data.",
                )
        folded = [n.lower() for n in names]
        if self.fold and len(set(folded)) < len(folded):
            same = [n for n in names if folded.count(n.lower()) > 1]
            raise TranslationError(
                self.dialect.language,
                f"the columns {' and '.join(same)}",
                "they differ only in upper and lower case, which are the same there; rename one.",
            )

    def column(self, expr: Expr) -> str:
        """The name of a column or of a computed one."""
        inner = without_parens(expr)
        if isinstance(inner, Call) and inner.function == "I" and len(inner.arguments) == 1:
            inner = without_parens(inner.arguments[0].value)
        if isinstance(inner, Name):
            return inner.name
        for name, known in self.computed:
            if known == inner:
                return name
        for part in walk(inner):
            if isinstance(part, Call) and part.function in _SPLINES:
                raise TranslationError(
                    self.dialect.language,
                    deparse(inner),
                    f"{_SPLINES[part.function]} are made from the data and have no name there; put the columns of the "
                    "basis into the data.",
                )
        self.dialect.write(inner, deparse(inner))
        taken = {n.lower() for n in columns_used(self.model)} | {n.lower() for n, _ in self.computed}
        name = column_name(inner, taken, self.longest)
        self.computed.append((name, inner))
        return name

    def product(self, term: Term) -> Product:
        """The columns of a term."""
        out: list[tuple[str, bool]] = []
        for variable in term.variables:
            power = power_of(variable.expr)
            if power is None:
                out.append((self.column(variable.expr), False))
            else:
                out += [(power[0], self.model.is_categorical(power[0]))] * power[1]
        return tuple(out)

    def visits(self, rows: Repeated, products: Sequence[Product]) -> Repeated:
        """The structure of rows with copies of visits that are numbers in the rest of the model: a
        column is either a number or a factor there.
        """
        numbers = {name for product in products for name, categorical in product if not categorical}
        return replace(rows, visits=tuple(self._copied(v) if v in numbers else v for v in rows.visits))

    def _copied(self, name: str) -> str:
        taken = {n.lower() for n in columns_used(self.model)}
        copy = next(c for c in (f"{name}_visit", *(f"{name}_visit{i}" for i in range(2, 99))) if c.lower() not in taken)
        if (copy, Name(name)) not in self.computed:
            self.computed.append((copy, Name(name)))
        return copy

    def definitions(self, pattern: str) -> list[str]:
        """Lines that compute columns, made from a pattern with ``{name}`` and ``{value}``."""
        return [pattern.format(name=name, value=self.dialect.write(expr)) for name, expr in self.computed]


def check_common(model: ModelDescription, language: str) -> None:
    """Refuse what can be written in R's language only."""
    if model.contrasts:
        independent = {v.name for b in model.blocks if b.structure == "diagonal" for t in b.terms for v in t.variables}
        raise TranslationError(
            language,
            f"the contrasts of {', '.join(model.contrasts)}",
            "coding of one's own cannot be written in the model there, and the independent random effects of "
            f"{', '.join(sorted(independent.intersection(model.contrasts)))} are others with each coding; make numeric "
            "columns of it in the data."
            if independent.intersection(model.contrasts)
            else "coding of one's own cannot be written in the model there; the default coding gives the same fit with "
            "other coefficients.",
        )
    seen: set[tuple[frozenset[str], str]] = set()
    for block in model.blocks:
        for label in ["1"] * block.intercept + [t.label for t in block.terms]:
            if (frozenset(block.group), label) in seen:
                raise TranslationError(
                    language,
                    f"({label} | {block.label})",
                    "it occurs twice in the formula, so its two variances cannot be told apart; leave one out.",
                )
            seen.add((frozenset(block.group), label))


def refuse_rows(model: ModelDescription, language: str) -> None:
    """Refuse a covariance structure of the rows."""
    if model.repeated is not None or model.residual is not None:
        expr = model.residual
        raise TranslationError(
            language,
            "the covariance structure of the visits"
            if expr is None
            else expr.correlation_code or expr.variance_code or "",
            "rows are independent given the random effects there; SAS, SPSS, Stata and R have covariance structures of "
            "rows: to_syntax('sas'), 'spss', 'stata', 'r'.",
        )


def random_type(block: Block, factors: int, names: Mapping[str, str], language: str) -> str:
    """What a structure of several random effects is called.

    Parameters
    ----------
    block : Block
    factors : int
        Number of its terms; structures of equal steps are those of one factor.
    names : mapping
        Of structures to names there.
    language : str
    """
    structured = block.structure not in ("unstructured", "diagonal")
    if block.structure not in names or (structured and factors != 1):
        raise TranslationError(
            language,
            kind_of(block.structure).call.format(f"... | {block.label}"),
            f"this covariance structure has no name there; {', '.join(names)} have.",
        )
    return names[block.structure]


def over_levels(model: ModelDescription, block: Block, language: str) -> tuple[bool, tuple[Term, ...]]:
    """Intercept and terms of a block in a language
    that codes a factor by one column for every level.

    A correlated intercept and factor span what the levels alone span, so the intercept is left out.

    Raises
    ------
    TranslationError
        Where the columns of all levels would be another model.
    """
    factors = [t for t in block.terms if model.has_categorical(t)]
    if not factors:
        return block.intercept, block.terms
    part = f"({' + '.join(['1'] * block.intercept + [t.label for t in block.terms])} | {block.label})"
    if len(factors) > 1 or len(factors[0].variables) > 1:
        raise TranslationError(
            language,
            part,
            "several random terms with factors would have redundant columns there; give the random effects one factor.",
        )
    if block.structure == "diagonal" and block.intercept:
        raise TranslationError(
            language,
            part,
            "uncorrelated effects of an intercept and of a factor's contrasts: there, all levels have a column and "
            "none is a contrast. Write (0 + factor | group).",
        )
    return False, block.terms
