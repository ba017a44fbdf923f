"""Profiles of nonlinear models with variance functions.

Functions of the curve are centred where they are fitted, so that the core's constant is no log
sigma but a combination of it with the exponents: sigma has a walk of its own without a centre.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.fit.correlated.profile_in_chart import ChartProfile
from ranef.fit.nonlinear.row_scales import RowScales
from ranef.fit.profiled_curve import ProfiledCurve

if TYPE_CHECKING:
    from ranef import _core

Floats = NDArray[np.float64]


#: How often steps are halved where a limit is not found.
HALVINGS = 3

Walk = Callable[[RowScales, list[int], float], "_core.Profile"]


@dataclass(frozen=True, slots=True, eq=False)
class ScaleProfiles:
    """What the profiles of such a model need.

    Attributes
    ----------
    scales : RowScales
    constant : int
        Place of the constant of log sigma in the core's list.
    """

    scales: RowScales
    constant: int

    @property
    def uncentred(self) -> RowScales:
        """The same functions without centres, where the constant is log sigma."""
        return replace(self.scales, functions=tuple(replace(f, centre=0.0) for f in self.scales.functions))

    def outwards(self, parameters: Floats) -> Floats:
        """Parameters (..., k) of the core with log sigma in the place of the constant."""
        out = parameters.copy()
        at = self.constant + 1 + self.scales.columns.shape[1]
        for f in self.scales.functions:
            out[..., self.constant] -= f.centre * out[..., at]
            at += f.columns.shape[1]
        return out

    def profiled(self, indices: list[int], step: float, walk: Walk) -> ChartProfile:
        """The curves of parameters.

        Parameters
        ----------
        indices : list of int
        step : float
            Distance of their points in zeta.
        walk : callable
            Makes those of the core with given scales, of given parameters and distance.
        """
        centred = any(f.centre for f in self.scales.functions)
        apart = [i for i in indices if centred and i == self.constant]
        found = walk(self.scales, [i for i in indices if i not in apart], step)
        curves = self._complete(found, self.scales, step, walk)
        curves = {i: replace(c, parameters=self.outwards(c.parameters)) for i, c in curves.items()}
        refitted = found.refitted
        if apart:
            own = walk(self.uncentred, apart, step)
            refitted |= own.refitted
            curves |= self._complete(own, self.uncentred, step, walk)
        estimates = self.outwards(np.asarray(found.estimates))
        return ChartProfile(found.deviance, estimates, found.status, refitted, [curves[i] for i in indices])

    @staticmethod
    def _complete(found: "_core.Profile", scales: RowScales, step: float, walk: Walk) -> dict[int, ProfiledCurve]:
        """The curves by parameter, again by shorter steps where a limit between points far apart
        was not found: modes of a curve whose variance follows it are searched from a neighbour.
        """
        curves = {c.index: ProfiledCurve.of(c) for c in found.curves}
        for _ in range(HALVINGS):
            left = [i for i, c in curves.items() if any(c.lost)]
            if not left:
                break
            step /= 2.0
            curves |= {c.index: ProfiledCurve.of(c) for c in walk(scales, left, step).curves}
        return curves
