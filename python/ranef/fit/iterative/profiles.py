"""Profiles of the likelihood of a linear model that is solved by probes.

Values by the same probes at two thetas differ by far less than each is off, but what probes have of
the value is not the integral of what they have of the derivative, so no search could end on it. The
log-determinant without that of its diagonal blocks is therefore found at some thetas around the
estimates, with its derivatives, and a polynomial put through: with all else, which is computed,
this is one smooth function, whose profiles are found as those of any other model. Along the curves
the same probes are asked again; what the polynomial misses there is added to it, and what is left
is part of the error.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.errors import OptionError
from ranef.fit.control import FitControl
from ranef.fit.iterative.sampled import PROBES, widened
from ranef.fit.threads import threads_of_fit

if TYPE_CHECKING:
    from ranef import _core
    from ranef.fit.linear import LmmFit

Floats = NDArray[np.float64]

#: Displacement of theta for second derivatives.
_DISPLACEMENT = 1e-4
#: Highest power of the polynomial.
_HIGHEST = 4
#: Longest way in theta to a point of the polynomial, where the deviance is flat.
_FARTHEST = 0.5
#: Points lie so much farther out than the curves would reach were the deviance a parabola.
_BEYOND = 1.1
#: Share of the largest spread that is the least one: a spread of zero is where nothing is sampled.
_LEAST_SPREAD = 1e-8
#: What the polynomial may miss of the deviance along a curve before points there are added to it,
#: and how often they are.
_MISSED = 0.01
_ROUNDS = 3
#: Standard error of zeta up to which a curve is returned; more probes are taken before one is
#: refused, up to so many times as many.
LARGEST = 0.1
_MORE = 16


@dataclass(slots=True, eq=False)
class _Place:
    """A theta (m,), and what each probe has there: values (K,) and derivatives (K, m)."""

    theta: Floats
    values: Floats
    slopes: Floats


@dataclass(slots=True, eq=False)
class _Sampling:
    """What probes have of the log-determinant around the estimates.

    Attributes
    ----------
    fit : LmmFit
    system : CrossedSystem
    centre : (m,) array
    turn : (m, m) array
        Coordinates from the distance to the centre: the deviance, were it a parabola, has risen by
        the square of the reach where their length is one.
    probes : int
    places : list of _Place
        The centre first.
    """

    fit: "LmmFit"
    system: "_core.CrossedSystem"
    centre: Floats
    turn: Floats
    probes: int
    places: list[_Place] = field(default_factory=list)

    def ask(self, theta: Floats, first: int = 0) -> _Place:
        """What the probes from a number on have at a theta."""
        sampled = self.fit.sampled
        assert sampled is not None
        at = np.ascontiguousarray(theta)
        return _Place(at, *self.system.probed(at, first, self.probes, sampled.seed, self.fit.n_threads))

    def add_probes(self, probes: int) -> None:
        """Have so many everywhere."""
        before, self.probes = self.probes, probes
        for place in self.places:
            new = self.ask(place.theta, before)
            place.values = np.append(place.values, new.values)
            place.slopes = np.vstack([place.slopes, new.slopes])

    def powers(self) -> list[list[int]]:
        """Terms of the polynomial: those that values and derivatives along the axes tell."""
        m = len(self.centre)
        terms = [c for degree in range(_HIGHEST + 1) for c in combinations_with_replacement(range(m), degree)]
        # two coordinates at most in a third power, one in a fourth
        told = [c for c in terms if len(c) <= 2 or len(set(c)) <= _HIGHEST + 1 - len(c)]
        return [np.bincount(np.array(c, dtype=int), minlength=m).tolist() for c in told]

    def coefficients(self) -> Floats:
        """Factors of the terms (terms, K) by each probe: least squares over values and derivatives,
        each weighted by its spread over the probes.
        """
        powers = np.array(self.powers(), dtype=float)
        back = np.linalg.inv(self.turn)
        first = self.places[0]
        differences = [np.std(p.values - first.values) for p in self.places[1:]]
        slopes = [np.std(p.slopes @ back, axis=0) for p in self.places]
        spread = np.array([np.sqrt(np.mean(np.square(part))) for part in (differences, slopes)])
        spread = np.maximum(spread, max(_LEAST_SPREAD * spread.max(), np.finfo(float).tiny))
        rows, sides, weights = [], [], []
        for place in self.places:
            t = self.turn @ (place.theta - self.centre)
            rows.append(np.prod(t**powers, axis=1))
            sides.append(place.values)
            weights.append(1.0 / spread[0])
            along = place.slopes @ back
            for i in range(len(t)):
                lower = powers.copy()
                lower[:, i] = np.maximum(lower[:, i] - 1, 0)
                rows.append(powers[:, i] * np.prod(t**lower, axis=1))
                sides.append(along[:, i])
                weights.append(1.0 / spread[1])
        by = np.array(weights)[:, None]
        out: Floats = np.linalg.lstsq(by * np.array(rows), by * np.array(sides), rcond=None)[0]
        return out

    def values_at(self, theta: Floats, coefficients: Floats) -> Floats:
        """The polynomials of all probes at a theta."""
        t = self.turn @ (theta - self.centre)
        out: Floats = np.prod(t ** np.array(self.powers(), dtype=float), axis=1) @ coefficients
        return out


@dataclass(frozen=True, slots=True, eq=False)
class SampledProfile:
    """Curves, and what they rest on.

    Attributes
    ----------
    found : Profile
    error : float
        The largest standard error of zeta along a curve; two of it hold 95 of 100 cases.
    probes : int
    """

    found: "_core.Profile"
    error: float
    probes: int

    @property
    def note(self) -> str:
        """What is said of it."""
        return (
            f"the likelihood is known by {self.probes} probes, the same along every curve: the standard error of zeta "
            f"is {self.error:.1g} at most (twice that covers 95 %)."
        )


def profiled_by_probes(
    fit: "LmmFit",
    indices: list[int],
    kinds: list[tuple[int, str]],
    step: float,
    reach: float,
    targets: list[float],
    control: FitControl,
    progress: Callable[[int, int], object] | None,
) -> SampledProfile:
    """The curves of parameters of a fit by the iterative solver; arguments as those of `profiled`.

    Raises
    ------
    OptionError
        Where the curves are within the noise of the probes.
    """
    from ranef import _core

    sampled = fit.sampled
    assert sampled is not None
    system, threads = fit.system.crossed(fit.n_threads), threads_of_fit(fit.nobs, fit.n_threads)
    start = fit.core_theta
    if fit.reml:
        limits = (control.max_evaluations, control.tolerance, control.probes, sampled.seed)
        solution = system.fit(False, start, *limits, n_threads=threads, progress=None).fit.solution
        assert solution is not None
        start = np.asarray(solution.theta)
    sampling = _around(fit, system, start, reach, max(PROBES, control.probes), threads)
    rounds = 0
    while True:
        coefficients = sampling.coefficients()
        polynomial = (
            sampling.centre.tolist(),
            sampling.turn.ravel().tolist(),
            sampling.powers(),
            coefficients.mean(axis=1).tolist(),
        )
        walked = [(i, "number" if kind == "share" else kind) for i, kind in kinds]
        where = (walked, indices, step, reach, targets, threads, progress)
        found = _core.profile_sampled(system, sampling.centre, polynomial, *where)
        seen = [(c, i) for c in found.curves if len(c.zeta) for i in _shown(c.zeta)]
        zetas = [abs(c.zeta[i]) for c, i in seen]
        asked = [sampling.ask(c.covariance[i]) for c, i in seen]
        first = sampling.places[0]
        middle = sampling.values_at(sampling.centre, coefficients)
        missed, errors = [0.0], [0.0]
        for place, zeta in zip(asked, zetas, strict=True):
            by_polynomial = sampling.values_at(place.theta, coefficients) - middle
            missed.append(abs(float(np.mean(by_polynomial - (place.values - first.values)))))
            spread = widened(float(np.std(by_polynomial, ddof=1)) / math.sqrt(sampling.probes), sampling.probes)
            # where zeta is small its error is the root of that of its square
            errors.append(math.hypot(spread, missed[-1]) / max(2 * zeta, math.sqrt(spread) or 1.0))
        rounds += 1
        if max(missed) > _MISSED and rounds < _ROUNDS:
            sampling.places += asked
        elif max(errors) > LARGEST and 2 * sampling.probes <= _MORE * max(PROBES, control.probes):
            sampling.add_probes(2 * sampling.probes)
        else:
            break
    if max(errors) > LARGEST:
        raise OptionError(
            f"the profile is within the noise of the {sampling.probes} probes by which its likelihood is known: the "
            f"standard error of zeta is {max(errors):.2g} on a curve; give more by control={{'probes': "
            f"{2 * sampling.probes}}}, or fit with control={{'solver': 'exact'}}."
        )
    return SampledProfile(found, max(errors), sampling.probes)


def _shown(zeta: Floats) -> list[int]:
    """Points of a curve at which probes are asked: both ends, and halfway there."""
    halves = [int(np.argmin(np.abs(zeta - zeta[end] / 2))) for end in (0, -1)]
    return sorted({0, len(zeta) - 1, *halves} - {int(np.argmin(np.abs(zeta)))})


def _around(
    fit: "LmmFit", system: "_core.CrossedSystem", centre: Floats, reach: float, probes: int, threads: int
) -> _Sampling:
    """What probes have at the estimates and at both ends of the axes of the parabola there."""
    m = len(centre)
    hessian = np.empty((m, m))
    for i in range(m):
        sides = []
        for sign in (1, -1):
            theta = centre.copy()
            theta[i] += sign * _DISPLACEMENT
            sides.append(system.computed(theta, threads)[1])
        hessian[i] = (sides[0] - sides[1]) / (2 * _DISPLACEMENT)
    values, axes = np.linalg.eigh((hessian + hessian.T) / 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        lengths = _BEYOND * reach * np.sqrt(2 / values)
    lengths = np.where(values > 0, np.minimum(lengths, _FARTHEST + np.abs(axes.T @ centre)), _FARTHEST)
    turn = (axes / lengths).T
    sampling = _Sampling(fit, system, centre, turn, probes)
    sampling.places.append(sampling.ask(centre))
    for i in range(m):
        sampling.places += [sampling.ask(centre + sign * lengths[i] * axes[:, i]) for sign in (1, -1)]
    return sampling
