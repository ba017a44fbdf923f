"""Equations of ordered categories: probabilities by thresholds and a location, and the scale."""

from collections.abc import Mapping

from ranef.presentation.equations.other_predictors import Parts, effect_terms
from ranef.presentation.equations.symbols import Digits, Indexed, Node, Operator, Row, Symbol, Word
from ranef.translation.ordered_response import OrderedResponse

#: Letter of the random effects of the scale.
SCALE = "s"


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
        own += effect_terms(SCALE, ordered.scale_effects, rows, letters)
        out.append((Row((Word("log"), Operator("("), spread, Operator(")"))), "=", tuple(own)))
    return out
