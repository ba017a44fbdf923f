"""Tests of a fitted model: of its coefficients, its terms and its random effects."""

import math
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from ranef.errors import OptionError
from ranef.estimates.intervals import normal_multiplier
from ranef.inference.anova.term_tests import term_tests
from ranef.inference.contrast_tests import contrast_tests
from ranef.inference.fixed_effect_tests import FixedEffectTests
from ranef.options import Ddf, available_ddf, checked_ddf, wald_ddf
from ranef.results.model.fitted import FittedModel

if TYPE_CHECKING:
    import pandas as pd

    from ranef.presentation.effect_sizes import EffectSizes
    from ranef.results.step import StepResult


class TestsChapter(FittedModel):
    """Tests of a mixed model, with its own covariance of the fixed effects or a robust one."""

    @cached_property
    def _tests(self) -> FixedEffectTests:
        own = self._request.robust
        return FixedEffectTests(self._fit) if own is None else self._robust_tests(own, None)

    def _tests_with(self, cov: Any, cluster: Any) -> FixedEffectTests:
        """Tests with the covariance that is asked for: the model's, or a cluster-robust one. The
        last robust one is kept.
        """
        if cov is None:
            if cluster is not None:
                usual = "CR1" if self._fit.asymptotic_tests else "CR2"
                raise OptionError(f"cluster= is for a robust covariance; say which: cov={usual!r}.")
            return self._tests
        key = (cov, cluster) if isinstance(cov, str) and isinstance(cluster, str) else None
        kept = self.__dict__.get("_robust")
        if key is not None and kept is not None and kept[0] == key:
            found: FixedEffectTests = kept[1]
            return found
        found = self._robust_tests(cov, cluster)
        self.__dict__["_robust"] = (key, found)
        return found

    def _robust_tests(self, cov: Any, cluster: Any) -> FixedEffectTests:
        from ranef.inference.cluster_robust.tests import robust_tests

        return robust_tests(self._fit, self._request.data, cov, cluster)

    def _ddf_with(self, ddf: Any, cov: Any, tests: FixedEffectTests) -> Ddf:
        """The method of degrees of freedom that is asked for, once it is seen that the model can
        have it.

        By default the model's own, but Kenward-Roger's is not for a robust covariance.
        """
        own = "satterthwaite" if cov is not None and self.ddf.startswith("kenward-roger") else self.ddf
        return self._method(ddf, own, tests)

    def _method(self, ddf: Any, default: Ddf, tests: FixedEffectTests) -> Ddf:
        fit: Any = self._fit
        if fit.asymptotic_tests:
            return wald_ddf(self._own_ddf(tests) if ddf is None else ddf, tests.ddf_choices)
        return available_ddf(checked_ddf(ddf, default), fit.ddf_choices, fit.tested_as)

    def _fixed_test(self, test: Any) -> str:
        """The test of fixed terms that is asked for, once it is seen that the model can have it."""
        if test is None:
            return "chisq" if self._fit.asymptotic_tests else "f"
        if self._fit.asymptotic_tests:
            if test == "f":
                raise OptionError(
                    "test='f' is for linear models: a generalized model has likelihood-ratio tests, test='chisq'."
                )
            if test != "chisq":
                raise OptionError(f"test must be 'chisq', not {test!r}.")
        elif test not in ("chisq", "f"):
            raise OptionError(f"test must be 'chisq' or 'f', not {test!r}.")
        return str(test)

    # ---- coefficients

    @property
    def ddf(self) -> Ddf:
        """Method of the degrees of freedom where none is asked for: the argument ``ddf`` of
        ``lmer``; ``"clusters"``, the number of clusters less one, with sampling weights; ``"none"``
        where tests are normal.
        """
        return self._own_ddf(self._tests)

    def _own_ddf(self, tests: FixedEffectTests) -> Ddf:
        """What the fit was asked for, where these tests can have it."""
        asked: Ddf | None = getattr(self._request, "ddf", None)
        if not self._fit.asymptotic_tests and asked is not None:
            return asked
        return "none" if asked == "none" else tests.ddf_choices[0]

    @cached_property
    def df(self) -> "pd.Series[float]":
        """Degrees of freedom of the tests of the fixed effects, by the model's ``ddf``; infinite
        where they are normal.
        """
        return self._named(self._tests.coefficients(self.ddf).df, "df")

    @cached_property
    def pvalues(self) -> "pd.Series[float]":
        """Two-sided p-values of the tests of the fixed effects: t tests by the model's ``ddf``, z
        tests of a generalized model.
        """
        return self._named(self._tests.coefficients(self.ddf).p_value, "pvalues")

    def cov_params(self, ddf: Ddf | None = None, *, cov: Any = None, cluster: Any = None) -> "pd.DataFrame":
        """Covariance matrix of the fixed effects; of a model with several linear predictors of all
        parameters, by component and name.

        Parameters
        ----------
        ddf : {"satterthwaite", "kenward-roger", "between-within", "residual", "none"}, optional
            ``"kenward-roger"`` gives the matrix adjusted for the estimation of the covariance
            parameters; all others give it with these taken as known. Tests of generalized models
            have ``"none"`` and ``"clusters"`` only: their matrix accounts for the estimation of all
            parameters.
        cov : {"CR0", "CR1", "CR1p", "CR1S", "CR2"}, optional
            A covariance robust to what the model gets wrong within clusters: of a linear model as
            in clubSandwich; of a generalized one (without ``"CR2"``) the sandwich of the exact
            scores of the clusters in all parameters and the joint second derivatives of the
            likelihood. ``"CR1"`` multiplies by ``G / (G - 1)`` with G clusters.
        cluster : str or array, optional
            The clusters: a grouping factor, another column of the data, or an array with one label
            a row. No random effect of a generalized model may be shared by two of them.

        Returns
        -------
        DataFrame
            p × p.

        Examples
        --------
        >>> from ranef import glmer, load_dataset
        >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
        >>> m = glmer(formula, load_dataset("cbpp"), family="binomial")
        >>> robust = m.cov_params(cov="CR1", cluster="herd")
        >>> round(float(robust.loc["period[T.2]", "period[T.2]"]) ** 0.5, 4)
        0.4703
        """
        found = self._fit.parameters()
        if found is not None and cov is None:
            import pandas as pd

            names, _, covariance = found
            index = pd.MultiIndex.from_tuples(names, names=["component", "name"])
            return pd.DataFrame(covariance, index=index, columns=index)
        tests = self._tests_with(cov, cluster)
        method = self._ddf_with(ddf, cov, tests)
        frame = self._square(tests.covariance(method))
        if cov is not None:
            # The matrix itself has no degrees of freedom, unless they are asked for.
            frame.attrs["notes"] = tests.notes("none" if ddf is None else method)
        return frame

    # ---- terms and contrasts

    def anova(
        self, type: Literal[1, 2, 3] = 3, ddf: Ddf | None = None, *, cov: Any = None, cluster: Any = None
    ) -> "pd.DataFrame":
        """Test the terms of the fixed effects: by F tests, of a generalized model by Wald
        chi-squares.

        Parameters
        ----------
        type : {1, 2, 3}
            1: each term after those before it in the formula (linear models only). 2: each term
            after all others that do not contain it, as ``car::Anova`` has it. 3: each term averaged
            over the levels of the factors with which it interacts; this does not depend on how
            factors are coded.
        ddf : {"satterthwaite", "kenward-roger", "between-within", "residual", "none"}, optional
            Method of the denominator degrees of freedom, the model's own by default. With
            ``"none"`` they are infinite: a chi-square test, as of generalized models. Where the
            covariance rests on clusters (sampling weights, or ``cov=`` of a generalized model) they
            are the number of clusters less one, ``"clusters"``, unless ``"none"`` is asked for.
        cov, cluster : optional
            A cluster-robust covariance, as in ``cov_params``.

        Returns
        -------
        DataFrame
            A row for each term; columns ``sum_sq, mean_sq, num_df, den_df, f_value, p_value``, of a
            generalized model ``chisq, df, p_value``. ``attrs["notes"]`` says what was done on the
            boundary.

        Examples
        --------
        >>> from ranef import glmer, lmer, load_dataset
        >>> m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
        >>> m.anova()[["num_df", "den_df", "f_value"]].round(3)
              num_df  den_df  f_value
        Days     1.0    17.0   45.853
        >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
        >>> g = glmer(formula, load_dataset("cbpp"), family="binomial")
        >>> g.anova().loc["period", ["chisq", "df"]].round(2).tolist()
        [24.95, 3.0]
        """
        tests = self._tests_with(cov, cluster)
        method = self._ddf_with(ddf, cov, tests)
        fit: Any = self._fit
        if fit.asymptotic_tests:
            from ranef.inference.wald_terms import wald_term_tests
            from ranef.presentation.anova_table import wald_table

            return wald_table(wald_term_tests(fit, tests, type, method), self.formula)
        from ranef.presentation.anova_table import table_of_tests

        found = term_tests(tests, type, method)
        return table_of_tests(found.to_pandas(), f"{found.heading}\nModel: {self.formula}", found.notes)

    def effect_sizes(
        self, standardize: Literal["basic", "pseudo"] = "basic", *, level: float = 0.95, ddf: Ddf | None = None
    ) -> "EffectSizes":
        """Effect sizes of the fixed effects, with intervals and without a refit: standardised
        coefficients, d, semi-partial R².

        Standardised coefficients are coefficients times the standard deviation of their column, in
        a linear model divided by that of the response. d is the difference between the two values
        of a column in units of the standard deviation of random effects and residuals together
        (Westfall, Kenny and Judd 2014; Brysbaert and Stevens 2018), in which random slopes count
        with the values that their variables have in the data; of a binomial model with a latent
        variable (logit, probit) on its scale. ``emmeans(...).eff_size("total")`` has it for means.
        Semi-partial R² is that of Edwards et al. (2008), ``q F / (q F + v)`` of an F test with q
        and v degrees of freedom, with limits by the noncentral F distribution (Smithson 2003).

        Parameters
        ----------
        standardize : {"basic", "pseudo"}
            ``"basic"`` takes standard deviations over the rows. ``"pseudo"``, for models with one
            grouping factor, takes those of the level on which a column varies, between groups or
            within, and of the response in a model with a random intercept alone (Hoffman 2015).
        level : float
            Level of the intervals. Those of standardised coefficients take the standard deviations
            as known.
        ddf : {"satterthwaite", "kenward-roger", "between-within", "residual", "none"}, optional
            Method of the degrees of freedom, the model's own by default, as in ``anova``;
            generalized models have no R².

        Returns
        -------
        EffectSizes
            A record with ``str()``, an HTML form, ``to_frame()``, ``notes`` and ``save(path)``. d
            is blank for columns with more than two values; a factor with several columns has its R²
            in a row of its own.

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("normexam ~ standLRT + sex + (standLRT | school)", load_dataset("exam"))
        >>> sizes = m.effect_sizes().to_frame().set_index("term")
        >>> sizes[["std_coef", "d", "r2"]].round(2)
                  std_coef     d    r2
        term
        standLRT      0.55   NaN  0.93
        sex[T.M]     -0.09 -0.22  0.01
        """
        from ranef.diagnostics.variance_shares import total_variance
        from ranef.inference import effect_sizes as sizes
        from ranef.presentation.effect_sizes import EffectSizes

        fit, tests, method = self._fit, self._tests, self._ddf_with(ddf, None, self._tests)
        normal_multiplier(level)
        standard = sizes.checked_standard(standardize, fit)
        total_sd = total_variance(fit) ** 0.5
        tested = None if fit.asymptotic_tests or method == "none" else sizes.semi_partial(tests, method, level)
        return EffectSizes(
            formula=self.formula,
            standardized=sizes.standardized(tests, method, level, standard),
            standard=standard,
            response_standardized=sizes.is_linear(fit),
            differences=None if math.isnan(total_sd) else sizes.differences(tests, method, level, total_sd),
            total_sd=total_sd,
            coefficients=None if tested is None else tested[0],
            terms=None if tested is None else tested[1],
            ddf=method,
            level=level,
        )

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
            A hypothesis such as ``"standLRT = 0.5"`` or ``"a - b"``, coefficients by name, a vector
            with one number for each fixed effect, or a matrix with one contrast a row.
        rhs : float or array, optional
            What the contrasts equal under the hypothesis: zero, or what the text says.
        ddf : {"satterthwaite", "kenward-roger", "between-within", "residual", "none"}, optional
            Method of the degrees of freedom, the model's own by default, as in ``anova``. With
            ``"none"`` the tests are normal and chi-square.
        joint : bool, optional
            Whether to test all contrasts together, by F or chi-square. By default when there are
            several.
        level : float
            Level of the confidence intervals of single contrasts.
        cov, cluster : optional
            A cluster-robust covariance, as in ``cov_params``.
        alternative : {"two-sided", "greater", "less"}
            Of single tests: ``"greater"`` gives p-values for contrasts above the value tested, with
            intervals that have a lower end only. It is to be chosen before the estimate is seen.

        Returns
        -------
        DataFrame
            For single contrasts ``estimate, std_error, df, statistic, p_value, lower, upper``, a
            row for each; for a joint test one row with ``num_df, den_df, f_value, p_value``, of a
            generalized model ``chisq, df, p_value``.

        Examples
        --------
        >>> from ranef import glmer, lmer, load_dataset
        >>> m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
        >>> m.test("Days = 10")[["estimate", "std_error", "df", "p_value"]].round(4)
                   estimate  std_error    df  p_value
        Days = 10   10.4673     1.5458  17.0   0.7661
        >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
        >>> g = glmer(formula, load_dataset("cbpp"), family="binomial")
        >>> g.test("period[T.2] = period[T.3]")[["estimate", "std_error", "p_value"]].round(3)
                                   estimate  std_error  p_value
        period[T.2] = period[T.3]     0.136      0.381     0.72
        """
        tests = self._tests_with(cov, cluster)
        method = self._ddf_with(ddf, cov, tests)
        found = contrast_tests(tests, L, rhs, method, joint, level, alternative)
        from ranef.presentation.anova_table import contrast_frame
        from ranef.presentation.printed_frame import printed

        return printed(contrast_frame(found, tests.reference(method)))

    # ---- smaller models

    def ranova(self) -> "pd.DataFrame":
        """Test the random effects by likelihood ratios, leaving out one at a time.

        ``(1 | g)`` is left out, ``(x | g)`` becomes ``(1 | g)``, and ``(x + z | g)`` loses ``x``
        and ``z`` in turn. REML fits are compared by REML. Where no random effect is left a
        generalized model is compared with the generalized linear model. Those of a zero part, of a
        dispersion and of a scale follow, marked by ``zi:``, ``disp:`` and ``scale:``.

        Returns
        -------
        DataFrame
            Columns ``npar, llf, aic, chisq, df, p_value, p_value_boundary``; the first row is the
            model itself. ``p_value`` is that of the chi-square, as lmerTest gives it, and too large
            because a variance cannot be negative; ``p_value_boundary`` is that of the mixture of
            chi-squares which the notes name.

        Examples
        --------
        >>> from ranef import glmer, lmer, load_dataset
        >>> m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
        >>> m.ranova().loc["Days in (Days | Subject)", ["chisq", "df"]].round(3).tolist()
        [42.837, 2.0]
        >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
        >>> g = glmer(formula, load_dataset("cbpp"), family="binomial")
        >>> g.ranova().loc["(1 | herd)", ["chisq", "df"]].round(2).tolist()
        [14.01, 1.0]
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
            ``"chisq"``: likelihood-ratio tests by maximum likelihood. ``"f"``: F tests in the model
            as it was fitted (linear models only).
        scope : str or list of str, optional
            The terms to leave out, as labels or as a formula such as ``"~ a + b:c"``; by default
            all that can be.
        ddf : {"satterthwaite", "kenward-roger", "between-within", "residual", "none"}, optional
            Denominator degrees of freedom of F tests; by default those of the model.

        Returns
        -------
        DataFrame
            For ``"chisq"`` columns ``npar, llf, aic, chisq, df, p_value``, the first row being the
            model itself; for ``"f"`` columns ``sum_sq, mean_sq, num_df, den_df, f_value, p_value``.

        Examples
        --------
        >>> from ranef import glmer, lmer, load_dataset
        >>> m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
        >>> m.drop1().loc["Days", ["chisq", "df"]].round(3).tolist()
        [23.537, 1.0]
        >>> m.drop1("f").loc["Days", ["f_value", "den_df"]].round(3).tolist()
        [45.853, 17.0]
        >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
        >>> g = glmer(formula, load_dataset("cbpp"), family="binomial")
        >>> g.drop1().loc["period", ["chisq", "df"]].round(2).tolist()
        [25.61, 3.0]
        """
        chosen = self._fixed_test(test)
        method = self._method(ddf, self.ddf, self._tests)
        from ranef.presentation.anova_table import deletion_f_table, deletions_table

        if chosen == "f":
            from ranef.inference.anova.deletion_tests import deletion_f_tests

            return deletion_f_table(deletion_f_tests(self._tests, scope, method), self.formula)
        if ddf is not None and not self._fit.asymptotic_tests:
            raise OptionError("ddf is for F tests: give test='f' too, or leave it out.")
        from ranef.inference.drop1 import compare_deletions
        from ranef.inference.reduced import comparison_control

        return deletions_table(
            compare_deletions(self._fit, scope, comparison_control(self._request.control)), self.formula
        )

    def step(
        self,
        *,
        alpha_random: float = 0.1,
        alpha_fixed: float = 0.05,
        test: Literal["f", "chisq"] | None = None,
        ddf: Ddf | None = None,
        random: bool = True,
        fixed: bool = True,
    ) -> "StepResult":
        """Simplify the model by backward elimination: random effects first, then fixed terms, each
        time what has the largest p-value.

        Random effects are judged by ``p_value`` of ``ranova``, which is too large at the boundary;
        the default limit of 0.1 allows for it. The last random effect stays, whatever its p-value.
        Estimates and p-values of a model that was chosen by its own p-values look better than they
        are.

        Parameters
        ----------
        alpha_random, alpha_fixed : float
            What has a larger p-value goes.
        test : {"f", "chisq"}, optional
            For fixed terms, as in ``drop1``: by default F in a linear model. A generalized one has
            likelihood-ratio tests only.
        ddf : {"satterthwaite", "kenward-roger", "between-within", "residual", "none"}, optional
            For F tests of linear models; by default the method of the model.
        random, fixed : bool
            Whether random effects and fixed terms may go.

        Returns
        -------
        StepResult
            A record with the tables ``random`` and ``fixed``, the final ``model`` and ``notes``.

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("angle ~ recipe + temp + (1 | recipe:replicate)", load_dataset("cake"))
        >>> m.step().model.formula
        'angle ~ temp + (1 | recipe:replicate)'
        """
        from ranef.inference.step import eliminate
        from ranef.presentation.anova_table import fixed_steps_table, random_steps_table
        from ranef.results.step import StepResult

        found = eliminate(
            self._fit,
            self._request,
            alpha_random,
            alpha_fixed,
            self._fixed_test(test),
            self._method(ddf, self.ddf, self._tests),
            random=random,
            fixed=fixed,
        )
        model: Any = self if found.fit is self._fit else self.__class__(found.fit, found.request)
        return StepResult(random_steps_table(found.random, ()), fixed_steps_table(found.fixed, ()), model, found.notes)
