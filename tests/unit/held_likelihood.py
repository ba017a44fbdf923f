"""The lowest deviance of a model with one random term while one parameter is held:
dense algebra of the rows of every level and a general minimiser, nothing of the core's.
"""

from typing import Any

import numpy as np
import scipy.optimize


class HeldLikelihood:
    """The likelihood of the model ``m`` (fitted by ML,
    one unstructured random term of k effects).
    """

    def __init__(self, m: Any):
        fit = m._fit
        (term,) = fit.terms
        self.k = term.z.shape[1]
        # the rows of a level one below the other, filled with rows of zeros to the same number
        counts = np.bincount(term.codes)
        order = np.argsort(term.codes, kind="stable")
        first = np.repeat(np.cumsum(counts) - counts, counts)
        place = np.sort(term.codes), np.arange(len(order)) - first

        def by_level(rows: np.ndarray) -> np.ndarray:
            out = np.zeros((len(counts), counts.max(), rows.shape[1]))
            out[place] = rows[order]
            return out

        self.z, self.x, self.y = by_level(term.z), by_level(fit.x), by_level(fit.design.y[:, None])[:, :, 0]
        self.is_row = by_level(np.ones((len(order), 1)))[:, :, 0] > 0
        self.n = len(order)
        self.lowest = m.objective
        self.sigma = m.sigma
        self.cov = next(iter(m.varcorr.values())).cov

    def deviance(self, root: np.ndarray, sigma: float, beta: dict[int, float] | np.ndarray | None = None) -> float:
        """-2 log-likelihood at a factor of the covariance of the effects.

        Fixed effects by least squares but for those given.
        """
        zt = self.z @ root
        v = zt @ zt.transpose(0, 2, 1) + np.where(self.is_row, sigma**2, 1.0)[:, :, None] * np.eye(zt.shape[1])
        try:
            chol = np.linalg.cholesky(v)
        except np.linalg.LinAlgError:
            return 1e10
        x, y = self.x, self.y
        if isinstance(beta, np.ndarray):
            beta = dict(enumerate(beta))
        for j, value in (beta or {}).items():
            y = y - value * x[:, :, j]
        x = np.delete(x, list(beta or ()), axis=2)
        white = np.linalg.solve(chol, np.concatenate([x, y[:, :, None]], axis=2)).reshape(-1, x.shape[2] + 1)
        r = white[:, -1] - white[:, :-1] @ np.linalg.lstsq(white[:, :-1], white[:, -1], rcond=None)[0]
        diagonals = np.diagonal(chol, axis1=1, axis2=2)
        return float(self.n * np.log(2 * np.pi) + 2 * np.log(diagonals).sum() + r @ r)

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
