"""Rows of a fitted model: fitted values, residuals, predictions and simulated responses."""

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ranef.errors import OptionError
from ranef.estimates.component_predictions import predicted_frame
from ranef.estimates.predict import predict
from ranef.estimates.residuals import residual_values
from ranef.estimates.rows import padded, row_index
from ranef.estimates.simulate import response_as_given, responses_at, simulated_responses
from ranef.fit.record import MixedFit
from ranef.fit.stated.assumed import restated
from ranef.fit.stated.parameters import Stated
from ranef.results.model.row_source import RowSourceChapter

if TYPE_CHECKING:
    import pandas as pd

ResidualType = Literal["response", "working", "pearson", "deviance", "scaled", "normalized", "quantile", "surrogate"]
PredictedType = Literal[
    "response", "link", "latent", "prob", "cum_prob", "exc_prob", "class", "mean_class",
    "conditional", "zprob", "zlink", "disp", "displink",
]  # fmt: skip


class RowsChapter(RowSourceChapter):
    """What a mixed model makes of each row."""

    @cached_property
    def _fitted_means(self) -> NDArray[np.float64]:
        return self._fit.means()

    def _means_of(self, fit: MixedFit) -> NDArray[np.float64]:
        return self._fitted_means if fit is self._fit else fit.means()

    def _standardized(self) -> NDArray[np.float64]:
        """Residuals (n,) that should all have the same spread."""
        raise NotImplementedError

    @cached_property
    def fittedvalues(self) -> "pd.Series[float]":
        """Fitted values with the random effects: conditional means, of a binomial response
        proportions.

        In the order of the input; NaN for missing rows with ``na_action="exclude"``.
        """
        return self._row_series(self._means_of, "fitted")

    @cached_property
    def linear_predictor(self) -> "pd.Series[float]":
        """Linear predictor with the random effects, rows as in ``fittedvalues``: of a linear model
        the fitted values.
        """
        return self._row_series(lambda fit: fit.linear_predictor(), "linear_predictor")

    @cached_property
    def resid(self) -> "pd.Series[float]":
        """The usual residuals: observed minus fitted values, of a generalized model deviance
        residuals, as R's ``residuals`` gives.
        """
        return self.residuals()

    def residuals(self, type: ResidualType | None = None, *, rng: Any = None) -> "pd.Series[float]":
        """Residuals from the fitted values with random effects.

        Parameters
        ----------
        type : {"response", "working", "pearson", "deviance", "scaled", "normalized"}, optional
            By default ``"response"``, of a generalized model ``"deviance"``. ``"response"`` is
            observed minus fitted. ``"pearson"``: of a linear model that times the square root of
            the prior weights, of a generalized one divided by the standard deviation of the family
            without its scale. ``"scaled"``: the Pearson residual divided by sigma. ``"deviance"``:
            signed root of the row's share of the deviance, for a linear model the same as
            ``"pearson"``. ``"working"``: on the scale of the linear predictor, of a linear model
            the same as ``"response"``. ``"normalized"``: as ``"scaled"``, and uncorrelated where
            rows of a subject are correlated; there ``"pearson"`` is divided by sigma and the row's
            own standard deviation, as in nlme. Of ordered categories (``clmm``) there are
            ``"response"`` (the default: number of the category, from 1, minus its mean),
            ``"pearson"``, and two that are drawn: ``"quantile"`` (Dunn and Smyth) and
            ``"surrogate"`` (Liu and Zhang), whose distribution is the same in all rows. Of
            generalized models there is ``"quantile"``, too, which is normal in a model that is
            right; of models with a zero part or a dispersion formula ``"pearson"`` (the default:
            divided by the standard deviation of the response, zeros included), ``"response"`` and
            ``"quantile"``.
        rng : int, numpy.random.Generator or None
            Seed or generator for residuals that are drawn.

        Returns
        -------
        Series
            In the order of the input; NaN for missing rows with ``na_action="exclude"``.

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
        >>> m.residuals().head(2).round(2).tolist()
        [-4.1, -14.63]
        >>> m.residuals("scaled").head(2).round(2).tolist()
        [-0.16, -0.57]
        """
        kind = self._fit.usual_residuals if type is None else type
        return self._row_series(lambda fit: residual_values(fit, kind, self._means_of(fit), rng), "resid")

    def predict(
        self,
        newdata: Any = None,
        *,
        re: str = "conditional",
        type: PredictedType = "response",
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
            New rows, in any form that the fit takes; by default the rows of the fit. A row with a
            missing value is predicted as NaN, but see ``new_levels`` for a missing level of a
            grouping factor.
        re : str
            ``"conditional"`` adds all random effects, and where rows of a subject are correlated
            what its rows in the fit say of a new one (at a row that was observed, all: the response
            itself). ``"effects"`` adds the random effects alone, ``"population"`` sets them to zero
            (the typical group), and a one-sided formula such as ``"~ (1 | school)"`` adds those
            that it names. ``"marginal"``, for generalized models, averages over their distribution
            (the mean of all groups, which on the scale of the response is another number than that
            of the typical one).
        type : {"response", "link"}
            Means, or linear predictors; the same for a linear model. Of ordered categories
            (``clmm``) also ``"prob"`` (a column for each category), ``"cum_prob"`` and
            ``"exc_prob"`` (a column for each threshold: up to it, beyond it), ``"class"`` (the most
            probable one), ``"mean_class"`` (their mean, numbered from 1, which ``"response"`` is
            too) and ``"latent"``, another name of ``"link"``. Of models with a
            zero part or a dispersion formula ``"conditional"`` (the mean of the distribution
            without the zero part), ``"zprob"`` and ``"zlink"`` (the probability of extra zeros and
            its logit), ``"disp"`` and ``"displink"`` (the dispersion and its logarithm).
        new_levels : {"error", "population", "marginal"}
            What to do with a level of a grouping factor that was not in the data of the fit:
            refuse; take its random effects to be zero, whose whole variance then enters the
            standard error; or, for generalized models, average the mean over their distribution.
            Other factors of the row keep their effects. A missing level of a linear model is with
            ``"population"`` such an unknown level, as in lme4, and a missing value (NaN is
            predicted) otherwise.
        se : bool
            Whether to add standard errors, for means of generalized models by the delta method.
            They account for the estimation of the fixed effects and of the random effects. Those of
            a linear model take the covariance parameters as known, so that with few groups they are
            somewhat too small. Those of a generalized one account for these and the dispersion,
            too, except with ``n_quad=0`` and where the second derivatives of the likelihood have no
            inverse; with ``re="marginal"`` the variance that is averaged over is an estimate, too
            (with ``new_levels="marginal"`` it is taken as known).
        interval : {"confidence", "prediction"}, optional
            ``"confidence"`` is for the mean that ``re`` describes, of a generalized model
            transformed from the scale of the link. ``"prediction"`` is for a new response. That of
            a linear model adds the residual variance and the variance of the random effects that
            ``re`` leaves out; new rows have the prior weights that the fit's ``weights`` give them
            when that is a column or an expression, else 1. That of a generalized one has quantiles
            of the family, its extra parameter held, averaged over the uncertainty of the linear
            predictor and over the random effects that ``re`` leaves out.
        level : float
            Level of the interval.
        offset : str or array, optional
            Offset of the new rows: needed when the fit was given its offset as an array.

        Returns
        -------
        Series or DataFrame
            The predictions; with ``se`` or ``interval`` a frame with columns ``fit, se`` and, for
            an interval, ``lower, upper``.

        Examples
        --------
        >>> from ranef import glmer, lmer, load_dataset
        >>> m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
        >>> new = {"Days": [0, 10], "Subject": ["308", "309"]}
        >>> m.predict(new).round(2).tolist()
        [253.66, 229.48]
        >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
        >>> g = glmer(formula, load_dataset("cbpp"), family="binomial")
        >>> g.predict({"period": ["1", "4"]}, re="population").round(3).tolist()
        [0.198, 0.048]
        >>> g.predict({"period": ["1", "4"]}, re="marginal").round(3).tolist()
        [0.216, 0.057]
        """

        if self._fit.mean_of_predictors:
            return predicted_frame(self._fit, newdata, re, type, new_levels, se, interval, level, offset)
        if self._fit.probability_types:
            if type not in ("link", "latent"):
                return self._predicted_classes(
                    newdata,
                    re=re,
                    type=type,
                    new_levels=new_levels,
                    se=se,
                    interval=interval,
                    level=level,
                    offset=offset,
                )
            type = "link"

        def predicted(data: Any) -> "pd.Series[float] | pd.DataFrame":
            return predict(
                self._fit,
                data,
                re=re,
                type=type,
                new_levels=new_levels,
                se=se,
                interval=interval,
                level=level,
                offset=offset,
            ).to_pandas()

        if newdata is not None or self._sources is None:
            return predicted(newdata)
        import pandas as pd

        parts, index = [], self._batch_index()
        for table, fit in self._batches():
            index.add(fit)
            own, kept = predicted(table).reset_index(drop=True), fit.design.kept
            if kept is not None:
                own = own.iloc[kept].reindex(own.index) if fit.design.na_action == "exclude" else own.iloc[kept]
            parts.append(own)
        return pd.concat(parts).set_axis(index.made(), axis=0)

    def _predicted_classes(self, newdata: Any, *, type: str, **arguments: Any) -> "pd.Series[float] | pd.DataFrame":
        from ranef.estimates.class_predictions import CLASS_TYPES, class_predictions

        if type not in CLASS_TYPES:
            known = ", ".join(map(repr, (*CLASS_TYPES, "latent", "link")))
            raise OptionError(f"type must be one of {known} for ordered categories, not {type!r}.")
        return class_predictions(self._fit, newdata, type=type, **arguments).to_pandas()

    def simulate(
        self,
        n: int = 1,
        *,
        newdata: Any = None,
        params: Mapping[str, Any] | None = None,
        re: Literal["new", "conditional"] = "new",
        rng: Any = None,
        offset: Any = None,
    ) -> "pd.DataFrame":
        """Draw new responses from the model at its estimates, or at other values.

        Parameters
        ----------
        n : int
            Number of draws.
        newdata : frame, dict or path, optional
            New rows, in any form that the fit takes, without a response; by default the rows of the
            fit. Levels of grouping factors may be new. Rows have the prior weights that the fit's
            ``weights`` give them when that is a column or an expression, else 1; a row with a
            missing value is NaN.
        params : dict, optional
            Parameters that take the place of estimates: ``fixef, varcorr, theta, sigma`` and
            ``dispersion``, in the forms of ``ranef.simulate``; what is not named there stays. With
            another sigma the variances of the random effects stay, unless ``theta`` gives them in
            its units.
        re : {"new", "conditional"}
            Draw random effects anew for every response, or keep the conditional modes of the fit
            (those of levels that are new are drawn).
        rng : int, numpy.random.Generator or None
            Seed or generator; None takes a fresh seed.
        offset : str or array, optional
            Offset of the new rows: needed when the fit was given its offset as an array.

        Returns
        -------
        DataFrame
            Columns ``sim_1 … sim_n``, rows as in ``fittedvalues`` or those of ``newdata``, in the
            form of the model's response: for ``cbind(successes, failures)`` numbers of successes
            (of the rows of the fit only). ``refit`` takes those of the fit as they are.

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("Reaction ~ Days + (1 | Subject)", load_dataset("sleepstudy"))
        >>> new = {"Days": [0, 5, 12], "Subject": ["new", "new", "308"]}
        >>> m.simulate(2, newdata=new, rng=1).shape
        (3, 2)
        >>> m.simulate(params={"fixef": {"Days": 0}, "varcorr": {"Subject": 50}}, rng=1).shape
        (180, 1)
        """
        import pandas as pd

        fit = self._fit if params is None else restated(self._fit, Stated.of_dict(params))
        if newdata is None:
            if offset is not None:
                raise OptionError("offset is for newdata only; without newdata the offset of the fit is used.")
            values = padded(fit, response_as_given(fit, simulated_responses(fit, n, re, rng)))
            index = row_index(fit)
        else:
            values, index = responses_at(fit, newdata, n, re, rng, offset)
        return pd.DataFrame(values, index=index, columns=[f"sim_{i + 1}" for i in range(values.shape[1])])
