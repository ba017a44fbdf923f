"""The linear mixed model in plain n x n algebra:
an independent check of the compiled core, with the core's interface.

Everything is written from the marginal covariance V = I + Z D Z' (times sigma^2), with nothing
shared with the core's route through the random effects, so that agreement means something. Cost
grows as n^3: for small data only.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg
import scipy.optimize


def independent_columns(x: np.ndarray, tolerance: float = 1e-7) -> list[int]:
    """Columns that are not a linear combination of earlier ones."""
    kept: list[int] = []
    basis = np.zeros((x.shape[0], 0))
    for j in range(x.shape[1]):
        column = x[:, j].astype(float)
        length = np.linalg.norm(column)
        rest = column - basis @ (basis.T @ column)
        rest = rest - basis @ (basis.T @ rest)
        if np.linalg.norm(rest) > tolerance * length:
            kept.append(j)
            basis = np.column_stack([basis, rest / np.linalg.norm(rest)])
    return kept


class LmmSystem:
    """Dense counterpart of ``ranef._core.LmmSystem``."""

    def __init__(self, x, y, weights, factors, n_threads=1):
        n = len(y)
        x = np.asarray(x, float).reshape(n, -1)
        scale = np.ones(n) if weights is None else np.sqrt(np.asarray(weights, float))
        self.kept = independent_columns(x * scale[:, None])
        self.n = n
        self.scale = scale
        self.log_weights = 2 * np.log(scale).sum()
        self.x = x[:, self.kept] * scale[:, None]
        self.y = np.asarray(y, float) * scale
        self.factors = [
            (np.asarray(codes), int(levels), [(np.asarray(z, float), s) for z, s in terms])
            for codes, levels, terms in factors
        ]
        # columns of Z: factor by factor, level by level, the effects of all its terms side by side
        self.z = np.hstack(
            [self._indicators(codes, levels, np.hstack([z for z, _ in terms])) for codes, levels, terms in self.factors]
        )
        self.z *= scale[:, None]
        self.entries = [e for f, (_, _, terms) in enumerate(self.factors) for e in self._theta_entries(f, terms)]
        self.n_theta = len(self.entries)

    @staticmethod
    def _indicators(codes: np.ndarray, levels: int, z: np.ndarray) -> np.ndarray:
        n, k = z.shape
        out = np.zeros((n, levels * k))
        for i in range(n):
            if codes[i] >= 0:
                out[i, codes[i] * k : (codes[i] + 1) * k] = z[i]
        return out

    @staticmethod
    def _theta_entries(f, terms):
        start = 0
        for t, (z, structure) in enumerate(terms):
            k = z.shape[1]
            for j in range(k):
                for i in range(j, k):
                    if structure == "unstructured" or i == j:
                        yield f, t, start + i, start + j
            start += k

    def _lambda_blocks(self, theta):
        blocks = [np.zeros((sum(z.shape[1] for z, _ in terms),) * 2) for _, _, terms in self.factors]
        for value, (f, _, i, j) in zip(theta, self.entries, strict=True):
            blocks[f][i, j] = value
        return blocks

    def _lambda(self, blocks):
        return scipy.linalg.block_diag(
            *[np.kron(np.eye(levels), b) for (_, levels, _), b in zip(self.factors, blocks, strict=True)]
        )

    def _pieces(self, theta, reml):
        """V^-1, P, r2 and the criterion."""
        theta = np.asarray(theta, float)
        big = self._lambda(self._lambda_blocks(theta))
        zl = self.z @ big
        v = np.eye(self.n) + zl @ zl.T
        v_inv = np.linalg.inv(v)
        log_v = np.linalg.slogdet(v)[1]
        p = self.x.shape[1]
        xvx = self.x.T @ v_inv @ self.x
        s = np.linalg.inv(xvx)
        log_xvx = np.linalg.slogdet(xvx)[1] if p else 0.0
        beta = s @ (self.x.T @ v_inv @ self.y)
        big_p = v_inv - v_inv @ self.x @ s @ self.x.T @ v_inv
        r = self.y - self.x @ beta
        r2 = r @ v_inv @ r
        nu_r, nu_m = self.n - p, self.n
        reml_criterion = log_v + log_xvx + nu_r * (1 + np.log(2 * np.pi * r2 / nu_r)) - self.log_weights
        ml_deviance = log_v + nu_m * (1 + np.log(2 * np.pi * r2 / nu_m)) - self.log_weights
        return {
            "big": big, "v_inv": v_inv, "big_p": big_p, "s": s, "beta": beta, "r": r, "r2": r2, "log_v": log_v,
            "log_xvx": log_xvx, "nu": nu_r if reml else nu_m, "reml_criterion": float(reml_criterion),
            "ml_deviance": float(ml_deviance), "objective": float(reml_criterion if reml else ml_deviance),
        }  # fmt: skip

    def _derivative(self, f, i, j):
        """dLambda / d(one entry of the block of factor f)."""
        blocks = [np.zeros((sum(z.shape[1] for z, _ in terms),) * 2) for _, _, terms in self.factors]
        blocks[f][i, j] = 1.0
        return self._lambda(blocks)

    def evaluate(self, theta, reml, n_threads=1) -> dict[str, Any]:
        q = self._pieces(theta, reml)
        big_p, nu, r2 = q["big_p"], q["nu"], q["r2"]
        py = big_p @ self.y
        inner = big_p if reml else q["v_inv"]
        traces, derivatives = [], []  # tr(P V_k) or tr(V^-1 V_k), and V_k P y, with V_k = dV/dtheta_k
        for f, _, i, j in self.entries:
            half = self.z @ (self._derivative(f, i, j) @ q["big"].T)
            traces.append(2 * np.sum((inner @ half) * self.z))
            derivatives.append(half @ (self.z.T @ py) + self.z @ (half.T @ py))
        v_py = np.array(derivatives).reshape(len(derivatives), self.n)
        rdot = -v_py @ py
        gradient = np.array(traces) + nu / r2 * rdot
        return {
            "objective": q["objective"],
            "gradient": gradient,
            "reml_criterion": q["reml_criterion"],
            "ml_deviance": q["ml_deviance"],
        }

    def solution(self, theta, reml, n_threads=1) -> dict[str, Any]:
        theta = np.asarray(theta, float)
        q = self._pieces(theta, reml)
        blocks = self._lambda_blocks(theta)
        u = q["big"].T @ self.z.T @ q["v_inv"] @ q["r"]
        b = q["big"] @ u
        sigma2 = q["r2"] / q["nu"]
        null = [
            int(np.sum(np.linalg.svd(blocks[f][a : a + k, a : a + k], compute_uv=False) < 1e-9))
            for f, (_, _, terms) in enumerate(self.factors)
            for a, k in self._spans(terms)
        ]
        gradient = self.evaluate(theta, reml)["gradient"]
        return {
            "theta": theta,
            "objective": q["objective"],
            "reml_criterion": q["reml_criterion"],
            "ml_deviance": q["ml_deviance"],
            "beta": q["beta"],
            "vcov_unscaled": q["s"],
            "sigma": float(np.sqrt(sigma2)),
            "sigma2": float(sigma2),
            "pwrss": float(q["r2"]),
            "ldl2": float(q["log_v"]),
            "ldrx2": float(q["log_xvx"]),
            "u": self._per_factor(u),
            "b": self._per_factor(b),
            "singular": any(d > 0 for d in null),
            "null_dimensions": null,
            "evaluations": 1,
            "status": "converged",
            "decrement": 0.0,
            "certificate": 0.0,
            "gradient": gradient,
        }

    @staticmethod
    def _spans(terms):
        start = 0
        for z, _ in terms:
            yield start, z.shape[1]
            start += z.shape[1]

    def _per_factor(self, v):
        out, start = [], 0
        for _, levels, terms in self.factors:
            k = sum(z.shape[1] for z, _ in terms)
            out.append(v[start : start + levels * k].reshape(levels, k))
            start += levels * k
        return out

    def _identity(self):
        return np.array([1.0 if i == j else 0.0 for _, _, i, j in self.entries])

    def fit(
        self, reml, start, max_evaluations, tolerance, n_threads, progress: Callable[[int, float], None] | None
    ) -> dict[str, Any]:
        first = self._identity() if start is None else np.asarray(start, float)
        evaluations = 0

        def both(theta):
            nonlocal evaluations
            evaluations += 1
            e = self.evaluate(theta, reml)
            if progress is not None:
                progress(evaluations, e["objective"])
            return e["objective"], e["gradient"]

        best = min(
            (
                scipy.optimize.minimize(both, s, jac=True, method="BFGS", options={"gtol": 1e-8, "maxiter": 500})
                for s in (first, 0.3 * first)
            ),
            key=lambda r: r.fun,
        )
        theta = np.array(best.x)
        for k in range(self.n_theta):  # numbers that make no difference are exact zeros
            trial = theta.copy()
            trial[k] = 0.0
            if abs(theta[k]) < 0.02 and both(trial)[0] < best.fun + 1e-7:
                theta = trial
        theta = self._positive_diagonal(theta)
        out = self.solution(theta, reml)
        out["evaluations"] = evaluations
        return out

    def _positive_diagonal(self, theta):
        """The same covariance with no negative diagonal entry: whole columns change sign."""
        theta = theta.copy()
        for f, t, i, j in self.entries:
            if i == j and theta[self.entries.index((f, t, i, j))] < 0:
                for k, (f2, _, _, j2) in enumerate(self.entries):
                    if (f2, j2) == (f, j):
                        theta[k] = -theta[k]
        return theta

    def conditional_covariance(self, theta, n_threads=1):
        q = self._pieces(theta, False)
        d = q["big"] @ q["big"].T
        c = d - d @ self.z.T @ q["v_inv"] @ self.z @ d
        out, start = [], 0
        for _, levels, terms in self.factors:
            k = sum(z.shape[1] for z, _ in terms)
            out.append(np.stack([c[a : a + k, a : a + k] for a in range(start, start + levels * k, k)]))
            start += levels * k
        return out

    def prediction_variance(self, theta, x_new, factors, n_threads=1):
        q = self._pieces(theta, False)
        d = q["big"] @ q["big"].T
        c = d - d @ self.z.T @ q["v_inv"] @ self.z @ d
        z_new = np.hstack(
            [
                self._indicators(codes, levels, np.hstack(z))
                for (codes, z), (_, levels, _) in zip(factors, self.factors, strict=True)
            ]
        )
        a = np.asarray(x_new) - z_new @ d @ self.z.T @ q["v_inv"] @ self.x
        return np.einsum("ij,jk,ik->i", a, q["s"], a) + np.einsum("ij,jk,ik->i", z_new, c, z_new)

    def refit(self, y, reml, theta_start, max_evaluations, tolerance, n_threads, progress):
        rows = []
        kept_y = self.y
        try:
            for j in range(y.shape[1]):
                self.y = np.asarray(y[:, j], float) * self.scale
                s = self.fit(reml, theta_start, max_evaluations, tolerance, n_threads, None)
                rows.append(
                    (
                        s["objective"],
                        s["beta"],
                        np.sqrt(s["sigma2"] * np.diag(s["vcov_unscaled"])),
                        s["theta"],
                        s["sigma"],
                        s["status"],
                    )
                )
        finally:
            self.y = kept_y
        columns = list(zip(*rows, strict=True))
        names = ("objective", "beta", "se", "theta", "sigma")
        out = {name: np.array(c, float) for name, c in zip(names, columns, strict=False)}
        out["status"] = list(columns[5])
        return out
