"""Which likelihood of a generalized model is maximised."""

from dataclasses import dataclass

from ranef.families.family import Family
from ranef.fit.outcome import Kind


@dataclass(frozen=True, slots=True)
class Likelihood:
    """Which likelihood is maximised.

    Attributes
    ----------
    family : Family
    response_kind : str
    n_quad : int
    curvature : {"observed", "expected"}
    """

    family: Family
    response_kind: Kind
    n_quad: int = 1
    curvature: str = "observed"
