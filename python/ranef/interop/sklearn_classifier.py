"""A mixed logistic regression as a scikit-learn classifier."""

from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import _check_y, column_or_1d

from ranef.api.glmer import glmer
from ranef.errors import DataError, OptionError
from ranef.families.proportions import Binomial
from ranef.formula import parse_formula
from ranef.interop.sklearn_data import known_groups, with_unknown_groups
from ranef.interop.sklearn_estimator import Floats, MixedModelEstimator, coefficients_of, weighted_rows

NEW_GROUPS = ("marginal", "population")


class MixedModelClassifier(ClassifierMixin, MixedModelEstimator):  # type: ignore[misc]
    """A binomial mixed model as a scikit-learn classifier of two classes.

    Without a formula every feature is a fixed effect, and rows of one group share random effects.
    Probabilities for groups that were in the data of the fit use their effects. Without ``groups``,
    and for new groups, they are averages over the distribution of the random effects: the share of
    the second class among members of all groups that a new one may turn out to be.
    ``new_groups="population"`` takes the effects of new groups to be zero instead, which gives the
    probability in a typical group; it is further from one half, and overconfident as a forecast.

    Parameters
    ----------
    formula : str, optional
        The model in lme4's notation, such as ``"~ ses + (1 | school)"``, over the columns of X,
        which may then be of any type, and over ``groups``, if ``fit`` is given that. The response
        is ``y`` whatever the formula calls it. By default the features themselves.
    random : str or list of str
        Random effects of the groups where there is no formula: ``"1"`` for intercepts, ``"1 + x1"``
        or the list ``["x1"]`` for intercepts and slopes of a feature. The features of an array are
        called ``x0, x1, …``.
    fit_intercept : bool
        Whether there is a fixed intercept where there is no formula.
    link : {"logit", "probit", "cloglog", "loglog", "cauchit"}
        Link of the probability of the second class.
    n_quad : int
        Nodes of quadrature, as in ``ranef.glmer``; 1 is Laplace's approximation.
    new_groups : {"marginal", "population"}
        Probabilities for groups that were not in the data of the fit.
    control : dict, optional
        As in ``ranef.glmer``.
    n_threads : int, optional
        As in ``ranef.glmer``.
    na_action : {"error", "omit"}
        With a formula: whether rows with a missing value in a column of X are refused or left out
        of the fit. Their predictions are NaN. Without a formula impute before, in a pipeline.

    Attributes
    ----------
    model_ : GeneralizedLinearMixedModel
        The fitted model with its summary, tests and diagnostics.
    classes_ : ndarray of shape (2,)
        The classes, sorted; effects are on the probability of the second.
    coef_ : ndarray of shape (1, columns)
        Fixed effects of the features on the scale of the link; with a formula, of its columns,
        named in ``model_.fixef``. 0 for features that others determine.
    intercept_ : ndarray of shape (1,)
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
    >>> from ranef.interop.sklearn import MixedModelClassifier
    >>> answers = load_dataset("verbagg")
    >>> model = MixedModelClassifier("~ btype + situ + (1 | id) + (1 | item)")
    >>> model = model.fit(answers[["btype", "situ", "id", "item"]], answers["r2"])
    >>> model.classes_.tolist()
    ['N', 'Y']
    >>> X = answers.loc[[0, 1], ["btype", "situ", "id", "item"]]
    >>> model.predict_proba(X)[:, 1].round(2).tolist()
    [0.68, 0.22]
    >>> model.predict_proba(X.assign(id="somebody else"))[:, 1].round(2).tolist()
    [0.71, 0.71]
    """

    def __init__(
        self,
        formula: str | None = None,
        *,
        random: str | list[str] = "1",
        fit_intercept: bool = True,
        link: str = "logit",
        n_quad: int = 1,
        new_groups: Literal["marginal", "population"] = "marginal",
        control: dict[str, Any] | None = None,
        n_threads: int | None = None,
        na_action: Literal["error", "omit"] = "error",
    ):
        self.formula = formula
        self.random = random
        self.fit_intercept = fit_intercept
        self.link = link
        self.n_quad = n_quad
        self.new_groups = new_groups
        self.control = control
        self.n_threads = n_threads
        self.na_action = na_action

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags

    def fit(self, X: Any, y: Any, groups: Any = None, sample_weight: Any = None) -> Self:
        """Fit the model by maximum likelihood.

        Parameters
        ----------
        X : array or frame of shape (n, features)
            Numbers; with a formula, columns of any type.
        y : array of shape (n,)
            Classes, of which there must be two.
        groups : array of shape (n,), optional
            The group of each row, of any type. Needed unless the formula takes its groups from X.
        sample_weight : array of shape (n,), optional
            How often each row counts: whole numbers. Rows with weight zero are left out.

        Returns
        -------
        MixedModelClassifier
            The estimator itself.

        Raises
        ------
        OptionError
            If there are not two classes, or weights are no whole numbers.
        """
        if self.new_groups not in NEW_GROUPS:
            raise OptionError(f"new_groups must be 'marginal' or 'population', not {self.new_groups!r}.")
        y = _checked_classes(y)
        plan, data, weights = self._prepare(X, y, groups, sample_weight)
        if weights is not None and np.any(weights != np.rint(weights)):
            raise OptionError(
                "sample_weight must hold whole numbers, how often each row counts: a response of two classes has no "
                "precision that other weights could change."
            )
        used = np.ones(len(y), bool) if weights is None else weights > 0
        self.classes_: NDArray[Any] = np.unique(y[used])
        if len(self.classes_) != 2 and used.any():
            raise OptionError(
                f"y has one class only, {str(self.classes_[0])!r}; two classes are needed to fit a classifier."
            )
        data[plan.response] = (y == self.classes_[-1]).astype(np.float64)
        data, weights = weighted_rows(data, weights)
        model = glmer(
            plan.formula,
            data,
            family=Binomial(link=self.link),
            n_quad=self.n_quad,
            weights=weights,
            na_action=self.na_action,
            control=self.control,
            n_threads=self.n_threads,
        )
        self._keep(model, plan)
        intercept, coefficients = coefficients_of(model, plan)
        self.intercept_, self.coef_ = np.array([intercept]), coefficients[None]
        return self

    def predict_proba(self, X: Any, groups: Any = None) -> Floats:
        """Predict the probabilities of the two classes.

        Parameters
        ----------
        X : array or frame of shape (m, features)
        groups : array of shape (m,), optional
            Groups of the rows. Without them, and for groups that were not in the data of the fit,
            probabilities are averaged over the distribution of the random effects, or, with
            ``new_groups="population"``, those of a group whose random effects are zero.

        Returns
        -------
        ndarray of shape (m, 2)
            In the order of ``classes_``. Rows with a missing value, which only a formula lets pass,
            are NaN.
        """
        second = self._of_second_class(X, groups, "response")
        return np.column_stack([1.0 - second, second])

    def predict_log_proba(self, X: Any, groups: Any = None) -> Floats:
        """Predict the logarithms of the probabilities of the two classes.

        Parameters
        ----------
        X : array or frame of shape (m, features)
        groups : array of shape (m,), optional
            As in ``predict_proba``.

        Returns
        -------
        ndarray of shape (m, 2)
        """
        log_odds = self.decision_function(X, groups)
        return -np.logaddexp(0.0, np.column_stack([log_odds, -log_odds]))

    def decision_function(self, X: Any, groups: Any = None) -> Floats:
        """Predict the log odds of the second class, whatever the link.

        Parameters
        ----------
        X : array or frame of shape (m, features)
        groups : array of shape (m,), optional
            As in ``predict_proba``.

        Returns
        -------
        ndarray of shape (m,)
            Positive where ``predict`` says the second class.
        """
        if self.link == "logit":  # probabilities that round to 1 still have finite odds
            return self._of_second_class(X, groups, "link")
        second = self._of_second_class(X, groups, "response")
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(second) - np.log1p(-second))

    def predict(self, X: Any, groups: Any = None) -> NDArray[Any]:
        """Predict the class that is more probable.

        Parameters
        ----------
        X : array or frame of shape (m, features)
        groups : array of shape (m,), optional
            As in ``predict_proba``.

        Returns
        -------
        ndarray of shape (m,)

        Raises
        ------
        DataError
            For rows with a missing value.
        """
        log_odds = self.decision_function(X, groups)
        missing = np.flatnonzero(np.isnan(log_odds))
        if len(missing):
            raise DataError(
                f"{len(missing)} of {len(log_odds)} rows, the first of them row {missing[0]}, have missing values and "
                "no class. Leave them out; predict_proba gives NaN for them."
            )
        chosen: NDArray[Any] = self.classes_[(log_odds > 0).astype(np.intp)]
        return chosen

    def score(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> float:
        """Compute the share of rows whose class is predicted.

        Parameters
        ----------
        X : array or frame of shape (m, features)
        y : array of shape (m,)
            Observed classes.
        sample_weight : array of shape (m,), optional
            Weights of the rows.
        groups : array of shape (m,), optional
            As in ``predict_proba``.

        Returns
        -------
        float
        """
        return float(accuracy_score(y, self.predict(X, groups), sample_weight=sample_weight))

    def _of_second_class(self, X: Any, groups: Any, type: str) -> Floats:
        data = self._new_columns(X, groups)
        formula = parse_formula(self.model_.formula)
        if self.new_groups == "population":
            values = self.model_.predict(data, re=known_groups(formula, data), new_levels="population", type=type)
        else:
            values = self.model_.predict(with_unknown_groups(formula, data), new_levels="marginal", type=type)
        return np.asarray(values, dtype=np.float64)


def _checked_classes(y: Any) -> NDArray[Any]:
    if y is None:
        raise OptionError("y is needed: MixedModelClassifier requires y to be passed, but the target y is None.")
    y = _check_y(column_or_1d(y, warn=True), y_numeric=False)
    check_classification_targets(y)
    kind = type_of_target(y, input_name="y", raise_unknown=True)
    if kind != "binary":
        raise OptionError(
            f"Only binary classification is supported. The type of the target is {kind}: it has {len(np.unique(y))} "
            "classes. For each class against the others use sklearn.multiclass.OneVsRestClassifier."
        )
    return np.asarray(y)
