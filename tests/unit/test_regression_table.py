"""Models side by side: the numbers of lme4, what is blank, and what is said."""

import json
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from markdown_it import MarkdownIt

import ranef
from ranef import ArgumentTypeError, OptionError, RanefWarning, glmer, lmer, load_dataset
from ranef.presentation.term_labels import checked_labels, label_of

TUTORIAL = json.loads((Path(__file__).parents[1] / "reference" / "exam_tutorial.json").read_text())["models"]


@pytest.fixture(scope="module")
def models() -> list[Any]:
    exam = load_dataset("exam")
    return [lmer(m["formula"], exam) for m in TUTORIAL]


def cells(table: Any) -> dict[str, list[str]]:
    """Cells of the Markdown form by label; those below a coefficient by its label and a mark."""
    out: dict[str, list[str]] = {}
    last = ""
    for line in table.to_markdown().splitlines():
        if line.startswith("| ") and line.endswith(" |"):
            label, *rest = [c.strip().replace("\\", "") for c in line[1:-1].split(" | ")]
            last, key = (label, label) if label else (last, f"{last} below")
            out[key] = rest
    return out


def test_the_five_models_of_the_tutorial(models: list[Any]) -> None:
    table = ranef.table(*models)
    shown = cells(table)
    for j, m in enumerate(TUTORIAL):
        r = m["REML"]
        assert shown["AIC"][j] == f"{r['aic']:.1f}"
        assert shown["Log-likelihood"][j] == f"{r['llf']:.1f}"
        assert shown["Observations"][j] == str(r["nobs"])
        assert shown["Levels of school"][j] == "65"
        assert float(shown["SD residual"][j]) == pytest.approx(r["sigma"], rel=1e-3)
        assert shown["Estimated by"][j] == "REML"
    frame = table.to_frame().set_index(["model", "term"])
    for j, (m, fitted) in enumerate(zip(TUTORIAL, models, strict=True)):
        own = frame.loc[f"m{j + 1}"]
        fixed = own[own["part"] == "fixed"]
        np.testing.assert_allclose(fixed["estimate"], fitted.fixef)
        np.testing.assert_allclose(fixed[["lower", "upper"]], fitted.conf_int())
        assert own.loc["bic", "estimate"] == pytest.approx(m["REML"]["bic"], rel=1e-7)
    # What a model does not have is blank, also in the line below.
    assert shown["standLRT"][0] == ""
    assert shown["standLRT below"][0] == ""
    assert shown["standLRT"][1] != ""
    assert any("REML fits with different fixed effects cannot be compared" in note for note in table.notes)


def test_decimals_follow_the_standard_error() -> None:
    m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
    shown = cells(ranef.table(m))
    # lme4 prints 251.405 (6.825) and 10.467 (1.546), 24.741, 5.922, 0.07, 25.592.
    assert shown["(Intercept)"] == ["251.41"]
    assert shown["(Intercept) below"] == ["(6.82)"]
    assert shown["Days"] == ["10.47"]
    assert shown["Days below"] == ["(1.55)"]
    assert shown["SD (Intercept), Subject"] == ["24.74"]
    assert shown["SD Days, Subject"] == ["5.922"]
    assert shown["Correlation (Intercept) with Days, Subject"] == ["0.07"]
    assert shown["SD residual"] == ["25.59"]
    assert cells(ranef.table(m, digits=2))["Days below"] == ["(1.5)"]
    # performance::icc and r2_nakagawa: 0.722, 0.279, 0.799.
    assert [shown[k][0] for k in ("ICC", "R² marginal", "R² conditional")] == ["0.722", "0.279", "0.799"]


def test_intervals_p_values_and_stars() -> None:
    m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
    interval = ranef.table(m, below="ci", level=0.9)
    low, high = m.conf_int(level=0.9).loc["Days"]
    assert cells(interval)["Days below"] == [f"[{low:.2f}, {high:.2f}]"]
    assert "90 %" in interval.notes[0]
    assert "*" not in str(interval)
    starred = ranef.table(m, stars=True)
    assert cells(starred)["Days"] == ["10.47***"]
    assert any("Satterthwaite" in n and "*** p < 0.001" in n for n in starred.notes)
    own = ranef.table(m, stars={"+": 0.1}, ddf="kenward-roger")
    assert cells(own)["Days"] == ["10.47+"]
    assert any("Kenward-Roger" in n for n in own.notes)
    plain = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"), ddf="none")
    both = ranef.table(m, plain, below="p").notes[0]
    assert both == "p-values from t tests with Satterthwaite's degrees of freedom (m); normal tests (plain)."
    assert cells(ranef.table(m, below="p"))["Days below"] == ["p < 0.001"]
    assert "Days below" not in cells(ranef.table(m, below="none"))


def test_what_cannot_be_compared_is_said() -> None:
    sleep = load_dataset("sleepstudy")
    reml = lmer("Reaction ~ Days + (1 | Subject)", sleep)
    ml = reml.update(REML=False)
    fewer = reml.update(data=sleep.iloc[:150])
    other = lmer("log(Reaction) ~ Days + (1 | Subject)", sleep)
    notes = ranef.table(reml, ml, names=["first", "second"]).notes
    assert any(n.startswith("Estimated differently: first by REML; second by ML.") for n in notes)
    assert any("different numbers of rows" in n for n in ranef.table(reml, fewer).notes)
    assert any("different responses: Reaction and log(Reaction)" in n for n in ranef.table(reml, other).notes)
    assert ranef.table(reml, reml).notes == ("Standard errors in brackets.",)


def test_dropped_columns_and_the_boundary() -> None:
    rng = np.random.default_rng(3)
    d = pd.DataFrame({"x": rng.normal(size=80), "g": np.repeat(list("abcdefgh"), 10), "y": rng.normal(size=80)})
    d["twice"] = 2 * d["x"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RanefWarning)
        whole = lmer("y ~ x + twice + (x | g)", d)
    with_twice = lmer("y ~ twice + (1 | h)", d.assign(h=d["g"], y=d["y"] + np.repeat(rng.normal(size=8) * 3, 10)))
    assert whole.is_singular
    table = ranef.table(whole, with_twice)
    shown = cells(table)
    assert shown["twice"][0] == ""
    assert shown["twice"][1] != ""
    assert "whole: twice dropped, as other columns determine it." in table.notes
    assert any(n.startswith("whole: some variance is zero") for n in table.notes)
    assert np.isnan(whole.varcorr["g"].corr[0, 1])
    assert shown["Correlation (Intercept) with x, g"] == ["undefined", ""]
    assert any(n.startswith("undefined:") for n in table.notes)


def test_forms_escape_and_agree() -> None:
    sleep = load_dataset("sleepstudy").rename(columns={"Days": "D_1"})
    m = lmer("Reaction ~ D_1 + (D_1 | Subject)", sleep)
    table = ranef.table(m, labels={"D_1": "Days <of> 50 % & more_", "Subject": "person|s"}, names=["a*b"])
    assert "Days &lt;of&gt; 50 % &amp; more_" in table.to_html()
    assert r"Days \textless{}of\textgreater{} 50 \% \& more\_" in table.to_latex()
    tokens = MarkdownIt("commonmark").enable("table").render(table.to_markdown())
    assert "Days &lt;of&gt; 50 % &amp; more_" in tokens
    assert '<th style="text-align:right">a*b</th>' in tokens
    assert "Days <of> 50 % & more_" in str(table)
    assert "D_1" not in cells(table)
    assert table._repr_html_() == table.to_html()
    assert str(pickle.loads(pickle.dumps(table))) == str(table)
    negative = ranef.table(lmer("normexam ~ standLRT + (1 | school)", load_dataset("exam")), below="ci")
    assert "[$-$0.07" in negative.to_latex()


def test_mistakes() -> None:
    m = lmer("Reaction ~ Days + (1 | Subject)", load_dataset("sleepstudy"))
    with pytest.raises(OptionError, match="at least one"):
        ranef.table()
    with pytest.raises(ArgumentTypeError, match="not str"):
        ranef.table(m, "m2")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="2 different texts"):
        ranef.table(m, m, names=["a"])
    with pytest.raises(OptionError, match="'se', 'ci', 'p', 'none'"):
        ranef.table(m, below="sd")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="statistics must be"):
        ranef.table(m, statistics=["AIC"])
    with pytest.raises(OptionError, match="limits between 0 and 1"):
        ranef.table(m, stars={"*": 5})
    with pytest.raises(ArgumentTypeError, match="labels"):
        ranef.table(m, labels=["a"])  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="digits"):
        ranef.table(m, digits=0)


# ---- generalized models


@pytest.fixture(scope="module")
def herds() -> list[Any]:
    m = glmer("cbind(incidence, size - incidence) ~ period + (1 | herd)", load_dataset("cbpp"), family="binomial")
    return [m, m.update(n_quad=9)]


def test_generalized_models(herds: list[Any]) -> None:
    table = ranef.table(*herds, below="p")
    assert table.title == "Generalized linear mixed models"
    shown = cells(table)
    assert shown["Estimated by"] == ["Laplace", "quadrature, 9 nodes"]
    assert shown["Family"] == ["binomial, logit"] * 2
    assert shown["ICC"] == [f"{m.icc().adjusted:.3f}" for m in herds]
    assert shown["R² conditional"] == [f"{m.r2().conditional:.3f}" for m in herds]
    assert shown["SD (Intercept), herd"] == [f"{m.varcorr['herd'].sd[0]:.4f}" for m in herds]
    assert not {"SD residual", "Dispersion"} & set(shown)
    assert shown["(Intercept) below"] == ["p < 0.001"] * 2
    assert "p-values from normal tests." in table.notes
    assert any("approximated in different ways (Laplace and quadrature, 9 nodes)" in n for n in table.notes)
    frame = table.to_frame()
    fixed = frame[(frame["model"] == "m1") & (frame["part"] == "fixed")]
    np.testing.assert_allclose(fixed["p_value"], herds[0].pvalues)
    np.testing.assert_allclose(fixed["std_error"], herds[0].bse)
    for text in (table.to_latex(), table.to_html(), str(table)):
        assert "binomial, logit" in text


def test_dispersion_and_models_of_both_kinds() -> None:
    sleep = load_dataset("sleepstudy")
    gamma = glmer("Reaction ~ Days + (1 | Subject)", sleep, family="Gamma(log)")
    linear = lmer("Reaction ~ Days + (1 | Subject)", sleep)
    table = ranef.table(gamma, linear, stars=True)
    assert table.title == "Mixed models"
    shown = cells(table)
    assert shown["Dispersion"] == [f"{gamma.dispersion:.4g}", ""]
    assert shown["SD residual"][0] == ""
    assert shown["Estimated by"] == ["Laplace", "REML"]
    assert any(n.startswith("Estimated differently: gamma by ML; linear by REML.") for n in table.notes)
    assert any("Satterthwaite's degrees of freedom (linear)" in n for n in table.notes)
    assert ranef.table(linear).title == "Linear mixed models"
    assert "Family" not in cells(ranef.table(linear))


def test_a_grouping_in_two_orders_has_one_row_and_one_label() -> None:
    data = load_dataset("cake")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RanefWarning)
        nested = lmer("angle ~ 1 + (1 | recipe/replicate)", data, REML=False)
        written = lmer("angle ~ 1 + (1 | recipe) + (1 | recipe:replicate)", data, REML=False)
    plain = cells(ranef.table(nested, written))
    assert plain["Levels of replicate:recipe"] == ["45", "45"]
    assert not any("recipe:replicate" in label for label in plain)
    for name in ("recipe:replicate", "replicate:recipe"):
        shown = cells(ranef.table(nested, written, labels={name: "Batter"}))
        assert shown["Levels of Batter"] == ["45", "45"]
        assert len(set(shown["SD (Intercept), Batter"])) == 1


def test_labels_reach_the_factors_in_the_brackets_of_a_nesting() -> None:
    labels = {"pupil": "Pupil", "class": "Class", "school": "School"}
    name = "pupil:(class:school)"
    assert label_of(name, checked_labels(labels, [name])) == "Pupil × Class × School"
    assert label_of(name, checked_labels({"school:class:pupil": "Pupil"}, [name])) == "Pupil"
    assert label_of("poly(a:b, 2)", {"a": "A"}) == "poly(a:b, 2)"
    with pytest.raises(OptionError, match="'home', which does not occur"):
        checked_labels({"home": "Home"}, [name])


def test_parts_of_a_model_have_sections() -> None:
    """Zeros and dispersion as glmmTMB 1.1.5 has them, thresholds as ordinal 2022.11 has them."""
    plants = load_dataset("arabidopsis").rename(columns={"total.fruits": "fruits"})
    plants["rich"] = (plants["nutrient"] > 1).map({True: "yes", False: "no"})
    formula = "fruits ~ rich + amd + (1 | popu)"
    m = glmer(formula, plants, family="nbinom2", zi_formula="~ rich + (1 | popu)", disp_formula="~ rich")
    frame = ranef.table(m, below="p").to_frame().set_index(["part", "term"])
    expected = {
        ("zi", "(Intercept)"): (-3.78486733, 1.14518191, 0.00094964238),
        ("zi", "rich[T.yes]"): (-0.43244526, 0.41567915, 0.29818463623),
        ("disp", "(Intercept)"): (-0.50968324, 0.11021369, 3.7550285e-06),
        ("disp", "rich[T.yes]"): (0.62247687, 0.14378144, 1.4956570e-05),
    }
    for key, values in expected.items():
        own = frame.loc[[key]].iloc[0]
        assert own[["estimate", "std_error", "p_value"]].tolist() == pytest.approx(values, rel=2e-4), key
        assert own["upper"] - own["estimate"] == pytest.approx(1.959964 * values[1], rel=2e-4)
    plain = glmer(formula, plants, family="nbinom2")
    shown = str(ranef.table(plain, m))
    for line in ("Zero-inflation model", "Dispersion model", "m: " + formula + "; zi ~ rich + (1 | popu); disp ~ rich"):
        assert f"\n{line}\n" in shown
    apa = ranef.table(m, style="apa")
    assert "Dispersion model" in str(apa)
    assert apa.to_frame()["statistic"].notna().sum() == 3 + 4
    wine = load_dataset("wine")
    ordered = ranef.clmm("rating ~ temp + contact + (1 | judge)", wine)
    table = ranef.table(ordered, below="p")
    assert table.title == "Cumulative link mixed models"
    thresholds = table.to_frame().query("part == 'thresholds'")
    assert thresholds["estimate"].tolist() == pytest.approx([-1.6237, 1.5134, 4.2285, 6.0888], abs=1e-4)
    assert thresholds["std_error"].tolist() == pytest.approx([0.6824, 0.6038, 0.8090, 0.9725], abs=2e-4)
    assert thresholds["p_value"].isna().all()


def test_parameters_of_a_shape_and_what_weights_leave_out() -> None:
    rng = np.random.default_rng(3)
    d = pd.DataFrame({"g": np.repeat(np.arange(12), 20), "x": rng.normal(size=240), "w": rng.uniform(1, 2, 240)})
    d["y"] = 0.5 * d["x"] + rng.normal(size=12)[d["g"]] + rng.standard_t(4, 240)
    heavy = glmer("y ~ x + (1 | g)", d, family="t")
    df = heavy.family_params["df"]
    assert f"Family: t(df = {df:.4g})  ( identity )" in str(heavy.summary())
    shown = cells(ranef.table(heavy))
    assert float(shown["Shape: df"][0]) == pytest.approx(df, rel=1e-2)
    weighted = lmer("y ~ x + (1 | g)", d, sampling_weights={"rows": "w"})
    table = ranef.table(weighted)
    assert "AIC" not in cells(table)
    assert any("pseudo-likelihood, which has no AIC" in note for note in table.notes)
    for text in (str(weighted.summary()), weighted.summary().to_markdown(), weighted.summary().to_html()):
        assert "NaN" not in text
        assert "logLik" in text
