"""The fitted linear mixed model."""

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ranef.estimates.predict import predict
from ranef.estimates.residuals import residual_values
from ranef.estimates.rows import padded, row_index, row_series
from ranef.estimates.simulate import simulated_responses
from ranef.families.family import Family
from ranef.families.gaussian import Gaussian
from ranef.fit.control import parse_control
from ranef.fit.progress import reported
from ranef.fit.refit import Refits, refit_many, refit_one, response_of_input, response_values
from ranef.fit.request import changed_request, fit_request, refitted_request, warn_once
from ranef.options import Ddf, checked_ddf
from ranef.results.averaged import AveragedModel
from ranef.results.eliminated import EliminatedModel
from ranef.results.intervals import IntervalModel
from ranef.results.one_kind import GENERALIZED
from ranef.results.plotted import PlottedModel
from ranef.results.reported import ReportedModel
from ranef.results.shown import ShownModel

if TYPE_CHECKING:
    import pandas as pd

    from ranef.presentation.summary import Summary


class LinearMixedModel(PlottedModel, AveragedModel, ReportedModel, IntervalModel, EliminatedModel, ShownModel):
    """A linear mixed model fitted by ``ranef.lmer``."""

    _of_the_other_kind = GENERALIZED

    @property
    def family(self) -> Family:
        """The normal family with the identity link."""
        return Gaussian()

    @property
    def dispersion(self) -> float:
        """The extra parameter of the normal family, which is ``sigma``."""
        return self._fit.sigma

    @property
    def reml_criterion(self) -> float:
        """The REML criterion at the estimates, whichever criterion was minimised."""
        return self._fit.reml_criterion

    @property
    def ml_deviance(self) -> float:
        """-2 log-likelihood at the estimates, whichever criterion was minimised."""
        return self._fit.ml_deviance

    # ---- rows

    @cached_property
    def _fitted(self) -> NDArray[np.float64]:
        return self._fit.means()

    @cached_property
    def fittedvalues(self) -> "pd.Series[float]":
        """Fitted values with the random effects, in the order of the input; NaN for missing rows with ``na_action="exclude"``."""
        return row_series(self._fit, self._fitted, "fitted")

    @cached_property
    def linear_predictor(self) -> "pd.Series[float]":
        """Linear predictor with the random effects: of a linear model the fitted values."""
        return self.fittedvalues.rename("linear_predictor")

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
            New rows, in any form that the fit takes; by default the rows of the fit. A row with a missing value is predicted as NaN, but see ``new_levels`` for a
            missing level of a grouping factor.
        re : str
            ``"conditional"`` adds all random effects, ``"population"`` none, and a one-sided formula such as ``"~ (1 | school)"`` those that it names.
        type : {"response", "link"}
            The same for a linear model.
        new_levels : {"error", "population"}
            What to do with a level of a grouping factor that was not in the data of the fit: refuse, or take its random effects to be zero. Their whole
            variance then enters the standard error. Other factors of the row keep their effects. A missing level is with ``"population"`` such an unknown level, as
            in lme4, and a missing value (NaN is predicted) otherwise.
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

    def summary(self, ddf: Ddf | None = None, *, cov: Any = None, cluster: Any = None) -> "Summary":
        """Summarise the fit as lme4 does, with t tests of the fixed effects as lmerTest adds them.

        Parameters
        ----------
        ddf : {"satterthwaite", "kenward-roger", "residual", "none"}, optional
            Method of the degrees of freedom, the model's own by default. With ``"none"`` there are no tests: estimate, standard error and t value, as
            lme4 prints them.
        cov, cluster : optional
            A cluster-robust covariance, as in ``cov_params``.

        Returns
        -------
        Summary
            A record of numbers with ``str()``, ``to_markdown()``, ``to_latex()``, ``tables`` and an HTML form for notebooks.
        """
        from ranef.presentation.model_summary import summary_of

        return summary_of(
            self._fit, self._request, self._tests_with(cov, cluster), checked_ddf(ddf, self._ddf_with(cov))
        )

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
            Of ``"fixed"`` (fixed effects), ``"ran_pars"`` (``sd__`` and ``cor__`` of the random effects and the residual) and ``"ran_vals"`` (conditional modes,
            their standard errors given the fixed effects).
        ddf : {"satterthwaite", "kenward-roger", "residual", "none"}, optional
            Method of the degrees of freedom of the fixed effects, the model's own by default; with ``"none"`` there are no tests.
        conf_int : bool
            Whether to add intervals ``conf_low, conf_high``: to fixed effects by the t distributions of their tests (normal with ``ddf="none"``), so that intervals and p-values
            agree, and normal ones to conditional modes.
        level : float
            Level of the intervals.
        cov, cluster : optional
            A cluster-robust covariance, as in ``cov_params``.

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

        return tidy_frame(
            self._tests_with(cov, cluster), effects, checked_ddf(ddf, self._ddf_with(cov)), conf_int, level
        )

    def _sketch(self) -> "Summary":
        from ranef.presentation.model_summary import sketch_of

        return sketch_of(self._fit, self._request)

    # ---- other fits

    def refit(
        self, y: Any, *, progress: bool | Literal["tqdm"] | Callable[[int, int], object] = False
    ) -> "LinearMixedModel | Refits":
        """Fit the same model to other responses.

        Parameters
        ----------
        y : array-like
            A vector, or a matrix or frame with one response a column; as many rows as the fit used, or as its input had. Values are on the scale of the
            model's response, after any transformation on the left of the formula.

        progress : bool, "tqdm" or callable
            Of a matrix: True shows the number of responses that are fitted on standard error, ``"tqdm"`` in a bar of tqdm; a function is called with it and the number of
            all.

        Returns
        -------
        LinearMixedModel or Refits
            A model for a vector; for a matrix a record of arrays (``objective, fixef, bse, theta, sigma, converged``) with ``to_frame()``.
            Where a single response would be an error, a column of a matrix gets NaN, and a warning names it.
        """
        values, names = response_values(self._fit, y)
        control = parse_control(self._request.control)
        if values.ndim == 2:
            with reported(progress, "responses") as show:
                return refit_many(self._fit, values, names, control, show)
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
