"""One line on how a fit ended."""

from collections.abc import Mapping, Sequence

from ranef.status import FitStatus


def verdict(
    status: FitStatus,
    evaluations: int | None = None,
    boundary: Mapping[str, int] | None = None,
    limits: Sequence[str] = (),
) -> str:
    """Say whether the optimum was reached, and whether it lies on the boundary.

    Parameters
    ----------
    status : FitStatus
        How the optimisation ended.
    evaluations : int, optional
        Evaluations of the criterion.
    boundary : mapping of str to int, optional
        For each random term without variance in some direction the number of such directions.
    limits : sequence of str
        Sentences on parameters at a limit of the model.
    """
    effort = "" if evaluations is None else f" after {evaluations} evaluation{'' if evaluations == 1 else 's'}"
    said = " ".join(limits)
    if status.ok:
        ending = f"converged: the optimum was reached{effort}{f'. {said}' if said else ''}"
    else:
        ending = f"not converged{effort}: {said or status.explanation}"
    if not boundary:
        return ending
    where = ", ".join(f"{group} ({n} direction{'' if n == 1 else 's'})" for group, n in boundary.items())
    return f"boundary (singular) fit: no variance left in {where}; {ending}"
