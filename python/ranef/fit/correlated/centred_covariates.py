"""Variance functions with covariates in units of their own middle, in which a search goes.

The standard deviations of the rows are sigma times a function of a covariate. Where all values of
that are far from one, as powers of 300 or exponents of the year 2020, any step of the exponent has
to be made good by sigma, and with it by the variances of the random effects relative to sigma: a
narrow curved valley, in which a search creeps. With the covariate divided by its geometric mean, or
its mean taken off, the model is the same and the valley is gone.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ranef.design.record import Design
from ranef.design.structures import kind_of

Floats = NDArray[np.float64]

#: Parameters of the core, as it describes them: part, number of the function, name, …
Described = list[tuple[str, int | None, str, list[int], int]]


@dataclass(frozen=True, slots=True, eq=False)
class Centred:
    """A design with centred covariates, and the way between its parameters and the user's.

    Attributes
    ----------
    design : Design
    exponents : list of (int, float)
        Place of each exponent among the parameters of the structure, and by how much a unit of it
        raises the logarithm of all standard deviations.
    constants : list of (int, int, float)
        Place of the logarithm of a constant, of its exponent, and the same number.
    """

    design: Design
    exponents: list[tuple[int, float]]
    constants: list[tuple[int, int, float]]

    def inwards(self, theta: Floats | None, z: Floats | None) -> tuple[Floats | None, Floats | None]:
        """Relative standard deviations and parameters of the structure, as the search has them.

        Without the exponents the unit of ``theta`` is not known: its largest becomes one.
        """
        if z is None:
            return (theta if theta is None or not np.any(theta) else theta / np.max(np.abs(theta))), None
        factor, there = self._moved(z, -1.0)
        return (None if theta is None else theta * factor), there

    def outwards(self, theta: Floats, z: Floats) -> tuple[Floats, Floats]:
        """The same as the user's covariates have them."""
        with np.errstate(over="ignore", invalid="ignore"):  # see `beyond`
            factor, there = self._moved(z, 1.0)
            return theta * factor, there

    def beyond(self, z: Floats) -> str:
        """Why the user's covariates have no finite parameters."""
        rows = self.design.residual
        assert rows is not None
        names = ", ".join(v.name for v in rows.variances)
        found = ", ".join(f"{z[i]:.4g}" for i, _ in self.exponents)
        return (
            f"the variance function of {names} has the exponent {found} at the optimum, with which standard deviations "
            "are beyond the range of numbers where the covariate is not near one: subtract a number from it or divide "
            "by one in the data, as year - 1999."
        )

    def _moved(self, z: Floats, sign: float) -> tuple[float, Floats]:
        there = z.copy()
        for constant, exponent, height in self.constants:
            there[constant] += sign * height * z[exponent]
        return float(np.exp(sign * sum(height * z[i] for i, height in self.exponents))), there


def centred_covariates(design: Design, parameters: Described) -> Centred | None:
    """The design in which to search; None where no covariate has a middle, or the parameters of the
    random effects are not all standard deviations.
    """
    rows = design.residual
    assert rows is not None
    if any(kind_of(t.structure).correlations not in ("none", "pairs") for t in design.random):
        return None
    moved, exponents, constants = list(rows.variances), [], []
    for i, v in enumerate(rows.variances):
        varies = np.ptp(v.x) > 0  # a constant one has a message of its own
        if len(v.strata) > 1 or not varies or v.function not in ("power", "exponential", "const_power"):
            continue
        at = {name: j for j, (part, number, name, _, _) in enumerate(parameters) if (part, number) == ("variance", i)}
        if v.function == "exponential":
            height = float(np.mean(v.x))
            x = v.x - height
        else:
            height = float(np.mean(np.log(np.abs(v.x[v.x != 0]))))
            x = v.x / np.exp(height)
        exponent = at["exponential" if v.function == "exponential" else "power"]
        if v.function == "const_power":
            constants.append((at["constant"], exponent, height))
        exponents.append((exponent, height))
        moved[i] = replace(v, x=np.ascontiguousarray(x))
    if not exponents:
        return None
    return Centred(replace(design, residual=replace(rows, variances=tuple(moved))), exponents, constants)
