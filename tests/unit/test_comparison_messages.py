"""What comparisons of models say, refuse, and need."""

import math
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import ranef
from ranef.results.linear import LinearMixedModel


@pytest.fixture(scope="module")
def sleep() -> pd.DataFrame:
    return ranef.load_dataset("sleepstudy")


@pytest.fixture(scope="module")
def intercepts(sleep: pd.DataFrame) -> LinearMixedModel:
    return ranef.lmer("Reaction ~ Days + (1 | Subject)", sleep)


@pytest.fixture(scope="module")
def slopes(sleep: pd.DataFrame) -> LinearMixedModel:
    return ranef.lmer("Reaction ~ Days + (Days | Subject)", sleep)


def test_anova_orders_and_says_what_it_did(intercepts: LinearMixedModel, slopes: LinearMixedModel) -> None:
    table = ranef.anova(slopes, intercepts)
    assert list(table.index) == ["intercepts", "slopes"]
    assert list(table.columns) == [
        "npar",
        "aic",
        "bic",
        "llf",
        "deviance",
        "chisq",
        "df",
        "p_value",
        "p_value_boundary",
    ]
    text = str(table)
    assert text.startswith(
        "Likelihood-ratio tests (maximum likelihood)\nModels:\nintercepts: Reaction ~ Days + (1 | Subject)\n"
    )
    assert "Note: slopes, intercepts were refitted by ML for the comparison, instead of REML" in text
    assert "0.5 chi2(1) + 0.5 chi2(2)" in text
    assert "<table>" in table._repr_html_()
    assert type(table[["chisq"]]) is pd.DataFrame
    assert type(table.loc["slopes"]) is pd.Series
    assert ranef.anova(slopes, intercepts, names=["full", "small"]).index.tolist() == ["small", "full"]


def test_no_boundary_no_column(sleep: pd.DataFrame, intercepts: LinearMixedModel) -> None:
    table = ranef.anova(ranef.lmer("Reaction ~ 1 + (1 | Subject)", sleep, REML=False), intercepts)
    assert list(table.columns) == ["npar", "aic", "bic", "llf", "deviance", "chisq", "df", "p_value"]
    assert table.attrs["notes"] == ("m2 was refitted by ML for the comparison, instead of REML",)


def test_fixed_and_random_terms_at_once(sleep: pd.DataFrame, slopes: LinearMixedModel) -> None:
    """A fixed effect adds one ordinary degree of freedom to the mixture."""
    table = ranef.anova(ranef.lmer("Reaction ~ 1 + (1 | Subject)", sleep), slopes)
    assert "0.5 chi2(2) + 0.5 chi2(3)" in str(table)


def test_models_that_are_not_nested(sleep: pd.DataFrame) -> None:
    a = ranef.lmer("Reaction ~ Days + (1 | Subject)", sleep)
    b = ranef.lmer("Reaction ~ I(Days^2) + (1 | Subject)", sleep)
    table = ranef.anova(a, b)
    assert table["df"].iloc[1] == 0
    assert math.isnan(table["p_value"].iloc[1])
    assert (table["chisq"].iloc[1:] >= 0).all()
    c = ranef.lmer("Reaction ~ sin(Days) + cos(Days) + (1 | Subject)", sleep)
    table = ranef.anova(a, c)
    assert table["chisq"].iloc[1] == 0
    assert "fits worse" in str(table)


def test_refusals(sleep: pd.DataFrame, intercepts: LinearMixedModel, slopes: LinearMixedModel) -> None:
    with pytest.raises(ranef.OptionError, match=r"m\.anova"):
        ranef.anova(slopes)
    with pytest.raises(ranef.ArgumentTypeError, match="DataFrame"):
        ranef.anova(slopes, sleep)  # type: ignore[arg-type]
    with pytest.raises(ranef.OptionError, match="names"):
        ranef.anova(slopes, intercepts, names=["a"])
    with pytest.raises(ranef.OptionError, match="names"):
        ranef.anova(slopes, intercepts, names=["a", "a"])
    for other, message in (
        (ranef.lmer("Reaction ~ Days + (1 | Subject)", sleep.iloc[:170]), "180 and 170"),
        (ranef.lmer("log(Reaction) ~ Days + (1 | Subject)", sleep), "different responses"),
        (ranef.lmer("Reaction ~ Days + (1 | Subject)", sleep.iloc[::-1]), "another order"),
        (ranef.lmer("Reaction ~ Days + (1 | Subject)", sleep, weights=np.arange(1.0, 181.0)), "weights"),
    ):
        with pytest.raises(ranef.DataError, match=message):
            ranef.anova(slopes, other)
    null = ranef.lmer("Reaction ~ 1 + (1 | Subject)", sleep)
    with pytest.raises(ranef.OptionError, match="different fixed effects"):
        ranef.anova(slopes, null, refit=False)
    with pytest.raises(ranef.OptionError, match="REML and others by ML"):
        ranef.anova(slopes, intercepts.update(REML=False), refit=False)
    with pytest.raises(ranef.OptionError, match="test must be"):
        slopes.drop1("lrt")  # type: ignore[arg-type]
    with pytest.raises(ranef.OptionError, match="ddf is for F tests"):
        slopes.drop1(ddf="satterthwaite")
    with pytest.raises(ranef.OptionError, match="alpha_fixed"):
        slopes.step(alpha_fixed=5)
    with pytest.raises(ranef.OptionError, match="test must be"):
        slopes.step(test="z")  # type: ignore[arg-type]


def test_equal_weights_are_no_weights(
    sleep: pd.DataFrame, intercepts: LinearMixedModel, slopes: LinearMixedModel
) -> None:
    weighted = ranef.lmer("Reaction ~ Days + (1 | Subject)", sleep, weights=np.ones(180))
    assert ranef.anova(weighted, slopes)["chisq"].iloc[1] == pytest.approx(
        ranef.anova(intercepts, slopes)["chisq"].iloc[1], abs=1e-7
    )


def test_scope() -> None:
    m = ranef.lmer("angle ~ recipe * temp + I(temp^2) + (1 | recipe:replicate)", ranef.load_dataset("cake"))
    assert list(m.drop1().index) == ["<none>", "I(temp^2)", "recipe:temp"]
    assert list(m.drop1(scope="temp:recipe").index) == ["<none>", "recipe:temp"]
    assert list(m.drop1(scope="~ I(temp^2)").index) == ["<none>", "I(temp^2)"]
    with pytest.raises(ranef.OptionError, match="recipe:temp, which contains it"):
        m.drop1(scope=["recipe"])
    with pytest.raises(ranef.OptionError, match="no fixed term"):
        m.drop1(scope="nothing")
    with pytest.raises(ranef.ArgumentTypeError, match="scope"):
        m.drop1(scope=3)  # type: ignore[arg-type]


def test_a_saved_model_is_compared_without_its_data(
    tmp_path: Path, intercepts: LinearMixedModel, slopes: LinearMixedModel
) -> None:
    slopes.save(tmp_path / "m")
    loaded = ranef.load(tmp_path / "m")
    pd.testing.assert_frame_equal(
        pd.DataFrame(ranef.anova(intercepts, loaded, names=["a", "b"])),
        pd.DataFrame(ranef.anova(intercepts, slopes, names=["a", "b"])),
    )
    pd.testing.assert_frame_equal(pd.DataFrame(loaded.ranova()), pd.DataFrame(slopes.ranova()))
    pd.testing.assert_frame_equal(pd.DataFrame(loaded.drop1()), pd.DataFrame(slopes.drop1()))
    assert loaded.step().model is loaded  # nothing goes, so nothing is fitted
    with pytest.raises(ranef.DataError, match="data are not kept"):
        loaded.step(alpha_random=0, alpha_fixed=0)


def test_step_keeps_the_last_random_effect_and_says_so() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ranef.RanefWarning)
        m = ranef.lmer("Yield ~ 1 + (1 | Batch)", ranef.load_dataset("dyestuff2"))
    found = m.step()
    assert found.model is m
    assert any("last random effect" in note for note in found.notes)
    assert any("final model is singular (Batch)" in note for note in found.notes)
    assert "Model found: Yield ~ 1 + (1 | Batch)" in str(found)
    assert "<table>" in found._repr_html_()


def test_step_refuses_rows_that_come_back(sleep: pd.DataFrame) -> None:
    rng = np.random.default_rng(3)
    data = sleep.assign(noise=rng.standard_normal(180))
    data.loc[5, "noise"] = np.nan
    m = ranef.lmer("Reaction ~ Days + noise + (Days | Subject)", data)
    with pytest.raises(ranef.DataError, match="180 rows instead of 179"):
        m.step(alpha_fixed=0.001)


def test_step_keeps_offsets_weights_and_contrasts(sleep: pd.DataFrame) -> None:
    rng = np.random.default_rng(4)
    data = sleep.assign(noise=rng.standard_normal(180), off=0.1, part=np.where(sleep["Days"] % 2 == 0, "a", "b"))
    m = ranef.lmer(
        "Reaction ~ 0 + Days + noise + part + offset(off) + (Days || Subject)",
        data,
        weights="Days + 1",
        contrasts={"part": "sum"},
    )
    found = m.step(alpha_fixed=1e-8).model
    assert found.formula == "Reaction ~ part + (1 | Subject) + (0 + Days | Subject) + offset(off) - 1"
    assert "noise" not in found.formula
    assert "(Intercept)" not in found.fixef.index
    assert found._fit.design.weights is not None


def test_kenward_roger_deletions() -> None:
    """R finds F 32.803 on (2, 4) at the optimum, and 32.802 where lme4 stops by default;
    by Satterthwaite 41.00.
    """
    m = ranef.lmer("score ~ Machine + (Machine | Worker)", ranef.load_dataset("machines"))
    row = m.drop1("f", ddf="kenward-roger").loc["Machine"]
    assert row["f_value"] == pytest.approx(32.803, abs=1e-3)
    assert row["den_df"] == pytest.approx(4, abs=1e-3)
    assert m.drop1("f").loc["Machine", "f_value"] == pytest.approx(41.003, abs=3e-3)


def test_models_of_the_same_size_are_not_nested(sleep: pd.DataFrame) -> None:
    data = sleep.assign(late=(sleep.Days > 4).astype(int))
    models = [ranef.lmer(f"Reaction ~ {x} + (1 | Subject)", data, REML=False) for x in ("Days", "late")]
    table = ranef.anova(*models)
    assert math.isnan(table["p_value"].iloc[1])
    assert any("m1 and m2 have the same number of parameters" in note for note in table.attrs["notes"])
    assert not any("more parameters" in note for note in table.attrs["notes"])
