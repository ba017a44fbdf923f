"""Random-effects terms: ``(effects | group)`` with its nestings,
double bars and covariance structures written out.
"""

import re
from dataclasses import dataclass, field, replace

from ranef.formula.deparse import deparse
from ranef.formula.parser import parse_expression
from ranef.formula.shared_levels import KNOWN, KnownExpr, MembershipExpr, known_term, membership
from ranef.formula.syntax import (
    Binary,
    Call,
    Constant,
    Expr,
    Name,
    Number,
    Paren,
    Span,
    String,
    Unary,
    is_bar,
    is_named_bar,
    walk,
    without_parens,
)
from ranef.formula.terms import Effects, Expansion, Term, Variable
from ranef.formula.tokens import fail
from ranef.formula.vocabulary import (
    ELSEWHERE,
    HETEROGENEOUS,
    HOMOGENEOUS,
    METRICS,
    NUGGET,
    POSITIONED,
    STRUCTURES,
    check_calls,
    is_positioned,
)

#: A chain of n columns joined by ``*`` stands for 2^n - 1 grouping factors.
_MOST_GROUPS = 1_000

#: The bars of a term with a name.
_NAMED = re.compile(r" \|([^|\s]+)\| [^|]*$")


@dataclass(frozen=True, slots=True)
class RandomExpr:
    """One random-effects term after expansion.

    Two are equal when they have the same effects, group and structure.

    Parameters
    ----------
    text : str
        For example ``Days | Subject``.
    effects : tuple of Term
        The terms to the left of the bar, without the intercept.
    intercept : bool
        Whether they include one.
    group : tuple of str
        Labels of the variables that group, one unless the grouping factor is an interaction; of
        several the last varies fastest.
    group_label : str
        The grouping factor as lme4 names it: ``a:b``, and for ``a/b`` the inner one ``b:a``.
    structure : str
        Covariance structure, a value of ``STRUCTURES``, ``HOMOGENEOUS`` or ``HETEROGENEOUS`` of the
        vocabulary; over coordinates with its options, as ``exp:manhattan:nugget``.
    split : bool
        Whether the term is a part of a double bar.
    span : tuple of int
        Where the term stood in the formula.
    grouping : tuple of Variable
        The variables that group.
    known : KnownExpr or None
        The matrix of the levels, of ``known()``.
    members : MembershipExpr or None
        The columns of the levels of a row, of ``mm()``.
    shared : str or None
        The name of ``(x |p| g)``: terms of that name, in the formulas of one model, are one block.
    """

    text: str = field(compare=False)
    effects: tuple[Term, ...] = field(repr=False)
    intercept: bool
    group: tuple[str, ...]
    group_label: str
    structure: str = "unstructured"
    split: bool = field(default=False, compare=False)
    span: Span = field(default=(0, 0), compare=False, repr=False)
    grouping: tuple[Variable, ...] = field(default=(), compare=False, repr=False)
    known: KnownExpr | None = None
    members: MembershipExpr | None = None
    shared: str | None = None

    @property
    def variables(self) -> tuple[Variable, ...]:
        """All variables of the term."""
        weights = () if self.members is None else self.members.weights
        return (*(v for t in self.effects for v in t.variables), *self.grouping, *weights)

    @property
    def group_name(self) -> str:
        """The grouping factor for output: names of columns stand without back-quotes."""
        name = self.group_label
        for variable in self.grouping:
            if variable.label != variable.name:
                name = name.replace(variable.label, variable.name)
        return name


def random_terms(node: Expr, text: str, dot: tuple[str, ...] | None) -> tuple[tuple[RandomExpr, ...], bool]:
    """Write out one random-effects term of a formula.

    Parameters
    ----------
    node : Expr
        A bar in parentheses, or a call such as ``diag(x | g)``.
    text : str
        The whole formula, for messages.
    dot : tuple of str or None
        The columns that ``.`` stands for.

    Returns
    -------
    terms : tuple of RandomExpr
        In lme4's order: for each term of a double bar, for each grouping factor, the innermost
        first.
    has_dot : bool
        Whether ``.`` occurs.
    """
    structure = "unstructured"
    known: KnownExpr | None = None
    shared: str | None = None
    if isinstance(node, Call) and node.function == KNOWN:
        known, bar = known_term(node, text)
    elif isinstance(node, Call):
        structure, bar = _structured(node, text)
    else:
        inner = without_parens(node)
        assert isinstance(inner, Binary)
        bar, shared = _without_name(inner)
    for side in (bar.left, bar.right):
        for part in walk(side):
            if is_bar(part) and not _inside_a_call(part, side):
                assert isinstance(part, Binary)
                fail(
                    "bars cannot be nested: a random-effects term has one bar, with columns on both sides.",
                    text,
                    *part.operator_span,
                )
    expansion = Expansion(text, dot).expand(bar.left)
    effects = expansion.effects()
    if not effects.terms and not effects.intercept and not (expansion.has_dot and dot is None):
        fail(
            "there are no effects to the left of the bar; an intercept for each group is (1 | group).",
            text,
            *bar.left.span,
        )
    if isinstance(without_parens(bar.right), Number):
        fail(
            "the grouping factor is missing: to the right of the bar stands a column, or several joined by ':' or '/'.",
            text,
            *bar.right.span,
        )
    if is_positioned(structure):
        effects = _positions(bar, effects, structure.partition(":")[0], text)
    if bar.operator == "||":
        split = [(Effects((), True), "1")] if effects.intercept else []
        split += [(Effects((term,), False), f"0 + {term.label}") for term in effects.terms]
    else:
        split = [(effects, deparse(bar.left))]
    members = membership(bar.right, text)
    groups = _groups(bar.right, text) if members is None else [(members.label, members.columns)]
    if known is not None and (members is not None or len(groups) > 1 or len(groups[0][1]) > 1):
        fail("known() takes one grouping factor, whose levels are the names of the matrix.", text, *bar.right.span)
    out = [
        RandomExpr(
            f"{left} |{'' if shared is None else f'{shared}|'} {label if members is None else members.code}",
            part.terms,
            part.intercept,
            tuple(v.label for v in variables),
            label,
            structure,
            bar.operator == "||",
            node.span,
            variables,
            known,
            members,
            shared,
        )
        for part, left in split
        for label, variables in groups
    ]
    return tuple(out), expansion.has_dot


def _without_name(bar: Binary) -> tuple[Binary, str | None]:
    """A bar without the name in ``(x |p| g)``, and the name."""
    if is_named_bar(bar):
        left = bar.left
        assert isinstance(left, Binary)
        assert isinstance(left.right, Name)
        return replace(bar, left=left.left), left.right.name
    return bar, None


def shared_name(text: str) -> str | None:
    """The name in the text of a random term, as ``p`` in ``x |p| g``, of which the shorter terms of
    its tests are made; None without.
    """
    found = _NAMED.search(text)
    return None if found is None else found[1]


def _inside_a_call(part: Expr, side: Expr) -> bool:
    """Whether a bar is the logical "or" inside a function, as in I(a | b)."""
    return any(isinstance(n, Call) and n is not part and any(p is part for p in walk(n)) for n in walk(side))


def _structured(node: Call, text: str) -> tuple[str, Binary]:
    if node.function not in STRUCTURES:
        known = ", ".join(f"{s}()" for s in (*STRUCTURES, KNOWN))
        lower = node.function.lower()
        meant = [n for n in (lower, *ELSEWHERE.get(lower, ())) if n in STRUCTURES]
        hint = f" Did you mean {meant[0]}()?" if meant else ""
        fail(
            f"there is no covariance structure {node.function}().{hint} A random-effects term may stand in {known}. "
            f"If {node.function} is a column, an operator is missing after it.",
            text, *node.function_span,
        )  # fmt: skip
    options = _distance_options(node, text)
    if options is not None:
        node = replace(node, arguments=node.arguments[:1])
    common = _is_homogeneous(node, text)
    if len(node.arguments) != 1 + (common is not None) or node.arguments[0].keyword is not None:
        extra = node.arguments[1].value if len(node.arguments) > 1 else node
        more = ", and hom=True for one standard deviation of all effects" if node.function in HOMOGENEOUS else ""
        fail(f"{node.function}() takes one random-effects term{more or ' and nothing else'}.", text, *extra.span)
    bar = without_parens(node.arguments[0].value)
    assert isinstance(bar, Binary)
    if bar.operator == "||":
        fail(
            f"inside {node.function}() the bar is a single one; uncorrelated effects are diag(x | g) or (x || g).",
            text,
            *bar.operator_span,
        )
    forms = STRUCTURES if common is None else HOMOGENEOUS if common else HETEROGENEOUS
    return ":".join((forms[node.function], *(options or ()))), bar


def _distance_options(node: Call, text: str) -> tuple[str, ...] | None:
    """What ``metric=`` and ``nugget=`` say; None of a structure without such arguments."""
    given = node.arguments[1:]
    if node.function not in POSITIONED or not given or node.arguments[0].keyword is not None:
        return None
    found: dict[str, str] = {}
    for argument in given:
        value, key = argument.value, argument.keyword
        if key not in ("metric", "nugget") or key in found:
            fail(f"{node.function}() takes one random-effects term, metric= and nugget=.", text, *value.span)
        word = value.word if isinstance(value, Constant) else value.value if isinstance(value, String) else ""
        if key == "metric" and word not in METRICS:
            fail(f"metric is one of {', '.join(map(repr, METRICS))}.", text, *value.span)
        if key == "metric" and word != METRICS[0] and node.function != "exp":
            fail(
                f"{node.function}() of random effects takes Euclidean distances: with others its matrix need not be a "
                "covariance matrix, as that of exp() is.",
                text,
                *value.span,
            )
        if key == "nugget" and word.upper() not in ("TRUE", "FALSE"):
            fail("nugget is True or False, or left out.", text, *value.span)
        found[key] = word
    metric, nugget = found.get("metric", METRICS[0]), found.get("nugget", "FALSE").upper() == "TRUE"
    return (*((metric,) if metric != METRICS[0] else ()), *((NUGGET,) if nugget else ()))


def _positions(bar: Binary, effects: Effects, structure: str, text: str) -> Effects:
    """Coordinates as one factor, with a level for each position that occurs."""
    terms = effects.terms
    if effects.intercept or not terms or any(len(t.variables) > 1 for t in terms):
        fail(
            f"{structure}() takes coordinates without an intercept, as {structure}(east + north + 0 | group).",
            text,
            *bar.left.span,
        )
    labels = [t.label for t in terms]
    column = labels[0] if len(labels) == 1 else f'paste({", ".join(labels)}, sep = ",")'
    return Expansion(text, None).expand(parse_expression(f"0 + factor({column})")).effects()


def _is_homogeneous(node: Call, text: str) -> bool | None:
    """What the last argument ``hom=`` says, of a structure that has both forms."""
    last = node.arguments[-1] if node.arguments else None
    if last is None or last.keyword != "hom" or node.function not in HOMOGENEOUS:
        return None
    word = (last.value.word if isinstance(last.value, Constant) else deparse(last.value)).upper()
    if word not in ("TRUE", "FALSE"):
        fail("hom is True or False, or left out.", text, *last.value.span)
    return word == "TRUE"


def _groups(node: Expr, text: str) -> list[tuple[str, tuple[Variable, ...]]]:
    """The grouping factors to the right of a bar, as label and variables.

    The innermost of a nesting comes first, as in lme4.
    """
    inner = without_parens(node)
    if isinstance(inner, Binary) and inner.operator in ("/", ":", "*", "+", "%in%"):
        left, right = _groups(inner.left, text), _groups(inner.right, text)
        if len(left) * len(right) > _MOST_GROUPS:
            many = f"these are over {_MOST_GROUPS:,} grouping factors; name those that are wanted."
            fail(many, text, *inner.span)
        if inner.operator == "+":
            return [*left, *right]
        if inner.operator == "/":
            # a/b is "b within a", and lme4 names it b:a. Nesting in several factors is nesting in
            # the innermost combination.
            outer = left[0]
            return [*(_crossed(g, outer) for g in right), *left]
        if inner.operator == "*":
            return [*left, *right, *(_crossed(a, b) for a in left for b in right)]
        if len(left) == len(right) == 1:
            label = f"{_operand(inner.left, left[0][0])}:{_operand(inner.right, right[0][0])}"
            return [(label, _distinct(left[0][1] + right[0][1]))]
        return [_crossed(a, b) for a in left for b in right]
    if isinstance(inner, Binary) and inner.operator in ("-", "^"):
        fail(
            f"{inner.operator!r} has no meaning between grouping factors; join them by ':' or '/'.",
            text,
            *inner.operator_span,
        )
    if isinstance(inner, Unary) and inner.operator in "+-":
        fail(f"{inner.operator!r} has no meaning before a grouping factor.", text, *inner.span)
    if isinstance(inner, Number | Constant | String):
        fail(f"{deparse(inner)} is not a grouping factor: to the right of a bar stand columns.", text, *inner.span)
    if isinstance(inner, Name) and inner.name == ".":
        fail("'.' cannot be a grouping factor; write the column's name.", text, *inner.span)
    check_calls(inner, text)
    variable = Variable.of(inner)
    return [(variable.label, (variable,))]


def _operand(node: Expr, label: str) -> str:
    return f"({label})" if isinstance(node, Paren) and ":" in label else label


def _crossed(
    first: tuple[str, tuple[Variable, ...]], second: tuple[str, tuple[Variable, ...]]
) -> tuple[str, tuple[Variable, ...]]:
    label = ":".join(f"({text})" if len(variables) > 1 else text for text, variables in (first, second))
    return label, _distinct(first[1] + second[1])


def _distinct(variables: tuple[Variable, ...]) -> tuple[Variable, ...]:
    return tuple(dict.fromkeys(variables))
