"""The likelihood of a model of several linear predictors by sampling: from the random effects'
own distribution to that given the data in small steps, so that it does not matter how many modes
there are. It shares the density of rows with the core, and no mode.
"""

from typing import Any

import numpy as np

from ranef._core import RowKernel
from ranef.fit.order import relative_factor
from ranef.fit.row_arguments import row_weights

#: Draws, their effective share at which the next step is chosen, moves in a step, and the share of
#: these to be accepted.
DRAWS, SHARE, MOVES, ACCEPTED = 200, 0.9, 10, 0.4


def sampled_criterion(criterion: Any, v: np.ndarray, seed: int = 1) -> float:
    """-2 log-likelihood at a point of a `ComponentsCriterion`, by sequential Monte Carlo.

    Its error is some tenths for fifty random effects, and more for more.
    """
    model, rng = criterion.fit.whole, np.random.default_rng(seed)
    kernel = RowKernel.density(model.density, model.link, model.zero)
    n, y = len(model.design.y), model.design.y
    given = row_weights(model.design)
    weights = np.ones(n) if given is None else given
    zl = factors_of_z(model, criterion.theta(v))
    fixed = [
        eta + (0.0 if offset is None else offset)
        for eta, offset in zip(criterion.predictors(v), model.offsets, strict=True)
    ]
    q = zl[0].shape[1]

    def log_rows(u: np.ndarray) -> np.ndarray:
        """Log-likelihoods (draws,) given spherical random effects (draws, q)."""
        eta = np.stack([(f + u @ z.T).ravel() for f, z in zip(fixed, zl, strict=True)])
        repeated = np.tile(y, len(u)), np.tile(weights, len(u))
        own = np.asarray(kernel.rows(*repeated, eta)[0]).reshape(len(u), n).sum(axis=1)
        return np.where(np.isfinite(own), own, -1e10)

    u = rng.normal(size=(DRAWS, q))
    value, heat, total, size = log_rows(u), 0.0, 0.0, 0.3
    while heat < 1.0:
        step = _next_step(value, 1.0 - heat)
        heat += step
        w = np.exp(step * (value - value.max()))
        total += step * value.max() + np.log(w.mean())
        kept = np.searchsorted(np.cumsum(w / w.sum()), (rng.random() + np.arange(DRAWS)) / DRAWS)
        kept = np.minimum(kept, DRAWS - 1)
        u, value = u[kept], value[kept]
        for _ in range(MOVES):
            # keeps the distribution of the random effects, so that rows alone decide
            trial = np.sqrt(1 - size**2) * u + size * rng.normal(size=u.shape)
            there = log_rows(trial)
            taken = np.log(rng.random(DRAWS)) < heat * (there - value)
            u[taken], value[taken] = trial[taken], there[taken]
            size = float(np.clip(size * np.exp(taken.mean() - ACCEPTED), 0.01, 0.95))
    return -2.0 * float(total)


def integrated_by_level(criterion: Any, v: np.ndarray) -> float:
    """The same by the trapezoidal rule, where every row has one random effect that varies."""
    model, u = criterion.fit.whole, np.linspace(-9, 9, 1001)
    kernel = RowKernel.density(model.density, model.link, model.zero)
    zl = np.stack(factors_of_z(model, criterion.theta(v)))
    fixed = np.stack(criterion.predictors(v))
    fixed = fixed + [np.zeros(fixed.shape[1]) if o is None else o for o in model.offsets]
    of_row = np.abs(zl).max(axis=0) > 0
    assert (of_row.sum(axis=1) == 1).all()
    total = 0.0
    for effect in np.flatnonzero(of_row.any(axis=0)):
        log = -0.5 * u**2 - 0.5 * np.log(2 * np.pi)
        for row in np.flatnonzero(of_row[:, effect]):
            eta = fixed[:, row, None] + zl[:, row, effect, None] * u
            log = log + np.asarray(kernel.rows(np.full(len(u), model.design.y[row]), np.ones(len(u)), eta)[0])
        total += log.max() + np.log(np.exp(log - log.max()).sum() * (u[1] - u[0]))
    return -2.0 * float(total)


def _next_step(value: np.ndarray, most: float) -> float:
    """The step after which the draws are worth `SHARE` of their number, `most` at most."""

    def share(step: float) -> float:
        w = np.exp(step * (value - value.max()))
        return float(w.sum() ** 2 / (w**2).sum() / len(w))

    if share(most) >= SHARE:
        return most
    low, high = 0.0, most
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if share(middle) >= SHARE else (low, middle)
    return high


def factors_of_z(model: Any, theta: np.ndarray) -> list[np.ndarray]:
    """Of every predictor Z times the relative factor (n, q), at theta in lme4's order."""
    out: list[list[np.ndarray]] = [[] for _ in model.x]
    for span in model.order.spans:
        term = model.design.random[span.formula]
        levels = np.eye(len(term.levels))[term.codes]
        factor = relative_factor(span, theta)
        for c, own in enumerate(out):
            z = np.zeros_like(term.z)
            for piece in model.pieces[span.formula]:
                if piece.predictor == c:
                    at = slice(piece.start, piece.start + piece.size)
                    z[:, at] = term.z[:, at]
            own.append((levels[:, :, None] * (z @ factor)[:, None, :]).reshape(len(z), -1))
    return [np.hstack(own) for own in out]
