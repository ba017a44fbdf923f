"""Predictions of the population as functions of coefficients, for packages that differentiate them
by differences: what a model predicts is computed from an array of new rows and a vector of
coefficients, random effects being zero.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.data.table import Table
from ranef.errors import DataError
from ranef.estimates.curve_prediction import new_points
from ranef.estimates.delta_method import parameter_covariance
from ranef.estimates.included_effects import conditioned_effects
from ranef.fit.nonlinear.values import curve_derivatives

Floats = NDArray[np.float64]


class LinearLaw:
    """One linear predictor, behind a link or not."""

    def __init__(self, fit: Any, link: bool):
        self.fit = fit
        self.coef: Floats = fit.beta.copy()
        self.names: tuple[str, ...] = fit.x_names
        self.is_linear = fit.identity_scale or link
        self.groups: tuple[str, ...] = ()

    def covariance(self, given: Floats) -> Floats:
        """That of the coefficients, from that of the fixed effects."""
        return given

    def rows(self, data: Any) -> Floats:
        """Columns of the fixed effects of new rows, and their offset if the model has one."""
        fit = self.fit
        rows = fit.design.encoder.new_rows(Table.from_data(data), random=())
        x: Floats = rows.x[:, list(fit.kept)]
        return x if fit.design.offset is None else np.column_stack([x, rows.offset])

    def predicted(self, coef: Floats, rows: Floats) -> Floats:
        """Predictions (n,)."""
        eta = rows[:, : len(coef)] @ coef
        if rows.shape[1] > len(coef):
            eta = eta + rows[:, len(coef)]
        return eta if self.is_linear else np.asarray(self.fit.family.mean(eta))


class _Several:
    """Several linear predictors: their columns side by side, each followed by its offset."""

    is_linear = False

    def __init__(self, fit: Any):
        self.fit = fit
        self.coef: Floats = fit.whole_beta.copy()
        found = parameter_covariance(fit)
        if found is None:
            raise DataError("the covariance of the estimates is not known, so that there are no standard errors.")
        self.own: Floats = found[len(fit.whole_theta) :, len(fit.whole_theta) :]

    def covariance(self, given: Floats) -> Floats:
        """That of all coefficients."""
        return self.own

    def _columns(self, data: Any) -> tuple[list[Floats], list[Floats]]:
        """For every predictor its columns and offset; and the columns of nominal effects."""
        table = Table.from_data(data)
        blocks: list[Floats] = []
        nominal: list[Floats] = []
        for p in self.fit.predictors:
            rows = p.design.encoder.new_rows(table, random=())
            held = p.held or 0.0
            offset = np.full(len(rows.x), held) if rows.offset is None else rows.offset
            blocks += [rows.x[:, list(p.kept)], offset[:, np.newaxis]]
            nominal = nominal or list(rows.parts)
        return blocks, nominal

    def _etas(self, coef: Floats, rows: Floats) -> list[Floats]:
        out, at = [], 0
        for p, place in zip(self.fit.predictors, self.fit.coefficient_places, strict=True):
            k = len(p.kept)
            out.append(rows[:, at : at + k] @ coef[place] + rows[:, at + k])
            at += k + 1
        return out


class ComponentLaw(_Several):
    """Zeros, dispersion and shape: the mean of the response, zeros included, or the linear
    predictor of the conditional part.
    """

    groups: tuple[str, ...] = ()

    def __init__(self, fit: Any, link: bool):
        super().__init__(fit)
        self.link = link
        names = [""] * len(self.coef)
        for key, name, at in fit.coefficient_names:
            names[at] = name if key == "cond" else f"{key}:{name}"
        self.names = tuple(names)

    def rows(self, data: Any) -> Floats:
        """Columns and offsets of all predictors."""
        return np.hstack(self._columns(data)[0])

    def predicted(self, coef: Floats, rows: Floats) -> Floats:
        """Predictions (n,)."""
        etas = self._etas(coef, rows)
        if self.link:
            return etas[0]
        others = {p.key: eta for p, eta in zip(self.fit.others, etas[1:], strict=True)}
        return np.asarray(self.fit.moments_at(etas[0], others, np.ones(len(rows)))[0])


class OrderedLaw(_Several):
    """Ordered categories: a probability for each, or the location."""

    def __init__(self, fit: Any, link: bool):
        super().__init__(fit)
        self.link = link
        self.groups: tuple[str, ...] = ()
        if not link:
            self.groups = tuple(fit.categories)
        self.names = tuple(n if key == "cond" else f"{key}:{n}" for key, n, _ in fit.coefficient_names)

    def rows(self, data: Any) -> Floats:
        """Columns and offsets of location and scale, then columns of nominal effects."""
        blocks, nominal = self._columns(data)
        return np.hstack([*blocks, *nominal])

    def predicted(self, coef: Floats, rows: Floats) -> Floats:
        """Probabilities (n, K), or locations (n,)."""
        fit = self.fit
        etas = self._etas(coef, rows)
        if self.link:
            return etas[0]
        used = sum(len(p.kept) + 1 for p in fit.predictors)
        nominal = rows[:, used:] if rows.shape[1] > used else None
        log_scale = etas[1] if len(etas) > 1 else np.zeros(len(rows))
        return np.asarray(fit.probabilities_at(etas[0], log_scale, fit.apart(coef)[1], nominal))


class CurveLaw:
    """A curve at the fixed effects of its parameters."""

    is_linear = False
    groups: tuple[str, ...] = ()

    def __init__(self, fit: Any):
        self.fit = fit
        self.coef: Floats = fit.beta.copy()
        self.names: tuple[str, ...] = fit.x_names

    def covariance(self, given: Floats) -> Floats:
        """That of the fixed effects."""
        return given

    def rows(self, data: Any) -> Floats:
        """Columns of the parameters, then what the curve is computed from."""
        curve = self._points(data).curve
        return np.column_stack([curve.x, *curve.covariates])

    def _points(self, data: Any) -> Any:
        return new_points(self.fit, data, conditioned_effects(self.fit, "population"), False, False)[0]

    def predicted(self, coef: Floats, rows: Floats) -> Floats:
        """The curve (n,)."""
        known = self.fit.curve_rows
        p = known.x.shape[1]
        covariates = tuple(np.ascontiguousarray(rows[:, j]) for j in range(p, rows.shape[1]))
        curve = replace(known, x=rows[:, :p], covariates=covariates)
        out: Floats = curve_derivatives(curve.curve, covariates, curve.fixed_parameters(coef), 0)[0]
        return out


Law = LinearLaw | ComponentLaw | OrderedLaw | CurveLaw


def law_of(fit: Any, link: bool) -> Law:
    """What the population of a fit is predicted by, on the scale of the linear predictor or not."""
    if fit.columns_are_slopes:
        return CurveLaw(fit)
    if fit.probability_types:
        return OrderedLaw(fit, link)
    return ComponentLaw(fit, link) if len(fit.predictors) > 1 else LinearLaw(fit, link)
