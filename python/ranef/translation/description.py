"""The neutral description of a model, which every language is written from."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ranef.formula import (
    Formula,
    Term,
    Variable,
    deparse,
    parse_expression,
    parse_formula,
    require_random,
    require_response,
)
from ranef.formula.random import RandomExpr
from ranef.formula.residual import ResidualExpr
from ranef.formula.shared_levels import KnownExpr, MembershipExpr
from ranef.formula.syntax import Binary, Call, Expr, Name, String, names_in, without_parens
from ranef.translation.codings import ColumnCoding
from ranef.translation.component_response import ComponentResponse
from ranef.translation.family_names import family_and_link
from ranef.translation.ordered_response import OrderedResponse
from ranef.translation.repeated import Repeated

_WITHOUT_SCALE = ("binomial", "poisson")


@dataclass(frozen=True, slots=True)
class Categorical:
    """A variable that is coded by its levels.

    Attributes
    ----------
    name : str
        The column.
    levels : tuple of str or None
        In the order of the fit; None where no data are known.
    reference : str or None
        The level the others are compared with; None for the first one.
    """

    name: str
    levels: tuple[str, ...] | None = None
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """Random effects that have one covariance matrix for each level of a grouping factor.

    Attributes
    ----------
    group : tuple of str
        The columns whose combinations are the levels, the outer first where they are nested.
    intercept : bool
    terms : tuple of Term
        The slopes.
    structure : str
        A name of `ranef.design.structures.STRUCTURES`.
        Of a block with one effect always ``"unstructured"``.
    known : KnownExpr or None
        The matrix that relates the levels.
    members : MembershipExpr or None
        The columns that hold the levels of a row, where it has several; ``group`` is then what
        stands to the right of the bar.
    """

    group: tuple[str, ...]
    intercept: bool
    terms: tuple[Term, ...]
    structure: str
    known: KnownExpr | None = None
    members: MembershipExpr | None = None

    @property
    def label(self) -> str:
        """The grouping factor as text."""
        return ":".join(self.group)

    @property
    def size(self) -> int:
        """Number of terms with the intercept; a categorical term counts once."""
        return len(self.terms) + self.intercept

    @property
    def scalar(self) -> bool:
        """Whether it is a random intercept and nothing else."""
        return self.intercept and not self.terms


@dataclass(frozen=True, slots=True)
class Response:
    """What is modelled.

    Attributes
    ----------
    expr : Expr
        The response; of binomial counts the successes.
    trials : Expr or None
        Of binomial counts the number of trials.
    """

    expr: Expr
    trials: Expr | None = None


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """A model in terms that every program has.

    Attributes
    ----------
    formula : str
        The formula it was made from.
    response : Response
    intercept : bool
        Whether the fixed effects have one.
    fixed : tuple of Term
        Fixed terms without the intercept, categorical variables under the names of their columns.
    offsets : tuple of Expr
    blocks : tuple of Block
    reml : bool
        Whether a linear model is fitted by REML; False for others.
    family, link : str or None
        Both None for a linear model.
    n_quad : int
        Nodes of quadrature: 1 is Laplace's approximation, 0 the fast penalised form.
    weights : Expr or None
        Prior weights: a row's variance is divided by its weight.
    subset : Expr or None
        Rows to use.
    categorical : tuple of Categorical
        Those known to be; where no data are known, others may be too.
    levels_known : bool
        Whether it is known from data which variables are categorical.
    contrasts : tuple of str
        Variables whose coding is neither treatment nor left to the program.
    codings : tuple of ColumnCoding
        The same of columns of data in detail, where data are known.
    residual : ResidualExpr or None
        Covariance structure of the rows given the random effects.
    ddf : str
        Degrees of freedom of a linear model's tests.
    repeated : Repeated or None
        Of a model for repeated measures, which has no blocks.
    constant_within : tuple of pairs of str
        Variables that do not vary within the levels of a grouping factor, with its label.
    columns : tuple of pairs
        For terms with several coefficients, label and names of the columns, where data are known.
    event : str
        The level of a binary response that counts as success.
    data : str
        Name of the data.
    ordered : OrderedResponse or None
        Of ordered categories, beside the binary model with the same predictors.
    components : ComponentResponse or None
        Of several linear predictors, beside the model of one with the same mean.
    """

    formula: str
    response: Response
    intercept: bool
    fixed: tuple[Term, ...]
    offsets: tuple[Expr, ...]
    blocks: tuple[Block, ...]
    reml: bool = True
    family: str | None = None
    link: str | None = None
    n_quad: int = 1
    weights: Expr | None = None
    subset: Expr | None = None
    categorical: tuple[Categorical, ...] = ()
    levels_known: bool = False
    contrasts: tuple[str, ...] = ()
    codings: tuple[ColumnCoding, ...] = ()
    residual: ResidualExpr | None = None
    constant_within: tuple[tuple[str, str], ...] = ()
    columns: tuple[tuple[str, tuple[str, ...]], ...] = ()
    event: str = "1"
    data: str = "data"
    ddf: str = "satterthwaite"
    repeated: Repeated | None = None
    ordered: OrderedResponse | None = None
    components: ComponentResponse | None = None

    @property
    def method(self) -> str:
        """``REML``, ``ML``, ``Laplace``, ``AGHQ`` or ``penalised``."""
        if self.family is None:
            return "REML" if self.reml else "ML"
        return "AGHQ" if self.n_quad > 1 else "Laplace" if self.n_quad == 1 else "penalised"

    def is_categorical(self, label: str) -> bool:
        """Whether a variable is known to be categorical."""
        return any(c.name == label for c in self.categorical)

    def has_categorical(self, term: Term) -> bool:
        """Whether a term contains a categorical variable."""
        return any(self.is_categorical(v.name) for v in term.variables)

    @property
    def crossed(self) -> bool:
        """Whether some grouping factor is not nested in,
        and does not contain, another one, as far as their names show.
        """
        groups = [frozenset(b.group) for b in self.blocks]
        return any(not (a <= b or b <= a) for a in groups for b in groups)

    @property
    def outer_first(self) -> tuple[Block, ...]:
        """The blocks with those of nested grouping factors after those that they are nested in."""
        return tuple(sorted(self.blocks, key=lambda b: len(b.group)))

    @property
    def scaled(self) -> bool:
        """Whether there is a residual variance, or another parameter of dispersion."""
        return self.family not in _WITHOUT_SCALE

    @property
    def signature(self) -> tuple[object, ...]:
        """Equal for two ways of writing one model:
        order of terms and of grouping variables, ``||``, ``diag`` and separate terms do not matter.
        """
        blocks: list[tuple[frozenset[str], frozenset[str], str]] = []
        for block in self.blocks:
            labels = ["1"] * block.intercept + [_label(t) for t in block.terms]
            if block.structure == "diagonal" and not any(self.has_categorical(t) for t in block.terms):
                blocks += [(frozenset(block.group), frozenset((label,)), "unstructured") for label in labels]
            else:
                blocks.append((frozenset(block.group), frozenset(labels), block.structure))
        return (
            _text(self.response.expr),
            None if self.response.trials is None else _text(self.response.trials),
            self.intercept,
            frozenset(map(_label, self.fixed)),
            frozenset(map(_text, self.offsets)),
            frozenset((b, blocks.count(b)) for b in blocks),
            self.method,
            self.family,
            self.link,
            self.n_quad if self.family else 1,
            None if self.weights is None else _text(self.weights),
            self.repeated,
        )


def _label(term: Term) -> str:
    return ":".join(sorted(v.label for v in term.variables))


def _text(node: Expr) -> str:
    return deparse(without_parens(node))


def describe(
    formula: str | Formula,
    *,
    reml: bool = True,
    family: str | None = None,
    link: str | None = None,
    n_quad: int = 1,
    weights: str | None = None,
    offset: str | None = None,
    subset: str | None = None,
    categorical: Iterable[Categorical | str] = (),
    levels_known: bool = False,
    contrasts: Iterable[str] = (),
    constant_within: Mapping[str, str] | None = None,
    columns: Mapping[str, tuple[str, ...]] | None = None,
    event: str = "1",
    data: str = "data",
    residual: ResidualExpr | None = None,
    repeated: Repeated | None = None,
    bars: bool = True,
) -> ModelDescription:
    """Describe a model.

    Parameters
    ----------
    formula : str or Formula
        As for ``lmer`` or ``glmer``.
    reml : bool
        For a linear model.
    family : str, optional
        Name of a family, perhaps with its link as in ``"binomial(probit)"``; None for a linear
        model.
    link : str, optional
        The family's first by default.
    n_quad : int
        Nodes of quadrature.
    weights, offset, subset : str, optional
        Columns or expressions.
    categorical : iterable of Categorical or str
        Categorical variables, besides those that the formula calls ``factor(...)``.
    levels_known, contrasts, constant_within, columns, event, data, residual, repeated
        As in `ModelDescription`.
    bars : bool
        Whether the formula must have random effects, where rows are independent given them.

    Returns
    -------
    ModelDescription

    Raises
    ------
    FormulaError
        If the formula cannot be understood or has no random effects.
    OptionError
        For an unknown family or link.

    Examples
    --------
    >>> d = describe("y ~ x + (x || school/class)", reml=False)
    >>> d.method, [(b.group, b.structure) for b in d.blocks]
    ('ML', [(('school', 'class'), 'diagonal'), (('school',), 'diagonal')])
    """
    parsed = parse_formula(formula)
    if bars and residual is None and repeated is None:
        require_random(parsed)
    family, link = family_and_link(family, link)
    known = {c.name: c for c in (Categorical(c) if isinstance(c, str) else c for c in categorical)}
    renamed = _Categories(known)
    given_weights = None if weights is None else parse_expression(weights)
    response, left_weights = response_of(require_response(parsed).expr, family, given_weights)
    fixed = tuple(renamed.term(t) for t in parsed.fixed)
    offsets = tuple(_inside(v.expr) for v in parsed.offsets)
    if offset is not None:
        offsets += (parse_expression(offset),)
    blocks = _blocks(parsed.random, renamed)
    return ModelDescription(
        formula=parsed.code,
        response=response,
        intercept=parsed.intercept,
        fixed=fixed,
        offsets=offsets,
        blocks=blocks,
        reml=reml if family is None else False,
        family=family,
        link=link,
        n_quad=n_quad if family else 1,
        weights=left_weights,
        subset=None if subset is None else parse_expression(subset),
        categorical=tuple(known.values()),
        levels_known=levels_known,
        contrasts=tuple(dict.fromkeys((*contrasts, *renamed.contrasts))),
        constant_within=tuple((constant_within or {}).items()),
        columns=tuple((columns or {}).items()),
        event=event,
        data=data,
        residual=residual,
        repeated=repeated,
    )


class _Categories:
    """Puts columns in place of ``factor(column)`` and notes that they are categorical."""

    def __init__(self, known: dict[str, Categorical]):
        self.known = known
        self.contrasts: list[str] = []

    def term(self, term: Term) -> Term:
        """A term with the columns of its categorical variables."""
        variables = tuple(self.variable(v) for v in term.variables)
        return Term(":".join(v.label for v in variables), variables)

    def is_categorical(self, variable: Variable) -> bool:
        """Whether a variable is known to be categorical."""
        return self.variable(variable).name in self.known

    def variable(self, variable: Variable) -> Variable:
        """The column of a categorical variable; others as they are."""
        expr, reference = without_parens(variable.expr), None
        while isinstance(expr, Call):
            values = {a.keyword: a.value for a in expr.arguments if a.keyword}
            free = [a.value for a in expr.arguments if not a.keyword]
            if expr.function == "relevel":
                ref = values.get("ref", free[1] if len(free) > 1 else None)
                reference = ref.value if isinstance(ref, String) else None if ref is None else deparse(ref)
            elif expr.function == "C" and (len(free) > 1 or values):
                self.contrasts.append(deparse(free[0]))
            elif expr.function not in ("factor", "as.factor", "C") or len(expr.arguments) != 1:
                return variable
            expr = without_parens(free[0] if free else values.get("x", expr))
        if not isinstance(expr, Name) or expr is variable.expr:
            return variable
        column = Variable.of(expr)
        old = self.known.get(column.name, Categorical(column.name))
        self.known[column.name] = Categorical(column.name, old.levels, reference or old.reference)
        return column


def response_of(expr: Expr, family: str | None, weights: Expr | None) -> tuple[Response, Expr | None]:
    """The response, and the weights that are not numbers of trials."""
    inner = without_parens(expr)
    if family != "binomial":
        return Response(inner), weights
    if isinstance(inner, Call) and inner.function == "cbind" and len(inner.arguments) == 2:
        successes, failures = (without_parens(a.value) for a in inner.arguments)
        if isinstance(failures, Binary) and failures.operator == "-" and without_parens(failures.right) == successes:
            return Response(successes, without_parens(failures.left)), weights
        return Response(successes, Binary("+", successes, failures)), weights
    if weights is None:
        return Response(inner), None
    if isinstance(inner, Binary) and inner.operator == "/" and without_parens(inner.right) == without_parens(weights):
        return Response(without_parens(inner.left), without_parens(weights)), None
    return Response(Binary("*", inner, weights), without_parens(weights)), None


def _inside(expr: Expr) -> Expr:
    assert isinstance(expr, Call)
    return without_parens(expr.arguments[0].value)


def _blocks(random: tuple[RandomExpr, ...], renamed: _Categories) -> tuple[Block, ...]:
    """The random terms, with the parts of a double bar put together again
    and grouping variables from the outermost inwards.
    """
    sets = [frozenset(v.name for v in r.grouping) for r in random]
    merged: dict[tuple[object, ...], list[RandomExpr]] = {}
    for i, r in enumerate(random):
        # The effects of a factor in a double bar are correlated among themselves, so they stay a
        # term of their own.
        numeric = not any(renamed.is_categorical(v) for t in r.effects for v in t.variables)
        merged.setdefault((r.span, sets[i]) if r.split and numeric else (i,), []).append(r)
    out = []
    for parts in merged.values():
        first = parts[0]
        names = [v.name for v in first.grouping]
        # A variable that groups by itself, or in a smaller combination, is further out.
        names.sort(key=lambda n: min((len(s) for s in sets if n in s), default=0))
        terms = tuple(renamed.term(t) for p in parts for t in p.effects)
        intercept = any(p.intercept for p in parts)
        diagonal = len(parts) > 1 or first.structure == "diagonal"
        structure = "diagonal" if diagonal else first.structure
        if len(terms) + intercept == 1 and structure == "diagonal" and first.split:
            structure = "unstructured"
        if not terms:
            structure = "unstructured"
        group = tuple(names) if first.members is None else (first.group_label,)
        out.append(Block(group, intercept, terms, structure, first.known, first.members))
    return tuple(out)


def blocks_as_written(model: ModelDescription) -> tuple[Block, ...]:
    """The blocks with the variables of the formula, ``factor(f)`` and not ``f``:
    for languages that have such functions too.
    """

    class AsWritten(_Categories):
        def term(self, term: Term) -> Term:
            return term

    return _blocks(parse_formula(model.formula).random, AsWritten({c.name: c for c in model.categorical}))


def columns_used(description: ModelDescription) -> tuple[str, ...]:
    """Names of all columns of a model, each once."""
    exprs: list[Expr] = [description.response.expr, *description.offsets]
    exprs += [e for e in (description.response.trials, description.weights, description.subset) if e is not None]
    exprs += [v.expr for t in description.fixed for v in t.variables]
    exprs += [v.expr for b in description.blocks for t in b.terms for v in t.variables]
    of_members = [b.members for b in description.blocks if b.members is not None]
    exprs += [v.expr for m in of_members for v in (*m.columns, *m.weights)]
    names = [n for e in exprs for n in names_in(e)]
    names += [g for b in description.blocks if b.members is None for g in b.group]
    return tuple(dict.fromkeys(names))
