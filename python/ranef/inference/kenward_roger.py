"""Kenward and Roger's adjusted covariance of the fixed effects, degrees of freedom and scaling of
F.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from ranef.design.memory import available_memory
from ranef.design.structures import kind_of
from ranef.errors import MemoryLimitError, OptionError
from ranef.fit.record import MixedFit

if TYPE_CHECKING:
    from ranef import _core

Floats = NDArray[np.float64]

#: Numbers this close to zero (or to 2, for degrees of freedom) are taken to be there.
ZERO, NEAR_TWO = 1e-10, 0.01

#: Share of the memory at hand that dense matrices may take, and what is assumed to be at hand where
#: the system does not tell.
MEMORY_SHARE, MEMORY_UNKNOWN = 0.8, 4e9


@dataclass(frozen=True, slots=True, eq=False)
class KenwardRoger:
    """What tests by Kenward and Roger need of a fit.

    Variances are in units of sigma², and fixed effects in the coordinates in which their covariance
    matrix is the identity: those of a contrast ``l`` of the columns as given are ``l @ root``.
    Nothing here depends on the origin or unit of a variable.

    Attributes
    ----------
    sigma : float
    root : (p, p) array
        ``sigma**2 * root @ root.T`` is the covariance matrix of the fixed effects as estimated.
    change : (p, p) array
        What the matrix becomes in the coordinates when the estimation of the variance parameters is
        accounted for.
    slopes : (r, p, p) array
        Derivatives of the inverse of the covariance matrix by the variance parameters: those of
        each random term, then sigma².
    weights : (r, r) array
        Asymptotic covariance of the variance parameters.
    flat : int
        Number of combinations of them about which the response says nothing.
    """

    sigma: float
    root: Floats
    change: Floats
    slopes: Floats
    weights: Floats
    flat: int

    @classmethod
    def of_core(cls, found: "_core.KenwardRoger", fit: MixedFit) -> Self:
        """What the core gives for a fit."""
        return cls(fit.sigma, found.root, found.adjusted, found.slopes, found.weights, found.flat)

    @property
    def adjusted(self) -> Floats:
        """Adjusted covariance matrix (p, p) of the fixed effects."""
        out: Floats = self.root @ self.change @ self.root.T * self.sigma**2
        return out


@dataclass(frozen=True, slots=True)
class FScaling:
    """Degrees of freedom of the denominator, and the factor of F."""

    den_df: float
    factor: float


def kenward_roger(fit: MixedFit, linear: bool = False) -> KenwardRoger:
    """Adjust the covariance matrix of the fixed effects.

    On the boundary all variance parameters take part, with the expected information at the
    estimates: it is defined there too.

    Parameters
    ----------
    fit : MixedFit
        By REML.
    linear : bool
        Whether second derivatives of the covariance of the rows are left out.

    Returns
    -------
    KenwardRoger
    """
    check_kenward_roger(fit, linear)
    try:
        found = fit.kenward_roger(memory_allowed, linear)
    except MemoryError as problem:
        raise refused(problem) from None
    return KenwardRoger.of_core(found, fit)


def check_kenward_roger(fit: MixedFit, linear: bool = False) -> None:
    """Refuse models that the method is not made for."""
    if not fit.reml:
        raise OptionError(
            "Kenward-Roger is derived for REML; this model was fitted by maximum likelihood. Fit it with REML=True, "
            "or use ddf='satterthwaite'."
        )
    structured = [i for i, s in enumerate(fit.order.spans) if not s.core.is_free]
    if structured and fit.design.residual is not None and not linear:
        raise OptionError(
            "Kenward-Roger with second derivatives is not available for random effects with a covariance structure of "
            "their own, as cs(), beside rows with one; use ddf='satterthwaite'."
        )
    for i in structured:
        without = np.flatnonzero(~np.any(fit.relative_factors[i], axis=1))
        if len(without) and not kind_of(fit.terms[i].structure).homogeneous:
            raise OptionError(
                f"Kenward-Roger needs derivatives by the variance of {fit.terms[i].names[without[0]]!r}, which is "
                "estimated as zero, where correlations with it have none; use ddf='satterthwaite'."
            )


def refused(problem: MemoryError) -> MemoryLimitError:
    """The error for matrices that would take too much memory."""
    return MemoryLimitError(
        "Kenward-Roger for crossed or nested grouping factors works with dense matrices of the order of all random "
        f"effects but those of the largest factor: {problem}. Use ddf='satterthwaite', which needs none; with so many "
        "levels the two hardly differ.",
        getattr(problem, "needed", None),
        getattr(problem, "available", None),
    )


def memory_allowed() -> float:
    """Bytes that dense matrices may take."""
    free = available_memory()
    return MEMORY_SHARE * (MEMORY_UNKNOWN if free is None else free)


def single_df(kr: KenwardRoger, rows: Floats) -> Floats:
    """Degrees of freedom (k,) of contrasts (k, p) one by one.

    With one row both sums of :func:`f_scaling` are one number A, and what it gives is 2 / A
    exactly, with a factor of one.
    """
    own = rows @ kr.root
    own = own / np.sqrt(np.einsum("ki,ki->k", own, own))[:, np.newaxis]
    forms = np.einsum("kri,ki->kr", np.tensordot(own, kr.slopes, axes=(1, 1)), own)
    sums = np.einsum("kr,kr->k", forms @ kr.weights, forms)
    with np.errstate(divide="ignore"):
        out: Floats = np.where(np.abs(sums) < ZERO, np.inf, 2.0 / sums)
    return out


def f_scaling(kr: KenwardRoger, rows: Floats) -> FScaling:
    """Match the first two moments of F, of the adjusted covariance, to those of a scaled F
    distribution.

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
    # in the coordinates the contrasts matter by the space that they span only
    basis = np.linalg.qr((rows @ kr.root).T)[0]
    u = np.einsum("ia,rij,jb->rab", basis, kr.slopes, basis)
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
    # 4 + (q + 2) / (q rho - 1) without rho, which is infinite where the denominator has exactly
    # four degrees of freedom
    numerator, denominator = v2 * v1**2, shrink**2 * v0 - v2 * v1**2
    den_df = 4 + (q + 2) * numerator / denominator if abs(denominator) > ZERO else float("inf")
    shrink = 1 - a2 / q
    factor = 1.0 if abs(den_df - 2) < NEAR_TWO else den_df * shrink / (den_df - 2)
    return FScaling(den_df, factor)
