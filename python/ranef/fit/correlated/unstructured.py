"""What an unstructured covariance matrix asks of the data, seen before anything is built."""

import numpy as np
from numpy.typing import NDArray

from ranef.design.residual import ResidualRows
from ranef.errors import DesignError

#: The exact Hessian of so many covariance parameters takes some seconds and 30 MB.
MOST_PARAMETERS = 2000

#: Subjects whose visits are counted at a time.
SUBJECTS = 10_000


def check_unstructured(rows: ResidualRows) -> None:
    """See that there are subjects enough, that some were seen at each pair of visits, and that
    parameters are no more than can be handled.

    Raises
    ------
    DesignError
    """
    c = rows.expr.correlation
    if c is None or c.structure != "us":
        return
    t = len(rows.level_labels())
    number = len(rows.group_levels) * (t * (t + 1) // 2)
    other = "Take a structure with fewer parameters, such as cs(visit | subject)."
    for group, label in enumerate(rows.group_levels):
        where = f" of group {label!r}" if label else ""
        subjects = int(np.count_nonzero(np.bincount(_of_group(rows, group)[0])))
        if subjects < t:
            raise DesignError(
                f"{subjects} subject{'' if subjects == 1 else 's'}{where} cannot determine the covariance matrix of "
                f"{t} visits in {c.code}: the likelihood has no maximum with fewer subjects than visits. {other}"
            )
    if number > MOST_PARAMETERS:
        raise DesignError(
            f"{c.code} has {number:,} covariance parameters for {t} visits, more than the {MOST_PARAMETERS:,} that are "
            f"estimated together. {other}"
        )
    labels = rows.level_labels()
    for group, label in enumerate(rows.group_levels):
        never = np.argwhere(seen_together(rows, group) == 0)
        if not len(never):
            continue
        where = f" of group {label!r}" if label else ""
        a, b = (labels[i] for i in never[0])
        what = f"visit {a!r}" if a == b else f"both {a!r} and {b!r}"
        raise DesignError(
            f"no subject{where} was seen at {what}, so that its {'variance' if a == b else 'covariance'} in "
            f"{c.code} is not determined. Take a structure with fewer parameters, such as "
            f"ar1h(visit | subject), or leave out visits by subset=."
        )


def _of_group(rows: ResidualRows, group: int) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Subjects and positions of the rows of a group."""
    if len(rows.group_levels) == 1:
        return rows.subject, rows.position[:, 0]
    own = np.flatnonzero(rows.group == group)
    return rows.subject[own], rows.position[own, 0]


def seen_together(rows: ResidualRows, group: int) -> NDArray[np.int64]:
    """Subjects (t, t) of a group that were seen at each pair of visits."""
    t = len(rows.level_labels())
    first = 0 if rows.coordinates and rows.coordinates[0].levels is not None else rows.position[:, 0].min()
    subject, position = _of_group(rows, group)
    visit = (position - first).astype(np.intp)
    count = int(subject.max()) + 1 if len(subject) else 0
    if count > SUBJECTS:
        order = np.argsort(subject, kind="stable")
        subject, visit = subject[order], visit[order]
    out = np.zeros((t, t))
    for begin in range(0, count, SUBJECTS):
        part = slice(None) if count <= SUBJECTS else slice(*np.searchsorted(subject, [begin, begin + SUBJECTS]))
        seen = np.zeros((min(SUBJECTS, count), t))
        seen[subject[part] - begin, visit[part]] = 1.0
        out += seen.T @ seen
    return out.astype(np.int64)
