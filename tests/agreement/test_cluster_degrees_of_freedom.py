"""Tests that rest on the scores of clusters have the number of clusters less one as degrees of
freedom, wherever they are shown: against t and F of SciPy with WeMix's estimates, and with the
matrices of the fit.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import ranef
from ranef import OptionError, clmm, glmer, lmer, load_dataset, nlmer
from reference.store import load_data

pytestmark = pytest.mark.filterwarnings("ignore::ranef.RanefWarning")

REFERENCE = Path(__file__).parents[1] / "reference" / "priors_and_weights.json"
SURVEY = load_data("sim_survey")
BOTH = {"rows": "w1", "g": "w2"}
#: Twelve of the clusters, where t is far from normal, with a factor.
FEW = SURVEY[SURVEY["g"].astype(str) <= "g12"].reset_index(drop=True)
FEW["g"] = FEW["g"].cat.remove_unused_categories()
FEW["f"] = pd.Categorical(np.array(["a", "b", "c"])[np.arange(len(FEW)) % 3])
FEW["rank"] = pd.Categorical(pd.cut(FEW["y"], [-np.inf, -0.5, 0.8, np.inf], labels=["l", "m", "h"]), ordered=True)
RNG = np.random.default_rng(4)
ZEROS = RNG.random(len(FEW)) < 1 / (1 + np.exp(0.5 - FEW["x"]))
FEW["count"] = np.where(ZEROS, 0, RNG.poisson(np.exp(1.0 + 0.3 * FEW["x"] + 0.3 * (FEW["g"].cat.codes % 3))))
DF = 11

FITS = {
    "lmer": lambda: lmer("y ~ x + f + (1 | g)", FEW, sampling_weights=BOTH),
    "glmer": lambda: glmer("yb ~ x + f + (1 | g)", FEW, family="binomial", sampling_weights=BOTH),
    "clmm": lambda: clmm("rank ~ x + f + (1 | g)", FEW, sampling_weights=BOTH),
    "zi": lambda: glmer("count ~ x + f + (1 | g)", FEW, family="poisson", zi_formula="~ x", sampling_weights=BOTH),
}


@pytest.fixture(scope="module", params=FITS)
def m(request: Any) -> Any:
    return FITS[request.param]()


def by_hand(m: Any, row: np.ndarray, df: float = DF) -> tuple[float, float, float, float, float]:
    """Statistic, p-value and limits of a contrast, and its standard error."""
    p = len(m.fixef)
    v = m._fit.vcov[:p, :p]
    b, se = float(row @ m.fixef.to_numpy()), float(np.sqrt(row @ v @ row))
    half = stats.t.ppf(0.975, df) * se
    return b / se, 2 * stats.t.sf(abs(b / se), df), b - half, b + half, se


def f_by_hand(m: Any, rows: np.ndarray) -> tuple[float, float]:
    p = len(m.fixef)
    v = m._fit.vcov[:p, :p]
    b = rows @ m.fixef.to_numpy()
    f = float(b @ np.linalg.solve(rows @ v @ rows.T, b)) / len(rows)
    return f, float(stats.f.sf(f, len(rows), DF))


@pytest.mark.parametrize("case", ["wx_linear", "wx_linear_slope", "wx_linear_level2", "wx_logit"])
def test_p_values_of_wemix_estimates(case: str) -> None:
    best = next(c for c in json.loads(REFERENCE.read_text())["cases"] if c["id"] == case)["best"]
    formula = "~ x + (1 + x | g)" if "slope" in case else "~ x + (1 | g)"
    weights = {"g": "w2"} if "level2" in case else BOTH
    if case == "wx_logit":
        m: Any = glmer(f"yb {formula}", SURVEY, family="binomial", n_quad=21, sampling_weights=weights)
    else:
        m = lmer(f"y {formula}", SURVEY, sampling_weights=weights)
    b, se = np.array(list(best["beta"].values())), np.array(list(best["se_robust"].values()))
    assert m.ddf == "clusters"
    assert m.df.tolist() == [59.0, 59.0]
    # as precise as the standard errors are that both have
    np.testing.assert_allclose(stats.t.isf(m.pvalues / 2, 59), np.abs(b / se), rtol=6e-3)
    half = stats.t.ppf(0.975, 59) * se
    np.testing.assert_allclose(m.conf_int(), np.column_stack([b - half, b + half]), atol=6e-3 * half.max())


def test_coefficients_everywhere(m: Any) -> None:
    j = m.fixef.index.tolist().index("x")
    row = np.eye(len(m.fixef))[j]
    t, p, low, high, se = by_hand(m, row)
    assert m.df["x"] == DF
    assert m.pvalues["x"] == pytest.approx(p, rel=1e-9)
    assert m.conf_int().loc["x"].tolist() == pytest.approx([low, high], rel=1e-9)
    tidy = m.tidy("fixed", conf_int=True)
    own = tidy[(tidy["effect"] == "fixed") & (tidy["term"] == "x")].iloc[0]
    names = ["std_error", "statistic", "df", "p_value", "conf_low", "conf_high"]
    assert own[names].tolist() == pytest.approx([se, t, DF, p, low, high], rel=1e-9)
    fixed = m.summary().tables["fixed_effects"].loc["x"]
    assert fixed[["df", "statistic", "p_value"]].tolist() == pytest.approx([DF, t, p], rel=1e-9)
    text = str(m.summary())
    assert "t value Pr(>|t|)" in text
    assert "z value" not in text
    single = m.test("x").iloc[0]
    assert single[["df", "p_value", "lower", "upper"]].tolist() == pytest.approx([DF, p, low, high], rel=1e-9)
    upper = m.test("x", alternative="greater").iloc[0]
    assert upper["p_value"] == pytest.approx(stats.t.sf(t, DF), rel=1e-9)
    apa = ranef.table(m, style="apa")
    frame = apa.to_frame().query("part == 'fixed'").set_index("term").loc["x"]
    shown = ["df", "p_value", "lower", "upper"]
    assert frame[shown].tolist() == pytest.approx([DF, p, low, high], rel=1e-9)
    assert "Degrees of freedom are the number of clusters less one." in " ".join(str(apa).split())
    assert "number of clusters less one" in str(ranef.table(m, stars=True))


def test_several_effects_together(m: Any) -> None:
    names = m.fixef.index.tolist()
    rows = np.eye(len(names))[[names.index("f[T.b]"), names.index("f[T.c]")]]
    f, p = f_by_hand(m, rows)
    columns = ["num_df", "den_df", "f_value", "p_value"]
    expected = pytest.approx([2, DF, f, p], rel=1e-7)
    assert m.test(["f[T.b]", "f[T.c]"]).iloc[0][columns].tolist() == expected
    for kind in (2, 3):
        assert m.anova(kind).loc["f", columns].tolist() == expected
    assert m.joint_tests().loc["f", columns].tolist() == expected


def test_marginal_means_and_their_contrasts(m: Any) -> None:
    names = m.fixef.index.tolist()
    frame = m.emmeans("f").contrast("pairwise", adjust="none").to_frame()
    row = -np.eye(len(names))[names.index("f[T.b]")]
    t, p, low, high, _ = by_hand(m, row)
    own = frame[["df", "statistic", "p_value", "lower", "upper"]].iloc[0].tolist()
    assert own == pytest.approx([DF, t, p, low, high], rel=1e-6)
    tukey = m.emmeans("f").contrast("pairwise").to_frame()["p_value"].iloc[0]
    assert tukey == pytest.approx(stats.studentized_range.sf(abs(t) * np.sqrt(2), 3, DF), rel=1e-5)


def test_normal_tests_on_request(m: Any) -> None:
    row = np.eye(len(m.fixef))[m.fixef.index.tolist().index("x")]
    z, p, low, high, _ = by_hand(m, row, 1e12)
    tidy = m.tidy("fixed", ddf="none", conf_int=True)
    own = tidy[(tidy["effect"] == "fixed") & (tidy["term"] == "x")].iloc[0]
    assert "df" not in tidy
    assert own[["p_value", "conf_low", "conf_high"]].tolist() == pytest.approx([p, low, high], rel=1e-6)
    assert m.conf_int(ddf="none").loc["x"].tolist() == pytest.approx([low, high], rel=1e-9)
    assert "z value Pr(>|z|)" in str(m.summary(ddf="none"))
    assert "t value" not in str(m.summary(ddf="none"))
    assert m.anova(ddf="none").loc["x", "chisq"] == pytest.approx(z**2, rel=1e-9)
    assert np.isinf(m.emmeans("f", ddf="none").to_frame()["df"]).all()
    with pytest.raises(OptionError, match="number of clusters less one, ddf='clusters', or are normal"):
        m.summary(ddf="kenward-roger")


def test_a_fit_that_asks_for_normal_tests() -> None:
    one = lmer("y ~ x + (1 | g)", FEW, sampling_weights=BOTH, ddf="none")
    two = lmer("y ~ x + (1 | g)", FEW, sampling_weights=BOTH)
    assert (one.ddf, two.ddf) == ("none", "clusters")
    np.testing.assert_array_equal(one.conf_int(), two.conf_int(ddf="none"))
    assert "z value" in str(one.summary())
    assert one.tidy("fixed", ddf="clusters")["p_value"].tolist() == two.pvalues.tolist()


def test_thresholds_and_zeros() -> None:
    for fit, name, term in (("clmm", "thresholds", "l|m"), ("zi", "zi", "x")):
        m = FITS[fit]()
        part = m.component(name)
        t = part.fixef[term] / part.bse[term]
        half = stats.t.ppf(0.975, DF) * part.bse[term]
        assert part.pvalues[term] == pytest.approx(2 * stats.t.sf(abs(t), DF), rel=1e-9)
        limits = pytest.approx([part.fixef[term] - half, part.fixef[term] + half], rel=1e-9)
        assert part.conf_int().loc[term].tolist() == limits
        assert m.conf_int(component=name).loc[term].tolist() == limits
        tidy = m.tidy("fixed", conf_int=True)
        own = tidy[(tidy["effect"] == name) & (tidy["term"] == term)].iloc[0]
        assert own["df"] == DF
        assert own[["conf_low", "conf_high"]].tolist() == limits
    slope = m.emtrends("~ 1", "x", component="zi").to_frame().iloc[0]
    assert slope["df"] == DF
    assert slope[["lower", "upper"]].tolist() == limits
    whole = m.emmeans("f", component="response").to_frame().iloc[0]
    half = stats.t.ppf(0.975, DF) * whole["std_error"]
    assert [whole["lower"], whole["upper"]] == pytest.approx([whole["estimate"] - half, whole["estimate"] + half])


def test_strata_count() -> None:
    d = FEW.assign(stratum=np.where(FEW["g"].cat.codes < 5, "a", "b"))
    m = glmer("yb ~ x + (1 | g)", d, family="binomial", sampling_weights=BOTH, strata="stratum")
    assert m.df.tolist() == [10.0, 10.0]
    z = m.fixef["x"] / m.bse["x"]
    assert m.pvalues["x"] == pytest.approx(2 * stats.t.sf(abs(z), 10), rel=1e-9)
    assert "(12 clusters of g), their tests with 10 degrees of freedom" in str(m.summary())


def test_crossed_factors_leave_no_clusters() -> None:
    d = FEW.assign(h=np.arange(len(FEW)) % 7)
    m = glmer("yb ~ x + (1 | g) + (1 | h)", d, family="binomial", sampling_weights={"rows": "w1"})
    assert m.ddf == "none"
    assert np.isinf(m.df).all()


def test_robust_covariances_of_generalized_models() -> None:
    d = FEW
    m = glmer("yb ~ x + f + (1 | g)", d, family="binomial")
    robust: dict[str, Any] = {"cov": "CR1", "cluster": "g"}
    v = m.cov_params(**robust)
    se = float(np.sqrt(v.loc["x", "x"]))
    t, half = m.fixef["x"] / se, stats.t.ppf(0.975, DF) * se
    own = m.test("x", **robust).iloc[0]
    expected = [DF, 2 * stats.t.sf(abs(t), DF), m.fixef["x"] - half, m.fixef["x"] + half]
    assert own[["df", "p_value", "lower", "upper"]].tolist() == pytest.approx(expected, rel=1e-9)
    assert m.conf_int(**robust).loc["x"].tolist() == pytest.approx(expected[2:], rel=1e-9)
    names = ["f[T.b]", "f[T.c]"]
    b = m.fixef[names].to_numpy()
    f = float(b @ np.linalg.solve(v.loc[names, names], b)) / 2
    joint = pytest.approx([2, DF, f, stats.f.sf(f, 2, DF)], rel=1e-9)
    for frame, label in ((m.anova(**robust), "f"), (m.test(names, **robust), ", ".join(names))):
        assert frame.loc[label, ["num_df", "den_df", "f_value", "p_value"]].tolist() == joint
    assert m.test("x", ddf="none", **robust).iloc[0]["p_value"] == pytest.approx(2 * stats.norm.sf(abs(t)), rel=1e-9)
    assert m.pvalues["x"] == pytest.approx(2 * stats.norm.sf(abs(m.zvalues["x"])), rel=1e-9)
    with pytest.raises(OptionError, match="sampling_weights= or a robust cov="):
        m.summary(ddf="clusters")


def test_a_curve_has_normal_tests_and_no_sandwich() -> None:
    m = nlmer("circumference ~ SSlogis(age, Asym, xmid, scal) ~ (Asym | Tree)", load_dataset("Orange"))
    assert m.ddf == "none"
    with pytest.raises(OptionError, match="no cluster-robust covariance of a nonlinear model"):
        m.test("Asym = 150", cov="CR1", cluster="Tree")


def test_weights_leave_no_room_for_another_covariance() -> None:
    for m in (FITS["lmer"](), FITS["glmer"]()):
        with pytest.raises(OptionError, match="robust already"):
            m.tidy("fixed", cov="CR1", cluster="g")
    with pytest.raises(OptionError, match="takes ddf='satterthwaite'"):
        lmer("y ~ x + (1 | g)", FEW).summary(ddf="clusters")


@pytest.mark.parametrize("ddf", ["kenward-roger", "between-within", "residual"])
def test_fits_refuse_degrees_of_freedom_that_their_tests_do_not_have(ddf: Any) -> None:
    with pytest.raises(OptionError, match="without priors and sampling weights"):
        lmer("y ~ x + (1 | g)", FEW, sampling_weights=BOTH, ddf=ddf)
    with pytest.raises(OptionError, match="without priors and sampling weights"):
        lmer("y ~ x + (1 | g)", FEW, prior={"cov": ranef.priors.Gamma()}, ddf=ddf)
    weighted = FITS["lmer"]()
    with pytest.raises(OptionError, match="without priors and sampling weights"):
        weighted.update(ddf=ddf)


def test_fits_take_degrees_of_freedom_that_their_tests_have() -> None:
    formula = "y ~ x + f + (1 | g)"
    counted = lmer(formula, FEW, sampling_weights=BOTH, ddf="clusters")
    assert counted.df.tolist() == FITS["lmer"]().df.tolist() == [11.0] * 4
    assert np.isinf(lmer(formula, FEW, sampling_weights=BOTH, ddf="none").df).all()
    with pytest.raises(OptionError, match="sampling_weights= or a robust cov="):
        lmer(formula, FEW, prior={"cov": ranef.priors.Gamma()}, ddf="clusters")


@pytest.mark.usefixtures("undrawn")
def test_words(tmp_path: Path) -> None:
    page = FITS["glmer"]().report(tmp_path / "r.html").read_text(encoding="utf-8")
    assert "t tests with the number of clusters less one as degrees of freedom" in page
    assert "z tests" not in page
