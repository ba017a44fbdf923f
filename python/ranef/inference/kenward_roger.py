"""Kenward and Roger's adjusted covariance of the fixed effects, degrees of freedom and scaling of F, in matrices of the order of the random effects."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranef.errors import OptionError
from ranef.estimates.fixed_effects import covariance
from ranef.fit.record import LmmFit
from ranef.inference.level_blocks import EffectColumns, LevelBlocks, effect_columns, level_blocks

Floats = NDArray[np.float64]

#: Numbers this close to zero (or to 2, for degrees of freedom) are taken to be there.
ZERO, NEAR_TWO = 1e-10, 0.01

#: Information about the variance parameters whose reciprocal condition is below this is inverted on its range only.
SINGULAR = 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class KenwardRoger:
    """What tests by Kenward and Roger need of a fit.

    Attributes
    ----------
    cov : (p, p) array
        Covariance matrix of the fixed effects as estimated.
    adjusted : (p, p) array
        The same with the estimation of the variance parameters accounted for.
    slopes : (r, p, p) array
        Derivatives of the inverse of ``cov`` by the variance parameters: variances and covariances of each random term, then sigma².
    weights : (r, r) array
        Asymptotic covariance of the variance parameters.
    """

    cov: Floats
    adjusted: Floats
    slopes: Floats
    weights: Floats


@dataclass(frozen=True, slots=True)
class FScaling:
    """Degrees of freedom of the denominator, and the factor of F."""

    den_df: float
    factor: float


def kenward_roger(fit: LmmFit) -> KenwardRoger:
    """Adjust the covariance matrix of the fixed effects.

    On the boundary all variance parameters take part, with the expected information at the estimates: it is defined there too.

    Parameters
    ----------
    fit : LmmFit
        By REML.

    Returns
    -------
    KenwardRoger
    """
    if not fit.reml:
        raise OptionError(
            "Kenward-Roger is derived for REML; this model was fitted by maximum likelihood. Fit it with REML=True, or use ddf='satterthwaite'."
        )
    e = effect_columns(fit)
    blocks = level_blocks(e)
    p_r, q_rs, traces = _pieces(fit, e, blocks)
    phi = covariance(fit)
    phi_p = np.einsum("ij,rjk->rik", phi, p_r)
    information = traces - 2.0 * np.einsum("ij,rsji->rs", phi, q_rs) + np.einsum("rij,sji->rs", phi_p, phi_p)
    weights = 2.0 * _inverse(information)
    middle = np.einsum("rs,rsij->ij", weights, q_rs) - np.einsum("rs,rij,sjk->ik", weights, p_r, phi_p)
    adjusted = phi + 2.0 * phi @ (0.5 * (middle + middle.T)) @ phi
    return KenwardRoger(phi, adjusted, p_r, weights)


def _pieces(fit: LmmFit, e: EffectColumns, blocks: LevelBlocks) -> tuple[Floats, Floats, Floats]:
    """P (derivatives of the precision), Q and the traces of products, for all pairs of variance parameters; the last parameter is sigma²."""
    # A parameter is a set of ordered pairs of effects: {(i, i)} for a variance, {(i, j), (j, i)} for a covariance.
    parameters: list[tuple[tuple[int, int], ...]] = []
    for span, term in zip(fit.order.spans, e.terms, strict=True):
        for a, i in enumerate(term):
            for b, j in enumerate(term[: a + 1]):
                if a == b:
                    parameters.append(((i, i),))
                elif not span.diagonal:
                    parameters.append(((i, j), (j, i)))
    s2, count, p = fit.sigma**2, len(parameters), e.x.shape[1]
    f, f2 = blocks.fixed, blocks.fixed2
    p_r = np.empty((count + 1, p, p))
    q_rs = np.empty((count + 1, count + 1, p, p))
    traces = np.empty((count + 1, count + 1))
    for r, first in enumerate(parameters):
        p_r[r] = -sum(f[i].T @ f[j] for i, j in first) / s2**2
        cross = sum(f[i].T @ f2[j] for i, j in first) / s2**3
        q_rs[r, count], q_rs[count, r] = cross, np.transpose(cross)
        traces[r, count] = traces[count, r] = sum(blocks.trace2(i, j) for i, j in first) / s2**2
        for s, second in enumerate(parameters[: r + 1]):
            q = sum(f[i].T @ blocks.apply(j, k, f[m]) for i, j in first for k, m in second) / s2**3
            q_rs[r, s], q_rs[s, r] = q, np.transpose(q)
            traces[r, s] = traces[s, r] = sum(blocks.product(j, k, i, m) for i, j in first for k, m in second) / s2**2
    precision = np.linalg.inv(fit.vcov_unscaled)
    fdf, fdhdf, trace_hd, trace_hdhd = blocks.totals()
    p_r[count] = -(precision - fdf) / s2**2
    q_rs[count, count] = (precision - 2.0 * fdf + fdhdf) / s2**3
    traces[count, count] = (fit.nobs - 2.0 * trace_hd + trace_hdhd) / s2**2
    return p_r, q_rs, traces


def _inverse(information: Floats) -> Floats:
    """Inverse of the information, in units in which its diagonal is 1, so that the units of the data do not matter."""
    scale = np.sqrt(np.abs(np.diagonal(information)))
    scale[scale == 0.0] = 1.0
    units = np.outer(scale, scale)
    out: Floats = np.linalg.pinv(information / units, rcond=SINGULAR, hermitian=True) / units
    return out


def f_scaling(kr: KenwardRoger, rows: Floats) -> FScaling:
    """Match the first two moments of F, of the adjusted covariance, to those of a scaled F distribution.

    Parameters
    ----------
    kr : KenwardRoger
    rows : (q, p) array
        Linearly independent contrasts.

    Returns
    -------
    FScaling
    """
    q = len(rows)
    theta = rows.T @ np.linalg.solve(rows @ kr.cov @ rows.T, rows)
    u = np.einsum("ij,rjk->rik", theta @ kr.cov, kr.slopes) @ kr.cov
    traces = np.einsum("rii->r", u)
    a1 = float(traces @ kr.weights @ traces)
    a2 = float(np.sum(kr.weights * np.einsum("rij,sji->rs", u, u)))
    if abs(a2) < ZERO:
        # The covariance parameters do not matter for this contrast.
        return FScaling(float("inf"), 1.0)
    b = (a1 + 6.0 * a2) / (2.0 * q)
    g = ((q + 1) * a1 - (q + 4) * a2) / ((q + 2) * a2)
    base = 3 * q + 2 * (1 - g)
    c1, c2, c3 = g / base, (q - g) / base, (q + 2 - g) / base
    v0, v1, v2 = 1 + c1 * b, 1 - c2 * b, 1 - c3 * b
    v0 = 0.0 if abs(v0) < ZERO else v0
    shrink = 1 - a2 / q
    if abs(shrink) < ZERO and abs(v1) < ZERO:
        shrink, v1 = 1.0, 1.0  # their ratio has the limit 1
    # 4 + (q + 2) / (q rho - 1) without rho, which is infinite where the denominator has exactly four degrees of freedom
    numerator, denominator = v2 * v1**2, shrink**2 * v0 - v2 * v1**2
    den_df = 4 + (q + 2) * numerator / denominator if abs(denominator) > ZERO else float("inf")
    shrink = 1 - a2 / q
    factor = 1.0 if abs(den_df - 2) < NEAR_TWO else den_df * shrink / (den_df - 2)
    return FScaling(den_df, factor)
