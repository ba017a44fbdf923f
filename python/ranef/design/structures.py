"""Covariance structures of random terms, as far as a design must know them.

What their parameters are is in the core.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ranef.errors import DesignError
from ranef.formula.vocabulary import METRICS, NUGGET


@dataclass(frozen=True, slots=True)
class Structure:
    """One structure.

    Attributes
    ----------
    call : str
        How it is written around a bar term, with ``{}`` for the term.
    relation : str
        What is said of several effects: how they are related.
    correlations : {"none", "one", "distances", "pairs", "range"}
        Which correlations are parameters.
    homogeneous : bool
        Whether all effects have the same standard deviation.
    needs_indicators : bool
        Whether effects of a factor must be one for each of its levels.
    apart_from : int or None
        Fewest effects of a level that can be told apart from the residuals where they are as many
        as the observations: their variances and covariances must not be fewer than the parameters
        and the residual variance. None where they cannot be, however many.
    """

    call: str
    relation: str
    correlations: str
    homogeneous: bool = False
    needs_indicators: bool = False
    apart_from: int | None = None


_INDEPENDENT = "uncorrelated"
_COMMON = "with one correlation of all pairs"
_FALLING = "with a correlation that falls by the same factor with each step between levels"
_NEARNESS = "with a correlation that falls with their distance"
_DISTANCE = "with a correlation for each distance between levels"

#: By the name that the formula parser and the core know.
STRUCTURES = {
    "unstructured": Structure("({})", "with correlations", "pairs"),
    "diagonal": Structure("diag({})", _INDEPENDENT, "none"),
    "homogeneous_diagonal": Structure("diag({}, hom=True)", _INDEPENDENT, "none", homogeneous=True),
    "compound_symmetry": Structure("cs({})", _COMMON, "one", needs_indicators=True, apart_from=3),
    "homogeneous_compound_symmetry": Structure(
        "cs({}, hom=True)", _COMMON, "one", homogeneous=True, needs_indicators=True
    ),
    "ar1": Structure("ar1({})", _FALLING, "one", homogeneous=True, needs_indicators=True, apart_from=3),
    "heterogeneous_ar1": Structure("ar1({}, hom=False)", _FALLING, "one", needs_indicators=True, apart_from=3),
    "toeplitz": Structure("toep({})", _DISTANCE, "distances", needs_indicators=True, apart_from=3),
    "homogeneous_toeplitz": Structure(
        "toep({}, hom=True)", _DISTANCE, "distances", homogeneous=True, needs_indicators=True
    ),
    **{
        name: Structure(f"{name}({{}})", _NEARNESS, "range", homogeneous=True, apart_from=3)
        for name in ("exp", "gau", "mat")
    },
}


def kind_of(structure: str) -> Structure:
    """The structure of a term; those over positions have them and their options behind their name,
    after colons.
    """
    name, *rest = structure.split(":")
    kind, options = STRUCTURES[name], options_of(rest)
    if not options:
        return kind
    given = [f"metric='{o}'" if o in METRICS else "nugget=True" for o in options]
    return replace(kind, call=f"{name}({{}}, {', '.join(given)})")


def options_of(parts: Sequence[str]) -> tuple[str, ...]:
    """The options among the parts of a structure over positions."""
    return tuple(p for p in parts if p in METRICS or p == NUGGET)


def at_positions(structure: str, levels: Sequence[str]) -> str:
    """A structure over positions with the positions of its effects, as the core reads it.

    Parameters
    ----------
    structure : str
        ``exp``, ``gau`` or ``mat``, with its options.
    levels : sequence of str
        Coordinates of each effect, joined by commas.

    Raises
    ------
    DesignError
        For fewer than two positions, or coordinates that are no numbers.
    """
    name, *options = structure.split(":")
    values = [part for level in levels for part in level.split(",")]
    wrong = next((level for level in levels if not _are_finite(level)), None)
    if wrong is not None:
        raise DesignError(
            f"the coordinates in {name}() must be numbers, and finite, not such as {wrong!r}; of a factor with levels "
            "in equal steps use ar1()."
        )
    if len(levels) < 2:
        raise DesignError(f"the effects of {name}() are at one position only, so that no correlation can be seen.")
    return ":".join((name, str(len(values) // len(levels)), ",".join(values), *options))


def _are_finite(level: str) -> bool:
    try:
        return all(math.isfinite(float(v)) for v in level.split(","))
    except ValueError:
        return False
