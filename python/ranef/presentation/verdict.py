"""One line on how a fit ended."""

from collections.abc import Mapping

from ranef.status import FitStatus


def verdict(status: FitStatus, evaluations: int | None = None, boundary: Mapping[str, int] | None = None) -> str:
    """Say whether the optimum was reached, and whether it lies on the boundary.

    Parameters
    ----------
    status : FitStatus
        How the optimisation ended.
    evaluations : int, optional
        Evaluations of the criterion.
    boundary : mapping of str to int, optional
        For each random term without variance in some direction the number of such directions.
    """
    effort = "" if evaluations is None else f" after {evaluations} evaluation{'' if evaluations == 1 else 's'}"
    ending = (
        f"converged: the optimum was reached{effort}" if status.ok else f"not converged{effort}: {status.explanation}"
    )
    if not boundary:
        return ending
    where = ", ".join(f"{group} ({n} direction{'' if n == 1 else 's'})" for group, n in boundary.items())
    return f"boundary (singular) fit: no variance left in {where}; {ending}"
