"""Tests of the fixed effects of one fit, by any method of degrees of freedom; what a method needs is computed when first used."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ranef.errors import OptionError
from ranef.estimates.fixed_basis import FixedBasis, fixed_basis
from ranef.estimates.fixed_effects import covariance
from ranef.fit.record import LmmFit, MixedFit
from ranef.inference.distributions import f_tail, t_tails
from ranef.inference.information import VarianceInformation, variance_information
from ranef.inference.kenward_roger import KenwardRoger, f_scaling, kenward_roger
from ranef.inference.satterthwaite import contrast_df, joint_df, orthogonal_parts
from ranef.options import Ddf

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class SingleTests:
    """t tests of contrasts, each by itself; all arrays have one entry for each.

    Attributes
    ----------
    estimate, std_error, df, statistic, p_value : (k,) arrays
        ``estimate`` is that of the contrast; the statistic is about its distance from the value under the hypothesis.
    """

    estimate: Floats
    std_error: Floats
    df: Floats
    statistic: Floats
    p_value: Floats


@dataclass(frozen=True, slots=True)
class JointTest:
    """An F test of several contrasts together.

    Attributes
    ----------
    num_df, den_df : float
    f_value : float
        Scaled, by Kenward and Roger's method.
    p_value : float
    wald : float
        F before scaling.
    """

    num_df: int
    den_df: float
    f_value: float
    p_value: float
    wald: float


class FixedEffectTests:
    """Tests of the fixed effects.

    Parameters
    ----------
    fit : MixedFit
    """

    def __init__(self, fit: MixedFit):
        self.fit = fit
        self._found: dict[Ddf, SingleTests] = {}

    @cached_property
    def information(self) -> VarianceInformation:
        """What Satterthwaite's method needs."""
        assert isinstance(self.fit, LmmFit)
        return variance_information(self.fit)

    @cached_property
    def kenward_roger(self) -> KenwardRoger:
        """What Kenward and Roger's method needs."""
        assert isinstance(self.fit, LmmFit)
        return kenward_roger(self.fit)

    def covariance(self, ddf: Ddf) -> Floats:
        """Covariance matrix of the fixed effects that goes with a method."""
        return self.kenward_roger.adjusted if ddf == "kenward-roger" else covariance(self.fit)

    @cached_property
    def basis(self) -> FixedBasis:
        """The basis in which to compute with the model's covariance."""
        return fixed_basis(self.fit)

    def contrast_covariance(self, rows: Floats, ddf: Ddf) -> Floats:
        """Covariance (k, k) of contrasts (k, p) by the covariance that goes with a method."""
        if ddf == "kenward-roger":
            out: Floats = rows @ self.covariance(ddf) @ rows.T
            return out
        return self.basis.covariance_of(rows)

    def contrast_variances(self, rows: Floats, ddf: Ddf) -> Floats:
        """Variances (k,) of contrasts (k, p) by the covariance that goes with a method."""
        if ddf == "kenward-roger":
            out: Floats = np.einsum("ki,ij,kj->k", rows, self.covariance(ddf), rows)
            return out
        return self.basis.variance_of(rows)

    def coefficients(self, ddf: Ddf) -> SingleTests:
        """Test every fixed effect against zero."""
        if ddf not in self._found:
            self._found[ddf] = self.single(np.eye(len(self.fit.beta)), None, ddf)
        return self._found[ddf]

    def single(self, rows: Floats, values: Floats | None, ddf: Ddf) -> SingleTests:
        """Test contrasts one by one.

        Parameters
        ----------
        rows : (k, p) array
        values : (k,) array or None
            What they equal under the hypotheses; None is zero.
        ddf : {"satterthwaite", "kenward-roger", "residual", "none"}

        Returns
        -------
        SingleTests
        """
        estimate = rows @ self.fit.beta
        std_error = np.sqrt(self.contrast_variances(rows, ddf))
        df = self._single_df(rows, ddf)
        statistic = (estimate if values is None else estimate - values) / std_error
        return SingleTests(estimate, std_error, df, statistic, t_tails(statistic, df))

    def joint(self, rows: Floats, values: Floats | None, ddf: Ddf) -> JointTest:
        """Test contrasts together.

        Parameters
        ----------
        rows : (k, p) array
            They may be linearly dependent.
        values : (k,) array or None
            What they equal under the hypothesis; None is zero.
        ddf : {"satterthwaite", "kenward-roger", "residual", "none"}

        Returns
        -------
        JointTest
        """
        weights, variances, rest = orthogonal_parts(self.basis.vcov, self.basis.columns(rows))
        target = np.zeros(len(rows)) if values is None else values
        if np.any(np.abs(rest @ target) > 1e-8 * max(1.0, float(np.abs(target).max()))):
            raise OptionError(
                "the hypotheses contradict each other: some contrasts are combinations of others, and their values are not."
            )
        parts, distance = weights @ rows, weights @ (rows @ self.fit.beta - target)
        q, factor = len(parts), 1.0
        if ddf == "kenward-roger":
            kr = self.kenward_roger
            wald = float(distance @ np.linalg.solve(parts @ kr.adjusted @ parts.T, distance)) / q
            scaling = f_scaling(kr, parts)
            den_df, factor = scaling.den_df, scaling.factor
        else:
            wald = float(np.mean(distance**2 / variances))
            den_df = float("inf") if ddf == "none" else joint_df(self._single_df(parts, ddf))
        f_value = factor * wald
        return JointTest(q, den_df, f_value, f_tail(f_value, q, den_df), wald)

    def notes(self, ddf: Ddf) -> tuple[str, ...]:
        """What should be known of the tests of this fit: how the boundary was dealt with."""
        boundary = ", ".join(self.fit.convergence.boundary)
        if ddf == "kenward-roger" and boundary:
            return (
                f"Kenward-Roger on the boundary: variances that are zero ({boundary}) enter with their expected information, as if they could also be "
                "negative.",
            )
        if ddf != "satterthwaite":
            return ()
        out = []
        if boundary:
            out.append(
                f"Satterthwaite on the boundary: directions without variance ({boundary}) are held there, and the degrees of freedom account for the "
                "other covariance parameters only."
            )
        if self.information.flat:
            many = self.information.flat > 1
            out.append(
                f"{self.information.flat} combination{'s' if many else ''} of covariance parameters {'are' if many else 'is'} not determined by the data; "
                f"the degrees of freedom leave {'them' if many else 'it'} out."
            )
        return tuple(out)

    def _single_df(self, rows: Floats, ddf: Ddf) -> Floats:
        if ddf == "satterthwaite":
            return contrast_df(self.information, covariance(self.fit), rows)
        if ddf == "kenward-roger":
            kr = self.kenward_roger
            return np.array([f_scaling(kr, row[np.newaxis]).den_df for row in rows])
        value = float("inf") if ddf == "none" else float(self.fit.nobs - len(self.fit.beta))
        return np.full(len(rows), value)
