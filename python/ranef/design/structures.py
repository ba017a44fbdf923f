"""Covariance structures of random terms, as far as a design must know them.

What their parameters are is in the core.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Structure:
    """One structure.

    Attributes
    ----------
    call : str
        How it is written around a bar term, with ``{}`` for the term.
    needs_indicators : bool
        Whether effects of a factor must be one for each of its levels.
    """

    call: str
    needs_indicators: bool = False


#: By the name that the formula parser and the core know.
STRUCTURES = {
    "unstructured": Structure("({})"),
    "diagonal": Structure("diag({})"),
    "compound_symmetry": Structure("cs({})", needs_indicators=True),
    "homogeneous_compound_symmetry": Structure("cs({}, hom=True)", needs_indicators=True),
}
#: As users write them.
NAMES = ("us()", "diag()", "cs()")
