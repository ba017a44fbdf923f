"""What an unstructured covariance matrix asks of the data, seen before anything is built."""

import numpy as np

from ranef.design.residual import ResidualRows
from ranef.errors import DesignError

#: The exact Hessian of so many covariance parameters takes some seconds and 30 MB.
MOST_PARAMETERS = 2000


def check_unstructured(rows: ResidualRows) -> None:
    """See that there are subjects enough, and parameters no more than can be handled.

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
        subjects = len(np.unique(rows.subject[rows.group == group]))
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
