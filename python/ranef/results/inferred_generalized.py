"""Tests and diagnostics of a fitted generalized model."""

from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from ranef.errors import OptionError
from ranef.estimates import fixed_effects
from ranef.fit.glmm_record import GlmmFit
from ranef.fit.glmm_request import GlmmRequest
from ranef.inference.contrast_tests import contrast_tests
from ranef.inference.fixed_effect_tests import FixedEffectTests
from ranef.options import Ddf, normal_ddf
from ranef.results.tested import TestedModel

if TYPE_CHECKING:
    import pandas as pd

    from ranef.diagnostics.glmm_dispersion import DispersionTest, ZeroInflationTest
    from ranef.diagnostics.simulated_residuals import SimulatedResiduals


def _likelihood_ratio(test: object) -> str:
    """Check the kind of test of fixed terms."""
    if test == "f":
        raise OptionError(
            "test='f' is for linear models: a generalized model has likelihood-ratio tests, test='chisq'."
        )
    if test != "chisq":
        raise OptionError(f"test must be 'chisq', not {test!r}.")
    return "chisq"


class InferredGeneralizedModel(TestedModel):
    """Tests and diagnostics of a generalized linear mixed model."""

    _fit: GlmmFit
    _request: GlmmRequest
    _usual_robust = "CR1"

    def _robust_tests(self, cov: Any, cluster: Any) -> FixedEffectTests:
        from ranef.inference.glmm_robust import robust_glmm_tests

        return robust_glmm_tests(self._fit, self._request.data, cov, cluster)

    def _method(self, ddf: Any, default: Ddf) -> Ddf:
        return normal_ddf(ddf)

    def _step_test(self, test: Any) -> str:
        return "chisq" if test is None else _likelihood_ratio(test)

    # ---- tests of fixed effects

    def cov_params(self, ddf: Ddf | None = None, *, cov: Any = None, cluster: Any = None) -> "pd.DataFrame":
        """Covariance matrix of the fixed effects.

        Parameters
        ----------
        ddf : {"none"}, optional
            For linear models: tests of generalized models are normal.
        cov : {"CR0", "CR1", "CR1p", "CR1S"}, optional
            A covariance robust to what the model gets wrong within clusters: the sandwich of the exact scores of the clusters in all parameters and the joint second
            derivatives of the likelihood. ``"CR1"`` multiplies by ``G / (G - 1)`` with G clusters.
        cluster : str or array, optional
            The clusters: a grouping factor, another column of the data, or an array with one label a row. No random effect may be shared by two of them.

        Returns
        -------
        DataFrame
            p × p.

        Examples
        --------
        >>> from ranef import glmer, load_dataset
        >>> m = glmer("cbind(incidence, size - incidence) ~ period + (1 | herd)", load_dataset("cbpp"), family="binomial")
        >>> robust = m.cov_params(cov="CR1", cluster="herd")
        >>> round(float(robust.loc["period[T.2]", "period[T.2]"]) ** 0.5, 4)
        0.4703
        """
        normal_ddf(ddf)
        tests = self._tests_with(cov, cluster)
        frame = self._square(tests.covariance("none"))
        if cov is not None:
            frame.attrs["notes"] = tests.notes("none")
        return frame

    @property
    def ddf(self) -> Ddf:
        """Method of the degrees of freedom: ``"none"``, as tests are normal."""
        return "none"

    @cached_property
    def df(self) -> "pd.Series[float]":
        """Degrees of freedom of the tests of the fixed effects: infinite, as they are normal."""
        return self._named(self._tests.coefficients("none").df, "df")

    @cached_property
    def zvalues(self) -> "pd.Series[float]":
        """Fixed effects divided by their standard errors."""
        return self._named(fixed_effects.t_values(self._fit), "zvalues")

    @cached_property
    def pvalues(self) -> "pd.Series[float]":
        """Two-sided p-values of the z tests of the fixed effects."""
        return self._named(self._tests.coefficients("none").p_value, "pvalues")

    def anova(
        self, type: Literal[2, 3] = 3, ddf: Ddf | None = None, *, cov: Any = None, cluster: Any = None
    ) -> "pd.DataFrame":
        """Test the terms of the fixed effects by Wald chi-squares.

        Parameters
        ----------
        type : {2, 3}
            2: each term after all others that do not contain it, as ``car::Anova`` has it. 3: each term averaged over the levels of the factors with which it interacts;
            this does not depend on how factors are coded.
        ddf : {"none"}, optional
            For linear models: tests of generalized models are normal.
        cov, cluster : optional
            A cluster-robust covariance, as in ``cov_params``.

        Returns
        -------
        DataFrame
            Columns ``chisq, df, p_value``, a row for each term.

        Examples
        --------
        >>> from ranef import glmer, load_dataset
        >>> m = glmer("cbind(incidence, size - incidence) ~ period + (1 | herd)", load_dataset("cbpp"), family="binomial")
        >>> m.anova().loc["period", ["chisq", "df"]].round(2).tolist()
        [24.95, 3.0]
        """
        normal_ddf(ddf)
        from ranef.inference.wald_terms import wald_term_tests
        from ranef.presentation.anova_table import wald_table

        return wald_table(wald_term_tests(self._fit, self._tests_with(cov, cluster), type), self.formula)

    def test(
        self,
        L: Any,
        *,
        rhs: Any = None,
        ddf: Ddf | None = None,
        joint: bool | None = None,
        level: float = 0.95,
        cov: Any = None,
        cluster: Any = None,
        alternative: Literal["two-sided", "greater", "less"] = "two-sided",
    ) -> "pd.DataFrame":
        """Test contrasts of the fixed effects.

        Parameters
        ----------
        L : str, dict, array, or list of str or dict
            A hypothesis such as ``"x = 0.5"`` or ``"a - b"``, coefficients by name, a vector with one number for each fixed effect, or a matrix
            with one contrast a row.
        rhs : float or array, optional
            What the contrasts equal under the hypothesis: zero, or what the text says.
        ddf : {"none"}, optional
            For linear models: tests of generalized models are normal.
        joint : bool, optional
            Whether to test all contrasts together by a chi-square. By default when there are several.
        level : float
            Level of the confidence intervals of single contrasts.
        alternative : {"two-sided", "greater", "less"}
            Of single tests; a one-sided interval has one end.
        cov, cluster : optional
            A cluster-robust covariance, as in ``cov_params``.

        Returns
        -------
        DataFrame
            For single contrasts ``estimate, std_error, df, statistic, p_value, lower, upper`` with infinite degrees of freedom, a row for each; for a joint test one row
            with ``chisq, df, p_value``.

        Examples
        --------
        >>> from ranef import glmer, load_dataset
        >>> m = glmer("cbind(incidence, size - incidence) ~ period + (1 | herd)", load_dataset("cbpp"), family="binomial")
        >>> m.test("period[T.2] = period[T.3]")[["estimate", "std_error", "p_value"]].round(3)
                                   estimate  std_error  p_value
        period[T.2] = period[T.3]     0.136      0.381     0.72
        """
        from ranef.presentation.anova_table import contrast_frame

        method = normal_ddf(ddf)
        found = contrast_tests(self._tests_with(cov, cluster), L, rhs, method, joint, level, alternative)
        return contrast_frame(found, normal=True)

    def drop1(
        self, test: Literal["chisq", "f"] = "chisq", *, scope: str | list[str] | None = None, ddf: Ddf | None = None
    ) -> "pd.DataFrame":
        """Test the fixed terms by likelihood ratios, leaving out one at a time.

        Terms that an interaction contains stay while it does.

        Parameters
        ----------
        test : {"chisq"}
            Likelihood-ratio tests; F tests are for linear models.
        scope : str or list of str, optional
            The terms to leave out, as labels or as a formula such as ``"~ a + b:c"``; by default all that can be.
        ddf : {"none"}, optional
            For linear models: tests of generalized models are normal.

        Returns
        -------
        DataFrame
            Columns ``npar, llf, aic, chisq, df, p_value``, the first row being the model itself.

        Examples
        --------
        >>> from ranef import glmer, load_dataset
        >>> m = glmer("cbind(incidence, size - incidence) ~ period + (1 | herd)", load_dataset("cbpp"), family="binomial")
        >>> m.drop1().loc["period", ["chisq", "df"]].round(2).tolist()
        [25.61, 3.0]
        """
        _likelihood_ratio(test)
        normal_ddf(ddf)
        from ranef.inference.drop1 import compare_deletions
        from ranef.inference.reduced import comparison_control
        from ranef.presentation.anova_table import deletions_table

        return deletions_table(
            compare_deletions(self._fit, scope, comparison_control(self._request.control)), self.formula
        )

    # ---- diagnostics

    def laplace_error(self, n_quad: int = 7) -> float:
        """What quadrature would add to -2 log-likelihood at the estimates: how far Laplace's approximation is off.

        For one grouping factor with up to three random effects, or two nested ones with one each. Where the difference is more than a few tenths, or where variances are large and responses are 0 and 1, fit
        again with ``n_quad``.

        Parameters
        ----------
        n_quad : int
            Number of nodes to compare with, odd and at least 5.

        Returns
        -------
        float
            -2 log-likelihood by quadrature minus that by Laplace's approximation.

        Examples
        --------
        >>> from ranef import glmer, load_dataset
        >>> m = glmer("cbind(incidence, size - incidence) ~ period + (1 | herd)", load_dataset("cbpp"), family="binomial")
        >>> round(m.laplace_error(), 2)
        -0.08
        """
        from ranef.diagnostics.laplace_accuracy import laplace_error

        return laplace_error(self._fit, n_quad)

    def overdispersion(self, n: int = 250, *, rng: Any = None) -> "DispersionTest":
        """Compare the spread of the Pearson residuals with what the model says.

        The sum of their squares over the residual degrees of freedom is near 1 for a model that is right and has few random effects: their modes take up a part of the
        variation. So the p-value is by simulation from the fit, with random effects drawn anew and their modes found again for every response.

        Parameters
        ----------
        n : int
            Number of simulations.
        rng : int, numpy.random.Generator or None
            Seed or generator; None takes a fresh seed.

        Returns
        -------
        DispersionTest
            ``ratio``, ``chisq``, ``df``, ``p_chisq`` (the chi-square test), ``p_value`` (two-sided, by simulation).
        """
        from ranef.diagnostics.glmm_dispersion import dispersion_test

        return dispersion_test(self._fit, n, rng)

    def zero_inflation(self, n: int = 250, *, rng: Any = None) -> "ZeroInflationTest":
        """Compare the number of zeros with those in responses simulated from the model.

        Parameters
        ----------
        n : int
            Number of simulations.
        rng : int, numpy.random.Generator or None
            Seed or generator; None takes a fresh seed.

        Returns
        -------
        ZeroInflationTest
            ``observed``, ``expected`` (mean of the simulations), ``ratio``, ``p_value`` (two-sided, by simulation).
        """
        from ranef.diagnostics.glmm_dispersion import zero_inflation_test

        return zero_inflation_test(self._fit, n, rng)

    def simulated_residuals(
        self, n: int = 250, *, re: Literal["new", "conditional"] = "new", rotate: bool | None = None, rng: Any = None
    ) -> "SimulatedResiduals":
        """Where each observation lies among responses simulated from the fit, between 0 and 1, with tests.

        Ties are broken at random, so that the residuals of counts and of 0/1 responses are uniform, too, if the model is right.

        Parameters
        ----------
        n : int
            Number of simulations, at least 20.
        re : {"new", "conditional"}
            Draw random effects anew, or keep the conditional modes of the fit.
        rotate : bool, optional
            For linear models: only normal responses are independent once they are rotated to be uncorrelated.
        rng : int, numpy.random.Generator or None
            Seed or generator; None takes a fresh seed.

        Returns
        -------
        SimulatedResiduals
            A record with ``residuals`` (a Series, rows as in ``fittedvalues``) and the tests ``uniformity``, ``dispersion`` and ``outliers``, each with ``statistic`` and
            ``p_value``.
        """
        if rotate is not None and rotate is not False:
            raise OptionError(
                f"rotate={rotate!r} is for linear models: only normal responses are independent once they are rotated to be uncorrelated. Leave rotate out."
            )
        from ranef.diagnostics.glmm_residuals import simulated_glmm_residuals

        return simulated_glmm_residuals(self._fit, n, re, rng)
