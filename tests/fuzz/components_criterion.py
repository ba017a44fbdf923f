"""The criterion of models with several linear predictors, evaluated by the core at fixed points."""

from typing import Any

import numpy as np

from .criterion import HUGE, NONE, Scaled, criterion_of, random_theta, reported_theta, theta_units
from .finding import Finding
from .sampled import sampled_criterion

#: Nodes of quadrature by the number of random effects of a level.
NODES = {1: 41, 2: 15, 3: 9}
#: Standard deviations of random effects, in units of a linear predictor, and values of predictors
#: on a log or logit scale, from which an optimum lies at infinity.
FAR, EXTREME = 50.0, 12.0
#: Error of -2 log-likelihoods that are sampled.
SAMPLED = 1.0
#: Relative difference of two evaluations at one point.
AGAIN = 1e-9


class ComponentsCriterion:
    """-2 log-likelihood.

    The numbers are theta and the fixed effects, of orthonormal columns, of every predictor.
    """

    def __init__(self, model: Any):
        self.fit = model._fit
        self.order = self.fit.whole.order
        self.system = self.fit.system.get(1)
        self.scaled: Scaled = theta_units(self.fit.whole)
        self.n_theta = len(self.scaled.units)
        self.roots = []
        for p in self.fit.predictors:
            x = p.design.x[:, list(p.kept)]
            self.roots.append(np.linalg.qr(x, mode="r") / np.sqrt(len(x)))
        self.sizes = [len(r) for r in self.roots]
        self.size = self.n_theta + sum(self.sizes)
        self.own = self.numbers(self.fit.whole_theta, self.fit.whole_beta)
        self.own_value = float(self.fit.objective)

    def numbers(self, theta: np.ndarray, beta: np.ndarray) -> np.ndarray:
        """The numbers of theta in the core's order and all fixed effects."""
        parts = np.split(beta, np.cumsum(self.sizes)[:-1])
        return np.concatenate([theta * self.scaled.units, *(r @ b for r, b in zip(self.roots, parts, strict=True))])

    def parts(self, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Theta in the core's order and all fixed effects."""
        parts = np.split(v[self.n_theta :], np.cumsum(self.sizes)[:-1])
        beta = [np.linalg.solve(r, b) if len(b) else b for r, b in zip(self.roots, parts, strict=True)]
        return np.ascontiguousarray(v[: self.n_theta] / self.scaled.units), np.concatenate(beta)

    def at(self, v: np.ndarray, n_quad: int = 1) -> Any:
        """The core's evaluation at a point; None where there is none."""
        theta, beta = self.parts(v)
        try:
            return self.system.evaluate(theta, beta, None, n_quad, "observed", 1)
        except (ValueError, RuntimeError, ArithmeticError):
            return None

    def value(self, v: np.ndarray) -> tuple[float, np.ndarray]:
        """The criterion and its gradient."""
        e = self.at(v, self.fit.n_quad)
        if e is None or not (np.isfinite(e.objective) and np.isfinite(e.gradient).all()):
            return NONE, np.zeros(self.size)
        g = e.gradient.copy()
        g[: self.n_theta] /= self.scaled.units
        first = self.n_theta
        for r, size in zip(self.roots, self.sizes, strict=True):
            own = slice(first, first + size)
            g[own] = np.linalg.solve(r.T, g[own]) if size else g[own]
            first += size
        return float(e.objective), g

    def start(self, rng: np.random.Generator) -> np.ndarray:
        """Random theta, and fixed effects about the estimates."""
        v = self.own + np.concatenate([np.zeros(self.n_theta), rng.normal(size=self.size - self.n_theta)])
        v[: self.n_theta] = random_theta(rng, self.scaled)
        return np.asarray(np.clip(v, -HUGE, HUGE))

    def theta(self, v: np.ndarray) -> np.ndarray:
        """Theta in lme4's order."""
        return reported_theta(self, v)

    def integrated(self, v: np.ndarray) -> float:
        """-2 log-likelihood by quadrature; NaN where there is none."""
        if not self.system.allows_quadrature:
            return float("nan")
        k = sum(t.z.shape[1] for t in self.fit.whole.design.random)
        e = self.at(v, NODES.get(k, 5))
        return float("nan") if e is None else float(e.objective)

    def likelihood(self, v: np.ndarray) -> tuple[float, float]:
        """-2 log-likelihood by quadrature, else by sampling, and its error."""
        exact = self.integrated(v)
        return (sampled_criterion(self, v), SAMPLED) if np.isnan(exact) else (exact, 0.0)

    def predictors(self, v: np.ndarray) -> list[np.ndarray]:
        """The fixed part (n,) of every predictor."""
        out, (_, beta) = [], self.parts(v)
        for p, b in zip(self.fit.predictors, np.split(beta, np.cumsum(self.sizes)[:-1]), strict=True):
            out.append(p.design.x[:, list(p.kept)] @ b)
        return out


def found_again(model: Any) -> list[Finding]:
    """Whether the criterion at the estimates is found again, from no modes."""
    criterion = criterion_of(model)
    again = criterion.value(criterion.own)[0]
    gap = abs(again - criterion.own_value)
    if gap < AGAIN * (1.0 + abs(again)):
        return []
    note = f"fit {criterion.own_value:.8f}, evaluated there {again:.8f}"
    return [Finding("dense", "not found again", gap, note, criterion.theta(criterion.own).tolist())]


def cause_of(criterion: ComponentsCriterion, point: np.ndarray, value: float) -> tuple[str, str]:
    """Why a point below a fit was missed, as `cause.cause_of` has it."""
    from .free_search import descend

    own, there = criterion.value(criterion.own)[0], criterion.value(point)[0]
    gap = criterion.own_value - value
    note = f"core {criterion.own_value:.7f} and {value:.7f}; again {own:.7f} and {there:.7f}"
    if own - there <= gap / 2:
        return "other modes", note
    (exact, error), (exact_there, _) = criterion.likelihood(criterion.own), criterion.likelihood(point)
    note += f"; integrated {exact:.3f} and {exact_there:.3f}"
    if exact_there > exact + error:
        return "artefact", note
    others = criterion.predictors(point)[1:]
    far = max((float(np.abs(e).max()) for e in others if len(e)), default=0.0)
    if np.abs(point[: criterion.n_theta]).max(initial=0.0) > FAR or far > EXTREME:
        return "at infinity", note
    nudged = criterion.own.copy()
    theta = nudged[: criterion.n_theta]
    theta[theta == 0] = 1e-3
    reached = descend(criterion, nudged)[0]
    if reached < criterion.own_value - min(1e-6, gap / 2):
        return "no minimum", f"{note}; descent from the fit {reached:.7f}"
    zero = np.abs(criterion.own[: criterion.n_theta]).min(initial=1.0) < 1e-9
    return ("zero trap" if zero else "other valley"), note
