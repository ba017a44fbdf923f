"""The criterion of a fitted model as a function of free numbers on one scale,
evaluated by the core at fixed points: no search of the core takes part.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ranef.fit.components.record import ComponentsFit
from ranef.fit.linear import LmmFit
from ranef.fit.ordinal.record import OrdinalFit

from .dense import spherical_modes, theta_positions

HUGE = 1e7
#: Stands for the criterion where there is none.
NONE = 1e12


@dataclass(frozen=True, slots=True)
class Scaled:
    """Units of theta in the core's order:
    multiplied by them, theta is standard deviations of the linear predictor.
    """

    units: np.ndarray
    rows: tuple[tuple[int, int, int], ...]


def theta_units(fit: Any) -> Scaled:
    """Units of theta: root mean squares of the columns of Z;
    and (term, row, column) of each, in the core's order.
    """
    units, rows = [], []
    for t, span in enumerate(fit.order.spans):
        size = np.sqrt((fit.design.random[span.formula].z ** 2).mean(axis=0))
        size = np.where(size > 0, size, 1.0)
        for i, j in theta_positions(span):
            units.append(size[i])
            rows.append((t, i, j))
    order = fit.order.core_of_theta
    return Scaled(np.array(units)[order], tuple(rows[k] for k in order))


class LinearCriterion:
    """REML criterion or deviance of a linear model.

    The numbers are theta in units of the columns of Z.
    """

    def __init__(self, model: Any):
        self.fit = model._fit
        self.order = self.fit.order
        self.system = self.fit.system.get(1)
        self.scaled = theta_units(self.fit)
        self.n_theta = self.size = len(self.scaled.units)
        self.own = self.fit.core_theta * self.scaled.units
        self.own_value = float(self.fit.objective)
        w = self.fit.design.weights
        self.root_weights = np.ones(1) if w is None else np.sqrt(w)

    def value(self, v: np.ndarray) -> tuple[float, np.ndarray]:
        """The criterion and its gradient."""
        try:
            e = self.system.evaluate(np.ascontiguousarray(v / self.scaled.units), self.fit.reml, 1)
        except ValueError:  # not positive definite to rounding
            return NONE, np.zeros(self.size)
        if not np.isfinite(e.objective):
            return NONE, np.zeros(self.size)
        return float(e.objective), e.gradient / self.scaled.units

    def start(self, rng: np.random.Generator) -> np.ndarray:
        """Random numbers: standard deviations
        of 0.01 to 100 residual ones (of a row drawn at random), any correlation.
        """
        return random_theta(rng, self.scaled) / rng.choice(self.root_weights)

    def theta(self, v: np.ndarray) -> np.ndarray:
        """Theta in lme4's order."""
        return reported_theta(self, v)


class GeneralizedCriterion:
    """-2 log-likelihood of a generalized model.

    The numbers are theta, fixed effects of orthonormal columns and the log of the dispersion.
    """

    def __init__(self, model: Any):
        self.fit = model._fit
        self.order = self.fit.order
        self.system = self.fit.system.get(1)
        self.scaled = theta_units(self.fit)
        self.n_theta = len(self.scaled.units)
        n, p = self.fit.x.shape
        _, r = np.linalg.qr(self.fit.x)
        self.r = r / np.sqrt(n)
        self.p = p
        self.has_dispersion = self.system.n_extras > 0
        self.size = self.n_theta + p + int(self.has_dispersion)
        self.dispersion = float(self.fit.dispersion) if np.isfinite(self.fit.dispersion) else None
        self.own_value = float(self.fit.objective)
        extra = [np.log(self.dispersion)] if self.has_dispersion else []
        self.own = np.concatenate([self.fit.core_theta * self.scaled.units, self.r @ self.fit.beta, extra])

    def parts(self, v: np.ndarray) -> tuple[np.ndarray, np.ndarray, float | None]:
        """Theta in the core's order, fixed effects and dispersion."""
        theta = np.ascontiguousarray(v[: self.n_theta] / self.scaled.units)
        beta = np.linalg.solve(self.r, v[self.n_theta : self.n_theta + self.p]) if self.p else np.zeros(0)
        return theta, beta, float(np.exp(v[-1])) if self.has_dispersion else self.dispersion

    def value(self, v: np.ndarray) -> tuple[float, np.ndarray]:
        """The criterion and its gradient."""
        with np.errstate(over="ignore"):
            theta, beta, dispersion = self.parts(v)
        try:
            e = self.system.evaluate(theta, beta, dispersion, 1, self.fit.curvature, 1)
        except (ValueError, RuntimeError, ArithmeticError):  # no mode of the random effects
            return NONE, np.zeros(self.size)
        if not (np.isfinite(e.objective) and np.isfinite(e.gradient).all()):
            return NONE, np.zeros(self.size)
        g = e.gradient[: self.size].copy()
        g[: self.n_theta] /= self.scaled.units
        fixed = slice(self.n_theta, self.n_theta + self.p)
        g[fixed] = np.linalg.solve(self.r.T, g[fixed]) if self.p else g[fixed]
        return float(e.objective), g

    def modes(self, v: np.ndarray) -> np.ndarray:
        """The core's modes of the spherical random effects, term by term in lme4's order;
        with the signs of ``theta``.
        """
        signed = self.parts(v)
        theta = np.ascontiguousarray(self.theta(v)[self.fit.order.core_of_theta])
        try:
            e = self.system.evaluate(theta, *signed[1:], 1, self.fit.curvature, 1)
        except (ValueError, RuntimeError, ArithmeticError):
            return np.zeros(sum(u.size for u in self.fit.u))
        return spherical_modes(self.fit, e.u)

    def start(self, rng: np.random.Generator) -> np.ndarray:
        """Random theta, the fixed effects that the penalised fit has there,
        and a dispersion within a factor of ten of the estimate.
        """
        v = self.own.copy()
        v[: self.n_theta] = random_theta(rng, self.scaled)
        if self.has_dispersion:
            v[-1] += rng.normal()
        theta, beta, dispersion = self.parts(v)
        try:
            s = self.system.solution(theta, beta, dispersion, 0, self.fit.curvature, 1).solution
            if s is not None and np.isfinite(s.beta).all():
                v[self.n_theta : self.n_theta + self.p] = self.r @ s.beta
        except (ValueError, RuntimeError, ArithmeticError):
            pass
        return v

    def theta(self, v: np.ndarray) -> np.ndarray:
        """Theta in lme4's order."""
        return reported_theta(self, v)


def random_theta(rng: np.random.Generator, scaled: Scaled) -> np.ndarray:
    """Scaled theta with standard deviations from 0.01 to 100,
    a few of them zero, and random correlations.
    """
    v = rng.normal(size=len(scaled.units))
    length: dict[tuple[int, int], float] = {}
    for value, (t, i, _) in zip(v, scaled.rows, strict=True):
        length[t, i] = np.hypot(length.get((t, i), 0.0), value)
    common = rng.uniform(-2, 2)
    wide = {k: 10.0 ** (rng.uniform(-2, 2) if rng.random() < 0.6 else common) * (rng.random() > 0.1) for k in length}
    out = np.array([value / length[t, i] * wide[t, i] for value, (t, i, _) in zip(v, scaled.rows, strict=True)])
    diagonal = np.array([i == j for _, i, j in scaled.rows])
    return np.where(diagonal, np.abs(out), out)


def reported_theta(criterion: Any, v: np.ndarray) -> np.ndarray:
    """Theta in lme4's order with no negative number on the diagonal:
    the signs of whole columns say nothing.
    """
    scaled = criterion.scaled
    theta = v[: criterion.n_theta] / scaled.units
    negative = {(t, j) for value, (t, i, j) in zip(theta, scaled.rows, strict=True) if i == j and value < 0}
    signs = np.array([-1.0 if (t, j) in negative else 1.0 for t, _, j in scaled.rows])
    out: np.ndarray = (theta * signs)[criterion.order.theta_of_core]
    return out + 0.0


def criterion_of(model: Any) -> Any:
    """The criterion of a fitted model."""
    if isinstance(model._fit, OrdinalFit):
        from .clmm_criterion import OrdinalCriterion

        return OrdinalCriterion(model)
    if isinstance(model._fit, ComponentsFit):
        from .components_criterion import ComponentsCriterion

        return ComponentsCriterion(model)
    return LinearCriterion(model) if isinstance(model._fit, LmmFit) else GeneralizedCriterion(model)
