"""Ranges of correlations that the data do not determine, in words: what follows them, what can be
used, and which simpler model the data want.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ranef import _core

Floats = NDArray[np.float64]

#: Rows at the smallest distance with less correlation have none; rows at the largest distance with
#: more, while the range is at its limit, differ by a variation that grows with distance.
UNCORRELATED, ALIKE = 1e-3, 0.99
#: A Matérn process of a smoothness beyond these cannot be told from its limits.
ROUGH, SMOOTH = 0.02, 50.0


def undetermined_ranges(
    system: "_core.CorrelatedSystem", names: tuple[str, ...], natural: Floats, z: Floats
) -> tuple[str, ...]:
    """Say that a range or a smoothness has run away, what follows it, and what can be used."""
    smooth = [n for n, v in zip(names, natural, strict=True) if n.startswith("smoothness") and not ROUGH < v < SMOOTH]
    if smooth:
        value = dict(zip(names, natural, strict=True))[smooth[0]]
        limit, instead = ("infinity", "gau()") if value > 1.0 else ("zero", "a nugget, exp(x | block, nugget=True),")
        return (
            f"the {smooth[0]} of mat() is not determined: it goes to {limit}, and the range with it; {instead} is the "
            "model that the data want.",
        )
    out = []
    for number, near, far, at_limit in system.reach(z):
        name = names[number]
        if near < UNCORRELATED:
            out.append(
                f"the {name} of the correlation is not determined: rows are hardly correlated even at the smallest "
                "distance between two of a block; a model without the correlation fits as well."
            )
        elif at_limit and far > ALIKE:
            out.append(
                f"the {name} of the correlation is not determined: the criterion falls as far as the range is "
                "followed, 100,000 times the largest distance between two rows of a block, as if the variation grew "
                "with distance without end. Comparisons of rows within a block have settled and can be used (contrasts "
                "in which the overall level cancels). The standard errors of levels (the intercept, means), sigma and "
                "a nugget follow that limit: do not report them. For a level, describe the trend by fixed effects of "
                "the position."
            )
        elif at_limit:
            out.append(
                f"the {name} of the correlation is not determined: the data want the limit, in which rows of a block "
                "are correlated alike whatever their distance; cs(1 | block) or a random intercept of the block is "
                "that model."
            )
    return tuple(out)
