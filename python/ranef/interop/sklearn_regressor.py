"""A linear mixed model as a scikit-learn regressor."""

from typing import Any, Literal, Self

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.validation import _check_y, column_or_1d

from ranef.api.lmer import lmer
from ranef.errors import OptionError
from ranef.interop.sklearn_estimator import Floats, MixedModelEstimator, coefficients_of, weighted_rows


class MixedModelRegressor(RegressorMixin, MixedModelEstimator):  # type: ignore[misc]
    """A linear mixed model as a scikit-learn regressor.

    Without a formula every feature is a fixed effect, and rows of one group share random effects.
    Predictions for groups that were in the data of the fit use their effects; without ``groups``,
    and for new groups, they are those of the population.

    Parameters
    ----------
    formula : str, optional
        The model in lme4's notation, such as ``"~ ses + (ses | school)"``, over the columns of X,
        which may then be of any type, and over ``groups``, if ``fit`` is given that. The response
        is ``y`` whatever the formula calls it. By default the features themselves.
    random : str or list of str
        Random effects of the groups where there is no formula: ``"1"`` for intercepts, ``"1 + x1"``
        or the list ``["x1"]`` for intercepts and slopes of a feature. The features of an array are
        called ``x0, x1, …``.
    fit_intercept : bool
        Whether there is a fixed intercept where there is no formula.
    REML : bool
        Whether to fit by restricted maximum likelihood.
    control : dict, optional
        As in ``ranef.lmer``.
    n_threads : int, optional
        As in ``ranef.lmer``.
    na_action : {"error", "omit"}
        With a formula: whether rows with a missing value in a column of X are refused or left out
        of the fit. Their predictions are NaN. Without a formula impute before, in a pipeline.

    Attributes
    ----------
    model_ : LinearMixedModel
        The fitted model with its summary, tests and diagnostics.
    coef_ : ndarray
        Fixed effects of the features; with a formula, of its columns, named in ``model_.fixef``. 0
        for features that others determine.
    intercept_ : float
        Fixed intercept.
    ranef_ : dict of DataFrame
        Random effects of the groups.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of str
        Their names, if X was a frame.

    Examples
    --------
    >>> from ranef import load_dataset
    >>> from ranef.interop.sklearn import MixedModelRegressor
    >>> study = load_dataset("sleepstudy")
    >>> model = MixedModelRegressor(random=["Days"])
    >>> model.fit(study[["Days"]], study["Reaction"], groups=study["Subject"])
    MixedModelRegressor(random=['Days'])
    >>> model.intercept_.__round__(2), model.coef_.round(2)
    (251.41, array([10.47]))
    >>> model.predict(study[["Days"]][:2], groups=["308", "nobody"]).round(2)
    array([253.66, 261.87])
    """

    def __init__(
        self,
        formula: str | None = None,
        *,
        random: str | list[str] = "1",
        fit_intercept: bool = True,
        REML: bool = True,
        control: dict[str, Any] | None = None,
        n_threads: int | None = None,
        na_action: Literal["error", "omit"] = "error",
    ):
        self.formula = formula
        self.random = random
        self.fit_intercept = fit_intercept
        self.REML = REML
        self.control = control
        self.n_threads = n_threads
        self.na_action = na_action

    def fit(self, X: Any, y: Any, groups: Any = None, sample_weight: Any = None) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : array or frame of shape (n, features)
            Numbers; with a formula, columns of any type.
        y : array of shape (n,)
            Response.
        groups : array of shape (n,), optional
            The group of each row, of any type. Needed unless the formula takes its groups from X.
        sample_weight : array of shape (n,), optional
            Prior weights as in ``lmer``: the residual variance of a row is sigma² divided by its
            weight. They are not numbers of repetitions. Rows with weight zero are left out.

        Returns
        -------
        MixedModelRegressor
            The estimator itself.
        """
        y = column_or_1d(_checked_response(y), dtype=np.float64, warn=True)
        plan, data, weights = self._prepare(X, y, groups, sample_weight)
        data[plan.response] = y
        data, weights = weighted_rows(data, weights)
        model = lmer(
            plan.formula,
            data,
            REML=self.REML,
            weights=weights,
            na_action=self.na_action,
            control=self.control,
            n_threads=self.n_threads,
        )
        self._keep(model, plan)
        self.intercept_, self.coef_ = coefficients_of(model, plan)
        return self

    def predict(self, X: Any, groups: Any = None) -> Floats:
        """Predict the response.

        Parameters
        ----------
        X : array or frame of shape (m, features)
        groups : array of shape (m,), optional
            Groups of the rows. Without them, and for groups that were not in the data of the fit,
            random effects are zero.

        Returns
        -------
        ndarray of shape (m,)
        """
        return self._predicted(X, groups)

    def score(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> float:
        """Compute R² of the predictions.

        Parameters
        ----------
        X : array or frame of shape (m, features)
        y : array of shape (m,)
            Observed responses.
        sample_weight : array of shape (m,), optional
            Weights of the rows in the sums of squares.
        groups : array of shape (m,), optional
            As in ``predict``.

        Returns
        -------
        float
        """
        return float(r2_score(y, self.predict(X, groups), sample_weight=sample_weight))


def _checked_response(y: Any) -> Any:
    if y is None:
        raise OptionError("y is needed: MixedModelRegressor requires y to be passed, but the target y is None.")
    return _check_y(y, y_numeric=True)
