"""Effects of the linear predictors beside the first, as all kinds of models report them."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ranef.fit.components.several import PredictorFit
    from ranef.fit.record import MixedFit

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class PartEffects:
    """Effects of one part of a model.

    Attributes
    ----------
    name : str
        By which ``component`` finds it.
    heading : str
        Of its table in a summary.
    formula : str or None
        As the user gave it.
    names : tuple of str
    estimates : (k,) array
    covariance : (k, k) array
        NaN where it is not known.
    predictor : callable
        Gives the linear predictor (n,) of the rows, or their thresholds (n, m).
    tested : bool
        Whether zero is a value that one would test.
    record : MixedFit or None
        The part as a record of its own, where it is a linear predictor.
    df : float
        Degrees of freedom of their tests, infinite of normal ones.
    """

    name: str
    heading: str
    formula: str | None
    names: tuple[str, ...]
    estimates: Floats
    covariance: Floats
    predictor: Callable[[], Floats]
    tested: bool = True
    record: "MixedFit | None" = None
    df: float = math.inf

    @classmethod
    def of(cls, own: "PredictorFit", heading: str, tested: bool) -> Self:
        """Those of a linear predictor."""
        return cls(
            own.key, heading, own.formula, own.x_names, own.beta, own.vcov_beta, own.linear_predictor, tested, own
        )

    def in_model(self, fit: "MixedFit") -> Self:
        """The same with the degrees of freedom that tests have in the whole model."""
        return self if fit.cluster_df is None else replace(self, df=fit.cluster_df)
