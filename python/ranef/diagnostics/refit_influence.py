"""How much each group or each observation moves a model, by fits without it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.diagnostics.influence import Influence, checked_factor
from ranef.estimates.rows import padded, row_index
from ranef.fit.control import FitControl
from ranef.fit.progress import Report
from ranef.fit.record import MixedFit
from ranef.fit.refits.rows import fit_of_rows

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class RefitInfluence(Influence):
    """Estimates of fits without each group or observation: everything is estimated again.

    ``sigma`` is 1 for families without a scale.

    Attributes
    ----------
    theta : (m, k) array
        Relative covariance parameters without the rows.
    theta_change : (m, k) array
        The same minus those of the whole fit.
    theta_names : tuple of str
    dispersion : (m,) array
        The extra parameter of the family without the rows; NaN for families without one.
    converged : (m,) array of bool
        Whether the fit without the rows ended at an optimum. False also where there is none: the
        fixed effects then separate the responses, or an effect has no estimate, and the values are
        NaN.
    """

    theta: Floats
    theta_change: Floats
    theta_names: tuple[str, ...]
    dispersion: Floats
    converged: NDArray[np.bool_]

    def to_frame(self) -> "pd.DataFrame":
        """Return one row for each observation or group.

        Returns
        -------
        DataFrame
            Columns ``n_deleted, cooks_distance, cov_ratio, sigma``, for every fixed effect
            ``dfbeta:NAME`` and ``dfbetas:NAME``, for every covariance parameter ``theta:NAME``,
            then ``dispersion, converged``.
        """
        frame = Influence.to_frame(self)
        for j, name in enumerate(self.theta_names):
            frame[f"theta:{name}"] = self.theta[:, j]
        frame["dispersion"] = self.dispersion
        frame["converged"] = self.converged
        return frame


def refit_influence(fit: MixedFit, by: object, control: FitControl, progress: Report | None = None) -> RefitInfluence:
    """Fit without every observation, or every level of a grouping factor of the model, in turn.

    Parameters
    ----------
    fit : MixedFit
    by : str or None
        A grouping factor of the model; None for single observations.
    control : FitControl
        Options of the fits, which start from the estimates of the whole.
    progress : callable, optional
        Called with the number of fits finished and of all.
    """
    import pandas as pd

    names, beta, vcov = fit.every_effect()
    m, p, k = fit.nobs, len(beta), len(fit.theta)
    if by is None:
        codes, count = np.arange(m), m
        index = row_index(fit)
    else:
        by = checked_factor(fit, by)
        term = next(t for t in fit.terms if t.group == by)
        codes, count = term.codes.astype(np.intp), len(term.levels)
        index = pd.Index(term.levels, name=by)
    sizes = np.bincount(codes, minlength=count)
    change, scaled = np.full((count, p), np.nan), np.full((count, p), np.nan)
    theta = np.full((count, k), np.nan)
    ratio, sigma, dispersion = np.full(count, np.nan), np.full(count, np.nan), np.full(count, np.nan)
    converged = np.zeros(count, dtype=bool)
    with np.errstate(invalid="ignore"):
        determinant = np.linalg.slogdet(vcov)[1] if p else 0.0
    for i in range(count):
        found = fit_of_rows(fit, np.flatnonzero(codes != i), control)
        if progress is not None:
            progress(i + 1, count)
        if found is None:
            continue
        converged[i] = found.convergence.ok
        _, estimates, own = found.every_effect()
        change[i] = estimates - beta
        with np.errstate(invalid="ignore"):
            scaled[i] = change[i] / np.sqrt(np.diagonal(own))
            ratio[i] = np.exp(np.linalg.slogdet(own)[1] - determinant) if p else np.nan
        theta[i], sigma[i], dispersion[i] = found.theta, found.sigma, found.spread
    cooks = np.einsum("ij,ij->i", change, np.linalg.solve(vcov, change.T).T) / p if p else np.full(count, np.nan)

    def place(values: Floats) -> Floats:
        return padded(fit, values) if by is None else values

    return RefitInfluence(
        by=by,
        names=names,
        index=index,
        change=place(change),
        scaled_change=place(scaled),
        cooks=place(cooks),
        cov_ratio=place(ratio),
        sigma=place(sigma),
        n_deleted=place(sizes.astype(np.float64)),
        theta=place(theta),
        theta_change=place(theta - fit.theta),
        theta_names=fit.theta_names,
        dispersion=place(dispersion),
        converged=place(converged.astype(np.float64)) == 1.0,
    )
