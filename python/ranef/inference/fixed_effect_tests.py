"""Tests of the fixed effects of one fit, by any method of degrees of freedom.

What a method needs is computed when first used.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ranef.errors import OptionError
from ranef.estimates.fixed_basis import FixedBasis, fixed_basis
from ranef.estimates.fixed_effects import covariance
from ranef.fit.record import MixedFit
from ranef.inference.between_within import between_within_df
from ranef.inference.distributions import f_tail, t_tails
from ranef.inference.information import VarianceInformation, variance_information
from ranef.inference.kenward_roger import KenwardRoger, f_scaling, kenward_roger, single_df
from ranef.inference.satterthwaite import contradict, contrast_df, joint_df, parts_of_gram
from ranef.options import Ddf

Floats = NDArray[np.float64]

Reference = Literal["t", "z", "untested"]
"""What statistics are held against: t and F with degrees of freedom; the normal distribution and
the chi-square; nothing, where a linear model shows them alone.
"""


@dataclass(frozen=True, slots=True, eq=False)
class SingleTests:
    """t tests of contrasts, each by itself; all arrays have one entry for each.

    Attributes
    ----------
    estimate, std_error, df, statistic, p_value : (k,) arrays
        ``estimate`` is that of the contrast; the statistic is about its distance from the value
        under the hypothesis.
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
    known : VarianceInformation, KenwardRoger or FixedBasis, optional
        What the method that will be used needs, where it is known already.
    cluster_df : float, optional
        Degrees of freedom of ``"clusters"``; by default those of the fit, where it has some.
    """

    def __init__(
        self,
        fit: MixedFit,
        known: VarianceInformation | KenwardRoger | FixedBasis | None = None,
        cluster_df: float | None = None,
    ):
        self.fit = fit
        self.cluster_df = fit.cluster_df if cluster_df is None else cluster_df
        if isinstance(known, VarianceInformation):
            self.information = known
        elif isinstance(known, KenwardRoger):
            self.kenward_roger = known
        elif known is not None:
            self.basis = known
        self._found: dict[Ddf, SingleTests] = {}

    @cached_property
    def information(self) -> VarianceInformation:
        """What Satterthwaite's method needs."""
        return variance_information(self.fit)

    @cached_property
    def kenward_roger(self) -> KenwardRoger:
        """What Kenward and Roger's method needs."""
        return kenward_roger(self.fit)

    @cached_property
    def kenward_roger_linear(self) -> KenwardRoger:
        """The same without the second derivatives of the covariance of the rows."""
        return kenward_roger(self.fit, linear=True)

    def _adjusted(self, ddf: Ddf) -> KenwardRoger | None:
        """What Kenward and Roger's method needs, where it is the one."""
        if ddf == "kenward-roger":
            return self.kenward_roger
        return self.kenward_roger_linear if ddf == "kenward-roger-linear" else None

    @cached_property
    def basis(self) -> FixedBasis | None:
        """Coordinates in which the covariance of a linear model loses nothing
        where a covariate is far from zero; None in a generalized model.
        """
        for known in ("information", "kenward_roger", "kenward_roger_linear"):
            if known in self.__dict__:
                return FixedBasis(self.__dict__[known].root)
        return fixed_basis(self.fit)

    @property
    def ddf_choices(self) -> tuple[Ddf, ...]:
        """Methods of degrees of freedom that these tests can have, the default first."""
        if self.fit.asymptotic_tests and self.cluster_df is not None:
            return ("clusters", "none")
        return self.fit.ddf_choices

    def reference(self, ddf: Ddf) -> Reference:
        """What the statistics of tests by a method are held against, wherever they are shown."""
        if ddf != "none":
            return "t"
        return "z" if self.fit.asymptotic_tests else "untested"

    @property
    def unit(self) -> float:
        """The unit of the estimates in covariances of contrasts: sigma in a linear model."""
        return 1.0 if self.basis is None else self.fit.sigma

    def standard_errors(self, rows: Floats, ddf: Ddf) -> Floats:
        """Standard errors (k,) of contrasts (k, p)."""
        if self.basis is None:
            own, middle = rows, self.covariance(ddf)
        elif (adjusted := self._adjusted(ddf)) is not None:
            own, middle = self.basis.columns(rows), adjusted.change
        else:
            return self.unit * np.sqrt(self.basis.variance_of(rows))
        out: Floats = self.unit * np.sqrt(np.einsum("ki,ij,kj->k", own, middle, own))
        return out

    def contrast_covariance(self, rows: Floats, ddf: Ddf) -> Floats:
        """Covariance matrix (k, k) of contrasts (k, p) that goes with a method,
        divided by the square of the unit.
        """
        if self.basis is None:
            return rows @ self.covariance(ddf) @ rows.T
        if (adjusted := self._adjusted(ddf)) is not None:
            own = self.basis.columns(rows)
            return own @ adjusted.change @ own.T
        return self.basis.covariance_of(rows)

    def model_covariance(self, rows: Floats) -> Floats:
        """The same by the covariance that the model itself gives, whatever the tests go by."""
        return rows @ covariance(self.fit) @ rows.T if self.basis is None else self.basis.covariance_of(rows)

    def covariance(self, ddf: Ddf) -> Floats:
        """Covariance matrix of the fixed effects that goes with a method."""
        adjusted = self._adjusted(ddf)
        return covariance(self.fit) if adjusted is None else adjusted.adjusted

    def coefficient_covariance(self) -> Floats | None:
        """Covariance (k, k) of all coefficients of a model of several linear predictors; None where
        it is not known.
        """
        joint = self.fit.joint_covariance()
        m = self.fit.whole_order.n_theta
        return None if joint is None else joint[m:, m:]

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
        # first, as a method that needs much of the core gets the basis with it
        df = self._single_df(rows, ddf)
        std_error = self.standard_errors(rows, ddf)
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
        weights, variances, distances = self._uncorrelated(rows, values)
        parts, distance = weights @ rows, weights @ distances
        q, factor = len(parts), 1.0
        if (kr := self._adjusted(ddf)) is not None:
            wald = float(distance @ np.linalg.solve(self.contrast_covariance(parts, ddf), distance)) / q
            scaling = f_scaling(kr, parts)
            den_df, factor = scaling.den_df, scaling.factor
        else:
            wald = float(np.mean(distance**2 / variances))
            den_df = self._joint_df(rows, parts, ddf)
        f_value = factor * wald
        return JointTest(q, den_df, f_value, f_tail(f_value, q, den_df), wald)

    def _uncorrelated(self, rows: Floats, values: Floats | None) -> tuple[Floats, Floats, Floats]:
        """Combinations (q, k) of contrasts whose estimates are uncorrelated by the model,
        their variances (q,), and the distances (k,) of the contrasts from their values.

        In the unit of the estimates, as their squares may be too small or too large for a number.
        """
        covariance = self.model_covariance(rows)
        if not np.isfinite(covariance).all():
            raise OptionError(
                "several effects cannot be tested together: their covariance is not known, as the second derivatives "
                "of the criterion are not positive definite at the estimates."
            )
        weights, variances, rest = parts_of_gram(covariance)
        target = np.zeros(len(rows)) if values is None else values
        if contradict(rest, target):
            raise OptionError(
                "the hypotheses contradict each other: some contrasts are combinations of others, and their values "
                "are not."
            )
        return weights, variances, (rows @ self.fit.beta - target) / self.unit

    def notes(self, ddf: Ddf) -> tuple[str, ...]:
        """What should be known of the tests of this fit: how the boundary was dealt with."""
        boundary = ", ".join(self.fit.convergence.boundary)
        if ddf not in ("satterthwaite", "kenward-roger", "kenward-roger-linear"):
            return ()
        out = []
        if boundary and ddf.startswith("kenward-roger"):
            out.append(
                f"Kenward-Roger on the boundary: variances that are zero ({boundary}) enter with their expected "
                "information, as if they could also be negative."
            )
        elif boundary:
            out.append(
                f"Satterthwaite on the boundary: directions without variance ({boundary}) are held there, and the "
                "degrees of freedom account for the other covariance parameters only."
            )
        adjusted = self._adjusted(ddf)
        flat = self.information.flat if adjusted is None else adjusted.flat
        if flat:
            many = flat > 1
            out.append(
                f"{flat} combination{'s' if many else ''} of covariance parameters {'are' if many else 'is'} not "
                f"determined by the data; the degrees of freedom leave {'them' if many else 'it'} out."
            )
        return tuple(out)

    def _joint_df(self, rows: Floats, parts: Floats, ddf: Ddf) -> float:
        """Denominator degrees of freedom of contrasts (k, p) with uncorrelated parts (q, p)."""
        if ddf == "none":
            return float("inf")
        if ddf in ("between-within", "clusters"):  # the smallest, not a mean over parts
            return float(np.min(self._single_df(rows, ddf)))
        return joint_df(self._single_df(parts, ddf))

    def _single_df(self, rows: Floats, ddf: Ddf) -> Floats:
        if ddf == "satterthwaite":
            return contrast_df(self.information, rows)
        if ddf == "between-within":
            return between_within_df(self.fit, rows)
        if (kr := self._adjusted(ddf)) is not None:
            return single_df(kr, rows)
        if ddf == "clusters":
            assert self.cluster_df is not None  # one of the choices only then
            return np.full(len(rows), self.cluster_df)
        value = float("inf") if ddf == "none" else float(self.fit.nobs - len(self.fit.beta))
        return np.full(len(rows), value)
