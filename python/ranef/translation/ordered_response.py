"""What belongs to a response of ordered categories."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OrderedResponse:
    """A response of ordered categories.

    Attributes
    ----------
    n_categories : int
    link : str
    nominal : tuple of str
        Columns of effects on the thresholds.
    scale : tuple of str or None
        Columns of fixed effects on the log scale; None where it does not vary.
    scale_effects : tuple of (str, tuple of str)
        Grouping factor and names of its random effects on the log scale.
    shared : tuple of str
        Factors whose effects on the scale are correlated with those on the location.
    """

    n_categories: int
    link: str
    nominal: tuple[str, ...] = ()
    scale: tuple[str, ...] | None = None
    scale_effects: tuple[tuple[str, tuple[str, ...]], ...] = ()
    shared: tuple[str, ...] = ()
