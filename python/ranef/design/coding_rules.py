"""Which coding a factor gets: its own, that of the argument ``contrasts``, or the default."""

from collections.abc import Iterable
from dataclasses import dataclass

from ranef.design.contrasts import Contrast
from ranef.formula.syntax import Call, Expr, Name, without_parens
from ranef.formula.terms import Variable
from ranef.options import R_DEFAULTS, RandomContrasts, default_contrasts, random_contrasts

#: Functions that change how a column is coded, and whether they also make a factor of numbers.
_CODING = {"C": False, "relevel": False, "factor": True, "ordered": True}


@dataclass(frozen=True, slots=True)
class CodingRules:
    """How factors without a coding of their own are coded. A fit keeps the rules that it was made
    with.

    Attributes
    ----------
    unordered, ordered : str
        Names of contrasts: of factors without order, and of ordered ones.
    random : {"given", "lme4"}
        Whether the argument ``contrasts`` codes random effects too, or fixed effects only.
    """

    unordered: str = R_DEFAULTS[0]
    ordered: str = R_DEFAULTS[1]
    random: RandomContrasts = "given"

    @classmethod
    def of_session(cls) -> "CodingRules":
        """The rules that ``ranef.options`` has set."""
        return cls(*default_contrasts(), random_contrasts())

    def default(self, ordered: bool) -> Contrast:
        """The coding of a factor for which none is given."""
        return Contrast(self.ordered if ordered else self.unordered)


LME4_RULES = CodingRules(random="lme4")
"""The rules of models in files that are older than the rules."""


def is_usual(contrast: Contrast, ordered: bool) -> bool:
    """Whether R codes such a factor so when nothing is said."""
    return contrast.base is None and contrast.how_many is None and contrast.kind == R_DEFAULTS[ordered]


def contrast_words(contrast: Contrast) -> str:
    """A coding in a word or two, for the summary."""
    if contrast.base is None:
        return contrast.kind
    which = contrast.base if isinstance(contrast.base, str) else f"level {contrast.base}"
    return f"{contrast.kind}, reference {which}"


def column_names(variables: Iterable[Variable]) -> dict[str, str]:
    """What the columns of coded variables are called, by label: ``C(f, contr.sum)`` is ``f``, and
    ``factor(x, levels = c(2, 1))`` is ``factor(x)``.

    Variables whose short names are equal, or the name of another variable, keep their long ones.
    """
    distinct = dict.fromkeys(variables)
    short = {v.label: _short_name(v.expr) for v in distinct if isinstance(v.expr, Call)}
    wanted = {label: name for label, name in short.items() if name is not None}
    if not wanted:
        return {}
    taken = [wanted.get(v.label, v.name) for v in distinct]
    return {label: name for label, name in wanted.items() if taken.count(name) == 1}


def _short_name(expr: Expr) -> str | None:
    """The name without what is said on coding; None where nothing is, or no column remains."""
    inner = without_parens(expr)
    if not isinstance(inner, Call) or inner.function not in _CODING or len(inner.arguments) < 2:
        return None
    first = inner.arguments[0]
    if first.keyword is not None:
        return None
    argument = without_parens(first.value)
    name = argument.name if isinstance(argument, Name) else Variable.of(argument).name
    name = _short_name(argument) or name
    return f"{inner.function}({name})" if _CODING[inner.function] else name
