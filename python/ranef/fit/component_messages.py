"""What the user should know of models with several linear predictors."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: What is below the logit of 1e-6 in every row is no zero inflation.
NO_EXTRA_ZEROS = -13.8
TOO_SPREAD = (
    "the counts are so overdispersed that the Conway-Maxwell-Poisson distribution cannot be normalised accurately: use "
    "family='nbinom2' or zi_formula."
)


def zero_messages(predictors: Mapping[str, Floats], zero: str) -> tuple[str, ...]:
    """What should be known of the zero part, by the linear predictors (n,)."""
    zi = predictors.get("zi")
    if zi is None or zero != "inflated":
        return ()
    if float(zi.max()) < NO_EXTRA_ZEROS:
        return (
            "the model finds no extra zeros: the probability of one is below 1e-6 in every row. Leave out zi_formula; "
            "the likelihood is the same.",
        )
    return ()
