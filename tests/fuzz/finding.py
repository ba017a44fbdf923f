"""What a check reports."""

from dataclasses import dataclass, field

#: Cause of a lower end that is no optimum, below a fit that says so.
SAID = "no optimum, said"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong with one fit.

    Attributes
    ----------
    check : str
        Which check found it.
    cause : str
        A short name of the kind of failure.
    gap : float
        By how much the criterion is too high, or by how much two numbers that should be equal
        differ.
    note : str
        More about it.
    own, better : list of float
        Theta of the fit and of the better point, in lme4's order.
    """

    check: str
    cause: str
    gap: float
    note: str = ""
    own: list[float] = field(default_factory=list)
    better: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one case ended.

    Attributes
    ----------
    seed : int
    kind, family : str
        What is difficult about it; the family, empty for a linear model.
    status : str
        Of the fit, or the class of the error that refused it.
    ok : bool
        Whether the fit says that it converged.
    objective : float
    findings : tuple of Finding
    seconds : float
        Of the fit alone.
    message : str
        Of an error.
    """

    seed: int
    kind: str
    family: str
    status: str
    ok: bool
    objective: float
    findings: tuple[Finding, ...]
    seconds: float
    message: str = ""
