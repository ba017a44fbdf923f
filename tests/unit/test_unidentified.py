"""By REML nothing is known of the variance of a random effect that the fixed effects explain.

The other effects are estimated all the same.
"""

import warnings

import numpy as np
import pandas as pd
import pytest

import ranef
from unit import dense_lmm

# lme4 1.1-31 with bobyqa to rhoend = 1e-10: criterion and standard deviations of what is
# identified. It gives 0.930, 1.312, 0.359 and 1.404 for what is not.
LME4 = {
    "y ~ f + x + (x | a)": (288.61908121, {("a", "x"): 1.4749171, "sigma": 0.9497223}),
    "y ~ f + (c | a)": (364.34519651, {("a", "c"): 0.0, "sigma": 1.509280}),
    "y ~ f + (1 | a / b)": (362.38330953, {("b:a", "(Intercept)"): 0.5243307, "sigma": 1.4313714}),
    "y ~ f + x + (x | a) + (1 | a:b)": (
        283.98331492,
        {("a:b", "(Intercept)"): 0.42588303, ("a", "x"): 1.45625751, "sigma": 0.86747399},
    ),
}


def data() -> pd.DataFrame:
    rng = np.random.default_rng(11)
    a, x = np.repeat(np.arange(4), 25), np.round(rng.normal(size=100), 3)
    d = pd.DataFrame({"x": x, "a": a, "c": np.tile(np.arange(2), 50), "b": np.tile(np.repeat(np.arange(5), 5), 4)})
    d["f"] = np.array(list("wxyz"))[a]
    noise, slopes = rng.normal(size=100), 1.2 * rng.normal(size=4)[a]
    d["y"] = np.round(noise + slopes * x + 0.6 * rng.normal(size=20)[a * 5 + d["b"]], 3)
    return d


def fitted(formula: str, d: object, **options: object):
    """The model and what was said of it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        m = ranef.lmer(formula, d, **options)
    return m, " ".join(str(w.message) for w in caught)


@pytest.mark.parametrize("formula", LME4)
def test_what_is_identified_is_that_of_lme4(formula) -> None:
    m, said = fitted(formula, data())
    criterion, sds = LME4[formula]
    assert m.objective == pytest.approx(criterion, abs=2e-7)
    assert m.convergence.ok
    assert f"(Intercept) in ({formula[formula.index('(') + 1 : formula.index(')')]}) is not identified" in said or (
        "(1 | a) is not identified" in said
    )
    for key, sd in sds.items():
        if key == "sigma":
            assert m.sigma == pytest.approx(sd, rel=1e-6)
        else:
            block = m.varcorr[key[0]]
            assert block.sd[block.names.index(key[1])] == pytest.approx(sd, rel=1e-6, abs=1e-6)


def test_the_criterion_is_the_same_for_any_variance_in_plain_algebra() -> None:
    m, _ = fitted("y ~ f + x + (x | a)", data())
    fit = m._fit
    term = fit.design.random[0]
    factors = [(term.codes, len(term.levels), [(term.z, term.structure)])]
    system = dense_lmm.LmmSystem(fit.x, fit.design.y, None, factors)
    slope = m.varcorr["a"].sd[1] / m.sigma
    for own, shared in ((0.1, 0.0), (1.0, 0.3), (7.0, -0.9)):
        theta = np.array([own, shared * slope, np.sqrt(1 - shared**2) * slope])
        assert system.solution(theta, True)["reml_criterion"] == pytest.approx(m.objective, abs=1e-7)


def test_no_false_error_and_always_said() -> None:
    for formula in ("y ~ f + x + (x | a)", "y ~ f + (c | a)", "y ~ f + (1 | a / b / c)"):
        for seed in range(25):
            rng = np.random.default_rng(seed)
            a, x = np.repeat(np.arange(3), 30), rng.normal(size=90)
            d = {"y": rng.normal(size=90) + rng.normal(size=3)[a] * x, "a": a, "x": x, "f": np.array(list("xyz"))[a]}
            d |= {"c": np.tile(np.arange(2), 45), "b": np.tile(np.repeat(np.arange(3), 10), 3)}
            m, said = fitted(formula, d)
            assert m.convergence.ok, (formula, seed)
            assert "is not identified" in said, (formula, seed)


def test_it_depends_on_neither_origin_nor_unit() -> None:
    near, _ = fitted("y ~ f + x + (x | a)", data())
    far, said = fitted("y ~ f + x + (x | a)", data().assign(x=1e-3 * (data()["x"] + 1e5)))
    assert "(Intercept) in (x | a) is not identified" in said
    assert far.varcorr["a"].sd[1] == pytest.approx(1e3 * near.varcorr["a"].sd[1], rel=1e-6)
    np.testing.assert_allclose(far.fittedvalues, near.fittedvalues, atol=1e-6)
    np.testing.assert_allclose(far.hatvalues(), near.hatvalues(), rtol=1e-6)


def test_other_ways_of_writing_it() -> None:
    d = data().assign(w=1 + np.arange(100) % 3)
    _, said = fitted("y ~ f * x + (x | a)", d, weights="w")
    assert "the variance of (x | a) is not identified" in said
    _, said = fitted("y ~ f + x + (x || a)", d)
    assert "(1 | a) is not identified" in said
    m, said = fitted("y ~ f + x + diag(x | a)", d)
    assert "(Intercept) in (x | a) is not identified" in said
    assert m.varcorr["a"].sd[1] == pytest.approx(LME4["y ~ f + x + (x | a)"][1]["a", "x"], rel=1e-6)
    # Each level's mean has a fixed effect under any coding, and a combination of the columns is
    # what is not identified.
    _, said = fitted("y ~ 0 + f + x + (0 + x + I(x + 1) | a)", d)
    assert "is not identified" in said
    # By maximum likelihood all is identified.
    _, said = fitted("y ~ f + x + (x | a)", d, REML=False)
    assert "not identified" not in said
    _, said = fitted("y ~ x + (x | a)", d)
    assert "not identified" not in said


@pytest.mark.parametrize("ddf", ["satterthwaite", "kenward-roger"])
def test_degrees_of_freedom_leave_out_what_is_not_identified(ddf) -> None:
    m, _ = fitted("y ~ f + x + (x | a)", data())
    terms = m.anova(ddf=ddf)
    # Of the slope nothing is estimated but its variance between four groups; the levels of f have a
    # variance in proportion to that of the residuals.
    assert terms.loc["x", "den_df"] == pytest.approx(3, abs=1e-3)
    assert terms.loc["f", "den_df"] == pytest.approx(92, abs=0.01)
    assert "2 combinations of covariance parameters are not determined" in " ".join(terms.attrs["notes"])
    single = m.tidy("fixed", ddf=ddf)
    assert np.isfinite(single[["std_error", "df", "p_value"]].to_numpy()).all()
    far, _ = fitted("y ~ f + x + (x | a)", data().assign(x=data()["x"] + 2e5))
    assert far.anova(ddf=ddf).loc["x", "f_value"] == pytest.approx(terms.loc["x", "f_value"], rel=1e-4)
    assert far.anova(ddf=ddf).loc["f", "den_df"] == pytest.approx(terms.loc["f", "den_df"], rel=1e-4)


def test_kenward_roger_of_the_slope_is_that_of_the_model_without_the_intercept() -> None:
    # Fixed intercepts of all groups leave the model of slopes within them.
    d = data()
    m, _ = fitted("y ~ f + x + (x || a)", d)
    slopes = ranef.lmer("y ~ f + x + (0 + x | a)", d)
    for ddf in ("satterthwaite", "kenward-roger"):
        a, b = (k.tidy("fixed", ddf=ddf).iloc[-1] for k in (m, slopes))
        for name in ("std_error", "df", "p_value"):
            assert a[name] == pytest.approx(b[name], rel=1e-6), (ddf, name)


@pytest.mark.parametrize("formula", ["y ~ f + x + (x | a)", "y ~ f + x + diag(x | a) + (1 | a:b)"])
def test_starts_are_those_of_the_other_effects(formula) -> None:
    m, _ = fitted(formula, data())
    again, _ = fitted(formula, data(), start=m.theta.to_numpy())
    assert again.convergence.evaluations < m.convergence.evaluations  # other starts are tried beside it
    np.testing.assert_allclose(again.theta, m.theta, rtol=1e-8, atol=1e-10)
    scale = np.where(np.arange(len(m.theta)) % 2, 0.3, 5.0)
    elsewhere, _ = fitted(formula, data(), start=scale * m.theta.to_numpy())
    assert elsewhere.objective == pytest.approx(m.objective, abs=1e-8)


@pytest.mark.filterwarnings("ignore::ranef.RanefWarning")
def test_replicates_are_fitted_as_the_model_is() -> None:
    d = data()
    m, _ = fitted("y ~ f + x + (x | a)", d)
    y = m.simulate(5, rng=1).to_numpy()
    many = m.refit(np.column_stack([y, np.ones(len(y))]))
    assert many.converged.tolist() == [True] * 5 + [False]
    for i in range(5):
        one = m.refit(y[:, i])
        assert many.objective[i] == one.objective
        np.testing.assert_array_equal(many.theta[i], one.theta)
        np.testing.assert_allclose(many.bse[i], one.bse, rtol=1e-12)
    slopes = ranef.lmer("y ~ f + x + (0 + x | a)", d)
    for kind in ("parametric", "residual"):
        b = m.bootstrap(25, type=kind, rng=1)
        assert b.n_failed == 0
        means = m.bootstrap(25, type=kind, rng=1, statistic=lambda k: k.fixef)
        np.testing.assert_array_equal(b.values[:, : len(m.fixef)], means.values)
    found, right = m.bootstrap(300, rng=1).std_error, slopes.bootstrap(300, rng=1).std_error
    for name in ("x", "sd_x|a", "sigma"):
        assert found[name] == pytest.approx(right[name], rel=0.2)


def test_it_can_be_refitted_and_explained() -> None:
    d = data()
    m, _ = fitted("y ~ f + x + (x | a)", d)
    with pytest.warns(ranef.RanefWarning, match="not identified"):
        again = m.refit(2 * d["y"])
    assert again.objective == pytest.approx(m.objective + 2 * (100 - 5) * np.log(2), abs=1e-6)
    assert "converged" in m.convergence.explanation
    assert (m.ranef()["a"]["(Intercept)"].abs() < 1).all()
