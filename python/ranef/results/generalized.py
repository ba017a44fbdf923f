"""The fitted generalized linear mixed model."""

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from ranef.estimates.predict import predict
from ranef.estimates.residuals import residual_values
from ranef.estimates.rows import padded, row_index, row_series
from ranef.estimates.simulate import response_as_given, simulated_responses
from ranef.families.family import Family
from ranef.fit.control import parse_control
from ranef.fit.glmm_refit import refit_glmm, refit_glmm_many, refit_values
from ranef.fit.glmm_request import changed_glmm_request, fit_glmm_request
from ranef.fit.progress import reported
from ranef.fit.refit import Refits, response_of_input
from ranef.fit.request import refitted_request, warn_once
from ranef.options import Ddf, normal_ddf
from ranef.results.eliminated import EliminatedModel
from ranef.results.intervals import IntervalModel
from ranef.results.one_kind import LINEAR
from ranef.results.plotted_generalized import PlottedGeneralizedModel
from ranef.results.reported import ReportedModel
from ranef.results.shown import ShownModel

if TYPE_CHECKING:
    import pandas as pd

    from ranef.presentation.summary import Summary


class GeneralizedLinearMixedModel(PlottedGeneralizedModel, ReportedModel, IntervalModel, EliminatedModel, ShownModel):
    """A generalized linear mixed model fitted by ``ranef.glmer``."""

    _of_the_other_kind = LINEAR

    @property
    def family(self) -> Family:
        """The family with its link."""
        return self._fit.family

    @property
    def dispersion(self) -> float:
        """The extra parameter of the family: size of the negative binomial, precision of beta, ``sigma`` of Gamma, inverse Gaussian and Gaussian; else NaN."""
        return self._fit.dispersion

    @property
    def n_quad(self) -> int:
        """Quadrature nodes for each random effect; 1 is Laplace's approximation."""
        return self._fit.n_quad

    @property
    def ml_deviance(self) -> float:
        """-2 log-likelihood at the estimates, by the approximation that the fit has maximised."""
        return self._fit.objective

    # ---- rows

    @cached_property
    def fittedvalues(self) -> "pd.Series[float]":
        """Conditional means, of a binomial response proportions; in the order of the input, NaN for missing rows with ``na_action="exclude"``."""
        return row_series(self._fit, self._fit.mu, "fitted")

    @cached_property
    def linear_predictor(self) -> "pd.Series[float]":
        """Linear predictor with the random effects, rows as in ``fittedvalues``."""
        return row_series(self._fit, self._fit.eta, "linear_predictor")

    @cached_property
    def resid(self) -> "pd.Series[float]":
        """Deviance residuals, as R's ``residuals`` gives for such models."""
        return self.residuals()

    def residuals(
        self, type: Literal["deviance", "response", "pearson", "working", "scaled"] = "deviance"
    ) -> "pd.Series[float]":
        """Residuals from the conditional means.

        Parameters
        ----------
        type : {"deviance", "response", "pearson", "working", "scaled"}
            ``"deviance"``: signed root of the row's share of the deviance. ``"response"``: observed minus fitted. ``"pearson"``: divided by the standard deviation of the
            family without its scale; ``"scaled"``: with it. ``"working"``: on the scale of the linear predictor.

        Returns
        -------
        Series
            In the order of the input; NaN for missing rows with ``na_action="exclude"``.
        """
        return row_series(self._fit, residual_values(self._fit, type), "resid")

    def predict(
        self,
        newdata: Any = None,
        *,
        re: str = "conditional",
        type: Literal["response", "link"] = "response",
        new_levels: Literal["error", "population", "marginal"] = "error",
        se: bool = False,
        interval: Literal["confidence", "prediction"] | None = None,
        level: float = 0.95,
        offset: Any = None,
    ) -> "pd.Series[float] | pd.DataFrame":
        """Predict means or linear predictors.

        Parameters
        ----------
        newdata : frame, dict or path, optional
            New rows, in any form that the fit takes; by default the rows of the fit. Rows with a missing value are predicted as NaN.
        re : str
            ``"conditional"`` adds all random effects, ``"population"`` sets them to zero (the typical group), ``"marginal"`` averages over their distribution (the mean of
            all groups, which on the scale of the response is another number), and a one-sided formula such as ``"~ (1 | school)"`` adds those that it names.
        type : {"response", "link"}
            Means, or linear predictors.
        new_levels : {"error", "population", "marginal"}
            What to do with a level of a grouping factor that was not in the data of the fit: refuse; take its random effects to be zero, whose whole variance then enters
            the standard error; or average the mean over their distribution.
        se : bool
            Whether to add standard errors, for means by the delta method. They account for the estimation of the fixed effects, the covariance parameters and the dispersion
            together, and with conditional random effects for the variance that these have given the data. With ``re="marginal"`` the variance that is averaged over
            is an estimate, too (with ``new_levels="marginal"`` it is taken as known). Only where the second derivatives of the likelihood have no inverse, and with ``n_quad=0``, are the covariance parameters taken as known.
        interval : {"confidence", "prediction"}, optional
            ``"confidence"`` is for the mean that ``re`` describes, transformed from the scale of the link; ``"prediction"`` is for a new response, of quantiles of the
            family, its extra parameter held, averaged over the uncertainty of the linear predictor and over the random effects that ``re`` leaves out.
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
        >>> from ranef import glmer, load_dataset
        >>> m = glmer("cbind(incidence, size - incidence) ~ period + (1 | herd)", load_dataset("cbpp"), family="binomial")
        >>> m.predict({"period": ["1", "4"]}, re="population").round(3).tolist()
        [0.198, 0.048]
        >>> m.predict({"period": ["1", "4"]}, re="marginal").round(3).tolist()
        [0.216, 0.057]
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
            Columns ``sim_1 … sim_n``, rows as in ``fittedvalues``, in the form of the model's response: for ``cbind(successes, failures)`` numbers of successes. ``refit``
            takes them as they are.
        """
        import pandas as pd

        values = padded(self._fit, response_as_given(self._fit, simulated_responses(self._fit, n, re, rng)))
        return pd.DataFrame(
            values, index=row_index(self._fit), columns=[f"sim_{i + 1}" for i in range(values.shape[1])]
        )

    # ---- presentation

    def summary(self, ddf: Ddf | None = None, *, cov: Any = None, cluster: Any = None) -> "Summary":
        """Summarise the fit as lme4 does, with z tests of the fixed effects.

        Parameters
        ----------
        ddf : {"none"}, optional
            For linear models: tests of generalized models are normal.
        cov, cluster : optional
            A cluster-robust covariance, as in ``cov_params``.

        Returns
        -------
        Summary
            A record of numbers with ``str()``, ``to_markdown()``, ``to_latex()``, ``tables`` and an HTML form for notebooks.
        """
        from ranef.presentation.model_summary import summary_of

        return summary_of(self._fit, self._request, self._tests_with(cov, cluster), normal_ddf(ddf))

    def tidy(
        self,
        effects: str | list[str] | tuple[str, ...] = ("fixed", "ran_pars"),
        *,
        ddf: Ddf | None = None,
        conf_int: bool = False,
        level: float = 0.95,
        cov: Any = None,
        cluster: Any = None,
    ) -> "pd.DataFrame":
        """Terms as rows of a frame.

        Parameters
        ----------
        effects : str or list of str
            Of ``"fixed"`` (fixed effects), ``"ran_pars"`` (``sd__`` and ``cor__`` of the random effects) and ``"ran_vals"`` (conditional modes).
        ddf : {"none"}, optional
            For linear models: tests of generalized models are normal.
        conf_int : bool
            Whether to add normal intervals ``conf_low, conf_high`` to fixed effects and conditional modes.
        level : float
            Level of the intervals.
        cov, cluster : optional
            A cluster-robust covariance, as in ``cov_params``.

        Returns
        -------
        DataFrame
            Columns ``effect, group, term, estimate, std_error, statistic, p_value``, with ``level`` before ``term`` if there are conditional modes.
        """
        from ranef.presentation.tidy import tidy_frame

        return tidy_frame(self._tests_with(cov, cluster), effects, normal_ddf(ddf), conf_int, level)

    def glance(self) -> "pd.DataFrame":
        """Return the fit in one row.

        Returns
        -------
        DataFrame
            Columns ``nobs, sigma, dispersion, llf, aic, bic, deviance, df_resid, npar, is_singular, converged``.
        """
        from ranef.presentation.tidy import glance_frame

        return glance_frame(self._fit)

    def augment(self) -> "pd.DataFrame":
        """Return the observations with what the fit says of each.

        Returns
        -------
        DataFrame
            The columns named in the formula (if the data of the fit are at hand: a saved model has none) and ``.fitted`` (conditional mean), ``.eta`` (linear predictor),
            ``.fixed`` (its part without random effects), ``.resid``, ``.pearson``, ``.deviance``; rows as in ``fittedvalues``.
        """
        from ranef.presentation.tidy import augment_frame

        return augment_frame(self._fit, self._request.data)

    def _sketch(self) -> "Summary":
        from ranef.presentation.model_summary import sketch_of

        return sketch_of(self._fit, self._request)

    # ---- other fits

    def refit(
        self, y: Any, *, progress: bool | Literal["tqdm"] | Callable[[int, int], object] = False
    ) -> "GeneralizedLinearMixedModel | Refits":
        """Fit the same model to other responses.

        Parameters
        ----------
        y : array-like
            A vector, or a matrix or frame with one response a column, in the form that ``simulate`` gives: for ``cbind(successes, failures)`` numbers of successes out of
            the same trials. As many rows as the fit used, or as its input had.

        progress : bool, "tqdm" or callable
            Of a matrix: True shows the number of responses that are fitted on standard error, ``"tqdm"`` in a bar of tqdm; a function is called with it and the number of
            all.

        Returns
        -------
        GeneralizedLinearMixedModel or Refits
            A model for a vector; for a matrix a record of arrays (``objective, fixef, bse, theta, sigma, dispersion, converged``) with ``to_frame()``, whose standard errors
            take the covariance parameters as known.
        """
        values, names = refit_values(self._fit, y)
        control = parse_control(self._request.control)
        if values.ndim == 2:
            with reported(progress, "responses") as show:
                return refit_glmm_many(self._fit, values, names, control, show)
        fit = refit_glmm(self._fit, values, control)
        warn_once(fit.messages)
        return GeneralizedLinearMixedModel(fit, refitted_request(self._request, response_of_input(self._fit, values)))

    def update(self, formula: str | None = None, **changed: Any) -> "GeneralizedLinearMixedModel":
        """Fit again with something changed.

        Parameters
        ----------
        formula : str, optional
            A new formula, in which ``.`` stands for what was there: ``". ~ . + x"``.
        **changed
            Other arguments of ``glmer``, such as ``n_quad=9`` or ``data=...``.

        Returns
        -------
        GeneralizedLinearMixedModel
        """
        request = changed_glmm_request(self._request, formula, changed)
        return GeneralizedLinearMixedModel(fit_glmm_request(request), request)
