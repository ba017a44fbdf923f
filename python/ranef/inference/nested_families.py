"""Which distributions contain which: a likelihood ratio of two that do not has no chi-square."""

import math

from ranef.families.custom import CustomFamily
from ranef.fit.record import MixedFit

#: By the core's name of a distribution those that it tends to at a limit of its parameters.
CONTAINS = {
    "nbinom1": ("poisson",),
    "nbinom2": ("poisson",),
    "genpois": ("poisson",),
    "compois": ("poisson",),
    "betabinomial": ("binomial",),
    "t": ("gaussian",),
    "skewnormal": ("gaussian",),
    "ordbeta": ("beta",),
    "zoib": ("beta",),
}


def why_not_within(larger: MixedFit, smaller: MixedFit) -> str | None:
    """Why the distribution of one fit cannot be a special case of that of another; None where it
    can, or where it is not known, as of a user's own family.
    """
    a, b = larger.family, smaller.family
    if isinstance(a, CustomFamily) or isinstance(b, CustomFamily):
        return None
    if a.held and a.held != b.held:
        return "parameters of the shape that are given"
    if a.truncated != b.truncated or (a.kernel != b.kernel and b.kernel not in CONTAINS.get(a.kernel, ())):
        return f"distributions ({b.label(math.nan)}, {a.label(math.nan)})"
    return f"links ({b.link}, {a.link})" if a.link != b.link else None
