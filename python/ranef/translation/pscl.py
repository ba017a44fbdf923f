"""Counts with many zeros of R's pscl, which has no random effects: ``zeroinfl`` and ``hurdle``."""

from ranef.errors import TranslationError
from ranef.formula import deparse
from ranef.formula.syntax import Binary, is_bar
from ranef.translation.composition import Reading, quoted
from ranef.translation.r_code import arguments, data_of, find_call, read_rows, require_formula, word

LANGUAGE = "pscl"

_ROWS = ("formula", "data", "subset", "na.action", "weights", "offset", "dist")
_MORE = ("link", "control", "model", "y", "x")
_ZEROINFL = (*_ROWS, *_MORE)
_HURDLE = (*_ROWS, "zero.dist", *_MORE)

#: Distributions of counts by their names here.
_DISTRIBUTIONS = {"poisson": "poisson", "negbin": "nbinom2"}


def read(text: str) -> Reading:
    """Read the first call of ``zeroinfl`` or ``hurdle``."""
    node = find_call(text, ("zeroinfl", "hurdle"), LANGUAGE)
    hurdle = node.function == "hurdle"
    given = arguments(node, _HURDLE if hurdle else _ZEROINFL, LANGUAGE)
    formula = require_formula(given.get("formula"), LANGUAGE)
    right = formula.right
    counts, zeros = right, "~ ."
    if isinstance(right, Binary) and is_bar(right):
        counts, zeros = right.left, f"~ {deparse(right.right)}"
    elif "offset" in given:
        # which is that of the counts alone
        zeros = f"~ {deparse(counts)}"
    distribution = word(given["dist"]) if "dist" in given else "poisson"
    if distribution not in _DISTRIBUTIONS:
        raise TranslationError(LANGUAGE, f'dist = "{distribution}"', "there are poisson and negbin here.")
    for name, usual in (("zero.dist", "binomial"), ("link", "logit")):
        if name in given and word(given[name]) != usual:
            raise TranslationError(LANGUAGE, f'{name} = "{word(given[name])}"', f"the zero part here is {usual}.")
    family = f"{'truncated_' if hurdle else ''}{_DISTRIBUTIONS[distribution]}"
    reading = Reading(LANGUAGE, formula=f"{deparse(formula.left)} ~ {deparse(counts)}", data=data_of(given.get("data")))
    reading.reml, reading.verb, reading.family, reading.link = False, "glmer", family, "log"
    reading.own = {"family": quoted(family), "zi_formula": quoted(zeros)}
    read_rows(reading, given)
    if hurdle:
        reading.note(
            "hurdle() models the probability of a count above zero, and zi_formula that of zero: effects of the zero "
            "part have the other sign here."
        )
    return reading
