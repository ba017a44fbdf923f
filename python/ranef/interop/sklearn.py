"""Mixed models as scikit-learn estimators.

Importing this module needs scikit-learn (extra ``interop``).
"""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ranef.api.lmer import lmer
from ranef.errors import OptionError
from ranef.formula import parse_formula
from ranef.interop.requirement import require
from ranef.interop.sklearn_data import NO_GROUPS, Plan, columns_of, known_groups, plan_of_features, plan_of_formula

require("sklearn", "scikit-learn", "the estimators of ranef.interop.sklearn")

from sklearn.base import BaseEstimator, RegressorMixin  # noqa: E402
from sklearn.utils.validation import (  # noqa: E402
    _check_sample_weight,
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

Floats = NDArray[np.float64]


class _MixedModelEstimator(BaseEstimator):  # type: ignore[misc]
    """What the estimators share: from X, y and groups to a formula and data, and back to arrays."""

    formula: str | None
    random: str | list[str]
    fit_intercept: bool
    model_: Any

    def _columns(self, X: Any, *, reset: bool) -> tuple[Any, list[str]]:
        """Check X; return it with the names of its columns."""
        if self.formula is None:
            X = validate_data(self, X, reset=reset, dtype=np.float64, ensure_min_samples=2 if reset else 1)
        else:
            if not hasattr(X, "columns"):
                X = validate_data(self, X, reset=reset, dtype=None, ensure_min_samples=2 if reset else 1)
            else:  # columns of any type, which the formula reads
                validate_data(self, X, reset=reset, skip_check_array=True)
        names = getattr(self, "feature_names_in_", None)
        return X, [f"x{i}" for i in range(self.n_features_in_)] if names is None else [str(n) for n in names]

    def _prepare(self, X: Any, y: Any, groups: Any, sample_weight: Any) -> tuple[Plan, dict[str, Any], Floats | None]:
        """Check the arguments of ``fit``; return the model, the columns without the response, and the weights."""
        X, features = self._columns(X, reset=True)
        check_consistent_length(X, y, groups)
        if self.formula is None:
            plan = plan_of_features(features, self.random, self.fit_intercept)
        else:
            plan = plan_of_formula(self.formula, features)
        data = columns_of(X, features)
        if plan.groups is not None:
            if groups is None:
                raise OptionError(NO_GROUPS)
            data[plan.groups] = _labels(groups)
        elif groups is not None:
            raise OptionError(
                f"groups is given, but the formula {self.formula!r} does not use it: write (1 | groups) in the formula, or leave groups out."
            )
        weights = None
        if sample_weight is not None:
            weights = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        return plan, data, weights

    def _keep(self, model: Any, plan: Plan) -> None:
        """Set the attributes of a fitted estimator."""
        fixef = model.fixef
        self.model_ = model
        self.intercept_ = float(fixef.get("(Intercept)", 0.0))
        if plan.terms or self.formula is None:
            # Features that others determine are left out of the fit; they add nothing to a prediction.
            self.coef_ = np.array([fixef.get(t, 0.0) for t in plan.terms])
        else:
            self.coef_ = fixef.drop("(Intercept)", errors="ignore").to_numpy(copy=True)
        self.ranef_ = model.ranef()
        self._groups_column = plan.groups

    def _predicted(self, X: Any, groups: Any, **how: Any) -> Floats:
        check_is_fitted(self)
        X, features = self._columns(X, reset=False)
        data = columns_of(X, features)
        if groups is not None:
            if self._groups_column is None:
                raise OptionError(
                    f"groups is given, but the formula {self.formula!r} does not use it: its groups are columns of X."
                )
            check_consistent_length(X, groups)
            data[self._groups_column] = _labels(groups)
        re = known_groups(parse_formula(self.model_.formula), data)
        values = self.model_.predict(data, re=re, new_levels="population", **how)
        return np.asarray(values, dtype=np.float64)


class MixedModelRegressor(RegressorMixin, _MixedModelEstimator):  # type: ignore[misc]
    """A linear mixed model as a scikit-learn regressor.

    Without a formula every feature is a fixed effect, and rows of one group share random effects. Predictions for groups that were in the data of the fit use
    their effects; without ``groups``, and for new groups, they are those of the population.

    Parameters
    ----------
    formula : str, optional
        The model in lme4's notation, such as ``"~ ses + (ses | school)"``, over the columns of X, which may then be of any type, and over ``groups``, if ``fit``
        is given that. The response is ``y`` whatever the formula calls it. By default the features themselves.
    random : str or list of str
        Random effects of the groups where there is no formula: ``"1"`` for intercepts, ``"1 + x1"`` or the list ``["x1"]`` for intercepts and slopes of a feature.
        The features of an array are called ``x0, x1, …``.
    fit_intercept : bool
        Whether there is a fixed intercept where there is no formula.
    REML : bool
        Whether to fit by restricted maximum likelihood.
    control : dict, optional
        As in ``ranef.lmer``.
    n_threads : int, optional
        As in ``ranef.lmer``.

    Attributes
    ----------
    model_ : LinearMixedModel
        The fitted model with its summary, tests and diagnostics.
    coef_ : ndarray
        Fixed effects of the features; with a formula, of its columns, named in ``model_.fixef``. 0 for features that others determine.
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
    ):
        self.formula = formula
        self.random = random
        self.fit_intercept = fit_intercept
        self.REML = REML
        self.control = control
        self.n_threads = n_threads

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
            Prior weights as in ``lmer``: the residual variance of a row is sigma² divided by its weight. They are not numbers of repetitions. Rows with weight
            zero are left out.

        Returns
        -------
        MixedModelRegressor
            The estimator itself.
        """
        y = column_or_1d(_checked_response(y), dtype=np.float64, warn=True)
        plan, data, weights = self._prepare(X, y, groups, sample_weight)
        data[plan.response] = y
        data, weights = _weighted_rows(data, weights)
        model = lmer(
            plan.formula,
            data,
            REML=self.REML,
            weights=weights,
            na_action="error",
            control=self.control,
            n_threads=self.n_threads,
        )
        self._keep(model, plan)
        return self

    def predict(self, X: Any, groups: Any = None) -> Floats:
        """Predict the response.

        Parameters
        ----------
        X : array or frame of shape (m, features)
        groups : array of shape (m,), optional
            Groups of the rows. Without them, and for groups that were not in the data of the fit, random effects are zero.

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
        from sklearn.metrics import r2_score

        return float(r2_score(y, self.predict(X, groups), sample_weight=sample_weight))


def _checked_response(y: Any) -> Any:
    if y is None:
        raise OptionError("y is needed: MixedModelRegressor requires y to be passed, but the target y is None.")
    from sklearn.utils.validation import _check_y

    return _check_y(y, y_numeric=True)


def _labels(groups: Any) -> Any:
    """One label a row, in a type that keeps what it was."""
    if hasattr(groups, "dtype") and getattr(groups, "ndim", 1) == 1 and not isinstance(groups, np.ndarray):
        return groups
    return column_or_1d(np.asarray(groups))


def _weighted_rows(data: dict[str, Any], weights: Floats | None) -> tuple[dict[str, Any], Floats | None]:
    """Leave out rows with weight zero."""
    if weights is None or weights.all():
        return data, weights
    if not weights.any():
        raise OptionError("all weights in sample_weight are zero; at least some rows must have a positive weight.")
    kept = np.flatnonzero(weights)
    from sklearn.utils import _safe_indexing

    return {name: _safe_indexing(values, kept) for name, values in data.items()}, weights[kept]
