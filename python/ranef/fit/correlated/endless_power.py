"""Powers beside a constant, of ``const_power``, that have no finite optimum.

Where only rows at one end of the covariate vary otherwise than the rest, the criterion falls as far
as the power is followed: in the limit those rows have a standard deviation of their own and all
others the constant one. A search creeps along that way without end.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.design.residual import ResidualRows
from ranef.fit.control import FitControl
from ranef.fit.progress import Report

if TYPE_CHECKING:
    from ranef import _core

Floats = NDArray[np.float64]
Described = list[tuple[str, int | None, str, list[int], int]]

#: Evaluations after which it is looked whether a power runs away; searches that end need a tenth.
FIRST = 300
#: How much further a power is followed, and how much the criterion may rise there by rounding.
FURTHER, LEVEL = 2.0, 1e-6


def fit_unless_endless(
    system: "_core.CorrelatedSystem",
    rows: ResidualRows,
    parameters: Described,
    reml: bool,
    start: Floats | None,
    z: Floats | None,
    control: FitControl,
    threads: int,
    progress: Report | None,
) -> "tuple[_core.LinearFit, Floats, str | None]":
    """Search, and stop where a power has no finite optimum.

    Returns
    -------
    found, z
        As the core's search.
    reason : str or None
        Why there is no optimum.
    """
    rest = (control.tolerance, threads, progress)
    most = control.max_evaluations
    if not any(v.function == "const_power" for v in rows.variances) or most <= FIRST:
        return (*system.fit(reml, start, z, most, *rest), None)
    found, z = system.fit(reml, start, z, FIRST, *rest)
    if found.ending.status != "max_evaluations" or found.solution is None:
        return found, z, None
    theta = np.ascontiguousarray(found.solution.theta)
    reason = endless_power(system, rows, parameters, theta, z, reml)
    if reason is not None:
        return found, z, reason
    return (*system.fit(reml, theta, z, most - FIRST, *rest), None)


def endless_power(
    system: "_core.CorrelatedSystem", rows: ResidualRows, parameters: Described, theta: Floats, z: Floats, reml: bool
) -> str | None:
    """Say that the criterion falls as far as a power is followed; None where it does not."""
    present = system.evaluate(theta, z, reml).objective
    for i, v in enumerate(rows.variances):
        if v.function != "const_power" or len(v.strata) > 1:
            continue
        at = {name: j for j, (part, number, name, _, _) in enumerate(parameters) if (part, number) == ("variance", i)}
        constant, power = at["constant"], at["power"]
        sizes = np.abs(v.x[v.x != 0])
        falls = z[power] < 0
        # the rows at this end keep their standard deviation
        moved = z.copy()
        moved[power] = FURTHER * z[power]
        height = float((moved[power] - z[power]) * np.log(sizes.min() if falls else sizes.max()))
        moved[constant] += height
        if system.evaluate(theta * np.exp(height), moved, reml).objective > present + LEVEL:
            continue
        name, end = v.name, "smallest" if falls else "largest"
        return (
            f"The power of const_power({name}) has no finite estimate: the criterion falls as far as it is followed to "
            f"{'minus ' if falls else ''}infinity, since only the rows with the {end} |{name}| differ from the others. "
            "A standard deviation of their own, by by_group() of a column that marks them, is the model that the data "
            "want."
        )
    return None
