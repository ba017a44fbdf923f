"""Check: the criterion at the estimates is that of plain dense algebra,
which shares nothing with the core.
"""

from typing import Any

import numpy as np
from scipy import special

from ranef.fit.order import TermSpan, relative_factor
from ranef.fit.system import core_factors, response_without_offset
from unit.dense_glmm import DenseGlmm
from unit.dense_lmm import LmmSystem

from .finding import Finding

LINEAR, GENERALIZED = 1e-6, 5e-5
#: Random effects of a generalized model up to which its plain algebra, by differences, is worth the
#: time.
MOST = 60


def theta_positions(span: TermSpan) -> list[tuple[int, int]]:
    """(row, column) in the relative factor of every theta of a term.

    The cases have no other structures than these two.
    """
    k = span.size
    if span.diagonal:
        return [(i, i) for i in range(k)]
    return [(i, j) for j in range(k) for i in range(j, k)]


def factor_of_z(fit: Any, theta: np.ndarray) -> np.ndarray:
    """Z times the relative Cholesky factor, (n, q), at theta in lme4's order."""
    columns = []
    for span in fit.order.spans:
        term = fit.design.random[span.formula]
        zl = term.z @ relative_factor(span, theta)
        levels = np.eye(len(term.levels))[term.codes]
        columns.append((levels[:, :, None] * zl[:, None, :]).reshape(len(zl), -1))
    return np.hstack(columns)


def linear_criterion(fit: Any, theta: np.ndarray) -> float:
    """REML criterion or deviance at theta in lme4's order,
    by an orthogonal factorisation that squares no condition number.

    The rows of ``[W Z L, W X, W y; I, 0, 0]`` are factorised from the largest to the smallest, as
    weights of many powers of ten ask for.
    """
    y, x = response_without_offset(fit.design), fit.x
    w = np.ones(len(y)) if fit.design.weights is None else fit.design.weights
    zl = factor_of_z(fit, theta)
    n, (q, p) = len(y), (zl.shape[1], x.shape[1])
    size = np.linalg.norm(x * np.sqrt(w)[:, None], axis=0)
    top = np.sqrt(w)[:, None] * np.column_stack([zl, x / size, y])
    rows = np.vstack([top, np.eye(q, q + p + 1)])
    rows = rows[np.argsort(-np.abs(rows).max(axis=1), kind="stable")]
    d = np.abs(np.diag(np.linalg.qr(rows, mode="r")))
    logs = 2 * np.log(d[: q + p])
    rss = d[q + p] ** 2
    nu = n - p if fit.reml else n
    value = logs[:q].sum() + nu * (1 + np.log(2 * np.pi * rss / nu)) - np.log(w).sum()
    if fit.reml:
        value += logs[q:].sum() + 2 * np.log(size).sum()
    return float(value)


def marginal_criterion(fit: Any) -> float:
    """The same from the n x n covariance matrix of the response, at the estimates.

    NaN where that is singular to rounding.
    """
    design = fit.design
    y = response_without_offset(design)
    dense = LmmSystem(fit.x, y, design.weights, core_factors(design, fit.order))
    try:
        with np.errstate(all="ignore"):
            return float(dense.evaluate(fit.core_theta, fit.reml)["objective"])
    except np.linalg.LinAlgError:
        return float("nan")


def dense_glmm(
    fit: Any, theta: np.ndarray, beta: np.ndarray, dispersion: float | None, modes: np.ndarray | None = None
) -> DenseGlmm:
    """The generalized model with dense Z at a point, theta in lme4's order."""
    design = fit.design
    n = len(design.y)
    eta0 = fit.x @ beta + (0.0 if design.offset is None else design.offset)
    w = np.ones(n) if design.weights is None else design.weights
    d = 1.0 if dispersion is None else dispersion
    made = FromModes(fit.family.kernel, fit.family.link, d, w, design.y, eta0, factor_of_z(fit, theta))
    if fit.family.kernel == "binomial":
        made.tails = (fit.family.link, np.rint(w))
    made.first = np.zeros(made.zl.shape[1]) if modes is None else modes
    return made


def spherical_modes(fit: Any, modes: Any) -> np.ndarray:
    """The modes that the core gives, factor by factor,
    in the order of the columns of ``factor_of_z``.
    """
    parts = [np.asarray(modes[s.factor])[:, s.start : s.start + s.size].ravel() for s in fit.order.spans]
    return np.concatenate(parts)


#: Logs of the probabilities of success and failure from the linear predictor.
LOG_PROBABILITIES = {
    "logit": lambda eta: (special.log_expit(eta), special.log_expit(-eta)),
    "probit": lambda eta: (special.log_ndtr(eta), special.log_ndtr(-eta)),
    "cloglog": lambda eta: (np.log(-np.expm1(-np.exp(eta))), -np.exp(eta)),
}


class FromModes(DenseGlmm):
    """The same with the lower of the modes found from zero and from those of the core:
    a density can have several.
    """

    first: np.ndarray
    tails: Any = None

    def rows(self, eta: np.ndarray) -> np.ndarray:
        """Log-densities; those of proportions from the logs of both probabilities,
        which SciPy's density does not take and whose difference from 1 it loses.
        """
        if self.tails is None:
            return super().rows(eta)
        link, w = self.tails
        yes, no = LOG_PROBABILITIES[link](eta)
        successes = np.rint(self.y * w)
        ways = special.gammaln(w + 1) - special.gammaln(successes + 1) - special.gammaln(w - successes + 1)
        return ways + np.where(successes > 0, successes * yes, 0) + np.where(w > successes, (w - successes) * no, 0)

    def derivatives(self, eta: np.ndarray, step: Any = 2e-3) -> tuple[np.ndarray, np.ndarray]:
        """First and second derivatives; zero where the density is out of range."""
        first, second = super().derivatives(eta, step)
        return np.nan_to_num(first, posinf=0, neginf=0), np.nan_to_num(second, posinf=0, neginf=0)

    def mode(self) -> tuple[np.ndarray, np.ndarray]:
        """The conditional mode of the spherical effects and the Hessian there."""
        u, hessian = super().mode()
        given = self.given_mode()
        return given if given is not None and self.penalised(given[0]) < self.penalised(u) - 1e-3 else (u, hessian)

    def given_mode(self) -> tuple[np.ndarray, np.ndarray] | None:
        """The core's mode and the Hessian there; None if it is no mode here."""
        first, second = self.derivatives(self.eta0 + self.zl @ self.first)
        if not np.abs(self.zl.T @ first - self.first).max() < 1e-3:
            return None
        return self.first, self.zl.T @ (-second[:, None] * self.zl) + np.eye(len(self.first))


def dense_laplace(
    fit: Any, theta: np.ndarray, beta: np.ndarray, dispersion: float | None, modes: np.ndarray | None = None
) -> float:
    """-2 log-likelihood there by Laplace's approximation.

    NaN where SciPy's densities lose their digits, or the plain algebra finds no mode, or would take
    long.
    """
    small, large = {"nbinom1": (1e-3, 1e6), "nbinom2": (1e-6, 1e4)}.get(fit.family.kernel, (1e-9, 1e9))
    effects = sum(u.size for u in fit.u)
    if effects > MOST or not small < (1.0 if dispersion is None else dispersion) < large:
        return float("nan")
    try:
        with np.errstate(all="ignore"):
            return float(dense_glmm(fit, theta, beta, dispersion, modes).laplace())
    except np.linalg.LinAlgError:
        return float("nan")


def check(case: Any, model: Any) -> list[Finding]:
    """Compare at the estimates; and what the core has there when it is asked
    for the criterion alone; and that no relative standard deviation is negative.
    """
    fit = model._fit
    diagonal = np.array([i == j for span in fit.order.spans for i, j in theta_positions(span)])
    if (fit.theta[diagonal] < 0).any():
        return [Finding("dense", "negative theta", float(-fit.theta[diagonal].min()), "", fit.theta.tolist())]
    if case.model == "families":
        from .components_criterion import found_again

        return found_again(model)
    if case.model == "clmm":
        from .clmm_criterion import dense_laplace as of_categories
        from .components_criterion import found_again

        gap = abs(of_categories(model) - fit.objective)
        wrong = gap > GENERALIZED * max(1.0, abs(fit.objective) / 300)
        note = f"core {fit.objective:.8f}, dense {of_categories(model):.8f}"
        found = [Finding("dense", "criterion", gap, note, fit.theta.tolist())] if wrong else []
        return [*found, *found_again(model)]
    generalized = case.model == "generalized"
    dispersion = None if not generalized or np.isnan(fit.dispersion) else fit.dispersion
    if generalized:
        modes = np.concatenate([u.ravel() for u in fit.u])
        value = dense_laplace(fit, fit.theta, fit.beta, dispersion, modes)
        limit = GENERALIZED * max(1.0, abs(fit.objective) / 300)
    else:
        value, limit = linear_criterion(fit, fit.theta), LINEAR
    out = []
    gap = abs(value - fit.objective)
    if gap > limit:
        note = f"core {fit.objective:.8f}, dense {value:.8f}"
        if not generalized:
            note += f", n x n {marginal_criterion(fit):.8f}"
        out.append(Finding("dense", "criterion", gap, note, fit.theta.tolist()))
    again = _evaluated(fit, dispersion, generalized)
    gap = abs(again - fit.objective)
    if gap > LINEAR:
        note = f"fit {fit.objective:.8f}, evaluated there {again:.8f}"
        out.append(Finding("dense", "not found again", gap, note, fit.theta.tolist()))
    return out


def _evaluated(fit: Any, dispersion: float | None, generalized: bool) -> float:
    """The criterion that the core finds at the estimates; infinite where it finds none."""
    system = fit.system.get(1)
    try:
        if generalized:
            e = system.evaluate(fit.core_theta, fit.beta, dispersion, 1, fit.curvature, 1)
        else:
            e = system.evaluate(fit.core_theta, fit.reml, 1)
    except ValueError:
        return float("inf")
    return float(e.objective)
