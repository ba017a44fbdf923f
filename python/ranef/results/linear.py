"""The fitted linear mixed model."""

from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ranef.errors import OptionError
from ranef.estimates import fixed_effects
from ranef.estimates.fitted import fitted_values, residual_values
from ranef.estimates.predict import predict
from ranef.estimates.rows import padded, row_index, row_series
from ranef.estimates.simulate import simulated_responses
from ranef.fit.control import parse_control
from ranef.fit.refit import Refits, refit_many, refit_one, response_of_input, response_values
from ranef.fit.request import changed_request, fit_request, refitted_request, warn_once
from ranef.inference.anova import term_tests
from ranef.inference.contrast_tests import contrast_tests
from ranef.inference.fixed_effect_tests import Ddf, FixedEffectTests, checked_ddf
from ranef.results.diagnosed import DiagnosedModel

if TYPE_CHECKING:
    import pandas as pd

    from ranef.presentation.summary import Summary
    from ranef.results.step import StepResult


class LinearMixedModel(DiagnosedModel):
    """A linear mixed model fitted by ``ranef.lmer``."""

    @cached_property
    def tvalues(self) -> "pd.Series[float]":
        """Fixed effects divided by their standard errors."""
        return self._named(fixed_effects.t_values(self._fit), "tvalues")

    @property
    def reml_criterion(self) -> float:
        """The REML criterion at the estimates, whichever criterion was minimised."""
        return self._fit.reml_criterion

    @property
    def ml_deviance(self) -> float:
        """-2 log-likelihood at the estimates, whichever criterion was minimised."""
        return self._fit.ml_deviance

    # ---- tests of fixed effects

    @cached_property
    def _tests(self) -> FixedEffectTests:
        return FixedEffectTests(self._fit)

    @property
    def ddf(self) -> Ddf:
        """Method of the degrees of freedom where none is asked for: ``"satterthwaite"``."""
        return "satterthwaite"

    @cached_property
    def df(self) -> "pd.Series[float]":
        """Degrees of freedom of the t tests of the fixed effects, by the model's ``ddf``."""
        return self._named(self._tests.coefficients(self.ddf).df, "df")

    @cached_property
    def pvalues(self) -> "pd.Series[float]":
        """Two-sided p-values of the t tests of the fixed effects, by the model's ``ddf``."""
        return self._named(self._tests.coefficients(self.ddf).p_value, "pvalues")

    def cov_params(self, ddf: Ddf | None = None) -> "pd.DataFrame":
        """Covariance matrix of the fixed effects.

        Parameters
        ----------
        ddf : {"satterthwaite", "kenward-roger", "residual", "none"}, optional
            ``"kenward-roger"`` gives the matrix adjusted for the estimation of the covariance parameters; all others give it with these taken as known.

        Returns
        -------
        DataFrame
            p × p.
        """
        return self._square(self._tests.covariance(checked_ddf(ddf, self.ddf)))

    def anova(self, type: Literal[1, 2, 3] = 3, ddf: Ddf | None = None) -> "pd.DataFrame":
        """Test the terms of the fixed effects by F tests.

        Parameters
        ----------
        type : {1, 2, 3}
            1: each term after those before it in the formula. 2: each term after all others that do not contain it. 3: each term averaged over the levels
            of the factors with which it interacts; this does not depend on how factors are coded.
        ddf : {"satterthwaite", "kenward-roger", "residual", "none"}, optional
            Method of the denominator degrees of freedom, the model's own by default. With ``"none"`` they are infinite: a chi-square test.

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
        return term_tests(self._tests, type, checked_ddf(ddf, self.ddf)).to_pandas()

    def test(
        self, L: Any, *, rhs: Any = None, ddf: Ddf | None = None, joint: bool | None = None, level: float = 0.95
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
        return contrast_tests(self._tests, L, rhs, checked_ddf(ddf, self.ddf), joint, level).to_pandas()

    # ---- rows

    @cached_property
    def _fitted(self) -> NDArray[np.float64]:
        return fitted_values(self._fit)

    @cached_property
    def fittedvalues(self) -> "pd.Series[float]":
        """Fitted values with the random effects, in the order of the input; NaN for missing rows with ``na_action="exclude"``."""
        return row_series(self._fit, self._fitted, "fitted")

    @cached_property
    def resid(self) -> "pd.Series[float]":
        """Observed minus fitted values."""
        return self.residuals()

    def residuals(
        self, type: Literal["response", "working", "pearson", "deviance", "scaled"] = "response"
    ) -> "pd.Series[float]":
        """Residuals from the fitted values with random effects.

        Parameters
        ----------
        type : {"response", "working", "pearson", "deviance", "scaled"}
            ``"response"`` (for a linear model the same as ``"working"``) is observed minus fitted. ``"pearson"`` (the same as ``"deviance"``) multiplies by
            the square root of the prior weights and is not divided by sigma. ``"scaled"`` is the Pearson residual divided by sigma.

        Returns
        -------
        Series
            In the order of the input; NaN for missing rows with ``na_action="exclude"``.
        """
        return row_series(self._fit, residual_values(self._fit, type, self._fitted), "resid")

    def predict(
        self,
        newdata: Any = None,
        *,
        re: str = "conditional",
        type: Literal["response", "link"] = "response",
        new_levels: Literal["error", "population"] = "error",
        se: bool = False,
        interval: Literal["confidence", "prediction"] | None = None,
        level: float = 0.95,
        offset: Any = None,
    ) -> "pd.Series[float] | pd.DataFrame":
        """Predict the response.

        Parameters
        ----------
        newdata : frame, dict or path, optional
            New rows, in any form that the fit takes; by default the rows of the fit. Rows with a missing value are predicted as NaN.
        re : str
            ``"conditional"`` adds all random effects, ``"population"`` none, and a one-sided formula such as ``"~ (1 | school)"`` those that it names.
        type : {"response", "link"}
            The same for a linear model.
        new_levels : {"error", "population"}
            What to do with a level of a grouping factor that was not in the data of the fit: refuse, or take its random effects to be zero. Their whole
            variance then enters the standard error. Other factors of the row keep their effects.
        se : bool
            Whether to add standard errors. They account for the estimation of the fixed effects and of the random effects, not for that of the covariance
            parameters: with few groups they are somewhat too small.
        interval : {"confidence", "prediction"}, optional
            ``"confidence"`` is for the mean that ``re`` describes; ``"prediction"`` is for a new observation and adds the residual variance and the
            variance of the random effects that ``re`` leaves out. New rows have the prior weights that the fit's ``weights`` give them when that is a column or an expression, else 1.
        level : float
            Level of the interval.
        offset : str or array, optional
            Offset of the new rows: needed when the fit was given its offset as an array.

        Returns
        -------
        Series or DataFrame
            The predictions; with ``se`` or ``interval`` a frame with columns ``fit, se`` and, for an interval, ``lower, upper``.

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
        >>> new = {"Days": [0, 10], "Subject": ["308", "309"]}
        >>> m.predict(new).round(2).tolist()
        [253.66, 229.48]
        """
        return predict(
            self._fit,
            newdata,
            re=re,
            type=type,
            new_levels=new_levels,
            se=se,
            interval=interval,
            level=level,
            offset=offset,
        ).to_pandas()

    def simulate(self, n: int = 1, *, re: Literal["new", "conditional"] = "new", rng: Any = None) -> "pd.DataFrame":
        """Draw new responses from the model at its estimates.

        Parameters
        ----------
        n : int
            Number of draws.
        re : {"new", "conditional"}
            Draw random effects anew for every response, or keep the conditional modes of the fit.
        rng : int, numpy.random.Generator or None
            Seed or generator; None takes a fresh seed.

        Returns
        -------
        DataFrame
            Columns ``sim_1 … sim_n``, rows as in ``fittedvalues``.
        """
        import pandas as pd

        values = padded(self._fit, simulated_responses(self._fit, n, re, rng))
        return pd.DataFrame(
            values, index=row_index(self._fit), columns=[f"sim_{i + 1}" for i in range(values.shape[1])]
        )

    # ---- presentation

    def summary(self, ddf: Ddf | None = None) -> "Summary":
        """Summarise the fit as lme4 does, with t tests of the fixed effects as lmerTest adds them.

        Parameters
        ----------
        ddf : {"satterthwaite", "kenward-roger", "residual", "none"}, optional
            Method of the degrees of freedom, the model's own by default. With ``"none"`` there are no tests: estimate, standard error and t value, as
            lme4 prints them.

        Returns
        -------
        Summary
            A record of numbers with ``str()``, ``to_markdown()``, ``to_latex()``, ``tables`` and an HTML form for notebooks.
        """
        from ranef.presentation.lmm_summary import lmm_summary

        return lmm_summary(self._fit, self._request, self._tests, checked_ddf(ddf, self.ddf))

    def tidy(
        self,
        effects: str | list[str] | tuple[str, ...] = ("fixed", "ran_pars"),
        *,
        ddf: Ddf | None = None,
        conf_int: bool = False,
        level: float = 0.95,
    ) -> "pd.DataFrame":
        """Terms as rows of a frame.

        Parameters
        ----------
        effects : str or list of str
            Of ``"fixed"`` (fixed effects), ``"ran_pars"`` (``sd__`` and ``cor__`` of the random effects and the residual) and ``"ran_vals"`` (conditional modes,
            their standard errors given the fixed effects).
        ddf : {"satterthwaite", "kenward-roger", "residual", "none"}, optional
            Method of the degrees of freedom of the fixed effects, the model's own by default; with ``"none"`` there are no tests.
        conf_int : bool
            Whether to add normal intervals ``conf_low, conf_high`` to fixed effects and conditional modes.
        level : float
            Level of the intervals.

        Returns
        -------
        DataFrame
            Columns ``effect, group, term, estimate, std_error, statistic, df, p_value``, with ``level`` before ``term`` if there are conditional modes, and without
            ``df, p_value`` if there are no tests.

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
        >>> m.tidy("fixed").set_index("term").loc["Days", ["estimate", "df"]].round(3).tolist()
        [10.467, 17.0]
        """
        from ranef.presentation.tidy import tidy_frame

        return tidy_frame(self._tests, effects, checked_ddf(ddf, self.ddf), conf_int, level)

    def __repr__(self) -> str:
        from ranef.presentation.lmm_summary import lmm_sketch
        from ranef.presentation.short_text import short_text

        return short_text(lmm_sketch(self._fit, self._request))

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
        from ranef.presentation.test_table import random_effects_table

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
        from ranef.presentation.test_table import deletion_f_table, deletions_table

        if test == "f":
            from ranef.inference.deletion_f import deletion_f_tests

            return deletion_f_table(deletion_f_tests(self._tests, scope, checked_ddf(ddf, self.ddf)), self.formula)
        if ddf is not None:
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
        test: Literal["f", "chisq"] = "f",
        ddf: Ddf | None = None,
        random: bool = True,
        fixed: bool = True,
    ) -> "StepResult":
        """Simplify the model by backward elimination: random effects first, then fixed terms, each time what has the largest p-value.

        Random effects are judged by ``p_value`` of ``ranova``, which is too large at the boundary; the default limit of 0.1 allows for it. The last random
        effect stays, whatever its p-value. Estimates and p-values of a model that was chosen by its own p-values look better than they are.

        Parameters
        ----------
        alpha_random, alpha_fixed : float
            What has a larger p-value goes.
        test : {"f", "chisq"}
            For fixed terms, as in ``drop1``.
        ddf : {"satterthwaite", "kenward-roger", "residual", "none"}, optional
            For F tests; by default the method of the model.
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
        from ranef.presentation.test_table import fixed_steps_table, random_steps_table
        from ranef.results.step import StepResult

        found = eliminate(
            self._fit,
            self._request,
            alpha_random,
            alpha_fixed,
            test,
            checked_ddf(ddf, self.ddf),
            random=random,
            fixed=fixed,
        )
        model = self if found.fit is self._fit else LinearMixedModel(found.fit, found.request)
        return StepResult(random_steps_table(found.random, ()), fixed_steps_table(found.fixed, ()), model, found.notes)

    # ---- other fits

    def refit(self, y: Any) -> "LinearMixedModel | Refits":
        """Fit the same model to other responses.

        Parameters
        ----------
        y : array-like
            A vector, or a matrix or frame with one response a column; as many rows as the fit used, or as its input had. Values are on the scale of the
            model's response, after any transformation on the left of the formula.

        Returns
        -------
        LinearMixedModel or Refits
            A model for a vector; for a matrix a record of arrays (``objective, fixef, bse, theta, sigma, converged``) with ``to_frame()``.
        """
        values, names = response_values(self._fit, y)
        control = parse_control(self._request.control)
        if values.ndim == 2:
            return refit_many(self._fit, values, names, control)
        fit = refit_one(self._fit, values, control)
        warn_once(fit.messages)
        return LinearMixedModel(fit, refitted_request(self._request, response_of_input(self._fit, values)))

    def update(self, formula: str | None = None, **changed: Any) -> "LinearMixedModel":
        """Fit again with something changed.

        Parameters
        ----------
        formula : str, optional
            A new formula, in which ``.`` stands for what was there: ``". ~ . + x"``.
        **changed
            Other arguments of ``lmer``, such as ``REML=False`` or ``data=...``.

        Returns
        -------
        LinearMixedModel
        """
        request = changed_request(self._request, formula, changed)
        return LinearMixedModel(fit_request(request), request)
