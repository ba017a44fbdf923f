"""Tests of a fitted linear model: of its coefficients, its terms and its random effects."""

from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from ranef.errors import OptionError
from ranef.estimates import fixed_effects
from ranef.fit.record import LmmFit
from ranef.fit.request import LmmRequest
from ranef.inference.anova.term_tests import term_tests
from ranef.inference.contrast_tests import contrast_tests
from ranef.inference.fixed_effect_tests import FixedEffectTests
from ranef.options import Ddf, checked_ddf
from ranef.results.tested import TestedModel

if TYPE_CHECKING:
    import pandas as pd


class InferredModel(TestedModel):
    """Tests of a linear mixed model."""

    _fit: LmmFit
    _request: LmmRequest
    _usual_robust = "CR2"

    @cached_property
    def tvalues(self) -> "pd.Series[float]":
        """Fixed effects divided by their standard errors."""
        return self._named(fixed_effects.t_values(self._fit), "tvalues")

    # ---- tests of fixed effects

    def _robust_tests(self, cov: Any, cluster: Any) -> FixedEffectTests:
        from ranef.inference.robust_tests import robust_tests

        return robust_tests(self._fit, self._request.data, cov, cluster)

    def _method(self, ddf: Any, default: Ddf) -> Ddf:
        return checked_ddf(ddf, default)

    def _step_test(self, test: Any) -> str:
        return "f" if test is None else test

    def _ddf_with(self, cov: Any) -> Ddf:
        """The method of degrees of freedom where none is asked for: Kenward-Roger's is not for a robust covariance."""
        return "satterthwaite" if cov is not None and self.ddf == "kenward-roger" else self.ddf

    @property
    def ddf(self) -> Ddf:
        """Method of the degrees of freedom where none is asked for: the argument ``ddf`` of ``lmer``."""
        return self._request.ddf

    @cached_property
    def df(self) -> "pd.Series[float]":
        """Degrees of freedom of the t tests of the fixed effects, by the model's ``ddf``."""
        return self._named(self._tests.coefficients(self.ddf).df, "df")

    @cached_property
    def pvalues(self) -> "pd.Series[float]":
        """Two-sided p-values of the t tests of the fixed effects, by the model's ``ddf``."""
        return self._named(self._tests.coefficients(self.ddf).p_value, "pvalues")

    def cov_params(self, ddf: Ddf | None = None, *, cov: Any = None, cluster: Any = None) -> "pd.DataFrame":
        """Covariance matrix of the fixed effects.

        Parameters
        ----------
        ddf : {"satterthwaite", "kenward-roger", "residual", "none"}, optional
            ``"kenward-roger"`` gives the matrix adjusted for the estimation of the covariance parameters; all others give it with these taken as known.
        cov : {"CR0", "CR1", "CR1p", "CR1S", "CR2"}, optional
            A covariance robust to what the model gets wrong within clusters, as in clubSandwich.
        cluster : str or array, optional
            The clusters: a grouping factor, another column of the data, or an array with one label a row.

        Returns
        -------
        DataFrame
            p × p.
        """
        tests, method = self._tests_with(cov, cluster), checked_ddf(ddf, self._ddf_with(cov))
        frame = self._square(tests.covariance(method))
        if cov is not None:
            # The matrix itself has no degrees of freedom, unless they are asked for.
            frame.attrs["notes"] = tests.notes("none" if ddf is None else method)
        return frame

    def anova(
        self, type: Literal[1, 2, 3] = 3, ddf: Ddf | None = None, *, cov: Any = None, cluster: Any = None
    ) -> "pd.DataFrame":
        """Test the terms of the fixed effects by F tests.

        Parameters
        ----------
        type : {1, 2, 3}
            1: each term after those before it in the formula. 2: each term after all others that do not contain it. 3: each term averaged over the levels
            of the factors with which it interacts; this does not depend on how factors are coded.
        ddf : {"satterthwaite", "kenward-roger", "residual", "none"}, optional
            Method of the denominator degrees of freedom, the model's own by default. With ``"none"`` they are infinite: a chi-square test.
        cov, cluster : optional
            A cluster-robust covariance, as in ``cov_params``.

        Returns
        -------
        DataFrame
            Columns ``sum_sq, mean_sq, num_df, den_df, f_value, p_value``, a row for each term; ``attrs["notes"]`` says what was done on the boundary.

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
        >>> m.anova()[["num_df", "den_df", "f_value"]].round(3)
              num_df  den_df  f_value
        Days     1.0    17.0   45.853
        """
        return term_tests(self._tests_with(cov, cluster), type, checked_ddf(ddf, self._ddf_with(cov))).to_pandas()

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
            A hypothesis such as ``"standLRT = 0.5"`` or ``"a - b"``, coefficients by name, a vector with one number for each fixed effect, or a matrix
            with one contrast a row.
        rhs : float or array, optional
            What the contrasts equal under the hypothesis: zero, or what the text says.
        ddf : {"satterthwaite", "kenward-roger", "residual", "none"}, optional
            Method of the degrees of freedom, the model's own by default. With ``"none"`` the tests are normal and chi-square.
        joint : bool, optional
            Whether to test all contrasts together by F. By default when there are several.
        level : float
            Level of the confidence intervals of single contrasts.
        cov, cluster : optional
            A cluster-robust covariance, as in ``cov_params``.
        alternative : {"two-sided", "greater", "less"}
            Of single tests: ``"greater"`` gives p-values for contrasts above the value tested, with intervals that have a lower end only. It is to be chosen before the
            estimate is seen.

        Returns
        -------
        DataFrame
            For single contrasts ``estimate, std_error, df, statistic, p_value, lower, upper``, a row for each; for a joint test one row with ``num_df,
            den_df, f_value, p_value``.

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
        >>> m.test("Days = 10")[["estimate", "std_error", "df", "p_value"]].round(4)
                   estimate  std_error    df  p_value
        Days = 10   10.4673     1.5458  17.0   0.7661
        """
        tests = self._tests_with(cov, cluster)
        return contrast_tests(
            tests, L, rhs, checked_ddf(ddf, self._ddf_with(cov)), joint, level, alternative
        ).to_pandas()

    # ---- tests by smaller models

    def ranova(self) -> "pd.DataFrame":
        """Test the random effects by likelihood ratios, leaving out one at a time.

        ``(1 | g)`` is left out, ``(x | g)`` becomes ``(1 | g)``, and ``(x + z | g)`` loses ``x`` and ``z`` in turn. REML fits are compared by REML.

        Returns
        -------
        DataFrame
            Columns ``npar, llf, aic, chisq, df, p_value, p_value_boundary``; the first row is the model itself. ``p_value`` is that of the chi-square, as lmerTest
            gives it, and too large because a variance cannot be negative; ``p_value_boundary`` is that of the mixture of chi-squares which the notes name.

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
        >>> m.ranova().loc["Days in (Days | Subject)", ["chisq", "df"]].round(3).tolist()
        [42.837, 2.0]
        """
        from ranef.inference.ranova import compare_reductions
        from ranef.inference.reduced import comparison_control
        from ranef.presentation.anova_table import random_effects_table

        return random_effects_table(
            compare_reductions(self._fit, comparison_control(self._request.control)), self.formula
        )

    def drop1(
        self, test: Literal["chisq", "f"] = "chisq", *, scope: str | list[str] | None = None, ddf: Ddf | None = None
    ) -> "pd.DataFrame":
        """Test the fixed terms, leaving out one at a time.

        Terms that an interaction contains stay while it does.

        Parameters
        ----------
        test : {"chisq", "f"}
            ``"chisq"``: likelihood-ratio tests by maximum likelihood. ``"f"``: F tests in the model as it was fitted.
        scope : str or list of str, optional
            The terms to leave out, as labels or as a formula such as ``"~ a + b:c"``; by default all that can be.
        ddf : {"satterthwaite", "kenward-roger", "residual", "none"}, optional
            Denominator degrees of freedom of F tests; by default those of the model.

        Returns
        -------
        DataFrame
            For ``"chisq"`` columns ``npar, llf, aic, chisq, df, p_value``, the first row being the model itself; for ``"f"`` columns
            ``sum_sq, mean_sq, num_df, den_df, f_value, p_value``.

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
        >>> m.drop1().loc["Days", ["chisq", "df"]].round(3).tolist()
        [23.537, 1.0]
        >>> m.drop1("f").loc["Days", ["f_value", "den_df"]].round(3).tolist()
        [45.853, 17.0]
        """
        if test not in ("chisq", "f"):
            raise OptionError(f"test must be 'chisq' or 'f', not {test!r}.")
        from ranef.presentation.anova_table import deletion_f_table, deletions_table

        if test == "f":
            from ranef.inference.anova.deletion_tests import deletion_f_tests

            return deletion_f_table(deletion_f_tests(self._tests, scope, checked_ddf(ddf, self.ddf)), self.formula)
        if ddf is not None:
            raise OptionError("ddf is for F tests: give test='f' too, or leave it out.")
        from ranef.inference.drop1 import compare_deletions
        from ranef.inference.reduced import comparison_control

        return deletions_table(
            compare_deletions(self._fit, scope, comparison_control(self._request.control)), self.formula
        )
