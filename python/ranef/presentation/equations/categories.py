"""Equations of ordered categories: probabilities by thresholds and a location, and the scale."""

from collections.abc import Callable, Mapping

from ranef.presentation.equations.symbols import Digits, Indexed, Matrix, Node, Operator, Row, Symbol, Word
from ranef.translation.ordered_response import OrderedResponse

#: A left side, a relation, and summands of the right side.
Parts = tuple[Node, str, tuple[Node, ...]]


def category_equations(
    response: Node, ordered: OrderedResponse, rows: Node, location: list[Node], letters: Mapping[str, Node]
) -> list[Parts]:
    """The equations of the rows.

    Parameters
    ----------
    response : Node
    ordered : OrderedResponse
    rows : Node
        Index of a row.
    location : list of Node
        Summands of the location.
    letters : mapping
        Index of the levels of a grouping factor.
    """
    k, m = Symbol("k"), ordered.n_categories - 1
    eta, spread = Indexed(Symbol("eta"), rows), Indexed(Symbol("sigma"), rows)
    moves = bool(ordered.nominal)
    threshold: Node = Indexed(Symbol("tau"), Row((k, Operator(","), rows)) if moves else k)
    difference: tuple[Node, ...] = (threshold, Operator("-"), eta)
    if ordered.scale is not None:
        difference = (Operator("("), *difference, Operator(")"), Operator("/"), spread)
    at_most = Row((Word("P"), Operator("("), response, Operator("≤"), k, Operator(")")))
    shown = Row((Word(ordered.link), Operator("("), at_most, Operator(")")))
    counted = Row((Digits("1"), Operator(","), Operator("…"), Operator(","), Digits(str(m))))
    out: list[Parts] = [
        (shown, "=", (Row(difference),)),
        (k, "=", (counted if m > 1 else Digits("1"),)),
        (eta, "=", tuple(location) or (Digits("0"),)),
    ]
    if moves:
        effects = [
            Row((Indexed(Symbol("gamma"), Row((Digits(str(j)), k))), Indexed(Word(name), rows)))
            for j, name in enumerate(ordered.nominal, start=1)
        ]
        out.append((threshold, "=", (Indexed(Symbol("alpha"), k), *effects)))
    if ordered.scale is not None:
        own: list[Node] = [
            Row((Indexed(Symbol("delta"), Digits(str(j))), Indexed(Word(name), rows)))
            for j, name in enumerate(ordered.scale, start=1)
        ]
        for group, names in ordered.scale_effects:
            for j, name in enumerate(names):
                node = _effect(group, j, letters)
                own.append(node if name == "(Intercept)" else Row((node, Indexed(Word(name), rows))))
        out.append((Row((Word("log"), Operator("("), spread, Operator(")"))), "=", tuple(own)))
    return out


def scale_distributions(
    ordered: OrderedResponse, letters: Mapping[str, Node], beside: Callable[[str], list[tuple[Node, str]]]
) -> dict[str, list[Parts]]:
    """Distributions of the random effects of the scale by grouping factor, and their covariances
    with those of the location that share a block; ``beside`` gives these of a factor, and what
    their variances are called.
    """
    out: dict[str, list[Parts]] = {}
    for group, names in ordered.scale_effects:
        nodes = [_effect(group, j, letters) for j in range(len(names))]
        if len(nodes) == 1:
            law = _normal(Digits("0"), Indexed(Symbol("sigma"), Row((Symbol("s"), Digits("0"))), Digits("2")))
            found: list[Parts] = [(nodes[0], "~", (law,))]
        else:
            column, variance = Matrix(tuple((n,) for n in nodes)), Indexed(Symbol("Sigma"), Symbol("s"))
            found = [(column, "~", (_normal(Digits("0"), variance),))]
        if group in ordered.shared:
            for other, label in beside(group):
                for j, node in enumerate(nodes):
                    left = Row((Word("Cov"), Operator("("), other, Operator(","), node, Operator(")")))
                    called = Indexed(Symbol("sigma"), Row((Word(label), Operator(","), Symbol("s"), Digits(str(j)))))
                    found.append((left, "=", (called,)))
        out.setdefault(group, []).extend(found)
    return out


def _effect(group: str, number: int, letters: Mapping[str, Node]) -> Node:
    return Indexed(Symbol("s"), Row((Digits(str(number)), letters.get(group, Word(group)))))


def _normal(mean: Node, variance: Node) -> Node:
    return Row((Symbol("N"), Operator("("), mean, Operator(","), variance, Operator(")")))
