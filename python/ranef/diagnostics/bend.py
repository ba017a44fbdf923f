"""Bends: what a smooth curve along the linear predictor or a covariate would add to a model.

The reference is the model itself. Conditional residuals rise along conditional fitted values in a
correct model, because random effects are drawn towards zero, and they hide a bend between groups.
So the curve is what a natural spline would add to the fixed effects, estimated by generalized least
squares at the covariance parameters of the fit (a score test), without its straight part. Band,
p-value and sentence follow from the joint distribution of all points of all curves, with
Satterthwaite's degrees of freedom at each point.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranef.diagnostics.smooth_curve import Curve, SplineBasis, band, spline_basis
from ranef.fit.record import MixedFit

Floats = NDArray[np.float64]

#: Curves along the linear predictor and so many covariates, those that contribute most.
MOST_COVARIATES = 6

#: More columns of the fixed effects than this are replaced by those that the curves lie along.
MOST_COLUMNS = 80

#: Part of a column that others leave, below which it is a combination of them.
LEAST_LEFT = 1e-5


@dataclass(frozen=True, slots=True, eq=False)
class Bend:
    """The most striking of some curves.

    Attributes
    ----------
    name : str or None
        The covariate; None for the linear predictor.
    along : (n,) array
        What the rows have of it.
    x, y : (m,) array
        The curve, on the scale of the linear predictor: what it would add to a straight line.
    limit : (m,) array
        So far from zero all curves of a correct model stay with the probability 0.99.
    p_value : float
        Chance of a curve as striking, if the model is correct, among all that were looked at.
    looked_at : int
        How many these are.
    """

    name: str | None
    along: Floats
    x: Floats
    y: Floats
    limit: Floats
    p_value: float
    looked_at: int

    @property
    def size(self) -> float:
        """Largest distance of the curve from zero."""
        return float(np.max(np.abs(self.y)))

    @property
    def at(self) -> float:
        """Where that is."""
        return float(self.x[np.argmax(np.abs(self.y))])


@dataclass(frozen=True, slots=True, eq=False)
class _Axis:
    name: str | None
    values: Floats
    basis: SplineBasis


def bend(fit: MixedFit) -> Bend | None:
    """Look for a bend along the linear predictor of the fixed effects and along each covariate.

    Parameters
    ----------
    fit : MixedFit

    Returns
    -------
    Bend or None
        None where nothing has ten different values, the model has all such curves, or the fit did
        not converge.
    """
    if not fit.convergence.ok:
        return None
    found = [(name, values, spline_basis(values)) for name, values in _candidates(fit)]
    axes = [_Axis(name, values, basis) for name, values, basis in found if basis is not None]
    if not axes:
        return None
    if len(fit.beta) > MOST_COLUMNS:
        few = np.column_stack([np.ones(fit.nobs), fit.fixed_sum(), *(a.values for a in axes if a.name is not None)])
        x = few[:, _independent(few, np.zeros((fit.nobs, 0)))]
    else:
        x = fit.x
    # The straight part of a curve, by rows and their weights, is no bend.
    root = np.sqrt(fit.weights)[:, None]
    columns, points = [], []
    for axis in axes:
        b = axis.basis
        straight = np.linalg.lstsq(b.line * root, b.curved * root, rcond=None)[0]
        columns.append(b.curved - b.line @ straight)
        points.append(b.grid_curved - b.grid_line @ straight)
    everything = np.column_stack(columns)
    kept = _independent(everything, x)
    if not kept:
        return None
    try:
        added = fit.added_columns(x, everything[:, kept])
    except np.linalg.LinAlgError:  # a fit that did not end at an optimum
        added = None
    if added is None:
        return None
    owner = np.repeat(np.arange(len(axes)), [c.shape[1] for c in columns])[kept]
    own = np.concatenate([np.arange(c.shape[1]) for c in columns])[kept]
    curves, used = [], []
    for i, weights in enumerate(points):
        at = np.flatnonzero(owner == i)
        if not len(at):
            continue
        # A curve alone: its coefficients are combinations of the scores of its own columns.
        block = added.information[np.ix_(at, at)]
        combine = np.asarray(np.linalg.solve(block, weights[:, own[at]].T).T, dtype=np.float64)
        curves.append(Curve(at, combine, added.degrees_of_freedom(at, weights[:, own[at]])))
        used.append(axes[i])
    out = band(added.score, added.information, curves)
    axis = used[out.number]
    return Bend(axis.name, axis.values, axis.basis.grid, out.y, out.limit, out.p_value, len(used))


def _candidates(fit: MixedFit) -> list[tuple[str | None, Floats]]:
    """The linear predictor, and covariates with a column of their own."""
    contribution: dict[str, tuple[float, Floats]] = {}
    labels = ("", *fit.design.fixed_terms)
    x = fit.columns
    if not isinstance(x, np.ndarray):  # mostly levels of factors, which would be written out
        return [(None, fit.fixed_part())]
    for j, (column, coefficient) in enumerate(zip(fit.kept, fit.beta, strict=True)):
        label, name = labels[fit.design.x_assign[column]], fit.x_names[j]
        if label == name and ":" not in label and not label.startswith("I("):
            values = x[:, j]
            contribution[name] = (abs(float(coefficient)) * float(np.std(values)), values)
    chosen = sorted(contribution, key=lambda name: -contribution[name][0])[:MOST_COVARIATES]
    eta = fit.fixed_part()
    covariates: list[tuple[str | None, Floats]] = [(name, contribution[name][1]) for name in chosen]
    same = any(_same_line(eta, values) for _, values in covariates)
    return covariates if same else [(None, eta), *covariates]


def _same_line(a: Floats, b: Floats) -> bool:
    a, b = a - a.mean(), b - b.mean()
    return float(a @ b) ** 2 >= (1 - LEAST_LEFT) * float(a @ a) * float(b @ b)


def _independent(columns: Floats, given: Floats) -> list[int]:
    """Numbers of the columns that are no combinations of given ones and of those before."""
    basis = np.linalg.qr(given)[0] if given.shape[1] else given
    kept = []
    for j in range(columns.shape[1]):
        length = float(np.linalg.norm(columns[:, j]))
        left = columns[:, j]
        for _ in range(2):
            left = left - basis @ (basis.T @ left)
        rest = float(np.linalg.norm(left))
        if length > 0 and rest > LEAST_LEFT * length:
            kept.append(j)
            basis = np.column_stack([basis, left / rest])
    return kept
