"""What the scikit-learn estimators share."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import (
    _check_sample_weight,
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from ranef.errors import OptionError
from ranef.formula import parse_formula
from ranef.interop.sklearn_data import NO_GROUPS, Plan, columns_of, known_groups, plan_of_features, plan_of_formula

Floats = NDArray[np.float64]


class MixedModelEstimator(BaseEstimator):  # type: ignore[misc]
    """From X, y and groups to a formula and data, and back to arrays."""

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
        """Check the arguments of ``fit``.

        Return the model, the columns without the response, and the weights.
        """
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
            data[plan.groups] = labels_of(groups)
        elif groups is not None:
            raise OptionError(
                f"groups is given, but the formula {self.formula!r} does not use it: write (1 | groups) in the "
                "formula, or leave groups out."
            )
        weights = None
        if sample_weight is not None:
            weights = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
            if not weights.any():  # later versions of scikit-learn say so themselves
                raise OptionError("all weights in sample_weight are zero; some rows must have a positive weight.")
        return plan, data, weights

    def _keep(self, model: Any, plan: Plan) -> None:
        """Set the attributes of a fitted estimator."""
        self.model_ = model
        self.ranef_ = model.ranef()
        self._groups_column = plan.groups

    def _predicted(self, X: Any, groups: Any) -> Floats:
        """Predict means, by the effects of the groups that are known."""
        data = self._new_columns(X, groups)
        re = known_groups(parse_formula(self.model_.formula), data)
        values = self.model_.predict(data, re=re, new_levels="population")
        return np.asarray(values, dtype=np.float64)

    def _new_columns(self, X: Any, groups: Any) -> dict[str, Any]:
        """The columns of new rows by the names that the formula has for them."""
        check_is_fitted(self)
        X, features = self._columns(X, reset=False)
        data = columns_of(X, features)
        if groups is not None:
            if self._groups_column is None:
                raise OptionError(
                    f"groups is given, but the formula {self.formula!r} does not use it: its groups are columns of X."
                )
            check_consistent_length(X, groups)
            data[self._groups_column] = labels_of(groups)
        return data


def coefficients_of(model: Any, plan: Plan) -> tuple[float, Floats]:
    """The fixed intercept, and the coefficients of the features or,
    of a user's formula, of its columns.
    """
    fixef = model.fixef
    intercept = float(fixef.get("(Intercept)", 0.0))
    if plan.terms:
        # Features that others determine are left out of the fit; they add nothing to a prediction.
        return intercept, np.array([fixef.get(t, 0.0) for t in plan.terms])
    return intercept, fixef.drop("(Intercept)", errors="ignore").to_numpy(copy=True)


def labels_of(groups: Any) -> Any:
    """One label a row, in a type that keeps what it was."""
    if hasattr(groups, "dtype") and getattr(groups, "ndim", 1) == 1 and not isinstance(groups, np.ndarray):
        return groups
    return column_or_1d(np.asarray(groups))


def weighted_rows(data: dict[str, Any], weights: Floats | None) -> tuple[dict[str, Any], Floats | None]:
    """Leave out rows with weight zero."""
    if weights is None or weights.all():
        return data, weights
    kept = np.flatnonzero(weights)
    return {name: _safe_indexing(values, kept) for name, values in data.items()}, weights[kept]
