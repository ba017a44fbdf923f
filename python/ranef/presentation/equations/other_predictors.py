"""Equations of responses with zeros and dispersion: a mixture, its mean, and the other predictors;
and the distributions of random effects beside those of the mean.
"""

from collections.abc import Callable, Mapping

from ranef.presentation.equations.symbols import Digits, Indexed, Matrix, Node, Operator, Row, Symbol, Word
from ranef.translation.component_response import ComponentResponse, OtherPredictor

#: A left side, a relation, and summands of the right side.
Parts = tuple[Node, str, tuple[Node, ...]]

#: Grouping factors with the names of the random effects over them.
Effects = tuple[tuple[str, tuple[str, ...]], ...]


def component_equations(
    response: Node,
    made: ComponentResponse,
    link: str,
    trials: Node | None,
    rows: Node,
    mean: list[Node],
    letters: Mapping[str, Node],
) -> list[Parts]:
    """The equations of the rows.

    Parameters
    ----------
    response : Node
    made : ComponentResponse
    link : str
        Of the mean.
    trials : Node or None
    rows : Node
        Index of a row.
    mean : list of Node
        Summands of the linear predictor of the mean.
    letters : mapping
        Index of the levels of a grouping factor.
    """
    varies = {p.symbol for p in made.predictors}
    mu = Indexed(Symbol("mu"), rows)
    inside: list[Node] = [*([] if trials is None else [trials]), mu]
    if made.dispersion is not None:
        inside.append(Indexed(Symbol(made.dispersion), rows) if made.dispersion in varies else Symbol(made.dispersion))
    inside += [Word(name) for name in made.shapes]
    listed = [piece for node in inside for piece in (Operator(","), node)][1:]
    name = f"truncated {made.distribution}" if made.truncated else made.distribution
    law = Row((Word(name), Operator("("), *listed, Operator(")")))
    right: tuple[Node, ...] = (law,)
    if made.has_zeros:
        zero = Indexed(Symbol("pi"), rows)
        rest = Row((Operator("("), Digits("1"), Operator("-"), zero, Operator(")"), Operator("*"), law))
        right = (Row((zero, Operator("*"), Word("zero"))), rest)
    shown = mu if link == "identity" else _of(link, mu)
    out: list[Parts] = [(response, "~", right), (shown, "=", tuple(mean) or (Digits("0"),))]
    return out + [_predictor(p, rows, letters) for p in made.predictors]


def _predictor(p: OtherPredictor, rows: Node, letters: Mapping[str, Node]) -> Parts:
    terms: list[Node] = []
    first = 0 if "(Intercept)" in p.columns else 1
    for j, name in enumerate(p.columns, start=first):
        coefficient = Indexed(Symbol(p.coefficient), Digits(str(j)))
        terms.append(coefficient if name == "(Intercept)" else Row((coefficient, Indexed(Word(name), rows))))
    terms += [Indexed(Word(name), rows) for name in p.offsets]
    terms += effect_terms(p.effect, p.effects, rows, letters)
    return _of(p.link, Indexed(Symbol(p.symbol), rows)), "=", tuple(terms) or (Digits("0"),)


def effect_terms(letter: str, effects: Effects, rows: Node, letters: Mapping[str, Node]) -> list[Node]:
    """Random effects times their columns."""
    out: list[Node] = []
    for group, names in effects:
        for j, name in enumerate(names):
            node = _effect(letter, group, j, letters)
            out.append(node if name == "(Intercept)" else Row((node, Indexed(Word(name), rows))))
    return out


def effect_distributions(
    letter: str,
    effects: Effects,
    shared: tuple[str, ...],
    letters: Mapping[str, Node],
    beside: Callable[[str], list[tuple[Node, str]]],
) -> dict[str, list[Parts]]:
    """Distributions of the random effects of another predictor by grouping factor, and their
    covariances with those of the first that share a block; ``beside`` gives these of a factor, and
    what their variances are called.
    """
    out: dict[str, list[Parts]] = {}
    for group, names in effects:
        nodes = [_effect(letter, group, j, letters) for j in range(len(names))]
        if len(nodes) == 1:
            law = _normal(Digits("0"), Indexed(Symbol("sigma"), Row((Symbol(letter), Digits("0"))), Digits("2")))
            found: list[Parts] = [(nodes[0], "~", (law,))]
        else:
            column, variance = Matrix(tuple((n,) for n in nodes)), Indexed(Symbol("Sigma"), Symbol(letter))
            found = [(column, "~", (_normal(Digits("0"), variance),))]
        if group in shared:
            for other, label in beside(group):
                for j, node in enumerate(nodes):
                    left = Row((Word("Cov"), Operator("("), other, Operator(","), node, Operator(")")))
                    own = Row((Symbol(label[0]), Digits(label[1:]), Operator(","), Symbol(letter), Digits(str(j))))
                    called = Indexed(Symbol("sigma"), own)
                    found.append((left, "=", (called,)))
        out.setdefault(group, []).extend(found)
    return out


def _effect(letter: str, group: str, number: int, letters: Mapping[str, Node]) -> Node:
    return Indexed(Symbol(letter), Row((Digits(str(number)), letters.get(group, Word(group)))))


def _of(name: str, node: Node) -> Node:
    return Row((Word(name), Operator("("), node, Operator(")")))


def _normal(mean: Node, variance: Node) -> Node:
    return Row((Symbol("N"), Operator("("), mean, Operator(","), variance, Operator(")")))
