"""Everything derived from a fit,
against lme4's values (tests/reference/estimates.json, made by generate/estimates.R).
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ranef import ColumnNotFoundError, DesignError, NewLevelError, OptionError, RanefWarning, lmer, load_dataset

FILE = Path(__file__).parents[1] / "reference" / "estimates.json"
REFERENCE = json.loads(FILE.read_text())

FOUR = "y ~ x + f + offset(off) + (x | school) + (1 | school:class) + (1 | item)"


def close(actual, expected, rtol=1e-6, atol=1e-6):
    np.testing.assert_allclose(np.asarray(actual, float), np.asarray(expected, float), rtol=rtol, atol=atol)


@pytest.fixture(scope="module")
def data():
    return pd.DataFrame(REFERENCE["data"]["d"])


@pytest.fixture(scope="module")
def new():
    return pd.DataFrame(REFERENCE["data"]["new"])


@pytest.fixture(scope="module")
def models(data):
    made = {
        "four": lmer(FOUR, data, weights="w"),
        "shared": lmer("y ~ x + (1 | school) + (0 + x | school) + (1 | item)", data, REML=False),
        "double": lmer("y ~ x + (1 | item) + (x || school)", data),
        "sleepstudy": lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy")),
    }
    with pytest.warns(RanefWarning, match="singular"):
        made["levels"] = lmer("y ~ x + (0 + f | school)", data)
    return made


def reference(name):
    return REFERENCE["sleepstudy"]["model"] if name == "sleepstudy" else REFERENCE[name]


every_model = pytest.mark.parametrize("name", ["four", "shared", "double", "levels", "sleepstudy"])


def test_reference_is_the_file_that_was_generated():
    assert hashlib.md5(FILE.read_bytes()).hexdigest() == FILE.with_suffix(".md5").read_text().strip()


@every_model
def test_criteria_and_fixed_effects(models, name):
    m, r = models[name], reference(name)
    assert m.objective <= r["objective"] + 1e-7
    assert m.objective == pytest.approx(r["objective"], abs=1e-6)
    for member in ("llf", "aic", "bic", "ml_deviance", "reml_criterion", "sigma"):
        assert getattr(m, member) == pytest.approx(r[member], rel=1e-6), member
    assert (m.npar, m.df_resid) == (r["npar"], r["df_resid"])
    assert m.nobs == m.npar + m.df_resid
    assert m.ngroups == r["ngroups"]
    k, n = r["npar"], m.nobs
    assert m.aicc == pytest.approx(r["aic"] + 2 * k * (k + 1) / (n - k - 1))
    close(m.fixef, r["beta"])
    close(m.bse, r["se"])
    close(m.tvalues, np.array(r["beta"]) / np.array(r["se"]))
    close(m.corr_params(), r["corr"], atol=1e-5)
    close(m.cov_params(), np.array(r["corr"]) * np.outer(r["se"], r["se"]))
    close(m.conf_int(), r["wald"])
    close(m.conf_int(level=0.8), r["wald_80"])
    assert list(m.conf_int(parm=m.fixef.index[1]).index) == [m.fixef.index[1]]
    assert m.params is m.fixef
    assert list(m.conf_int().columns) == ["lower", "upper"]


@every_model
def test_theta_and_variances(models, name):
    m, r = models[name], reference(name)
    assert [n.replace("[", "").replace("]", "") for n in m.theta.index] == r["theta_names"]
    v, frame = r["varcorr"], m.varcorr.to_frame()
    assert list(frame.columns) == ["group", "name1", "name2", "variance", "sd"]
    assert list(frame["group"]) == v["grp"]
    for column, theirs in (("name1", "var1"), ("name2", "var2")):
        mine = [None if pd.isna(t) else t.replace("[", "").replace("]", "") for t in frame[column]]
        assert mine == v[theirs]
    close(frame["variance"], v["vcov"], atol=2e-6 * max(v["vcov"]))
    if name != "levels":  # a singular block: correlations are of directions that hardly vary
        close(m.theta, r["theta"], rtol=1e-5, atol=1e-5)
        close(frame["sd"], v["sdcor"], rtol=1e-5, atol=1e-5)


@every_model
def test_blocks_of_varcorr(models, name):
    m = models[name]
    frame = m.varcorr.to_frame()
    assert list(m.varcorr) == list(dict.fromkeys(frame["group"][:-1]))
    for key, block in m.varcorr.items():
        part = frame[(frame["group"] == key) & frame["name2"].isna()]
        assert list(part["name1"]) == list(block.names)
        close(part["sd"], block.sd, rtol=1e-12)
        close(block.cov, block.corr * np.outer(block.sd, block.sd), rtol=1e-12)
        close(np.diag(block.corr), 1.0, rtol=0)


@every_model
def test_random_effects_and_coefficients(models, name):
    m, r = models[name], reference(name)
    plain, pairs = m.ranef(), m.ranef(condvar=True)
    assert list(plain) == list(pairs) == list(r["ranef"])
    for group, e in r["ranef"].items():
        frame, variances = pairs[group]
        assert frame.equals(plain[group])
        assert list(frame.index) == e["levels"]
        close(frame, e["values"], rtol=1e-5, atol=2e-5)
        k = frame.shape[1]
        assert variances.shape == (len(frame), k, k)
        start = 0
        for block in e["blocks"]:  # one for each term on the factor
            width = np.shape(block)[-1]
            close(
                variances[:, start : start + width, start : start + width], block, rtol=2e-5, atol=2e-6 * np.max(block)
            )
            start += width
        assert start == k
    coef = m.coef()
    assert list(coef) == list(r["coef"])
    for group, e in r["coef"].items():
        assert [n.replace("[T.", "").replace("[", "").replace("]", "") for n in coef[group].columns] == e["names"]
        assert list(coef[group].index) == e["levels"]
        close(coef[group], e["values"], rtol=1e-5, atol=2e-5)


def test_conditional_covariance_between_terms_on_one_factor(models):
    _, variances = models["shared"].ranef(condvar=True)["school"]
    close(variances, REFERENCE["shared"]["joint"], rtol=2e-5)


@every_model
def test_fitted_values_and_residuals(models, name):
    m, r = models[name], reference(name)
    scale = np.ptp(r["fitted"]) * 1e-6
    close(m.fittedvalues, r["fitted"], atol=scale)
    for kind, values in r["residuals"].items():
        close(m.residuals(kind), values, rtol=1e-5, atol=5 * scale)
    close(m.resid, r["residuals"]["response"], rtol=1e-5, atol=5 * scale)
    close(m.predict(), m.fittedvalues, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("re", "key"),
    [
        ("conditional", "conditional"),
        ("population", "population"),
        ("~ 0", "population"),
        ("~ (1 | item)", "item"),
        ("~ (x | school)", "school"),
        ("~ (1 + x | school)", "school"),
        ("~ (1 | school)", "school_intercept"),
        ("~ (x | school) + (1 | item)", "school_item"),
        ("~ (x | school) + (1 | item) + (1 | school:class)", "conditional"),
    ],
)
def test_predictions_of_new_rows(models, new, re, key):
    m, r = models["four"], REFERENCE["four"]
    close(m.predict(new, re=re), r["predict"][key])
    if key in r["predict_se"]:
        frame = m.predict(new, re=re, se=True)
        assert list(frame.columns) == ["fit", "se"]
        close(frame["fit"], r["predict"][key])
        close(frame["se"], r["predict_se"][key])
    assert list(m.predict(new, re=re).index) == list(new.index)


def test_partial_predictions_of_terms_on_one_factor(models, new):
    m, r = models["shared"], REFERENCE["shared"]["predict"]
    close(m.predict(new, re="~ (1 | school)"), r["intercept"])
    close(m.predict(new, re="~ (0 + x | school)"), r["slope"])
    close(m.predict(new, re="~ (x | school) + (1 | item)"), m.predict(new), rtol=1e-12)


def test_population_predictions_need_no_grouping_columns(models, new):
    m = models["four"]
    close(m.predict(new[["x", "f", "off"]], re="population"), REFERENCE["four"]["predict"]["population"])
    close(m.predict(new[["x", "f", "off", "item"]], re="~ (1 | item)"), REFERENCE["four"]["predict"]["item"])
    whole = new.assign(w=1.5)
    for re, columns in (("population", ["x", "f", "off", "w"]), ("~ (1 | item)", ["x", "f", "off", "w", "item"])):
        frame = m.predict(whole[columns], re=re, interval="prediction")
        assert frame.equals(m.predict(whole, re=re, interval="prediction"))
        assert frame.notna().all(axis=None)
    with pytest.raises(ColumnNotFoundError, match="'item'"):
        m.predict(whole[["x", "f", "off", "w"]], re="~ (1 | item)", interval="prediction")
    with pytest.raises(ColumnNotFoundError, match="'x'"):
        m.predict(whole.drop(columns="x"), re="population")


def test_new_observations_have_the_weights_of_their_rows(models, new, data):
    m = models["four"]
    heavy = m.predict(new.assign(w=1e12), interval="prediction")
    confidence = m.predict(new, interval="confidence")
    close(heavy["upper"], confidence["upper"])
    half = m.predict(new.assign(w=0.5), interval="prediction")
    expected = 1.959963984540054 * np.sqrt(confidence["se"] ** 2 + m.sigma**2 / 0.5)
    close(half["upper"] - half["fit"], expected, rtol=1e-9)
    own = m.predict(interval="prediction")
    close(own.iloc[:9], m.predict(data.iloc[:9], interval="prediction"), rtol=1e-9)
    # weights given as an array are not known for new rows: weight 1
    array = lmer(FOUR, data, weights=data["w"].to_numpy())
    one = array.predict(new, interval="prediction")
    close(one["upper"] - one["fit"], 1.959963984540054 * np.sqrt(one["se"] ** 2 + array.sigma**2), rtol=1e-9)


def test_offsets_of_new_rows(models, new, data):
    m = models["four"]
    as_argument = lmer(FOUR.replace("offset(off) + ", ""), data, weights="w", offset="off")
    assert as_argument.objective == pytest.approx(m.objective, abs=1e-9)
    close(as_argument.predict(new), m.predict(new), rtol=1e-7)
    as_array = lmer(FOUR.replace("offset(off) + ", ""), data, weights="w", offset=data["off"].to_numpy())
    with pytest.raises(DesignError, match="offset="):
        as_array.predict(new)
    close(as_array.predict(new, offset=new["off"].to_numpy()), m.predict(new), rtol=1e-7)
    close(as_array.predict(new, offset="off"), m.predict(new), rtol=1e-7)
    close(as_array.predict(), m.fittedvalues, rtol=1e-7)
    with pytest.raises(OptionError, match="newdata only"):
        as_array.predict(offset="off")
    # the fit takes the offset off the response, and nothing else
    plain = lmer(FOUR.replace("offset(off) + ", "").replace("y ~", "I(y - off) ~"), data, weights="w")
    assert plain.objective == pytest.approx(m.objective, abs=1e-8)
    close(plain.fittedvalues + data["off"], m.fittedvalues, rtol=1e-6)


def test_levels_that_the_fit_has_not_seen(models):
    m, unseen = models["four"], pd.DataFrame(REFERENCE["data"]["new_levels"])
    with pytest.raises(NewLevelError, match="s99"):
        m.predict(unseen)
    frame = m.predict(unseen, new_levels="population", se=True)
    close(frame["fit"], REFERENCE["four"]["predict"]["new_levels"])
    # A row whose school, class and item are all new: fixed part, and the whole variance of all
    # random effects.
    row = unseen.iloc[[2]]
    x = float(row["x"].iloc[0])
    v = m.varcorr
    z = np.array([1.0, x])
    whole = z @ v["school"].cov @ z + v["school:class"].cov[0, 0] + v["item"].cov[0, 0]
    fixed = m.predict(row, re="population", se=True)
    assert frame["fit"].iloc[2] == pytest.approx(fixed["fit"].iloc[0])
    assert frame["se"].iloc[2] == pytest.approx(np.sqrt(fixed["se"].iloc[0] ** 2 + whole))
    # Nothing new, nothing changed.
    close(frame.iloc[[4, 5]], m.predict(unseen.iloc[[4, 5]], se=True), rtol=1e-12)


def test_prediction_errors_agree_with_glmmtmb(models):
    r = REFERENCE["sleepstudy"]
    rows = pd.DataFrame({"Days": r["days"], "Subject": r["subject"]})
    m = models["sleepstudy"]
    frame = m.predict(rows, se=True, interval="prediction", level=0.9)
    close(frame["fit"], r["glmmTMB_fit"])
    close(frame["se"], r["glmmTMB_se"], rtol=1e-5)
    half = 1.6448536269514722 * np.sqrt(np.array(r["glmmTMB_se"]) ** 2 + m.sigma**2)
    close(frame["upper"] - frame["fit"], half, rtol=1e-5)
    close(frame["fit"] - frame["lower"], half, rtol=1e-5)
    new = m.predict(rows.assign(Subject="999"), new_levels="population", se=True)
    close(new["se"], r["new_se"], rtol=1e-5)
    # The population's mean has a smaller error, a new observation from it the same spread as one of
    # an unseen subject.
    population = m.predict(rows, re="population", interval="prediction")
    unseen = m.predict(rows.assign(Subject="999"), new_levels="population", interval="prediction")
    close(population[["fit", "lower", "upper"]], unseen[["fit", "lower", "upper"]], rtol=1e-9)
    assert (population["se"] < unseen["se"]).all()
    confidence = m.predict(rows, interval="confidence")
    close(confidence["upper"] - confidence["fit"], 1.959963984540054 * confidence["se"], rtol=1e-12)


def test_missing_values_excluded_and_omitted(data):
    r = REFERENCE["exclude"]
    d = data.set_index(pd.Index([f"row{i}" for i in range(len(data))]))
    d.iloc[np.array(r["missing_y"]) - 1, d.columns.get_loc("y")] = np.nan
    d.iloc[np.array(r["missing_x"]) - 1, d.columns.get_loc("x")] = np.nan
    d.iloc[r["missing_item"] - 1, d.columns.get_loc("item")] = None
    formula = "y ~ x + (1 | school) + (1 | item)"
    m = lmer(formula, d, na_action="exclude")
    assert m.nobs == r["nobs"]
    assert m.objective == pytest.approx(r["objective"], abs=1e-6)
    for values, key in ((m.fittedvalues, "fitted"), (m.resid, "resid"), (m.predict(), "predict")):
        close(values, [np.nan if v is None else v for v in r[key]], atol=1e-5)
        assert values.index.equals(d.index)
    simulated = m.simulate(2, rng=1)
    assert simulated.shape == (len(d), 2)
    assert simulated["sim_1"].isna().equals(m.fittedvalues.isna())
    assert m.predict(se=True)["se"].isna().equals(m.fittedvalues.isna())
    omitted = lmer(formula, d)
    close(omitted.fittedvalues, r["omitted"], atol=1e-5)
    assert list(omitted.fittedvalues.index) == [f"row{i - 1}" for i in r["omitted_names"]]
    # a refit takes what simulate gives, with the missing rows or without them
    again = m.refit(simulated["sim_2"])
    assert again.objective == pytest.approx(omitted.refit(simulated["sim_2"].dropna()).objective, abs=1e-7)
    assert again.fittedvalues.isna().equals(m.fittedvalues.isna())


def test_missing_values_in_new_rows(data, new):
    d = data.copy()
    r = REFERENCE["exclude"]
    d.loc[np.array(r["missing_y"]) - 1, "y"] = np.nan
    d.loc[np.array(r["missing_x"]) - 1, "x"] = np.nan
    d.loc[r["missing_item"] - 1, "item"] = None
    m = lmer("y ~ x + (1 | school) + (1 | item)", d)
    rows = new.copy()
    rows.iloc[1, rows.columns.get_loc("x")] = np.nan
    rows.iloc[2, rows.columns.get_loc("f")] = None  # not in the model
    rows.iloc[3, rows.columns.get_loc("item")] = None
    expected = np.array([np.nan if v is None else v for v in r["new_allowed"]])
    close(m.predict(rows, new_levels="population"), expected, atol=1e-5)
    # a missing level is a missing value unless unseen levels are allowed
    expected[3] = np.nan
    frame = m.predict(rows, interval="prediction")
    close(frame["fit"], expected, atol=1e-5)
    assert frame.isna().to_numpy().sum() == 8


def test_transformations_keep_what_they_learnt_from_the_fit(data):
    r = REFERENCE["basis"]
    m = lmer("y ~ poly(x, 2) + log(w) + (1 | school)", data)
    close(m.fixef, r["beta"], rtol=1e-5, atol=1e-5)
    close(m.predict(data.iloc[:5].assign(x=r["x"])), r["predict"], rtol=1e-5)


def test_dependent_columns(data):
    r = REFERENCE["deficient"]
    with pytest.warns(RanefWarning, match="x2") as caught:
        m = lmer("y ~ x + x2 + f + (1 | school)", data.assign(x2=2 * data["x"] + 1))
    assert len(caught) == 1
    assert [n.replace("[T.", "").replace("]", "") for n in m.fixef.index] == r["names"]
    close(m.fixef, r["beta"], rtol=1e-5)
    assert m.npar == r["npar"]
    assert m.objective == pytest.approx(r["objective"], abs=1e-6)
    rows = data.iloc[:6].assign(x2=2 * data["x"] + 1)
    close(m.predict(rows), m.fittedvalues.iloc[:6], rtol=1e-10)
    with pytest.warns(RanefWarning, match="3 rows"):
        m.predict(rows.assign(x2=[0.0, 1, 2, *rows["x2"].iloc[3:]]))


def test_refit_of_a_matrix_and_of_a_vector(models, data):
    m, r = models["four"], REFERENCE["four"]["refit"]
    y = np.array(r["y"])
    fits = m.refit(pd.DataFrame(y, columns=[f"r{j}" for j in range(1, 7)]))
    assert fits.converged.all()
    close(fits.objective, r["objective"])
    close(fits.fixef, r["beta"], rtol=1e-5, atol=1e-5)
    close(fits.bse, r["se"], rtol=1e-5)
    close(fits.theta, r["theta"], rtol=1e-4, atol=1e-4)
    close(fits.sigma, r["sigma"], rtol=1e-5)
    frame = fits.to_frame()
    assert list(frame.index) == ["r1", "r2", "r3", "r4", "r5", "r6"]
    close(frame["x"], fits.fixef[:, 1], rtol=0)
    close(frame["se(x)"], fits.bse[:, 1], rtol=0)
    one = m.refit(y[:, 3])
    assert one.objective == pytest.approx(r["objective"][3], abs=1e-6)
    close(one.theta, r["theta"][3], rtol=1e-4, atol=1e-4)
    assert one.nobs == m.nobs
    # and a later update keeps the new response
    direct = lmer(FOUR, data.assign(y=y[:, 3]), weights="w", REML=False)
    assert one.update(REML=False).objective == pytest.approx(direct.objective, abs=1e-7)


def test_simulated_responses_have_the_moments_of_the_model(models):
    m, r = models["four"], REFERENCE["four"]["marginal"]
    n = 8_000
    y = m.simulate(n, rng=11).to_numpy()[:12]
    mean, cov = np.array(r["mean"]), np.array(r["cov"])
    assert np.abs((y.mean(axis=1) - mean) / np.sqrt(np.diag(cov) / n)).max() < 4.5
    # the sampling variance of a covariance is (c_ii c_jj + c_ij^2) / n
    z = (np.cov(y) - cov) / np.sqrt((np.outer(np.diag(cov), np.diag(cov)) + cov**2) / n)
    assert np.abs(z).max() < 4.5
    conditional = m.simulate(n, re="conditional", rng=12).to_numpy()[:12]
    fitted = m.fittedvalues.to_numpy()[:12]
    sd = m.sigma / np.sqrt(pd.DataFrame(REFERENCE["data"]["d"])["w"].to_numpy()[:12])
    assert np.abs((conditional.mean(axis=1) - fitted) / (sd / np.sqrt(n))).max() < 4.5
    np.testing.assert_allclose(conditional.std(axis=1), sd, rtol=0.03)
