"""Models at the edge of what is usual:
names in back-quotes, missing groups, no fixed effects, variances that the data do not determine.
"""

import hashlib
import json
import math
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

import ranef
from ranef import DataError, DesignError, FormulaError, RanefWarning, lmer, load_dataset
from reference.store import FOLDER


def stored(part: str) -> Any:
    content = (FOLDER / "edge_cases.json").read_bytes()
    assert hashlib.md5(content).hexdigest() == (FOLDER / "edge_cases.md5").read_text().strip()
    return json.loads(content)[part]


def sleep() -> pd.DataFrame:
    d = load_dataset("sleepstudy")
    return d.assign(**{"grp 1": d.Subject, "my var": d.Days, "late": d.Days > 4})


# ---- back-quotes


@pytest.fixture(scope="module")
def quoted() -> Any:
    return lmer("Reaction ~ `my var` + (`my var` | `grp 1`)", sleep())


def test_grouping_factors_have_plain_names(quoted: Any) -> None:
    theirs = stored("quoted")
    assert list(quoted.varcorr) == theirs["varcorr"]
    assert list(quoted.ranef()) == theirs["ranef"]
    assert list(quoted.coef()) == theirs["coef"]
    assert quoted.ngroups == theirs["ngroups"]
    assert quoted.theta.index.tolist() == ["grp 1.(Intercept)", "grp 1.my var.(Intercept)", "grp 1.my var"]
    np.testing.assert_allclose(quoted.theta, theirs["theta"], rtol=1e-4)
    assert set(quoted.tidy("ran_pars").group) == {"grp 1", "Residual"}
    assert "`" not in str(quoted.varcorr)


def test_names_are_understood_with_and_without_back_quotes(quoted: Any) -> None:
    plain, written = quoted.influence("grp 1"), quoted.influence("`grp 1`")
    assert plain.to_frame().equals(written.to_frame())
    assert plain.index.name == "grp 1"
    assert quoted.drop1(scope="my var").equals(quoted.drop1(scope="`my var`"))
    with pytest.raises(ranef.OptionError, match="scope names no term"):
        quoted.drop1(scope=[])
    assert quoted.predict(re="~ (1 | `grp 1`)").shape == (180,)


def test_interactions_of_grouping_factors_have_plain_names() -> None:
    d = sleep().assign(half=np.arange(180) % 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RanefWarning)
        assert list(lmer("Reaction ~ Days + (1 | `grp 1`/half)", d).varcorr) == ["half:grp 1", "grp 1"]


def test_a_column_named_like_an_interaction_stays_apart_from_it() -> None:
    rng = np.random.default_rng(4)
    d = {"y": rng.normal(size=60), "a": np.arange(60) % 3, "b": np.arange(60) % 4, "a:b": rng.integers(0, 5, 60)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RanefWarning)
        m = lmer("y ~ 1 + (1 | a:b) + (1 | `a:b`)", d)
    assert m.ngroups == {"a:b": 12, "`a:b`": 5}


# ---- missing and mistaken values in new data


def test_a_missing_group_is_an_unknown_level_where_these_are_allowed() -> None:
    theirs = stored("missing_group")
    m = lmer("Reaction ~ Days + (Days | Subject)", sleep())
    new = {"Days": [1, 2], "Subject": [None, "308"]}
    np.testing.assert_allclose(m.predict(new, new_levels="population"), theirs["allowed"], rtol=1e-5)
    # lme4 refuses it otherwise; here it is a missing value.
    assert theirs["refused"]
    assert m.predict(new).isna().tolist() == [True, False]
    assert m.predict(new, se=True, new_levels="population").se.notna().all()


def test_truth_values_in_a_grouping_factor_of_new_data() -> None:
    m = lmer("Reaction ~ Days + (1 | late:Subject)", sleep())
    right = m.predict({"Days": [1, 2], "late": [False, True], "Subject": ["308", "309"]})
    for late in ([0, 1], ["False", "True"], [0.0, 1.0]):
        assert m.predict({"Days": [1, 2], "late": late, "Subject": ["308", "309"]}).equals(right)
    for late in ([1, 2], ["yes", "no"]):
        with pytest.raises(DataError, match="'late' held truth values"):
            m.predict({"Days": [1, 2], "late": late, "Subject": ["308", "309"]})


# ---- no fixed effects


def test_a_model_without_fixed_effects() -> None:
    theirs = stored("no_fixed")
    m = lmer("Reaction ~ 0 + (1 | Subject)", sleep())
    np.testing.assert_allclose(m.hatvalues()[:3], theirs["hat"], rtol=1e-6)
    assert theirs["cooks_refused"]
    assert m.cooks_distance().isna().all()
    frame = m.augment()
    assert frame[".cooksd"].isna().all()
    assert frame[".std_resid"].notna().all()
    for by in (None, "Subject"):
        found = m.influence(by)
        assert found.cooks_distance.isna().all()
        assert found.dfbeta.shape[1] == 0
        assert np.isfinite(found.sigma).all()
        np.testing.assert_array_equal(found.cov_ratio, 1.0)


# ---- variances that are not identified


def test_a_factor_that_is_fixed_and_random_is_warned_of() -> None:
    d = {"y": [1.0, 2, 4, 3], "g": ["a", "a", "b", "b"]}
    with pytest.warns(RanefWarning, match=r"\(1 \| g\) is not identified"):
        lmer("y ~ g + (1 | g)", d)
    # By maximum likelihood the variance is zero.
    with pytest.warns(RanefWarning, match="singular"):
        assert lmer("y ~ g + (1 | g)", d, REML=False).theta.tolist() == [0.0]


def test_a_single_row_beside_the_fixed_effects_is_warned_of() -> None:
    with pytest.warns(RanefWarning, match="not identified"):
        lmer("y ~ x + (1 | g)", {"y": [1.0, 2, 4], "x": [1.0, 2, 5], "g": ["a", "a", "b"]})
    lmer("y ~ 1 + (1 | g)", {"y": [1.0, 2, 4], "g": ["a", "a", "b"]})  # identified, if hardly
    assert stored("as_many_levels_as_rows_refused")
    with pytest.raises(DesignError, match="3 levels for 3 observations"):
        lmer("y ~ 1 + (1 | g)", {"y": [1.0, 2, 4], "g": ["a", "b", "c"]})


def test_the_intercept_beside_a_factor_in_a_double_bar_is_explained() -> None:
    d = load_dataset("Machines")
    with pytest.warns(RanefWarning, match="the variance of that intercept cannot be told apart"):
        lmer("score ~ Machine + (Machine || Worker)", d)
    with pytest.warns(RanefWarning, match="stay correlated. diag") as caught:
        lmer("score ~ Machine + (0 + Machine || Worker)", d)
    assert "that intercept" not in str(caught[0].message)


# ---- formulas and names


def test_negation_takes_what_is_added_after_it() -> None:
    theirs = stored("negated")
    m = lmer("Reaction ~ (!late) + (1 | Subject)", sleep())
    np.testing.assert_allclose(m.fixef, theirs["fixef"], rtol=1e-6)
    assert m.fixef.index.tolist() == ["(Intercept)", "!late[T.True]"]
    assert theirs["without_parentheses_refused"]
    for text in ("Reaction ~ !late + (1 | Subject)", "Reaction ~ (1 | Subject) + !late + Days + (1 | late)"):
        with pytest.raises(FormulaError, match=r"put it in parentheses, as in \(!a\)"):
            lmer(text, sleep())


def test_numbers_that_a_word_makes_text_are_noted(tmp_path: Any) -> None:
    d = sleep()
    rows = [
        f"{y},{'.' if i == 3 else x},{s}" for i, (y, x, s) in enumerate(zip(d.Reaction, d.Days, d.Subject, strict=True))
    ]
    (tmp_path / "d.csv").write_text("\n".join(["Reaction,Days,Subject", *rows, ""]), encoding="utf-8")
    with pytest.warns(RanefWarning, match=r"the column Days holds numbers but for '\.', .* a factor with 11 levels"):
        lmer("Reaction ~ Days + (1 | Subject)", tmp_path / "d.csv")
    # Neither numbers made text on purpose nor a grouping factor are warned of.
    lmer("Reaction ~ Days + (1 | Subject)", d.assign(Days=d.Days.astype(str)))
    lmer("Reaction ~ Days + (1 | k)", d.assign(k=d.Subject.astype(str).replace("308", "none")))


def test_coefficients_with_one_name_are_refused() -> None:
    d = sleep().assign(**{"(Intercept)": np.arange(180.0) % 7, "late[T.True]": np.arange(180.0) % 5})
    with pytest.raises(DesignError, match=r"fixed effects are called '\(Intercept\)'"):
        lmer("Reaction ~ `(Intercept)` + (1 | Subject)", d)
    with pytest.raises(DesignError, match=r"are called 'late\[T.True\]'"):
        lmer("Reaction ~ late + `late[T.True]` + (1 | Subject)", d)
    with pytest.raises(DesignError, match=r"the term .* are called '\(Intercept\)'"):
        lmer("Reaction ~ 1 + (`(Intercept)` | Subject)", d)
    assert len(lmer("Reaction ~ 0 + `(Intercept)` + (1 | Subject)", d).fixef) == 1


def test_negative_weights_are_named_in_good_grammar() -> None:
    with pytest.raises(DataError, match="the weights are negative in row 0"):
        lmer("Reaction ~ Days + (1 | Subject)", sleep(), weights=-np.ones(180))


def test_numbers_that_overflow_are_an_error_of_ours() -> None:
    with pytest.raises(DataError, match="rescale the variables"):
        lmer("y ~ Days + (1 | Subject)", sleep().assign(y=lambda d: d.Reaction * 1e200))


def test_exact_fit_with_few_levels_is_an_error_of_ours() -> None:
    x = np.random.RandomState(0).normal(
        size=(10, 4)
    )  # here rounding leaves the criterion finite where the optimiser ends
    data = {f"x{i}": x[:, i] for i in range(4)} | {"y": x[:, 0], "g": np.arange(10) % 4}
    with pytest.raises(DataError, match="reproduce the response exactly"):
        lmer("y ~ x0 + x1 + x2 + x3 + (1 | g)", data)


# ---- refits of a matrix


def test_responses_without_estimates_are_named() -> None:
    d = sleep()
    m = lmer("Reaction ~ Days + (1 | Subject)", d)
    y = pd.DataFrame({"ok": d.Reaction, "constant": 1.0, "exact": 2.0 * d.Days + 1})
    with pytest.warns(RanefWarning, match="'exact': the criterion is not finite") as caught:
        found = m.refit(y)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert found.converged.tolist() == [True, False, False]
    assert found.status.tolist() == ["converged", "constant response", "no finite criterion"]
    assert np.isnan(found.objective).tolist() == [False, True, True]
    assert math.isclose(found.objective[0], m.objective, rel_tol=1e-9)
    for name in ("constant", "exact"):
        with pytest.raises(DataError, match="reproduce the response exactly"):
            m.refit(y[name])
    y.loc[3, "exact"] = np.nan
    with pytest.raises(DataError, match="missing or infinite value in row 3"):
        m.refit(y["exact"])


# ---- the model's method of degrees of freedom


def test_tests_without_denominator_are_chi_square_tests() -> None:
    theirs = stored("chi_square")
    m = lmer("angle ~ recipe * temperature + (1 | recipe:replicate)", load_dataset("cake"))
    table = m.anova(ddf="none")
    assert table.index.tolist() == theirs["term"]
    assert np.isposinf(table.den_df).all()
    np.testing.assert_array_equal(table.num_df, theirs["df"])
    np.testing.assert_allclose(table.f_value * table.num_df, theirs["chisq"], rtol=1e-5)
    np.testing.assert_allclose(table.p_value, theirs["p_value"], rtol=1e-4)
    deleted = m.drop1("f", ddf="none").loc["recipe:temperature"]
    assert math.isclose(deleted.p_value, theirs["p_value"][2], rel_tol=1e-4)
    joint = m.test(["recipe[T.B]", "recipe[T.C]"], ddf="none").iloc[0]
    assert (joint.den_df, joint.num_df) == (math.inf, 2)
    steps = m.step(ddf="none", random=False).fixed
    assert math.isclose(steps.loc["recipe:temperature"].p_value, theirs["p_value"][2], rel_tol=1e-4)


@pytest.mark.parametrize("ddf", ["satterthwaite", "kenward-roger", "residual", "none"])
def test_the_method_of_the_model_is_used_everywhere(ddf: Any) -> None:
    formula = "Reaction ~ Days + (1 | Subject)"
    m, other = lmer(formula, sleep(), ddf=ddf), lmer(formula, sleep())
    assert m.ddf == ddf
    assert m.anova().equals(other.anova(ddf=ddf))
    assert m.test("Days = 10").equals(other.test("Days = 10", ddf=ddf))
    assert m.tidy().equals(other.tidy(ddf=ddf))
    assert m.cov_params().equals(other.cov_params(ddf=ddf))
    assert str(m.summary()) == str(other.summary(ddf))
    assert m.drop1("f").equals(other.drop1("f", ddf=ddf))
    assert m.df.tolist() == other.test(np.eye(2), ddf=ddf, joint=False).df.tolist()
    assert m.anova(ddf="residual").equals(other.anova(ddf="residual"))


def test_the_method_of_the_model_is_kept(tmp_path: Any) -> None:
    import pickle

    m = lmer("Reaction ~ Days + (1 | Subject)", sleep(), ddf="kenward-roger")
    m.save(tmp_path / "m")
    loaded = ranef.load(tmp_path / "m")
    made = [pickle.loads(pickle.dumps(m)), loaded, m.update(". ~ . + I(Days^2)"), m.refit(sleep().Reaction)]
    made += [m.step().model, loaded.step().model]
    assert [k.ddf for k in made] == ["kenward-roger"] * 6
    assert m.update(ddf="residual").ddf == "residual"
    with pytest.raises(ranef.OptionError, match="ddf must be one of"):
        lmer("Reaction ~ Days + (1 | Subject)", sleep(), ddf="wald")  # type: ignore[arg-type]
    with pytest.raises(ranef.OptionError, match="ddf must be one of"):
        m.update(ddf="wald")


def test_a_loaded_model_needs_its_data_for_steps_and_updates(tmp_path: Any) -> None:
    d = load_dataset("cake")
    m = lmer("angle ~ recipe + temp + (1 | recipe:replicate)", d)
    m.save(tmp_path / "m")
    loaded = ranef.load(tmp_path / "m")
    with pytest.raises(DataError, match=r"model without recipe again.*update\(data=...\).step\(\)"):
        loaded.step()
    with pytest.raises(DataError, match="data are not kept"):
        loaded.update(REML=False)
    assert loaded.update(data=d).step().model.formula == m.step().model.formula
