"""The part of a description that models for repeated measures have."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Repeated:
    """How the visits of a subject are correlated, in a model for repeated measures.

    Attributes
    ----------
    structure : str
        By its name in ``mmrm``, such as ``ar1h``.
    visits : tuple of str
        The column of the visit, or coordinates.
    subject, group : tuple of str
        Columns; those of groups with parameters of their own.
    """

    structure: str
    visits: tuple[str, ...]
    subject: tuple[str, ...]
    group: tuple[str, ...] = ()
