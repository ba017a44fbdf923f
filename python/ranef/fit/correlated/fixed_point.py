"""The way to values that a map gives back: plain rounds, then Anderson's mixing of the last."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Rounds without mixing, which stay in the basin of the start, and changes that are mixed.
PLAIN, DEPTH = 3, 4

#: Singular values of changes below this share of the largest are none.
DEPENDENT = 1e-12

#: Growth of the residual after which what was learned from earlier rounds is forgotten.
WORSE = 1.5


class FixedPoint:
    """Where to evaluate a map x -> F(x) next, of which F(x) = x is wanted.

    Plain rounds x <- F(x) approach by the same factor each, which is near one where x and what F
    estimates from it follow each other. The next x is the combination of the last ones whose
    residuals F(x) - x cancel best (Anderson 1965; Walker and Ni 2011, algorithm AA), which needs a
    tenth of the rounds and ends at the same place.
    """

    def __init__(self) -> None:
        self._x: list[Floats] = []
        self._residual: list[Floats] = []
        self._rounds = 0

    def next(self, x: Floats, value: Floats) -> Floats:
        """The place after the map was ``value`` (n,) at ``x`` (n,)."""
        residual = value - x
        self._rounds += 1
        if self._residual and np.linalg.norm(residual) > WORSE * np.linalg.norm(self._residual[-1]):
            self._x, self._residual = [], []
        self._x = [*self._x[-DEPTH:], x]
        self._residual = [*self._residual[-DEPTH:], residual]
        if self._rounds <= PLAIN or len(self._x) < 2:
            return value
        steps = np.diff(np.array(self._x), axis=0)
        changes = np.diff(np.array(self._residual), axis=0)
        mixed = np.linalg.lstsq(changes.T, residual, rcond=DEPENDENT)[0]
        return np.asarray(value - mixed @ (steps + changes))
