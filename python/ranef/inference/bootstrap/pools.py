"""What the residual bootstrap draws from:
random effects and residuals of the fit, centred and reflated.

Predicted random effects vary less than the random effects do, and residuals less than the errors.
Before they are drawn they are moved to mean zero and transformed so that their empirical covariance
is the one that the model estimates (Carpenter, Goldstein and Rasbash 2003, section 3; Morris 2002).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranef.errors import DataError
from ranef.estimates.residuals import residual_values
from ranef.fit.record import MixedFit

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Pools:
    """Centred and reflated effects and residuals.

    Attributes
    ----------
    effects : tuple of (levels, k) arrays
        One for each grouping factor, in the core's order, the terms on it side by side.
    residuals : (n,) array
        Times the square roots of the prior weights.
    """

    effects: tuple[Floats, ...]
    residuals: Floats


def pools(fit: MixedFit) -> Pools:
    """Centre and reflate the random effects and residuals of a fit."""
    effects = []
    for f in range(len(fit.order.factors)):
        at = [i for i, s in enumerate(fit.order.spans) if s.factor == f]
        parts = [_reflated(fit.b[i], fit.relative_factors[i] * fit.sigma) for i in at]
        out = np.empty((len(parts[0]), sum(p.shape[1] for p in parts)))
        for i, part in zip(at, parts, strict=True):
            span = fit.order.spans[i]
            out[:, span.start : span.start + span.size] = part
        effects.append(out)
    residuals = residual_values(fit, "pearson")
    residuals = residuals - residuals.mean()
    size = float(np.sqrt(np.mean(residuals**2)))
    if not size > 0:
        raise DataError("the residuals are all equal, so that there is nothing for type='residual' to draw from.")
    return Pools(tuple(effects), residuals * (fit.sigma / size))


def _reflated(b: Floats, root: Floats) -> Floats:
    """Rows of ``b`` (levels, k), centred, with the covariance matrix ``root root'`` about zero.

    With S the empirical covariance, the symmetric A = S^-1/2 (S^1/2 V S^1/2)^1/2 S^-1/2 has A S A =
    V and moves the rows least. Directions in which the effects do not vary at all stay empty.
    """
    centred = b - b.mean(axis=0)
    values, vectors = np.linalg.eigh(centred.T @ centred / len(b))
    keep = values > 1e-12 * max(float(values[-1]), 0.0)
    if not keep.any() or float(values[-1]) <= 0.0:
        return np.zeros_like(b)
    half = vectors[:, keep] * np.sqrt(values[keep])
    inverse = vectors[:, keep] / np.sqrt(values[keep])
    inner = half.T @ root
    size, turn = np.linalg.eigh(inner @ inner.T)
    middle = (turn * np.sqrt(np.maximum(size, 0.0))) @ turn.T
    out: Floats = centred @ (inverse @ middle @ inverse.T)
    return out
