"""What is read in a text of another language,
put together as a formula and a call of this package.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ranef.design.structures import kind_of
from ranef.errors import TranslationError
from ranef.formula.deparse import deparse, quoted_name
from ranef.formula.syntax import Argument, Binary, Call, Expr, Name, Unary, names_in, without_parens
from ranef.formula.tokens import is_syntactic
from ranef.formula.update import formula_text
from ranef.translation.expressions import replace_names

Effect = tuple[str, ...]
"""The columns of a product; the empty one is the intercept."""


@dataclass(slots=True)
class Columns:
    """The columns that a text names: which are categorical, and which it computes from others.

    Attributes
    ----------
    language : str
    fold : bool
        Whether upper and lower case are the same; the first spelling counts.
    factors : dict
        Categorical columns with their reference level, None for the first.
    computed : dict
        Definitions of columns.
    groups : dict
        Columns that number the combinations of others.
    expanded : list of str
        Factors whose dummy variables are columns of their own.
    """

    language: str
    fold: bool = False
    factors: dict[str, str | None] = field(default_factory=dict)
    computed: dict[str, Expr] = field(default_factory=dict)
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    spellings: dict[str, str] = field(default_factory=dict)
    expanded: list[str] = field(default_factory=list)

    def name(self, written: str) -> str:
        """A column in its first spelling."""
        return self.spellings.setdefault(written.lower(), written) if self.fold else written

    def define(self, name: str, expr: Expr) -> None:
        """Note that a column is computed."""
        self.computed[self.name(name)] = self.expression(expr)

    def expression(self, expr: Expr) -> Expr:
        """An expression in columns of the data."""
        values = dict(self.computed)
        if self.fold:
            values |= {n: self.computed.get(self.name(n), Name(self.name(n))) for n in names_in(expr)}
        return without_parens(replace_names(expr, values))

    def text(self, expr: Expr) -> str:
        """The text of an expression in columns of the data."""
        return deparse(self.expression(expr))

    def is_factor(self, name: str) -> bool:
        """Whether a column is categorical."""
        return self.name(name) in self.factors

    def variable(self, name: str) -> str:
        """A column as a variable of a formula."""
        name = self.name(name)
        if name in self.factors:
            reference = self.factors[name]
            text = f"factor({quoted_name(name)})"
            return text if reference is None else f'relevel({text}, ref = "{reference}")'
        expr = self.computed.get(name)
        if expr is None:
            return quoted_name(name)
        return deparse(Call("I", (Argument(expr),)) if isinstance(expr, Binary | Unary) else expr)

    def product(self, effect: Sequence[str]) -> str:
        """A term of a formula; a number that occurs several times is raised to a power."""
        names = [self.name(n) for n in effect]
        parts = []
        for name in dict.fromkeys(names):
            times = names.count(name)
            if times == 1 or name in self.factors:
                parts.append(self.variable(name))
            else:
                base = self.computed.get(name, Name(name))
                inner = deparse(base)
                parts.append(f"I({inner if isinstance(base, Name | Call) else f'({inner})'}^{times})")
        return ":".join(parts)

    def group(self, names: Sequence[str]) -> str:
        """A grouping factor."""
        whole = [part for n in names for part in self.groups.get(self.name(n), (self.name(n),))]
        for name in whole:
            if name in self.computed:
                raise TranslationError(
                    self.language, name, "it groups and is computed in the text; group by a column of the data."
                )
        return ":".join(map(quoted_name, dict.fromkeys(whole)))

    def random(
        self, effects: Sequence[Effect], subject: Sequence[str], structure: str, part: str, line: int
    ) -> list[str]:
        """Random terms of a formula.

        Parameters
        ----------
        effects : sequence of Effect
        subject : sequence of str
            Columns whose combinations the effects vary over; empty if the effects have
            them.
        structure : str
            A structure by its name here, or ``"components"``: one variance for each effect, the
            same for all levels of a categorical one; or ``"identity"``: one for all.
        part : str
            For messages.
        """
        categorical = [any(map(self.is_factor, e)) for e in effects]
        if structure not in ("unstructured", "diagonal", "components", "identity"):
            if len(effects) != 1 or not categorical[0] or not subject:
                raise TranslationError(
                    self.language,
                    part,
                    "this covariance structure is one of the levels of a factor, one effect of a CLASS variable with "
                    "subjects.",
                    line,
                )
            return [kind_of(structure).call.format(f"0 + {self.product(effects[0])} | {self.group(subject)}")]
        if structure == "identity" and len(effects) > 1:
            raise TranslationError(
                self.language,
                part,
                "several effects with one common variance have no random-effects term here; give each its own "
                "variance.",
                line,
            )
        if structure in ("components", "identity") and any(categorical):
            return [t for e in effects for t in self._component(e, subject, part, line)]
        if not subject:
            if structure == "components":
                return [t for e in effects for t in self._component(e, subject, part, line)]
            raise TranslationError(
                self.language, part, "the subjects, over which these effects vary, are missing.", line
            )
        left = _left(["1" if not e else self.product(e) for e in effects])
        group = self.group(subject)
        if len(effects) == 1 and (structure == "unstructured" or not any(categorical)):
            return [f"({left} | {group})"]
        if structure == "unstructured":
            return [f"({left} | {group})"]
        if not any(categorical):
            return [f"({left} || {group})"]
        if () in effects:
            raise TranslationError(
                self.language,
                part,
                "an intercept and every level of a factor, all uncorrelated, cannot be told apart; leave out the "
                "intercept.",
                line,
            )
        return [f"diag({left} | {group})"]

    def _component(self, effect: Effect, subject: Sequence[str], part: str, line: int) -> list[str]:
        """One variance component: the levels of categorical columns are further groups."""
        group = [*subject, *(n for n in effect if self.is_factor(n))]
        numbers = tuple(n for n in effect if not self.is_factor(n))
        if not group:
            raise TranslationError(
                self.language,
                part,
                "a random coefficient needs subjects, over which it varies, and there are none here (a grouping "
                "column must be declared categorical).",
                line,
            )
        left = f"0 + {self.product(numbers)}" if numbers else "1"
        return [f"({left} | {self.group(group)})"]


def quoted(text: str) -> str:
    """A text as a string of Python, in double quotes where it can be."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' if '"' not in text else repr(text)


def _left(terms: Sequence[str]) -> str:
    slopes = [t for t in terms if t != "1"]
    if not slopes:
        return "1"
    return " + ".join(slopes if "1" in terms else ["0", *slopes])


def nested(terms: Sequence[str]) -> list[str]:
    """Random terms, with equal ones of nested grouping factors as one:
    ``(1 | a)`` and ``(1 | a:b)`` are ``(1 | a/b)``.
    """
    groups: dict[str, list[list[str]]] = {}
    for term in dict.fromkeys(terms):
        left, _, group = term.rpartition("| ")
        groups.setdefault(left, []).append(group.removesuffix(")").split(":"))
    out = {}
    for left, paths in groups.items():
        chain = sorted(paths, key=len)
        steps = all(len(p) == i and p[:-1] == ([] if i == 1 else chain[i - 2]) for i, p in enumerate(chain, start=1))
        if len(chain) > 1 and steps and not any("`" in p for p in chain[-1]):
            for path in paths:
                out[f"{left}| {':'.join(path)})"] = f"{left}| {'/'.join(chain[-1])})"
    return list(dict.fromkeys(out.get(term, term) for term in terms))


@dataclass(slots=True)
class Reading:
    """A model as a text has it; collected by the reader of a language.

    Attributes
    ----------
    language : str
    response : str
        Left side of the formula.
    intercept : bool
    fixed, random, offsets : list of str
        Terms of the formula; random terms with their parentheses, offsets without ``offset()``.
    formula : str
        The whole formula where the language has formulas like ours; the parts above are then not
        used.
    reml : bool
    ddf : str or None
        Degrees of freedom of a linear model's tests that are not the default ones.
    family, link : str or None
    n_quad : int
    weights, subset : str or None
    data : str
    correlation, variance : str or None
        Covariance structure of the rows.
    contrasts : dict
        Coding of factors by column.
    repeated : str
        The structure term of a model for repeated measures.
    vcov : str or None
        The robust covariance of such a model.
    verb : str or None
        The function of this package, where it is not that of the family.
    own : dict
        Its further arguments as code, by name.
    notes : list of str
    """

    language: str
    response: str = ""
    intercept: bool = True
    fixed: list[str] = field(default_factory=list)
    random: list[str] = field(default_factory=list)
    offsets: list[str] = field(default_factory=list)
    formula: str = ""
    reml: bool = True
    ddf: str | None = None
    family: str | None = None
    link: str | None = None
    n_quad: int = 1
    weights: str | None = None
    subset: str | None = None
    correlation: str | None = None
    variance: str | None = None
    data: str = "data"
    contrasts: dict[str, str] = field(default_factory=dict)
    repeated: str = ""
    vcov: str | None = None
    verb: str | None = None
    own: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Add what the user should know, once."""
        if text not in self.notes:
            self.notes.append(text)

    def whole_formula(self) -> str:
        """The formula."""
        if self.formula:
            return self.formula
        fixed = list(dict.fromkeys(self.fixed))
        random = nested(self.random)
        offsets = [f"offset({o})" for o in self.offsets]
        if not fixed:
            # The intercept is written where nothing else is.
            return f"{self.response} ~ {' + '.join(['1' if self.intercept else '0', *offsets, *random])}"
        if not self.intercept:
            fixed.insert(0, "0")
        return formula_text(self.response, [*fixed, *offsets, *random])

    def python_data(self) -> str:
        """Name of the data as a Python name."""
        name = self.data.rsplit(".", 1)[-1]
        return name if name.isidentifier() and is_syntactic(name) else "data"
