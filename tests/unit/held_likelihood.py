"""The lowest deviance of a model with one random term while one parameter is held:
plain n x n algebra and a general minimiser, nothing of the core's.
"""

from typing import Any

import numpy as np
import scipy.linalg
import scipy.optimize


class HeldLikelihood:
    """The likelihood of the model ``m`` (fitted by ML,
    one unstructured random term of k effects).
    """

    def __init__(self, m: Any):
        fit = m._fit
        (term,) = fit.terms
        self.z, self.k = term.z, term.z.shape[1]
        self.same = term.codes[:, None] == term.codes[None, :]
        self.x, self.y = fit.x, fit.design.y
        self.lowest = m.objective
        self.sigma = m.sigma
        self.cov = next(iter(m.varcorr.values())).cov

    def deviance(self, root: np.ndarray, sigma: float, beta: dict[int, float] | np.ndarray | None = None) -> float:
        """-2 log-likelihood at a factor of the covariance of the effects.

        Fixed effects by least squares but for those given.
        """
        zt = self.z @ root
        v = sigma**2 * np.eye(len(self.y)) + self.same * (zt @ zt.T)
        try:
            chol = np.linalg.cholesky(v)
        except np.linalg.LinAlgError:
            return 1e10
        x, y = self.x, self.y
        if isinstance(beta, np.ndarray):
            beta = dict(enumerate(beta))
        for j, value in (beta or {}).items():
            y = y - value * x[:, j]
        x = np.delete(x, list(beta or ()), axis=1)
        white = scipy.linalg.solve_triangular(chol, np.column_stack([x, y]), lower=True, check_finite=False)
        r = white[:, -1] - white[:, :-1] @ np.linalg.lstsq(white[:, :-1], white[:, -1], rcond=None)[0]
        return float(len(y) * np.log(2 * np.pi) + 2 * np.log(np.diag(chol)).sum() + r @ r)

    def rise(self, held: str, value: float, i: int = 0, j: int = 1, starts: int = 1) -> float:
        """By how much the deviance rises at least
        when ``held`` (``sd`` i, ``cor`` of i and j, ``sigma``, ``beta`` i) has a value.
        """
        k = self.k
        order = [i, j] + [r for r in range(k) if r not in (i, j)] if held in ("sd", "cor") and k > 1 else list(range(k))
        fixed = 0 if held in ("sigma", "beta") else 1 if held == "sd" else 2

        def root(p: np.ndarray) -> np.ndarray:
            out = np.zeros((k, k))
            rest = p
            if held == "sd":
                out[order[0], 0] = value
            if held == "cor":
                out[order[0], 0] = np.exp(p[0])
                out[order[1], :2] = np.exp(p[1]) * np.array([value, np.sqrt(1 - value**2)])
                rest = p[2:]
            for r in range(fixed, k):
                out[order[r], : r + 1], rest = rest[: r + 1], rest[r + 1 :]
            return out

        def deviance(p: np.ndarray) -> float:
            if held == "sigma":
                return self.deviance(root(p), value)
            return self.deviance(root(p[:-1]), float(np.exp(p[-1])), {i: value} if held == "beta" else None)

        # the estimate, and others with effects that depend on each other in other ways
        sd = np.sqrt(np.diag(self.cov))[order] + 0.05 * self.sigma
        rng = np.random.default_rng(1)
        best = np.inf
        for start in range(starts):
            shape = np.eye(k) if start == 0 else np.tril(rng.normal(size=(k, k)))
            lower = sd[:, None] * shape / np.linalg.norm(shape, axis=1)[:, None]
            head = list(np.log(sd[:2])) if held == "cor" else []
            p = np.array([*head, *np.concatenate([lower[r, : r + 1] for r in range(fixed, k)] or [[]])])
            if held != "sigma":
                p = np.append(p, np.log(self.sigma))
            for _ in range(3):  # differences of a noisy function end the search early: it is taken up again
                found = scipy.optimize.minimize(deviance, p, method="BFGS", options={"gtol": 1e-7})
                p = found.x
            best = min(best, float(found.fun))
        return best - self.lowest
