"""Mixed models as scikit-learn estimators."""

import pickle

import numpy as np
import pytest

from ranef import ColumnNotFoundError, DataError, FormulaError, OptionError, RanefWarning, lmer, load_dataset
from reference.store import load_case

sklearn = pytest.importorskip("sklearn")

from sklearn.base import clone  # noqa: E402
from sklearn.compose import make_column_transformer  # noqa: E402
from sklearn.exceptions import NotFittedError  # noqa: E402
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_validate  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import OneHotEncoder, StandardScaler  # noqa: E402
from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402

from ranef.interop.sklearn import MixedModelRegressor  # noqa: E402


class RegressorOfFourGroups(MixedModelRegressor):
    """The checks of scikit-learn pass no groups.

    This takes the rows in turn for members of four groups.
    """

    def fit(self, X, y, groups=None, sample_weight=None):
        if groups is None:
            groups = np.arange(np.asarray(X).shape[0] if not hasattr(X, "tocsr") else X.shape[0]) % 4
        return super().fit(X, y, groups, sample_weight)


EXACT = "The features of the check fit its response exactly: the likelihood has no bound, and the fit says so."
EXPECTED_FAILURES = {
    "check_sample_weight_equivalence_on_dense_data": (
        "Weights are precisions of rows, as in lme4, and not numbers of repetitions: rows that are repeated say more "
        "about the variances. Also the features of the check outnumber its rows."
    ),
}
WITH_INTERCEPT = dict.fromkeys(
    ["check_sample_weights_shape", "check_sample_weights_not_overwritten", "check_regressors_no_decision_function"],
    EXACT,
)


@pytest.mark.filterwarnings("ignore::ranef.RanefWarning")
@parametrize_with_checks(
    [RegressorOfFourGroups(), RegressorOfFourGroups(fit_intercept=False)],
    expected_failed_checks=lambda e: EXPECTED_FAILURES | (WITH_INTERCEPT if e.fit_intercept else {}),
)
def test_checks_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.fixture
def study():
    return load_dataset("sleepstudy")


@pytest.fixture
def fitted(study):
    return MixedModelRegressor(random=["Days"]).fit(study[["Days"]], study["Reaction"], groups=study["Subject"])


# ---- estimates and predictions


def test_estimates_are_those_of_lme4(fitted):
    best = load_case("sleep_slope_reml")["best"]
    assert fitted.intercept_ == pytest.approx(best["beta"]["(Intercept)"], rel=1e-7)
    assert fitted.coef_ == pytest.approx([best["beta"]["Days"]], rel=1e-7)
    assert fitted.model_.objective == pytest.approx(best["objective"], rel=1e-9)
    assert fitted.feature_names_in_.tolist() == ["Days"]
    assert fitted.n_features_in_ == 1


def test_random_effects_and_predictions_are_those_of_the_model(fitted, study):
    m = lmer("Reaction ~ Days + (Days | Subject)", study)
    assert list(fitted.ranef_) == ["groups"]
    np.testing.assert_allclose(fitted.ranef_["groups"], m.ranef()["Subject"], rtol=1e-6, atol=1e-8)
    X = study[["Days"]]
    np.testing.assert_allclose(fitted.predict(X, groups=study["Subject"]), m.fittedvalues, rtol=1e-7)
    np.testing.assert_allclose(fitted.predict(X), m.predict(study, re="population"), rtol=1e-7)


def test_unknown_and_missing_groups_are_predicted_for_the_population(fitted, study):
    X = study[["Days"]].head(3)
    known = fitted.predict(X, groups=["308", "309", "310"])
    mixed = fitted.predict(X, groups=["308", "nobody", None])
    population = fitted.predict(X)
    assert mixed[0] == known[0]
    assert mixed[1:] == pytest.approx(population[1:])
    assert abs(known - population).min() > 1


def test_maximum_likelihood_of_an_array(study):
    best = load_case("sleep_slope_ml")["best"]
    model = MixedModelRegressor(random="1 + x0", REML=False)
    model.fit(study[["Days"]].to_numpy(), study["Reaction"].to_numpy(), groups=study["Subject"].to_numpy())
    assert model.coef_ == pytest.approx([best["beta"]["Days"]], rel=1e-7)
    assert not hasattr(model, "feature_names_in_")


@pytest.mark.parametrize("kind", [str, int, float, "category"])
def test_groups_of_any_type(fitted, study, kind):
    groups = study["Subject"].astype(int).astype(kind)
    model = clone(fitted).fit(study[["Days"]], study["Reaction"], groups=groups)
    assert model.coef_ == pytest.approx(fitted.coef_)
    np.testing.assert_allclose(
        model.predict(study[["Days"]], groups=list(groups)),
        fitted.predict(study[["Days"]], study["Subject"]),
        rtol=1e-7,
    )


def test_weights_are_prior_weights_and_rows_of_weight_zero_are_left_out(study):
    weights = np.resize([0.5, 1.0, 2.0, 0.0], len(study))
    model = MixedModelRegressor().fit(study[["Days"]], study["Reaction"], study["Subject"], weights)
    used = study[weights > 0].assign(w=weights[weights > 0])
    m = lmer("Reaction ~ Days + (1 | Subject)", used, weights="w")
    assert model.coef_ == pytest.approx(m.fixef[["Days"]].to_numpy())
    assert model.model_.nobs == len(used)


def test_features_that_others_determine_have_the_coefficient_zero(study):
    X = study[["Days"]].assign(twice=lambda d: 2 * d["Days"])
    with pytest.warns(RanefWarning, match="twice"):
        model = MixedModelRegressor().fit(X, study["Reaction"], groups=study["Subject"])
    assert model.coef_[1] == 0
    assert model.coef_ @ [1, 2] + model.intercept_ == pytest.approx(model.predict(X.iloc[1:2])[0])


def test_names_that_are_no_words(study):
    X = study[["Days"]].assign(groups=1.0 * (study["Days"] > 4)).rename(columns={"Days": "days since `start`"})
    model = MixedModelRegressor(random=["days since `start`"]).fit(X, study["Reaction"], groups=study["Subject"])
    d = study.assign(late=X["groups"])
    m = lmer("Reaction ~ Days + late + (Days | Subject)", d)
    assert model.coef_ == pytest.approx(m.fixef[["Days", "late"]].to_numpy(), rel=1e-6)
    np.testing.assert_allclose(model.predict(X, study["Subject"]), m.fittedvalues, rtol=1e-6)


def test_pickle(fitted, study):
    again = pickle.loads(pickle.dumps(fitted))
    X = study[["Days"]]
    np.testing.assert_array_equal(again.predict(X, study["Subject"]), fitted.predict(X, study["Subject"]))


# ---- formulas


def test_formula_over_columns_of_any_type():
    cake = load_dataset("cake")
    X = cake[["recipe", "temp", "replicate"]]
    model = MixedModelRegressor("angle ~ recipe * temp + (1 | recipe:replicate)").fit(X, cake["angle"])
    m = lmer("angle ~ recipe * temp + (1 | recipe:replicate)", cake)
    assert model.coef_ == pytest.approx(m.fixef.iloc[1:].to_numpy())
    np.testing.assert_allclose(model.predict(X), m.fittedvalues, rtol=1e-8)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_rows_without_the_grouping_column_are_predicted_for_the_population(library):
    study = load_dataset("sleepstudy", frame=library)
    model = MixedModelRegressor("~ Days + (Days | Subject)").fit(
        study[["Days", "Subject"]], study["Reaction"].to_numpy()
    )
    m = lmer("Reaction ~ Days + (Days | Subject)", study)
    np.testing.assert_allclose(model.predict(study[["Days", "Subject"]]), m.fittedvalues, rtol=1e-7)


def test_groups_of_fit_in_a_formula(study):
    X = study[["Days"]]
    model = MixedModelRegressor("~ Days + I(Days^2) + (Days | groups)").fit(X, study["Reaction"], study["Subject"])
    m = lmer("Reaction ~ Days + I(Days^2) + (Days | Subject)", study)
    np.testing.assert_allclose(model.predict(X, study["Subject"]), m.fittedvalues, rtol=1e-7)
    np.testing.assert_allclose(model.predict(X), m.predict(study, re="population"), rtol=1e-7)


def test_effects_of_the_factors_that_are_known_are_used():
    pastes = load_dataset("Penicillin")
    model = MixedModelRegressor("~ (1 | plate) + (1 | groups)").fit(
        pastes[["plate"]], pastes["diameter"], pastes["sample"]
    )
    m = lmer("diameter ~ (1 | plate) + (1 | sample)", pastes)
    np.testing.assert_allclose(model.predict(pastes[["plate"]]), m.predict(pastes, re="~ (1 | plate)"), rtol=1e-7)


# ---- in scikit-learn


def test_cross_validation_by_groups_without_routing():
    exam = load_dataset("exam")
    X = exam[["standLRT", "sex", "school"]]
    model = MixedModelRegressor("~ standLRT + sex + (standLRT | school)")
    new_schools = cross_validate(model, X, exam["normexam"], groups=exam["school"], cv=GroupKFold(5))["test_score"]
    # A school that was not in the data of the fit is predicted for the population: by the fixed
    # effects alone.
    train, test = next(GroupKFold(5).split(X, groups=exam["school"]))
    m = lmer("normexam ~ standLRT + sex + (standLRT | school)", exam.iloc[train])
    expected = m.predict(exam.iloc[test], re="population")
    y = exam["normexam"].iloc[test]
    assert new_schools[0] == pytest.approx(1 - ((y - expected) ** 2).sum() / ((y - y.mean()) ** 2).sum())


def test_metadata_routing(study):
    with sklearn.config_context(enable_metadata_routing=True):
        model = (
            MixedModelRegressor(random=["Days"])
            .set_fit_request(groups=True, sample_weight=False)
            .set_score_request(groups=True)
            .set_predict_request(groups=True)
        )
        shuffled = study.sample(frac=1, random_state=1)
        arguments = {"params": {"groups": shuffled["Subject"]}, "cv": 5}
        scores = cross_validate(model, shuffled[["Days"]], shuffled["Reaction"], **arguments)["test_score"]
        blind = cross_validate(
            model.set_score_request(groups=False), shuffled[["Days"]], shuffled["Reaction"], **arguments
        )["test_score"]
        assert scores.mean() > blind.mean() + 0.2

        pipeline = make_pipeline(StandardScaler(), clone(model).set_params(random="1"))
        search = GridSearchCV(pipeline, {"mixedmodelregressor__REML": [True, False]}, cv=3)
        search.fit(shuffled[["Days"]], shuffled["Reaction"], groups=shuffled["Subject"])
        assert search.best_estimator_[-1].model_.ngroups == {"groups": 18}
        assert search.predict(study[["Days"]]).shape == (180,)


def test_pipeline_with_encoded_columns():
    exam = load_dataset("exam")
    encode = make_column_transformer((OneHotEncoder(drop="first"), ["sex"]), remainder="passthrough")
    pipeline = make_pipeline(encode, MixedModelRegressor())
    pipeline.fit(exam[["sex", "standLRT"]], exam["normexam"], mixedmodelregressor__groups=exam["school"])
    m = lmer("normexam ~ sex + standLRT + (1 | school)", exam)
    assert pipeline[-1].coef_ == pytest.approx(m.fixef.iloc[1:].to_numpy(), rel=1e-6)


def test_clone_and_parameters():
    model = MixedModelRegressor("~ x + (1 | groups)", REML=False, control={"tolerance": 1e-9})
    assert clone(model).get_params() == model.get_params()
    assert clone(model).set_params(REML=True).REML is True
    with pytest.raises(NotFittedError):
        clone(model).predict([[1.0]])


# ---- mistakes


@pytest.mark.parametrize(
    ("parameters", "arguments", "error", "message"),
    [
        ({}, {}, OptionError, r"set_fit_request\(groups=True\)"),
        ({"formula": "~ Days + (1 | Subject)"}, {}, ColumnNotFoundError, "Subject"),
        ({"formula": "~ Days + (1 | groups)"}, {}, OptionError, "groups must be given"),
        ({"formula": "log(y) ~ Days + (1 | groups)"}, {"groups": True}, FormulaError, "TransformedTargetRegressor"),
        ({"formula": "~ Days"}, {}, FormulaError, "no random-effects term"),
        ({"formula": "~ Days + (1 | Days)"}, {"groups": True}, OptionError, "does not use it"),
        ({"formula": 3}, {}, TypeError, "formula must be text"),
        ({"random": ["days"]}, {"groups": True}, OptionError, "Its features are Days"),
        ({"random": 1}, {"groups": True}, TypeError, "random must be text"),
        ({}, {"groups": True, "sample_weight": np.zeros(180)}, ValueError, "weights.*zero"),
        ({}, {"groups": True, "sample_weight": -np.ones(180)}, ValueError, "[Nn]egative"),
    ],
)
def test_mistakes_are_named(study, parameters, arguments, error, message):
    arguments = {k: study["Subject"] if v is True else v for k, v in arguments.items()}
    with pytest.raises(error, match=message):
        MixedModelRegressor(**parameters).fit(study[["Days"]], study["Reaction"], **arguments)


def test_lengths_must_agree(fitted, study):
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        MixedModelRegressor().fit(study[["Days"]], study["Reaction"], groups=study["Subject"][:5])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        fitted.predict(study[["Days"]], groups=["308"])


def test_missing_values_are_refused(study):
    study.loc[3, "Days"] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        MixedModelRegressor().fit(study[["Days"]], study["Reaction"], groups=study["Subject"])
    with pytest.raises(ValueError, match="missing"):
        MixedModelRegressor("~ Days + (1 | groups)").fit(study[["Days"]], study["Reaction"], groups=study["Subject"])


def test_missing_values_can_be_left_out(study):
    rows = study[["Days", "Subject"]].astype({"Days": float})
    rows.loc[3, "Days"] = np.nan
    formula = "~ Days + (1 | Subject)"
    with pytest.raises(DataError, match="na_action='omit'"):
        MixedModelRegressor(formula).fit(rows, study["Reaction"])
    fitted = MixedModelRegressor(formula, na_action="omit").fit(rows, study["Reaction"])
    assert fitted.model_.nobs == len(study) - 1
    assert np.isnan(fitted.predict(rows)).nonzero()[0].tolist() == [3]


def test_without_scikit_learn_the_extra_is_named(without):
    without("sklearn", "ranef.interop.sklearn", "scikit-learn")
