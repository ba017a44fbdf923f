"""A binomial mixed model as a scikit-learn classifier."""

import pickle

import numpy as np
import pandas as pd
import pytest

from ranef import ColumnNotFoundError, DataError, OptionError, glmer, load_dataset

sklearn = pytest.importorskip("sklearn")

from scipy import integrate, stats  # noqa: E402
from scipy.special import expit  # noqa: E402
from sklearn.base import clone  # noqa: E402
from sklearn.calibration import CalibratedClassifierCV  # noqa: E402
from sklearn.exceptions import NotFittedError  # noqa: E402
from sklearn.metrics import log_loss  # noqa: E402
from sklearn.model_selection import GroupKFold, cross_val_predict, cross_validate  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402

from ranef.interop.sklearn import MixedModelClassifier  # noqa: E402


class ClassifierOfFourGroups(MixedModelClassifier):
    """The checks of scikit-learn pass no groups.

    This takes the rows in turn for members of four groups.
    """

    def fit(self, X, y, groups=None, sample_weight=None):
        if groups is None:
            groups = np.arange(np.asarray(X).shape[0] if not hasattr(X, "tocsr") else X.shape[0]) % 4
        return super().fit(X, y, groups, sample_weight)


EXPECTED_FAILURES = {
    "check_sample_weight_equivalence_on_dense_data": (
        "The features of the check outnumber its rows, so that they tell the classes apart and the estimates have no "
        "end (the fit says so); and rows that are repeated fall into other groups than their originals. "
        "test_weights_are_repetitions holds what the check means."
    ),
}


@pytest.mark.filterwarnings("ignore::ranef.RanefWarning")
@parametrize_with_checks(
    [ClassifierOfFourGroups(), ClassifierOfFourGroups(new_groups="population", fit_intercept=False)],
    expected_failed_checks=lambda e: EXPECTED_FAILURES,
)
def test_checks_of_scikit_learn(estimator, check):
    check(estimator)


FORMULA = "~ btype + situ + Anger + (1 | id) + (1 | item)"


@pytest.fixture(scope="module")
def answers():
    return load_dataset("verbagg")


@pytest.fixture(scope="module")
def glmm(answers):
    return glmer("r2 " + FORMULA, answers, family="binomial")


@pytest.fixture(scope="module")
def fitted(answers):
    return MixedModelClassifier(FORMULA).fit(features(answers), answers["r2"])


@pytest.fixture(scope="module")
def contraception():
    """Two classes with a name each, numeric features, groups beside them."""
    d = load_dataset("contraception")
    X = pd.DataFrame({"age": d["age"], "older": d["age"] ** 2 / 10, "urban": (d["urban"] == "Y") * 1.0})
    return X, d["use"], d["district"]


def features(d):
    return d[["btype", "situ", "Anger", "id", "item"]]


# ---- estimates and predictions


def test_estimates_and_probabilities_are_those_of_glmer(fitted, glmm, answers):
    assert fitted.classes_.tolist() == ["N", "Y"]
    assert fitted.intercept_ == pytest.approx(glmm.fixef.iloc[:1].to_numpy())
    assert fitted.coef_ == pytest.approx(glmm.fixef.iloc[1:].to_numpy()[None])
    assert fitted.feature_names_in_.tolist() == ["btype", "situ", "Anger", "id", "item"]
    probabilities = fitted.predict_proba(features(answers))
    assert probabilities.shape == (len(answers), 2)
    np.testing.assert_allclose(probabilities[:, 1], glmm.predict(), rtol=1e-9)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
    np.testing.assert_allclose(fitted.decision_function(features(answers)), glmm.predict(type="link"), rtol=1e-8)
    np.testing.assert_allclose(fitted.predict_log_proba(features(answers)), np.log(probabilities), rtol=1e-9)
    expected = np.where(glmm.predict() > 0.5, "Y", "N")
    assert fitted.predict(features(answers)).tolist() == expected.tolist()
    assert fitted.score(features(answers), answers["r2"]) == (expected == answers["r2"].astype(str)).mean()


def test_features_groups_and_quadrature(contraception):
    X, use, district = contraception
    model = MixedModelClassifier(random=["urban"], n_quad=5).fit(X, use, groups=district)
    d = X.assign(y=(use == model.classes_[1]) * 1.0, g=district)
    m = glmer("y ~ age + older + urban + (urban | g)", d, family="binomial", n_quad=5)
    assert model.coef_[0] == pytest.approx(m.fixef.iloc[1:].to_numpy(), rel=1e-6)
    np.testing.assert_allclose(model.predict_proba(X, district)[:, 1], m.fittedvalues, rtol=1e-6)
    np.testing.assert_allclose(model.predict_proba(X)[:, 1], m.predict(d, re="marginal"), rtol=1e-6)
    typical = clone(model).set_params(new_groups="population").fit(X, use, groups=district)
    np.testing.assert_allclose(typical.predict_proba(X)[:, 1], m.predict(d, re="population"), rtol=1e-6)


def test_probabilities_of_new_groups_are_averages_over_all_groups(fitted, glmm, answers):
    rows = features(answers).iloc[[0, 900, 5000]]
    # A new person, known items: the person's effect is averaged over, the item's is used.
    sd, known = glmm.varcorr["id"].sd[0], glmm.predict(rows, re="~ (1 | item)", type="link")
    expected = [integrate.quad(lambda u, e=e: expit(e + sd * u) * stats.norm.pdf(u), -9, 9)[0] for e in known]
    new = rows.assign(id="nobody")
    assert fitted.predict_proba(new)[:, 1] == pytest.approx(expected, abs=1e-8)
    assert glmm.predict(new, new_levels="marginal").to_list() == pytest.approx(expected, abs=1e-8)
    assert fitted.predict_proba(rows.assign(id=None))[:, 1] == pytest.approx(expected, abs=1e-8)
    # Nobody and nothing known: the marginal means of glmer's model.
    nothing = rows.assign(id="nobody", item="nothing")
    assert fitted.predict_proba(nothing)[:, 1] == pytest.approx(glmm.predict(rows, re="marginal").to_list(), abs=1e-10)
    # Of known people and items nothing is averaged.
    np.testing.assert_allclose(glmm.predict(rows, new_levels="marginal"), glmm.predict(rows), rtol=1e-12)


def test_averages_forecast_new_groups_better_than_typical_groups():
    rng = np.random.default_rng(4)
    person = np.repeat(np.arange(400), 6)
    x = rng.normal(size=(2400, 1))
    y = rng.random(2400) < expit(0.8 + x[:, 0] + 2.5 * rng.normal(size=400)[person])
    loss = {
        how: log_loss(y, cross_val_predict(
            MixedModelClassifier("~ x0 + (1 | x1)", new_groups=how), np.column_stack([x, person]), y, groups=person,
            cv=GroupKFold(4), method="predict_proba",
        ))
        for how in ("marginal", "population")
    }  # fmt: skip
    assert loss["marginal"] < loss["population"] - 0.02


@pytest.mark.parametrize("link", ["probit", "cloglog"])
def test_the_decision_is_the_log_odds_for_any_link(contraception, link):
    X, use, district = contraception
    model = MixedModelClassifier(link=link).fit(X, use, groups=district)
    second = model.predict_proba(X, district)[:, 1]
    np.testing.assert_allclose(expit(model.decision_function(X, district)), second, rtol=1e-9)
    assert ((second > 0.5) == (model.predict(X, district) == model.classes_[1])).all()
    d = X.assign(y=(use == model.classes_[1]) * 1.0, g=district)
    m = glmer("y ~ age + older + urban + (1 | g)", d, family=f"binomial({link})")
    np.testing.assert_allclose(second, m.fittedvalues, rtol=1e-6)


def test_weights_are_repetitions(contraception):
    X, use, district = contraception
    weights = np.resize([2, 1, 0, 1], len(X))
    weighted = MixedModelClassifier().fit(X, use, groups=district, sample_weight=weights)
    again = np.repeat(np.arange(len(X)), weights)
    repeated = MixedModelClassifier().fit(X.iloc[again], use.iloc[again], groups=district.iloc[again])
    assert weighted.coef_ == pytest.approx(repeated.coef_, rel=1e-6)
    np.testing.assert_allclose(weighted.predict_proba(X, district), repeated.predict_proba(X, district), rtol=1e-5)


@pytest.mark.parametrize("labels", [(0, 1), (-1, 1), (False, True), ("no", "yes"), (2.0, 7.0)])
def test_classes_of_any_type(contraception, labels):
    X, use, district = contraception
    y = np.array(labels)[(use == "Y").to_numpy().astype(int)]
    model = MixedModelClassifier().fit(X, y, groups=district)
    assert model.classes_.tolist() == list(labels)
    assert set(model.predict(X, district)) <= set(labels)
    assert model.predict(X, district).dtype == model.classes_.dtype


# ---- in scikit-learn


def test_cross_validation_of_new_groups(answers):
    few = answers[answers["id"].astype(int) <= 60]
    found = cross_validate(
        MixedModelClassifier("~ btype + situ + (1 | id)"), features(few), few["r2"],
        groups=few["id"], cv=GroupKFold(3), scoring=["accuracy", "roc_auc", "neg_log_loss"],
    )  # fmt: skip
    train, test = next(GroupKFold(3).split(few, groups=few["id"]))
    m = glmer("r2 ~ btype + situ + (1 | id)", few.iloc[train], family="binomial")
    p = m.predict(few.iloc[test], re="marginal").to_numpy()
    assert found["test_neg_log_loss"][0] == pytest.approx(-log_loss(few["r2"].iloc[test], p), rel=1e-6)
    assert (found["test_roc_auc"] > 0.55).all()


def test_pipeline_with_names_of_features(contraception):
    X, use, district = contraception
    pipeline = make_pipeline(StandardScaler().set_output(transform="pandas"), MixedModelClassifier())
    pipeline.fit(X, use, mixedmodelclassifier__groups=district)
    assert pipeline[-1].feature_names_in_.tolist() == ["age", "older", "urban"]
    plain = MixedModelClassifier().fit(X, use, groups=district)
    assert pipeline[-1].coef_[0] / X.std(ddof=0).to_numpy() == pytest.approx(plain.coef_[0], rel=1e-4)
    np.testing.assert_allclose(pipeline.predict_proba(X), plain.predict_proba(X), rtol=1e-5)
    with pytest.raises(ValueError, match="feature names"):
        plain.predict_proba(X[["urban", "older", "age"]])


def test_metadata_routing_and_calibration(contraception):
    X, use, district = contraception
    with sklearn.config_context(enable_metadata_routing=True):
        model = MixedModelClassifier().set_fit_request(groups=True).set_score_request(groups=True)
        scores = cross_validate(model, X, use, params={"groups": district}, cv=3)["test_score"]
        assert (scores > 0.55).all()
    calibrated = CalibratedClassifierCV(MixedModelClassifier("~ age + urban + (1 | district)"), cv=3)
    calibrated.fit(X.assign(district=district.astype(int)), use)
    assert calibrated.predict_proba(X.assign(district=district.astype(int))).shape == (len(X), 2)


def test_clone_and_pickle(fitted, answers):
    copy = clone(fitted)
    assert copy.get_params() == fitted.get_params()
    with pytest.raises(NotFittedError):
        copy.predict_proba(features(answers))
    again = pickle.loads(pickle.dumps(fitted))
    rows = features(answers).head(20)
    np.testing.assert_array_equal(again.predict_proba(rows), fitted.predict_proba(rows))


# ---- mistakes


@pytest.mark.parametrize(
    ("parameters", "arguments", "error", "message"),
    [
        ({}, {}, OptionError, r"set_fit_request\(groups=True\)"),
        ({"formula": "~ age + (1 | district)"}, {}, ColumnNotFoundError, "district"),
        ({"new_groups": "zero"}, {"groups": True}, OptionError, "'marginal' or 'population'"),
        ({"link": "log"}, {"groups": True}, OptionError, "logit"),
        ({}, {"groups": True, "sample_weight": 0.5}, OptionError, "whole numbers"),
        ({}, {"groups": True, "sample_weight": 0}, ValueError, "weights.*zero"),
        ({}, {"groups": True, "y": "three"}, OptionError, "has 3 classes.*OneVsRestClassifier"),
        ({}, {"groups": True, "y": "one"}, OptionError, "one class only, 'Y'"),
        ({}, {"groups": True, "y": "number"}, ValueError, "continuous"),
    ],
)
def test_mistakes_are_named(contraception, parameters, arguments, error, message):
    X, use, district = contraception
    y = {
        None: use,
        "one": np.full(len(X), "Y"),
        "three": np.resize(["a", "b", "c"], len(X)),
        "number": np.linspace(0, 1, len(X)),
    }[arguments.pop("y", None)]
    if "groups" in arguments:
        arguments["groups"] = district
    if "sample_weight" in arguments:
        arguments["sample_weight"] = np.full(len(X), arguments["sample_weight"])
    with pytest.raises(error, match=message):
        MixedModelClassifier(**parameters).fit(X, y, **arguments)


def test_rows_with_missing_values_have_no_class(fitted, answers):
    rows = features(answers).head(3).copy()
    rows["Anger"] = [1.0, np.nan, 2.0]
    assert np.isnan(fitted.predict_proba(rows)[:, 1]).tolist() == [False, True, False]
    with pytest.raises(DataError, match="row 1, have missing values"):
        fitted.predict(rows)
