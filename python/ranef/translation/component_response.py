"""What belongs to a response with several linear predictors."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OtherPredictor:
    """A linear predictor beside that of the mean.

    Attributes
    ----------
    symbol : str
        What it is of: ``pi`` for zeros, ``phi`` or ``sigma`` for the dispersion.
    link : str
    coefficient, effect : str
        Letters of its fixed and of its random effects.
    columns : tuple of str
        Of its fixed effects, ``(Intercept)`` among them.
    effects : tuple of (str, tuple of str)
        Grouping factor and names of its random effects.
    shared : tuple of str
        Factors whose effects are correlated with those of the mean.
    offsets : tuple of str
    """

    symbol: str
    link: str
    coefficient: str
    effect: str
    columns: tuple[str, ...]
    effects: tuple[tuple[str, tuple[str, ...]], ...] = ()
    shared: tuple[str, ...] = ()
    offsets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ComponentResponse:
    """A response with zeros, dispersion or shape parameters.

    Attributes
    ----------
    distribution : str
        Its name, of the response that is not zero for certain.
    has_zeros : bool
        Whether it is mixed with zeros.
    truncated : bool
        Whether the distribution is without zero.
    dispersion : str or None
        Symbol of the parameter of dispersion.
    shapes : tuple of str
        Names of further parameters.
    predictors : tuple of OtherPredictor
        Those of zeros and dispersion that have a formula, the zeros first.
    """

    distribution: str
    has_zeros: bool
    truncated: bool
    dispersion: str | None
    shapes: tuple[str, ...]
    predictors: tuple[OtherPredictor, ...]
